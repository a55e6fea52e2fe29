package archive

import (
	"cmp"
	"net/http"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/visits"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// urnText begins the names of records of a page's text.
const urnText = "urn:text:"

// document takes down of the main document what a later visit can be compared with. body is
// the record that holds its body.
func (w *pageWriter) document(e *recorder.Exchange, id string, body original) {
	status := e.Response.Status()
	if status == http.StatusNotModified {
		if status = body.status; status == http.StatusNotModified {
			return // what has not been modified is not in this file
		}
	}
	v := &w.visit
	v.At, v.Status, v.Record, v.Document = e.Started.UTC(), status, id, e.URL
	if e.Response.Body.Truncated == "" {
		v.Digest = string(cmp.Or(body.PayloadDigest, warc.SHA256Of(nil)))
	}
	if e.Account == nil || !e.Account.Decoded {
		v.Coding = strings.ToLower(strings.Join(e.Response.Values("Content-Encoding"), ", "))
	}
	v.ETag, v.LastModified = validator(e.Response, "ETag"), validator(e.Response, "Last-Modified")
}

// cachedDocument is the same for a document that an earlier page of the chunk has the record
// of. Its head is not known any more.
func (w *pageWriter) cachedDocument(o holding) {
	v := &w.visit
	v.At, v.Status, v.Record, v.Document, v.Digest = o.Date.UTC(), o.status, o.ID, o.TargetURI, string(o.PayloadDigest)
}

// validator is a field of a response that has it once.
func validator(m *recorder.Message, name string) string {
	if values := m.Values(name); len(values) == 1 {
		return visits.Validator(values[0])
	}
	return ""
}

// compare ends the visit and compares it with the one of an earlier run.
func (w *pageWriter) compare() {
	v := &w.visit
	v.URL = indexed(w.page.URL)
	if v.Document = indexed(v.Document); v.Document == v.URL {
		v.Document = ""
	}
	if v.At.IsZero() {
		v.At = w.page.Started.UTC()
	}
	if w.page.Earlier != nil {
		w.compared = w.page.Earlier.Compare(v)
	}
}
