package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/visits"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// pageWriter writes the records of one page. What it learns becomes the
// chunk's only with commit.
type pageWriter struct {
	chunk *Chunk
	page  *browser.Page
	id    string // of the page, urn:uuid:…
	index *cdxj.Indexer

	records   int
	bytes     int64
	originals map[string]original
	filled    caches // by this page
	conns     map[int64]connection
	answers   map[string]string
	refs      []exchangeRef

	mainID   string // of the main document's response record
	infoID   string // of the page's own record
	mainTime time.Time
	mime     string
	status   int

	visit    visits.Visit
	compared *visits.Comparison // nil when there is nothing to compare with
}

// write writes everything that there is to say about the page.
func (w *pageWriter) write() error {
	main := w.page.MainExchange()
	for i := range w.page.Exchanges {
		if err := w.exchange(&w.page.Exchanges[i], main); err != nil {
			return fmt.Errorf("exchange %d: %w", w.page.Exchanges[i].ID, err)
		}
	}
	if main == nil {
		w.cachedMain()
	}
	if why := w.undocumented(); why != "" && w.page.Outcome.State == browser.Archived {
		w.page.Limits = append(w.page.Limits, browser.Limit{
			Name: browser.LimitNoDocument, Detail: "the document has no record, but for what was taken of the page: " + why,
		})
	}
	if err := w.derived(); err != nil {
		return err
	}
	w.compare()
	return w.pageinfo()
}

// add writes a record of this page, and indexes it.
func (w *pageWriter) add(r *warc.Record) (warc.Written, error) {
	if r.ID == "" {
		r.ID = warc.NewID()
	}
	if w.id != "" {
		r.Add(warc.FieldPageID, w.id)
	}
	written, err := w.chunk.warc.Write(r)
	if err != nil {
		return written, err
	}
	written.Offset += w.chunk.base
	w.records++
	if w.answeredLater(r) {
		return written, nil
	}
	return written, w.index.Add(r, written)
}

// answeredLater reports whether a redirect of an address to itself, as of sites that
// try whether cookies are kept, had another answer in the end. It is left out of the
// index then: replay, which has no cookies, would never get past it.
func (w *pageWriter) answeredLater(r *warc.Record) bool {
	return cdxj.SelfRedirect(r) && slices.ContainsFunc(w.page.Exchanges, func(e recorder.Exchange) bool {
		return e.URL == r.TargetURI && e.Started.After(r.Date) && e.Response != nil && e.Response.Status()/100 != 3
	})
}

// exchange writes request and response (or revisit) and, the first time, the
// connection that they went over.
func (w *pageWriter) exchange(e *recorder.Exchange, main *recorder.Exchange) error {
	ref := exchangeRef{Exchange: e.ID, URL: e.URL, Method: e.Method, Failure: e.Failure, Detail: e.Detail, Notes: e.Notes, Account: e.Account,
		Started: e.Started.UTC(), FirstByte: timeOrNil(e.FirstByte), Ended: timeOrNil(e.Ended), Interim: textsOf(e.Interim)}
	var err error
	if ref.Connection, err = w.connection(e); err != nil {
		return err
	}
	responseID := ""
	if e.Response != nil {
		response, body, err := w.response(e)
		if err != nil {
			return err
		}
		if e == main {
			w.document(e, response.ID, body)
		}
		responseID = response.ID
		ref.Response, ref.Status, ref.Truncated = response.ID, e.Response.Status(), e.Response.Body.Truncated
		ref.Trailer = string(e.Response.Trailer)
	}
	request := warc.NewRequest(e.URL, e.Started, e.Request.Head, content(e.Request.Body), responseID)
	w.connect(request, e)
	account(request, e)
	truncate(request, e.Request.Body)
	written, err := w.add(request)
	if err != nil {
		return err
	}
	ref.Request = written.ID
	if e.Frames != nil {
		if err := w.frames(e, responseID); err != nil {
			return err
		}
	}
	if e == main {
		w.mainID, w.mainTime = responseID, e.Started
		w.status, w.mime = ref.Status, w.page.MIME
	}
	w.refs = append(w.refs, ref)
	return nil
}

// response writes a response. A body that this chunk has already, or that the
// server says has not changed, becomes a revisit of it. The original is the record that holds
// the body.
func (w *pageWriter) response(e *recorder.Exchange) (warc.Written, original, error) {
	head, body := e.Response.Head, e.Response.Body
	status := e.Response.Status()
	var r *warc.Record
	before, repeats := w.original(e, status)
	switch {
	case repeats && status == http.StatusNotModified:
		r = warc.NewNotModified(e.URL, e.Started, warc.DechunkedHead(head), before.Original)
	case repeats:
		r = warc.NewRevisit(e.URL, e.Started, warc.DechunkedHead(head), before.Original)
	default:
		r = warc.NewResponse(e.URL, e.Started, warc.DechunkedHead(head), content(body))
		if body.SHA256 != "" {
			r.PayloadDigest = warc.SHA256Hex(body.SHA256)
		}
	}
	w.connect(r, e)
	account(r, e)
	truncate(r, body)
	written, err := w.add(r)
	if err != nil {
		return written, original{}, err
	}
	w.bytes += body.Size
	if !repeats {
		before = original{
			Original: warc.Original{ID: written.ID, TargetURI: e.URL, Date: e.Started, PayloadDigest: written.PayloadDigest},
			status:   status,
		}
	}
	w.remember(e, status, before, repeats)
	return written, before, nil
}

