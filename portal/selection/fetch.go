package selection

import (
	"context"
	"errors"
	"fmt"
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
