package retention

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workflows"
)

const everything = "chunks/1.wacz chunks/1.wacz.sig chunks/2.wacz chunks/3.wacz chunks/torn.wacz " +
	"leads/00001.jsonl.zst run.json visits/00001-x.jsonl.zst visits/directory.json.zst 2 of state"

func sealed(t *testing.T, server *blobtest.Server) *rig {
	t.Helper()
	r := newRig(t, server)
	r.seal("chunks/1.wacz", "chunks/2.wacz", "chunks/3.wacz")
	return r
}

func reasonOf(out workflows.EraseOutput) string { return string(out.Reason) }

func TestErase(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		do     func(*rig)
		left   string
		want   workflows.Reason
		done   bool
	}{
		"Screening": {reason: "nothing is due yet", do: func(r *rig) { r.pass(screening - time.Second) }, left: everything, want: workflows.ReasonScreening},
		"Over": {reason: "nobody needs it, and the statement stays", do: func(r *rig) { r.pass(screening) },
			left: "run.json", want: workflows.ReasonErased, done: true},
		"Kept": {reason: "a case needs one, with what lies beside it", do: func(r *rig) {
			r.mustDecide(retention.Keep, "A", "chunks/1.wacz")
			r.pass(screening)
		}, left: "chunks/1.wacz chunks/1.wacz.sig run.json", want: workflows.ReasonKept},
		"KeptAndOver": {reason: "the case's date has come", do: func(r *rig) {
			r.mustDecide(retention.Keep, "A", "chunks/1.wacz")
			r.pass(30 * 24 * time.Hour)
		}, left: "run.json", want: workflows.ReasonErased, done: true},
		"KeptAll": {reason: "the queue's state is no capture", do: func(r *rig) {
			r.mustDecide(retention.Keep, "A")
			r.pass(screening)
		}, left: strings.TrimSuffix(everything, " 2 of state"), want: workflows.ReasonKept},
		"Held": {reason: "a hold outlasts every date", do: func(r *rig) {
			r.mustDecide(retention.Keep, "A", "chunks/3.wacz")
			r.mustDecide(retention.Hold, "B", "chunks/3.wacz")
			r.pass(10000 * time.Hour)
		}, left: "chunks/3.wacz run.json", want: workflows.ReasonHeld},
		"HeldAll": {reason: "a hold of the run is of all that is there", do: func(r *rig) {
			r.mustDecide(retention.Hold, "B")
			r.pass(10000 * time.Hour)
		}, left: everything, want: workflows.ReasonHeld},
		"Released": {reason: "its date has passed meanwhile", do: func(r *rig) {
			r.mustDecide(retention.Hold, "B")
			r.pass(10000 * time.Hour)
			r.erase()
			r.mustDecide(retention.Release, "B")
		}, left: "run.json", want: workflows.ReasonErased, done: true},
		"NotSealed": {reason: "what a run stored that nobody sealed is a capture, too", do: func(r *rig) {
			r.server.Remove("/archive/" + prefix + "run.json")
			r.pass(screening)
		}, left: "", want: workflows.ReasonErased, done: true},
		"Missing": {reason: "somebody else removed a chunk", do: func(r *rig) {
			r.server.Remove("/archive/" + prefix + "chunks/2.wacz")
		}, left: strings.Replace(everything, "chunks/2.wacz ", "", 1), want: workflows.ReasonRetentionDrift},
		"MissingAndOver": {reason: "that it was missing is not forgotten when its time has come", do: func(r *rig) {
			r.server.Remove("/archive/" + prefix + "chunks/2.wacz")
			r.pass(screening)
			r.erase()
		}, left: "run.json", want: workflows.ReasonRetentionDrift, done: true},
		"Back": {reason: "somebody restored what was erased: it is erased again, and told", do: func(r *rig) {
			r.mustDecide(retention.Hold, "B", "chunks/3.wacz")
			r.pass(screening)
			r.erase()
			r.put("archive", "chunks/2.wacz", "content of chunks/2.wacz")
		}, left: "chunks/3.wacz run.json", want: workflows.ReasonRetentionDrift},
		"BackAndHeld": {reason: "what is back and held is not erased again", do: func(r *rig) {
			r.mustDecide(retention.Hold, "B", "chunks/3.wacz")
			r.pass(screening)
			r.erase()
			r.put("archive", "chunks/2.wacz", "content of chunks/2.wacz")
			r.mustDecide(retention.Hold, "C")
		}, left: "chunks/2.wacz chunks/3.wacz run.json", want: workflows.ReasonRetentionDrift},
		"Late": {reason: "an attempt that was thought dead stores what nobody counts", do: func(r *rig) {
			r.mustDecide(retention.Hold, "B", "chunks/3.wacz")
			r.pass(screening)
			r.erase()
			r.put("archive", "chunks/late.wacz", "of an attempt that was thought dead")
		}, left: "chunks/3.wacz run.json", want: workflows.ReasonHeld},
		"Broken": {reason: "nobody knows what is held", do: func(r *rig) {
			r.mustDecide(retention.Hold, "B", "chunks/3.wacz")
			r.mustDecide(retention.Keep, "B", "chunks/1.wacz")
			r.server.Remove("/archive/" + prefix + "retention/00000001.json")
			r.pass(screening)
		}, left: everything, want: workflows.ReasonRetentionDrift},
		"BrokenEnd": {reason: "the hold was taken away that was seen before", do: func(r *rig) {
			r.mustDecide(retention.Hold, "B")
			r.erase()
			r.server.Remove("/archive/" + prefix + "retention/00000001.json")
			r.pass(screening)
		}, left: everything, want: workflows.ReasonRetentionDrift},
		"Forged": {reason: "a proof of what nobody decided proves nothing", do: func(r *rig) {
			r.put("archive", "retention/erased-00000007.json", "{}")
			r.pass(screening)
		}, left: everything, want: workflows.ReasonRetentionDrift},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sealed(t, &blobtest.Server{})
			tc.do(r)
			out := r.erase()
			if got := r.left(); got != tc.left {
				t.Errorf("%s: left are\n%s, want\n%s", tc.reason, got, tc.left)
			}
			if out.Reason != tc.want || out.Done != tc.done {
				t.Errorf("%s: %s, done %v, want %s, %v: %s", tc.reason, out.Reason, out.Done, tc.want, tc.done, out.Message)
			}
		})
	}
}

