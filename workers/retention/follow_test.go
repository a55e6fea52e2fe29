package retention

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workflows"
)

// refuse has the store refuse, or fail, what is asked of the locks of one object.
func (r *rig) refuse(name, what string, status int, code string) {
	r.server.Answer = func(w http.ResponseWriter, req *http.Request, _ func()) bool {
		refused := req.Method == http.MethodPut && req.URL.Query().Has(what) && strings.HasSuffix(req.URL.Path, name)
		if refused {
			blobtest.Fail(w, status, code)
		}
		return refused
	}
}

// locks are those of the only version of an object.
func (r *rig) locks(name string) blob.Lock {
	r.t.Helper()
	l, err := r.store.Bucket("archive").Locks(r.t.Context(), blob.Key(prefix+name))
	if err != nil || len(l) != 1 {
		r.t.Fatal(name, l, err)
	}
	return l[0]
}

// TestRefusedLockIsTold: a lock that the store refuses is told with its object. It keeps neither the
// hold of that one nor the locks of others from being set, nor what was decided from being told.
func TestRefusedLockIsTold(t *testing.T) {
	t.Parallel()
	chunks := []string{"chunks/1.wacz", "chunks/2.wacz", "chunks/3.wacz", "chunks/torn.wacz"}
	for what, asked := range map[string]string{"Retention": "retention", "Hold": "legal-hold"} {
		for _, refused := range chunks {
			t.Run(what+" "+refused, func(t *testing.T) {
				t.Parallel()
				r := sealed(t, &blobtest.Server{Locks: true})
				r.refuse(refused, asked, http.StatusForbidden, "AccessDenied")
				r.mustDecide(retention.Hold, "A")
				out := r.erase()
				if out.Reason != workflows.ReasonErasureBlocked || out.Wait != blockedAgain || !strings.Contains(out.Message, refused) || !strings.Contains(out.Message, "denied") {
					t.Errorf("%+v", out)
				}
				for _, name := range chunks {
					held, locked := name != refused || asked == "retention", name != refused || asked == "legal-hold"
					if l := r.locks(name); l.Held != held || l.Until.IsZero() == locked {
						t.Errorf("%s: %+v, want held %v, locked %v", name, l, held, locked)
					}
				}
				if len(r.events) != 1 || r.events[0].Kind != "Held" {
					t.Errorf("the custody log was told %+v", r.events)
				}
				r.server.Answer = nil
				if out := r.erase(); out.Reason != workflows.ReasonHeld || !r.locks(refused).Held || r.locks(refused).Until.IsZero() {
					t.Errorf("when it may: %+v", out)
				}
			})
		}
	}
}

