// Starts ReplayWeb.page's worker, which is unmodified (wabac.js), with what it lacks: names of databases that are this
// address's own, and a policy on all that it answers.
'use strict';
{
  const scope = self.location.pathname.replace(/[^/]*$/, ''); // /r/{token}/replay/
  const policy = "{policy}";

  // Without this all workers of an origin have one list of collections.
  const { open, deleteDatabase } = IDBFactory.prototype;
  IDBFactory.prototype.open = function (name, ...version) { return open.call(this, scope + name, ...version); };
  IDBFactory.prototype.deleteDatabase = function (name) { return deleteDatabase.call(this, scope + name); };
  const { open: openCache } = CacheStorage.prototype;
  CacheStorage.prototype.open = function (name) { return openCache.call(this, scope + name); };

  const files = ['', 'index.html', 'guard.js', 'sw.js', 'ui.js', 'wabac.js'];
  const own = (url) => { // what the server answers itself, with policies of its own
    const { origin, pathname, search } = new URL(url);
    if (origin !== self.location.origin) return null;
    if (pathname === scope + 'static/proxy/guard.js') return scope + 'guard.js'; // as archived pages name it
    return files.some((name) => pathname === scope + name) ? pathname + (pathname === scope + 'sw.js' ? search : '') : null;
  };
  const guarded = (response) => {
    if (response.type === 'error' || response.type === 'opaqueredirect') return response;
    const headers = new Headers(response.headers);
    headers.set('Content-Security-Policy', policy);
    headers.set('X-DNS-Prefetch-Control', 'off');
    for (const name of ['Link', 'Refresh', 'Speculation-Rules', 'Clear-Site-Data', 'Report-To', 'Reporting-Endpoints', 'NEL', 'SourceMap']) headers.delete(name);
    const { status, statusText } = response;
    return new Response([101, 204, 205, 304].includes(status) ? null : response.body, { status, statusText, headers });
  };
  const listen = self.addEventListener;
  self.addEventListener = function (type, listener, ...options) {
    if (type !== 'fetch') return listen.call(self, type, listener, ...options);
    return listen.call(self, 'fetch', (event) => {
      const path = own(event.request.url);
      if (path) return event.respondWith(fetch(path));
      const respondWith = event.respondWith.bind(event);
      event.respondWith = (answer) => respondWith(Promise.resolve(answer).then(guarded));
      return listener.call(self, event);
    });
  };
}
importScripts('wabac.js' + self.location.search);
