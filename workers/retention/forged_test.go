package retention

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestForgedErasures: who may write to the bucket, and not delete, must not have a worker delete
// what is held, what is not due, or what is never erased.
func TestForgedErasures(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		name string
		at   time.Duration
		want workflows.Reason
	}{
		"Held":       {"chunks/1.wacz", screening, workflows.ReasonRetentionDrift},
		"Beside":     {"chunks/1.wacz.sig", screening, workflows.ReasonRetentionDrift},
		"Early":      {"chunks/2.wacz", screening - time.Second, workflows.ReasonHeld},
		"EarlyState": {"state", 0, workflows.ReasonHeld},
		"Statement":  {"run.json", screening, workflows.ReasonRetentionDrift},
		"Decision":   {"retention/00000001.json", screening, workflows.ReasonRetentionDrift},
		"Elsewhere":  {"../other/chunks/1.wacz", screening, workflows.ReasonRetentionDrift},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sealed(t, &blobtest.Server{})
			r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
			r.forge(tc.name)
			r.pass(tc.at)
			if out := r.erase(); out.Reason != tc.want || r.left() != everything || r.server.Object("/archive/"+prefix+"retention/00000001.json") == nil {
				t.Errorf("%s: %s, left is %s", out.Reason, out.Message, r.left())
			}
		})
	}
}

// TestForgedEarly: an intent that was written before its objects were due must not go before a
// hold that comes after it, and stands in the way of neither that nor of what is due in the end.
func TestForgedEarly(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		do     func(*rig)
		left   string
		want   workflows.Reason
	}{
		"HeldAll": {"whoever holds all that the run has is not refused", func(r *rig) {
			r.mustDecide(retention.Hold, "A")
			r.pass(2 * screening)
		}, everything, workflows.ReasonHeld},
		"HeldByName": {"who holds what it names makes it void", func(r *rig) {
			r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
			r.pass(2 * screening)
		}, "chunks/1.wacz chunks/1.wacz.sig run.json", workflows.ReasonHeld},
		"KeptByName": {"who keeps it, too", func(r *rig) {
			r.mustDecide(retention.Keep, "A", "chunks/1.wacz")
			r.pass(2 * screening)
		}, "chunks/1.wacz chunks/1.wacz.sig run.json", workflows.ReasonKept},
		"HeldAfterALook": {"a worker has made it void", func(r *rig) {
			r.erase()
			r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
			r.pass(2 * screening)
		}, "chunks/1.wacz chunks/1.wacz.sig run.json", workflows.ReasonHeld},
		"Released": {"a new one follows when the time has come", func(r *rig) {
			r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
			r.pass(2 * screening)
			r.erase()
			r.mustDecide(retention.Release, "A", "chunks/1.wacz")
		}, "run.json", workflows.ReasonErased},
		"Nobody": {"nobody wanted anything, and nobody looked", func(r *rig) { r.pass(2 * screening) }, "run.json", workflows.ReasonErased},
		"Thrice": {"each of them is void", func(r *rig) {
			r.forge("chunks/1.wacz")
			r.forge("state")
			r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
			r.pass(2 * screening)
		}, "chunks/1.wacz chunks/1.wacz.sig run.json", workflows.ReasonHeld},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sealed(t, &blobtest.Server{})
			r.forge("chunks/1.wacz")
			r.pass(time.Hour)
			tc.do(r)
			if out := r.erase(); out.Reason != tc.want || r.left() != tc.left {
				t.Errorf("%s: %s: %s, left is %s", tc.reason, out.Reason, out.Message, r.left())
			}
			if slices.ContainsFunc(r.proven(), func(p string) bool { return strings.HasPrefix(p, "1 ") }) {
				t.Errorf("%s: it was carried out: %v", tc.reason, r.proven())
			}
		})
	}
}

// TestForgedInTime: of an intent that is not early nobody can tell that no worker wrote it. It
// cannot be taken back, also not before a worker has seen it.
func TestForgedInTime(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{})
	r.pass(screening)
	r.forge("chunks/1.wacz")
	if err := r.decide(retention.Hold, "A", "chunks/1.wacz"); !errors.Is(err, retention.ErrErasing) {
		t.Errorf("%v, want ErrErasing", err)
	}
	if out := r.erase(); !out.Done || len(r.proofs()) != 2 {
		t.Errorf("%+v, proven are %v", out, r.proven())
	}
}

// TestForgedVoid: what calls void what is no erasure, or what is proven, is damage.
func TestForgedVoid(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{})
	r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
	if err := r.append(retention.NewVoid(1, "forger", noon)); !errors.Is(err, retention.ErrInvalid) {
		t.Errorf("a hold is not void: %v", err)
	}
	r.pass(screening)
	r.erase()
	if err := r.append(retention.NewVoid(2, "forger", noon)); err != nil {
		t.Fatal(err)
	}
	if out := r.erase(); out.Reason != workflows.ReasonRetentionDrift || r.left() != "chunks/1.wacz chunks/1.wacz.sig run.json" {
		t.Errorf("%+v, left is %s", out, r.left())
	}
}

// TestClockFallsBack: a store whose clock falls back while a worker decides dates the intent too
// early. Nothing is erased by it, holds are taken, and when the clock is right all goes on by itself.
func TestClockFallsBack(t *testing.T) {
	t.Parallel()
	for _, stays := range []bool{false, true} {
		t.Run(fmt.Sprint("Stays ", stays), func(t *testing.T) {
			t.Parallel()
			r := sealed(t, &blobtest.Server{})
			r.pass(screening)
			r.keeper.Store = connect(t, hooked(t, r.server, func(serve func(), req *http.Request) {
				right := r.clock
				if req.Method == http.MethodPut && strings.Contains(req.URL.Path, retention.Folder) {
					r.clock = r.clock.Add(-time.Hour)
				}
				serve()
				if !stays {
					r.clock = right
				}
			}))
			for look := range int64(2) { // it tries once a look, where the store tells one time and writes another
				out := r.erase()
				want, seq := workflows.ReasonErasureBlocked, 2*look+2
				if stays {
					want, seq = workflows.ReasonClocksDiffer, 2
				}
				if out.Reason != want || out.Done || out.Wait == 0 || out.Log.Seq != seq || r.left() != everything || len(r.proven()) > 0 {
					t.Errorf("look %d: %+v, left is %s, proven are %v", look, out, r.left(), r.proven())
				}
			}
			r.keeper.Store = r.store
			r.clock = r.worker.Add(-time.Minute)
			r.mustDecide(retention.Hold, "A", "chunks/3.wacz")
			r.clock = r.worker
			if out := r.erase(); out.Reason != workflows.ReasonHeld || r.left() != "chunks/3.wacz run.json" {
				t.Errorf("%+v, left is %s", out, r.left())
			}
			r.mustDecide(retention.Release, "A", "chunks/3.wacz")
			if out := r.erase(); !out.Done || r.left() != "run.json" {
				t.Errorf("%+v, left is %s", out, r.left())
			}
			for _, e := range r.events {
				if e.Kind == "Erased" && e.Decision.Seq == 1 {
					t.Errorf("the custody log was told of an erasure that is void: %+v", e)
				}
			}
		})
	}
}

// forge writes an intent to erase an object, as a worker would when that is due.
func (r *rig) forge(name string) {
	r.t.Helper()
	_, err := retention.Decide(r.t.Context(), r.store.Bucket("archive"), prefix, retention.Decision{
		Action: retention.Erase, By: "crawlfleet", Why: "forged", At: r.worker, Erasing: []retention.Erasing{{Name: name, Due: noon, For: retention.ScreeningEnded}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
}
