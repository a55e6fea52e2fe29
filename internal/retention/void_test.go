package retention

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
)

// TestDecideVoids: who wants to keep by name what an erasure names that was written too early is
// not refused, and who comes too late is.
func TestDecideVoids(t *testing.T) {
	t.Parallel()
	const sealed = `{"format":"crawlfleet-run","version":1,"sealedAt":"2026-05-04T12:00:00Z","retention":{"screeningSeconds":259200},"chunks":[]}`
	cases := map[string]struct {
		reason string
		at     time.Time // when the erasure is written
		by     time.Time // when it is by the clock of who writes it, much later if zero
		before []Decision
		open   bool // the run is not sealed
		proven bool
		there  bool // what it names
		void   bool
	}{
		"Early":       {reason: "it was not due", at: day(3).Add(-3 * time.Second), void: true},
		"InTime":      {reason: "it was due", at: day(3)},
		"ABitEarly":   {reason: "a store tells the time in seconds", at: day(3).Add(-time.Second)},
		"Kept":        {reason: "a case kept it longer", at: day(29), before: []Decision{decide(Keep, "B", one)}, void: true},
		"KeptAndOver": {reason: "that was over", at: day(30), before: []Decision{decide(Keep, "B", one)}},
		"Held":        {reason: "it is a forger's, and not one that a clock dated: nobody goes on before a person has looked", at: day(3), before: []Decision{decide(Hold, "B", one)}},
		"NotSealed":   {reason: "when it is due is not known yet: it is left to the workers", at: noon, open: true},
		"Proven":      {reason: "it is done: dates are others after a restore", at: noon, proven: true},
		"WriterEarly": {reason: "it was not due by the clock of who wrote it", at: day(3), by: day(3).Add(-time.Second), void: true},
		"Forged":      {reason: "it is proven, and what it names is there", at: noon, proven: true, there: true, void: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := noon
			b := open(t, &blobtest.Server{Now: func() time.Time { return now }})
			if !tc.open {
				store(t, b, "run.json", sealed)
			}
			if tc.there {
				store(t, b, one, "a capture")
			}
			for _, d := range append(tc.before, erase(two), erase(one)) {
				if d.Action == Erase {
					now, d.At = tc.at, day(99)
					if !tc.by.IsZero() {
						d.At = tc.by
					}
				}
				if err := read(t, b).Append(t.Context(), b, prefix, d); err != nil {
					t.Fatal(err)
				}
			}
			seq := int64(len(tc.before) + 2)
			if tc.proven {
				if err := PutProof(t.Context(), b, prefix, Proof{Intent: read(t, b).MarkAt(seq)}); err != nil {
					t.Fatal(err)
				}
			}
			l, err := Decide(t.Context(), b, prefix, decide(Hold, "A", one))
			if want := error(nil); tc.void != (err == nil) || err != nil && !errors.Is(err, ErrErasing) {
				t.Fatalf("%s: %v, want %v or ErrErasing", tc.reason, err, want)
			}
			if voided := read(t, b).Voided(); voided[seq] != tc.void || voided[seq-1] {
				t.Errorf("%s: void are %v", tc.reason, voided)
			}
			if d := l.Decisions; tc.void && (d[len(d)-2].By != "desk" || d[len(d)-1].Action != Hold) {
				t.Errorf("%s: decided is %+v", tc.reason, d)
			}
		})
	}
}

// TestHoldOfAllVoids: a hold of all that a run has does not depend on what the store says later of
// when an early erasure was written. A release changes nothing.
func TestHoldOfAllVoids(t *testing.T) {
	t.Parallel()
	now := noon
	b := open(t, &blobtest.Server{Now: func() time.Time { return now }})
	store(t, b, "run.json", `{"format":"crawlfleet-run","sealedAt":"2026-05-04T12:00:00Z","retention":{"screeningSeconds":259200}}`)
	early, late := erase(one, "leads/1"), erase(two)
	early.At, late.At = day(3), day(3)
	l := read(t, b)
	for _, d := range []Decision{early, early} {
		if err := l.Append(t.Context(), b, prefix, d); err != nil {
			t.Fatal(err)
		}
	}
	now = day(3)
	if err := l.Append(t.Context(), b, prefix, late); err != nil {
		t.Fatal(err)
	}
	for _, d := range []Decision{decide(Hold, "A", "chunks/9.wacz"), decide(Release, "A"), decide(Hold, "A")} {
		if _, err := Decide(t.Context(), b, prefix, d); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, d := range read(t, b).Decisions {
		got = append(got, fmt.Sprint(d.Version, " ", d.Action, " ", d.Voids))
	}
	want := []string{"1 Erase 0", "1 Erase 0", "1 Erase 0", "1 Hold 0", "1 Release 0", "2 Void 1", "2 Void 2", "1 Hold 0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decided (-want +got):\n%s", diff)
	}
}

// TestVoidOfNothing: what is void is an erasure that was decided before.
func TestVoidOfNothing(t *testing.T) {
	t.Parallel()
	b := open(t, &blobtest.Server{})
	l := read(t, b)
	for _, d := range []Decision{decide(Hold, "A"), erase(one)} {
		if err := l.Append(t.Context(), b, prefix, d); err != nil {
			t.Fatal(err)
		}
	}
	for _, seq := range []int64{1, 3, 4} {
		if err := l.Append(t.Context(), b, prefix, NewVoid(seq, "worker", noon)); !errors.Is(err, ErrInvalid) {
			t.Errorf("number %d: %v, want ErrInvalid", seq, err)
		}
	}
	if err := l.Append(t.Context(), b, prefix, NewVoid(2, "worker", noon)); err != nil {
		t.Fatal(err)
	}
	if l.IsEarly(2, nil) {
		t.Error("what was not read from the store has no date")
	}
	if got := read(t, b); !got.Voided()[2] || got.Mark() != l.Mark() {
		t.Errorf("read %+v", got.Decisions)
	}
	forged := NewVoid(1, "worker", noon)
	forged.Format, forged.Version, forged.Run, forged.Seq, forged.Previous = format, voidVersion, RunOf(prefix), 4, l.Mark().SHA256
	data, err := forged.encode()
	if err != nil {
		t.Fatal(err)
	}
	store(t, b, DecisionName(4), string(data))
	if _, err := Read(t.Context(), b, prefix); !errors.Is(err, ErrBroken) {
		t.Errorf("read: %v, want ErrBroken", err)
	}
}
