// The frame that the portal shows: it opens the replay, tells the portal what is shown, and leaves nothing behind.
'use strict';
const portal = document.body.dataset.portal;
const base = document.body.dataset.base; // of this address: the worker's scope, and how its databases' names begin

// What addresses that are not in use any more have left is removed. One is in use while its frame holds its lock.
const clear = async () => {
  if (!navigator.locks || !indexedDB.databases) return;
  const held = new Set((await navigator.locks.query()).held.map((lock) => lock.name));
  for (const worker of await navigator.serviceWorker.getRegistrations()) {
    if (!held.has(new URL(worker.scope).pathname)) await worker.unregister();
  }
  for (const { name } of await indexedDB.databases()) {
    const scope = /^\/r\/[^/]+\/replay\//.exec(name)?.[0];
    if (scope && !held.has(scope)) indexedDB.deleteDatabase(name);
  }
};

const start = () => document.body.append(document.querySelector('template').content);
if (navigator.locks) {
  navigator.locks.request(base, { mode: 'shared' }, () => {
    clear().catch(() => {}).finally(start);
    return new Promise(() => {}); // held until the frame is gone
  });
} else {
  start();
}
addEventListener('pagehide', async () => {
  (await navigator.serviceWorker.getRegistration(base))?.unregister();
  for (const { name } of (await indexedDB.databases?.()) ?? []) {
    if (name.startsWith(base)) indexedDB.deleteDatabase(name);
  }
});

document.addEventListener('rwp-url-change', (e) => {
  const { url, ts, title } = e.detail;
  if (url) parent.postMessage({ type: 'crawlfleet-replay', url, ts, title }, portal);
}, true);