// TestEraseNeedsBothClocks: one clock that skips ahead erases nothing, whichever it is; one that
// is behind delays, and both are told.
func TestEraseNeedsBothClocks(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		worker, store time.Duration // after the seal
		want          workflows.Reason
		erased        bool
		wait          time.Duration
	}{
		"Agree":       {screening, screening, workflows.ReasonErased, true, 0},
		"NearlyAgree": {screening + 30*time.Second, screening, workflows.ReasonErased, true, 0},
		"WorkerAhead": {10000 * time.Hour, time.Hour, workflows.ReasonClocksDiffer, false, 71 * time.Hour},
		"StoreAhead":  {time.Hour, 10000 * time.Hour, workflows.ReasonClocksDiffer, false, 71 * time.Hour},
		"WorkerLate":  {-10000 * time.Hour, screening, workflows.ReasonClocksDiffer, false, 10072 * time.Hour},
		"SecondsLate": {screening, screening - 5*time.Second, workflows.ReasonScreening, false, 5 * time.Second},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sealed(t, &blobtest.Server{})
			r.worker, r.clock = noon.Add(tc.worker), noon.Add(tc.store)
			out := r.erase()
			if erased := r.left() != everything; erased != tc.erased || out.Reason != tc.want || out.Wait != tc.wait {
				t.Errorf("erased %v, %s, wait %v: %s", erased, out.Reason, out.Wait, out.Message)
			}
			r.worker, r.clock = noon.Add(screening), noon.Add(screening) // both go right again
			if out := r.erase(); !out.Done {
				t.Errorf("when the clocks agree: %+v", out)
			}
		})
	}
}

