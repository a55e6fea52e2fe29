// What the settle rule and the scroll need to know about the document. Runs in
// a world of its own, where the page's changes to built-ins do not reach.
(() => {
  const root = document.scrollingElement || document.documentElement;
  const refresh = document.querySelector('meta[http-equiv="refresh" i]');
  return {
    state: document.readyState,
    scripted: document.scripts.length > 0 || window.length > 0,
    lazy: document.querySelector('img[loading="lazy" i], iframe[loading="lazy" i]') !== null,
    refresh: refresh ? parseFloat(refresh.content) || 0 : -1,
    height: root ? root.scrollHeight : 0,
    view: window.innerHeight,
  };
})()
