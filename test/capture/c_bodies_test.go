package capture

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// coded applies content codings to a document, the last one outermost.
func coded(names string, text string) handler {
	return func(_ *site, x *wire.Exchange) {
		body := []byte(document(text))
		for name := range strings.SplitSeq(names, ", ") {
			body = encode(name, body)
		}
		x.Answer("200 OK", mimeHTML, string(body), "Content-Encoding: "+names)
	}
}

func encode(name string, text []byte) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	switch name {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		w, _ = zstd.NewWriter(&b) // without options it does not fail
	case "deflate":
		w, _ = flate.NewWriter(&b, flate.BestSpeed) // the level is a valid one
	default:
		panic("no such coding: " + name)
	}
	_, _ = w.Write(text) // buffers do not fail
	_ = w.Close()
	return b.Bytes()
}

// bulk sends n bytes that do not compress to nothing, in pieces.
func bulk(mime string, n int64) handler {
	return func(_ *site, x *wire.Exchange) {
		x.Head("200 OK", "Content-Type: "+mime, fmt.Sprintf("Content-Length: %d", n), "Cache-Control: no-store")
		piece := make([]byte, 64<<10)
		for at := int64(0); at < n; at += int64(len(piece)) {
			for i := range piece {
				piece[i] = byte(int64(i)*7 + at>>13)
			}
			if _, err := x.Write(piece[:min(int64(len(piece)), n-at)]); err != nil {
				return
			}
		}
	}
}

// counted is a page that shows how many bytes a fetch has brought.
const counted = `<p id=p>…</p><script>
	fetch('body').then(r => r.arrayBuffer()).then(b => p.textContent = b.byteLength + ' bytes', e => p.textContent = 'no bytes: ' + e.name)</script>`

