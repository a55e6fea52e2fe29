package capture

import (
	"testing"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

// controlled are the cases of group G that take a page before.
func controlled() []testCase {
	return []testCase{{
		name: "G a page that another page's service worker controls", from: tls, before: []string{"first"},
		serve: routes{
			"first": html(`first<script>(async () => { await navigator.serviceWorker.register('sw.js'); await navigator.serviceWorker.ready; document.body.append(' registered') })()</script>`),
			"":      html(`<p id=p></p><script>(async () => { p.textContent = (navigator.serviceWorker.controller ? 'controlled' : 'free') + ', ' + await (await fetch('made')).text() })()</script>`),
			"sw.js": file(mimeJS, `oninstall = () => skipWaiting(); onfetch = e => { if (e.request.url.endsWith('made')) e.respondWith(new Response('made up')) }`),
		},
		lines: `GET tls: Document 200 record
			GET tls:made Fetch 200 not captured: answered by a service worker`,
		check: func(t *testing.T, r *result) {
			textOf(t, r, "controlled, made up")
			if n := len(r.about(warc.Response, r.site.base[tls]+r.c.folder()+"sw.js")); n != 1 {
				t.Errorf("the worker's script is recorded %d times, want once", n)
			}
		},
		note: "Two pages of one chunk. The first has brought the worker; it ends with the chunk. The replay has one service worker, its own.",
	}}
}

// textOf checks the text that was taken of the case's last page.
func textOf(t *testing.T, r *result, want string) {
	t.Helper()
	list := r.about(warc.Conversion, "urn:text:"+r.page.URL)
	if len(list) != 1 || string(list[0].text) != want {
		t.Errorf("%d texts of the page, want %q", len(list), want)
		for _, rec := range list {
			t.Errorf("it is %q", rec.text)
		}
	}
}
