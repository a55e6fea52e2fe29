package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// How a file is read. A request takes some milliseconds, in which a store gives some hundred
// kilobytes: what is as near as that is asked for at once.
const (
	// whole is up to which size in bytes a file is asked for at once.
	whole = 4 << 20
	// tail is how many bytes are read first from the end of a larger one: the directory, and
	// more often than not all that is not a record.
	tail = 1 << 20
	// near is how many bytes that are not needed are read rather than to ask again.
	near = 256 << 10
	// minRange and maxRange bound what one request asks for.
	minRange = 16 << 10
	maxRange = 8 << 20
)

// span is a part of a file, from its first byte to before its last.
type span struct{ from, to int64 }

// extent is a part of a file that is held.
type extent struct {
	at int64
	b  []byte
}

// from is what is held from a place on, nothing when that is not held.
func (e *extent) from(off int64) []byte {
	if off < e.at || off >= e.at+int64(len(e.b)) {
		return nil
	}
	return e.b[off-e.at:]
}

// source reads an object in few requests. It holds the end of the object and what it read last;
// what will be needed, in which order, can be said in advance. It is not safe for concurrent
// use. It remembers an error of the store, so that trouble of the store is told from faults of
// the file.
type source struct {
	ctx   context.Context
	store blob.Store
	key   blob.Key
	size  int64

	end, last extent
	planned   []span
	err       error
}

// newSource reads the end of an object, or all of one that is small.
func newSource(ctx context.Context, store blob.Store, key blob.Key, size int64) (*source, error) {
	s := &source{ctx: ctx, store: store, key: key, size: size}
	if size <= 0 {
		return s, nil
	}
	n := size
	if size > whole {
		n = tail
	}
	s.end.at = size // nothing is held yet
	got, err := s.get(size-n, n)
	s.end = got
	return s, err
}

// plan says what will be read: parts of the object in their order.
func (s *source) plan(parts []span) {
	s.planned = nil
	for _, p := range parts {
		last := len(s.planned) - 1
		if last >= 0 && p.from <= s.planned[last].to+near {
			s.planned[last].to = max(s.planned[last].to, p.to)
			continue
		}
		s.planned = append(s.planned, p)
	}
}

// ReadAt implements io.ReaderAt.
func (s *source) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at < 0 || at >= s.size {
			return n, io.EOF
		}
		b := s.end.from(at)
		if b == nil {
			b = s.last.from(at)
		}
		if b == nil {
			got, err := s.get(at, s.length(at, int64(len(p)-n)))
			if err != nil {
				return n, err
			}
			s.last, b = got, got.b
		}
		n += copy(p[n:], b)
	}
	return n, nil
}

// length is how much is asked for from a place on: what was planned, or else the more the longer
// bytes are read one after another.
func (s *source) length(at, want int64) int64 {
	n := max(want, minRange)
	i := sort.Search(len(s.planned), func(i int) bool { return s.planned[i].to > at })
	switch {
	case i < len(s.planned) && s.planned[i].from <= at:
		n = s.planned[i].to - at
	case at == s.last.at+int64(len(s.last.b)):
		n = max(n, 2*int64(len(s.last.b)))
	}
	return min(n, maxRange, s.end.at-at)
}

// get asks the store.
func (s *source) get(off, length int64) (extent, error) {
	body, err := s.store.GetRange(s.ctx, s.key, off, length)
	if err != nil {
		s.err = err
		return extent{}, err
	}
	defer body.Close()
	b := make([]byte, length)
	if _, err := io.ReadFull(body, b); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: the answer was cut off", blob.ErrUnreachable)
		}
		s.err = fmt.Errorf("get %q: %w", s.key, err)
		return extent{}, s.err
	}
	return extent{off, b}, nil
}
