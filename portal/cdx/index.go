package cdx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

const (
	// wholeIndex is the size in bytes up to which an index is read whole and kept. Of a larger
	// one only the blocks of a key are read, or what is asked for is picked out of it.
	wholeIndex = 4 << 20
	// unpacked is how many times larger the lines of a compressed index are, about.
	unpacked = 8
	// maxEntries bounds what is taken out of one chunk.
	maxEntries = 1 << 20
)

// faultError says that a chunk is not what it should be: that is its own fault, not the store's.
type faultError struct{ err error }

func (e faultError) Error() string { return e.err.Error() }
func (e faultError) Unwrap() error { return e.err }

// part is what a chunk has of what is asked for, sorted.
type part struct {
	entries []cdxj.Entry
	// originals are the first records of the chunk by their payload, when revisits are to be
	// resolved: a revisit refers to a record of its own chunk.
	originals map[warc.Digest]*cdxj.Entry
}

// read reads of a chunk's index what is asked for. The error is that of the store, or a
// faultError.
func (s *Server) read(ctx context.Context, chunk catalog.Chunk, k keys, resolve bool) (part, error) {
	if entries, ok := s.cache.get(chunk.Key); ok {
		return cut(entries, k, resolve), nil
	}
	file, src, err := s.open(ctx, chunk.Key, chunk.Size)
	if err != nil {
		return part{}, err
	}
	p, err := s.readFrom(file, chunk.Key, k, resolve)
	return p, src.blame(err)
}

func (s *Server) readFrom(file *wacz.Reader, key blob.Key, k keys, resolve bool) (part, error) {
	size := int64(0)
	for _, res := range file.Package().Resources {
		if strings.HasPrefix(res.Path, "indexes/") {
			size += max(res.Bytes, 0)
		}
		if strings.HasPrefix(res.Path, "indexes/") && strings.HasSuffix(res.Path, ".gz") {
			size += max(res.Bytes, 0) * (unpacked - 1)
		}
	}
	switch {
	case size <= s.whole:
		entries, err := collect(file, func(cdxj.Entry) bool { return true })
		if err != nil {
			return part{}, err
		}
		s.cache.put(key, entries)
		return cut(entries, k, resolve), nil
	case k.exact && !resolve:
		entries, err := file.LookupKey(k.start)
		return part{entries: entries}, err
	}
	p := part{originals: map[warc.Digest]*cdxj.Entry{}}
	var err error
	p.entries, err = collect(file, func(e cdxj.Entry) bool {
		if resolve {
			p.remember(&e)
		}
		return k.has(e.Key)
	})
	return p, err
}

// collect returns the entries that are wanted, sorted.
func collect(file *wacz.Reader, wanted func(cdxj.Entry) bool) ([]cdxj.Entry, error) {
	var entries []cdxj.Entry
	names := map[string]string{} // most entries have one of a few names and media types
	same := func(s string) string {
		if known, ok := names[s]; ok {
			return known
		}
		names[s] = s
		return s
	}
	for e, err := range file.Index() {
		if err != nil {
			return nil, err
		}
		if !wanted(e) {
			continue
		}
		if len(entries) == maxEntries {
			return nil, fmt.Errorf("the index has more than %d entries", maxEntries)
		}
		e.Filename, e.Mime = same(e.Filename), same(e.Mime)
		entries = append(entries, e)
	}
	cdxj.Sort(entries)
	return entries, nil
}

// cut takes what is asked for out of a whole index.
func cut(entries []cdxj.Entry, k keys, resolve bool) part {
	p := part{}
	if resolve {
		p.originals = map[warc.Digest]*cdxj.Entry{}
		for i := range entries {
			p.remember(&entries[i])
		}
	}
	compare := func(e cdxj.Entry, key urls.SURT) int { return strings.Compare(string(e.Key), string(key)) }
	start, _ := slices.BinarySearchFunc(entries, k.start, compare)
	end := len(entries)
	if k.end != "" {
		end, _ = slices.BinarySearchFunc(entries, k.end, compare)
	}
	p.entries = entries[start:max(start, end)]
	return p
}

func (p *part) remember(e *cdxj.Entry) {
	if e.Mime != mimeRevisit && e.Digest != "" && p.originals[e.Digest] == nil {
		p.originals[e.Digest] = e
	}
}

const mimeRevisit = "warc/revisit"

// source reads a chunk in ranges and remembers when the store failed, so that trouble of the
// store is told from faults of the file.
type source struct {
	from io.ReaderAt
	err  error
}

// ReadAt implements io.ReaderAt.
func (s *source) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.from.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// blame returns the store's error, or that of the file as its fault.
func (s *source) blame(err error) error {
	switch {
	case err == nil:
		return nil
	case s.err != nil:
		return s.err
	}
	return faultError{err}
}

// open opens a chunk. A size of 0 is asked for.
func (s *Server) open(ctx context.Context, key blob.Key, size int64) (*wacz.Reader, *source, error) {
	if size <= 0 {
		info, err := s.Archive.Head(ctx, key)
		if err != nil {
			return nil, nil, err
		}
		size = info.Size
	}
	src := &source{from: blob.NewReaderAt(ctx, s.Archive, key, size)}
	file, err := wacz.Open(src, size)
	return file, src, src.blame(err)
}
