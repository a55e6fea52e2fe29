package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// Content is a page with what it can be found by.
type Content struct {
	Page
	// Text is what the page showed, valid UTF-8, of at most 1 MiB; Cut is set when it goes on.
	Text  string
	Cut   bool
	Links []Link
}

// Hosts are the hosts of what a file has answers of, each once and sorted, as a key of an index
// has them: "org,example" for www.example.org.
type Hosts []string

// superseded is why a page is partial that was captured again, and that capture counts.
const superseded = "Superseded"

// Read reads all pages of a file: those that were archived and then those that failed, each in
// the order of its list. Bodies of what was loaded it does not read. When the object is no sound
// WACZ file the error is ErrBroken; any other error is trouble of the store.
func Read(ctx context.Context, store blob.Store, key blob.Key, size int64) ([]Content, Hosts, error) {
	f, err := open(ctx, store, key, size)
	if err != nil {
		return nil, nil, err
	}
	r := newReading(f, func(cdxj.Entry) bool { return true })
	if err := f.fault(r.all()); err != nil {
		return nil, nil, err
	}
	return r.contents, slices.Sorted(maps.Keys(f.hosts)), nil
}

// reading is what is gathered of the pages of a file.
type reading struct {
	*file
	// wanted says which derived records are read.
	wanted   func(cdxj.Entry) bool
	contents []Content
	parts    []parts              // of each of the contents
	infos    map[string]ownRecord // by the ID of the page
	records  map[string]answer    // by the IDs of answers' records
	// raw are the pages' own records as they are; nil when they are not wanted.
	raw map[string][]byte
}

// parts are where the records of a page lie; without a Filename there is none.
type parts struct{ text, dom, view, document cdxj.Entry }

// ownRecord is a page's own record, and where it lies.
type ownRecord struct {
	info
	entry cdxj.Entry
}

func newReading(f *file, wanted func(cdxj.Entry) bool) *reading {
	return &reading{
		file: f, wanted: wanted, contents: make([]Content, len(f.pages)), parts: make([]parts, len(f.pages)),
		infos: map[string]ownRecord{}, records: map[string]answer{},
	}
}

// all reads all pages.
func (r *reading) all() error {
	if err := r.derivedRecords(); err != nil {
		return err
	}
	for place := range r.contents {
		if err := r.finish(place); err != nil {
			return err
		}
	}
	return r.pictures()
}

// listedPage is a page as the list of pages has it.
func listedPage(key blob.Key, l listed) Page {
	p := Page{Chunk: key, ID: l.ID, URL: l.URL, FinalURL: l.URL, Time: l.Time, Title: l.Title, Partial: l.partial}
	if status, ok := l.Extra["status"].(float64); ok && status >= 0 && status < 1000 {
		p.Status = int(status)
	}
	if mime, ok := l.Extra["mime"].(string); ok {
		p.MIME = mediaType(mime)
	}
	return p
}

// derivedRecords reads what was made of the pages, in the order of the file.
func (r *reading) derivedRecords() error {
	for place, p := range r.pages {
		c := &r.contents[place]
		c.Page, c.Text = listedPage(r.src.key, p), strings.ToValidUTF8(p.Text, "")
	}
	if r.capture != nil {
		for _, p := range r.capture.Pages {
			if place, ok := r.places[p.ID]; ok && p.Superseded {
				r.contents[place].Reason = superseded
			}
		}
	}
	entries := slices.Concat(r.derived[urnInfo], r.derived[urnText], r.derived[urnDOM], r.derived[urnLinks])
	entries = slices.DeleteFunc(entries, func(e cdxj.Entry) bool { return !r.wanted(e) })
	slices.SortStableFunc(entries, inOrder)
	if err := r.plan(entries); err != nil {
		return err
	}
	for _, e := range entries {
		rec, err := r.zip.Record(e)
		if err != nil {
			return err
		}
		if err := r.derivedRecord(e, rec); err != nil {
			return fmt.Errorf("%s: %w", e.URL, err)
		}
	}
	return nil
}

// derivedRecord takes what a record says of its page. One that belongs to no page of the lists
// is passed over. Of two the last one counts.
func (r *reading) derivedRecord(e cdxj.Entry, rec *warc.Record) error {
	if strings.HasPrefix(e.URL, urnInfo) {
		return r.info(e, rec)
	}
	place := r.owner(e, rec)
	if place < 0 {
		return nil
	}
	c, parts := &r.contents[place], &r.parts[place]
	switch {
	case strings.HasPrefix(e.URL, urnText):
		b, cut, err := beginning(rec, maxText)
		if err != nil {
			return err
		}
		parts.text = e
		c.Text, c.Cut, c.TextDigest = strings.ToValidUTF8(string(b), ""), cut, string(e.Digest)
	case strings.HasPrefix(e.URL, urnDOM):
		f, err := rec.Body.Open()
		if err != nil {
			return err
		}
		parts.dom = e
		c.Language = declared(io.LimitReader(f, maxHead))
	case strings.HasPrefix(e.URL, urnLinks):
		b, err := body(rec, maxLinks)
		if err != nil {
			return err
		}
		if c.Links, err = parseLinks(bytes.NewReader(b)); err != nil {
			return err
		}
	}
	return nil
}

