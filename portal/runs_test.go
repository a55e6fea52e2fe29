package portal

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/wacz"
)

// counted is a store that takes down what is listed of it.
type counted struct {
	blob.Store
	mu    sync.Mutex
	lists []string
}

func (c *counted) List(ctx context.Context, prefix string, yield func(blob.Info) bool) error {
	c.mu.Lock()
	c.lists = append(c.lists, prefix)
	c.mu.Unlock()
	return c.Store.List(ctx, prefix, yield)
}

// asked is what was listed since the last call.
func (c *counted) asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lists := c.lists
	c.lists = nil
	return lists
}

// TestRunsAreNotListedAnew: what the follower has listed is not listed for each request, and a run is looked for where
// it may be.
func TestRunsAreNotListedAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	const other = "team/default/ads/other/"
	f.put(t, f.bucket, other+"chunks/c0.wacz", pack(t, []wacz.Page{archived("https://www.example.org/", "Start", 1)}, nil))
	f.put(t, f.bucket, "default/none/empty/run.json", statement(t, nil))
	store := &counted{Store: f.bucket}
	runs := &Runs{Archive: store, Listing: f.follow}
	all := func() (names []string) {
		t.Helper()
		list, err := runs.All(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			names = append(names, r.Prefix)
			if r.Sealed != (r.Prefix != other) || (len(r.Chunks) == 0) != (r.Name == "none") {
				t.Errorf("%+v", r)
			}
		}
		return names
	}
	check := func(what string, listed ...string) {
		t.Helper()
		if diff := cmp.Diff(listed, store.asked()); diff != "" {
			t.Errorf("%s: listed were (-want +got):\n%s", what, diff)
		}
	}
	before := all()
	check("all, before the archive was listed", "")
	f.catch(t)
	if diff := cmp.Diff(before, all()); diff != "" || len(before) != 3 {
		t.Errorf("the runs when they are known (-before +after):\n%s", diff)
	}
	check("all")
	for _, tc := range []struct {
		name, uid string
		found     bool
		listed    []string
	}{
		{"ads", uid, true, []string{folder}},
		{"ads", "other", true, []string{other}},
		{"ads", "new", false, []string{"default/ads/new/", "team/default/ads/new/"}},
	} {
		_, err := runs.Run(t.Context(), "default", tc.name, tc.uid)
		if (err == nil) != tc.found || err != nil && !errors.Is(err, ErrNoRun) {
			t.Errorf("%s: %v", tc.uid, err)
		}
		check(tc.uid, tc.listed...)
	}
	f.put(t, f.bucket, "team/default/ads/new/chunks/c0.wacz", []byte("x"))
	if r, err := runs.Run(t.Context(), "default", "ads", "new"); err != nil || len(r.Chunks) != 1 {
		t.Errorf("a run that is not known yet: %+v, %v", r, err)
	}
}

// TestStatementsOfErasedRunsAreForgotten: what is kept of a run goes with it.
func TestStatementsOfErasedRunsAreForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.catch(t)
	kept := func() int {
		t.Helper()
		f.get("/crawls")
		return len(f.server.Runs.read().values)
	}
	if n := kept(); n != 1 {
		t.Fatalf("%d statements are kept, want 1", n)
	}
	for _, name := range []string{"run.json", "chunks/c0.wacz", "chunks/c1.wacz"} {
		f.store.Remove("/archive/" + folder + name)
	}
	f.catch(t)
	if n := kept(); n != 0 || f.server.Runs.read().bytes != 0 || len(f.server.Runs.read().order) != 0 {
		t.Errorf("%d statements are kept when the run is erased", n)
	}
}
