package replay

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/access"
)

const (
	// directoryRead is how much of the end of a file is asked for to read its directory: what the directory's last
	// record can take at most (APPNOTE.TXT section 4.3.16), as wabac.js 2.27 does.
	directoryRead = 22 + 1<<16
	// layoutsKnown is how many files' layouts are remembered.
	layoutsKnown = 4096
)

// span is a part of a file, from its first byte to before its last.
type span struct{ from, to int64 }

// layout says which parts of a WACZ are what was captured.
type layout []span

// isLook tells whether a range has a byte of what was captured.
func (l layout) isLook(r span) bool {
	return slices.ContainsFunc(l, func(s span) bool { return s.from < r.to && r.from < s.to })
}

// layouts reads the layouts of files and remembers them. Files do not change, but their names may be used again.
type layouts struct {
	mu    sync.Mutex
	known map[string]layout
}

func (l *layouts) of(ctx context.Context, store blob.Store, info blob.Info) (layout, error) {
	name := string(info.Key) + " " + info.ETag
	l.mu.Lock()
	known, ok := l.known[name]
	l.mu.Unlock()
	if ok {
		return known, nil
	}
	read, err := readLayout(blob.NewReaderAt(ctx, store, info.Key, info.Size), info.Size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", info.Key, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for old := range l.known {
		if len(l.known) < layoutsKnown {
			break
		}
		delete(l.known, old) // any: it is read again
	}
	if l.known == nil {
		l.known = map[string]layout{}
	}
	l.known[name] = read
	return read, nil
}

// readLayout finds what was captured in a file: all that a viewer does not read of each file before it shows anything.
// A file that is no sound ZIP is that altogether.
func readLayout(r io.ReaderAt, size int64) (layout, error) {
	z, err := zip.NewReader(r, size)
	if errors.Is(err, zip.ErrFormat) || errors.Is(err, zip.ErrInsecurePath) {
		return layout{{0, size}}, nil
	}
	if err != nil {
		return nil, err
	}
	var l layout
	for _, f := range z.File {
		if isListing(f.Name) {
			continue
		}
		at, err := f.DataOffset()
		if errors.Is(err, zip.ErrFormat) {
			return layout{{0, size}}, nil
		}
		if err != nil {
			return nil, err
		}
		l = append(l, span{at, at + int64(min(f.CompressedSize64, uint64(size)))})
	}
	return l, nil
}

// isListing tells whether a file of a WACZ (section 5 of its specification, 1.1.1) lists what was captured, and is not
// of it.
func isListing(name string) bool {
	return name == "datapackage.json" || name == "datapackage-digest.json" || strings.HasPrefix(name, "indexes/") || strings.HasPrefix(name, "pages/")
}

// asked is the one range that a request asks for (RFC 9110 section 14.1.2), ok is false where it asks for another number
// of ranges, or for one that the file does not have.
func asked(r *http.Request, size int64) (s span, ok bool) {
	first, last, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
	if !ok || !strings.HasPrefix(r.Header.Get("Range"), "bytes=") {
		return s, false
	}
	if first == "" {
		n, err := strconv.ParseUint(last, 10, 63)
		return span{max(0, size-int64(n)), size}, err == nil && n > 0 && size > 0
	}
	from, err := strconv.ParseUint(first, 10, 63)
	if err != nil {
		return s, false
	}
	s = span{int64(from), size}
	if last != "" {
		to, err := strconv.ParseUint(last, 10, 62)
		if err != nil {
			return s, false
		}
		s.to = min(size, int64(to)+1)
	}
	return s, s.from < s.to
}

// see is what may be read of a range, after the custody log was told where that is a look. Its error is that nothing may
// be shown.
func (s *Server) see(r request, info blob.Info, part span) (io.ReaderAt, error) {
	file := blob.NewReaderAt(r.Context(), s.Archive, info.Key, info.Size)
	captured, err := s.layouts.of(r.Context(), s.Archive, info)
	if err != nil || !captured.isLook(part) {
		return file, err
	}
	if part.to == info.Size && part.to-part.from <= directoryRead && !captured.isLook(span{info.Size - 1, info.Size}) {
		// A viewer asks so for the directory of each file of the run: nobody looks at what lies before it by chance.
		return &without{file, captured}, nil
	}
	if err := s.Look(r.Context(), r.claim.person(), info.Key); err != nil {
		return nil, &untold{err}
	}
	return file, nil
}

// untold is that the custody log could not be told of a look.
type untold struct{ error }

// Unwrap is why.
func (u *untold) Unwrap() error { return u.error }

// without reads a file with zeros in the place of some parts.
type without struct {
	io.ReaderAt
	parts layout
}

// ReadAt implements io.ReaderAt.
func (w *without) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.ReaderAt.ReadAt(p, off)
	for _, part := range w.parts {
		from, to := max(part.from-off, 0), min(part.to-off, int64(n))
		if from < to {
			clear(p[from:to])
		}
	}
	return n, err
}

// person is who looks, as the custody log knows them.
func (c *claim) person() access.Person {
	return access.Person{Name: c.Person, Purpose: c.Purpose, Case: c.Case}
}
