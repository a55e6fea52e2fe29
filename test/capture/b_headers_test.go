package capture

import (
	"fmt"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// raw answers with a head as it is given, and a body.
func raw(head, body string) handler {
	return func(_ *site, x *wire.Exchange) {
		x.RawHead(head)
		x.Body(body)
	}
}

// replaysUTF8 is what becomes of other encodings.
const replaysUTF8 = "ReplayWeb.page takes the text for another encoding than Chrome does."

// headers are group B. What they are about is compared by every case: the heads are the same to the byte.
func headers() []testCase {
	list := []testCase{
		{
			name: "B duplicate headers",
			serve: routes{
				"": html(`<p id=p></p><script>fetch('again').then(r => r.text()).then(t => p.textContent = t)</script>`,
					"Set-Cookie: a=1", "Set-Cookie: b=2; Path=/", "X-Twice: one", "x-twice: two", "Link: <x>; rel=next", "Link: <y>; rel=prev"),
				"again": func(_ *site, x *wire.Exchange) { x.Answer("200 OK", mimeText, "cookies: "+x.Header.Get("Cookie")) },
			},
			lines: `GET www: Document 200 record
				GET www:again Fetch 200 record`,
			text: "cookies: a=1; b=2",
			check: func(t *testing.T, r *result) {
				if head := r.headOf(t, "{www}/b/duplicate-headers/"); strings.Count(head, "Set-Cookie") != 2 || !strings.Contains(head, "X-Twice: one\r\nx-twice: two\r\n") {
					t.Errorf("head %s", head)
				}
			},
		},
		{
			name: "B headers that are not ASCII",
			serve: routes{
				"":      html(`<p id=p></p><script>fetch('again').then(r => r.text()).then(t => p.textContent = t)</script>`, "Set-Cookie: name=Zo\u00eb \u00fcber", "X-Latin: caf\xe9", "X-Title: \u4eba\u8eab"),
				"again": func(_ *site, x *wire.Exchange) { x.Answer("200 OK", mimeText, "cookie of "+x.Header.Get("Cookie")) },
			},
			lines: `GET www: Document 200 record
				GET www:again Fetch 200 record`,
			text: "cookie of name=Zo\u00eb \u00fcber",
		},
		{
			name: "B a header of 100 KB",
			serve: routes{"": func(s *site, x *wire.Exchange) {
				html("a long header", "X-Long: "+strings.Repeat("0123456789", 10_000))(s, x)
			}},
			lines: "GET www: Document 200 record",
			text:  "a long header",
		},
		{
			name: "B a header of 300 KB",
			serve: routes{"": html(`<img src=long>still here`),
				"long": func(_ *site, x *wire.Exchange) {
					x.Answer("200 OK", mimeGIF, pixel, "X-Long: "+strings.Repeat("0123456789", 30_000))
				}},
			lines: `GET www: Document 200 record
				GET www:long Image 200 record (ERR_RESPONSE_HEADERS_TOO_BIG)`,
			text: "still here",
			note: "Chrome shows no answer with a head of more than 256 KB. It is recorded up to 1 MB.",
		},
		{
			name:  "B folded headers",
			serve: routes{"": raw("HTTP/1.1 200 OK\r\nContent-Type: text/html;\r\n  charset=utf-8\r\nX-Folded: one\r\n\ttwo\r\nContent-Length: 6\r\n\r\n", "folded")},
			lines: "GET www: Document 200 record\n?GET {www}/favicon.ico Other 404 record",
			text:  "folded",
		},
		{
			name:  "B empty names and values",
			serve: routes{"": raw("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n: no name\r\nX-Empty:\r\nX-Space:   \r\nno colon at all\r\nContent-Length: 7\r\n\r\n", "nothing")},
			lines: "GET www: Document 200 record",
			text:  "nothing",
		},
		{
			name:  "B spacing and case",
			serve: routes{"": raw("HTTP/1.1   200 Fine by me\r\ncontent-TYPE :text/html\r\nX-Tab:\tvalue\t\r\ncontent-length: 6\r\n\r\n", "spaced")},
			lines: "GET www: Document 200 record",
			text:  "spaced",
		},
		{
			name:   "B line feeds alone",
			serve:  routes{"": raw("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 5\n\n", "bare.")},
			lines:  "GET www: Document 200 record",
			check:  textIs("bare."),
			unread: true,
			note:   "Recorded to the byte. warcio.js looks for carriage returns and finds no end of the head, so there is no replay.",
		},
		{
			name: "B chunked twice",
			serve: routes{"": func(_ *site, x *wire.Exchange) {
				x.RawHead("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked, chunked\r\nConnection: close\r\n\r\n")
				x.Body("chunked ")
				x.Body("once")
				x.End()
				x.Close()
			}},
			lines: "GET www: Document 200 record",
			text:  "chunked once",
		},
		{
			name:    "B lengths that contradict each other",
			serve:   routes{"": raw("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n", "hello..")},
			lines:   "GET www: Document failed (InvalidResponse)",
			outcome: "Failed: ConnectionReset",
			note:    "Chrome refuses such an answer, and so does the recorder: it is how requests are smuggled. What came is recorded as truncated.",
		},
		{
			name:  "B the same length twice",
			serve: routes{"": raw("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", "twice")},
			lines: "GET www: Document 200 record",
			text:  "twice",
		},
		{
			name:  "B no content type",
			serve: routes{"": raw("HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n", "<html><p>what is this?</p></html")},
			lines: "GET www: Document 200 record",
			text:  "what is this?",
		},
		{
			name:  "B wrong charset",
			serve: routes{"": answer("200 OK", "text/html; charset=iso-8859-1", "<!doctype html><meta charset=utf-8>caf\xe9 <link rel=icon href=data:,>")},
			lines: "GET www: Document 200 record",
			check: textIs("caf\u00e9"),
			note:  replaysUTF8,
		},
		{
			name:  "B unknown charset and a byte order mark",
			serve: routes{"": answer("200 OK", "text/html; charset=x-none", "\xef\xbb\xbf<!doctype html>marked \u00fc<link rel=icon href=data:,>")},
			lines: "GET www: Document 200 record",
			check: textIs("marked \u00fc"),
			note:  replaysUTF8,
		},
		{
			name: "B trailers",
			serve: routes{"": func(s *site, x *wire.Exchange) {
				x.Head("200 OK", "Content-Type: text/html", "Transfer-Encoding: chunked", "Trailer: X-Sum")
				x.Body(document("with a trailer"))
				x.End("X-Sum: 1234")
			}},
			lines: "GET www: Document 200 record",
			text:  "with a trailer",
			check: func(t *testing.T, r *result) {
				if got := string(r.page.Exchanges[0].Response.Trailer); got != "X-Sum: 1234\r\n" {
					t.Errorf("trailer %q", got)
				}
			},
		},
		{
			name: "B HTTP/2",
			from: two,
			serve: routes{
				"":          html(`<link rel=stylesheet href=style.css><p id=p></p><script>fetch('post', {method: 'POST', body: 'x'.repeat(100000)}).then(r => r.text()).then(t => p.textContent = t)</script>`, "Set-Cookie: a=1", "Set-Cookie: b=2"),
				"style.css": file(mimeCSS, "p{color:blue}"),
				"post": func(_ *site, x *wire.Exchange) {
					x.Answer("200 OK", mimeText, fmt.Sprint(len(x.ReadBody()), " bytes over ", x.Protocol))
				},
			},
			lines: `GET two: Document 200 record
				GET two:style.css Stylesheet 200 record
				POST two:post Fetch 200 record`,
			text: "100000 bytes over h2",
			check: func(t *testing.T, r *result) {
				for _, p := range r.exchanges() {
					if got := p.response.Values(warc.FieldProtocol); len(got) == 0 || got[0] != "h2" {
						t.Errorf("%s: protocols %q", p.response.TargetURI, got)
					}
				}
			},
		},
	}
	return list
}
