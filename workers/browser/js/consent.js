// Closes dialogs about consent: what rejects is clicked before what closes, and what accepts never.
(want) => {
  const reject = phrases('reject', 'reject all|reject|decline|decline all|deny|deny all|refuse|refuse all|disagree|i disagree|do not accept|i do not accept|do not consent|i do not consent|no thanks|only necessary|necessary only|necessary cookies only|essential only|only essential|essential cookies only|use necessary cookies only|accept only necessary|accept only essential|accept necessary only|accept necessary cookies|accept essential cookies|continue without accepting|continue without agreeing|reject non essential|reject optional|reject additional|reject cookies|reject all cookies|'
    + 'weigeren|alles weigeren|alle weigeren|weiger alles|afwijzen|alles afwijzen|niet akkoord|alleen noodzakelijke|alleen noodzakelijke cookies|alleen noodzakelijk|alleen functionele cookies|nee bedankt|doorgaan zonder te accepteren|alle cookies weigeren|'
    + 'ablehnen|alle ablehnen|alles ablehnen|alle cookies ablehnen|nur notwendige|nur notwendige cookies|nur erforderliche|nur essenzielle|nur essenzielle cookies akzeptieren|nur technisch notwendige|nicht zustimmen|verweigern|weiter ohne einwilligung|nein danke|'
    + 'refuser|tout refuser|refuser tout|je refuse|continuer sans accepter|non merci|rejeter|tout rejeter|cookies essentiels uniquement|'
    + 'rechazar|rechazar todo|rechazar todas|rechazar todos|denegar|no acepto|no aceptar|solo necesarias|solo las necesarias|continuar sin aceptar|'
    + 'rejeitar|rejeitar tudo|rejeitar todos|recusar|recusar tudo|recusar todos|não aceito|apenas necessários|apenas os necessários|somente necessários|continuar sem aceitar|'
    + 'rifiuta|rifiuta tutto|rifiuta tutti|rifiuto|nega|solo necessari|solo i necessari|continua senza accettare|non accetto|'
    + 'odrzuć|odrzuć wszystkie|odrzuć wszystko|odmawiam|nie zgadzam się|nie wyrażam zgody|tylko niezbędne|kontynuuj bez akceptacji|'
    + 'refuz|refuză|refuză tot|refuză toate|respinge|respinge toate|respinge tot|nu accept|nu sunt de acord|doar cele necesare|numai cele necesare|'
    + 'отхвърляне|отхвърли|отхвърли всички|отхвърляне на всички|отказ|отказвам|откажи|не приемам|само необходимите|'
    + 'elutasítás|elutasít|elutasítom|összes elutasítása|mindet elutasítom|csak a szükséges|csak a szükségesek|nem fogadom el|'
    + 'reddet|tümünü reddet|hepsini reddet|kabul etme|kabul etmiyorum|yalnızca gerekli|sadece gerekli|'
    + 'отклонить|отклонить все|отказаться|отказать|не принимаю|не согласен|только необходимые|'
    + 'відхилити|відхилити все|відхилити всі|відмовитися|не погоджуюсь|лише необхідні|тільки необхідні|'
    + 'رفض|رفض الكل|رفض الجميع|أرفض|لا أوافق|'
    + '拒绝|全部拒绝|拒绝所有|拒絕|全部拒絕|不同意|仅必要|僅必要|'
    + 'từ chối|từ chối tất cả|không đồng ý|chỉ cần thiết|'
    + 'ปฏิเสธ|ปฏิเสธทั้งหมด|ไม่ยอมรับ|'
    + 'odmítnout|odmítnout vše|odmietnuť|απόρριψη|απόρριψη όλων|avvisa|avvisa alla|neka alla|afvis|afvis alle|avvis|avvis alle|hylkää|hylkää kaikki|odbij|odbij sve|одбиј|refuzo|拒否|すべて拒否|거부|모두 거부');
  const close = phrases('close', 'close|dismiss|close banner|close dialog|close this dialog|close notice|close cookie banner|sluiten|schließen|fermer|cerrar|fechar|chiudi|zamknij|închide|затвори|bezárás|kapat|закрыть|закрити|إغلاق|关闭|關閉|đóng|ปิด|zavřít|zatvoriť|κλείσιμο|stäng|luk|lukk|sulje|zatvori|mbyll|閉じる|닫기');
  const any = (root, selector) => [...root.querySelectorAll(selector)].find((el) => harmless(el));
  const harmless = (el) => !off(el) && !leads(el) && !submits(el) && visible(el);
  const inside = (root) => [...root.querySelectorAll(buttons)].filter(harmless);
  const rejects = (root) => inside(root).find((el) => says(raw(el), reject));
  const closes = (root) => inside(root).find((el) => {
    const text = raw(el);
    if (close.whole.has(plain(text))) return true;
    if (/^[\u00d7\u2715\u2716\u2717\u2a2f\u274cxX]$/.test(text)) return true;
    return plain(text) === '' && /(^|[-_ ])(close|dismiss)/i.test((el.id || '') + ' ' + (el.getAttribute('class') || ''));
  });

  const found = [];
  for (const [name, roots, no, shut] of known) {
    for (const host of document.querySelectorAll(roots)) {
      const root = host.shadowRoot || host;
      if (!host.shadowRoot && !visible(host)) continue;
      found.push([name, host, any(root, no) || rejects(root), any(root, shut) || closes(root)]);
    }
  }
  if (found.length === 0) {
    const list = want.frame ? [document.body] : overlays();
    for (const el of list) {
      if (!el) continue;
      const words = wordsOf(el);
      if (isAgeGate(el, words) || (!want.frame && !isConsent(el, words))) continue;
      const root = el.shadowRoot || el;
      found.push(['a dialog', el, rejects(root), closes(root)]);
    }
  }
  for (const [name, el, no, shut] of found) {
    const todo = no || shut;
    if (!todo) continue;
    if (mine.clicked.has(todo)) continue;
    mine.clicked.set(todo, { times: 1 });
    press(todo);
    return { found: name, did: no ? 'rejected' : 'closed' };
  }
  // Where nothing but consent is offered, the dialog stays.
  const open = found.filter(([, el]) => want.frame || el.shadowRoot || visible(el));
  return { found: open.length ? open[0][0] : '', did: open.length ? 'left' : '' };
}