// TestFailingLockFailsTheLook: that is trouble of the store, which passes. The others have their locks
// all the same.
func TestFailingLockFailsTheLook(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{Locks: true})
	r.refuse("chunks/1.wacz", "retention", http.StatusServiceUnavailable, "SlowDown")
	r.mustDecide(retention.Hold, "A")
	if _, err := r.keeper.erase(t.Context(), r.in); err == nil || !strings.Contains(err.Error(), "chunks/1.wacz") {
		t.Error(err)
	}
	for _, name := range []string{"chunks/1.wacz", "chunks/2.wacz", "chunks/3.wacz", "chunks/torn.wacz"} {
		if l := r.locks(name); !l.Held || l.Until.IsZero() != (name == "chunks/1.wacz") {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

// TestRefusedLiftIsTold: what is due and was released stays while the store does not let its hold be
// lifted, and the others go.
func TestRefusedLiftIsTold(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{Locks: true})
	r.mustDecide(retention.Hold, "A")
	r.erase()
	r.mustDecide(retention.Release, "A")
	r.refuse("chunks/2.wacz", "legal-hold", http.StatusForbidden, "AccessDenied")
	r.pass(screening)
	out := r.erase()
	if out.Reason != workflows.ReasonErasureBlocked || !strings.Contains(out.Message, "chunks/2.wacz") || r.left() != "chunks/2.wacz run.json" {
		t.Errorf("%+v, left is %s", out, r.left())
	}
	r.server.Answer = nil
	if out := r.erase(); !out.Done || r.left() != "run.json" {
		t.Errorf("when it may: %+v, left is %s", out, r.left())
	}
}

// TestOwnHoldIsRespected: a release is carried out in the store, also against a worker that was slow,
// for some hours. A hold that is set there afterwards is somebody else's.
func TestOwnHoldIsRespected(t *testing.T) {
	t.Parallel()
	const chunk = "chunks/1.wacz"
	hold := func(r *rig) {
		if err := r.store.Bucket("archive").SetHold(r.t.Context(), prefix+chunk, true); err != nil {
			r.t.Fatal(err)
		}
	}
	cases := map[string]struct {
		reason string
		do     func(*rig)
		stays  bool
	}{
		"Slow":        {reason: "a worker that had read that it is held sets the hold now", do: func(r *rig) { r.pass(time.Hour); hold(r) }},
		"SlowAndLate": {reason: "nobody looked meanwhile", do: func(r *rig) { hold(r); r.pass(30 * time.Hour) }},
		"Since":       {reason: "no worker is that slow", do: func(r *rig) { r.pass(liftedAfter); r.erase(); hold(r) }, stays: true},
		"SinceDamage": {reason: "what was carried out is not forgotten", do: func(r *rig) {
			r.pass(liftedAfter)
			r.erase()
			path := "/archive/" + prefix + retention.DecisionName(1)
			data := r.server.Object(path)
			r.server.Remove(path)
			r.erase()
			r.put("archive", retention.DecisionName(1), string(data))
			hold(r)
		}, stays: true},
		"Again": {reason: "that is another release", do: func(r *rig) {
			r.pass(liftedAfter)
			r.erase()
			r.mustDecide(retention.Hold, "B", chunk)
			r.erase()
			r.mustDecide(retention.Release, "B", chunk)
		}},
		"Refused": {reason: "it could not be carried out", do: func(r *rig) {
			hold(r)
			r.refuse(chunk, "legal-hold", http.StatusForbidden, "AccessDenied")
			r.pass(liftedAfter)
			r.erase()
			r.server.Answer = nil
		}},
		"RefusedErasure": {reason: "it could not be carried out either", do: func(r *rig) {
			r.pass(screening)
			slow := connect(r.t, r.server.Start(r.t)).Bucket("archive")
			r.server.Answer = func(w http.ResponseWriter, req *http.Request, stored func()) bool {
				if req.Method == http.MethodPut && strings.HasSuffix(req.URL.Path, retention.DecisionName(3)) {
					stored()
					r.server.Answer = nil
					if err := slow.SetHold(r.t.Context(), prefix+chunk, true); err != nil {
						r.t.Error(err)
					}
					r.refuse(chunk, "legal-hold", http.StatusForbidden, "AccessDenied")
					return true
				}
				return false
			}
			r.erase()
			r.server.Answer = nil
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sealed(t, &blobtest.Server{Locks: true})
			r.mustDecide(retention.Hold, "A", chunk)
			r.erase()
			r.mustDecide(retention.Release, "A", chunk)
			if out := r.erase(); out.Wait <= 0 || out.Wait > liftedAfter {
				t.Errorf("the next look comes after %s", out.Wait)
			}
			tc.do(r)
			r.pass(screening)
			out := r.erase()
			if stays := r.left() != "run.json"; stays != tc.stays || stays != (out.Reason == workflows.ReasonErasureBlocked) {
				t.Errorf("%s: %+v, left is %s", tc.reason, out, r.left())
			}
			if tc.stays && !r.locks(chunk).Held {
				t.Errorf("%s: the hold is lifted", tc.reason)
			}
		})
	}
}

// TestOnlyChunksAreLifted: nothing else is ever held in the store here.
func TestOnlyChunksAreLifted(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{Locks: true})
	if err := r.store.Bucket("archive").SetHold(t.Context(), prefix+"leads/00001.jsonl.zst", true); err != nil {
		t.Fatal(err)
	}
	r.mustDecide(retention.Hold, "A")
	r.erase()
	r.mustDecide(retention.Release, "A")
	r.pass(screening)
	if out := r.erase(); out.Reason != workflows.ReasonErasureBlocked || r.left() != "leads/00001.jsonl.zst run.json" {
		t.Errorf("%+v, left is %s", out, r.left())
	}
}
