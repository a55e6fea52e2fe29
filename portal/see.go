package portal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// maxShown bounds the text on a page, in bytes. The whole text is an address of its own.
const maxShown = 64 << 10

// seen is the body of the page of a snapshot.
type seen struct {
	Capture catalog.Capture
	*snapshot.Snapshot
	offered
	// Text is what the page showed; Cut is set when it goes on.
	Text string
	Cut  bool
	// Leads are links that nobody visits, such as telephone numbers; Outgoing are the others.
	Leads, Outgoing []snapshot.Link
	// Failed are the requests that got no answer, or are not whole in the archive.
	Failed []snapshot.Exchange
	// Before and After are the captures of the same address beside this one.
	Before, After *catalog.Capture
}

// open reads a snapshot in depth.
func (h handlers) open(r *http.Request) (catalog.Capture, *snapshot.Snapshot, error) {
	c, err := h.capture(r)
	if err != nil {
		return c, nil, err
	}
	s, err := h.read(r.Context(), c)
	return c, s, err
}

// read reads a capture in depth.
func (h handlers) read(ctx context.Context, c catalog.Capture) (*snapshot.Snapshot, error) {
	info, err := h.Archive.Head(ctx, c.Chunk)
	if err != nil {
		return nil, err
	}
	return snapshot.Open(ctx, h.Archive, c.Chunk, info.Size, c.Page.ID)
}

// see is the page of a snapshot.
func (h handlers) see(w http.ResponseWriter, r *http.Request) {
	c, s, err := h.open(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	body := seen{Capture: c, Snapshot: s}
	if body.Text, body.Cut, err = shownText(r, s); err != nil {
		h.fail(w, r, err)
		return
	}
	for _, l := range s.Links {
		if isLead(l) {
			body.Leads = append(body.Leads, l)
		} else {
			body.Outgoing = append(body.Outgoing, l)
		}
	}
	for _, e := range s.Exchanges {
		if e.Failure != "" || e.NotCaptured != "" || e.BodyNotCaptured != "" || e.Truncated != "" {
			body.Failed = append(body.Failed, e)
		}
	}
	if body.Before, body.After, err = h.beside(r, c); err == nil {
		body.offered, err = h.offered(r, c.Namespace)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	title := c.Title
	if title == "" {
		title = shortURL(c.URL)
	}
	h.render(w, r, http.StatusOK, "snapshot.html", title, body)
}

// isLead reports whether a link is one that nobody visits.
func isLead(l snapshot.Link) bool {
	scheme, _, _ := strings.Cut(l.URL, ":")
	return slices.Contains([]string{"tel", "sms", "mailto"}, strings.ToLower(scheme))
}

// shownText is the beginning of the text that a page showed.
func shownText(r *http.Request, s *snapshot.Snapshot) (text string, cut bool, err error) {
	body, size, err := s.OpenText(r.Context())
	if errors.Is(err, snapshot.ErrNone) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	defer body.Close() // read only
	b, err := io.ReadAll(io.LimitReader(body, maxShown))
	return strings.ToValidUTF8(string(b), ""), size > maxShown, sound(err)
}

// beside are the captures of the same address right before and after one, of those that the
// person may find; none of what is no web address.
func (h handlers) beside(r *http.Request, c catalog.Capture) (before, after *catalog.Capture, err error) {
	namespaces, err := h.mayFind(r)
	if err != nil {
		return nil, nil, err
	}
	q := catalog.Query{URL: c.URL, Limit: 2, Partial: true, Namespaces: namespaces}
	earlier, later := q, q
	earlier.To, later.From, later.Oldest = c.Time.Add(1), c.Time, true
	if before, err = h.other(r, earlier, c.ID); err == nil {
		after, err = h.other(r, later, c.ID)
	}
	var invalid *catalog.InvalidError
	if errors.As(err, &invalid) {
		err = nil
	}
	return before, after, err
}

// other is the first capture of an address that is not that one, nil when there is none.
func (h handlers) other(r *http.Request, q catalog.Query, id catalog.ID) (*catalog.Capture, error) {
	list, _, err := h.Catalog.Of(r.Context(), q)
	i := slices.IndexFunc(list, func(c catalog.Capture) bool { return c.ID != id })
	if err != nil || i < 0 {
		return nil, err
	}
	return &list[i], nil
}

// seenJSON is a snapshot for programs: what the catalog knows of it and what its file says.
type seenJSON struct {
	Capture catalog.Capture `json:"capture"`
	*snapshot.Snapshot
}

func (h handlers) apiSnapshot(w http.ResponseWriter, r *http.Request) {
	c, s, err := h.open(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.writeJSON(w, r, seenJSON{c, s})
}

// text is all the text that a page showed.
func (h handlers) text(w http.ResponseWriter, r *http.Request) {
	_, s, err := h.open(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	body, size, err := s.OpenText(r.Context())
	h.derived(w, r, body, size, "text/plain; charset=utf-8", err)
}

// picture is the screenshot of a page.
func (h handlers) picture(w http.ResponseWriter, r *http.Request) {
	_, s, err := h.open(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	body, size, err := s.OpenPicture(r.Context())
	h.derived(w, r, body, size, "image/png", err)
}

// derived answers with what was made from a page when it was captured. Its digest is known at its
// end only: an answer that breaks off is not to be relied on.
func (h handlers) derived(w http.ResponseWriter, r *http.Request, body io.ReadCloser, size int64, kind string, err error) {
	if err != nil {
		h.fail(w, r, err)
		return
	}
	defer body.Close() // read only
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	if _, err := io.Copy(w, body); err != nil && r.Context().Err() == nil {
		h.Logger.Error("what was derived from a page is not whole", "route", r.Pattern, "error", err)
		panic(http.ErrAbortHandler)
	}
}

// file is the WACZ file of a snapshot.
func (h handlers) file(w http.ResponseWriter, r *http.Request) {
	c, err := h.capture(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.serveFile(w, r, c.Chunk)
}

// wacz serves a stored file.
func (h handlers) wacz(w http.ResponseWriter, r *http.Request) {
	h.serveFile(w, r, blob.Key(r.PathValue("key"))) // checked by aboutFile
}

// serveFile serves a stored file, in ranges (RFC 9110 section 14) as replay asks for them.
func (h handlers) serveFile(w http.ResponseWriter, r *http.Request, key blob.Key) {
	info, err := h.Archive.Head(r.Context(), key)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	head := w.Header()
	head.Set("Content-Type", "application/wacz")
	head.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(string(key))}))
	head.Set("Cache-Control", "private, no-cache") // asked for each time, answered 304 from the ETag
	if info.ETag != "" {
		head.Set("ETag", fmt.Sprintf("%q", info.ETag))
	}
	if info.SHA256 != "" {
		head.Set("Repr-Digest", digestField(info.SHA256))
	}
	reader := io.NewSectionReader(blob.NewReaderAt(r.Context(), h.Archive, key, info.Size), 0, info.Size)
	part := &unmet{ResponseWriter: w}
	http.ServeContent(part, r, path.Base(string(key)), info.Modified, reader)
	if part.status != 0 {
		h.failPart(w, r, part.status, info.Size)
	}
}
