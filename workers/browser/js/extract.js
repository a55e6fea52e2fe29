// Takes what is derived from the document: title, text, links and the
// serialised DOM. Large strings stay here and are fetched in pieces.
async (want) => {
  const timeout = (ms) => new Promise((done) => setTimeout(done, ms));
  let fonts = true;
  if (document.fonts && document.fonts.status !== 'loaded') {
    fonts = await Promise.race([document.fonts.ready.then(() => true), timeout(want.fonts).then(() => false)]);
  }
  window.scrollTo({ top: 0, left: 0, behavior: 'instant' });

  const roots = [];       // open shadow roots
  const documents = [];   // this document and its same-origin frames
  const links = [];
  let dropped = 0;
  const seen = new Set();
  const add = (url, kind, nofollow) => {
    if (!url) return;
    if (url.length > want.maxURL || links.length >= want.maxLinks) { dropped++; return; }
    const key = kind + ' ' + url;
    if (seen.has(key)) return;
    seen.add(key);
    links.push(nofollow ? { url, kind, noFollow: true } : { url, kind });
  };
  const kindOf = (url, kind) => {
    const scheme = url.slice(0, url.indexOf(':')).toLowerCase();
    switch (scheme) {
      case 'http': case 'https': return kind;
      case 'mailto': return 'Mailto';
      case 'tel': case 'sms': case 'callto': return 'Tel';
      case 'javascript': case 'about': case 'data': case 'blob': return '';
      default: return 'Other';
    }
  };
  const link = (el, raw, kind) => {
    let url;
    if (typeof el.href === 'string') { // resolved by the browser; an SVG's is none
      if (el.protocol === ':') return; // no address
      url = el.href;
    } else {
      try { url = new URL(raw, el.baseURI).href; } catch { return; }
    }
    const k = kindOf(url, kind);
    if (k) add(url, k, el.hasAttribute('rel') && /\bnofollow\b/i.test(el.getAttribute('rel')));
  };
  const walk = (node) => {
    for (const el of node.querySelectorAll('*')) {
      switch (el.localName) {
        case 'a': {
          const href = el.getAttribute('href') ?? el.getAttribute('xlink:href');
          if (href !== null) link(el, href, 'Anchor');
          break;
        }
        case 'area':
          if (el.hasAttribute('href')) link(el, el.getAttribute('href'), 'Area');
          break;
        case 'iframe': case 'frame': {
          if (el.getAttribute('src')) link(el, el.getAttribute('src'), 'Frame');
          let inner = null;
          try { inner = el.contentDocument; } catch { /* another origin */ }
          if (inner && documents.length < 200) { documents.push(inner); walk(inner); }
          break;
        }
      }
      if (el.shadowRoot) { roots.push(el.shadowRoot); walk(el.shadowRoot); }
    }
  };
  documents.push(document);
  walk(document);

  const out = { title: document.title || '', url: location.href, fonts, links, dropped };
  const root = document.scrollingElement || document.documentElement;
  out.height = root ? Math.max(root.scrollHeight, document.documentElement.scrollHeight) : 0;
  out.width = root ? root.clientWidth : 0;

  const kept = {};
  if (want.text) {
    const parts = [];
    for (const d of documents) {
      const body = d.body || d.documentElement;
      if (body) parts.push(typeof body.innerText === 'string' ? body.innerText : body.textContent || '');
    }
    for (const r of roots) {
      for (const child of r.children) {
        const text = child.localName === 'style' || child.localName === 'script' ? '' : child.innerText;
        if (text && text.trim()) parts.push(text);
      }
    }
    kept.text = parts.join('\n');
  }
  if (want.dom) {
    const doctype = document.doctype ? new XMLSerializer().serializeToString(document.doctype) + '\n' : '';
    const top = document.documentElement;
    if (!top) {
      kept.dom = doctype;
    } else if (roots.length && typeof top.getHTML === 'function') {
      const shell = top.cloneNode(false).outerHTML;
      const end = shell.lastIndexOf('</');
      kept.dom = doctype + shell.slice(0, end) + top.getHTML({ shadowRoots: roots }) + shell.slice(end);
    } else {
      kept.dom = doctype + top.outerHTML;
    }
  }
  out.shadowRoots = roots.length;
  out.lengths = {};
  for (const name of Object.keys(kept)) {
    out.lengths[name] = kept[name].length;
    if (kept[name].length <= want.inline) { out[name] = kept[name]; delete kept[name]; }
  }
  globalThis.crawlfleetKept = kept;
  return out;
}
