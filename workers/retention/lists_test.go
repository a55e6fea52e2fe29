package retention

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/retention"
)

// TestListsGoLawfully: lists are due with the first chunk, also with one that no statement names and that
// the store still has locked. Who holds everything meanwhile finds that as workers do, and calls nothing void.
func TestListsGoLawfully(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{Locks: true})
	r.mustDecide(retention.Keep, "A", "chunks/1.wacz", "chunks/2.wacz", "chunks/3.wacz")
	if err := r.store.Bucket("archive").LockUntil(t.Context(), blob.Key(prefix+"chunks/torn.wacz"), noon.Add(1000*time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.pass(screening)
	held := false
	r.keeper.Store = connect(t, hooked(t, r.server, func(serve func(), req *http.Request) {
		if req.Method == http.MethodDelete && !held {
			held = true
			r.mustDecide(retention.Hold, "B")
		}
		serve()
	}))
	out := r.erase()
	if !held || slices.ContainsFunc((&sim{rig: r}).stored(), func(d retention.Decision) bool { return d.Action == retention.Void }) {
		t.Errorf("held %v; a lawful erasure was called void: %+v, left is %s", held, out, r.left())
	}
}

// TestListsGoWithTheFirstChunk: also where it is gone already and nothing names it any more.
func TestListsGoWithTheFirstChunk(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{})
	r.server.Remove("/archive/" + prefix + "run.json")
	for i := range retention.MaxObjects { // more than one erasure can name
		r.put("archive", fmt.Sprintf("leads/1%04d.jsonl.zst", i), "x")
	}
	r.mustDecide(retention.Keep, "A", "chunks/1.wacz")
	r.pass(screening)
	if out := r.erase(); strings.Contains(r.left(), "visits/") || strings.Contains(r.left(), "leads/") {
		t.Errorf("lists outlive the first chunk: %+v, left is %s", out, r.left())
	}
}

// TestRefusalsDelayNothing: what the store refuses of one object is tried again each hour, and what is
// due before that is looked at when it is due.
func TestRefusalsDelayNothing(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{Locks: true})
	r.refuse("chunks/1.wacz", "retention", http.StatusForbidden, "AccessDenied")
	r.pass(screening - time.Minute)
	if out := r.erase(); out.Wait <= 0 || out.Wait > time.Minute {
		t.Errorf("%+v, want a look within a minute", out)
	}
}
