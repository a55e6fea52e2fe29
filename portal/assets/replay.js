// The portal's side of a replay: a frame of another origin. It keeps the line above it true to what is shown, asks for
// another address before the frame's ends, and hides what is shown until it is asked for.
'use strict';
const box = document.querySelector('.replay');
const frame = box.querySelector('iframe');
const title = document.querySelector('.what bdi');
const time = document.querySelector('.what time');
const status = document.querySelector('.what .status');
const file = document.querySelector('.file');
const fragment = (address) => new URLSearchParams(new URL(address, location).hash.slice(1));
const opened = { url: fragment(frame.src).get('url'), title: title.textContent, time: time.textContent };
let renew = Date.parse(box.dataset.renew);
let origin = box.dataset.origin;

// Controls and marks that turn the direction of text become visible, as on the portal's other pages.
const visible = (s) => s.slice(0, 2000).replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029\ufeff]/gu, '\ufffd');
const when = (ts) => ts.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/, '$1-$2-$3 $4:$5:$6 UTC');
const show = (link, at) => { frame.src = link.replace(/#.*/, '') + '#' + at; };

const another = async (at) => {
  const answer = await fetch(box.dataset.renewAt, { headers: { Accept: 'application/json' } });
  if (!answer.ok) return; // the log-in may have ended; the frame says what it cannot show
  const link = await answer.json();
  renew = Date.parse(link.renew);
  origin = link.origin;
  show(link.src, at);
};

// An archived page runs beside the frame's own script and can say the same, so all of this is but text to show.
addEventListener('message', (e) => {
  if (e.source !== frame.contentWindow || e.origin !== origin || e.data?.type !== 'crawlfleet-replay') return;
  const { url, ts } = e.data; // the title comes too late for pages that scripts fill, or never
  if (typeof url !== 'string' || !/^https?:/.test(url) || !/^\d{14}$/.test(ts ?? '00000000000000')) return;
  const same = url === opened.url;
  title.textContent = same ? opened.title : visible(url);
  time.textContent = same ? opened.time : ts ? when(ts) : '–';
  status.hidden = !same;
  if (file) file.hidden = !same; // it may lie in another file
  const at = new URLSearchParams({ view: 'replay', url, ...(ts && { ts }) });
  history.replaceState(null, '', '#' + at);
  if (Date.now() > renew) {
    renew = Infinity; // one at a time
    another(at).catch(() => { renew = 0; });
  }
});

const [reveal, hide] = [...box.querySelectorAll('button')];
const blur = (on) => {
  box.classList.toggle('blurred', on);
  frame.inert = on; // nothing is clicked that is not seen
  document.cookie = `pictures=${on ? 'blurred' : 'shown'}; Path=/; Max-Age=31536000; SameSite=Lax` + (location.protocol === 'https:' ? '; Secure' : '');
  (on ? reveal : hide).focus();
};
reveal.addEventListener('click', () => blur(false));
hide.addEventListener('click', () => blur(true));

if (fragment(location).get('url')) show(frame.src, fragment(location)); // come back to, or sent to somebody
