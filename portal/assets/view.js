// Keeps the line above a replay true to what is shown: ReplayWeb.page tells when a link was followed.
const replay = document.querySelector('replay-web-page');
const title = document.querySelector('.what bdi');
const time = document.querySelector('.what time');
const status = document.querySelector('.what .status');
const file = document.querySelector('.file');
const opened = { url: replay.getAttribute('url'), title: title.textContent, time: time.textContent };

// Controls and marks that turn the direction of text become visible, as on the portal's other pages.
const visible = (s) => String(s).replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029\ufeff]/gu, '\ufffd');
const when = (ts) => String(ts ?? '').replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d).*$/, '$1-$2-$3 $4:$5:$6 UTC');

replay.addEventListener('rwp-url-change', (e) => {
  const { url, ts } = e.detail; // the title comes too late for pages that scripts fill, or never
  if (!url) return;
  const same = url === opened.url;
  title.textContent = same ? opened.title : visible(url);
  time.textContent = same ? opened.time : when(ts) || '–';
  status.hidden = !same;
  file.hidden = !same; // it may lie in another file
});
