package capture

import (
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/test/sites/wire"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// moves are redirects of group A at times and to places where they are not expected.
func moves() []testCase {
	return []testCase{
		{
			name: "A redirect from https to http", from: tls,
			serve: routes{"": redirect("302 Found", "{www}/a/redirect-from-https-to-http/next"), "next": html("no longer secret")},
			lines: `GET tls: Document 302 record
				GET www:next Document 200 record`,
			text: "no longer secret",
			check: func(t *testing.T, r *result) {
				if !strings.HasPrefix(r.page.FinalURL, "http://") || len(r.page.Redirects) != 1 {
					t.Errorf("redirects %v to %s", r.page.Redirects, r.page.FinalURL)
				}
			},
		},
		{
			name: "A a page that leaves again and again",
			serve: routes{
				"":     html(`stays<script>setInterval(() => { location.href = 'next' }, 250)</script>`),
				"next": func(_ *site, x *wire.Exchange) { x.Head("204 No Content", "Cache-Control: no-store") },
			},
			lines: "GET www: Document 200 record\nGET www:next Document 204 record (?)" +
				strings.Repeat("\n?GET www:next Document 204 record (?)", 80) +
				strings.Repeat("\n?GET www:next Document not captured: blocked: NavigationBlocked", 40) +
				strings.Repeat("\n?GET www:next Document not captured: there was no answer: ERR_ABORTED", 10) + // the next attempt came first
				"\n?GET www:next Document not captured: the page was left before there was an answer",
			text:  "stays",
			check: textIs("stays"),
			note:  "Every attempt is recorded, also while the behaviors run; those while the outputs are made are refused. None leads away.",
		},
		{
			name: "A a page that leaves while the outputs are made",
			text: "first",
			serve: routes{
				"":     html(`<p style="height:3000px">first</p><script>onresize = () => { location.href = 'next' }</script>`),
				"next": html("second"),
			},
			visit: func(v *browser.Visit) { v.Screenshot = browser.ScreenshotFull },
			lines: `GET www: Document 200 record
				GET www:next Document not captured: blocked: NavigationBlocked`,
			check: func(t *testing.T, r *result) {
				textIs("first")(t, r)
				if p := r.page; p.ScreenshotHeight < 3000 || p.FinalURL != p.URL || !slices.ContainsFunc(p.Links, func(l browser.Link) bool {
					return l.Kind == browser.LinkAway && strings.HasSuffix(l.URL, "/next")
				}) {
					t.Errorf("the picture is %d high, the page %s, its links %v", p.ScreenshotHeight, p.FinalURL, p.Links)
				}
			},
			note: "The picture's size is what this page goes away for. Text, DOM and picture are of one document: it is kept from leaving meanwhile, and where it wanted to go is followed as a link.",
		},
	}
}
