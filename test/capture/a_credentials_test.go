package capture

import (
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/test/sites/wire"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// credentials are the rest of group A: who is asking, and what the browser decides by itself.
func credentials() []testCase {
	return []testCase{
		{
			name:  "A authentication basic",
			serve: routes{"": answer("401 Unauthorized", mimeHTML, document("please log in"), `WWW-Authenticate: Basic realm="a"`)},
			lines: `GET www: Document 401 record`,
			text:  "please log in",
			note:  "The fleet logs in nowhere: the page that asks is what is archived.",
		},
		{
			name: "A authentication in frames",
			serve: routes{
				"":      html(`around <iframe src=near></iframe><iframe src='{far}/a/authentication-in-frames/there'></iframe>`),
				"near":  answer("401 Unauthorized", mimeHTML, document("<img src=inside>"), `WWW-Authenticate: Basic realm="a"`),
				"there": answer("401 Unauthorized", mimeHTML, document("<img src=inside>"), `WWW-Authenticate: Basic realm="a"`),
				// What the frames show is asked for only where they show it.
				"inside": file(mimeGIF, pixel),
			},
			lines: `GET www: Document 200 record
				GET www:near Document 401 record
				GET far:there Document 401 record
				GET www:inside Image 200 record
				GET far:inside Image 200 record`,
			text: "around",
		},
		{
			name: "A authentication wanted for a picture",
			serve: routes{
				"":        html(`beside <img src=picture>`),
				"picture": answer("401 Unauthorized", mimeGIF, pixel, `WWW-Authenticate: Basic realm="a"`),
			},
			visit: func(v *browser.Visit) { v.LoadTimeout = 5 * time.Second },
			lines: "GET www: Document 200 record\nGET www:picture Image 401 record (?)",
			text:  "beside",
		},
		{
			name: "A client certificate asked for", from: asking,
			serve: routes{"": html("shown without one")},
			lines: "GET asking: Document 200 record", text: "shown without one",
		},
		{
			name: "A client certificate required", from: locked,
			serve:   routes{"": html("never shown")},
			lines:   "GET locked: Document not captured: there was no answer: TLSFailed",
			outcome: "Failed: TLSFailed",
			note:    "The fleet has no certificate of its own. The connection's record has the chain of the origin.",
		},
		{
			name: "A strict transport security", from: tls,
			serve: routes{
				"":     html("<script>location.href = '{bare}/a/strict-transport-security/next'</script>", "Strict-Transport-Security: max-age=600"),
				"next": html("asked over TLS all the same"),
			},
			lines: `GET tls: Document 200 record
				GET bare:next Document 307 not captured: answered by the browser: HSTS
				GET tls:next Document 200 record`,
			check: textIs("asked over TLS all the same"),
			note:  "The redirect to https is the browser's own: no server has sent it, so there is no record of it.",
		},
		{
			name: "A early hints over HTTP/2", from: two,
			serve: routes{
				"": func(s *site, x *wire.Exchange) {
					for i := 0; i < 100 && s.count("hinted", 0) == 0; i++ { // a hint that comes with the answer is of no use
						if i%10 == 0 { // and Chromium drops one that comes before it waits for an answer
							s.count("hints", 1)
							x.Interim("103 Early Hints", "Link: <style.css>; rel=preload; as=style")
						}
						x.Sleep(50 * time.Millisecond)
					}
					html(`<link rel=stylesheet href=style.css>after the hint`)(s, x)
				},
				"style.css": func(s *site, x *wire.Exchange) {
					s.count("hinted", 1)
					x.Answer("200 OK", mimeCSS, "p{}", "Cache-Control: max-age=60")
				},
			},
			lines: `GET two: Document 200 record
				GET two:style.css Unseen 200 record
				GET two:style.css Stylesheet 200 cache`,
			note: "Chrome takes hints over HTTP/2 only, and does not tell of what it asks for because of one: the recorder does.",
			text: "after the hint",
			check: func(t *testing.T, r *result) {
				list, sent := r.page.Exchanges[0].Interim, r.site.count("hints", 0)
				if len(list) == 0 || len(list) != sent {
					t.Errorf("%d interim answers, %d were sent", len(list), sent)
				}
				for _, head := range list {
					if !strings.Contains(string(head), "link: <style.css>; rel=preload; as=style\r\n") {
						t.Errorf("interim answer %q", head)
					}
				}
			},
		},
	}
}
