package archive

import (
	"context"
	"fmt"
	"os"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// waczType is the media type of WACZ files (WACZ 1.1.1 section 8).
const waczType = "application/wacz"

// Putter is what Store needs of an object store: blob.Store has it.
type Putter interface {
	Put(ctx context.Context, key blob.Key, content blob.Content) (blob.Info, error)
}

// Receipt is the store's confirmation of a chunk: from here on its pages are
// archived.
type Receipt struct {
	// Key is where the chunk is, Size and SHA256 (hex) what was confirmed.
	Key    blob.Key
	Size   int64
	SHA256 string
	// ETag as the store gave it.
	ETag string
}

// Store puts a closed chunk into the store: one request that fails when the
// key is taken by something else, and whose checksum the store verifies. It
// returns only when the store has confirmed. Errors are those of package blob.
func Store(ctx context.Context, store Putter, key blob.Key, file *File) (Receipt, error) {
	f, err := os.Open(file.Path)
	if err != nil {
		return Receipt{}, fmt.Errorf("store chunk %s: %w", key, err)
	}
	defer f.Close() // read only
	info, err := store.Put(ctx, key, blob.Content{Body: f, Size: file.Size, SHA256: file.SHA256, Type: waczType})
	if err != nil {
		return Receipt{}, fmt.Errorf("store chunk %s: %w", key, err)
	}
	return Receipt{Key: key, Size: file.Size, SHA256: file.SHA256, ETag: info.ETag}, nil
}
