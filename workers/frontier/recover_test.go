package frontier

import (
	"context"
	"slices"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestRecoverResults: of a bundle of which nothing was heard the newest result counts, with
// those that it builds upon; what an older attempt stored in vain does not.
func TestRecoverResults(t *testing.T) {
	t.Parallel()
	type stored struct {
		name   string
		before []string
	}
	cases := map[string]struct {
		reason string
		stored []stored
		want   []string
	}{
		"None":    {reason: "nothing was committed"},
		"Numbers": {reason: "numbers are no text", stored: []stored{{"a1-x/c9.res", []string{"a1-x/c8.res"}}, {"a1-x/c10.res", []string{"a1-x/c8.res", "a1-x/c9.res"}}}, want: []string{"a1-x/c8.res", "a1-x/c9.res", "a1-x/c10.res"}},
		"Attempts": {reason: "the first attempt was refused its second result", stored: []stored{
			{"a1-x/c0.res", nil}, {"a1-x/c1.res", []string{"a1-x/c0.res"}}, {"a2-y/c1.res", []string{"a1-x/c0.res"}},
		}, want: []string{"a1-x/c0.res", "a2-y/c1.res"}},
		"Later": {reason: "the attempt counts before the number, also the tenth", stored: []stored{
			{"a9-x/c7.res", nil}, {"a10-y/c1.res", []string{"a9-x/c0.res"}},
		}, want: []string{"a9-x/c0.res", "a10-y/c1.res"}},
		"Foreign": {reason: "other objects are none", stored: []stored{{"a1-x/c0.res", nil}, {"a2-y/c1.tmp.res", nil}, {"notes", nil}}, want: []string{"a1-x/c0.res"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, &web{})
			store := r.planner.Store.Bucket("frontier")
			folder := resultBase(r.job, 0, "b1-0") + "/"
			full := func(names []string) (keys []string) {
				for _, n := range names {
					keys = append(keys, folder+n)
				}
				return keys
			}
			// That of a bundle whose name goes on is another's.
			results := map[string]frontier.Result{resultBase(r.job, 0, "b1-01") + "/a99-x/c0.res": {Version: 1}}
			for _, s := range tc.stored {
				results[folder+s.name] = frontier.Result{Version: 1, Before: full(s.before)}
			}
			for key, result := range results {
				if err := putPacked(t.Context(), store, key, result); err != nil {
					t.Fatal(err)
				}
			}
			got, err := recoverResults(t.Context(), store, r.job, 0, "b1-0")
			if err != nil || !slices.Equal(got, full(tc.want)) {
				t.Errorf("%s: got %v, %v; want %v", tc.reason, got, err, full(tc.want))
			}
		})
	}
}

// TestLostBundleOfTwoAttempts: an attempt died after its first chunk, and of the next one
// nothing was heard. What either committed is found.
func TestLostBundleOfTwoAttempts(t *testing.T) {
	t.Parallel()
	w := tree(100, "a.test", "b.test")
	r := newRig(t, w)
	r.seed("http://a.test/0", "http://b.test/0")
	ref := r.large(commitPages + 5)
	w.visit = func(context.Context, *browser.Page) error {
		if r.leases.committed(ref.ID) > 0 {
			return errKilled
		}
		return nil
	}
	if _, err := r.untilKilled(ref, isKilled); err == nil {
		t.Fatal("the first attempt did not die")
	}
	if chunks := r.store.Keys("/archive/ns/name/uid/chunks/" + ref.ID + "-"); len(chunks) != 1 {
		t.Errorf("an attempt that lost its lease stored %v", chunks)
	}
	w.visit = nil
	out, err := r.crawl(t.Context(), ref)
	if err != nil || len(out.Results) < 2 {
		t.Fatalf("the next attempt: %+v, %v", out, err)
	}
	end := r.runFrom(workflows.BundleDone{ID: ref.ID, Lost: true})
	if n := w.repeated(); end.Counts.Archived != 200 || n == 0 || n >= commitPages {
		t.Errorf("counts %+v, %d loads repeated; want those that were in no chunk", end.Counts, n)
	}
	if sealed := r.seal(); !sealed.Balanced {
		t.Errorf("sealed %+v", sealed)
	}
}

// committed is how many results of a bundle the server was told of.
func (l *leases) committed(bundle string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.last[bundle].Results)
}

// large crawls until a bundle has so many pages, which it returns unvisited.
func (r *rig) large(pages int) workflows.BundleRef {
	r.t.Helper()
	var done []workflows.BundleDone
	for range 20 {
		out := r.plan(1, done...)
		if len(out.Bundles) == 0 {
			r.t.Fatalf("there is nothing to do: %+v", out)
		}
		ref := out.Bundles[0]
		if ref.Pages >= pages {
			return ref
		}
		done = []workflows.BundleDone{r.persist(ref)}
	}
	r.t.Fatal("bundles do not grow")
	return workflows.BundleRef{}
}
