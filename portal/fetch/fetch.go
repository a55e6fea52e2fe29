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

// Object copies an object to a new file, with the folders above it, and computes its SHA-256 in hex.
// The error is blob.ErrCorrupt when that or the size is not what the store says.
func Object(ctx context.Context, store Store, key blob.Key, name string) (size int64, sum string, err error) {
	body, info, err := store.Get(ctx, key)
	if err != nil {
		return 0, "", err
	}
	defer body.Close() // only read
	if _, _, chunk := catalog.ParseChunk(key); !chunk && info.Size > maxBeside {
		return 0, "", fmt.Errorf("fetch %q: has %d bytes, which is too many", key, info.Size)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return 0, "", err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, "", err
	}
	h := sha256.New()
	size, err = io.Copy(io.MultiWriter(f, h), body)
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, "", fmt.Errorf("fetch %q: %w", key, err)
	}
	sum = hex.EncodeToString(h.Sum(nil))
	if size != info.Size || info.SHA256 != "" && info.SHA256 != sum {
		return 0, "", fmt.Errorf("fetch %q: %w: %d bytes with SHA-256 %s came of %d with %s", key, blob.ErrCorrupt, size, sum, info.Size, info.SHA256)
	}
	return size, sum, nil
}
