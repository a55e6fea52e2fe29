package selection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// place is where a record lies.
type place struct {
	file   string
	offset int64
}

func baseOf(name string) string { return path.Base(name) }

// capture is what a revisit or a list of pages refers to: an address at a time.
type capture struct {
	url string
	ms  int64
}

func newCapture(url string, at time.Time) capture {
	return capture{urls.WithoutFragment(url), at.UnixMilli()}
}

// record is what is known of a record without its content.
type record struct {
	file string
	at   warc.Location
	id   string
	// refs are the IDs of records that it refers to, repeats what a revisit repeats.
	refs    []string
	repeats *capture
	chosen  bool
}

// source is a chunk that pages are taken from.
type source struct {
	*wacz.Reader
	// wanted are the IDs of the pages, entries their addresses and times in the lists.
	wanted  map[string]bool
	entries []capture

	records   []*record
	byID      map[string]*record
	byCapture map[capture][]*record
	// requests are the records of requests, by the ID of the answer.
	requests map[string][]*record
	queue    []*record
}

// maxInfo is the size in bytes of a record of a page or a connection, and of a file beside the records, that is
// looked into.
const maxInfo = 64 << 20

// scan reads every record once and chooses those of the pages, with all that they refer to.
func (s *source) scan(ctx context.Context) error {
	s.byID, s.byCapture, s.requests = map[string]*record{}, map[capture][]*record{}, map[string][]*record{}
	if err := s.EachRecord(ctx, s.note); err != nil {
		return err
	}
	for _, e := range s.entries {
		s.choose(s.byCapture[e]...)
	}
	s.follow()
	return nil
}

// note takes down a record, and chooses it when it is one of the pages'.
func (s *source) note(file string, rd *warc.Reader, rec *warc.Record) error {
	r := &record{file: file, id: rec.ID}
	s.records, s.byID[rec.ID] = append(s.records, r), r
	page, _ := rec.Get(warc.FieldPageID)
	mine := s.wanted[page] || rec.Type == warc.Warcinfo
	for _, f := range rec.Fields {
		if strings.EqualFold(f.Name, warc.FieldConcurrentTo) || strings.EqualFold(f.Name, warc.FieldRefersTo) {
			r.refs = append(r.refs, strings.Trim(f.Value, "<>"))
		}
	}
	switch rec.Type {
	case warc.Request:
		for _, answer := range r.refs {
			s.requests[answer] = append(s.requests[answer], r)
		}
	case warc.Revisit:
		s.noteRevisit(r, rec)
	case warc.Response, warc.Resource, warc.Conversion, warc.Metadata:
		of, err := s.look(r, rec)
		if err != nil {
			return err
		}
		mine = mine || s.wanted[of]
	case warc.Warcinfo, warc.Continuation: // refer to nothing
	}
	if rec.Type != warc.Request {
		s.byCapture[newCapture(rec.TargetURI, rec.Date)] = append(s.byCapture[newCapture(rec.TargetURI, rec.Date)], r)
	}
	if mine {
		s.choose(r)
	}
	w, err := rd.Finish()
	r.at = w.Location
	return err
}

// noteRevisit takes down what a revisit repeats: replay finds that by address and time.
func (s *source) noteRevisit(r *record, rec *warc.Record) {
	uri, _ := rec.Get(warc.FieldRefersToTargetURI)
	date, _ := rec.Get(warc.FieldRefersToDate)
	if at, err := warc.ParseDate(date); err == nil && uri != "" {
		of := newCapture(uri, at)
		r.repeats = &of
	}
}

// info are the members of a page's or a connection's own record that name other records
// (docs/reference/archive.md).
type info struct {
	PageID    string `json:"pageid"`
	Main      string `json:"main"`
	Exchanges []struct {
		Request    string `json:"request"`
		Response   string `json:"response"`
		Connection string `json:"connection"`
	} `json:"exchanges"`
	Ledger []struct {
		Request string `json:"request"`
		Record  string `json:"record"`
	} `json:"ledger"`
	Robots []struct {
		Record string `json:"record"`
	} `json:"robots"`
	DNS struct {
		Record string `json:"record"`
	} `json:"dns"`
}

// look reads which records the own record of a page or a connection names, and which page it is
// of.
func (s *source) look(r *record, rec *warc.Record) (page string, err error) {
	if !strings.HasPrefix(rec.TargetURI, "urn:pageinfo:") && !strings.HasPrefix(rec.TargetURI, "urn:connection:") || rec.Body == nil {
		return "", nil
	}
	if rec.Body.Size() > maxInfo {
		return "", fmt.Errorf("has %d bytes, at most %d are read", rec.Body.Size(), maxInfo)
	}
	body, err := rec.Body.Open()
	if err != nil {
		return "", err
	}
	defer body.Close() // only read
	var i info
	if err := json.NewDecoder(body).Decode(&i); err != nil {
		return "", err
	}
	named := []string{i.Main, i.DNS.Record}
	for _, e := range i.Exchanges {
		named = append(named, e.Request, e.Response, e.Connection)
	}
	for _, l := range i.Ledger {
		named = append(named, l.Request, l.Record)
	}
	for _, u := range i.Robots {
		named = append(named, u.Record)
	}
	r.refs = append(r.refs, slices.DeleteFunc(named, func(id string) bool { return id == "" })...)
	return i.PageID, nil
}

// choose has records copied.
func (s *source) choose(records ...*record) {
	for _, r := range records {
		if !r.chosen {
			r.chosen = true
			s.queue = append(s.queue, r)
		}
	}
}

// follow chooses all that chosen records refer to, and the requests of answers: by another method
// than GET an answer is found by what was asked.
func (s *source) follow() {
	for len(s.queue) > 0 {
		r := s.queue[0]
		s.queue = s.queue[1:]
		for _, id := range r.refs {
			if of := s.byID[id]; of != nil {
				s.choose(of)
			}
		}
		if r.repeats != nil {
			s.choose(s.byCapture[*r.repeats]...)
		}
		s.choose(s.requests[r.id]...)
	}
}

// chosenOf are the records of a file that are copied, in their order.
func (s *source) chosenOf(file string) (chosen []*record) {
	for _, r := range s.records {
		if r.chosen && r.file == file {
			chosen = append(chosen, r)
		}
	}
	return chosen
}

// capture is the chunk's capture.json with the pages alone that are taken; nil when there is none.
func (s *source) capture() (json.RawMessage, error) {
	raw, err := s.ReadFile(verify.CapturePath, maxInfo)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	var pages []json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", verify.CapturePath, err)
	}
	if err := json.Unmarshal(all["pages"], &pages); err != nil {
		return nil, fmt.Errorf("%s: pages: %w", verify.CapturePath, err)
	}
	pages = slices.DeleteFunc(pages, func(p json.RawMessage) bool {
		var page struct {
			ID string `json:"id"`
		}
		return json.Unmarshal(p, &page) != nil || !s.wanted[page.ID]
	})
	if all["pages"], err = json.Marshal(pages); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}
