// Package selection takes pages out of the archive to hand them over: as one WACZ file, or as a
// dossier.
//
// # One WACZ
//
// [WACZ] makes a new file of pages of any number of chunks. It has the records of those pages and
// every record that they refer to: the connection and the name server's answer that a page came
// over, the robots.txt that it was visited by, what a revisit repeats and what the browser had in
// its cache, also where another page of the chunk had loaded that. Each record is copied byte for byte,
// so that it has the digest that it had when it was captured; what the chunk has of other pages is not in it. Of a
// robots.txt that was redirected it has the answer that counted: the records name no other.
//
// The file is derived: it is not what the fleet has signed, and is not signed. Its selection.json ([Manifest])
// says of each page which chunk it is from, and has what was signed of that: whoever has the
// chunk too can compare the two record by record. To hand over what is signed, make a [Dossier].
package selection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/fetch"
)

// Store is what is needed of the archive. A blob.Store is one.
type Store interface {
	Get(ctx context.Context, key blob.Key) (io.ReadCloser, blob.Info, error)
	Head(ctx context.Context, key blob.Key) (blob.Info, error)
}

// Pick is a page of a chunk.
type Pick struct {
	Chunk blob.Key
	Page  string
}

// MaxPicks is how many pages are picked at most.
const MaxPicks = cases.MaxCaptures

// Of are the pages of a case in their order: those about which one of the words was decided last, or with no
// word all but those that are not relevant, which are handed over by nobody who does not ask for them.
func Of(c *cases.Case, only ...cases.Word) []Pick {
	var picks []Pick
	for i := range c.Captures {
		it := &c.Captures[i]
		var word cases.Word
		if it.Decision != nil {
			word = it.Decision.Word
		}
		if slices.Contains(only, word) || len(only) == 0 && word != cases.NotRelevant {
			picks = append(picks, Pick{it.Chunk, it.Page})
		}
	}
	return picks
}

// Options say what a file says of itself.
type Options struct {
	// Title is for people, Case the name of the case, empty for none.
	Title, Case string
	// Software makes the file, such as "crawlfleet v0.1.0", at Created: the same picks with the
	// same Options give the same bytes.
	Software string
	Created  time.Time
	// Dir is where temporary files are: at each time one chunk and what was taken so far. Empty
	// is the system's folder for them.
	Dir string
}

// ErrNoPage says that a chunk has no page of that ID.
var ErrNoPage = errors.New("has no such page")

// GoneError says that chunks are not in the archive any more, because they were erased or the key is
// wrong.
type GoneError struct {
	Chunks []blob.Key
}

// Error implements error.
func (e *GoneError) Error() string {
	return fmt.Sprintf("%d of the chunks are not in the archive any more, %q is the first", len(e.Chunks), e.Chunks[0])
}

// UnsoundError says that a chunk is not whole, so that nothing is taken out of it.
type UnsoundError struct {
	Chunk    blob.Key
	Findings []wacz.Finding
}

// Error implements error.
func (e *UnsoundError) Error() string {
	return fmt.Sprintf("%s: does not hold: %s; %d findings in all", e.Chunk, e.Findings[0], len(e.Findings))
}

// ManifestPath is the file in a WACZ that says what it is derived from.
const ManifestPath = "selection.json"

// Manifest is selection.json.
type Manifest struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Note says in a sentence what the file is.
	Note     string    `json:"note"`
	Case     string    `json:"case,omitempty"`
	Created  time.Time `json:"created"`
	Software string    `json:"software,omitempty"`
	Sources  []Source  `json:"sources"`
}

// Source is a chunk that pages were taken from.
type Source struct {
	Chunk blob.Key `json:"chunk"`
	// SHA256 in hex and Size are those of the chunk.
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	// Pages are the IDs of the pages, Records counts the records that were copied.
	Pages   []string `json:"pages"`
	Records int      `json:"records"`
	// Files say which record file of the chunk a record file here is taken from.
	Files []Taken `json:"files"`
	// Digest is the chunk's datapackage-digest.json: the hash of its table of contents, with the
	// signature of who captured it.
	Digest json.RawMessage `json:"datapackageDigest"`
	// Capture is the chunk's capture.json with these pages only: by which order, under which
	// authorisation and how they were captured. It is left out where the chunk has none.
	Capture json.RawMessage `json:"capture,omitempty"`
}

// Taken is a record file.
type Taken struct {
	From string `json:"from"`
	To   string `json:"to"`
}

const (
	manifestFormat  = "crawlfleet-selection"
	manifestVersion = 1
	note            = "Pages that were selected from the files below. Every record is a copy, byte for byte; this file as a whole was not captured and is not signed."
)

// WACZ writes a WACZ file with the picked pages alone, and returns its manifest. Nothing is written
// before all chunks were found to be sound; when it fails, what has been written is of no use. The
// error is a *GoneError, an *UnsoundError, of the kind ErrNoPage, or what kept it from reading or writing.
func WACZ(ctx context.Context, store Store, picks []Pick, o Options, w io.Writer) (*Manifest, error) {
	byChunk, err := group(picks)
	if err != nil {
		return nil, err
	}
	if err := present(ctx, store, byChunk); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.Dir, "selection-*")
	if err != nil {
		return nil, fmt.Errorf("select pages: %w", err)
	}
	defer os.RemoveAll(dir) // what counts has been written to w
	m := &maker{
		ctx: ctx, store: store, dir: dir, records: map[string]bool{}, pages: map[string]bool{},
		contents: wacz.Contents{Title: o.Title, Description: note, Software: o.Software, Created: o.Created, Index: []cdxj.Entry{}},
		manifest: &Manifest{
			Format: manifestFormat, Version: manifestVersion, Note: note, Case: o.Case, Created: o.Created.UTC(), Software: o.Software, Sources: []Source{},
		},
	}
	for _, c := range byChunk {
		if err := m.take(c); err != nil {
			return nil, fmt.Errorf("select pages of %s: %w", c.key, err)
		}
	}
	return m.manifest, m.write(w)
}

