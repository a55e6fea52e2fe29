package capture

import (
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// redirects are the first half of group A.
func redirects() []testCase {
	return []testCase{
		{
			name: "A redirect chain",
			serve: routes{
				"":  redirect("301 Moved Permanently", "{www}/a/redirect-chain/b"),
				"b": redirect("302 Found", "c"), "c": redirect("303 See Other", "/a/redirect-chain/d"),
				"d": redirect("307 Temporary Redirect", "{far}/a/redirect-chain/e"),
				"e": redirect("308 Permanent Redirect", "{tls}/a/redirect-chain/f"), "f": html("the end of the chain"),
			},
			lines: `GET www: Document 301 record
				GET www:b Document 302 record
				GET www:c Document 303 record
				GET www:d Document 307 record
				GET far:e Document 308 record
				GET tls:f Document 200 record`,
			text: "the end of the chain",
			check: func(t *testing.T, r *result) {
				if len(r.page.Redirects) != 5 || r.page.FinalURL != r.site.base[tls]+"/a/redirect-chain/f" {
					t.Errorf("redirects %v to %s", r.page.Redirects, r.page.FinalURL)
				}
			},
		},
		{
			name: "A redirect to itself",
			serve: routes{"": func(s *site, x *wire.Exchange) {
				if !strings.Contains(x.Header.Get("Cookie"), "seen") {
					x.Head("307 Temporary Redirect", "Location: /a/redirect-to-itself/", "Set-Cookie: seen=1", "Content-Length: 0")
					return
				}
				html("the second answer")(s, x)
			}},
			lines: `GET www: Document 307 record
				GET www: Document 200 record`,
			text: "the second answer",
		},
		{
			name:  "A redirect loop",
			serve: routes{"": redirect("302 Found", "b"), "b": redirect("302 Found", "/a/redirect-loop/")},
			lines: strings.Repeat("GET www: Document 302 record\n", 10) + strings.Repeat("GET www:b Document 302 record\n", 9) +
				"GET www:b Document 302 record (ERR_TOO_MANY_REDIRECTS)",
			outcome: "Failed: TooManyRedirects",
			note:    "Nothing to show.",
		},
		{
			name: "A redirects that lead nowhere",
			serve: routes{
				"": html(`<iframe src=empty></iframe><iframe src=malformed></iframe><iframe src=mail></iframe><iframe src=script></iframe>
					<iframe src=none></iframe>still here`),
				"empty": redirect("302 Found", ""), "malformed": redirect("302 Found", "http://[nowhere"),
				"mail": redirect("302 Found", "mailto:nobody@example.org"), "script": redirect("302 Found", "javascript:alert(1)"),
				"none": answer("302 Found", mimeHTML, document("no location")),
			},
			lines: `GET www: Document 200 record
				GET www:empty Document 302 record
				GET www:malformed Document 302 record (ERR_INVALID_REDIRECT)
				GET www:mail Document 302 record
				GET www:script Document 302 record (ERR_ABORTED)
				GET www:none Document 302 record`,
			note: "Not replayed: Chrome ends itself when a service worker, as that of ReplayWeb.page, passes on a redirect to an address that is none.",
		},
		{
			name: "A redirect of a POST",
			serve: routes{
				"": html(`<p id=p></p><script>
					(async () => {
						const a = await (await fetch('see-other', {method: 'POST', body: 'one'})).text();
						const b = await (await fetch('temporary', {method: 'POST', body: 'two'})).text();
						p.textContent = a + ' ' + b;
					})()</script>`),
				"see-other": redirect("303 See Other", "got"), "temporary": redirect("307 Temporary Redirect", "posted"),
				"got":    func(_ *site, x *wire.Exchange) { x.Answer("200 OK", mimeText, "got by "+x.Method) },
				"posted": func(_ *site, x *wire.Exchange) { x.Answer("200 OK", mimeText, "sent "+string(x.ReadBody())) },
			},
			lines: `GET www: Document 200 record
				POST www:see-other Fetch 303 record
				GET www:got Fetch 200 record
				POST www:temporary Fetch 307 record
				POST www:posted Fetch 200 record`,
			text: "got by GET sent two",
		},
		{
			name: "A redirects by the page itself",
			serve: routes{
				"":  html(`<meta http-equiv=refresh content="0; url=b">first`),
				"b": html(`<script>location.href = 'c'</script>second`),
				"c": html(`<script>setTimeout(() => location.replace('d'), 100)</script>third`),
				"d": html(`fourth`),
			},
			lines: `GET www: Document 200 record
				GET www:b Document 200 record
				GET www:c Document 200 record
				GET www:d Document 200 record`,
			text: "fourth",
		},
		{
			name: "A redirects of sub-resources",
			serve: routes{
				"":    html(`<link rel=stylesheet href=css><script src=js></script><img src=img><iframe src=frame></iframe>styled`),
				"css": redirect("302 Found", "{cdn}/a/redirects-of-sub-resources/css2"), "css2": file(mimeCSS, "p{color:red}"),
				"js": redirect("301 Moved Permanently", "js2"), "js2": redirect("302 Found", "js3"), "js3": file(mimeJS, "1"),
				"img": redirect("307 Temporary Redirect", "img2"), "img2": file(mimeGIF, pixel),
				"frame": redirect("302 Found", "frame2"), "frame2": html("framed"),
			},
			lines: `GET www: Document 200 record
				GET www:css Stylesheet 302 record
				GET cdn:css2 Stylesheet 200 record
				GET www:js Script 301 record
				GET www:js2 Script 302 record
				GET www:js3 Script 200 record
				GET www:img Image 307 record
				GET www:img2 Image 200 record
				GET www:frame Document 302 record
				GET www:frame2 Document 200 record`,
			text: "styled",
		},
	}
}

// statuses are the second half of group A.
func statuses() []testCase {
	list := []testCase{
		{
			name: "A interim answers",
			serve: routes{
				"": func(s *site, x *wire.Exchange) {
					x.Send("HTTP/1.1 103 Early Hints\r\nLink: <style.css>; rel=preload; as=style\r\n\r\n")
					x.Send("HTTP/1.1 102 Processing\r\n\r\n")
					html(`<link rel=stylesheet href=style.css>after the hints`)(s, x)
				},
				"style.css": file(mimeCSS, "p{}"),
			},
			lines: `GET www: Document 200 record
				GET www:style.css Stylesheet 200 record`,
			text: "after the hints",
			check: func(t *testing.T, r *result) {
				if n := len(r.page.Exchanges[0].Interim); n != 2 {
					t.Errorf("%d interim answers are recorded, want 2", n)
				}
			},
		},
		{
			name: "A statuses without a body",
			serve: routes{
				"": html(`<script>
					for (const s of ['204', '205', '304', '200', '404', '500']) fetch(s).then(r => r.text());
				</script>quiet`),
				"204": func(_ *site, x *wire.Exchange) { x.Head("204 No Content", "X-Kind: none") },
				"205": func(_ *site, x *wire.Exchange) { x.Head("205 Reset Content", "Content-Length: 0") },
				"304": func(_ *site, x *wire.Exchange) { x.Head("304 Not Modified", `ETag: "x"`) },
				"200": func(_ *site, x *wire.Exchange) { x.Head("200 OK", "Content-Length: 0") },
				"404": func(_ *site, x *wire.Exchange) { x.Head("404 Not Found", "Content-Length: 0") },
				"500": func(_ *site, x *wire.Exchange) { x.Head("500 Internal Server Error", "Content-Length: 0") },
			},
			lines: `GET www: Document 200 record
				GET www:204 Fetch 204 record
				GET www:205 Fetch 205 record
				GET www:304 Fetch 304 record
				GET www:200 Fetch 200 record
				GET www:404 Fetch 404 record
				GET www:500 Fetch 500 record`,
			text: "quiet",
		},
		{
			name:  "A page without content",
			serve: routes{"": func(_ *site, x *wire.Exchange) { x.Head("204 No Content") }},
			lines: "GET www: Document 204 record (ERR_ABORTED)",
			note:  "Nothing to show.",
		},
		{
			name:  "A empty page",
			serve: routes{"": func(_ *site, x *wire.Exchange) { x.Head("200 OK", "Content-Type: "+mimeHTML, "Content-Length: 0") }},
			lines: "GET www: Document 200 record",
			note:  "Nothing to show.",
		},
		{
			name: "A authentication wanted of a script",
			from: "tls",
			serve: routes{"": html(`<p id=p></p><script>fetch('401').then(r => r.text()).then(t => p.textContent = t)</script>`),
				"401": answer("401 Unauthorized", mimeText, "who are you?", `WWW-Authenticate: Basic realm="a"`)},
			lines: `GET tls: Document 200 record
				GET tls:401 Fetch 401 record`,
			text: "who are you?",
		},
		{
			name:  "A authentication digest",
			serve: routes{"": answer("401 Unauthorized", mimeHTML, document("please log in"), `WWW-Authenticate: Digest realm="a", nonce="b", qop="auth"`)},
			lines: `GET www: Document 401 record`,
			text:  "please log in",
		},
		{
			name:  "A proxy authentication wanted by the origin",
			serve: routes{"": html(`<script>fetch('407').catch(() => {})</script>fine`), "407": answer("407 Proxy Authentication Required", mimeText, "not yours to ask", `Proxy-Authenticate: Basic realm="a"`)},
			lines: `GET www: Document 200 record
				GET www:407 Fetch 407 record`,
			text: "fine",
		},
	}
	for _, e := range []struct {
		status, after string
		wait          time.Duration
	}{
		{"403 Forbidden", "", 0}, {"404 Not Found", "", 0}, {"429 Too Many Requests", "Retry-After: 7", 7 * time.Second}, {"500 Internal Server Error", "", 0},
		{"503 Service Unavailable", "Retry-After: 3", 3 * time.Second}, {"503 Service Unavailable", "", 0},
	} {
		fields := []string{"X-Kind: error"}
		name := "A page with status " + e.status[:3]
		if e.after != "" {
			fields = append(fields, e.after)
			name += " and patience"
		}
		list = append(list, testCase{
			name:  name,
			serve: routes{"": answer(e.status, mimeHTML, document("the server says "+e.status), fields...)},
			lines: "GET www: Document " + e.status[:3] + " record",
			text:  "the server says " + e.status,
			check: func(t *testing.T, r *result) {
				if r.page.Outcome.RetryAfter != e.wait {
					t.Errorf("to be left alone for %s, want %s", r.page.Outcome.RetryAfter, e.wait)
				}
			},
		})
	}
	return list
}

// headOf is the head of the one response record of an address, which may be a revisit.
func (r *result) headOf(t *testing.T, address string) string {
	t.Helper()
	address = r.site.names.Replace(address)
	list := append(r.about(warc.Response, address), r.about(warc.Revisit, address)...)
	if len(list) != 1 {
		t.Errorf("%d answers of %s are recorded, want 1", len(list), address)
		return ""
	}
	return string(list[0].Head)
}
