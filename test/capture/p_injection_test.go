package capture

import (
	"strings"
	"testing"
	"unicode"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// forged would be a record of its own, a key of YAML, and an order to a terminal, where it is written as it comes.
const forged = "\r\n\r\nWARC/1.1\r\nWARC-Type: response\r\nWARC-Target-URI: urn:forged\r\n---\nadmin: true\x00\x1b[2J\x1b]0;owned\x07"

// encoded is forged as it stands in addresses.
var encoded = strings.NewReplacer("\r", "%0D", "\n", "%0A", "\x00", "%00", "\x1b", "%1B", "\x07", "%07", " ", "%20").Replace(forged)

// nothingForged checks that the records have the fields that we write and no others, of printable characters, and that
// there is none that the page has made up.
func nothingForged(t *testing.T, r *result) {
	t.Helper()
	known := []string{
		warc.FieldConcurrentTo, warc.FieldFilename, warc.FieldIPAddress, warc.FieldPageID, warc.FieldProfile, warc.FieldRefersTo, warc.FieldRefersToDate,
		warc.FieldRefersToTargetURI, warc.FieldTruncated, warc.FieldWarcinfoID, warc.FieldProtocol, warc.FieldCipherSuite,
	}
	for _, rec := range r.records {
		if strings.HasPrefix(rec.TargetURI, "urn:forged") {
			t.Errorf("there is a record that the page has made up: %q", rec.Head)
		}
		for _, f := range append(rec.Fields, warc.Field{Name: warc.FieldFilename, Value: rec.TargetURI}, warc.Field{Name: warc.FieldFilename, Value: rec.ContentType}) {
			if !containsFold(known, f.Name) {
				t.Errorf("%s %s has a field %q", rec.Type, rec.TargetURI, f.Name)
			}
			if strings.ContainsFunc(f.Value, unicode.IsControl) {
				t.Errorf("%s %s: the field %s has control characters in %q", rec.Type, rec.TargetURI, f.Name, f.Value)
			}
		}
	}
}

func containsFold(list []string, want string) bool {
	for _, s := range list {
		if strings.EqualFold(s, want) {
			return true
		}
	}
	return false
}

// injections are the cases of group P that are about what a page says of itself.
func injections() []testCase {
	const title = "<title>a&#13;&#10;WARC-Type: response&#13;&#10;&#13;&#10;--- {admin: true}\n- &#27;[2J \u009b31m &#x202e;lmth.exe</title>"
	return []testCase{
		{
			name: "P a title and an address that forge records",
			serve: routes{
				"": html(title + `<p id=p></p><script>const said = document.title;
					Object.defineProperty(document, 'title', {get: () => said + ` + "`" + `\r\n\r\nWARC/1.1\r\nWARC-Target-URI: urn:forged\u0000\u001b[2J` + "`" + `});
					fetch('data' + location.search).then(r => r.text()).then(t => { p.textContent = t })</script>`),
				"data": file(mimeText, "nothing is forged"),
			},
			visit: func(v *browser.Visit) { v.URL += "?q=" + encoded + "#" + encoded },
			lines: "GET www:?q=" + encoded + " Document 200 record\nGET www:data?q=" + encoded + " Fetch 200 record",
			check: both(nothingForged, textIs("nothing is forged"), func(t *testing.T, r *result) {
				if !strings.Contains(r.page.Title, "WARC-Type: response --- {admin: true} -") || !strings.Contains(r.page.Title, "\u009b31m") || strings.ContainsAny(r.page.Title, "\r\n") {
					t.Errorf("the title is %q", r.page.Title)
				}
			}),
		},
		{
			name: "P fields that forge records",
			serve: routes{
				"":       shows(`const got = []; for (const f of ['status', 'escape', 'return', 'nul', 'mime', 'body']) got.push(f + ':' + await fetch(f).then(r => r.status, () => 'refused')); show(got.join(' '))`),
				"status": answer("200 \x1b[2J\x1b]0;owned\x07", mimeText, "status"),
				"escape": file(mimeText, "escape", "X-Title: \x1b]0;owned\x07 --- {admin: true}", "X-Set: ;\tWARC-Type: response"),
				"return": file(mimeText, "return", "X-Title: a\rWARC-Type: metadata\rWARC-Target-URI: urn:forged"),
				"nul":    file(mimeText, "nul", "X-Title: a\x00b"),
				"mime":   file("text/plain\x1b[2J; charset=\"\x07\"", "mime"),
				"body": func(_ *site, x *wire.Exchange) {
					x.Answer("200 OK", mimeText, forged+"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				},
			},
			lines: `GET www: Document 200 record
				GET www:status Fetch 200 record
				GET www:escape Fetch 200 record
				GET www:return Fetch 200 record
				GET www:nul Fetch 200 record (ERR_INVALID_HTTP_RESPONSE)
				GET www:mime Fetch 200 record
				GET www:body Fetch 200 record`,
			check: both(nothingForged, textIs("status:200 escape:200 return:200 nul:refused mime:200 body:200")),
		},
		{
			name:  "P a file whose name forges records",
			serve: routes{"": file(mimeBin, "all of it", "Content-Disposition: attachment; filename=\"\x1b[2J.exe\"; filename*=UTF-8''"+encoded+".bin")},
			lines: "GET www: Document 200 record (ERR_ABORTED)",
			check: nothingForged,
		},
	}
}