// TestProofsSayWhatWasErased as the statement names it, and by what right.
func TestProofsSayWhatWasErased(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{})
	r.mustDecide(retention.Hold, "A", "chunks/2.wacz")
	r.pass(screening)
	r.erase()
	want := []string{
		"2 chunks/1.wacz", "2 chunks/1.wacz.sig", "2 chunks/3.wacz", "2 chunks/torn.wacz", "2 leads/00001.jsonl.zst", "2 state",
		"2 visits/00001-x.jsonl.zst", "2 visits/directory.json.zst",
	}
	if diff := cmp.Diff(want, r.proven()); diff != "" {
		t.Errorf("proven (-want +got):\n%s", diff)
	}
	p := r.proofs()[0]
	if p.Policy != (retention.Policy{ScreeningSeconds: 259200, Begins: noon, Ends: noon.Add(screening)}) || !p.ErasedAt.Both().Equal(r.clock) || p.By.Name != "crawlfleet" {
		t.Errorf("the proof says %+v, %+v, %+v", p.Policy, p.ErasedAt, p.By)
	}
	for _, o := range p.Objects {
		stated := strings.HasSuffix(o.Name, ".zst") || o.Name == "chunks/1.wacz" || o.Name == "chunks/3.wacz"
		if o.Stated != stated || o.Confirmed == "" || !o.Due.Equal(noon.Add(screening)) || o.Name != retention.State && (len(o.SHA256) != 64 || o.Size == 0 || o.Versions != 1) {
			t.Errorf("of %s it says %+v", o.Name, o)
		}
		if o.Name == retention.State && (o.Objects != 2 || o.Versions != 2 || o.Size != 18) {
			t.Errorf("of the state it says %+v", o)
		}
	}
	kinds := []string{}
	for _, e := range r.events {
		kinds = append(kinds, e.Kind+" "+strings.Join(e.Objects, ","))
	}
	if len(kinds) != 2 || kinds[0] != "Held chunks/2.wacz" || !strings.HasPrefix(kinds[1], "Erased chunks/1.wacz,") {
		t.Errorf("the custody log was told %q", kinds)
	}
	r.erase()
	if len(r.events) != 2 {
		t.Errorf("it was told again: %+v", r.events[2:])
	}
}

// TestWorkersDieAnywhere: after each request to the store that one look makes, and before each, a
// worker dies. The next one finishes what was decided: everything that is gone is proven.
func TestWorkersDieAnywhere(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for request := 1; ; request++ {
			r := sealed(t, &blobtest.Server{})
			r.mustDecide(retention.Hold, "A", "chunks/2.wacz")
			r.pass(screening)
			ctx, cancel := context.WithCancel(t.Context())
			n := 0
			r.keeper.Store = connect(t, hooked(t, r.server, func(serve func(), _ *http.Request) {
				if n++; n != request {
					serve()
					return
				}
				if after {
					serve()
				}
				cancel()
				<-r.t.Context().Done()
			}))
			_, err := r.keeper.erase(ctx, r.in)
			cancel()
			if err == nil && n < request {
				if request < 20 {
					t.Errorf("a look makes %d requests only", request)
				}
				break
			}
			r.keeper.Store = r.store
			out := r.erase()
			if r.left() != "chunks/2.wacz run.json" || reasonOf(out) != "Held" {
				t.Fatalf("after request %d: %s %s, left is %s", request, out.Reason, out.Message, r.left())
			}
			proven := r.proven()
			for _, name := range []string{"chunks/1.wacz", "chunks/1.wacz.sig", "chunks/3.wacz", "chunks/torn.wacz", "leads/00001.jsonl.zst", "state"} {
				if !slices.ContainsFunc(proven, func(p string) bool { return strings.HasSuffix(p, " "+name) }) {
					t.Fatalf("after request %d: %s is gone without a proof: %v", request, name, proven)
				}
			}
		}
	}
}

// TestStoreRefuses: what is due and stays is told, all else goes, and it is tried again.
func TestStoreRefuses(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	r := sealed(t, server)
	r.pass(screening)
	server.Answer = func(w http.ResponseWriter, req *http.Request, _ func()) bool {
		refused := req.Method == http.MethodDelete && strings.HasSuffix(req.URL.Path, "2.wacz")
		if refused {
			blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
		}
		return refused
	}
	out := r.erase()
	if out.Reason != workflows.ReasonErasureBlocked || out.Wait != time.Hour || out.Done || r.left() != "chunks/2.wacz run.json" || len(r.proven()) > 0 {
		t.Errorf("%+v, left is %s", out, r.left())
	}
	if err := r.decide(retention.Hold, "A", "chunks/2.wacz"); !errors.Is(err, retention.ErrErasing) {
		t.Errorf("a hold that comes too late: %v", err)
	}
	r.mustDecide(retention.Hold, "B", "chunks/9.wacz") // of which nothing is there, and nothing erased
	r.erase()
	if len(r.events) == 0 || r.events[len(r.events)-1].Kind != "Held" {
		t.Errorf("an erasure that is stuck keeps a later hold from being told: %+v", r.events)
	}
	r.mustDecide(retention.Release, "B", "chunks/9.wacz")
	server.Answer = nil
	if out := r.erase(); !out.Done || len(r.proven()) != 9 {
		t.Errorf("when it may: %+v, proven are %v", out, r.proven())
	}
}

