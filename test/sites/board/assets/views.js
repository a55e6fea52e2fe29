// The pages of the board.
import { api } from './api.js';
import { el, icon } from './dom.js';

function title(text) {
  document.title = `${text} · Prikbord`;
}

function picture(image, sizes, attributes = {}) {
  return el('img', { src: image.src, srcset: image.srcset, sizes: image.srcset ? sizes : null, alt: image.alt, width: 800, height: 600, ...attributes });
}

function card(ad) {
  return el('a', { class: 'card', href: ad.url },
    picture(ad.image, '(min-width: 700px) 280px, 50vw', { loading: 'lazy' }),
    el('div', { class: 'about' },
      el('h3', {}, ad.title),
      el('p', { class: 'price' }, ad.price),
      el('p', { class: 'meta' }, icon('place'), el('span', {}, ad.place), el('time', {}, ad.posted))));
}

function pager(list) {
  if (list.pages < 2) return [];
  const link = (n, text = n) => el('a', {
    href: n === 1 ? location.pathname : `${location.pathname}?page=${n}`,
    'aria-current': n === list.page ? 'page' : null,
  }, text);
  const near = [...Array(list.pages).keys()].map((i) => i + 1)
    .filter((n) => n === 1 || n === list.pages || Math.abs(n - list.page) <= 3);
  return [el('nav', { class: 'pager', 'aria-label': 'Pages' },
    list.page > 1 ? link(list.page - 1, '‹ Newer') : [],
    near.map((n) => link(n)),
    list.page < list.pages ? link(list.page + 1, 'Older ›') : [])];
}

// Loads the next page of the list whenever the end of it is scrolled into view.
function scrollOn(list, query, grid, mark) {
  let next = list.page + 1;
  const seen = new IntersectionObserver(async (entries) => {
    if (!entries.some((e) => e.isIntersecting)) return;
    seen.disconnect();
    mark.textContent = 'Loading more ads …';
    try {
      const more = await api(`ads?page=${next}${query}`);
      grid.append(...more.ads.map(card));
      next += 1;
      mark.textContent = '';
      if (next <= list.pages) seen.observe(mark);
      else mark.textContent = 'That was everything.';
    } catch {
      mark.textContent = '';
    }
  });
  if (next <= list.pages) seen.observe(mark);
}

export async function listPage({ number, category, seller }) {
  const query = (category ? `&category=${category}` : '') + (seller ? `&seller=${seller}` : '');
  const [list, top] = await Promise.all([
    api(`ads?page=${number}${query}`),
    category ? categoryTop(category) : seller ? sellerTop(seller) : boardTop(),
  ]);
  const grid = el('div', { class: 'grid' }, list.ads.map(card));
  const mark = el('p', { class: 'mark', role: 'status' });
  requestAnimationFrame(() => scrollOn(list, query, grid, mark));
  return [
    ...top,
    el('p', { class: 'count' }, `${list.total} ads` + (list.pages > 1 ? `, page ${list.page} of ${list.pages}` : '')),
    grid, mark, ...pager(list),
  ];
}

async function boardTop() {
  title('All ads');
  return [el('section', { class: 'hero' },
    el('h1', {}, 'Found around the corner'),
    el('p', {}, 'Bikes that still ride, rooms with a window, and people who know how to fix things.'))];
}

async function categoryTop(slug) {
  const c = (await api('categories')).find((x) => x.slug === slug);
  title(c.name);
  return [el('section', { class: 'hero' }, el('h1', {}, c.name), el('p', { lang: 'nl' }, c.dutch))];
}

async function sellerTop(handle) {
  const s = await api(`sellers/${handle}`);
  title(s.handle);
  return [el('section', { class: 'hero seller-top' },
    el('h1', {}, icon('person'), s.handle),
    el('p', {}, `${s.place}, here since ${s.since}`),
    contact(s))];
}

function contact(s) {
  return el('p', { class: 'contact' },
    el('a', { class: 'button', href: s.tel }, icon('phone'), s.phone),
    el('a', { class: 'button quiet', href: s.mailto }, icon('mail'), 'Write'));
}

export async function adPage(id) {
  const [ad, categories] = await Promise.all([api(`ads/${id}`), api('categories')]);
  const category = categories.find((c) => c.slug === ad.category);
  title(ad.title);
  const large = picture(ad.images[0], '(min-width: 900px) 620px, 100vw', { class: 'large', fetchpriority: 'high' });
  const thumbs = ad.images.map((image, i) => {
    const b = el('button', { type: 'button', 'aria-label': image.alt }, picture(image, '130px'));
    b.addEventListener('click', () => {
      large.src = image.src;
      if (image.srcset) large.srcset = image.srcset; else large.removeAttribute('srcset');
      large.alt = image.alt;
    });
    if (i === 0) b.classList.add('first');
    return b;
  });
  const facts = [['Place', ad.place], ['Posted', ad.posted], ['Condition', ad.condition], ['Number', ad.id]]
    .filter(([, value]) => value)
    .flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]);
  return [
    el('nav', { class: 'crumbs', 'aria-label': 'You are here' }, el('a', { href: '/' }, 'All ads'), ' › ', el('a', { href: category.url }, category.name)),
    el('article', { class: 'ad' },
      el('div', { class: 'gallery' }, large, el('div', { class: 'thumbs' }, thumbs)),
      el('div', { class: 'text' },
        el('h1', { lang: ad.language }, ad.title),
        el('p', { class: 'price' }, ad.price),
        el('div', { class: 'description', lang: ad.language }, ad.description.map((p) => el('p', {}, p))),
        el('dl', {}, facts)),
      el('aside', { class: 'seller' },
        el('h2', {}, 'Offered by'),
        el('a', { class: 'who', href: ad.seller.url }, icon('person'), ad.seller.handle),
        contact(ad.seller))),
    ad.similar.length ? el('section', { class: 'similar' }, el('h2', {}, 'More like this'), el('div', { class: 'grid' }, ad.similar.map(card))) : '',
  ].filter(Boolean);
}

export async function infoPage(slug) {
  const info = await api(`info/${slug}`);
  title(info.title);
  return [el('article', { class: 'info' },
    el('h1', {}, info.title),
    info.text.map((p) => el('p', {}, p)),
    el('ul', {}, info.links.map((l) => el('li', {}, el('a', { href: l.url }, l.text)))))];
}

export function notFound() {
  title('Not found');
  return [el('article', { class: 'info' },
    el('h1', {}, 'This note is gone'),
    el('p', {}, 'Somebody took it off the board, or it was never there.'),
    el('p', {}, el('a', { class: 'button', href: '/' }, 'Back to all ads')))];
}
