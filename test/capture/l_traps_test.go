package capture

import (
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/workers/browser"
)

// traps are what of group L a page is needed for. What the frontier does with addresses is tested there; the list
// elsewhere names those tests.
func traps() []testCase {
	long := strings.Repeat("0123456789", 900)
	return []testCase{
		{
			name:   "L addresses of 9 KB",
			serve:  routes{"": html(`<img src='pixel?` + long + `'><a href='next?` + long + `'>far</a><a href='next'>near</a>a long way`), "pixel": file(mimeGIF, pixel)},
			lines:  "GET www: Document 200 record\nGET www:pixel?" + long + " Image 200 record",
			text:   "a long way",
			limits: []string{"Links"},
			check: func(t *testing.T, r *result) {
				if len(r.page.Links) != 1 || !strings.HasSuffix(r.page.Links[0].URL, "/next") {
					t.Errorf("links %+v", r.page.Links)
				}
			},
			note: "What the page asks for is recorded whatever its address. A link of more than 8 KB is not followed, and the page says so.",
		},
		{
			name: "L links that are no pages",
			serve: routes{"": html(`<a href='data:text/html,<p>hello'>data</a><a href='mailto:nobody@example.org?subject=x'>write</a><a href='tel:+1-555-0100'>call</a><a href='sms:+15550101'>text</a>
				<a href='javascript:void 0'>script</a><a href='https://wa.me/15550102'>message</a><a href='{www}/l/links-that-are-no-pages/Case'>Case</a><a href='{www}/l/links-that-are-no-pages/case/'>case</a>leads`)},
			lines: "GET www: Document 200 record",
			text:  "leads",
			check: func(t *testing.T, r *result) {
				want := []browser.Link{
					{URL: "mailto:nobody@example.org?subject=x", Kind: browser.LinkMailto}, {URL: "tel:+1-555-0100", Kind: browser.LinkTel},
					{URL: "https://wa.me/15550102", Kind: browser.LinkAnchor},
					{URL: r.page.URL + "Case", Kind: browser.LinkAnchor}, {URL: r.page.URL + "case/", Kind: browser.LinkAnchor},
				}
				for _, l := range want {
					if !slices.Contains(r.page.Links, l) {
						t.Errorf("%+v is not among the links", l)
					}
				}
				for _, l := range r.page.Links {
					if strings.HasPrefix(l.URL, "data:") || strings.HasPrefix(l.URL, "javascript:") {
						t.Errorf("link %+v", l)
					}
				}
			},
			note: "Addresses and telephone numbers are kept as leads; nobody is written to or called.",
		},
	}
}
