package capture

import (
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// moreFrames are the rest of groups G and H.
func moreFrames() []testCase {
	return []testCase{
		{
			name: "G background sync", from: tls,
			serve: routes{
				"": html(`<p id=p></p><script>(async () => {
					const r = await navigator.serviceWorker.register('sw.js'); await navigator.serviceWorker.ready;
					const said = new Promise(r => navigator.serviceWorker.onmessage = e => r(e.data));
					let t; try { await r.sync.register('later'); t = await Promise.race([said, new Promise(r => setTimeout(() => r('registered'), 2000))]) } catch (e) { t = e.name }
					p.textContent = 'sync: ' + t;
				})()</script>`),
				"sw.js":  file(mimeJS, `oninstall = () => skipWaiting(); onactivate = e => e.waitUntil(clients.claim()); onsync = e => e.waitUntil((async () => { const t = await (await fetch('synced')).text(); for (const c of await clients.matchAll()) c.postMessage(t) })())`),
				"synced": file(mimeText, "fetched in the background"),
			},
			lines: `GET tls: Document 200 record
				GET tls:sw.js Script 200 record
				?GET tls:synced Fetch 200 record`,
			note: "The replay has one service worker, its own.",
		},
		{
			name: "H frames that change their site",
			text: "top",
			serve: routes{
				"":       html(`<iframe src='{far}/h/frames-that-change-their-site/one'></iframe>top`),
				"one":    html(`<iframe src='{cdn}/h/frames-that-change-their-site/two'></iframe>`),
				"two":    html(`<script>location.href = '{far}/h/frames-that-change-their-site/three'</script>`),
				"three":  html(`<script>fetch('data').then(() => { location.href = '{www}/h/frames-that-change-their-site/four' })</script>`),
				"four":   html(`<img src=pixel><iframe src='{tls}/h/frames-that-change-their-site/five'></iframe>`),
				"five":   html(`<script>new Worker('w.js')</script>`),
				"w.js":   file(mimeJS, `fetch('data')`),
				"pixel":  file(mimeGIF, pixel),
				"data":   file(mimeText, "x"),
				"nobody": html(""),
			},
			lines: `GET www: Document 200 record
				GET far:one Document 200 record
				GET cdn:two Document 200 record
				GET far:three Document 200 record
				GET far:data Fetch 200 record (?)
				GET www:four Document 200 record
				GET www:pixel Image 200 record
				GET tls:five Document 200 record
				GET tls:w.js Script 200 record
				GET tls:data Fetch 200 record (?)`,
			note: "Each change is one of processes. Two levels of frames stand in one process, three in others.",
		},
		{
			name: "H credentialless frames", from: tls,
			text: "top",
			serve: routes{
				"": html(`<iframe credentialless src='{two}/h/credentialless-frames/inner'></iframe><iframe id=f src='{two}/h/credentialless-frames/inner?with'></iframe>top`, "Set-Cookie: a=1; SameSite=None; Secure"),
				"inner": func(_ *site, x *wire.Exchange) {
					x.Answer("200 OK", mimeHTML, document("<script>fetch('data' + (window.credentialless ? '?less' : ''))</script>"))
				},
				"data": file(mimeText, "x"),
			},
			lines: `GET tls: Document 200 record
				GET two:inner Document 200 record
				GET two:inner?with Document 200 record
				GET two:data?less Fetch 200 record (?)
				GET two:data Fetch 200 record (?)`,
		},
		{
			name: "H fenced frames", from: tls,
			serve: routes{"": html(`<p id=p></p><fencedframe id=f src='{tls}/h/fenced-frames/inner'></fencedframe><script>
					const f2 = document.createElement('fencedframe'); f2.src = '{tls}/h/fenced-frames/inner'; document.body.append(f2); p.textContent = 'no way in'</script>`),
				"inner": html("inside", "Supports-Loading-Mode: fenced-frame")},
			lines: "GET tls: Document 200 record", text: "no way in",
			note: "A fenced frame takes no address from a page, but a configuration out of an advertisement auction among servers that Google has enrolled: it cannot be served on one machine.",
		},
	}
}

// responses and revisits are the answers that are recorded of an address, in full and by reference.
func (r *result) responses(address string) []*record { return r.about(warc.Response, address) }
func (r *result) revisits(address string) []*record  { return r.about(warc.Revisit, address) }

// resolve finds what a revisit refers to, as a replay tool does that knows addresses and dates but no IDs.
func (r *result) resolve(t *testing.T, revisit *record) *record {
	t.Helper()
	of := r.byID[revisit.GetID(warc.FieldRefersTo)]
	if of == nil {
		t.Fatalf("%s: the revisit refers to nothing", revisit.TargetURI)
	}
	uri, _ := revisit.Get(warc.FieldRefersToTargetURI)
	date, _ := revisit.Get(warc.FieldRefersToDate)
	if uri != of.TargetURI || date == "" || !strings.HasPrefix(date, of.Date.UTC().Format("2006-01-02T15:04:05")) {
		t.Errorf("%s: the revisit refers to %q of %q, but the record is %s of %s", revisit.TargetURI, uri, date, of.TargetURI, of.Date)
	}
	return of
}
