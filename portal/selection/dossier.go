package selection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/portal/fetch"
)

// gather copies the chunks of picked pages into a folder, laid out as the archive is, with what a dossier has of
// each besides: its signature and stamps, and the statement of its run with those. The
// snapshots are in the order of the picks. The error is a *GoneError when chunks are not there any more.
func gather(ctx context.Context, store Store, picks []Pick, dir string) ([]dossier.Snapshot, error) {
	byChunk, err := group(picks)
	if err != nil {
		return nil, err
	}
	if err := present(ctx, store, byChunk); err != nil {
		return nil, err
	}
	g := gathering{store: store, dir: dir, have: map[blob.Key]bool{}}
	for _, c := range byChunk {
		if err := g.get(ctx, c.key); err != nil {
			return nil, err
		}
		beside, err := fetch.Beside(c.key)
		if err != nil {
			return nil, err
		}
		for _, key := range beside {
			if err := g.get(ctx, key); err != nil && !errors.Is(err, blob.ErrNotFound) {
				return nil, err
			}
		}
	}
	var snapshots []dossier.Snapshot
	for _, p := range picks {
		snapshots = append(snapshots, dossier.Snapshot{Path: g.path(p.Chunk), Page: p.Page})
	}
	return snapshots, nil
}

// gathering copies objects into a folder, each once.
type gathering struct {
	store Store
	dir   string
	have  map[blob.Key]bool
}

func (g *gathering) path(key blob.Key) string {
	return filepath.Join(g.dir, filepath.FromSlash(string(key)))
}

func (g *gathering) get(ctx context.Context, key blob.Key) error {
	if g.have[key] {
		return nil
	}
	_, _, err := fetch.Object(ctx, g.store, key, g.path(key))
	g.have[key] = err == nil
	return err
}

// Dossier writes a dossier of picked pages as one ZIP file, encrypted to recipients when there are
// any: what crawlctl dossier create makes of snapshots on disk (docs/dossier.md). The Options say
// all but the snapshots. Nothing is written before the dossier is whole. Temporary files go below temp, the system's
// folder for them when it is empty: all chunks, and the dossier.
func Dossier(ctx context.Context, store Store, picks []Pick, o dossier.Options, w io.Writer, recipients []age.Recipient, temp string) (*dossier.Dossier, error) {
	if len(picks) > dossier.MaxExhibits {
		return nil, fmt.Errorf("%d pages are picked; a dossier has %d exhibits at most", len(picks), dossier.MaxExhibits)
	}
	dir, err := os.MkdirTemp(temp, "dossier-*")
	if err != nil {
		return nil, fmt.Errorf("make a dossier: %w", err)
	}
	defer os.RemoveAll(dir) // what counts has been written to w
	if o.Snapshots, err = gather(ctx, store, picks, filepath.Join(dir, "archive")); err != nil {
		return nil, fmt.Errorf("make a dossier: %w", err)
	}
	made := filepath.Join(dir, "dossier")
	d, err := dossier.Create(ctx, made, o)
	if err != nil {
		return nil, err
	}
	return d, dossier.Pack(w, os.DirFS(made), d.Created, recipients)
}