// minRevisit is the size of a body below which a revisit record would be larger
// than the body.
const minRevisit = 256

// original finds the record that a response repeats.
func (w *pageWriter) original(e *recorder.Exchange, status int) (original, bool) {
	if status == http.StatusNotModified {
		h, ok := w.heldLast(e.URL)
		return h.original, ok && h.means(e)
	}
	body := e.Response.Body
	if body.Size < minRevisit || body.Truncated != "" || body.SHA256 == "" {
		return original{}, false
	}
	if o, ok := w.originals[body.SHA256]; ok {
		return o, true
	}
	o, ok := w.chunk.originals[body.SHA256]
	return o, ok
}

// remember notes what a later answer may repeat: the stored body, and what the browser's
// cache holds. Replay looks originals up by address as a GET, so other methods' answers are
// no originals.
func (w *pageWriter) remember(e *recorder.Exchange, status int, o original, repeats bool) {
	if e.Method != http.MethodGet {
		return
	}
	whole := e.Response.Body.Truncated == ""
	if whole && !repeats && e.Response.Body.SHA256 != "" {
		w.originals[e.Response.Body.SHA256] = o
	}
	if status != http.StatusOK {
		return
	}
	if !whole {
		o = original{}
	}
	w.filled.hold(w.key(e.URL), e, o)
}

func (w *pageWriter) key(address string) cacheKey { return cacheKey{w.page.Cache, address} }

// heldLast is what the browser's cache holds of an address at the end of what was written.
func (w *pageWriter) heldLast(address string) (holding, bool) {
	return w.filled.at(w.key(address), forever, w.chunk.caches)
}

// forever is later than anything.
var forever = time.Unix(1<<40, 0)

// cachedMain finds the main document of a page that took it from the browser's
// cache: an earlier page of this chunk has the record.
func (w *pageWriter) cachedMain() {
	if o, ok := w.heldLast(urls.WithoutFragment(w.page.FinalURL)); ok {
		w.mainID, w.mainTime, w.status, w.mime = o.ID, o.Date, o.status, w.page.MIME
		w.cachedDocument(o)
	}
}

// undocumented says why the document that the browser shows has no record; empty when it has.
func (w *pageWriter) undocumented() string {
	l := w.page.DocumentLine()
	if w.mainID != "" || l == nil {
		return ""
	}
	return notCaptured(l)
}

// connect writes the facts of the connection into a record.
func (w *pageWriter) connect(r *warc.Record, e *recorder.Exchange) {
	c := e.Conn
	if c == nil {
		return
	}
	var protocols []string
	if c.Protocol != "" {
		protocols = append(protocols, c.Protocol)
	}
	cipher := ""
	if c.TLS != nil {
		// "TLS 1.3" is "tls/1.3" in the field's vocabulary.
		if c.TLS.Version != "" {
			protocols = append(protocols, strings.ToLower(strings.ReplaceAll(c.TLS.Version, " ", "/")))
		}
		cipher = c.TLS.CipherSuite
	}
	r.Connection(c.Remote.Addr(), protocols, cipher)
}

func truncate(r *warc.Record, b recorder.Body) {
	if b.Truncated != "" {
		r.Truncate(b.Truncated)
	}
}

// frames writes what went over a WebSocket, as three records beside the
// handshake: the bytes of each direction and the index of the frames.
func (w *pageWriter) frames(e *recorder.Exchange, responseID string) error {
	add := func(kind, contentType string, body warc.Content, truncated string) error {
		if body == nil {
			return nil
		}
		r := warc.NewResource("urn:websocket-"+kind+":"+e.URL, e.Started, contentType, body)
		if responseID != "" {
			r.ConcurrentTo(responseID)
		}
		if truncated != "" {
			r.Truncate(truncated)
		}
		_, err := w.add(r)
		return err
	}
	if err := add("sent", "application/octet-stream", content(e.Frames.Sent), e.Frames.Sent.Truncated); err != nil {
		return err
	}
	if err := add("received", "application/octet-stream", content(e.Frames.Received), e.Frames.Received.Truncated); err != nil {
		return err
	}
	index, err := fileContent(e.Frames.Index)
	if err != nil {
		return err
	}
	return add("frames", "application/x-ndjson", index, "")
}

