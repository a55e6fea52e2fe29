// Runs first in every document of a replay, and takes away what reaches out past a Content Security Policy: WebRTC, and
// hints at hosts (preconnect, dns-prefetch). The same in each frame that a page makes, at once, for an empty frame has
// all of that anew.
'use strict';
(() => {
  const taken = /^(webkit)?RTC|^PresentationRequest$/;
  const hints = /\b(preconnect|dns-prefetch|prefetch|prerender|modulepreload|preload)\b/i;
  const known = new WeakSet();

  const inserting = {
    Node: ['appendChild', 'insertBefore', 'replaceChild'],
    Element: ['append', 'prepend', 'before', 'after', 'replaceWith', 'replaceChildren', 'moveBefore', 'insertAdjacentElement', 'insertAdjacentHTML', 'setHTMLUnsafe'],
    CharacterData: ['before', 'after', 'replaceWith'],
    Document: ['append', 'prepend', 'replaceChildren', 'write', 'writeln', 'execCommand'],
    DocumentFragment: ['append', 'prepend', 'replaceChildren', 'moveBefore'],
    ShadowRoot: ['setHTMLUnsafe'],
    Range: ['insertNode', 'surroundContents'],
  };
  const assigning = { Element: ['innerHTML', 'outerHTML'], ShadowRoot: ['innerHTML'] };
  const reading = { HTMLIFrameElement: ['contentWindow', 'contentDocument'], HTMLFrameElement: ['contentWindow', 'contentDocument'], HTMLObjectElement: ['contentWindow', 'contentDocument'] };

  const guard = (w) => {
    try {
      if (known.has(w.document)) return;
      known.add(w.document);
    } catch {
      return; // of another origin: it has a policy of its own
    }
    for (const name of Object.getOwnPropertyNames(w)) {
      if (taken.test(name)) delete w[name];
    }
    const frames = () => { for (let i = 0; i < w.length; i++) guard(w[i]); };
    const wrap = (types, part, make) => {
      for (const [type, names] of Object.entries(types)) {
        for (const name of names) {
          const proto = w[type]?.prototype;
          const own = proto && Object.getOwnPropertyDescriptor(proto, name);
          if (!own?.[part] || !own.configurable) continue;
          const call = own[part];
          Object.defineProperty(proto, name, { ...own, [part]: make(call) });
        }
      }
    };
    const then = (call) => function (...args) {
      const result = call.apply(this, args);
      frames();
      return result;
    };
    wrap(inserting, 'value', then);
    wrap(assigning, 'set', then);
    wrap(reading, 'get', (call) => function () {
      frames();
      return call.call(this);
    });
    // The parser's frames: observers are called before a script that follows runs.
    new w.MutationObserver(frames).observe(w.document, { childList: true, subtree: true });
    w.addEventListener('load', frames, true);

    // Hints at hosts are acted on when they are read, so they are taken from links before.
    const rel = Object.getOwnPropertyDescriptor(w.HTMLLinkElement.prototype, 'rel');
    if (rel) {
      Object.defineProperty(w.HTMLLinkElement.prototype, 'rel', { ...rel, set(value) { if (!hints.test(value)) rel.set.call(this, value); } });
    }
    const { setAttribute } = w.Element.prototype;
    w.Element.prototype.setAttribute = function (name, value) {
      if (this.localName === 'link' && String(name).toLowerCase() === 'rel' && hints.test(value)) return;
      setAttribute.call(this, name, value);
    };
    // Windows are not opened in a replay: what would be one is shown where it is.
    w.addEventListener('click', (e) => {
      const link = e.composedPath().find((n) => n.localName === 'a' && n.target === '_blank');
      if (link) link.removeAttribute('target');
    }, true);
  };
  guard(window);
})();