// TestLocksFollow: what the store can lock is locked as long as it is to be kept.
func TestLocksFollow(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{Locks: true})
	lock := func() string {
		t.Helper()
		l, err := r.store.Bucket("archive").Locks(t.Context(), prefix+"chunks/1.wacz")
		if err != nil || len(l) != 1 {
			t.Fatal(l, err)
		}
		text := l[0].Until.Sub(noon).String()
		if l[0].Held {
			text += " held"
		}
		return text
	}
	check := func(when, want string) {
		t.Helper()
		if out := r.erase(); out.ObjectLock != workflows.ObjectLockGovernance {
			t.Errorf("%s: %+v", when, out)
		}
		if got := lock(); got != want {
			t.Errorf("%s: locked for %s, want %s", when, got, want)
		}
	}
	check("sealed", "72h0m0s")
	r.mustDecide(retention.Keep, "A", "chunks/1.wacz")
	check("kept", "720h0m0s")
	r.mustDecide(retention.Hold, "B", "chunks/1.wacz")
	check("held", "720h0m0s held")
	r.mustDecide(retention.Release, "B", "chunks/1.wacz")
	check("released", "720h0m0s")
	r.pass(screening)
	check("screened", "720h0m0s")
	if got := r.left(); got != "chunks/1.wacz chunks/1.wacz.sig run.json" {
		t.Errorf("left is %s", got)
	}
	r.pass(30 * 24 * time.Hour)
	if out := r.erase(); !out.Done || r.left() != "run.json" {
		t.Errorf("over: %+v, left is %s", out, r.left())
	}
}

// TestForeignLocksAreNotLifted: a hold that somebody set in the store itself stays, and what
// it keeps is not even named by an erasure.
func TestForeignLocksAreNotLifted(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{Locks: true})
	b := r.store.Bucket("archive")
	if err := b.SetHold(t.Context(), prefix+"chunks/2.wacz", true); err != nil {
		t.Fatal(err)
	}
	r.pass(screening)
	if out := r.erase(); out.Reason != workflows.ReasonErasureBlocked || !strings.Contains(out.Message, "legal hold") || r.left() != "chunks/2.wacz run.json" {
		t.Errorf("%+v, left is %s", out, r.left())
	}
	if err := r.decide(retention.Hold, "A", "chunks/2.wacz"); err != nil {
		t.Errorf("it can be held here, too: %v", err)
	}
	if out := r.erase(); out.Reason != workflows.ReasonHeld {
		t.Errorf("%+v", out)
	}
}

// hooked serves a store through a hook, for one client.
func hooked(t *testing.T, server *blobtest.Server, hook func(serve func(), r *http.Request)) string {
	t.Helper()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hook(func() { server.ServeHTTP(w, r) }, r)
	}))
}

// TestEraseGivesUpOnWhatComesBack: somebody stores an object again whenever it is erased. One look
// erases it once, and tells; it is not a race that fills the bucket with decisions.
func TestEraseGivesUpOnWhatComesBack(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	r := sealed(t, server)
	r.pass(screening)
	other := connect(t, server.Start(t))
	server.Answer = func(_ http.ResponseWriter, req *http.Request, _ func()) bool {
		if req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/erased-") && server.Object("/archive/"+prefix+"chunks/2.wacz") == nil {
			body := strings.NewReader("again")
			_, err := other.Bucket("archive").Put(t.Context(), prefix+"chunks/2.wacz", blob.Content{Body: body, Size: 5, SHA256: "f16ee6a83ae1b3f0f1cb0d2a2cba9ab1b1f0d4c4c7ac0a1d2ba6b1c6a5a1a0a5"})
			if err != nil {
				t.Error(err)
			}
		}
		return false
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := r.keeper.erase(ctx, r.in)
	if err != nil || out.Reason != workflows.ReasonRetentionDrift || out.Done || out.Log.Seq != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	if got := r.left(); got != "chunks/2.wacz run.json" {
		t.Errorf("left is %s", got)
	}
}
