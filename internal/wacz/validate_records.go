package wacz

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// place is where a record lies.
type place struct {
	filename string
	offset   int64
}

// capture is what can be asked for: a URL at a time.
type capture struct {
	url string
	ms  int64
}

func newCapture(url string, t time.Time) capture {
	return capture{urls.WithoutFragment(url), t.UnixMilli()}
}

// records is what the WARC files have.
type records struct {
	// broken is true when not all records could be read.
	broken bool
	// entries is an index made anew.
	entries map[place]cdxj.Entry
	// optional are the places of records that an index may leave out.
	optional map[place]bool
	// captures are the records that have a payload.
	captures map[capture]bool
	ids      map[string]bool
	revisits []revisit
}

// revisit is a record that refers to another.
type revisit struct {
	at       place
	url      string
	original capture
}

// checkRecords reads every record of every WARC file and checks its digests.
func (v *validator) checkRecords() error {
	v.records = records{entries: map[place]cdxj.Entry{}, optional: map[place]bool{}, captures: map[capture]bool{}, ids: map[string]bool{}}
	for _, name := range v.rd.WARCs() {
		file, err := v.rd.OpenWARC(name)
		if err != nil {
			v.add(CheckRecord, archiveDir+name, "%v", err)
			v.records.broken = true
			continue
		}
		if err := v.checkWARC(name, file); err != nil {
			return err
		}
	}
	return nil
}

func (v *validator) checkWARC(name string, file io.Reader) error {
	rd := warc.NewReader(file, warc.ReaderOptions{Verify: true, Stored: true})
	x := cdxj.NewIndexer(name)
	for {
		if err := v.stop(); err != nil {
			return err
		}
		rec, err := rd.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = v.checkRecord(name, rd, rec, x)
		}
		var mismatch *warc.DigestError
		switch {
		case err == nil:
		case errors.As(err, &mismatch):
			v.add(CheckRecord, archiveDir+name, "%v", err)
		default:
			v.add(CheckRecord, archiveDir+name, "%v", err)
			v.records.broken = true
			return nil
		}
	}
	for _, e := range x.Entries() {
		v.records.entries[place{e.Filename, e.Offset}] = e
	}
	return nil
}

// checkRecord checks a record and takes note of it. A request is added to the index
// while its body can be read.
func (v *validator) checkRecord(name string, rd *warc.Reader, rec *warc.Record, x *cdxj.Indexer) error {
	file := archiveDir + name
	if v.records.ids[rec.ID] {
		v.add(CheckRecord, file, "two records have the id %s", rec.ID)
	}
	v.records.ids[rec.ID] = true
	if v.each != nil {
		v.each(rec)
	}
	if rec.BlockDigest == "" && rec.Type != warc.Warcinfo {
		v.add(CheckRecord, file, "the record at offset %d has no block digest", rd.Location().Offset)
	}
	if rec.Type == warc.Request {
		if err := x.Add(rec, warc.Written{ID: rec.ID}); err != nil {
			return err
		}
	}
	w, err := rd.Finish()
	var mismatch *warc.DigestError
	if err != nil && !errors.As(err, &mismatch) {
		return err
	}
	if rec.Type != warc.Request {
		if err := x.Add(rec, w); err != nil {
			return err
		}
	}
	if cdxj.SelfRedirect(rec) {
		v.records.optional[place{name, w.Offset}] = true
	}
	switch rec.Type {
	case warc.Response, warc.Resource, warc.Conversion, warc.Metadata:
		v.records.captures[newCapture(rec.TargetURI, rec.Date)] = true
	case warc.Revisit:
		v.noteRevisit(file, place{name, w.Offset}, rec)
	}
	return err
}

func (v *validator) noteRevisit(file string, at place, rec *warc.Record) {
	uri, _ := rec.Get(warc.FieldRefersToTargetURI)
	date, _ := rec.Get(warc.FieldRefersToDate)
	t, err := warc.ParseDate(date)
	if uri == "" || err != nil {
		v.add(CheckRevisit, file, "the revisit at offset %d does not say what it refers to", at.offset)
		return
	}
	v.records.revisits = append(v.records.revisits, revisit{at, rec.TargetURI, newCapture(uri, t)})
}

// checkRevisits checks that what is referred to is there.
func (v *validator) checkRevisits() error {
	for _, r := range v.records.revisits {
		if !v.records.captures[r.original] && !v.records.broken {
			v.add(CheckRevisit, archiveDir+r.at.filename,
				"the revisit of %s at offset %d refers to %s of %s, which is not in the file",
				r.url, r.at.offset, r.original.url, time.UnixMilli(r.original.ms).UTC().Format(pageTime))
		}
	}
	return nil
}

// checkIndex compares the index with one made anew.
func (v *validator) checkIndex() error {
	seen := map[place]bool{}
	var last cdxj.Entry
	for e, err := range v.rd.Index() {
		if err != nil {
			v.add(CheckIndex, indexesDir, "%v", err)
			return nil
		}
		if err := v.stop(); err != nil {
			return err
		}
		at := place{path.Base(e.Filename), e.Offset}
		if seen[at] {
			v.add(CheckIndex, indexesDir, "the record at offset %d of %s is there twice", e.Offset, e.Filename)
		}
		if e.Key < last.Key || e.Key == last.Key && e.Time.Before(last.Time) {
			v.add(CheckIndex, indexesDir, "is not sorted at %q", e.Key)
		}
		seen[at], last = true, e
		v.checkEntry(at, e)
	}
	for at, e := range v.records.entries {
		if !seen[at] && !v.records.optional[at] {
			v.add(CheckIndex, indexesDir, "the record of %s at offset %d of %s is missing", e.URL, e.Offset, e.Filename)
		}
	}
	if _, err := v.rd.blocks(); err != nil {
		v.add(CheckIndex, indexesDir, "%v", err)
		return nil
	}
	return v.checkBlocks()
}