// derived writes what was made from the document.
func (w *pageWriter) derived() error {
	p := w.page
	address := urls.WithoutFragment(p.FinalURL)
	at := p.Started.Add(p.Timings.Outputs)
	for _, d := range []struct{ urn, path, contentType string }{
		{"urn:view:", p.ScreenshotFile, "image/png"},
		{urnText, p.TextFile, "text/plain; charset=utf-8"},
		{"urn:dom:", p.DOMFile, "text/html; charset=utf-8"},
	} {
		body, err := fileContent(d.path)
		if err != nil {
			return err
		}
		if body == nil {
			continue
		}
		written, err := w.add(warc.NewConversion(d.urn+address, at, d.contentType, body, w.mainID))
		if err != nil {
			return err
		}
		if d.urn == urnText {
			w.visit.Text = string(written.BlockDigest)
		}
	}
	if len(p.Links) == 0 {
		return nil
	}
	var links bytes.Buffer
	enc := json.NewEncoder(&links)
	enc.SetEscapeHTML(false)
	for _, l := range p.Links {
		if err := enc.Encode(l); err != nil {
			return fmt.Errorf("write the links: %w", err)
		}
	}
	_, err := w.add(warc.NewConversion("urn:links:"+address, at, "application/x-ndjson", warc.Bytes(links.Bytes()), w.mainID))
	return err
}

// keep makes the records that were written part of the chunk.
func (w *pageWriter) keep() {
	c := w.chunk
	c.records += w.records
	c.bytes += w.bytes
	c.index = append(c.index, w.index.Entries()...)
	maps.Copy(c.originals, w.originals)
	c.caches.keep(w.filled)
	maps.Copy(c.conns, w.conns)
	maps.Copy(c.answers, w.answers)
}

// commit makes the page part of the chunk.
func (w *pageWriter) commit() {
	w.keep()
	c, p := w.chunk, w.page
	c.history.note(w)
	archived := p.Outcome.State == browser.Archived
	address, at := w.entry()
	c.entries = append(c.entries, PageEntry{
		ID: p.ID, URL: p.URL, Title: p.Title, MIME: p.MIME, Status: p.Status, Time: at, Archived: archived,
		Visit: w.visit, Compared: w.compared,
	})
	page := wacz.Page{ID: w.id, URL: address, Time: at, Title: p.Title, Text: w.text(), Extra: map[string]any{"mime": w.mime, "status": w.status}}
	if w.compared != nil {
		page.Extra["compared"] = w.compared.Verdict
	}
	switch {
	case w.mainID == "":
		// There is nothing that a reader could open.
	case archived && !p.Superseded:
		c.pages = append(c.pages, page)
	default:
		c.extra = append(c.extra, page)
	}
}

// entry is the page's address as it was asked for, and when: replay finds the page by both.
func (w *pageWriter) entry() (string, time.Time) {
	address := urls.WithoutFragment(w.page.URL)
	asked := func(same func(string) bool) int {
		return slices.IndexFunc(w.page.Exchanges, func(e recorder.Exchange) bool { return e.Response != nil && same(e.URL) })
	}
	i := asked(func(u string) bool { return u == address })
	if i < 0 {
		// The browser asks for "https://example.org/" when it is given "https://example.org".
		canonical := indexed(address)
		i = asked(func(u string) bool { return indexed(u) == canonical })
	}
	if i >= 0 {
		e := &w.page.Exchanges[i]
		return e.URL, e.Started.UTC()
	}
	at := w.page.Started
	if o, ok := w.heldLast(address); ok {
		at = o.Date
	} else if !w.mainTime.IsZero() {
		at = w.mainTime
	}
	return indexed(w.page.URL), at.UTC()
}

// text is the beginning of the page's text.
func (w *pageWriter) text() string {
	if w.page.TextFile == "" {
		return ""
	}
	f, err := os.Open(w.page.TextFile)
	if err != nil {
		return "" // the text's own record would have failed before
	}
	defer f.Close() // read only
	b, err := io.ReadAll(io.LimitReader(f, maxPageText))
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(string(b), "")
}

// content is a recorded body, nil when it is empty.
func content(b recorder.Body) warc.Content {
	if b.Path == "" || b.Size == 0 {
		return nil
	}
	return recorded{b}
}

// recorded is a body where the recorder has put it.
type recorded struct{ recorder.Body }

func (r recorded) Size() int64 { return r.Body.Size }

// fileContent is a file of whatever size it has, nil when there is none.
func fileContent(path string) (warc.Content, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return warc.File(path, info.Size()), nil
}

// indexed is an address in the form in which two that are the same are equal. An address that
// cannot be brought into it is as it was.
func indexed(address string) string {
	canonical, err := urls.Canonicalize(address)
	if err != nil {
		return address
	}
	return canonical
}

// uri is an address as a record can have it: one that was given by hand may have characters
// that no URI has (RFC 3986 section 2).
func uri(address string) string {
	if strings.ContainsAny(address, " <>") {
		return indexed(address)
	}
	return address
}
