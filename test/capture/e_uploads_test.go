package capture

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// echo answers with the size and the digest of what was sent.
func echo(_ *site, x *wire.Exchange) {
	body := x.ReadBody()
	sum := sha256.Sum256(body)
	x.Answer("200 OK", mimeText, fmt.Sprintf("%s %d %s", x.Method, len(body), hex.EncodeToString(sum[:4])), "Access-Control-Allow-Origin: *")
}

// shows is a page whose script calls show with the text that the page shows.
func shows(script string) handler {
	return html("<p id=p>…</p><script>const show = t => { p.textContent = t }; (async () => {" + script + "})().catch(e => show('error: ' + e))</script>")
}

// uploads are group E.
func uploads() []testCase {
	list := []testCase{
		{
			name: "E forms and JSON",
			serve: routes{"echo": echo, "": shows(`
				const f = new FormData(); f.append('name', 'Zoë'); f.append('file', new File([new Uint8Array([0, 255, 13, 10, 0])], 'a\r\n.bin'));
				const all = [new URLSearchParams({a: 'b c', 'ü': '1'}), f, JSON.stringify({a: 1})];
				for (const body of all) await (await fetch('echo', {method: 'POST', body})).text();
				show('three forms')`)},
			lines: "GET www: Document 200 record" + strings.Repeat("\nPOST www:echo Fetch 200 record", 3),
			text:  "three forms",
		},
		{
			name: "E binary above 64 KB",
			text: "POST 300000",
			serve: routes{"echo": echo, "": shows(`
				const b = new Uint8Array(300000).map((_, i) => i * 7); const r = await fetch('echo', {method: 'POST', body: b}); show(await r.text())`)},
			lines: "GET www: Document 200 record\nPOST www:echo Fetch 200 record",
		},
		{
			name: "E streamed request body",
			from: two,
			serve: routes{"echo": echo, "": shows(`
				let n = 0; const body = new ReadableStream({pull(c) { if (n++ < 20) c.enqueue(new TextEncoder().encode('piece ' + n + ' ')); else c.close() }});
				const r = await fetch('echo', {method: 'POST', body, duplex: 'half'}); show('streamed')`)},
			lines: "GET two: Document 200 record\nPOST two:echo Fetch 200 record",
			text:  "streamed",
			check: func(t *testing.T, r *result) {
				for _, e := range r.page.Exchanges {
					if e.Method == http.MethodPost && (e.Request.Body.Size != 171 || e.Request.Body.Truncated != "") {
						t.Errorf("the body is recorded as %+v", e.Request.Body)
					}
				}
			},
		},
		{
			name: "E streamed request body to an origin of HTTP/1.1",
			from: tls,
			serve: routes{"echo": echo, "": shows(`
				const body = new ReadableStream({pull(c) { c.enqueue(new Uint8Array(10)); c.close() }});
				try { await fetch('echo', {method: 'POST', body, duplex: 'half'}); show('streamed') } catch { show('refused by the browser') }`)},
			lines: "GET tls: Document 200 record\nPOST tls:echo Fetch not captured: there was no answer: ERR_ALPN_NEGOTIATION_FAILED",
			check: textIs("refused by the browser"),
			note:  "Chrome streams request bodies over HTTP/2 only, with the recorder and without.",
		},
		{
			name: "E many POSTs to one address",
			serve: routes{"graphql": func(_ *site, x *wire.Exchange) { x.Answer("200 OK", mimeJSON, `{"got":`+string(x.ReadBody())+`}`) }, "": shows(`
				let t = ''; for (const q of ['"a"', '"b"', '"c"']) t += (await (await fetch('graphql', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: q})).json()).got; show('answers ' + t)`)},
			lines: "GET www: Document 200 record" + strings.Repeat("\nPOST www:graphql Fetch 200 record", 3),
			text:  "answers abc",
		},
		{
			name: "E other methods",
			serve: routes{"echo": echo, "": shows(`
				for (const method of ['PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']) await (await fetch('echo', {method, body: method === 'HEAD' ? undefined : 'x'})).text(); show('five methods')`)},
			lines: `GET www: Document 200 record
				PUT www:echo Fetch 200 record
				PATCH www:echo Fetch 200 record
				DELETE www:echo Fetch 200 record
				HEAD www:echo Fetch 200 record
				OPTIONS www:echo Fetch 200 record`,
			text: "five methods",
		},
		{
			name: "E preflight",
			serve: routes{"": shows(`show((await (await fetch('{far}/e/preflight/api', {method: 'PUT', headers: {'X-Own': '1', 'Content-Type': 'application/json'}, body: '{}'})).json()).ok)`),
				"api": func(_ *site, x *wire.Exchange) {
					x.Answer("200 OK", mimeJSON, `{"ok":"allowed"}`, "Access-Control-Allow-Origin: *", "Access-Control-Allow-Headers: *", "Access-Control-Allow-Methods: PUT")
				}},
			lines: `GET www: Document 200 record
				OPTIONS far:api Preflight 200 record
				PUT far:api Fetch 200 record`,
			text: "allowed",
		},
		{
			name: "E preflight that says no",
			serve: routes{"": shows(`try { await fetch('{far}/e/preflight-that-says-no/api', {method: 'PUT'}) } catch { show('refused') }`),
				"api": answer("403 Forbidden", mimeText, "no")},
			lines: `GET www: Document 200 record
				OPTIONS far:api Preflight 403 record (?)
				PUT far:api Fetch not captured: there was no answer: ERR_FAILED`,
			check: textIs("refused"),
			note:  "In the replay every origin says yes.",
		},
		{
			name: "E cross-origin answer that the page may not read",
			serve: routes{"": shows(`try { await fetch('{far}/e/cross-origin-answer-that-the-page-may-not-read/api') } catch { show('not for you') }`),
				"api": file(mimeText, "a secret")},
			lines: `GET www: Document 200 record
				GET far:api Fetch 200 record (?)`,
			check: textIs("not for you"),
			note:  "Recorded, though the page could not read it. In the replay every origin says yes.",
		},
		{
			name: "E beacon at unload",
			serve: routes{"echo": echo, "": html(`<script>
				addEventListener('pagehide', () => { navigator.sendBeacon('echo', 'beacon'); fetch('echo', {method: 'POST', body: 'keepalive', keepalive: true}) });
				navigator.sendBeacon('echo', 'at once')</script>watched`)},
			lines: `GET www: Document 200 record
				POST www:echo Ping 200 record
				POST www:echo Unseen 200 record
				POST www:echo Unseen 200 record`,
			text: "watched",
			note: "Chrome's account ends with the document: what it sends at the very end only the recorder knows, and the ledger says so.",
		},
		{
			name:  "E content security report",
			serve: routes{"echo": echo, "": html(`<img src='{far}/nothing.gif'>reported`, "Content-Security-Policy: img-src 'self' data:; report-uri echo")},
			lines: `GET www: Document 200 record
				GET {far}/nothing.gif Image not captured: blocked: csp
				POST www:echo Other 200 record`,
			text: "reported",
		},
		{
			name:  "E ping attribute",
			serve: routes{"echo": echo, "next": html("the next page"), "": html(`<a id=a href=next ping=echo>go</a><script>a.click()</script>`)},
			lines: `GET www: Document 200 record
				POST www:echo Ping 200 record (?)
				GET www:next Document 200 record`,
			text: "the next page",
		},
		{
			name:  "E a form is not submitted",
			serve: routes{"echo": echo, "": html(`<form id=f method=post action=echo><input name=a value=1></form>still here<script>setTimeout(() => f.submit(), 50)</script>`)},
			lines: `GET www: Document 200 record
				POST www:echo Document not captured: blocked: NavigationBlocked`,
			text: "still here",
			note: "Nothing is submitted by navigating. The browser is stopped before it asks, and the proxy would refuse it.",
		},
	}
	return list
}

