package follow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

const (
	// perRequest is how many objects a store lists with one request.
	perRequest = 1000
	// cheap is how many requests a listing of the whole archive may take to be made every time.
	cheap = 4
	// growing is for how long after its last chunk a run that is not sealed is looked at every
	// time. One that was suspended for longer is found by the listing of everything.
	growing = 24 * time.Hour
)

// run is what the store has of a run.
type run struct {
	catalog.Place // of its closing statement
	sealed        bool
	// doubtful is set when its closing statement could not be read for now.
	doubtful bool
	chunks   []blob.Info
	objects  int
	newest   time.Time
}

// seen is what was listed: all below some prefixes, each to its end.
type seen struct {
	prefixes []string
	runs     map[string]*run // by folder
	objects  int
}

// covers tells whether what has a key would have been seen if it were there.
func (s *seen) covers(key blob.Key) bool {
	return slices.ContainsFunc(s.prefixes, func(p string) bool { return strings.HasPrefix(string(key), p) })
}

// observe lists what may have changed. After an error nothing is known.
func (f *Follower) observe(ctx context.Context) (*seen, error) {
	began := f.Now()
	s := &seen{prefixes: f.prefixes(began), runs: map[string]*run{}}
	for _, prefix := range s.prefixes {
		err := f.Store.List(ctx, prefix, func(o blob.Info) bool {
			s.collect(o)
			return true
		})
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err // a listing that was broken off has not said what is missing
		}
	}
	all := slices.Contains(s.prefixes, "")
	if all {
		f.objects, f.listedAll, f.open = s.objects, began, map[string]int{}
	}
	for _, folder := range slices.Sorted(maps.Keys(s.runs)) {
		r := s.runs[folder]
		delete(f.open, folder)
		if !r.sealed && began.Sub(r.newest) < growing {
			f.open[folder] = r.objects
		}
	}
	f.remember(s)
	return s, nil
}

// prefixes are what is listed now: everything when that is due, or costs no more than the runs
// that may grow.
func (f *Follower) prefixes(now time.Time) []string {
	requests := func(objects int) int { return 1 + objects/perRequest }
	some := 0
	for _, objects := range f.open {
		some += requests(objects)
	}
	if f.listedAll.IsZero() || now.Sub(f.listedAll) >= f.All || requests(f.objects) <= max(cheap, some) {
		return []string{""}
	}
	return slices.Sorted(maps.Keys(f.open))
}

// collect adds an object to the run that it belongs to. Others than chunks and closing statements
// are no concern of a catalog.
func (s *seen) collect(o blob.Info) {
	s.objects++
	p, ok := catalog.ParseKey(o.Key)
	if !ok {
		return
	}
	r := s.runs[p.Folder]
	if r == nil {
		r = &run{Place: catalog.Place{Run: p.Run, Folder: p.Folder}}
		s.runs[p.Folder] = r
	}
	r.objects++
	if p.File == "" {
		r.sealed = true
		return
	}
	r.chunks = append(r.chunks, o)
	if o.Modified.After(r.newest) {
		r.newest = o.Modified
	}
}

// judge finds the chunks that the closing statements of their runs do not name: a worker stored
// them and ended before it could say so, and their pages were visited again. A statement never
// changes, so each is read once; again only when there is a chunk that nothing is known of.
// Runs whose statement the store does not give stay as they are for now.
func (f *Follower) judge(ctx context.Context, s *seen) error {
	var sealed []*run
	for _, folder := range slices.Sorted(maps.Keys(s.runs)) {
		if r := s.runs[folder]; r.sealed && (!f.judged[folder] || slices.ContainsFunc(r.chunks, f.unheardOf)) {
			sealed = append(sealed, r)
		}
	}
	named, errs := f.statements(ctx, sealed)
	var trouble error
	for i, r := range sealed {
		switch err := errs[i]; {
		case err == nil:
			f.judged[r.Folder] = true
			for _, o := range r.chunks {
				if !named[i][o.Key] {
					f.uncommitted[o.Key] = true
				}
			}
		case errors.Is(err, retention.ErrBroken):
			f.judged[r.Folder] = true
			f.unreadable(r, err) // nobody can tell: all of them are shown
		default:
			r.doubtful, trouble = true, cmp.Or(trouble, err)
		}
	}
	return trouble
}

// statements are the chunks that the closing statements of runs name. When the store gives none
// of several the others are not asked for.
func (f *Follower) statements(ctx context.Context, runs []*run) (named []map[blob.Key]bool, errs []error) {
	named, errs = make([]map[blob.Key]bool, len(runs)), make([]error, len(runs))
	var failed atomic.Int64
	var group errgroup.Group
	group.SetLimit(f.Readers)
	for i, r := range runs {
		group.Go(func() error {
			if failed.Load() >= maxTrouble {
				errs[i] = fmt.Errorf("closing statement of %q: it was not asked for: others were not to be had", r.Folder)
				return nil
			}
			if named[i], errs[i] = f.named(ctx, r.Folder); errs[i] != nil && !errors.Is(errs[i], retention.ErrBroken) {
				failed.Add(1)
			}
			return nil
		})
	}
	_ = group.Wait() // each has its own error
	return named, errs
}

// unheardOf tells whether a chunk is neither in the catalog nor to be left out of it.
func (f *Follower) unheardOf(o blob.Info) bool {
	_, known := f.known[o.Key]
	return !known && !f.uncommitted[o.Key]
}

// named are the chunks that the closing statement of a run names.
func (f *Follower) named(ctx context.Context, folder string) (map[blob.Key]bool, error) {
	st, err := retention.ReadStatement(ctx, f.Store, folder)
	if err != nil {
		return nil, fmt.Errorf("closing statement of %q: %w", folder, err)
	}
	named := make(map[blob.Key]bool, len(st.Objects))
	for _, o := range st.Objects {
		named[blob.Key(folder+o.Name)] = true
	}
	return named, nil
}

// unreadable takes down that a closing statement cannot be read.
func (f *Follower) unreadable(r *run, err error) {
	key := r.Statement()
	f.Logger.Warn("a closing statement cannot be read", "key", key)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.problems[key] = shortened(err.Error())
}
