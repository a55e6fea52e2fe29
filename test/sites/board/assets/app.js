// Renders the page for the address in the location bar from the JSON API.
import { api } from './api.js';
import { el, icon } from './dom.js';
import { adPage, infoPage, listPage, notFound } from './views.js';

function header(site, categories) {
  const here = location.pathname;
  document.querySelector('#top').append(
    el('div', { class: 'bar' },
      el('a', { class: 'brand', href: '/' }, el('img', { src: '/static/icon.svg', width: 34, height: 34, alt: '' }), site.name),
      el('p', { class: 'tagline' }, site.tagline)),
    el('nav', { class: 'categories', 'aria-label': 'Categories' },
      categories.map((c) => el('a', { href: c.url, 'aria-current': c.url === here ? 'page' : null },
        icon(c.slug), el('span', {}, c.name), el('small', {}, c.ads)))));
}

function footer(site) {
  document.querySelector('#bottom').append(
    el('nav', { 'aria-label': 'More' }, site.footer.map((l) => el('a', { href: l.url }, l.text))),
    el('p', {}, 'Made-up people, made-up things, and telephone numbers that nobody has.'));
}

async function page() {
  const [, section, name] = location.pathname.split('/');
  const number = Number(new URLSearchParams(location.search).get('page') ?? 1);
  switch (section) {
    case '': return listPage({ number });
    case 'c': return listPage({ number, category: name });
    case 's': return listPage({ number, seller: name });
    case 'ad': return adPage(name.split('-')[0]);
    case 'info': return infoPage(name);
    case 'private': return [el('h1', {}, 'Members'), el('p', {}, 'Only members may read this, and crawlers may not.')];
    default: throw new Error('no such page');
  }
}

// The small files that --sub-resources adds to measure with.
function extras() {
  const list = document.querySelector('#extras')?.dataset.extras.trim().split(/\s+/) ?? [];
  return Promise.all(list.map((url) => new Promise((done) => {
    const ready = { onload: done, onerror: done };
    if (url.endsWith('.svg')) document.querySelector('#extras').append(Object.assign(new Image(), ready, { src: url }));
    else if (url.endsWith('.css')) document.head.append(Object.assign(document.createElement('link'), ready, { rel: 'stylesheet', href: url }));
    else if (url.endsWith('.js')) document.head.append(Object.assign(document.createElement('script'), ready, { src: url }));
    else fetch(url).then((r) => r.json()).then(done, done);
  })));
}

async function run() {
  const main = document.querySelector('#main');
  const more = extras();
  try {
    const [site, categories] = await Promise.all([api('site'), api('categories')]);
    header(site, categories);
    let content;
    try {
      content = await page();
    } catch {
      content = notFound();
    }
    main.append(...content);
    footer(site);
  } catch (e) {
    main.append(el('p', { class: 'problem' }, 'The board cannot be reached just now. Please try again later.'));
  }
  await more;
  main.removeAttribute('aria-busy');
}

run();