// info takes down a page's own record.
func (r *reading) info(e cdxj.Entry, rec *warc.Record) error {
	b, err := body(rec, maxInfo)
	if err != nil {
		return err
	}
	i, err := parseInfo(b)
	if err != nil || i.PageID == "" {
		return err
	}
	for _, x := range i.Exchanges {
		if x.Response != "" {
			r.records[x.Response] = answerTo(x.URL, x.Method, x.Started)
		}
	}
	i.Exchanges = nil
	r.infos[i.PageID] = ownRecord{info: i, entry: e}
	if r.raw != nil {
		r.raw[i.PageID] = b
	}
	return nil
}

// owner is the place of the page that a derived record is of: the record says so, or else it is
// the last page of that address that was begun before. It is -1 for none.
func (f *file) owner(e cdxj.Entry, rec *warc.Record) int {
	if id, ok := rec.Get(warc.FieldPageID); ok {
		if place, ok := f.places[id]; ok {
			return place
		}
		return -1
	}
	owner := -1
	for _, place := range f.byURL[address(e)] {
		if p := f.pages[place]; !p.Time.After(e.Time) && (owner < 0 || p.Time.After(f.pages[owner].Time)) {
			owner = place
		}
	}
	return owner
}

// address is the address that a derived record is of.
func address(e cdxj.Entry) string {
	parts := strings.SplitN(e.URL, ":", 3)
	return urls.WithoutFragment(parts[len(parts)-1])
}

// finish fills in what the page's own record and that of its document say.
func (r *reading) finish(place int) error {
	c := &r.contents[place]
	document := answerTo(c.URL, "", c.Time)
	i, ok := r.infos[c.ID]
	if ok {
		c.fill(i.info)
		document = r.records[i.Main]
	}
	e, ok := r.find(document, i.entry)
	if ok {
		r.parts[place].document = e
		c.Digest = string(e.Digest)
		if c.Status == 0 {
			c.Status = e.Status
		}
		if c.MIME == "" {
			c.MIME = mediaType(e.Mime)
		}
	}
	c.Kind = kindOf(c.MIME)
	if ok && c.Kind == Web && r.parts[place].dom.Filename == "" {
		if err := r.documentLanguage(c, e); err != nil {
			return err
		}
	}
	if c.Language == "" {
		c.Language = guessed(c.Text)
	}
	return nil
}

// fill takes what the page's own record says.
func (p *Page) fill(i info) {
	if i.FinalURL != "" {
		p.FinalURL = i.FinalURL
	}
	if p.Title == "" {
		p.Title = i.Title
	}
	if p.Status == 0 {
		p.Status = i.Status
	}
	if p.MIME == "" {
		p.MIME = mediaType(i.MIME)
	}
	if p.Partial && p.Reason == "" {
		p.Reason = i.Reason
	}
}

// documentLanguage finds the language of a page whose document was not kept as the browser saw it
// in the document as it was received.
func (r *reading) documentLanguage(c *Content, e cdxj.Entry) error {
	rec, err := r.zip.Record(e)
	if err != nil || rec.Type != warc.Response && rec.Type != warc.Resource {
		return err
	}
	f, err := rec.Body.Open()
	if err != nil {
		return err
	}
	c.Language = declared(io.LimitReader(decoded(f, warc.HTTPField(rec.Head, "Content-Encoding")), maxHead))
	return nil
}

// pictures finds out which pages have one. The index has no IDs of pages, but mostly one page
// alone can be meant: only when there are more a record is looked at.
func (r *reading) pictures() error {
	r.src.plan(nil)
	shown := map[string][]int{}
	for place := range r.contents {
		url := urls.WithoutFragment(r.contents[place].FinalURL)
		shown[url] = append(shown[url], place)
	}
	for _, e := range r.derived[urnView] {
		if !r.wanted(e) {
			continue
		}
		place := r.only(e, shown[address(e)])
		if place < 0 {
			rec, err := r.zip.Record(e)
			if err != nil {
				return err
			}
			place = r.owner(e, rec)
		}
		if place >= 0 {
			r.contents[place].Picture, r.parts[place].view = true, e
		}
	}
	return nil
}

// only is the only page that a picture can be of, -1 when there is none, or more than one.
func (r *reading) only(e cdxj.Entry, places []int) int {
	only := -1
	for _, place := range places {
		i, ok := r.infos[r.contents[place].ID]
		if !ok || !within(e.Time, i.Started, i.Ended) {
			continue
		}
		if only >= 0 {
			return -1
		}
		only = place
	}
	return only
}

// within reports whether a time of an index, which has milliseconds, is in a load of a page.
func within(at, started, ended time.Time) bool {
	return !at.Before(started.Truncate(time.Millisecond)) && !at.After(ended)
}
