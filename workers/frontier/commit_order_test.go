package frontier

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// witness looks at the store with each heartbeat: what the heartbeat names has to be there, with
// the chunk, for the worker may die right after it.
type witness struct {
	*rig
	heartbeats Heartbeater
	named      atomic.Int64
}

// RecordActivityHeartbeat implements Heartbeater.
func (w *witness) RecordActivityHeartbeat(ctx context.Context, token []byte, details ...any) error {
	for _, key := range details[0].(workflows.BundleProgress).Results {
		w.named.Add(1)
		var r frontier.Result
		if err := getPacked(ctx, w.planner.Store.Bucket("frontier"), key, maxResult, &r); err != nil {
			w.t.Errorf("a heartbeat names a result that is not stored: %v", err)
		} else if r.Chunk == nil || w.store.Object("/archive/"+r.Chunk.Key) == nil {
			w.t.Errorf("a heartbeat names %s, whose chunk is not stored", key)
		}
	}
	return w.heartbeats.RecordActivityHeartbeat(ctx, token, details...)
}

// TestHeartbeatsNameWhatIsStored: a chunk is stored first, then its result, and then it is named.
func TestHeartbeatsNameWhatIsStored(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(60, "a.test", "b.test"))
	w := &witness{rig: r, heartbeats: r.leases}
	r.crawler.Heartbeats = w
	r.seed("http://a.test/0", "http://b.test/0")
	if out := r.run(2); out.Counts.Archived != 120 || w.named.Load() == 0 {
		t.Errorf("counts %+v, %d results were named", out.Counts, w.named.Load())
	}
}

// TestResultIsStoredLater: while the store takes no result, the chunk that it took is not stored
// again, and the pages are committed once it is back.
func TestResultIsStoredLater(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(1, "a.test"))
	r.crawler.Patience = time.Minute
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	var chunks, results atomic.Int64
	r.store.Answer = func(w http.ResponseWriter, req *http.Request, _ func()) bool {
		switch {
		case req.Method != http.MethodPut:
		case strings.Contains(req.URL.Path, "/chunks/"):
			chunks.Add(1)
		case strings.HasSuffix(req.URL.Path, ".res") && results.Add(1) <= 4:
			blobtest.Fail(w, http.StatusServiceUnavailable, "SlowDown")
			return true
		}
		return false
	}
	out, err := r.crawl(t.Context(), ref)
	if err != nil || out.Trouble != nil || len(out.Results) != 1 || chunks.Load() != 1 {
		t.Errorf("%+v, %v: the chunk was stored %d times", out, err, chunks.Load())
	}
	if out := r.plan(0, workflows.BundleDone{ID: ref.ID, Results: out.Results}); out.Counts.Archived != 1 {
		t.Errorf("counts %+v", out.Counts)
	}
}
