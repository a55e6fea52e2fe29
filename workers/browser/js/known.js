// The consent dialogs that are known by name: [name, root, what rejects, what closes].
const known = [
  ['OneTrust', '#onetrust-banner-sdk, #onetrust-consent-sdk .otFlat', '#onetrust-reject-all-handler', '.onetrust-close-btn-handler, #close-pc-btn-handler'],
  ['Cookiebot', '#CybotCookiebotDialog', '#CybotCookiebotDialogBodyButtonDecline, #CybotCookiebotDialogBodyLevelButtonLevelOptinDeclineAll', '.CybotCookiebotBannerCloseButton'],
  ['Quantcast', '.qc-cmp2-container, #qc-cmp2-ui', '#disagree-btn', '.qc-cmp2-close-icon'],
  ['Usercentrics', '#usercentrics-root, #usercentrics-cmp-ui', '[data-testid="uc-deny-all-button"], #deny, .uc-deny-button', '[data-testid="uc-close-button"]'],
  ['Didomi', '#didomi-popup, #didomi-notice', '#didomi-notice-disagree-button, .didomi-continue-without-agreeing', '.didomi-popup-close'],
  ['TrustArc', '#truste-consent-track, .truste_overlay, #truste-consent-content', '#truste-consent-required, .trustarc-declineall-btn', '.truste-close-button1, #truste-close'],
  ['Sourcepoint', '[class*="message-container"] .message', '.sp_choice_type_13, .sp_choice_type_REJECT_ALL', '.sp_choice_type_15'],
  ['Osano', '.osano-cm-dialog', '.osano-cm-denyAll, .osano-cm-deny', '.osano-cm-dialog__close'],
  ['CookieYes', '.cky-consent-container', '.cky-btn-reject', '.cky-banner-btn-close'],
  ['Complianz', '.cmplz-cookiebanner', '.cmplz-deny', '.cmplz-close'],
  ['Borlabs', '#BorlabsCookieBox', '[data-cookie-refuse], .brlbs-btn-accept-only-essential', '.brlbs-btn-close'],
  ['iubenda', '#iubenda-cs-banner', '.iubenda-cs-reject-btn', '.iubenda-cs-close-btn'],
  ['Klaro', '.klaro .cookie-notice, .klaro .cookie-modal', '.cn-decline, .cm-btn-decline', '.cm-header .hide'],
  ['tarteaucitron', '#tarteaucitronAlertBig', '#tarteaucitronAllDenied2', '#tarteaucitronCloseCross'],
  ['Axeptio', '#axeptio_overlay', '#axeptio_btn_dismiss', '#axeptio_btn_close'],
  ['Google', '.fc-consent-root', '.fc-cta-do-not-consent', '.fc-close'],
  ['consentmanager', '#cmpbox', '.cmpboxbtnno, #cmpwelcomebtnno', '#cmpboxbtnclose, .cmpboxbtnclose'],
  ['CookieFirst', '.cookiefirst-root', '[data-cookiefirst-action="reject"]', '[data-cookiefirst-action="close"]'],
  ['Cookie Consent', '.cc-window', '.cc-deny', '.cc-close'],
  ['HubSpot', '#hs-eu-cookie-confirmation', '#hs-eu-decline-button', '#hs-eu-close-button'],
  ['Termly', '#termly-code-snippet-support', '[data-tid="banner-decline"]', '.t-closeButton'],
  ['CookieScript', '#cookiescript_injected', '#cookiescript_reject', '#cookiescript_close'],
  ['Moove', '#moove_gdpr_cookie_info_bar', '.moove-gdpr-infobar-reject-btn', '.moove-gdpr-infobar-close-btn'],
  ['Cookie Notice', '#cookie-notice', '#cn-refuse-cookie', '#cn-close-notice'],
  ['Drupal', '#sliding-popup', '.decline-button', '.eu-cookie-compliance-close-button'],
  ['Shopify', '#shopify-pc__banner', '#shopify-pc__banner__btn-decline', '.shopify-pc__banner__close'],
];
const knownRoots = known.map((k) => k[1]).join(', ');
// Dialogs that lie in a frame of their own: Sourcepoint, TrustArc and others.
const consentFrames = 'iframe[id^="sp_message_iframe"], iframe[src*="privacy-mgmt"], iframe[src*="trustarc.com"], iframe[src*="truste.com"], iframe[src*="consensu.org"], iframe[id*="consent" i], iframe[title*="consent" i], iframe[title*="cookie" i]';
// Players that lie in a frame of their own.
const playerFrames = 'iframe[allow*="autoplay" i], iframe[src*="/embed" i], iframe[src*="player" i]';

