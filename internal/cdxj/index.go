package cdxj

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// Indexer makes entries of records, either while they are written or from a
// file; see [Index]. It is for one goroutine.
//
// Indexed are responses, revisits, resources, conversions and metadata, but for
// those of type application/warc-fields, as warcio.js and cdxj-indexer do.
type Indexer struct {
	filename string
	entries  []Entry
	// byID has the responses, pending the requests by other methods than GET
	// whose response has not come yet, by the id of the response.
	byID    map[string]int
	pending map[string]request
}

// request is what a request adds to the entry of its response.
type request struct {
	method, requestBody string
}

// NewIndexer returns an Indexer for the WARC file of that base name.
func NewIndexer(filename string) *Indexer {
	return &Indexer{filename: filename, byID: map[string]int{}, pending: map[string]request{}}
}

// Add takes a record and where it lies. Requests are needed too: other methods
// than GET make the key. A request is joined to its response by
// WARC-Concurrent-To, in either order.
func (x *Indexer) Add(r *warc.Record, w warc.Written) error {
	id := w.ID
	if id == "" {
		id = r.ID
	}
	switch {
	case r.Type == warc.Request:
		return x.addRequest(r, id)
	case !isIndexed(r):
		return nil
	}
	e := newEntry(r, w, x.filename)
	x.entries = append(x.entries, e)
	if r.Type != warc.Response && r.Type != warc.Revisit {
		return nil
	}
	i := len(x.entries) - 1
	x.byID[id] = i
	for _, other := range append(r.Values(warc.FieldConcurrentTo), "<"+id+">") {
		if req, ok := x.pending[other]; ok {
			x.entries[i].apply(req)
			delete(x.pending, other)
		}
	}
	return nil
}

// SelfRedirect reports whether a record is a redirect of an address to itself. An
// index may leave it out where there is another answer.
func SelfRedirect(r *warc.Record) bool {
	_, status, _ := strings.Cut(warc.StartLine(r.Head), " ")
	if r.Type != warc.Response || !strings.HasPrefix(strings.TrimLeft(status, " "), "3") {
		return false
	}
	location := warc.HTTPField(r.Head, "Location")
	if location == "" {
		return false
	}
	to, err := urls.Follow(r.TargetURI, location)
	return err == nil && to == r.TargetURI
}

// addRequest joins a request to its response, or keeps it until that comes.
func (x *Indexer) addRequest(r *warc.Record, id string) error {
	method, _, _ := strings.Cut(warc.StartLine(r.Head), " ")
	if method == "" || method == "GET" {
		return nil
	}
	body, err := readBody(r)
	if err != nil {
		return fmt.Errorf("request record %q: %w", r.TargetURI, err)
	}
	req := request{method, requestBody(method, warc.HTTPField(r.Head, "Content-Type"), body)}
	others := r.Values(warc.FieldConcurrentTo)
	for _, other := range others {
		if i, ok := x.byID[strings.Trim(other, "<>")]; ok {
			x.entries[i].apply(req)
			return nil
		}
	}
	x.pending["<"+id+">"] = req
	for _, other := range others {
		x.pending[other] = req
	}
	return nil
}

// readBody reads a request's body as far as the key needs it.
func readBody(r *warc.Record) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	f, err := r.Body.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxRequestBody))
}

// apply makes an entry one of a request by another method than GET.
func (e *Entry) apply(r request) {
	e.Method, e.RequestBody = r.method, r.requestBody
	e.Key = requestKey(e.URL, r.method, r.requestBody)
}

// Entries returns what has been indexed, sorted.
func (x *Indexer) Entries() []Entry {
	entries := slices.Clone(x.entries)
	Sort(entries)
	return entries
}

func isIndexed(r *warc.Record) bool {
	switch r.Type {
	case warc.Response, warc.Revisit, warc.Conversion:
		return true
	case warc.Resource, warc.Metadata:
		return !strings.HasPrefix(strings.ToLower(r.ContentType), warc.TypeWarcFields)
	}
	return false
}

func newEntry(r *warc.Record, w warc.Written, filename string) Entry {
	e := Entry{
		Key: urls.MakeSURT(r.TargetURI), Time: r.Date, URL: r.TargetURI,
		Digest: w.PayloadDigest, RecordDigest: w.StoredDigest,
		Filename: filename, Offset: w.Offset, Length: w.Length,
	}
	if e.Digest == "" && len(r.Head) == 0 && r.Type != warc.Revisit {
		// The block is the payload.
		e.Digest = w.BlockDigest
	}
	switch r.Type {
	case warc.Revisit:
		e.Mime = "warc/revisit"
	case warc.Response:
		e.Mime = mediaType(warc.HTTPField(r.Head, "Content-Type"))
	default:
		e.Mime = mediaType(r.ContentType)
	}
	if len(r.Head) > 0 {
		e.Status = statusOf(r.Head)
	}
	return e
}

// mediaType cuts the parameters off.
func mediaType(contentType string) string {
	m, _, _ := strings.Cut(contentType, ";")
	return strings.TrimSpace(m)
}

// statusOf returns the status of a response's head, 0 when there is none.
func statusOf(head []byte) int {
	fields := strings.Fields(warc.StartLine(head))
	if len(fields) < 2 {
		return 0
	}
	n, err := strconv.ParseUint(fields[1], 10, 16)
	if err != nil || n > 999 {
		return 0
	}
	return int(n)
}

// Index reads a WARC file, compressed or plain, and returns its entries, sorted.
// A file that was cut off is an error; see [warc.Intact].
func Index(r io.Reader, filename string) ([]Entry, error) {
	x := NewIndexer(filename)
	rd := warc.NewReader(r, warc.ReaderOptions{Stored: true})
	for {
		rec, err := rd.Next()
		if errors.Is(err, io.EOF) {
			return x.Entries(), nil
		}
		if err != nil {
			return nil, fmt.Errorf("index %s: %w", filename, err)
		}
		if err := x.addRead(rd, rec); err != nil {
			return nil, fmt.Errorf("index %s: %w", filename, err)
		}
	}
}

// addRead adds a record that is being read: of a request the body is needed, which
// is there only before the record's end.
func (x *Indexer) addRead(rd *warc.Reader, rec *warc.Record) error {
	if rec.Type == warc.Request {
		return x.addRequest(rec, rec.ID)
	}
	w, err := rd.Finish()
	if err != nil {
		return err
	}
	return x.Add(rec, w)
}
