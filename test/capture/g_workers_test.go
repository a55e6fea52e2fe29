package capture

import (
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// workers are group G. Service workers and worklets need https.
func workers() []testCase {
	fetched := file(mimeText, "fetched by a worker", "Access-Control-Allow-Origin: *")
	return []testCase{
		{
			name: "G dedicated, nested and module workers",
			from: tls,
			serve: routes{
				"": html(`<p id=p></p><script>let n = 0; const done = e => { p.textContent = ++n + ' of 3: ' + e.data };
					new Worker('one.js').onmessage = done; new Worker('mod.js', {type: 'module'}).onmessage = done;</script>`),
				"one.js": file(mimeJS, `importScripts('lib.js'); fetch('data?one').then(r => r.text()).then(t => postMessage(t)); new Worker('nested.js').onmessage = e => postMessage(e.data)`),
				"lib.js": file(mimeJS, `1`), "nested.js": file(mimeJS, `fetch('data?nested').then(r => r.text()).then(t => postMessage(t))`),
				"mod.js": file(mimeJS, `import './dep.js'; fetch('data?mod').then(r => r.text()).then(t => postMessage(t))`), "dep.js": file(mimeJS, `export {}`),
				"data": fetched,
			},
			lines: `GET tls: Document 200 record
				GET tls:one.js Script 200 record
				GET tls:lib.js Other 200 record
				GET tls:data?one Fetch 200 record
				GET tls:nested.js Script 200 record
				GET tls:data?nested Fetch 200 record
				GET tls:mod.js Script 200 record
				GET tls:dep.js Script 200 record
				GET tls:data?mod Fetch 200 record`,
			text: "3 of 3: fetched by a worker",
		},
		{
			name: "G workers of data and blob",
			from: tls,
			serve: routes{
				"": html(`<p id=p></p><script>let n = 0; const done = e => { p.textContent = ++n + ' of 2: ' + e.data };
					const code = "fetch('{tls}/g/workers-of-data-and-blob/data?KIND').then(r => r.text()).then(t => postMessage(t))";
					new Worker(URL.createObjectURL(new Blob([code.replace('KIND', 'blob')]))).onmessage = done;
					new Worker('data:text/javascript,' + encodeURIComponent(code.replace('KIND', 'data'))).onmessage = done;</script>`),
				"data": fetched,
			},
			lines: `GET tls: Document 200 record
				GET tls:data?blob Fetch 200 record
				GET tls:data?data Fetch 200 record`,
			check: textIs("2 of 2: fetched by a worker"),
			note:  "In the replay a worker of a data address reaches nothing.",
		},
		{
			name: "G shared worker",
			from: tls,
			serve: routes{
				"":          html(`<p id=p></p><script>const w = new SharedWorker('shared.js'); w.port.onmessage = e => { p.textContent = e.data }; w.port.start()</script>`),
				"shared.js": file(mimeJS, `onconnect = e => fetch('data').then(r => r.text()).then(t => e.ports[0].postMessage(t))`), "data": fetched,
			},
			lines: `GET tls: Document 200 record
				GET tls:shared.js Script 200 record
				GET tls:data Fetch 200 record`,
			text: "fetched by a worker",
		},
		{
			name: "G service worker",
			from: tls,
			serve: routes{
				"": html(`<p id=p></p><script>(async () => {
					await navigator.serviceWorker.register('sw.js'); await navigator.serviceWorker.ready;
					if (!navigator.serviceWorker.controller) await new Promise(r => navigator.serviceWorker.oncontrollerchange = r);
					const t = []; for (const u of ['made', 'cached', 'passed']) t.push(await (await fetch(u)).text());
					p.textContent = t.join(', ') })()</script>`),
				"sw.js": file(mimeJS, `importScripts('sw-lib.js');
					oninstall = e => e.waitUntil(caches.open('c').then(c => c.add('cached')).then(() => skipWaiting()));
					onactivate = e => e.waitUntil(clients.claim());
					onfetch = e => { const p = new URL(e.request.url).pathname.split('/').pop();
						if (p === 'made') e.respondWith(new Response('made up'));
						else if (p === 'cached') e.respondWith(caches.match(e.request));
						else if (p === 'passed') e.respondWith(fetch(e.request)) }`),
				"sw-lib.js": file(mimeJS, `1`), "cached": file(mimeText, "from the cache"), "passed": file(mimeText, "passed on"),
			},
			lines: `GET tls: Document 200 record
				GET tls:sw.js Script 200 record
				GET tls:sw-lib.js Other 200 record
				GET tls:cached Fetch 200 record
				GET tls:passed Fetch 200 record
				GET tls:made Fetch 200 not captured: answered by a service worker
				GET tls:cached Fetch 200 not captured: answered by a service worker
				GET tls:passed Fetch 200 not captured: answered by a service worker`,
			note: "The replay has one service worker, its own.",
		},
		{
			name: "G service worker of a second visit",
			from: tls,
			serve: routes{
				"": html(`<script>(async () => { if (navigator.serviceWorker.controller) { document.body.append('controlled'); return }
					await navigator.serviceWorker.register('sw.js'); await navigator.serviceWorker.ready;
					if (!navigator.serviceWorker.controller) await new Promise(r => navigator.serviceWorker.oncontrollerchange = r);
					location.reload() })()</script>`),
				"sw.js": file(mimeJS, `oninstall = () => skipWaiting();
					onactivate = e => e.waitUntil(Promise.all([clients.claim(), registration.navigationPreload.enable()]));
					onfetch = e => { if (e.request.mode === 'navigate') e.respondWith(e.preloadResponse.then(r => r ?? fetch(e.request))) }`),
			},
			lines: `GET tls: Document 200 record
				GET tls:sw.js Script 200 record
				GET tls: Document 200 not captured: answered by a service worker
				?GET tls: Other 200 record
				?GET tls: Unseen 200 record`,
			note: "The replay has one service worker, its own.",
		},
		{
			name: "G worklets",
			from: tls,
			serve: routes{
				"":         html(`<p id=p></p><script>(async () => { await CSS.paintWorklet?.addModule('paint.js'); const a = new AudioContext(); await a.audioWorklet.addModule('audio.js'); p.textContent = 'worklets' })()</script>`),
				"paint.js": file(mimeJS, `registerPaint('x', class { paint() {} })`), "audio.js": file(mimeJS, `import './audio-dep.js'; registerProcessor('x', class extends AudioWorkletProcessor { process() { return false } })`),
				"audio-dep.js": file(mimeJS, `export {}`),
			},
			lines: `GET tls: Document 200 record
				GET tls:paint.js Script 200 record
				GET tls:audio.js Script 200 record
				GET tls:audio-dep.js Script 200 record`,
			text: "worklets",
		},
	}
}

// frames are group H.
func frames() []testCase {
	inner := html(`in a frame<img src=pixel>`)
	return []testCase{
		{
			name: "H frames of other sites",
			text: "top",
			serve: routes{
				"":       html(`<iframe src='{far}/h/frames-of-other-sites/outer'></iframe><script>onload = () => { const f = document.createElement('iframe'); f.src = '{far}/h/frames-of-other-sites/late'; document.body.append(f) }</script>top`),
				"outer":  html(`<iframe src='{www}/h/frames-of-other-sites/nested'></iframe><script>fetch('data')</script>`),
				"nested": inner, "pixel": file(mimeGIF, pixel), "data": file(mimeText, "x"),
				"late": html(`<script>setTimeout(() => location.href = 'moved', 100)</script>`), "moved": inner,
			},
			lines: `GET www: Document 200 record
				GET far:outer Document 200 record
				GET far:data Fetch 200 record (?)
				GET www:nested Document 200 record
				GET www:pixel Image 200 record
				GET far:late Document 200 record
				GET far:moved Document 200 record
				GET far:pixel Image 200 record`,
		},
		{
			name: "H frames without an address",
			serve: routes{
				"": html(`<iframe srcdoc='<img src="pixel?srcdoc">'></iframe><iframe id=b></iframe><iframe id=d src='data:text/html,<img src="{www}/h/frames-without-an-address/pixel?data">'></iframe>
					<iframe id=o></iframe><iframe sandbox src=inner></iframe><script>b.contentDocument.body.innerHTML = '<img src="pixel?blank">';
					o.src = URL.createObjectURL(new Blob(['<img src="{www}/h/frames-without-an-address/pixel?blob">'], {type: 'text/html'}))</script>`),
				"pixel": file(mimeGIF, pixel), "inner": html(`sandboxed<img src=pixel?sandbox>`),
			},
			lines: `GET www: Document 200 record
				GET www:pixel?srcdoc Image 200 record
				GET www:pixel?blank Image 200 record
				GET www:pixel?data Image 200 record
				GET www:pixel?blob Image 200 record
				GET www:inner Document 200 record
				GET www:pixel?sandbox Image 200 record`,
			note: "What the frames show is not looked at in the replay: the page itself has no text.",
		},
		{
			name:  "H a frame that is removed while it loads",
			serve: routes{"": html(`<iframe id=f src=slow></iframe><script>setTimeout(() => f.remove(), 100)</script>gone`), "slow": func(_ *site, x *wire.Exchange) { x.Abandon() }},
			lines: `GET www: Document 200 record
				GET www:slow Document not captured: there was no answer: Aborted`,
			text: "gone",
		},
		{
			name: "H popups",
			serve: routes{
				"":    html(`<script>open('pop'); open('pop2', 'x', 'noopener'); for (let i = 0; i < 30; i++) open('storm?' + i)</script><a id=a href=pop3 target=_blank>x</a><script>a.click()</script>still here`),
				"pop": html("popup"), "pop2": html("popup"), "pop3": html("popup"), "storm": html("storm"),
			},
			lines: "GET www: Document 200 record" + windows("pop", "pop2", "pop3") + windows(strings.Fields(each(30, " storm?%d"))...),
			check: func(t *testing.T, r *result) {
				n := 0
				for _, l := range r.page.Links {
					if l.Kind == "Window" {
						n++
					}
				}
				if n < 3 {
					t.Errorf("%d windows are among the links: %v", n, r.page.Links)
				}
			},
			note: "Windows are not opened: their addresses are links of the page, which the frontier follows within its scope. In the replay the page leaves for one that is not there.",
		},
		{
			name: "H downloads",
			serve: routes{
				"":     html(`<a id=a href=file download>x</a><a id=b href='data:text/plain,hello' download=d.txt>y</a><iframe src=attached></iframe><script>a.click(); b.click()</script>still here`),
				"file": file(mimeBin, "a file"), "attached": file(mimeText, "attached", `Content-Disposition: attachment; filename="../../x.txt"`),
			},
			lines: `GET www: Document 200 record
				GET www:attached Document 200 record (ERR_ABORTED)
				GET www:file Download 200 record`,
			note: "In the replay the click leads to the file.",
		},
		{
			name:  "H a page that is a download",
			serve: routes{"": file(mimeBin, "all of it", `Content-Disposition: attachment; filename="a.bin"`)},
			lines: "GET www: Document 200 record (ERR_ABORTED)",
			check: func(t *testing.T, r *result) {
				if list := r.about(warc.Response, r.page.URL); len(list) != 1 || string(list[0].text) != "all of it" || !r.page.Download {
					t.Errorf("records %v, download %v", list, r.page.Download)
				}
			},
			note: "A file is not shown, but saved.",
		},
		{
			name:  "H script and source addresses",
			text:  "here",
			serve: routes{"": html(`<iframe src="javascript:'<p>made by script<img src=pixel?js>'"></iframe><a id=a href='view-source:{www}/'>x</a><script>a.click()</script>here`), "pixel": file(mimeGIF, pixel)},
			lines: `GET www: Document 200 record
				GET www:pixel?js Image 200 record`,
		},
		{
			name:  "H two hundred frames",
			serve: routes{"": html(`<script>for (let i = 0; i < 200; i++) { const f = document.createElement('iframe'); f.src = 'inner?' + i; document.body.append(f) }</script>`), "inner": html("x")},
			lines: "GET www: Document 200 record" + each(200, "\nGET www:inner?%d Document 200 record"),
			note:  "The page itself has no text to show.",
		},
		{
			name:  "H favicon",
			serve: routes{"": answer("200 OK", mimeHTML, "<!doctype html><link rel=icon href=icon.png>with an icon"), "icon.png": file(mimeGIF, pixel)},
			lines: "GET www: Document 200 record\n?GET www:icon.png Other 200 record",
			text:  "with an icon",
			note:  "headless-shell shows no icon and does not ask for one.",
		},
	}
}

// windows are the lines of windows that a page wanted.
func windows(paths ...string) string {
	var b strings.Builder
	for _, p := range paths {
		b.WriteString("\nGET www:" + p + " Window not captured: blocked: windows are not opened, the crawl follows them as links")
	}
	return b.String()
}
