package follow

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

func TestChunksAppearAndAreErased(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.look()
	f.want("an empty archive")
	if p := f.Progress(); !p.Current() || p.Newest != (time.Time{}) {
		t.Errorf("of an empty archive: %+v", p)
	}
	f.chunk(1)
	f.put(folder+"chunks/1.wacz.evidence.json", []byte("{}"))
	f.put(folder+"leads/00001.jsonl.zst", []byte("x"))
	f.put("custody/log/chunks.wacz", []byte("x"))
	f.look()
	f.want("a chunk appeared", "1.wacz")
	key := blob.Key(chunkName(1))
	if diff := cmp.Diff(catalog.Run{Namespace: "ns", Job: "job", UID: "run-1"}, f.catalog.chunks[key].Run); diff != "" {
		t.Errorf("its run (-want +got):\n%s", diff)
	}
	e := f.catalog.pages[key]
	if len(e) != 1 || e[0].ID != "urn:uuid:p1" || e[0].Text != "Room to let" || e[0].Chunk != key || e[0].Identifiers[0].Value != "11 1" {
		t.Errorf("its pages: %+v", e)
	}
	if diff := cmp.Diff([]string{"example,site"}, f.catalog.hosts[key]); diff != "" {
		t.Errorf("its hosts (-want +got):\n%s", diff)
	}
	f.chunk(2)
	f.seal(1, 2)
	f.look()
	f.want("the run was sealed", "1.wacz", "2.wacz")
	if p := f.Progress(); p.Known != 2 || p.Read != 2 || p.Waiting != 0 || !p.Newest.Equal(f.catalog.chunks[blob.Key(chunkName(2))].Modified) {
		t.Errorf("progress: %+v", p)
	}
	f.server.Remove("/archive/" + chunkName(1))
	f.look()
	f.want("a chunk was erased", "2.wacz")
	if p := f.Progress(); p.Known != 1 {
		t.Errorf("progress: %+v", p)
	}
}

func TestBrokenListingRemovesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for n := range 4 {
		f.chunk(n)
	}
	f.look()
	f.store.cut = 2
	if err := f.beat(t.Context()); !errors.Is(err, blob.ErrUnreachable) {
		t.Fatal(err)
	}
	f.want("the listing broke off", "0.wacz", "1.wacz", "2.wacz", "3.wacz")
	if p := f.Progress(); p.Current() || p.Error == "" || p.Cause == nil || p.Cause.Error() != p.Error || p.Since.IsZero() {
		t.Errorf("progress: %+v", p)
	}
	f.store.cut = 0
	f.look()
	f.want("the listing is whole", "0.wacz", "1.wacz", "2.wacz", "3.wacz")
	if p := f.Progress(); !p.Current() || p.Cause != nil || !p.Since.IsZero() {
		t.Errorf("progress: %+v", p)
	}
}

func TestBrokenChunk(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.chunk(1)
	f.put(chunkName(2), []byte("PK no more"))
	f.chunk(3)
	f.look()
	f.want("one is broken", "1.wacz", "2.wacz", "3.wacz")
	broken := blob.Key(chunkName(2))
	if p := f.Problems(); len(p) != 1 || p[0].Key != broken || p[0].Text == "" || f.catalog.chunks[broken].Problem != p[0].Text || len(f.catalog.pages[broken]) != 0 {
		t.Errorf("problems: %+v, in the catalog %+v", p, f.catalog.chunks[broken])
	}
	f.look()
	if n := f.store.gets[string(broken)]; n != 1 {
		t.Errorf("it was read %d times: it does not change", n)
	}
	f.restart()
	f.look()
	f.look()
	if n := f.store.gets[string(broken)]; n != 2 || f.Progress().Problems != 1 {
		t.Errorf("after a restart it was read %d times, want once more: a newer program may know it. Progress: %+v", n, f.Progress())
	}
	f.server.Remove("/archive/" + string(broken))
	f.look()
	if p := f.Problems(); len(p) != 0 {
		t.Errorf("it was erased, and is still a problem: %+v", p)
	}
}

func TestUncommittedChunks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.chunk(1)
	f.chunk(2)
	f.look()
	f.want("the run goes on", "1.wacz", "2.wacz")
	f.seal(2)
	f.chunk(3)
	f.look()
	f.want("the statement names one", "2.wacz")
	f.chunk(4)
	f.look()
	f.look()
	f.want("a worker was late", "2.wacz")
	if n := f.store.gets[folder+"run.json"]; n != 2 {
		t.Errorf("the statement was read %d times, want 2: once for what was new", n)
	}
	f.restart()
	f.look()
	f.want("a restart", "2.wacz")
	for _, n := range []int{3, 4} {
		if f.store.gets[chunkName(n)] != 0 {
			t.Errorf("chunk %d was read, and does not count", n)
		}
	}
}

func TestUnreadableStatement(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.chunk(1)
	f.put(folder+"run.json", []byte("{"))
	f.look()
	f.want("the statement is broken", "1.wacz")
	if p := f.Problems(); len(p) != 1 || p[0].Key != folder+"run.json" {
		t.Errorf("problems: %+v", p)
	}
	// One that is not to be had keeps its own run as it is, and no other.
	f = newFixture(t)
	f.chunk(1)
	f.look()
	f.seal(1, 2)
	f.chunk(2)
	f.put("ns/job/run-2/chunks/a.wacz", verifytest.NewSample(5).Pack(t))
	f.store.denied = folder + "run.json"
	if err := f.beat(t.Context()); !errors.Is(err, blob.ErrDenied) {
		t.Error(err)
	}
	f.want("the statement is not to be had", "1.wacz", "ns/job/run-2/chunks/a.wacz")
	f.store.denied = ""
	f.look()
	f.want("the statement is to be had", "1.wacz", "2.wacz", "ns/job/run-2/chunks/a.wacz")
}

func TestStoreAwayAndBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.chunk(1)
	f.look()
	f.chunk(2)
	f.chunk(3)
	f.store.denied = blob.Key(chunkName(2))
	if err := f.beat(t.Context()); !errors.Is(err, blob.ErrDenied) {
		t.Error(err)
	}
	f.want("one is not to be had", "1.wacz", "3.wacz")
	if p := f.Progress(); p.Waiting != 1 || p.Problems != 0 {
		t.Errorf("progress: %+v", p)
	}
	f.store.down = blob.ErrUnreachable
	if err := f.beat(t.Context()); !errors.Is(err, blob.ErrUnreachable) {
		t.Error(err)
	}
	f.want("the store is away", "1.wacz", "3.wacz")
	f.store.down, f.store.denied = nil, ""
	f.look()
	f.want("the store is back", "1.wacz", "2.wacz", "3.wacz")
}

func TestRestartGoesOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.chunk(1)
	f.look()
	f.chunk(2)
	f.server.Remove("/archive/" + chunkName(1))
	f.restart()
	if p := f.Progress(); p.Known != 1 || p.Current() {
		t.Errorf("before the first look: %+v", p)
	}
	f.look()
	f.want("a restart", "2.wacz")
	if f.store.gets[chunkName(1)] != 1 {
		t.Error("what was known was read again")
	}
	f.catalog.fail = errors.New("no such table")
	if err := f.Run(t.Context()); err == nil {
		t.Error("a catalog that does not say what it has was followed")
	}
}

// TestCatalogThatIsBusy: what could not be removed is removed later, and keeps nothing waiting.
func TestCatalogThatIsBusy(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.chunk(1)
	f.chunk(2)
	f.look()
	f.server.Remove("/archive/" + chunkName(1))
	f.chunk(3)
	busy := errors.New("the journal is still being read")
	f.catalog.busy = map[blob.Key]error{blob.Key(chunkName(1)): busy}
	if err := f.beat(t.Context()); !errors.Is(err, busy) {
		t.Error(err)
	}
	f.want("one cannot be removed", "1.wacz", "2.wacz", "3.wacz")
	f.catalog.busy = nil
	f.look()
	f.want("it can", "2.wacz", "3.wacz")
	// An object that another one took the place of, as no program of ours does.
	f.server.Remove("/archive/" + chunkName(2))
	f.put(chunkName(2), verifytest.NewPages(2).Pack(t))
	f.look()
	if n := len(f.catalog.pages[blob.Key(chunkName(2))]); n != 2 {
		t.Errorf("of the object that is there now the catalog has %d pages, want 2", n)
	}
}

// TestOrderMakesNoDifference: two followers that saw the archive at other times have the same
// catalog, whatever one of them saw in between.
func TestOrderMakesNoDifference(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, n := range []int{7, 3, 5, 1} {
		f.chunk(n)
		f.look()
	}
	f.put(chunkName(6), []byte("broken"))
	f.chunk(2)
	f.look()
	f.server.Remove("/archive/" + chunkName(3))
	f.seal(1, 2, 5, 6)
	f.look()
	other := &Follower{Store: f.store, Catalog: newRecorder(), Identify: f.Identify, Readers: 1}
	if err := errors.Join(other.begin(t.Context()), other.beat(t.Context())); err != nil {
		t.Fatal(err)
	}
	got := other.Catalog.(*recorder)
	if diff := cmp.Diff(f.catalog, got, cmp.AllowUnexported(recorder{}), cmpopts.IgnoreFields(recorder{}, "order", "mu")); diff != "" {
		t.Errorf("the catalogs differ (-one +other):\n%s", diff)
	}
	if !slices.IsSorted(got.order) || len(got.order) != 4 {
		t.Errorf("chunks were added in the order %v", got.order)
	}
}

// TestCatalogs follows an archive into a catalog as the portal has it.
func TestCatalogs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c, err := catalog.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f.chunk(1)
	f.put(chunkName(2), []byte("broken"))
	f.Follower = &Follower{Store: f.store, Catalog: c}
	if err := f.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.look()
	found, err := c.Search(t.Context(), catalog.Query{Text: "room", Namespaces: []string{"ns"}})
	if err != nil || len(found.Hits) != 1 || found.Hits[0].ID != "" && found.Hits[0].URL != "https://site.example/1" {
		t.Errorf("%v: %+v", err, found)
	}
	f.server.Remove("/archive/" + chunkName(1))
	f.look()
	if found, err := c.Search(t.Context(), catalog.Query{Text: "room", Namespaces: []string{"ns"}}); err != nil || len(found.Hits) != 0 {
		t.Errorf("%v: %+v", err, found)
	}
}

// TestStopWhileReading: readers end with the context.
func TestStopWhileReading(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for n := range 20 {
		f.chunk(n)
	}
	ctx, stop := context.WithCancel(t.Context())
	f.Identify = func(string, []snapshot.Link) []catalog.Meaning { stop(); return nil }
	if err := f.beat(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(f.catalog.chunks) == 20 {
		t.Error("it went on")
	}
	if p := f.Progress(); p.Error != "" {
		t.Errorf("that it was stopped is no trouble: %+v", p)
	}
}
