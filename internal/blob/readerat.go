package blob

import (
	"context"
	"fmt"
	"io"
)

// readAhead is how much one request asks for at least, in bytes: the directory of a
// zip file and the small files in it are read in many small steps.
const readAhead = 256 << 10

// ReaderAt reads an object in ranges, as archive/zip wants it. It keeps the last
// range, so steps through neighbouring bytes cost one request. It is not safe for
// concurrent use.
type ReaderAt struct {
	ctx   context.Context
	store Store
	key   Key
	size  int64

	at  int64
	buf []byte
}

// NewReaderAt reads the object of that key and size; ctx bounds all its requests.
func NewReaderAt(ctx context.Context, store Store, key Key, size int64) *ReaderAt {
	return &ReaderAt{ctx: ctx, store: store, key: key, size: size}
}

// ReadAt implements io.ReaderAt.
func (r *ReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= r.size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), r.size-off)
	if off < r.at || off+want > r.at+int64(len(r.buf)) {
		if err := r.fetch(off, max(want, readAhead)); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.buf[off-r.at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (r *ReaderAt) fetch(off, length int64) error {
	if length == readAhead { // a small step: what lies before it is often next
		off = max(0, min(off, r.size-length))
	}
	length = min(length, r.size-off)
	body, err := r.store.GetRange(r.ctx, r.key, off, length)
	if err != nil {
		return err
	}
	defer body.Close()
	buf := make([]byte, length)
	if _, err := io.ReadFull(body, buf); err != nil {
		return fmt.Errorf("get %q: %w", r.key, classify(err))
	}
	r.at, r.buf = off, buf
	return nil
}
