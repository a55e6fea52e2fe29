package cdx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// stamped is a time and, optionally, the mark of an answer that is as it was received,
// before an address. Ours always are.
var stamped = regexp.MustCompile(`^([0-9]{4,17})(id_)?/(.+)$`)

// memento serves a capture as it was received: its status, its bytes with their content
// coding, and its header fields as X-Archive-Orig-*. A time at which there is none leads to
// the nearest.
func (s *Server) memento(w http.ResponseWriter, r *http.Request, rest string) error {
	m := stamped.FindStringSubmatch(rest)
	if m == nil {
		return problem{http.StatusNotFound, "This is no address of a capture.", "Write /memento/20260314120000/https://example.org/, or ask /memento/timegate/URL for one."}
	}
	digits, err := padded("the time", m[1], padDown)
	if err != nil {
		return err
	}
	at, err := cdxj.ParseTime(digits)
	if err != nil {
		return invalid("Write a year, month, day, hour, minute and second, in UTC.", "There is no such time.")
	}
	t, err := s.timeline(w, r, m[3], at)
	if err != nil {
		return err
	}
	own := t.of(t.original)
	if len(own) == 0 {
		own = t.captures // https for http
	}
	// Of several at one second, one that is no redirect comes first: that of an address to
	// itself leads nowhere.
	c := nearest(own, at)
	if then := slices.DeleteFunc(pages(own), func(p capture) bool { return p.stamp() != c.stamp() }); len(then) > 0 {
		c = then[0]
	}
	if len(m[1]) < len(padDown) || c.stamp() != digits || !same(c.URL, t.original) {
		redirect(w, s.addresses(r).marked(c, m[2]))
		return nil
	}
	return s.serve(w, r, t, c)
}

// opened is a record in its chunk.
type opened struct {
	*warc.Record
	chunk blob.Key
	file  *wacz.Reader
	src   *source
}

func (s *Server) record(ctx context.Context, c capture) (*opened, error) {
	file, src, err := s.open(ctx, c.chunk, 0)
	if err != nil {
		return nil, s.lost(c.chunk, err)
	}
	rec, err := file.Record(*c.Entry)
	if err == nil && rec.TargetURI != c.URL {
		err = errors.New("the record is of another address than the index says")
	}
	if err = src.blame(err); err != nil {
		err = fmt.Errorf("%s: record at %d: %w", c.chunk, c.Offset, err)
	}
	return &opened{rec, c.chunk, file, src}, err
}

// serve answers with a capture.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, t *timeline, c capture) error {
	rec, err := s.record(r.Context(), c)
	if err != nil {
		return err
	}
	if err := s.look(r, rec); err != nil {
		return err
	}
	body, head := rec, rec.Head
	if rec.Type == warc.Revisit {
		if body, err = s.original(r, rec); err != nil {
			return err
		}
		if status := statusOf(head); status == 0 || status == http.StatusNotModified { // it describes no document
			head = body.Head
		}
	}
	status := http.StatusOK
	if len(head) > 0 {
		status = statusOf(head)
	}
	if status < http.StatusOK || status > 599 {
		return problem{http.StatusBadGateway, "The status of what was archived cannot be answered with.", "Fetch the record itself: /cdx?url=… tells where it is."}
	}
	// Not before it is certain that a capture is answered with: a problem is none.
	to := s.addresses(r)
	w.Header().Set("Memento-Datetime", c.Time.UTC().Format(http.TimeFormat))
	w.Header().Set("Link", strings.Join(t.links(to, c), ", "))
	describe(w.Header(), head, body.Record)
	if location := warc.HTTPField(head, "Location"); location != "" && status/100 == 3 {
		t.lead(w, to, c, location)
	}
	s.send(w, r, status, body)
	return nil
}

func (s *Server) look(r *http.Request, rec *opened) error {
	page, _ := rec.Get(warc.FieldPageID)
	return s.Look(r, rec.chunk, page)
}

