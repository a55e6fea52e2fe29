// What the probe and the behaviours share: finding things on the page and judging what may be clicked. It is put in
// front of each of them and runs in a world of its own, where the page's changes to built-ins do not reach.
const mine = (globalThis.crawlfleetState ??= { clicked: new Map(), armed: false, guarded: false });
const huge = 200000; // elements above which a document is only scrolled
const maxWalk = 5000; // elements that are looked through for shadow roots

// roots are the document and its open shadow roots, looked for once.
let foundRoots;
const roots = () => {
  if (foundRoots) return foundRoots;
  const found = [document];
  for (let i = 0; i < found.length && found.length < 200; i++) {
    const walker = document.createTreeWalker(found[i], NodeFilter.SHOW_ELEMENT);
    for (let j = 0, el; j < maxWalk && (el = walker.nextNode()); j++) if (el.shadowRoot) found.push(el.shadowRoot);
  }
  foundRoots = found;
  return found;
};
// every gives at most max elements that a selector finds and a test passes, of at most 3000 that are looked at.
const every = (selector, max, test) => {
  const found = [];
  let looked = 0;
  for (const root of roots()) {
    for (const el of root.querySelectorAll(selector)) {
      if (found.length >= max || looked++ >= 3000) return found;
      if (!test || test(el)) found.push(el);
    }
  }
  return found;
};
const visible = (el) => {
  if (!el.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) return false;
  const box = el.getBoundingClientRect();
  return box.width > 0 && box.height > 0;
};

// plain makes words comparable: no case, no accents, no digits, no signs.
const plain = (s) => /^[\x00-\x7f]*$/.test(s) ? s.toLowerCase().replace(/[^a-z]+/g, ' ').trim() : s.normalize('NFKD').replace(/\p{M}+/gu, '').toLowerCase().replace(/[^\p{L}]+/gu, ' ').trim();
const raw = (el) => {
  const text = el.getAttribute('aria-label') || (el.localName === 'input' ? el.value : el.textContent) || el.getAttribute('title') || '';
  return text.length > 300 ? '' : text.trim();
};
const unspaced = /[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]/;
// phrases makes a list ready to be looked up: whole labels, labels by their first and last word, and those of
// languages that are written without spaces.
const phrases = (name, list) => {
  if (mine[name]) return mine[name];
  const ready = { whole: new Set(), first: new Map(), last: new Map(), unspaced: [], known: new Map() };
  const add = (map, word, p) => { if (!map.has(word)) map.set(word, []); map.get(word).push(p); };
  for (const p of list.split('|').map(plain)) {
    ready.whole.add(p);
    if (unspaced.test(p)) {
      if (p.length > 3) ready.unspaced.push(p);
    } else if (p.includes(' ')) {
      const words = p.split(' ');
      add(ready.first, words[0], [p, words.length]);
      add(ready.last, words[words.length - 1], [p, words.length]);
    }
  }
  return (mine[name] = ready);
};
const match = (label, list) => {
  if (list.whole.has(label)) return true;
  if (unspaced.test(label)) return list.unspaced.some((p) => label.length <= p.length + 8 && label.includes(p));
  const words = label.split(' ');
  const fits = ([p, n]) => words.length <= n + 3 && (label.startsWith(p + ' ') || label.endsWith(' ' + p));
  return (list.first.get(words[0]) || []).some(fits) || (list.last.get(words[words.length - 1]) || []).some(fits);
};
// says reports whether a text is one of the phrases, give or take a few words around it.
const says = (text, list) => {
  if (text.length < 2 || text.length > 80) return false;
  let known = list.known.get(text);
  if (known === undefined) {
    known = match(plain(text), list);
    if (list.known.size < 5000) list.known.set(text, known);
  }
  return known;
};

// leads reports whether a click on an element could lead away, start a download or write to somebody.
const leads = (el) => {
  const link = el.closest('a[href], area[href]');
  if (!link) return false;
  const href = (link.getAttribute('href') || '').trim();
  return link.hasAttribute('download') || !(href === '' || href.startsWith('#') || /^javascript:/i.test(href));
};
// submits reports whether a click on an element could send a form. (That of a dialog is not sent.)
const submits = (el) => {
  const form = el.form || el.closest('form');
  if (!form || (form.getAttribute('method') || '').toLowerCase() === 'dialog') return false;
  return (el.localName === 'button' && el.type !== 'button') || (el.localName === 'input' && el.type !== 'button') || el.type === 'image';
};
const off = (el) => el.disabled === true || el.getAttribute('aria-disabled') === 'true';
const buttons = 'button, [role="button"], input[type="button"], a:not([href]), a[href=""], a[href^="#"], a[href^="javascript:" i], [onclick], [tabindex="0"]';