func (v *validator) checkEntry(at place, e cdxj.Entry) {
	want, ok := v.records.entries[at]
	if !ok {
		if !v.records.broken {
			v.add(CheckIndex, indexesDir, "points to a record at offset %d of %q, where none to be indexed is", e.Offset, e.Filename)
		}
		return
	}
	for _, c := range []struct {
		what      string
		got, want any
		ok        bool
	}{
		{"url", e.URL, want.URL, e.URL == want.URL},
		{"length", e.Length, want.Length, e.Length == want.Length},
		{"timestamp", e.Time, want.Time, sameTime(e.Time, want.Time)},
		{"mime", e.Mime, want.Mime, e.Mime == want.Mime || want.Mime == ""},
		{"status", e.Status, want.Status, e.Status == want.Status || want.Status == 0},
		{"digest", e.Digest, want.Digest, sameDigest(e.Digest, want.Digest)},
		{"recordDigest", e.RecordDigest, want.RecordDigest, e.RecordDigest == "" || e.RecordDigest == want.RecordDigest},
		{"method", e.Method, want.Method, e.Method == want.Method},
		{"requestBody", e.RequestBody, want.RequestBody, e.RequestBody == want.RequestBody},
		{"key", e.Key, want.Key, e.Key == want.Key},
	} {
		if !c.ok {
			v.add(CheckIndex, indexesDir, "says of the record at offset %d of %s that its %s is %v; it is %v", e.Offset, e.Filename, c.what, c.got, c.want)
		}
	}
}

// sameTime compares what an index says, with or without milliseconds, with a
// record.
func sameTime(indexed, recorded time.Time) bool {
	return indexed.Equal(recorded.Truncate(time.Millisecond)) || indexed.Equal(recorded.Truncate(time.Second))
}

// sameDigest compares digests, of which an index may have left out the name of the
// algorithm.
func sameDigest(indexed, recorded warc.Digest) bool {
	return indexed == recorded || recorded == "" || !strings.Contains(string(indexed), ":") &&
		strings.HasSuffix(string(recorded), ":"+string(indexed))
}

// checkBlocks checks the secondary indexes.
func (v *validator) checkBlocks() error {
	blocks, err := v.rd.blocks()
	if err != nil {
		return nil // told already
	}
	next := map[string]int64{}
	for _, b := range blocks {
		if err := v.stop(); err != nil {
			return err
		}
		name := indexesDir + b.Filename
		if err := v.checkBlock(name, b); err != nil {
			v.add(CheckIndex, name, "%v", err)
			continue
		}
		if b.Offset != next[name] {
			v.add(CheckIndex, name, "the block at %d does not follow the one before, which ends at %d", b.Offset, next[name])
		}
		next[name] = b.Offset + b.Length
	}
	for name, end := range next {
		if f := v.rd.files[name]; f != nil && int64(f.UncompressedSize64) != end {
			v.add(CheckIndex, name, "its blocks end at %d of %d bytes", end, f.UncompressedSize64)
		}
	}
	return nil
}

func (v *validator) checkBlock(name string, b cdxj.Block) error {
	entries, err := v.rd.readBlock(b)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return fmt.Errorf("the block at %d is empty", b.Offset)
	}
	if key, _, _ := strings.Cut(b.Prefix, " "); entries[0].Key != urls.SURT(key) {
		return fmt.Errorf("the block at %d starts with the key %q, the secondary index says %q", b.Offset, entries[0].Key, key)
	}
	if b.Digest == "" {
		return nil
	}
	file, err := v.rd.section(name)
	if err != nil {
		return err
	}
	stored := make([]byte, b.Length)
	if _, err := file.ReadAt(stored, b.Offset); err != nil {
		return err
	}
	if got := warc.SHA256Of(stored); got != b.Digest {
		return fmt.Errorf("the block at %d has the digest %s, the secondary index says %s", b.Offset, got, b.Digest)
	}
	return nil
}

// checkPages checks that every page can be opened: its URL was captured at its
// time.
func (v *validator) checkPages() error {
	captured := map[capture]bool{}
	for _, e := range v.records.entries {
		captured[newCapture(e.URL, e.Time)] = true
		captured[newCapture(e.URL, e.Time.Truncate(time.Second))] = true // lists may have seconds
	}
	ids := map[string]bool{}
	for p, err := range v.rd.Pages() {
		if err != nil {
			v.add(CheckPages, pagesDir, "%v", err)
			return nil
		}
		if err := v.stop(); err != nil {
			return err
		}
		if p.ID != "" && ids[p.ID] {
			v.add(CheckPages, pagesDir, "two pages have the id %q", p.ID)
		}
		ids[p.ID] = true
		if !captured[newCapture(p.URL, p.Time)] && !v.records.broken {
			v.add(CheckPages, pagesDir, "the page %s of %s was not captured at that time", p.URL, p.Time.Format(pageTime))
		}
	}
	return nil
}
