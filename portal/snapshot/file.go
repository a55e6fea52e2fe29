package snapshot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/wacz"
)

// What is wrong. Any other error is trouble of the store.
var (
	// ErrBroken means that an object is no sound WACZ file.
	ErrBroken = errors.New("not a sound WACZ file")
	// ErrNoPage means that a file has no such page.
	ErrNoPage = errors.New("no such page in the file")
	// ErrNone means that a page has no such thing, such as a picture.
	ErrNone = errors.New("the page has none")
)

// Bounds of a file.
const (
	maxPages   = 200_000
	maxEntries = 2_000_000
)

// capturePath is the file that says how a WACZ of ours came to be.
const capturePath = "capture.json"

// file is a WACZ file in the store. It is for one goroutine.
type file struct {
	src   *source
	zip   *wacz.Reader
	pages []listed
	// places are those of pages among them by their IDs, byURL by their addresses.
	places map[string]int
	byURL  map[string][]int
	// capture is capture.json, nil in files of other tools.
	capture *capture
	// answers are the entries of what servers answered, derived those of records that begin
	// with each of the urns, in their order in the file.
	answers map[answer][]cdxj.Entry
	derived map[string][]cdxj.Entry
	hosts   map[string]bool
}

// listed is a page of one of the two lists of pages.
type listed struct {
	wacz.Page
	partial bool
}

// answer finds the entry of an answer.
type answer struct {
	url, method string
	ms          int64 // when it was asked for, in milliseconds
}

func answerTo(url, method string, at time.Time) answer {
	if method == "" {
		method = "GET"
	}
	return answer{url, method, at.UnixMilli()}
}

// find finds the entry of an answer. Two pages may have asked for one address at the same time:
// what belongs to a page lies before the page's own record, and after that of the page before.
func (f *file) find(a answer, info cdxj.Entry) (e cdxj.Entry, ok bool) {
	all := f.answers[a]
	if len(all) == 0 {
		return e, false
	}
	before := func(e cdxj.Entry) bool { return e.Filename == info.Filename && e.Offset < info.Offset }
	e = all[0]
	for _, other := range all[1:] {
		if before(other) && (!before(e) || other.Offset > e.Offset) {
			e = other
		}
	}
	return e, true
}

// open reads the lists of a file, and its index.
func open(ctx context.Context, store blob.Store, key blob.Key, size int64) (*file, error) {
	src, err := newSource(ctx, store, key, size)
	if err != nil {
		return nil, err
	}
	f := &file{src: src, places: map[string]int{}, byURL: map[string][]int{}, answers: map[answer][]cdxj.Entry{}, derived: map[string][]cdxj.Entry{}, hosts: map[string]bool{}}
	return f, f.fault(f.read())
}

// fault is what is wrong: trouble of the store, or with the file.
func (f *file) fault(err error) error {
	switch {
	case f.src.err != nil:
		return f.src.err
	case err == nil:
		return nil
	}
	return fmt.Errorf("%s: %w: %w", f.src.key, ErrBroken, err)
}

func (f *file) read() (err error) {
	if f.zip, err = wacz.Open(f.src, f.src.size); err != nil {
		return err
	}
	if err := f.readCapture(); err != nil {
		return err
	}
	for _, name := range []string{wacz.PagesPath, wacz.ExtraPagesPath} {
		if err := f.list(name); err != nil {
			return err
		}
	}
	return f.index()
}

// readCapture reads capture.json, if there is one.
func (f *file) readCapture() error {
	b, err := f.zip.ReadFile(capturePath, maxCapture)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f.capture = new(capture)
	if err := json.Unmarshal(b, f.capture); err != nil {
		return fmt.Errorf("%s: %w", capturePath, err)
	}
	return nil
}

// captured is what capture.json says of a page, nil when it says nothing.
func (f *file) captured(id string) *captured {
	if f.capture == nil {
		return nil
	}
	i := slices.IndexFunc(f.capture.Pages, func(p captured) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return &f.capture.Pages[i]
}

// list reads a list of pages.
func (f *file) list(name string) error {
	for p, err := range f.zip.PageList(name) {
		if errors.Is(err, fs.ErrNotExist) && name == wacz.ExtraPagesPath {
			return nil
		}
		if err != nil {
			return err
		}
		if len(f.pages) == maxPages {
			return fmt.Errorf("it has more than %d pages", maxPages)
		}
		if p.ID == "" { // other tools may give none
			p.ID = fmt.Sprintf("page-%d", len(f.pages)+1)
		}
		if _, twice := f.places[p.ID]; twice {
			return fmt.Errorf("two of its pages have the ID %q", p.ID)
		}
		address := urls.WithoutFragment(p.URL)
		f.places[p.ID], f.byURL[address] = len(f.pages), append(f.byURL[address], len(f.pages))
		f.pages = append(f.pages, listed{p, name == wacz.ExtraPagesPath})
	}
	return nil
}

// index reads the index.
func (f *file) index() error {
	n := 0
	for e, err := range f.zip.Index() {
		if err != nil {
			return err
		}
		if n++; n > maxEntries {
			return fmt.Errorf("its index has more than %d entries", maxEntries)
		}
		f.note(e)
	}
	for _, entries := range f.derived {
		slices.SortStableFunc(entries, inOrder)
	}
	return nil
}

// inOrder is the order of records in the file.
func inOrder(a, b cdxj.Entry) int {
	return cmp.Or(cmp.Compare(a.Filename, b.Filename), cmp.Compare(a.Offset, b.Offset))
}

// note takes down an entry of the index.
func (f *file) note(e cdxj.Entry) {
	e.RequestBody = "" // may be large, and is for replay
	if scheme, _, ok := strings.Cut(e.URL, "://"); ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		f.hosts[hostOf(e.Key)] = true
		a := answerTo(e.URL, e.Method, e.Time)
		f.answers[a] = append(f.answers[a], e)
		return
	}
	for _, urn := range []string{urnInfo, urnView, urnText, urnDOM, urnLinks, urnConnection} {
		if strings.HasPrefix(e.URL, urn) {
			f.derived[urn] = append(f.derived[urn], e)
		}
	}
}

// hostOf is the host of a key, its labels reversed, with the port if it is not the scheme's own.
func hostOf(key urls.SURT) string {
	host, _, _ := strings.Cut(string(key), ")")
	return host
}

// plan says which records will be read, in their order. Of those whose beginning will do no more
// than that is asked for.
func (f *file) plan(entries []cdxj.Entry) error {
	spans := make([]span, 0, len(entries))
	for _, e := range entries {
		section, err := f.zip.OpenWARC(e.Filename)
		if err != nil {
			return err
		}
		_, at, _ := section.Outer()
		n := e.Length
		if strings.HasPrefix(e.URL, urnDOM) {
			n = min(n, maxHead)
		}
		spans = append(spans, span{at + e.Offset, at + e.Offset + n})
	}
	f.src.plan(spans)
	return nil
}
