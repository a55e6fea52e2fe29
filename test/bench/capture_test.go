package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/workers/archive"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// chunkPages is how many pages go into a WACZ file, as in the fleet.
const chunkPages = 20

// runCapture does with each page what the fleet does. all says that there are outputs, chunks, and a store.
func (r *run) runCapture(ctx context.Context, all bool) (t timing, err error) {
	s := &store{run: r}
	if all {
		client, err := blob.NewClient(*r.Store)
		if err != nil {
			return t, err
		}
		s.bucket = client.Bucket(r.Bucket)
	}
	// A page that waits for quiet leaves the work to others: see browser.Options.
	visits := make([]func(string) error, 3*r.Tabs)
	for i := range visits {
		stay, err := r.pool.Stay(ctx, browser.StayOptions{})
		if err != nil {
			return t, err
		}
		defer func() { err = errors.Join(err, stay.Close()) }()
		visits[i] = func(url string) error { return s.visit(ctx, stay, url) }
	}
	if all { // what is left in the last chunk counts too
		last := len(r.URLs)
		var mu sync.Mutex
		for i, visit := range visits {
			visits[i] = func(url string) error {
				err := visit(url)
				mu.Lock()
				defer mu.Unlock()
				if last--; last == 0 {
					err = errors.Join(err, s.commit(ctx))
				}
				return err
			}
		}
	}
	return r.measure(os.Getpid(), visits)
}

// store takes pages into chunks and puts these into the store.
type store struct {
	*run
	bucket blob.Store

	mu     sync.Mutex
	chunk  *archive.Chunk
	pages  int
	chunks int
}

func (s *store) visit(ctx context.Context, stay *browser.Stay, url string) error {
	dir := s.pageDir().Dir
	defer os.RemoveAll(dir)
	v := browser.Visit{ID: filepath.Base(dir), URL: url, Dir: dir}
	if s.bucket != nil {
		v.Screenshot, v.Text, v.DOM = browser.ScreenshotViewport, true, true
	}
	p, err := stay.Capture(ctx, v)
	if err != nil {
		return err
	}
	if p.Outcome.State != browser.Archived || p.Completeness.Ratio < 1 {
		s.incomplete.Add(1)
		fmt.Fprintf(os.Stderr, "bench: %s: %+v, completeness %.3f\n", url, p.Outcome, p.Completeness.Ratio)
	}
	if s.bucket == nil {
		return nil
	}
	return s.add(ctx, p)
}

func (s *store) add(ctx context.Context, p *browser.Page) error {
	s.mu.Lock()
	if s.chunk == nil {
		s.chunks++
		var err error
		s.chunk, err = archive.NewChunk(archive.Options{Dir: filepath.Join(s.dir, fmt.Sprintf("chunk-%d", s.chunks)), Title: "benchmark"})
		if err != nil {
			s.mu.Unlock()
			return err
		}
	}
	err := s.chunk.Add(p)
	s.pages++
	full := s.pages == chunkPages
	s.mu.Unlock()
	if err != nil || !full {
		return err
	}
	return s.commit(ctx)
}

// commit closes the present chunk and stores it.
func (s *store) commit(ctx context.Context) error {
	s.mu.Lock()
	chunk, n := s.chunk, s.chunks
	s.chunk, s.pages = nil, 0
	s.mu.Unlock()
	if chunk == nil {
		return nil
	}
	file, err := chunk.Close()
	if err != nil {
		return err
	}
	key, err := blob.NewKey(fmt.Sprintf("bench/%d/%d.wacz", os.Getpid(), n))
	if err != nil {
		return err
	}
	_, err = archive.Store(ctx, s.bucket, key, file)
	return errors.Join(err, os.Remove(file.Path))
}