// send writes the status and the body. A body that is not what its digests say must not
// pass for whole: the last bytes are held back until it was checked, and the connection is
// broken off instead.
func (s *Server) send(w http.ResponseWriter, r *http.Request, status int, rec *opened) {
	if status == http.StatusNoContent || status == http.StatusNotModified || rec.Body == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(rec.Body.Size(), 10))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	body, err := rec.Body.Open()
	if err == nil {
		defer body.Close()
		err = copyChecked(w, body)
	}
	if err == nil || r.Context().Err() != nil {
		return
	}
	if s.Logger != nil {
		s.Logger.Error("a capture was broken off", "chunk", rec.chunk, "record", rec.ID, "error", err)
	}
	panic(http.ErrAbortHandler)
}

// copyChecked copies, one block behind what it has read.
func copyChecked(w io.Writer, body io.Reader) error {
	var blocks [2][32 << 10]byte
	var held []byte
	for i := 0; ; i++ {
		n, err := io.ReadFull(body, blocks[i%2][:])
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return err
		}
		if _, err := w.Write(held); err != nil {
			return nil // whoever asked has gone
		}
		if held = blocks[i%2][:n]; end {
			_, _ = w.Write(held)
			return nil
		}
	}
}

// original finds the record that has the body of a revisit (WARC/1.1 section 6.7): in the
// chunk itself, as ours are, or anywhere that may be seen.
func (s *Server) original(r *http.Request, rec *opened) (*opened, error) {
	uri := rec.GetID(warc.FieldRefersToTargetURI)
	if uri == "" {
		uri = rec.TargetURI
	}
	value, _ := rec.Get(warc.FieldRefersToDate)
	date, _ := warc.ParseDate(value) // without one the digest decides
	fits := func(e cdxj.Entry) bool {
		byTime := e.Time.Truncate(time.Millisecond).Equal(date.Truncate(time.Millisecond)) && (rec.PayloadDigest == "" || e.Digest == "" || e.Digest == rec.PayloadDigest)
		return e.Mime != mimeRevisit && (byTime || rec.PayloadDigest != "" && e.Digest == rec.PayloadDigest)
	}
	entries, err := rec.file.Lookup(uri)
	if err != nil {
		return nil, rec.src.blame(err)
	}
	if i := slices.IndexFunc(entries, fits); i >= 0 {
		found, err := rec.file.Record(entries[i])
		return &opened{found, rec.chunk, rec.file, rec.src}, rec.src.blame(err)
	}
	elsewhere, err := s.exact(r, uri, date)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(elsewhere.captures, func(c capture) bool { return fits(*c.Entry) })
	if i < 0 {
		return nil, problem{http.StatusNotFound, "The body of this capture is not in the archive: it was that of another one.", fmt.Sprintf("Look for captures of %q of about %s.", uri, value)}
	}
	found, err := s.record(r.Context(), elsewhere.captures[i])
	if err != nil {
		return nil, err
	}
	return found, s.look(r, found)
}

// lead rewrites where a redirect leads: to the capture of that address at the same time.
// Where to is chosen here when the index has both addresses under one key, as http and https
// are: a redirect that would come back to itself leads to the nearest page, or nowhere.
func (t *timeline) lead(w http.ResponseWriter, to addresses, c capture, location string) {
	target, err := urls.Follow(c.URL, location)
	if err != nil {
		return // nothing that a browser should be led to
	}
	target = urls.WithoutFragment(target)
	if urls.MakeSURT(target) != c.Key {
		w.Header().Set("Location", to.content+mementoPath+c.stamp()+"/"+inPath(target))
		return
	}
	there := t.of(target)
	if ends := pages(there); len(ends) > 0 || same(target, c.URL) {
		there = ends
	}
	if len(there) > 0 {
		w.Header().Set("Location", to.memento(nearest(there, c.Time)))
	}
}
