package follow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

const (
	// maxTrouble is after how many chunks in a row that the store does not give the rest are
	// left for the next time.
	maxTrouble = 8
	// maxProblem bounds what is said of a broken file, in bytes.
	maxProblem = 1024
)

// plan is what the catalog lacks of what was seen.
type plan struct {
	remove []blob.Key
	read   []catalog.Chunk
}

// decide compares what was seen with what the catalog has.
func (f *Follower) decide(s *seen) (p plan) {
	there := map[blob.Key]bool{}
	for _, r := range s.runs {
		for _, o := range r.chunks {
			if f.uncommitted[o.Key] {
				continue
			}
			there[o.Key] = true
			known, ok := f.known[o.Key]
			switch {
			case ok && known.Size != o.Size:
				p.remove = append(p.remove, o.Key) // it is another object
			case ok && (known.Problem == "" || f.tried[o.Key]), r.doubtful:
				continue
			}
			p.read = append(p.read, catalog.Chunk{Key: o.Key, Size: o.Size, Modified: o.Modified.UTC(), Run: r.Run})
		}
	}
	for key := range f.known {
		if s.covers(key) && !there[key] {
			p.remove = append(p.remove, key)
		}
	}
	slices.Sort(p.remove)
	slices.SortFunc(p.read, func(a, b catalog.Chunk) int { return cmp.Compare(a.Key, b.Key) })
	return p
}

// follow brings the catalog into step with what was seen. What is gone goes first: it may have
// been erased.
func (f *Follower) follow(ctx context.Context, s *seen) error {
	p := f.decide(s)
	all := slices.Contains(s.prefixes, "")
	f.mu.Lock()
	f.progress.Waiting = len(p.read)
	if all {
		f.progress.Listed = f.listedAll.UTC()
	}
	f.mu.Unlock()
	if all {
		f.clean(s)
	}
	return errors.Join(f.removeAll(ctx, &p), f.readAll(ctx, p.read))
}

// removeAll removes what is gone. A chunk that cannot be removed keeps no other from it, and is
// removed with the next look; what came in its place waits.
func (f *Follower) removeAll(ctx context.Context, p *plan) (failed error) {
	for _, key := range p.remove {
		if err := f.Catalog.Remove(ctx, key); err != nil {
			failed = cmp.Or(failed, err)
			p.read = slices.DeleteFunc(p.read, func(c catalog.Chunk) bool { return c.Key == key })
			continue
		}
		f.forget(key)
		f.Logger.Info("a chunk was removed from the catalog", "key", key)
	}
	return failed
}

// clean forgets what was known of objects that are no more.
func (f *Follower) clean(s *seen) {
	there := map[blob.Key]bool{}
	for _, r := range s.runs {
		there[r.Statement()] = r.sealed
		for _, o := range r.chunks {
			there[o.Key] = true
		}
	}
	for folder := range f.judged {
		if s.runs[folder] == nil {
			delete(f.judged, folder)
		}
	}
	for _, keys := range []map[blob.Key]bool{f.uncommitted, f.tried} {
		for key := range keys {
			if !there[key] {
				delete(keys, key)
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.problems {
		if !there[key] {
			delete(f.problems, key)
		}
	}
}

// result is what became of reading a chunk.
type result struct {
	chunk   catalog.Chunk
	entries []catalog.Entry
	hosts   []string
	err     error // the store's
}

// readAll reads chunks, some at once, and adds them in their order.
func (f *Follower) readAll(ctx context.Context, chunks []catalog.Chunk) error {
	ctx, stop := context.WithCancel(ctx)
	results := f.readers(ctx, chunks)
	defer func() {
		stop()
		for r := range results { // their readers end with the context
			<-r
		}
	}()
	var trouble []error
	inRow := 0
	for waiting := range results {
		r := <-waiting
		switch {
		case errors.Is(r.err, blob.ErrNotFound): // erased since it was listed
		case r.err != nil:
			trouble = append(trouble, r.err)
			if inRow++; inRow == maxTrouble || ctx.Err() != nil {
				return r.err
			}
			continue
		default:
			if err := f.add(ctx, r); err != nil {
				return err
			}
		}
		inRow = 0
		f.mu.Lock()
		f.progress.Waiting--
		f.mu.Unlock()
	}
	if len(trouble) > 0 {
		return fmt.Errorf("%d chunks could not be read, the first: %w", len(trouble), trouble[0])
	}
	return ctx.Err()
}

// readers read chunks and give what came of each in their order. No more results than there are
// readers, or two, are ready or under way.
func (f *Follower) readers(ctx context.Context, chunks []catalog.Chunk) <-chan chan result {
	// One is with whoever takes them, and one is waiting to be put in.
	results := make(chan chan result, max(0, f.Readers-2))
	go func() {
		defer close(results)
		for _, c := range chunks {
			r := make(chan result, 1)
			go func() { r <- f.read(ctx, c) }()
			select {
			case results <- r:
			case <-ctx.Done():
				<-r
				return
			}
		}
	}()
	return results
}

// read reads a chunk.
func (f *Follower) read(ctx context.Context, c catalog.Chunk) result {
	contents, hosts, err := snapshot.Read(ctx, f.Store, c.Key, c.Size)
	if errors.Is(err, snapshot.ErrBroken) {
		c.Problem = shortened(err.Error())
		return result{chunk: c}
	}
	if err != nil {
		return result{chunk: c, err: err}
	}
	r := result{chunk: c, hosts: hosts, entries: make([]catalog.Entry, len(contents))}
	for i, p := range contents {
		r.entries[i] = catalog.Entry{Page: p.Page, Text: p.Text}
		if f.Identify != nil {
			r.entries[i].Identifiers = f.Identify(p.Text, p.Links)
		}
	}
	return r
}

// add adds a chunk that was read.
func (f *Follower) add(ctx context.Context, r result) error {
	if err := f.Catalog.Add(ctx, r.chunk, r.entries, r.hosts); err != nil {
		return err
	}
	f.note(r.chunk)
	if r.chunk.Problem != "" {
		f.tried[r.chunk.Key] = true
		f.Logger.Warn("a chunk cannot be read", "key", r.chunk.Key) // why may have addresses of pages in it
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress.Read++
	return nil
}

// shortened is a text that is not too long.
func shortened(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxProblem)], "")
}
