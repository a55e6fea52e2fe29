// Package fetch copies chunks out of the archive with what lies beside them, to be checked or handed
// over.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// maxBeside bounds what lies beside a chunk, in bytes: a closing statement or a sidecar.
const maxBeside = 256 << 20

// Store is what is needed of the archive. A blob.Store is one.
type Store interface {
	Get(ctx context.Context, key blob.Key) (io.ReadCloser, blob.Info, error)
}

// Beside are what a chunk is judged by besides itself: its sidecar with signature and stamps, and the
// closing statement of its run with that one's. Each of them may be missing.
func Beside(chunk blob.Key) ([]blob.Key, error) {
	p, ok := catalog.ParseKey(chunk)
	if !ok || p.File == "" {
		return nil, fmt.Errorf("%q is no chunk of a run: %w", chunk, blob.ErrNotFound)
	}
	statement := p.Statement()
	return []blob.Key{chunk + evidence.SidecarSuffix, statement, statement + evidence.SidecarSuffix}, nil
}

// DamagedError says that an object is damaged in the store: it was fetched twice, the same bytes came,
// and they are not those that the store says it was given.
type DamagedError struct {
	Key    blob.Key
	Size   int64
	SHA256 string // in hex
	// Given is what the store says it was given.
	Given blob.Info
}

// Error implements error.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("fetch %q: it is damaged: %s", e.Key, e.Reason())
}

// Reason is what is wrong, without the name.
func (e *DamagedError) Reason() string {
	return fmt.Sprintf("the store was given %s, and has %s", described(e.Given.Size, e.Given.SHA256), described(e.Size, e.SHA256))
}

func described(size int64, sum string) string {
	if sum == "" {
		return fmt.Sprintf("%d bytes", size)
	}
	return fmt.Sprintf("%d bytes with SHA-256 %s", size, sum)
}

// Object copies an object to a new file, with the folders above it, and computes its SHA-256 in hex.
// Where that or the size is not what the store says, it is fetched once more: the error is
// a *DamagedError with the same bytes, which are in the file, and blob.ErrCorrupt with others, which
// were damaged on the way.
func Object(ctx context.Context, store Store, key blob.Key, name string) (size int64, sum string, err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return 0, "", err
	}
	size, sum, given, err := attempt(ctx, store, key, name)
	if err != nil || fits(size, sum, given) {
		return size, sum, err
	}
	if err := os.Remove(name); err != nil {
		return 0, "", err
	}
	sizeAgain, again, given, err := attempt(ctx, store, key, name)
	switch {
	case err != nil || fits(sizeAgain, again, given):
		return sizeAgain, again, err
	case again != sum:
		return 0, "", fmt.Errorf("fetch %q: %w: %s came, then %s", key, blob.ErrCorrupt, described(size, sum), described(sizeAgain, again))
	}
	return size, sum, &DamagedError{Key: key, Size: size, SHA256: sum, Given: given}
}

func fits(size int64, sum string, given blob.Info) bool {
	return size == given.Size && (given.SHA256 == "" || given.SHA256 == sum)
}

// attempt copies an object to a new file. Given is what the store says of it.
func attempt(ctx context.Context, store Store, key blob.Key, name string) (size int64, sum string, given blob.Info, err error) {
	body, given, err := store.Get(ctx, key)
	if err != nil {
		return 0, "", given, err
	}
	defer body.Close() // only read
	if _, _, chunk := catalog.ParseChunk(key); !chunk && given.Size > maxBeside {
		return 0, "", given, fmt.Errorf("fetch %q: has %d bytes, which is too many", key, given.Size)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, "", given, err
	}
	h := sha256.New()
	size, err = io.Copy(io.MultiWriter(f, h), body)
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, "", given, fmt.Errorf("fetch %q: %w", key, err)
	}
	return size, hex.EncodeToString(h.Sum(nil)), given, nil
}