// Dialogs that lie over the page.
const ageWords = /(1[689]|2[01])\s*(\+|years|year|jaar|jahre|ans\b|anos|anni|lat\b|ani\b|godini|\u0433\u043e\u0434|\u043b\u0435\u0442|\u0440\u043e\u043a|yas|eves|\u5c81|\u6b72|\u6b73|\u0e1b|tuoi)|over (the age of )?(18|21)|(18|21) or (over|older)|of legal age|legal age|age verification|verify your age|confirm your age|adults? only|leeftijd|volwassen|volljahrig|majeur|mayor(es)? de edad|maior(es)? de idade|maggiorenn|pelnoletni|\u043f\u044a\u043b\u043d\u043e\u043b\u0435\u0442|\u0441\u043e\u0432\u0435\u0440\u0448\u0435\u043d\u043d\u043e\u043b\u0435\u0442|\u043f\u043e\u0432\u043d\u043e\u043b\u0456\u0442\u043d|resit misiniz|nagykoru|\u5e74\u6eff|\u5e74\u6ee1|\u6210\u4eba/;
const consentWords = /cookie|consent|gdpr|rgpd|dsgvo|\bavg\b|privacy|privatsphare|datenschutz|confidentialit|privacidad|privacidade|prywatnosc|ciasteczk|confidentialitate|adatkezel|cerez|kvkk|\u043a\u0443\u043a\u0438|\u0431\u0438\u0441\u043a\u0432\u0438\u0442|\u043f\u0435\u0440\u0441\u043e\u043d\u0430\u043b\u044c\u043d|\u0645\u0644\u0641\u0627\u062a \u062a\u0639\u0631\u064a\u0641|\u062e\u0635\u0648\u0635\u064a|\u9690\u79c1|\u96b1\u79c1|\u0e04\u0e01\u0e01|\u30af\u30c3\u30ad|quyen rieng tu/;
const wordsOf = (el) => {
  let text = (el.textContent || '').slice(0, 6000);
  if (el.shadowRoot) text += (el.shadowRoot.textContent || '').slice(0, 6000);
  return text.normalize('NFKD').replace(/\p{M}+/gu, '').toLowerCase();
};
const overlay = (el) => {
  for (let at = el; at && at !== document.body && at !== document.documentElement; at = at.parentElement) {
    if (at.localName === 'dialog' || /dialog/.test(at.getAttribute('role') || '') || /^(fixed|sticky)$/.test(getComputedStyle(at).position)) return at;
  }
  return null;
};
const named = (el, words) => words.test((el.id || '') + ' ' + (el.getAttribute('class') || ''));
const ageNames = /age[-_ ]?(gate|check|verif|confirm|modal|popup|wall|restrict|warning)|(adult|nsfw)[-_ ]?(gate|warning|modal|check)/i;
// overlays are the dialogs, banners and curtains that are there to be seen, each once, the outermost.
const overlays = () => {
  const found = new Set();
  const take = (el) => { if (el && found.size < 60 && visible(el)) found.add(el); };
  for (const el of document.querySelectorAll('dialog[open], [role="dialog"], [role="alertdialog"], [aria-modal="true"], [id*="cookie" i], [class*="cookie" i], [id*="consent" i], [class*="consent" i], [id*="gdpr" i], [class*="gdpr" i], [class*="age-" i], [class*="age_" i], [id*="age-" i], [id*="age_" i], [class*="agegate" i], [id*="agegate" i]')) {
    if (found.size >= 60) break;
    if (el === document.body || el === document.documentElement) continue;
    take(overlay(el) || (named(el, ageNames) ? el : null) || (named(el, /cookie|consent|gdpr/i) ? el : null));
  }
  const { innerWidth: w, innerHeight: h } = window;
  for (const [x, y] of [[w / 2, h / 2], [w / 2, h - 30], [30, h - 30], [w - 30, h - 30], [w / 2, 30]]) {
    const at = document.elementFromPoint(x, y);
    if (at) take(overlay(at));
  }
  return [...found].filter((el) => ![...found].some((other) => other !== el && other.contains(el)));
};
const isAgeGate = (el, words) => {
  if (!ageWords.test(words) || !(el.shadowRoot || el).querySelector('button, a, input, select, [role="button"], [onclick]')) return false;
  if (named(el, ageNames)) return true;
  const box = el.getBoundingClientRect();
  return box.width * box.height >= 0.15 * window.innerWidth * window.innerHeight && !!overlay(el);
};
const isConsent = (el, words) => consentWords.test(words) && (el.shadowRoot || el).querySelector('button, a, input, [role="button"], [onclick]') !== null;
