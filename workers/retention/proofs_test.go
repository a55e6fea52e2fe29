package retention

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workflows"
)

// forgeProof writes a proof of an intent, of so many of its objects, as a worker would after it had
// erased them.
func (r *rig) forgeProof(seq int64, objects int) {
	r.t.Helper()
	b := r.store.Bucket("archive")
	l, err := retention.Read(r.t.Context(), b, prefix)
	if err != nil {
		r.t.Fatal(err)
	}
	p := retention.Proof{Intent: l.MarkAt(seq), By: retention.Program{Name: "forger"}}
	for _, e := range l.Decisions[seq-1].Erasing[:objects] {
		p.Objects = append(p.Objects, retention.Removed{Erasing: e, Confirmed: "forged"})
	}
	if err := retention.PutProof(r.t.Context(), b, prefix, p); err != nil {
		r.t.Fatal(err)
	}
}

// remove is what somebody does who may.
func (r *rig) remove(name string) { r.server.Remove("/archive/" + prefix + name) }

// TestForgedProofs: who may write to the bucket can forge a proof, too. It excuses nothing, keeps
// nobody from holding what is there, and the fleet does not vouch for it.
func TestForgedProofs(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		do     func(*rig)
		want   workflows.Reason
		left   string
		erased bool // whether the fleet says in the end that the first chunk was erased by number 2
	}{
		"Held": {"what was held must not go", func(r *rig) {
			r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
			r.forge("chunks/1.wacz")
			r.forgeProof(2, 1)
			r.pass(screening)
		}, workflows.ReasonRetentionDrift, everything, false},
		"HeldAndGone": {"whoever deletes it afterwards is not excused", func(r *rig) {
			r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
			r.forge("chunks/1.wacz")
			r.forgeProof(2, 1)
			r.erase()
			r.remove("chunks/1.wacz")
		}, workflows.ReasonRetentionDrift, strings.Replace(everything, "chunks/1.wacz ", "", 1), false},
		"Early": {"what is not due is there all the same, and told once", func(r *rig) {
			r.mustDecide(retention.Hold, "A", "chunks/2.wacz")
			r.forge("chunks/1.wacz")
			r.forgeProof(2, 1)
			if out := r.erase(); out.Reason != workflows.ReasonRetentionDrift {
				r.t.Errorf("it is not told: %+v", out)
			}
		}, workflows.ReasonHeld, everything, false},
		"EarlyAndGone": {"it was not due", func(r *rig) {
			r.mustDecide(retention.Hold, "A", "chunks/2.wacz")
			r.forge("chunks/1.wacz")
			r.forgeProof(2, 1)
			r.remove("chunks/1.wacz")
			r.erase()
		}, workflows.ReasonRetentionDrift, strings.Replace(everything, "chunks/1.wacz ", "", 1), false},
		"EarlyAndHeld": {"it can be held by name", func(r *rig) {
			r.mustDecide(retention.Hold, "A", "chunks/2.wacz")
			r.forge("chunks/1.wacz")
			r.forgeProof(2, 1)
			r.mustDecide(retention.Hold, "B", "chunks/1.wacz")
			r.erase()
			r.pass(screening)
		}, workflows.ReasonHeld, "chunks/1.wacz chunks/1.wacz.sig chunks/2.wacz run.json", false},
		"EarlyHeldAndGone": {"a proof of what is void does not excuse that it is gone", func(r *rig) {
			r.mustDecide(retention.Hold, "A", "chunks/2.wacz")
			r.forge("chunks/1.wacz")
			r.forgeProof(2, 1)
			r.mustDecide(retention.Hold, "B", "chunks/1.wacz")
			r.remove("chunks/1.wacz")
			r.erase()
		}, workflows.ReasonRetentionDrift, strings.Replace(everything, "chunks/1.wacz ", "", 1), false},
		"InTime": {"it is due, and erased all the same", func(r *rig) {
			r.mustDecide(retention.Hold, "A", "chunks/2.wacz")
			r.pass(screening)
			r.forge("chunks/1.wacz")
			r.forgeProof(2, 1)
			if out := r.erase(); out.Reason != workflows.ReasonRetentionDrift {
				r.t.Errorf("it is not told: %+v", out)
			}
		}, workflows.ReasonHeld, "chunks/2.wacz run.json", true},
		"OfLess": {"it is not of all that was to be erased", func(r *rig) {
			r.mustDecide(retention.Hold, "A", "chunks/2.wacz")
			r.pass(screening)
			r.forge("chunks/1.wacz")
			r.forgeProof(2, 0)
		}, workflows.ReasonRetentionDrift, everything, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sealed(t, &blobtest.Server{})
			log, trust := vouched(t, r)
			tc.do(r)
			if out := r.erase(); out.Reason != tc.want || r.left() != tc.left {
				t.Errorf("%s: %s: %s, left is %s", tc.reason, out.Reason, out.Message, r.left())
			}
			told := strings.Contains(strings.Join(entries(t, log), "\n"), "Erased chunks/1.wacz  decision 2")
			if signed := signatures(t, r, trust, retention.ProofName(2)); told != tc.erased || (signed > 0) != tc.erased {
				t.Errorf("%s: told as erased: %v, and the proof has %d signatures; told are %q", tc.reason, told, signed, entries(t, log))
			}
		})
	}
}

