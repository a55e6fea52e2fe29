package selection

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// chosen are the pages that were picked of a chunk.
type chosen struct {
	key   blob.Key
	pages []string
}

// group are the picks by chunk, in the order in which they are picked first.
func group(picks []Pick) ([]chosen, error) {
	if len(picks) == 0 || len(picks) > MaxPicks {
		return nil, fmt.Errorf("%d pages are picked; it has to be 1 to %d", len(picks), MaxPicks)
	}
	var all []chosen
	places := map[blob.Key]int{}
	for _, p := range picks {
		if _, err := blob.NewKey(string(p.Chunk)); err != nil {
			return nil, err
		}
		i, ok := places[p.Chunk]
		if !ok {
			i = len(all)
			places[p.Chunk], all = i, append(all, chosen{key: p.Chunk})
		}
		if !slices.Contains(all[i].pages, p.Page) {
			all[i].pages = append(all[i].pages, p.Page)
		}
	}
	return all, nil
}

// present checks that all chunks are there, before the first of them is fetched.
func present(ctx context.Context, store Store, all []chosen) error {
	var gone []blob.Key
	for _, c := range all {
		_, err := store.Head(ctx, c.key)
		if errors.Is(err, blob.ErrNotFound) {
			gone = append(gone, c.key)
		} else if err != nil {
			return err
		}
	}
	if len(gone) > 0 {
		return &GoneError{gone}
	}
	return nil
}

// fetch copies an object to a new file, with the folders above it.
func fetch(ctx context.Context, store Store, key blob.Key, name string) (size int64, sum string, err error) {
	body, info, err := store.Get(ctx, key)
	if err != nil {
		return 0, "", err
	}
	defer body.Close() // only read
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
