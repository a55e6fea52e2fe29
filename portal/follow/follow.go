// Package follow keeps a catalog in step with the archive: what the store has and the catalog
// has not is read and added, and what the store has no more is removed.
//
// The store is the truth, and there is nothing else to go by: no queue and no list of what was
// done. What a catalog should hold follows from a listing of the archive and the closing
// statements in it ([observe], then [decide], then do). So followers that begin at different
// times, that stop and go on, or whose store is away for a while, all come to the same catalog.
package follow

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// Catalog is what is kept in step. It is used by one goroutine.
type Catalog interface {
	// Chunks are those that it knows, also those with a problem.
	Chunks(ctx context.Context) ([]catalog.Chunk, error)
	// Add adds a chunk, in the place of one with a problem. Hosts are in the form of a SURT.
	Add(ctx context.Context, chunk catalog.Chunk, entries []catalog.Entry, hosts []string) error
	// Remove removes a chunk with all that was found in it. One that is not there is removed.
	Remove(ctx context.Context, key blob.Key) error
}

const (
	defaultEvery   = 5 * time.Second
	defaultAll     = time.Minute
	defaultReaders = 4
)

// Follower follows an archive. Its methods but Run may be called at any time, by many.
type Follower struct {
	Store   blob.Store
	Catalog Catalog
	// Identify finds telephone numbers, e-mail addresses and handles in what a page shows and
	// links to. It is called by several goroutines at once.
	Identify func(text string, links []snapshot.Link) []catalog.Meaning
	// Every is how often the archive is looked at, by default 5 seconds: a new chunk of a run
	// that is known is in the catalog within that time, unless there is much to be read. All is
	// how often at least all of the archive is listed, by default every minute. A small archive
	// is listed every time.
	Every, All time.Duration
	// Readers is how many chunks are read at once, by default 4. As many are in memory.
	Readers int
	// Now is the clock, by default time.Now.
	Now    func() time.Time
	Logger *slog.Logger

	// known are the chunks in the catalog, judged the runs whose closing statement was read,
	// uncommitted the chunks that these do not name, tried those with a problem that were
	// read anew since this follower began, and open the runs that may grow.
	known       map[blob.Key]catalog.Chunk
	judged      map[string]bool
	uncommitted map[blob.Key]bool
	tried       map[blob.Key]bool
	open        map[string]int // the number of objects, by folder
	objects     int            // in the whole archive
	listedAll   time.Time

	mu       sync.Mutex
	progress Progress
	problems map[blob.Key]string
	runs     map[string]*run // by folder; nil until all of the archive was listed
}

// Progress says how far the catalog is behind the store.
type Progress struct {
	// Known is how many chunks the catalog has, with those that could not be read.
	Known int `json:"known"`
	// Waiting is how many were listed that have not been read yet, Read how many were read
	// since the program began.
	Waiting int `json:"waiting"`
	Read    int `json:"read"`
	// Problems is how many files have one.
	Problems int `json:"problems"`
	// Newest is when the newest chunk in the catalog was stored.
	Newest time.Time `json:"newest,omitzero"`
	// Listed is when all of the archive was listed last; as long as it is zero, nobody knows
	// what is missing.
	Listed time.Time `json:"listed,omitzero"`
	// Error is why the last look at the store failed, empty when it did not. Since is when
	// looks began to fail.
	Error string    `json:"error,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// Cause is that error itself, for who tells it from others.
	Cause error `json:"-"`
}

// Current reports whether the catalog had all that the store has when that was looked at last.
func (p Progress) Current() bool { return !p.Listed.IsZero() && p.Waiting == 0 && p.Error == "" }

// Problem is what is wrong with a file of the archive.
type Problem struct {
	Key  blob.Key `json:"key"`
	Text string   `json:"problem"`
}

// Progress tells how far it is.
func (f *Follower) Progress() Progress {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.progress
	p.Problems = len(f.problems)
	return p
}

// Problems are the files that could not be read, in the order of their keys.
func (f *Follower) Problems() []Problem {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Problem
	for _, key := range slices.Sorted(maps.Keys(f.problems)) {
		all = append(all, Problem{key, f.problems[key]})
	}
	return all
}

// Run follows the archive until the context ends. The error is the catalog's when it cannot even
// say what it holds; all other trouble is waited out.
func (f *Follower) Run(ctx context.Context) error {
	if err := f.begin(ctx); err != nil {
		return err
	}
	failed := 0
	for {
		if err := f.beat(ctx); err != nil {
			failed++
		} else {
			failed = 0
		}
		if !wait(ctx, f.pause(failed)) {
			return nil
		}
	}
}

// begin fills in what was left out, and asks the catalog what it holds.
func (f *Follower) begin(ctx context.Context) error {
	f.Every, f.All, f.Readers = cmp.Or(f.Every, defaultEvery), cmp.Or(f.All, defaultAll), cmp.Or(f.Readers, defaultReaders)
	if f.Now == nil {
		f.Now = time.Now
	}
	if f.Logger == nil {
		f.Logger = slog.New(slog.DiscardHandler)
	}
	f.known, f.judged, f.uncommitted, f.tried, f.open = map[blob.Key]catalog.Chunk{}, map[string]bool{}, map[blob.Key]bool{}, map[blob.Key]bool{}, map[string]int{}
	chunks, err := f.Catalog.Chunks(ctx)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.problems = map[blob.Key]string{}
	f.mu.Unlock()
	for _, c := range chunks {
		f.note(c)
	}
	return nil
}

// pause is how long to wait, longer the more often in a row the store failed.
func (f *Follower) pause(failed int) time.Duration {
	d := f.Every
	for range failed {
		if d *= 2; d >= f.All {
			return max(f.All, f.Every)
		}
	}
	return d
}

// wait reports whether the time has passed before the context ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// beat looks at the archive once, and brings the catalog into step with it.
func (f *Follower) beat(ctx context.Context) error {
	seen, err := f.observe(ctx)
	if err == nil {
		err = f.judge(ctx, seen)
		err = errors.Join(err, f.follow(ctx, seen))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		f.progress.Error, f.progress.Cause, f.progress.Since = "", nil, time.Time{}
		return nil
	}
	if f.progress.Error == "" {
		f.progress.Since = f.Now().UTC()
		f.Logger.Warn("the archive cannot be followed for now", "error", err)
	}
	f.progress.Error, f.progress.Cause = err.Error(), err
	return err
}

// note takes down a chunk that the catalog has.
func (f *Follower) note(c catalog.Chunk) {
	f.known[c.Key] = c
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress.Known = len(f.known)
	if c.Modified.After(f.progress.Newest) {
		f.progress.Newest = c.Modified.UTC()
	}
	delete(f.problems, c.Key)
	if c.Problem != "" {
		f.problems[c.Key] = c.Problem
	}
}

// forget takes down that the catalog has a chunk no more.
func (f *Follower) forget(key blob.Key) {
	delete(f.known, key)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress.Known = len(f.known)
	delete(f.problems, key)
}