// TestForgedProofIsNotToldWhileThere: that what is due is erased is told once the store has nothing of
// it any more.
func TestForgedProofIsNotToldWhileThere(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{})
	log, trust := vouched(t, r)
	r.pass(screening)
	r.forge("chunks/1.wacz")
	r.forgeProof(1, 1)
	r.mustDecide(retention.Hold, "A") // of what is left, and that chunk is
	if out := r.erase(); out.Reason != workflows.ReasonRetentionDrift || r.left() != everything || out.Told != 0 {
		t.Errorf("%+v, left is %s", out, r.left())
	}
	if signed, told := signatures(t, r, trust, retention.ProofName(1)), strings.Join(entries(t, log), "\n"); signed > 0 || strings.Contains(told, "Erased") || !strings.Contains(told, "Held") {
		t.Errorf("the proof has %d signatures, told is\n%s", signed, told)
	}
}

// TestHeldIsLockedWhateverIsForged: the store locks what is held, also while nothing is erased because
// of what somebody forged.
func TestHeldIsLockedWhateverIsForged(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*rig){
		"Intent": func(r *rig) {
			r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
			r.forge("chunks/1.wacz")
		},
		"Proof": func(r *rig) {
			r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
			r.forge("chunks/1.wacz")
			r.forgeProof(2, 1)
		},
		"ProofOfEarly": func(r *rig) {
			r.forge("chunks/1.wacz")
			r.forgeProof(1, 1)
			r.mustDecide(retention.Hold, "A")
		},
		"ProofInTime": func(r *rig) {
			r.pass(screening)
			r.forge("chunks/1.wacz")
			r.forgeProof(1, 1)
			r.mustDecide(retention.Hold, "A")
		},
		"ProofOfNothing": func(r *rig) {
			r.mustDecide(retention.Hold, "A")
			r.put("archive", retention.ProofName(7), "{}")
		},
		"NotSealed": func(r *rig) { // nobody can say that it is early
			r.remove("run.json")
			r.forge("chunks/1.wacz")
			r.mustDecide(retention.Hold, "A")
		},
	}
	for name, do := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sealed(t, &blobtest.Server{Locks: true})
			do(r)
			r.erase()
			l, err := r.store.Bucket("archive").Locks(t.Context(), prefix+"chunks/1.wacz")
			if err != nil || len(l) != 1 || !l[0].Held {
				t.Errorf("it has the locks %+v, %v", l, err)
			}
		})
	}
}

// TestForgedVoidWhileErased: an erasure that somebody calls void while a worker carries it out is
// proven. That is told once, and what comes due later is erased.
func TestForgedVoidWhileErased(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{false, true} {
		r := sealed(t, &blobtest.Server{})
		r.mustDecide(retention.Keep, "A", "chunks/3.wacz")
		r.pass(screening)
		voided := false
		r.keeper.Store = connect(t, hooked(t, r.server, func(serve func(), req *http.Request) {
			if req.Method == http.MethodDelete && !voided {
				voided = true
				if err := r.append(retention.NewVoid(2, "forger", r.worker)); err != nil {
					t.Error(err)
				}
				if held {
					r.mustDecide(retention.Hold, "B", "chunks/1.wacz")
				}
			}
			serve()
		}))
		reasons := []workflows.Reason{r.erase().Reason, r.erase().Reason}
		want := workflows.ReasonKept
		if held { // nobody is told that it is kept, and finds it gone, without a word
			want = workflows.ReasonRetentionDrift
		}
		if reasons[0] != workflows.ReasonRetentionDrift || reasons[1] != want || r.left() != "chunks/3.wacz run.json" {
			t.Errorf("held %v: %v, left is %s", held, reasons, r.left())
		}
		told := ""
		for _, e := range r.events {
			told += e.Kind + " "
		}
		if !held && told != "Kept Erased Void " {
			t.Errorf("told is %s", told)
		}
		r.pass(30 * 24 * time.Hour)
		if out := r.erase(); r.left() != "run.json" || !held && (out.Reason != workflows.ReasonErased || !out.Done) {
			t.Errorf("held %v: %+v, left is %s", held, out, r.left())
		}
	}
}

