package capture

import (
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// breakage is group M, as far as a page can bring it about. What happens to processes and disks is tested in
// workers/browser, workers/archive and test/e2e.
func breakage() []testCase {
	impatient := func(v *browser.Visit) { v.LoadTimeout, v.Timeout = 3*time.Second, 10*time.Second }
	return []testCase{
		{
			name:  "M endless loop while loading",
			serve: routes{"": html(`<img src=pixel>before<script>for (;;);</script>`), "pixel": file(mimeGIF, pixel)},
			visit: impatient, outcome: "Failed: PageTimeout", limits: []string{"Extract"},
			lines: "GET www: Document 200 record (?)\n?GET www:pixel Image 200 record (?)",
			check: func(t *testing.T, r *result) {
				if len(r.about(warc.Response, r.page.URL)) != 1 {
					t.Error("what came is not kept")
				}
			},
			note: "What came is kept, and the page is marked as failed.",
		},
		{
			name:  "M endless loop after loading",
			serve: routes{"": html(`<p>shown</p><script>onload = () => setTimeout(() => { for (;;); }, 50)</script>`)},
			visit: impatient, outcome: "Failed: PageTimeout", limits: []string{"Extract"},
			lines: "GET www: Document 200 record",
			note:  "The replay loops, too.",
		},
		{
			name: "M a flood of requests",
			text: "two thousand",
			// The picture holds the load event back: how long it all takes is the machine's affair.
			serve: routes{"": html(`<p id=p></p><img src=held><script>(async () => { for (let i = 0; i < 2000; i += 50) await Promise.all([...Array(50).keys()].map(j => fetch('x?' + (i + j)).then(r => r.text()))); p.textContent = 'two thousand' })()</script>`),
				"x": func(s *site, x *wire.Exchange) {
					s.count("flood", 1)
					file(mimeText, "x", "Cache-Control: no-store")(s, x)
				},
				"held": func(s *site, x *wire.Exchange) {
					for i := 0; i < 1000 && s.count("flood", 0) < 2000; i++ {
						x.Sleep(50 * time.Millisecond)
					}
					file(mimeGIF, pixel)(s, x)
				}},
			visit: func(v *browser.Visit) { v.LoadTimeout, v.Timeout = time.Minute, 90*time.Second },
			lines: "GET www: Document 200 record\nGET www:held Image 200 record" + each(2000, "\nGET www:x?%d Fetch 200 record"),
			check: textIs("two thousand"),
		},
	}
}
