package retention

import (
	"slices"
	"strings"
	"time"
)

// Cause is why an object is to be erased.
type Cause string

// The causes.
const (
	ScreeningEnded Cause = "ScreeningEnded"
	KeepEnded      Cause = "KeepEnded"
)

// Period is the screening period of a run.
type Period struct {
	// Begins is when the run was sealed, or was over when it was not, Length how long
	// its captures are there to be looked through.
	Begins time.Time
	Length time.Duration
}

// Ends is when what nobody tied to a case is erased.
func (p Period) Ends() time.Time { return p.Begins.Add(p.Length) }

// Fate is what is decided about an object.
type Fate struct {
	Name string
	// Due is when it is to be erased, unless it is held, For why then. It is zero when that
	// depends on what is held.
	Due time.Time
	For Cause
	// KeptUntil is the latest date of a case, zero when none keeps it.
	KeptUntil time.Time
	// HeldBy are the cases that hold it, in the order of their decisions; WasHeld is set
	// when one did that does not any more.
	HeldBy  []string
	WasHeld bool
	// Erasing is the number of the last decision to erase it that is not void, 0 for none.
	Erasing int64
}

// Held tells whether the object may not be erased, whatever the time.
func (f *Fate) Held() bool { return len(f.HeldBy) > 0 }

// IsDue tells whether the object is to be erased at a time.
func (f *Fate) IsDue(now time.Time) bool { return !f.Held() && !f.Due.IsZero() && !now.Before(f.Due) }

// Judge says what the decisions of a run mean for objects. The names must be of all objects
// that the run has or had: lists of leads and visits have data of all chunks, and can be made
// again of those that are left, so that they go with the first of them.
func Judge(p Period, log []Decision, names []string) map[string]Fate {
	fates := make(map[string]Fate, len(names))
	erasing := erasures(log)
	var first Fate // of the chunks
	var holders []string
	for _, name := range names {
		if !strings.HasPrefix(name, Chunks) {
			continue
		}
		f := judge(p, log, name)
		f.Erasing = erasing[name]
		fates[name] = f
		if f.Held() {
			holders = append(holders, f.HeldBy...)
		} else if first.Due.IsZero() || f.Due.Before(first.Due) {
			first = f
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, Chunks) {
			continue
		}
		f := judge(p, log, name)
		switch {
		case name == State: // nobody screens it, and it proves nothing
			f.Due, f.For, f.KeptUntil = p.Ends(), ScreeningEnded, time.Time{}
		case f.Held(): // with all that the run has
		case !first.Due.IsZero():
			f.Due, f.For = first.Due, first.For
		case len(holders) > 0: // each chunk is held for itself
			f.HeldBy = slices.Compact(slices.Sorted(slices.Values(holders)))
		}
		f.Erasing = erasing[name]
		fates[name] = f
	}
	return fates
}

// judge applies what persons decided about one object.
func judge(p Period, log []Decision, name string) Fate {
	f := Fate{Name: name, Due: p.Ends(), For: ScreeningEnded}
	unit, kept := UnitOf(name), map[string]time.Time{}
	for i := range log {
		d := &log[i]
		if !d.covers(unit) {
			continue
		}
		switch d.Action {
		case Keep:
			kept[d.Case] = d.Until
		case Hold:
			if !slices.Contains(f.HeldBy, d.Case) {
				f.HeldBy = append(f.HeldBy, d.Case)
			}
		case Release:
			before := len(f.HeldBy)
			f.HeldBy = slices.DeleteFunc(f.HeldBy, func(c string) bool { return c == d.Case })
			f.WasHeld = f.WasHeld || len(f.HeldBy) < before
		}
	}
	for _, until := range kept {
		if until.After(f.KeptUntil) {
			f.KeptUntil = until
		}
	}
	if f.KeptUntil.After(f.Due) {
		f.Due, f.For = f.KeptUntil, KeepEnded
	}
	return f
}

// erasures finds the last decision to erase each object that is not void.
func erasures(log []Decision) map[string]int64 {
	last, void := map[string]int64{}, voids(log)
	for i := range log {
		if void[log[i].Seq] {
			continue
		}
		for _, e := range log[i].Erasing {
			last[e.Name] = log[i].Seq
		}
	}
	return last
}
