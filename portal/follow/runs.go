package follow

import (
	"context"
	"maps"
	"slices"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// Run is what the store has of a run.
type Run struct {
	catalog.Run
	// Folder is where it lies, with a slash at its end.
	Folder string
	// Sealed tells whether its closing statement is there.
	Sealed bool
	// Chunks are in the order of their keys, with those that the closing statement does not name.
	Chunks []blob.Info
}

// Runs are the runs that the archive had when it was listed last, in the order of their folders.
// Current is set when that was not long ago: all of it has been listed, and the last look did
// not fail.
func (f *Follower) Runs() (runs []Run, current bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return runsOf(f.runs), f.runs != nil && f.progress.Error == ""
}

// List lists the runs below a prefix, in the order of their folders.
func List(ctx context.Context, store blob.Store, prefix string) ([]Run, error) {
	s := &seen{runs: map[string]*run{}}
	err := store.List(ctx, prefix, func(o blob.Info) bool {
		s.collect(o)
		return true
	})
	if err != nil {
		return nil, err
	}
	return runsOf(s.runs), nil
}

func runsOf(seen map[string]*run) []Run {
	runs := make([]Run, 0, len(seen))
	for _, folder := range slices.Sorted(maps.Keys(seen)) {
		r := seen[folder]
		runs = append(runs, Run{Run: r.Run, Folder: folder, Sealed: r.sealed, Chunks: r.chunks})
	}
	return runs
}

// remember takes down the runs that were seen. What was not listed this time stays; until all of the
// archive has been, nobody knows which runs there are.
func (f *Follower) remember(s *seen) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case slices.Contains(s.prefixes, ""):
		f.runs = maps.Clone(s.runs)
	case f.runs != nil:
		maps.DeleteFunc(f.runs, func(folder string, _ *run) bool { return s.covers(blob.Key(folder)) })
		maps.Copy(f.runs, s.runs)
	}
}
