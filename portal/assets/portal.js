// What the pages do beyond links and forms. Everything works without it.
'use strict';

const box = document.querySelector('header.site input[type=search]');
const hits = () => [...document.querySelectorAll('.hit')]; // a list may be read anew
const focused = () => hits().findIndex((h) => h.contains(document.activeElement));
const typing = (el) => el && (el.isContentEditable || /^(input|select|textarea)$/i.test(el.tagName) && el.type !== 'checkbox');

// Keys as in many mail programs: they act only where nothing is typed.
document.addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.altKey || e.metaKey || typing(e.target)) {
    if (e.key === 'Escape' && typing(e.target)) e.target.blur();
    return;
  }
  const at = focused();
  const act = {
    '/': () => { box?.focus(); box?.select(); },
    j: () => go(Math.min(at + 1, hits().length - 1)),
    k: () => go(Math.max(at - 1, 0)),
    x: () => hits()[at]?.querySelector('.select input')?.click(),
    n: () => document.querySelector('a[rel=next]')?.click(),
    p: back,
    '?': () => document.querySelector('.keys')?.focus(), // scrolls to it, and has it read out
  }[e.key];
  if (!act) return;
  e.preventDefault();
  act();
});

function go(to) {
  const hit = hits()[to];
  hit?.querySelector('h2 a, h3 a, .time a, .main a')?.focus({ preventScroll: true });
  hit?.scrollIntoView({ block: 'nearest' });
}

// Lists that go on with a cursor know no page before: it is where one came from.
function back() {
  const link = document.querySelector('a[rel=prev]');
  if (link) link.click();
  else if (new URLSearchParams(location.search).has('cursor')) history.back();
}

// Filters stand open where there is room beside the list.
const filters = document.querySelector('.filters');
if (filters && matchMedia('(max-width: 56rem)').matches) filters.open = false;

// A page that says how often it is to be read anew is, while nobody is typing or selecting.
const beat = document.querySelector('[data-refresh]');
if (beat) {
  setInterval(async () => {
    if (document.hidden || typing(document.activeElement)) return;
    const answer = await fetch(location.href, { headers: { Accept: 'text/html', 'Crawlfleet-Refresh': '1' } }).catch(() => null);
    if (!answer?.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('[data-refresh]');
    const at = focused();
    if (fresh) beat.replaceChildren(...fresh.childNodes);
    if (at >= 0 && focused() < 0) go(at); // what had the focus was replaced
  }, Number(beat.dataset.refresh) * 1000);
}

// Parts that take long are fetched when the rest is shown.
for (const part of document.querySelectorAll('[data-load]')) {
  part.setAttribute('aria-busy', 'true');
  fetch(part.dataset.load, { headers: { Accept: 'text/html' } })
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)))
    .then((text) => {
      const found = new DOMParser().parseFromString(text, 'text/html').querySelector(part.dataset.take);
      if (found) part.querySelector('h2').after(found);
    })
    .catch(() => {}) // the link to it stays
    .finally(() => part.removeAttribute('aria-busy'));
}
