package follow

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// TestRebuilt: a catalog that was fed as an archive grew, with all that went wrong meanwhile, and
// one that is made at once from what is left say the same, to the last entry of their index.
func TestRebuilt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	fed := f.into(t)
	chunks := func(numbers ...int) {
		for _, n := range numbers {
			f.put(chunkName(n), verifytest.NewPages(n).Pack(t))
		}
	}
	erase := func(n int) { f.server.Remove("/archive/" + chunkName(n)) }
	steps := []struct {
		what string
		do   func()
	}{
		{"chunks come", func() { chunks(7, 3) }},
		{"earlier ones come later", func() { chunks(1, 5) }},
		{"one is broken", func() { f.put(chunkName(2), []byte("PK no more")) }},
		{"one is erased while others come", func() { erase(7); chunks(9, 4) }},
		{"the broken one is mended", func() { erase(2); chunks(2) }},
		{"one is broken for good", func() { f.put(chunkName(8), []byte("PK never")) }},
		{"a restart", func() { fed = f.over(t, fed) }},
		{"another run has the same pages", func() { f.put("ns/other/run-2/chunks/a.wacz", verifytest.NewPages(3).Pack(t)) }},
		{"the run is sealed without two of them", func() { f.seal(1, 2, 3, 4, 6, 8) }},
		{"a worker was late", func() { chunks(6, 10) }},
		{"one is erased of the sealed run", func() { erase(3) }},
		{"another object takes a place", func() { erase(4); f.put(chunkName(4), verifytest.NewPages(11).Pack(t)) }},
		{"the last of a run is erased", func() { f.server.Remove("/archive/ns/other/run-2/chunks/a.wacz") }},
	}
	for _, s := range steps {
		s.do()
		f.look()
		f.look()
		if fed, made := dumped(t, fed), dumped(t, f.another(t)); fed != made {
			t.Fatalf("after %s the catalogs differ (-made at once +fed):\n%s", s.what, cmp.Diff(strings.Split(made, "\n"), strings.Split(fed, "\n")))
		}
	}
	known, err := fed.Chunks(t.Context())
	if err != nil || len(known) != 5 { // 1, 2, 4, 6 and 8, which is broken
		t.Errorf("at the end there are %d chunks, %v: %+v", len(known), err, known)
	}
	if text := dumped(t, fed); strings.Count(text, "\n") < 200 || !strings.Contains(text, chunkName(8)) {
		t.Errorf("the catalogs are the same and have next to nothing:\n%.2000s", text)
	}
}

// into has a catalog of its own follow the archive.
func (f *fixture) into(t *testing.T) *catalog.Catalog { return f.over(t, newCatalog(t)) }

// over begins anew with a catalog.
func (f *fixture) over(t *testing.T, c *catalog.Catalog) *catalog.Catalog {
	t.Helper()
	f.Follower = &Follower{Store: f.store, Catalog: c, Identify: catalog.Contacts{Regions: []string{"GB"}}.Of}
	if err := f.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// another is a catalog that is made at once from what the archive has.
func (f *fixture) another(t *testing.T) *catalog.Catalog {
	t.Helper()
	c := newCatalog(t)
	follower := &Follower{Store: f.store, Catalog: c, Identify: f.Identify, Readers: 1}
	if err := errors.Join(follower.begin(t.Context()), follower.beat(t.Context())); err != nil {
		t.Fatal(err)
	}
	return c
}

func newCatalog(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// dumped is all that a catalog says.
func dumped(t *testing.T, c *catalog.Catalog) string {
	t.Helper()
	var b strings.Builder
	if err := c.Dump(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
