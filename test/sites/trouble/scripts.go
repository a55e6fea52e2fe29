package trouble

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxBody bounds what is read of a request's body.
const maxBody = 16 << 20

// routeScripts adds the pages that do something by script.
func (s *Site) routeScripts() {
	s.scripted("poll", `
let n = 0;
const ask = async () => { await (await fetch('/poll/answer?n=' + n)).text(); n += 1; if (n === 3) done(); setTimeout(ask, 200); };
ask();`)
	s.text("/poll/answer", "text/plain", "nothing new")
	s.scripted("sse", `
const source = new EventSource('/sse/stream');
let n = 0;
source.onmessage = (e) => { n += 1; if (n === 3) done(e.data); };`)
	s.mux.HandleFunc("/sse/stream", events)
	s.scripted("ws", `
const socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws/socket');
socket.binaryType = 'arraybuffer';
const got = [];
socket.onopen = () => { socket.send('hello'); socket.send(new Uint8Array([0, 1, 2, 255])); };
socket.onmessage = (e) => {
  got.push(typeof e.data === 'string' ? e.data : [...new Uint8Array(e.data)].join('-'));
  if (got.length === 5) { socket.close(1000, 'enough'); done(got.join(' ')); }
};`)
	s.mux.HandleFunc("/ws/socket", socket)
	s.scripted("post", `
const json = await (await fetch('/post/answer', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ question: 'how many?' }) })).text();
const form = new XMLHttpRequest();
form.open('POST', '/post/answer');
form.onload = () => done(json + ' and ' + form.responseText);
form.onerror = () => done('form failed');
form.send(new URLSearchParams({ a: '1', b: 'two words' }));`)
	s.mux.HandleFunc("/post/answer", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = fmt.Fprintf(w, "%s of %d bytes", r.Method, len(body)) // fails only when the client went away
	})
	s.scripted("beacon", `
addEventListener('pagehide', () => {
  navigator.sendBeacon('/beacon/end', 'left');
  fetch('/beacon/end?keepalive', { method: 'POST', keepalive: true, body: 'left too' });
});
done();`)
	s.mux.HandleFunc("/beacon/end", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody)) // read for the log's sake
		w.WriteHeader(http.StatusNoContent)
	})
	s.scripted("worker", `
const worker = new Worker('/worker/worker.js', { type: 'module' });
worker.onmessage = (e) => done(e.data);
worker.onerror = () => done('worker failed');`)
	s.text("/worker/worker.js", "text/javascript", "postMessage(await (await fetch('/worker/data.txt')).text());\n")
	s.text("/worker/data.txt", "text/plain", "fetched by the worker")
	s.routeServiceWorker()
	s.routeFrames()
	s.scripted("many", `
const n = Number(new URLSearchParams(location.search).get('n') ?? 1000);
let next = 0;
const some = async () => { while (next < n) { const i = next++; await (await fetch('/many/' + i)).text(); } };
await Promise.all(Array.from({ length: 6 }, some));
done(n + ' files');`)
	s.mux.HandleFunc("/many/{n}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = fmt.Fprintf(w, "file %s\n", r.PathValue("n")) // fails only when the client went away
	})
}

// scripted adds a page with a script that calls done().
func (s *Site) scripted(name, code string) {
	s.mux.HandleFunc("/"+name, func(w http.ResponseWriter, _ *http.Request) { page(w, name, script(name, code)) })
}

// text adds an address that answers with a fixed text.
func (s *Site) text(path, mime, body string) {
	s.mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mime)
		_, _ = io.WriteString(w, body) // fails only when the client went away
	})
}

// events streams server-sent events until the client goes away.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flush := http.NewResponseController(w)
	for n := 1; ; n++ {
		if _, err := fmt.Fprintf(w, "id: %d\ndata: event %d\n\n", n, n); err != nil {
			return
		}
		if err := flush.Flush(); err != nil || !sleep(r, 100*time.Millisecond) {
			return
		}
	}
}

func (s *Site) routeServiceWorker() {
	s.scripted("service-worker", `
if (!navigator.serviceWorker) done('not available here');
else {
  await navigator.serviceWorker.register('/service-worker/sw.js', { scope: '/service-worker' });
  await navigator.serviceWorker.ready;
  if (!navigator.serviceWorker.controller) await new Promise((r) => { navigator.serviceWorker.oncontrollerchange = r; });
  const own = await (await fetch('/service-worker/own')).text();
  const passed = await (await fetch('/service-worker/passed')).text();
  done(own + ' and ' + passed);
}`)
	s.mux.HandleFunc("/service-worker/sw.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		w.Header().Set("Service-Worker-Allowed", "/service-worker")
		_, _ = io.WriteString(w, `addEventListener('install', () => skipWaiting());
addEventListener('activate', (e) => e.waitUntil(clients.claim()));
addEventListener('fetch', (e) => {
  if (new URL(e.request.url).pathname === '/service-worker/own') e.respondWith(new Response('made by the worker'));
});
`)
	})
	s.text("/service-worker/own", "text/plain", "made by the server")
	s.text("/service-worker/passed", "text/plain", "passed on to the server")
}

func (s *Site) routeFrames() {
	s.mux.HandleFunc("/frames", func(w http.ResponseWriter, _ *http.Request) {
		page(w, "frames", `<iframe src="/frames/inner" title="inner"></iframe>
<iframe srcdoc="&lt;p&gt;in srcdoc &lt;img src='/frames/srcdoc.svg' alt=''&gt;" title="srcdoc"></iframe>
<iframe sandbox src="/frames/sandboxed" title="sandboxed"></iframe>
<iframe src="about:blank" title="blank"></iframe>`)
	})
	s.mux.HandleFunc("/frames/inner", func(w http.ResponseWriter, _ *http.Request) {
		page(w, "frames-inner", `<iframe src="/frames/innermost" title="innermost"></iframe>`)
	})
	s.mux.HandleFunc("/frames/innermost", func(w http.ResponseWriter, _ *http.Request) {
		page(w, "frames-innermost", `<a href="/frames/linked">a link in a frame</a>`)
	})
	s.mux.HandleFunc("/frames/sandboxed", func(w http.ResponseWriter, _ *http.Request) { page(w, "frames-sandboxed", "") })
	s.mux.HandleFunc("/frames/linked", func(w http.ResponseWriter, _ *http.Request) { page(w, "frames-linked", "") })
	s.text("/frames/srcdoc.svg", "image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`)
	s.scripted("popup", `open('/popup/window?1'); open('/popup/window?2', '_blank', 'noopener'); done();`)
	s.mux.HandleFunc("/popup/window", func(w http.ResponseWriter, _ *http.Request) { page(w, "popup-window", "") })
	s.mux.HandleFunc("/inside", func(w http.ResponseWriter, _ *http.Request) {
		page(w, "inside", `<img src="http://169.254.169.254/latest/meta-data/" alt=""><img src="http://10.0.0.1/" alt=""><img src="http://192.168.0.1/" alt="">
<img src="http://[::1]:9/" alt=""><img src="http://0.0.0.0:9/" alt=""><img src="http://2130706433:9/" alt=""><img src="http://[::ffff:10.0.0.1]/" alt="">
<iframe src="http://metadata.google.internal/" title="metadata"></iframe><img src="file:///etc/hostname" alt="">`)
	})
}