// caching is group F.
func caching() []testCase {
	same := func(text string) string { return fmt.Sprintf("<!-- %01000d -->%s", 7, text) }
	return []testCase{
		{
			name: "F memory and disk cache",
			serve: routes{"": shows(`const img = () => new Promise(r => { const i = new Image(); i.onload = r; i.src = 'pixel'; document.body.append(i) });
				await img(); await img(); for (let i = 0; i < 3; i++) await (await fetch('data')).text(); show('cached')`),
				"pixel": file(mimeGIF, pixel, "Cache-Control: max-age=600"), "data": file(mimeText, "data", "Cache-Control: max-age=600")},
			lines: `GET www: Document 200 record
				GET www:pixel Image 200 record
				?GET www:pixel Image 200 cache
				GET www:data Fetch 200 record
				GET www:data Fetch 200 cache
				GET www:data Fetch 200 cache`,
			text: "cached",
		},
		{
			name: "F not modified",
			serve: routes{"": shows(`let t = ''; for (let i = 0; i < 3; i++) t += await (await fetch('data', {cache: 'no-cache'})).text() + ' '; show(t)`),
				"data": func(s *site, x *wire.Exchange) {
					if x.Header.Get("If-None-Match") == `"v1"` {
						x.Head("304 Not Modified", `ETag: "v1"`)
						return
					}
					x.Answer("200 OK", mimeText, "fresh", `ETag: "v1"`)
				}},
			lines: `GET www: Document 200 record
				GET www:data Fetch 200 record
				GET www:data Fetch 200 record
				GET www:data Fetch 200 record`,
			text: "fresh fresh fresh",
			check: func(t *testing.T, r *result) {
				list := r.about(warc.Revisit, r.site.base[www]+r.c.folder()+"data")
				if len(list) != 2 {
					t.Fatalf("%d revisits, want 2", len(list))
				}
				for _, rec := range list {
					if of := r.resolve(t, rec); string(of.text) != "fresh" {
						t.Errorf("the revisit refers to %+v", of)
					}
				}
			},
		},
		{
			name: "F different content at one address", text: "said [",
			serve: routes{"": shows(`let t = ''; for (let i = 0; i < 3; i++) t += await (await fetch('count', {cache: 'no-store'})).text(); show('said ' + t)`),
				"count": func(s *site, x *wire.Exchange) {
					s.mu.Lock()
					defer s.mu.Unlock()
					s.counter++
					x.Answer("200 OK", mimeText, fmt.Sprintf("[%d]", s.counter))
				}},
			lines: "GET www: Document 200 record" + strings.Repeat("\nGET www:count Fetch 200 record", 3),
			check: func(t *testing.T, r *result) {
				if list := r.about(warc.Response, r.site.base[www]+r.c.folder()+"count"); len(list) != 3 {
					t.Errorf("%d answers are kept, want 3", len(list))
				}
			},
			note: "In the replay an address has the content of one time.",
		},
		{
			name: "F one body under two addresses",
			serve: routes{"": shows(`let t = ''; for (const u of ['a', 'b', '{cdn}/f/one-body-under-two-addresses/c']) t += (await (await fetch(u)).text()).length + ' '; show(t)`),
				"a": file(mimeText, same("x"), "Access-Control-Allow-Origin: *"), "b": file(mimeText, same("x")), "c": file(mimeText, same("x"), "Access-Control-Allow-Origin: *")},
			lines: `GET www: Document 200 record
				GET www:a Fetch 200 record
				GET www:b Fetch 200 record
				GET cdn:c Fetch 200 record`,
			text: "1010 1010 1010",
			check: func(t *testing.T, r *result) {
				n := 0
				for _, rec := range r.records {
					if rec.Type == warc.Revisit {
						n++
						if of := r.resolve(t, rec); of.PayloadDigest != rec.PayloadDigest {
							t.Errorf("the revisit of %s does not resolve", rec.TargetURI)
						}
					}
				}
				if n != 2 {
					t.Errorf("%d revisits, want 2", n)
				}
			},
		},
		{
			name: "F Vary",
			serve: routes{"": shows(`let t = ''; for (const a of ['x', 'y', 'x']) t += await (await fetch('data', {headers: {'X-Kind': a}})).text(); show(t)`),
				"data": func(_ *site, x *wire.Exchange) {
					x.Answer("200 OK", mimeText, x.Header.Get("X-Kind"), "Vary: X-Kind", "Cache-Control: max-age=60")
				}},
			lines: "GET www: Document 200 record" + strings.Repeat("\nGET www:data Fetch 200 record", 3),
			check: textIs("xyx"),
			note:  "Each answer is recorded with its request. ReplayWeb.page does not look at the request's fields.",
		},
		{
			name: "F preload and prefetch",
			serve: routes{"": html(`<link rel=preload as=style href=style.css><link rel=stylesheet href=style.css><link rel=prefetch href=later><link rel=modulepreload href=m.js>
				<script type=module src=m.js></script>hinted`), "style.css": file(mimeCSS, "p{}"), "later": file(mimeText, "for later"), "m.js": file(mimeJS, "export {}")},
			lines: `GET www: Document 200 record
				GET www:style.css Stylesheet 200 record
				GET www:later Other 200 record
				GET www:m.js Script 200 record`,
			text: "hinted",
		},
		{
			name: "F speculation rules",
			serve: routes{"": html(`<script type=speculationrules>{"prefetch": [{"urls": ["next"], "eagerness": "immediate"}], "prerender": [{"urls": ["other"], "eagerness": "immediate"}]}</script>speculating`),
				"next": html("next"), "other": html("other<img src=pixel>"), "pixel": file(mimeGIF, pixel)},
			lines: `GET www: Document 200 record
				?GET www:next Prefetch 200 record`,
			text: "speculating",
			note: "Chrome prefetches over https only, and prerenders nothing while it is led by a program.",
		},
		{
			name: "F speculation rules over TLS", from: tls,
			serve: routes{"": html(`<script type=speculationrules>{"prefetch": [{"urls": ["next"], "eagerness": "immediate"}], "prerender": [{"urls": ["other"], "eagerness": "immediate"}]}</script>speculating`),
				"next": html("next<img src=pixel>"), "other": html("other<img src=pixel>"), "pixel": file(mimeGIF, pixel)},
			lines: `GET tls: Document 200 record
				GET tls:next Prefetch 200 record
				GET tls:other Prefetch 200 record`,
			text: "speculating",
			note: "The page that is to be prerendered is prefetched instead: none of its own requests is made.",
		},
		{
			name:  "F back and forward",
			serve: routes{"": html(`<script>if (!sessionStorage.n) { sessionStorage.n = 1; location.href = 'b' } else document.body.append('back again')</script>`), "b": html(`<script>history.back()</script>`)},
			lines: `GET www: Document 200 record
				GET www:b Document 200 record
				?GET www: Document 200 record
				?GET www: Document 200 cache`,
			note: "The cache of whole pages (bfcache) is off: who goes back loads the page again, and the ledger has a line for it.",
		},
	}
}
