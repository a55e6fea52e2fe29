// What the behaviours that click share.

// guard keeps what is clicked from leading away: the default of a link or a form is taken from it while we click. (What a
// script of the page makes of the click, the tab's gate sees.)
const guard = () => {
  if (mine.guarded) return;
  mine.guarded = true;
  const stop = (ev) => {
    if (!mine.armed) return;
    for (const el of ev.composedPath()) {
      if (!(el instanceof Element)) continue;
      if (leads(el) || (ev.type === 'click' && submits(el))) { ev.preventDefault(); return; }
    }
    if (ev.type === 'submit' && (ev.target.getAttribute('method') || '').toLowerCase() !== 'dialog') ev.preventDefault();
  };
  for (const type of ['click', 'submit']) {
    window.addEventListener(type, stop, true);
    window.addEventListener(type, stop, false);
  }
};
const press = (el) => {
  guard();
  mine.armed = true;
  try { el.click(); } finally { mine.armed = false; }
};
const size = () => document.getElementsByTagName('*').length;