// bodies are group C.
func bodies() []testCase {
	list := []testCase{
		{
			name: "C no length",
			serve: routes{"": func(_ *site, x *wire.Exchange) {
				x.Head("200 OK", "Content-Type: text/html", "Connection: close")
				x.Body(document("until the end"))
				x.Close()
			}},
			lines: "GET www: Document 200 record",
			text:  "until the end",
		},
		{
			name: "C HTTP/1.0",
			serve: routes{"": func(_ *site, x *wire.Exchange) {
				x.RawHead("HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n")
				x.Body(document("the old way"))
				x.Close()
			}},
			lines: "GET www: Document 200 record",
			text:  "the old way",
			check: func(t *testing.T, r *result) {
				for _, p := range r.exchanges() {
					if got := p.response.Values(warc.FieldProtocol); len(got) == 0 || got[0] != "http/1.0" {
						t.Errorf("protocols %q", got)
					}
				}
			},
		},
		{
			name: "C chunks",
			serve: routes{"": func(_ *site, x *wire.Exchange) {
				x.Head("200 OK", "Content-Type: text/html", "Transfer-Encoding: chunked")
				for part := range strings.SplitSeq(document("one piece after another"), " ") {
					x.Body(part + " ")
				}
				x.End()
			}},
			lines: "GET www: Document 200 record",
			text:  "one piece after another",
		},
		{
			name: "C a length that is too large",
			serve: routes{"": html(counted), "body": func(_ *site, x *wire.Exchange) {
				x.Head("200 OK", "Content-Type: "+mimeBin, "Content-Length: 1000")
				x.Body("only this")
				x.Break(false)
			}},
			lines: `GET www: Document 200 record
				GET www:body Fetch 200 failed (ConnectionReset)`,
			note: "In the replay the body is whole, with what came.",
		},
		{
			name: "C a length that is too small",
			serve: routes{"": html(counted), "body": func(_ *site, x *wire.Exchange) {
				x.Head("200 OK", "Content-Type: "+mimeBin, "Content-Length: 4")
				x.Body("four")
				x.Send(" and more")
				x.Close()
			}},
			lines: `GET www: Document 200 record
				GET www:body Fetch 200 record`,
			text: "4 bytes",
		},
		{
			name: "C reset in the middle",
			serve: routes{"": html(counted), "body": func(_ *site, x *wire.Exchange) {
				x.Head("200 OK", "Content-Type: "+mimeBin, "Transfer-Encoding: chunked")
				x.Body(strings.Repeat("some of it. ", 1000))
				x.Sleep(100 * time.Millisecond) // or the reset overtakes what was sent
				x.Break(true)
			}},
			lines: `GET www: Document 200 record
				GET www:body Fetch 200 failed (ConnectionReset)`,
			note: "In the replay the body is whole, with what came.",
		},
		{
			name: "C a document that breaks off",
			serve: routes{"": func(_ *site, x *wire.Exchange) {
				x.Head("200 OK", "Content-Type: text/html", "Content-Length: 5000")
				x.Body("<!doctype html><link rel=icon href=data:,><p>the first half")
				x.Sleep(50 * time.Millisecond)
				x.Break(false)
			}},
			lines:  "GET www: Document 200 failed (ConnectionReset)",
			text:   "the first half",
			limits: []string{"Document"},
		},
		{
			name:  "C reset before the answer",
			serve: routes{"": html(`<img src=gone>the picture is missing`), "gone": func(_ *site, x *wire.Exchange) { x.Break(true) }},
			lines: `GET www: Document 200 record
				GET www:gone Image not captured: there was no answer: ConnectionReset`,
			text: "the picture is missing",
		},
		{
			name: "C slow drip",
			serve: routes{"": func(_ *site, x *wire.Exchange) {
				x.Head("200 OK", "Content-Type: text/html", "Transfer-Encoding: chunked")
				for _, b := range []byte("<!doctype html><link rel=icon href=data:,><p>drop by drop") {
					x.Body(string(b))
					x.Sleep(10 * time.Millisecond)
				}
				x.End()
			}},
			lines: "GET www: Document 200 record",
			text:  "drop by drop",
		},
		{
			name: "C never-ending stream",
			serve: routes{
				"": html(`<p id=p></p><script>
					fetch('body').then(async r => { const d = r.body.getReader(); for (let n = 0; !(await d.read()).done; n++) p.textContent = n > 5 ? 'it goes on' : n })</script>`),
				"body": func(_ *site, x *wire.Exchange) {
					x.Head("200 OK", "Content-Type: "+mimeText, "Transfer-Encoding: chunked")
					for x.Sleep(20 * time.Millisecond) {
						x.Body("more\n")
					}
				},
			},
			lines: `GET www: Document 200 record
				GET www:body Fetch 200 record (?)`,
			check: func(t *testing.T, r *result) {
				textIs("it goes on")(t, r)
				list := r.about(warc.Response, r.site.base[www]+r.c.folder()+"body")
				if len(list) != 1 || list[0].truncated() != "time" && list[0].truncated() != "disconnect" || !strings.HasPrefix(string(list[0].text), "more\nmore\n") {
					t.Errorf("records %+v", list)
				}
			},
			note: "Cut off when the page is left, and marked so.",
		},
		{
			name:  "C mislabelled coding",
			serve: routes{"": html(`<img src=pixel>the label is wrong`), "pixel": file(mimeGIF, pixel, "Content-Encoding: gzip")},
			lines: `GET www: Document 200 record
				GET www:pixel Image 200 record (ERR_CONTENT_DECODING_FAILED)`,
			text: "the label is wrong",
		},
		{
			name:  "C unknown coding",
			serve: routes{"": html(`<img src=pixel>nobody knows it`), "pixel": file(mimeGIF, pixel, "Content-Encoding: x-none")},
			lines: `GET www: Document 200 record
				GET www:pixel Image 200 record`,
			text: "nobody knows it",
		},
		{
			name:   "C a document that cannot be decoded",
			serve:  routes{"": answer("200 OK", mimeHTML, document("not zipped"), "Content-Encoding: gzip")},
			lines:  "GET www: Document 200 record (ERR_CONTENT_DECODING_FAILED)",
			limits: []string{"Screenshot", "Document"},
			note:   "Recorded as it came. Chrome shows nothing, and the page says so.",
		},
		{
			name: "C decompression bomb",
			serve: routes{
				"": html(`<p id=p>…</p><script>(async () => {
					const d = (await fetch('body')).body.getReader(); let n = 0;
					for (let r; !(r = await d.read()).done; ) n += r.value.length;
					p.textContent = n >> 20 + ' MB' })()</script>`),
				"body": func(_ *site, x *wire.Exchange) {
					var b bytes.Buffer
					w := gzip.NewWriter(&b)
					for range 100 {
						_, _ = w.Write(make([]byte, 1<<20)) // buffers do not fail
					}
					_ = w.Close()
					x.Answer("200 OK", mimeBin, b.String(), "Content-Encoding: gzip")
				},
			},
			lines: `GET www: Document 200 record
				GET www:body Fetch 200 record`,
			note: "Recorded as it came, 100 KB for 100 MB.",
		},
		{
			name: "C zero-length",
			serve: routes{"": html(counted + `<img src=empty.gif><link rel=stylesheet href=empty.css>`),
				"body": file(mimeBin, ""), "empty.gif": file(mimeGIF, ""), "empty.css": file(mimeCSS, "")},
			lines: `GET www: Document 200 record
				GET www:body Fetch 200 record
				GET www:empty.gif Image 200 record
				GET www:empty.css Stylesheet 200 record`,
			text: "0 bytes",
		},
		{
			name: "C binary with NULs",
			serve: routes{"": html(counted), "body": func(_ *site, x *wire.Exchange) {
				b := make([]byte, 4096)
				for i := range b {
					b[i] = byte(i)
				}
				x.Answer("200 OK", mimeBin, "\x00\x00\r\n\r\n"+string(b))
			}},
			lines: `GET www: Document 200 record
				GET www:body Fetch 200 record`,
			text: "4102 bytes",
		},
		{
			name: "C read by the page only partly",
			serve: routes{
				"": html(`<p id=p></p><script>(async () => {
					const d = (await fetch('body')).body.getReader(); await d.read(); await d.cancel(); p.textContent = 'enough' })()</script>`),
				"body": func(_ *site, x *wire.Exchange) {
					x.Head("200 OK", "Content-Type: "+mimeBin, "Content-Length: 3000000")
					x.Body(strings.Repeat("0123456789", 100_000))
					x.Sleep(3 * time.Second)
					x.Break(false)
				},
			},
			lines: `GET www: Document 200 record
				GET www:body Fetch 200 record (ERR_ABORTED)`,
			text: "enough",
			check: func(t *testing.T, r *result) {
				list := r.about(warc.Response, r.site.base[www]+r.c.folder()+"body")
				if len(list) != 1 || list[0].truncated() != "disconnect" {
					t.Errorf("records %+v", list)
				}
			},
			note: "The browser closes the connection; what came until then is recorded and marked.",
		},
		{
			name: "C evicted from the inspector's cache",
			serve: routes{
				"":     html(`<p id=p></p><script>Promise.all([...Array(8).keys()].map(i => fetch('body?' + i).then(r => r.arrayBuffer()))).then(l => p.textContent = l.length + ' bodies')</script>`),
				"body": bulk(mimeBin, 3<<20),
			},
			lines: "GET www: Document 200 record" + each(8, "\nGET www:body?%d Fetch 200 record"),
			text:  "8 bodies",
		},
		{
			name: "C answer after the page has been left",
			serve: routes{
				"":     html(`<script>fetch('late'); setTimeout(() => location.href = 'next', 100)</script>first`),
				"late": func(_ *site, x *wire.Exchange) { x.Abandon() },
				"next": html("second"),
			},
			lines: `GET www: Document 200 record
				GET www:late Fetch not captured: there was no answer: Aborted
				GET www:next Document 200 record`,
			text: "second",
			note: "The browser gives the request up with its document.",
		},
		{
			name: "C answer after the page seems idle",
			serve: routes{
				"": html(`<p id=p>…</p><script>fetch('late').then(r => r.text()).then(t => p.textContent = t)</script>`),
				"late": func(_ *site, x *wire.Exchange) {
					x.Sleep(3 * time.Second)
					x.Answer("200 OK", mimeText, "late but not too late")
				},
			},
			lines: `GET www: Document 200 record
				GET www:late Fetch 200 record`,
			text: "late but not too late",
		},
		{
			name:  "C a body of 6 MB",
			serve: routes{"": html(counted), "body": bulk(mimeBin, 6<<20)},
			lines: `GET www: Document 200 record
				GET www:body Fetch 200 record`,
			text: "6291456 bytes",
		},
		{
			name:  "C a body of 120 MB",
			serve: routes{"": html(counted), "body": bulk(mimeBin, 120<<20)},
			lines: `GET www: Document 200 record
				GET www:body Fetch 200 record`,
			note: "Too large for ReplayWeb.page in the time that a case has.",
		},
		{
			name:  "C a body above the limit",
			serve: routes{"": html(counted), "body": bulk(mimeBin, 3<<20)},
			visit: func(v *browser.Visit) { v.MaxBody = 1 << 20 },
			lines: `GET www: Document 200 record
				GET www:body Fetch 200 record (ERR_CONTENT_LENGTH_MISMATCH)`,
			limits: []string{browser.LimitBody},
			check:  wantTruncated("body", "length", 1<<20),
			note:   "Cut off at the limit, and marked so.",
		},
		{
			name:   "C a page above the limit",
			serve:  routes{"": html(counted), "body": bulk(mimeBin, 3<<20)},
			visit:  func(v *browser.Visit) { v.MaxBytes = 2 << 20 },
			limits: []string{browser.LimitPage},
			lines: `GET www: Document 200 record
				GET www:body Fetch 200 record (ERR_CONTENT_LENGTH_MISMATCH)`,
			check: func(t *testing.T, r *result) {
				wantTruncated("body", "length", 2<<20-r.page.Exchanges[0].Response.Body.Size)(t, r)
			},
			note: "Cut off at the limit, and marked so.",
		},
		{
			name:  "C a PDF",
			serve: routes{"": bulk("application/pdf", 2<<20)},
			lines: "GET www: Document 200 record (ERR_ABORTED)",
			check: func(t *testing.T, r *result) {
				if !r.page.Download {
					t.Error("the page is not said to be a file")
				}
			},
			note: "Recorded as a file: headless-shell has no PDF viewer.",
		},
		{
			name:  "C a PDF in a frame",
			serve: routes{"": html("<iframe src=paper.pdf width=600 height=400></iframe>around it"), "paper.pdf": file("application/pdf", paper)},
			lines: `GET www: Document 200 record
				GET www:paper.pdf Document 200 record (ERR_ABORTED)`,
			check: textIs("around it"),
		},
		{
			name:  "C a PDF of a page",
			serve: routes{"": file("application/pdf", paper)},
			lines: "GET www: Document 200 record (ERR_ABORTED)",
			check: func(t *testing.T, r *result) {
				if !r.page.Download {
					t.Error("the page is not said to be a file")
				}
			},
		},
	}
	for _, names := range []string{"gzip", "br", "deflate", "gzip, br", "gzip, gzip"} {
		c := testCase{
			name:  "C coding " + names,
			from:  tls, // Chrome takes br over https only
			serve: routes{"": coded(names, "encoded with "+names)},
			lines: "GET tls: Document 200 record",
			check: textIs("encoded with " + names),
		}
		if names == "gzip" || names == "br" {
			c.text = "encoded with " + names
		} else {
			c.note = "Recorded as it came. ReplayWeb.page knows gzip and br, one at a time."
		}
		list = append(list, c)
	}
	for _, from := range []string{tls, two} {
		list = append(list, testCase{
			name: "C coding zstd over " + map[string]string{tls: "HTTP/1.1", two: "HTTP/2"}[from],
			from: from,
			serve: routes{"": func(s *site, x *wire.Exchange) {
				if accept := x.Header.Get("Accept-Encoding"); accept != "gzip, deflate, br" {
					html("asked for "+accept)(s, x)
					return
				}
				html("zstd was not asked for")(s, x)
			}},
			lines: "GET " + from + ": Document 200 record",
			text:  "zstd was not asked for",
			note:  "ReplayWeb.page cannot decode zstd, so the recorder does not pass on that Chrome can. The record has what was sent.",
		})
	}
	return list
}

// each writes a line for each number below n.
func each(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// wantTruncated checks that a file of the case was cut off.
func wantTruncated(path, why string, size int64) func(*testing.T, *result) {
	return func(t *testing.T, r *result) {
		t.Helper()
		list := r.about(warc.Response, r.site.base[r.c.origin()]+r.c.folder()+path)
		if len(list) != 1 || list[0].truncated() != why || list[0].size != size {
			t.Errorf("%s: want one record cut off at %d bytes because of %q, have %d", path, size, why, len(list))
			for _, rec := range list {
				t.Errorf("%d bytes, %q", rec.size, rec.truncated())
			}
		}
	}
}

// paper is a PDF of one page.
const paper = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
	"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj\n" +
	"4 0 obj<</Length 47>>stream\nBT /F 24 Tf 20 100 Td (shown by a viewer) Tj ET \nendstream endobj\n" +
	"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
