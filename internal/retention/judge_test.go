package retention

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noon is when runs of tests are sealed; their period lasts for three days.
var (
	noon   = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	period = Period{Begins: noon, Length: 72 * time.Hour}
)

const (
	one = "chunks/1.wacz"
	two = "chunks/2.wacz"
)

func day(n int) time.Time { return noon.AddDate(0, 0, n) }

// decide makes a decision; its objects are all when none are named.
func decide(a Action, c string, objects ...string) Decision {
	d := Decision{Action: a, Case: c, Objects: objects, By: "desk", Why: "a test", At: noon}
	if a == Keep {
		d.Until = day(30)
	}
	return d
}

func until(d Decision, t time.Time) Decision {
	d.Until = t
	return d
}

func erase(names ...string) Decision {
	d := Decision{Action: Erase, By: "worker", Why: "due", At: noon}
	for _, n := range names {
		d.Erasing = append(d.Erasing, Erasing{Name: n, Due: noon, For: ScreeningEnded})
	}
	return d
}

func TestJudge(t *testing.T) {
	t.Parallel()
	all := []string{one, two, "chunks/2.wacz.sig", "leads/00001.jsonl.zst", State}
	// What becomes of all but what a case names.
	fates := func(change func(map[string]Fate)) map[string]Fate {
		m := map[string]Fate{}
		for _, name := range all {
			m[name] = Fate{Name: name, Due: day(3), For: ScreeningEnded}
		}
		change(m)
		return m
	}
	kept := func(m map[string]Fate, until time.Time, names ...string) {
		for _, n := range names {
			m[n] = Fate{Name: n, Due: until, For: KeepEnded, KeptUntil: until}
		}
	}
	held := func(m map[string]Fate, by []string, names ...string) {
		for _, n := range names {
			f := m[n]
			f.HeldBy = by
			m[n] = f
		}
	}
	cases := map[string]struct {
		reason string
		log    []Decision
		want   map[string]Fate
	}{
		"Nothing": {reason: "what nobody ties to a case goes when the period ends",
			want: fates(func(map[string]Fate) {})},
		"KeepOne": {reason: "what lies beside a chunk stays with it, the lists go with the first chunk",
			log:  []Decision{decide(Keep, "A", two)},
			want: fates(func(m map[string]Fate) { kept(m, day(30), two, "chunks/2.wacz.sig") })},
		"KeepAll": {reason: "the lists stay as long as all chunks do; the queue's state is no capture",
			log: []Decision{decide(Keep, "A")},
			want: fates(func(m map[string]Fate) {
				kept(m, day(30), one, two, "chunks/2.wacz.sig", "leads/00001.jsonl.zst")
			})},
		"KeepShort": {reason: "a date within the screening period takes nothing from it",
			log: []Decision{until(decide(Keep, "A", one), day(1))},
			want: fates(func(m map[string]Fate) {
				f := m[one]
				f.KeptUntil = day(1)
				m[one] = f
			})},
		"KeepLess": {reason: "a case may end sooner than was thought",
			log:  []Decision{decide(Keep, "A", one), until(decide(Keep, "A", one), day(10))},
			want: fates(func(m map[string]Fate) { kept(m, day(10), one) })},
		"KeepTwice": {reason: "of two cases the later date holds, whatever the order",
			log:  []Decision{decide(Keep, "A", one), until(decide(Keep, "B", one), day(10))},
			want: fates(func(m map[string]Fate) { kept(m, day(30), one) })},
		"HoldOne": {reason: "a hold is about what it names",
			log:  []Decision{decide(Hold, "A", two)},
			want: fates(func(m map[string]Fate) { held(m, []string{"A"}, two, "chunks/2.wacz.sig") })},
		"HoldAll": {reason: "a hold of the run is of all that is there",
			log:  []Decision{decide(Hold, "A")},
			want: fates(func(m map[string]Fate) { held(m, []string{"A"}, all...) })},
		"HoldEach": {reason: "while no chunk can be erased, the lists are not either",
			log: []Decision{decide(Hold, "A", one), decide(Hold, "B", two)},
			want: fates(func(m map[string]Fate) {
				held(m, []string{"A"}, one)
				held(m, []string{"B"}, two, "chunks/2.wacz.sig")
				held(m, []string{"A", "B"}, "leads/00001.jsonl.zst")
			})},
		"Release": {reason: "what was held falls under its date again",
			log: []Decision{decide(Hold, "A", one), decide(Release, "A", one)},
			want: fates(func(m map[string]Fate) {
				f := m[one]
				f.HeldBy, f.WasHeld = []string{}, true
				m[one] = f
			})},
		"ReleaseOther": {reason: "a case releases what it holds itself and no more",
			log:  []Decision{decide(Hold, "A", one), decide(Release, "B")},
			want: fates(func(m map[string]Fate) { held(m, []string{"A"}, one) })},
		"Void": {reason: "an erasure that is void counts no more, and one that follows does",
			log:  []Decision{erase(one, two), NewVoid(1, "worker", noon), erase(two)},
			want: fates(func(m map[string]Fate) { f := m[two]; f.Erasing = 3; m[two] = f })},
		"Erasing": {reason: "an erasure is noted, also where the run is held afterwards",
			log: []Decision{erase(one), decide(Hold, "A")},
			want: fates(func(m map[string]Fate) {
				held(m, []string{"A"}, all...)
				f := m[one]
				f.Erasing = 1
				m[one] = f
			})},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := range tc.log {
				tc.log[i].Seq = int64(i + 1)
			}
			if diff := cmp.Diff(tc.want, Judge(period, tc.log, all)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	f := Fate{Due: day(3)}
	if f.IsDue(day(3).Add(-time.Nanosecond)) || !f.IsDue(day(3)) {
		t.Error("it is due when the period is over, and not before")
	}
	f.HeldBy = []string{"A"}
	if f.IsDue(day(1000)) {
		t.Error("what is held is never due")
	}
	if none := (Fate{}); none.IsDue(day(1000)) {
		t.Error("what has no date is not due")
	}
}

func TestUnitOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		one: one, "chunks/1.wacz.sig": one, "chunks/1.wacz.d/x": one, "chunks/odd": Chunks, "leads/1": "", "run.json": "", State: "",
	} {
		if got := UnitOf(name); got != want {
			t.Errorf("UnitOf(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	change := func(d Decision, f func(*Decision)) Decision { f(&d); return d }
	cases := map[string]struct {
		d  Decision
		ok bool
	}{
		"Keep":         {decide(Keep, "A", one), true},
		"Hold":         {decide(Hold, "A"), true},
		"Release":      {decide(Release, "A", one), true},
		"Erase":        {erase(one, State), true},
		"Nobody":       {change(decide(Hold, "A"), func(d *Decision) { d.By = " " }), false},
		"NoReason":     {change(decide(Hold, "A"), func(d *Decision) { d.Why = "" }), false},
		"NoTime":       {change(decide(Hold, "A"), func(d *Decision) { d.At = time.Time{} }), false},
		"NoCase":       {decide(Hold, ""), false},
		"TwoLines":     {decide(Hold, "A\nB"), false},
		"Long":         {decide(Hold, strings.Repeat("A", maxText+1)), false},
		"KeepForEver":  {until(decide(Keep, "A"), time.Time{}), false},
		"HoldUntil":    {until(decide(Hold, "A"), noon), false},
		"Word":         {decide("Forget", "A"), false},
		"NotAChunk":    {decide(Hold, "A", "run.json"), false},
		"AllChunks":    {decide(Hold, "A", "chunks/"), false},
		"Sidecar":      {decide(Hold, "A", "chunks/1.wacz.sig"), false},
		"TooMany":      {decide(Hold, "A", make([]string, MaxObjects+1)...), false},
		"EraseNothing": {erase(), false},
		"EraseForCase": {change(erase(one), func(d *Decision) { d.Case = "A" }), false},
		"Void":         {NewVoid(1, "worker", noon), true},
		"VoidNothing":  {NewVoid(0, "worker", noon), false},
		"VoidBefore":   {NewVoid(-1, "worker", noon), false},
		"VoidChunk":    {change(NewVoid(1, "worker", noon), func(d *Decision) { d.Objects = []string{one} }), false},
		"VoidForCase":  {change(NewVoid(1, "worker", noon), func(d *Decision) { d.Case = "A" }), false},
		"HoldAndVoid":  {change(decide(Hold, "A"), func(d *Decision) { d.Voids = 1 }), false},
		"EraseAndVoid": {change(erase(one), func(d *Decision) { d.Voids = 1 }), false},
		"HoldAndErase": {change(decide(Hold, "A"), func(d *Decision) { d.Erasing = erase(one).Erasing }), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := tc.d.Check(); (err == nil) != tc.ok || err != nil && !errors.Is(err, ErrInvalid) {
				t.Errorf("check: %v, want ok %v", err, tc.ok)
			}
		})
	}
}