// Phrases of what there is more of.
const moreText = 'load more|show more|see more|view more|read more|display more|load all|show all|see all|view all|expand all|more results|more comments|more ads|more listings|'
  + 'meer laden|meer tonen|toon meer|laad meer|meer weergeven|meer bekijken|bekijk meer|lees meer|meer lezen|meer zien|toon alles|toon alle|alles tonen|meer resultaten|meer advertenties|'
  + 'mehr laden|mehr anzeigen|mehr zeigen|weitere laden|weitere anzeigen|mehr ansehen|mehr lesen|weiterlesen|alle anzeigen|alles anzeigen|mehr ergebnisse|weitere ergebnisse|'
  + 'voir plus|afficher plus|charger plus|en voir plus|montrer plus|lire la suite|afficher la suite|voir la suite|charger la suite|voir tout|tout afficher|plus de résultats|plus d annonces|'
  + 'ver más|mostrar más|cargar más|leer más|ver todo|ver todos|mostrar todo|más resultados|más anuncios|'
  + 'ver mais|mostrar mais|carregar mais|ler mais|leia mais|exibir mais|ver tudo|ver todos|mostrar tudo|mais resultados|mais anúncios|'
  + 'mostra altro|mostra altri|carica altro|carica altri|mostra di più|vedi altro|vedi di più|leggi di più|leggi tutto|mostra tutto|mostra tutti|vedi tutto|visualizza altro|altri risultati|altri annunci|'
  + 'pokaż więcej|załaduj więcej|wczytaj więcej|zobacz więcej|wyświetl więcej|czytaj więcej|czytaj dalej|rozwiń|pokaż wszystko|pokaż wszystkie|więcej wyników|więcej ogłoszeń|'
  + 'afișează mai mult|afișează mai multe|arată mai mult|arată mai multe|vezi mai mult|vezi mai multe|încarcă mai mult|încarcă mai multe|citește mai mult|citește mai departe|mai multe rezultate|mai multe anunțuri|vezi tot|vezi toate|mai multe|'
  + 'покажи още|зареди още|виж още|вижте още|покажи повече|виж повече|вижте повече|прочети още|прочети повече|още резултати|още обяви|виж всички|покажи всички|'
  + 'továbbiak betöltése|több betöltése|több megjelenítése|továbbiak megjelenítése|mutass többet|több mutatása|tovább olvasom|tovább olvasás|összes megjelenítése|továbbiak|további találatok|további hirdetések|'
  + 'daha fazla göster|daha fazla yükle|daha fazlasını gör|daha fazlasını göster|daha fazla|devamını oku|devamını göster|tümünü göster|tümünü gör|hepsini göster|daha fazla ilan|daha fazla sonuç|'
  + 'показать ещё|загрузить ещё|показать больше|загрузить больше|смотреть ещё|посмотреть ещё|показать все|смотреть все|читать далее|читать дальше|читать полностью|больше результатов|больше объявлений|развернуть|раскрыть|ещё|'
  + 'показати ще|завантажити ще|показати більше|завантажити більше|переглянути більше|дивитися ще|показати все|показати всі|читати далі|розгорнути|більше результатів|більше оголошень|більше|ще|'
  + 'عرض المزيد|تحميل المزيد|إظهار المزيد|مشاهدة المزيد|شاهد المزيد|رؤية المزيد|اقرأ المزيد|قراءة المزيد|عرض الكل|المزيد|'
  + '加载更多|载入更多|載入更多|查看更多|显示更多|顯示更多|阅读更多|閱讀更多|看更多|更多|展开|展開|展开全部|展開全部|查看全部|阅读全文|閱讀全文|'
  + 'xem thêm|tải thêm|hiển thị thêm|hiện thêm|đọc thêm|xem tất cả|thêm kết quả|'
  + 'ดูเพิ่มเติม|โหลดเพิ่มเติม|โหลดเพิ่ม|แสดงเพิ่มเติม|แสดงเพิ่ม|อ่านเพิ่มเติม|อ่านต่อ|เพิ่มเติม|ดูทั้งหมด|แสดงทั้งหมด|'
  + 'načíst další|zobrazit více|zobrazit další|číst dále|zobraziť viac|načítať ďalšie|φόρτωση περισσότερων|εμφάνιση περισσότερων|δείτε περισσότερα|περισσότερα|visa fler|visa mer|ladda fler|läs mer|vis mere|vis flere|indlæs flere|vis mer|last inn flere|näytä lisää|lataa lisää|prikaži više|učitaj više|прикажи још|учитај још|shfaq më shumë|もっと見る|もっと読み込む|さらに表示|続きを読む|すべて表示|더 보기|더보기|더 불러오기|모두 보기';
