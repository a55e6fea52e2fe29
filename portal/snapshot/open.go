package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// capture is capture.json (docs/reference/capture.schema.json).
type capture struct {
	Provenance
	Browsers []Browser  `json:"browsers"`
	Pages    []captured `json:"pages"`
}

// captured is a page in it.
type captured struct {
	ID         string    `json:"id"`
	FinalURL   string    `json:"finalUrl"`
	Outcome    string    `json:"outcome"`
	Started    time.Time `json:"started"`
	Ended      time.Time `json:"ended"`
	Browser    int       `json:"browser"`
	Recorder   string    `json:"recorder"`
	Profile    *Profile  `json:"profile"`
	Why        Why       `json:"why"`
	Superseded bool      `json:"superseded"`
}

// details is a page's own record (urn:pageinfo:).
type details struct {
	Account
	Exchanges []exchange `json:"exchanges"`
	Ledger    []line     `json:"ledger"`
}

// saved is where picture and text are.
type saved struct {
	store      blob.Store
	view, text span   // the records in the object
	listed     string // the text in the list of pages, for want of a record
}

// Open reads all that is known of one page of a file but its picture and its text. A page that is
// not in the file is ErrNoPage, an object that is no sound WACZ file ErrBroken; any other error is
// trouble of the store.
func Open(ctx context.Context, store blob.Store, key blob.Key, size int64, page string) (*Snapshot, error) {
	f, err := open(ctx, store, key, size)
	if err != nil {
		return nil, err
	}
	place, ok := f.places[page]
	if !ok {
		return nil, fmt.Errorf("%s: %w: %s", key, ErrNoPage, page)
	}
	s := &Snapshot{}
	r := newReading(f, f.recordsOf(place))
	r.raw = map[string][]byte{}
	return s, f.fault(r.one(s, place))
}

// recordsOf tells which derived records may be of a page. The index has no IDs of pages, but it
// has addresses and times.
func (f *file) recordsOf(place int) func(cdxj.Entry) bool {
	p := f.pages[place]
	c := f.captured(p.ID)
	if c == nil {
		own := urls.WithoutFragment(p.URL)
		return func(e cdxj.Entry) bool { return address(e) == own }
	}
	final := urls.WithoutFragment(c.FinalURL)
	return func(e cdxj.Entry) bool {
		if strings.HasPrefix(e.URL, urnInfo) {
			return e.Time.Equal(c.Started.Truncate(time.Millisecond))
		}
		return address(e) == final && within(e.Time, c.Started, c.Ended)
	}
}

// one reads one page.
func (r *reading) one(s *Snapshot, place int) error {
	if err := r.derivedRecords(); err != nil {
		return err
	}
	if err := r.finish(place); err != nil {
		return err
	}
	if err := r.pictures(); err != nil {
		return err
	}
	c, parts := &r.contents[place], r.parts[place]
	s.Page, s.Links, s.PictureDigest = c.Page, c.Links, string(parts.view.Digest)
	d, err := r.details(c.ID)
	if err != nil {
		return err
	}
	s.Account, s.Exchanges = d.Account, r.exchanges(d, r.infos[c.ID].entry)
	r.provenance(s, c.ID)
	if s.Server, err = r.server(place, d.Exchanges); err != nil {
		return err
	}
	s.saved = saved{store: r.src.store, listed: c.Text}
	if s.saved.view, err = r.at(parts.view); err != nil {
		return err
	}
	s.saved.text, err = r.at(parts.text)
	return err
}

// details are what a page's own record says. A page that has to have one has it.
func (r *reading) details(id string) (*details, error) {
	d := &details{}
	raw, ok := r.raw[id]
	if !ok && r.captured(id) != nil {
		return nil, fmt.Errorf("page %s: its own record is not in the file", id)
	}
	if !ok {
		return d, nil
	}
	if err := json.Unmarshal(raw, d); err != nil {
		return nil, fmt.Errorf("page %s: its own record: %w", id, err)
	}
	return d, nil
}

// provenance adds what capture.json says.
func (r *reading) provenance(s *Snapshot, id string) {
	if r.capture == nil {
		return
	}
	s.Provenance = r.capture.Provenance
	c := r.captured(id)
	if c == nil {
		return
	}
	s.Why, s.Superseded = &c.Why, c.Superseded
	if c.Browser >= 0 && c.Browser < len(r.capture.Browsers) {
		s.Browser = &r.capture.Browsers[c.Browser]
	}
}

// at is where the record of an entry is in the object; that of no entry is nowhere.
func (f *file) at(e cdxj.Entry) (span, error) {
	if e.Filename == "" {
		return span{}, nil
	}
	section, err := f.zip.OpenWARC(e.Filename)
	if err != nil {
		return span{}, err
	}
	_, at, _ := section.Outer()
	return span{at + e.Offset, at + e.Offset + e.Length}, nil
}

// OpenPicture opens the screenshot of the page, a PNG of that many bytes. Reading it to the end checks
// its digest: the error is a *warc.DigestError in the place of io.EOF when it does not match. A page
// without one has ErrNone.
func (s *Snapshot) OpenPicture(ctx context.Context) (io.ReadCloser, int64, error) {
	return s.saved.open(ctx, s.Chunk, s.saved.view)
}

// OpenText opens the text that the page showed, in UTF-8, of that many bytes, as OpenPicture does.
func (s *Snapshot) OpenText(ctx context.Context) (io.ReadCloser, int64, error) {
	r, n, err := s.saved.open(ctx, s.Chunk, s.saved.text)
	if errors.Is(err, ErrNone) && s.saved.listed != "" {
		return io.NopCloser(strings.NewReader(s.saved.listed)), int64(len(s.saved.listed)), nil
	}
	return r, n, err
}

// open opens the body of a record with one request.
func (s *saved) open(ctx context.Context, key blob.Key, at span) (io.ReadCloser, int64, error) {
	if at.to <= at.from {
		return nil, 0, ErrNone
	}
	src, err := s.store.GetRange(ctx, key, at.from, at.to-at.from)
	if err != nil {
		return nil, 0, err
	}
	body, n, err := bodyOf(src)
	if err != nil {
		src.Close()
		return nil, 0, fmt.Errorf("%s: the record at %d: %w", key, at.from, err)
	}
	return &opened{body, src}, n, nil
}

func bodyOf(src io.Reader) (io.ReadCloser, int64, error) {
	rec, err := warc.NewReader(src, warc.ReaderOptions{Verify: true}).Next()
	if err != nil {
		return nil, 0, err
	}
	body, err := rec.Body.Open()
	return body, rec.Body.Size(), err
}

// opened is the body of a record that closes what it is read from.
type opened struct {
	io.Reader
	io.Closer
}