// TestRestarted: a Retain that is started anew, as if the run were over now, goes on with what the one
// before it had begun, whenever its worker died. Where no statement says when the run was sealed it waits,
// and does not go before a hold that comes meanwhile.
func TestRestarted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		open, held bool
		wait       time.Duration
		want       workflows.Reason
	}{
		"Sealed":        {want: workflows.ReasonErased},
		"NotSealed":     {open: true, wait: screening, want: workflows.ReasonScreening},
		"NotSealedHeld": {open: true, held: true, wait: screening, want: workflows.ReasonHeld},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sealed(t, &blobtest.Server{Locks: true})
			if tc.open {
				r.server.Remove("/archive/" + prefix + "run.json")
			}
			r.pass(screening)
			r.dieAt("chunks/3.wacz")
			r.in.EndedAt = r.worker.Add(time.Minute) // as docs/retention.md says: the time of now
			r.pass(time.Minute)
			if tc.held {
				r.mustDecide(retention.Hold, "A")
			}
			out := r.erase()
			there := strings.Contains(r.left(), "chunks/3.wacz")
			if out.Reason != tc.want || there != tc.open {
				t.Errorf("anew: %+v, left is %s", out, r.left())
			}
			r.pass(tc.wait)
			if tc.held {
				if out := r.erase(); out.Reason != workflows.ReasonHeld || !strings.Contains(r.left(), "chunks/3.wacz") {
					t.Errorf("held: %+v, left is %s", out, r.left())
				}
				r.mustDecide(retention.Release, "A")
			}
			if out := r.erase(); !out.Done || out.Reason != workflows.ReasonErased || strings.Contains(r.left(), "chunks") {
				t.Errorf("over: %+v, left is %s", out, r.left())
			}
			if p := r.proofs(); len(p) == 0 || p[0].Intent.Seq != 1 {
				t.Errorf("the first erasure is not proven: %v", r.proven())
			}
		})
	}
}

// dieAt has a worker die when it erases an object.
func (r *rig) dieAt(name string) {
	r.t.Helper()
	dead := false
	r.keeper.Store = connect(r.t, hooked(r.t, r.server, func(serve func(), req *http.Request) {
		dead = dead || req.Method == http.MethodDelete && strings.HasSuffix(req.URL.Path, name)
		if dead {
			panic(http.ErrAbortHandler)
		}
		serve()
	}))
	if _, err := r.keeper.erase(r.t.Context(), r.in); err == nil {
		r.t.Fatal("the worker lives")
	}
	r.keeper.Store = r.store
}

// TestTheLongerPeriodHolds: a Retain that is started with a shorter period than the closing statement
// says does not erase sooner, and a longer one is kept to.
func TestTheLongerPeriodHolds(t *testing.T) {
	t.Parallel()
	for name, length := range map[string]time.Duration{"Shorter": screening / 1000, "Longer": 2 * screening, "None": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sealed(t, &blobtest.Server{})
			said := &bytes.Buffer{}
			r.keeper.Logger = slog.New(slog.NewTextHandler(said, nil))
			r.in.Retention.Screening = length
			r.pass(max(length, screening) - time.Second)
			if out := r.erase(); r.left() != everything || out.Reason != workflows.ReasonScreening {
				t.Errorf("%+v, left is %s", out, r.left())
			}
			if !strings.Contains(said.String(), "another screening period") {
				t.Errorf("that they differ is not logged: %s", said)
			}
			r.pass(time.Second)
			if out := r.erase(); !out.Done {
				t.Errorf("%+v, left is %s", out, r.left())
			}
		})
	}
}

// TestSealedMeanwhile: an attempt that began before the run was sealed goes by the closing statement
// from then on.
func TestSealedMeanwhile(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{})
	at := "/archive/" + prefix + "run.json"
	statement := string(r.server.Object(at))
	r.server.Remove(at)
	r.pass(screening)
	sealed := false
	r.keeper.Store = connect(t, hooked(t, r.server, func(serve func(), req *http.Request) {
		serve()
		if req.Method == http.MethodPut && !sealed {
			sealed = true
			r.put("archive", "run.json", statement)
		}
	}))
	if out := r.erase(); r.left() != everything || out.Reason != workflows.ReasonScreening || len(r.proofs()) > 0 {
		t.Errorf("%+v, left is %s", out, r.left())
	}
}

// TestLogGetsShorter: who takes away a decision while a worker looks is found out.
func TestLogGetsShorter(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{})
	r.pass(screening)
	r.keeper.Store = connect(t, hooked(t, r.server, func(serve func(), req *http.Request) {
		serve()
		if req.Method == http.MethodPut && strings.Contains(req.URL.Path, retention.Folder) {
			r.remove("retention/00000001.json")
		}
	}))
	if out := r.erase(); out.Reason != workflows.ReasonRetentionDrift || r.left() != everything {
		t.Errorf("%+v, left is %s", out, r.left())
	}
}