const moreNames = '[class*="load-more" i], [class*="loadmore" i], [class*="load_more" i], [class*="show-more" i], [class*="showmore" i], [class*="show_more" i]';
// apart are the parts of a page whose folds are menus and not contents.
const apart = 'nav, header, [role="navigation"], [role="menubar"], [role="menu"], [role="toolbar"], [role="banner"], [role="search"], [role="listbox"], [role="tablist"], [role="tree"]';

// folds and toggles that were opened before are left: one of a group closes when another one opens.
const folds = (max) => every('details:not([open])', max, (el) => !mine.clicked.has(el) && !el.closest(apart) && visible(el));
const toggles = (max) => every('[aria-expanded="false"]', max, (el) => {
  if (el.hasAttribute('aria-haspopup') && el.getAttribute('aria-haspopup') !== 'false') return false;
  if (/^(input|select|textarea|option)$/.test(el.localName) || /^(combobox|menuitem|tab|treeitem|option|row)$/.test(el.getAttribute('role') || '')) return false;
  return !mine.clicked.has(el) && !el.closest(apart) && clickable(el);
});
const mores = (max) => every(buttons + ', ' + moreNames, max, (el) => says(raw(el), phrases('more', moreText)) && !el.closest('nav, [role="menu"], [role="menubar"]') &&
      !(el.hasAttribute('aria-haspopup') && el.getAttribute('aria-haspopup') !== 'false') && clickable(el) && !el.querySelector(buttons));
// clickable are things outside of forms and dialogs about consent or age, that lead nowhere.
const clickable = (el) => !off(el) && !leads(el) && !el.form && !el.closest('form') && !el.isContentEditable && visible(el) && !shut(el);
const shut = (el) => {
  const at = el.getRootNode() instanceof ShadowRoot ? el.getRootNode().host : el;
  if (at.closest(knownRoots)) return true;
  const over = overlay(at);
  if (!over) return false;
  const words = wordsOf(over);
  return isAgeGate(over, words) || (isConsent(over, words) && words.length < 4000);
};
// agePage reports whether the document is nothing but a question for the visitor's age.
const agePage = () => {
  const body = document.body;
  if (!body || document.getElementsByTagName('*').length > 200) return false;
  const text = body.innerText || '';
  if (text.length > 1500) return false;
  const words = text.normalize('NFKD').replace(/\p{M}+/gu, '').toLowerCase();
  return /(are|confirm|certify|declare) (that )?(you are |i am |you |i )?(at least|over|older than|above|of) (the age of )?(18|21|legal age)|(18|21) (years|jaar|jahre|ans|anos|anni|lat|ani) (of age|or older|oder alter|of ouder|of older|i wiecej|sau mai mult)|(must|have to) be (at least )?(18|21)/.test(words) &&
    document.querySelector('button, a, input, [role="button"]') !== null;
};
