package frontier

import (
	"testing"
	"time"
)

// TestChunkWaitsForItsPages: a chunk is not taken away while a page is being loaded that holds
// it, for what that takes from the cache is in the same one.
func TestChunkWaitsForItsPages(t *testing.T) {
	t.Parallel()
	c := committer{}
	release := c.hold()
	changed := make(chan error)
	go func() {
		_, err := c.change()
		changed <- err
	}()
	select {
	case <-changed:
		t.Fatal("a new chunk was begun while a page was being loaded")
	case <-time.After(20 * time.Millisecond):
	}
	release()
	if err := <-changed; err != nil || c.generation() != 1 {
		t.Errorf("generation %d, %v", c.generation(), err)
	}
}

// TestChunksStandAlone: a page of the next chunk takes nothing from a cache that was filled with
// pages of the one before.
func TestChunksStandAlone(t *testing.T) {
	t.Parallel()
	w := tree(100, "a.test", "b.test")
	r := newRig(t, w)
	r.seed("http://a.test/0", "http://b.test/0")
	ref := r.large(commitPages + 5)
	before := w.cleared.Load()
	out, err := r.crawl(t.Context(), ref)
	if err != nil || len(out.Results) < 2 || before != 0 {
		t.Fatalf("%+v, %v; %d caches were emptied that held one chunk's pages alone", out, err, before)
	}
	// The tabs of both hosts were open when the second chunk was begun.
	if n := w.cleared.Load(); n < 1 || n > int64(2*len(out.Results)-2) {
		t.Errorf("%d caches were emptied for %d chunks", n, len(out.Results))
	}
}