// maker makes a WACZ.
type maker struct {
	ctx   context.Context //nolint:containedctx // lives as long as the call of WACZ
	store Store
	dir   string

	contents wacz.Contents
	manifest *Manifest
	records  map[string]bool // the IDs of all that were copied
	pages    map[string]bool
}

// take copies what the picked pages of a chunk need.
func (m *maker) take(c chosen) error {
	name := filepath.Join(m.dir, "chunk.wacz")
	size, sum, err := fetch.Object(m.ctx, m.store, c.key, name)
	if err != nil {
		return err
	}
	defer os.Remove(name) // there is room for one at a time
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() // only read
	findings, err := wacz.Validate(m.ctx, f, size, nil)
	if err != nil {
		return err
	}
	if len(findings) > 0 {
		return &UnsoundError{c.key, findings}
	}
	z, err := wacz.Open(f, size)
	if err != nil {
		return err
	}
	s := &source{Reader: z, wanted: map[string]bool{}}
	for _, p := range c.pages {
		s.wanted[p] = true
	}
	told := Source{Chunk: c.key, SHA256: sum, Size: size, Pages: c.pages, Files: []Taken{}}
	if err := m.takePages(s, c); err != nil {
		return err
	}
	if err := s.scan(m.ctx); err != nil {
		return err
	}
	if err := m.copyRecords(s, &told); err != nil {
		return err
	}
	if told.Digest, err = s.ReadFile(wacz.PackageDigestPath, maxInfo); err != nil {
		return err
	}
	if told.Capture, err = s.capture(); err != nil {
		return err
	}
	m.manifest.Sources = append(m.manifest.Sources, told)
	return nil
}

// takePages takes the picked pages of the lists.
func (m *maker) takePages(s *source, c chosen) error {
	left := map[string]bool{}
	for _, p := range c.pages {
		left[p] = true
	}
	for _, list := range []struct {
		name string
		into *[]wacz.Page
	}{{wacz.PagesPath, &m.contents.Pages}, {wacz.ExtraPagesPath, &m.contents.ExtraPages}} {
		if !slices.Contains(s.Files(), list.name) {
			continue
		}
		for p, err := range s.PageList(list.name) {
			if err != nil {
				return err
			}
			if !left[p.ID] {
				continue
			}
			if m.pages[p.ID] {
				return fmt.Errorf("another chunk has a page %s, too", p.ID)
			}
			delete(left, p.ID)
			m.pages[p.ID] = true
			s.entries = append(s.entries, newCapture(p.URL, p.Time))
			*list.into = append(*list.into, p)
		}
	}
	for _, p := range c.pages {
		if left[p] {
			return fmt.Errorf("%w: %s", ErrNoPage, p)
		}
	}
	return nil
}

// copyRecords copies the records that were chosen, with their entries in the index.
func (m *maker) copyRecords(s *source, told *Source) error {
	moved := map[place]place{}
	for _, name := range s.WARCs() {
		records := s.chosenOf(name)
		if len(records) == 0 {
			continue
		}
		ext := ".warc"
		if strings.HasSuffix(name, ".gz") {
			ext = ".warc.gz"
		}
		to := fmt.Sprintf("%03d%s", len(m.contents.WARCs)+1, ext)
		size, err := m.copyFile(s, name, to, records, moved)
		if err != nil {
			return err
		}
		file := wacz.File{Path: "archive/" + to, Content: warc.File(filepath.Join(m.dir, to), size)}
		m.contents.WARCs = append(m.contents.WARCs, file)
		told.Files = append(told.Files, Taken{"archive/" + name, file.Path})
		told.Records += len(records)
	}
	for e, err := range s.Index() {
		if err != nil {
			return err
		}
		if to, ok := moved[place{baseOf(e.Filename), e.Offset}]; ok {
			e.Filename, e.Offset = to.file, to.offset
			m.contents.Index = append(m.contents.Index, e)
		}
	}
	return nil
}

// copyFile copies records of a file one after another into a new one.
func (m *maker) copyFile(s *source, name, to string, records []*record, moved map[place]place) (size int64, err error) {
	src, err := s.OpenWARC(name)
	if err != nil {
		return 0, err
	}
	out, err := os.OpenFile(filepath.Join(m.dir, to), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for _, r := range records {
		if m.records[r.id] {
			return 0, fmt.Errorf("another chunk has a record %s, too", r.id)
		}
		m.records[r.id] = true
		n, err := io.Copy(out, io.NewSectionReader(src, r.at.Offset, r.at.Length))
		if err != nil {
			return 0, err
		}
		moved[place{name, r.at.Offset}] = place{to, size}
		size += n
	}
	return size, nil
}

// write writes the file.
func (m *maker) write(w io.Writer) error {
	raw, err := json.MarshalIndent(m.manifest, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", ManifestPath, err)
	}
	m.contents.Files = []wacz.File{{Path: ManifestPath, Content: warc.Bytes(append(raw, '\n'))}}
	if len(m.contents.Pages) > 0 {
		m.contents.MainPageURL, m.contents.MainPageTime = m.contents.Pages[0].URL, m.contents.Pages[0].Time
	}
	return wacz.Create(w, m.contents)
}
