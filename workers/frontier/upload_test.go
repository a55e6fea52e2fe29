package frontier

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"crawlfleet.dev/crawlfleet/workflows"
)

// TestCancelledUpload: an attempt that is cancelled while a chunk is on its way to the store
// ends at once. Its pages are captured again, whether the store has kept the chunk or not, and
// what it kept is in no books.
func TestCancelledUpload(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string]bool{"Kept": true, "Lost": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := tree(5, "a.test")
			r := newRig(t, w)
			r.seed("http://a.test/0")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var done atomic.Bool
			r.store.Answer = func(_ http.ResponseWriter, req *http.Request, stored func()) bool {
				if req.Method != http.MethodPut || !strings.Contains(req.URL.Path, "/chunks/") || done.Swap(true) {
					return false
				}
				if kept {
					stored()
				}
				cancel()
				<-req.Context().Done() // the answer never comes
				return true
			}
			ref := r.plan(1).Bundles[0]
			out, err := r.crawl(ctx, ref)
			if err == nil || len(out.Results) != 0 || !done.Load() {
				t.Fatalf("%+v, %v: want an attempt that was cancelled, with nothing committed", out, err)
			}
			if n := len(r.store.Keys("/archive/ns/name/uid/chunks/")); n != map[bool]int{true: 1}[kept] {
				t.Fatalf("the store holds %d chunks", n)
			}
			// Temporal hands the bundle to another attempt.
			out, err = r.crawl(t.Context(), ref)
			if err != nil || len(out.Results) != 1 {
				t.Fatalf("the next attempt: %+v, %v", out, err)
			}
			r.plan(0, workflows.BundleDone{ID: ref.ID, Results: out.Results})
			end := r.run(1)
			sealed := r.seal()
			if end.Counts.Archived != 5 || !sealed.Balanced || sealed.Counts.Archived != 5 {
				t.Errorf("counts %+v, sealed %+v, want 5 archived", end.Counts, sealed)
			}
			extra := int64(len(r.store.Keys("/archive/ns/name/uid/chunks/"))) - sealed.Counts.Chunks
			if extra != map[bool]int64{true: 1}[kept] {
				t.Errorf("%d chunks are in the store and in no books", extra)
			}
		})
	}
}
