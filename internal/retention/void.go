package retention

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// An erasure is dated by the store. A date before what it names was due is that of a store whose
// clock fell back, or of somebody's who is no worker. Such a one would go before what is decided
// until the time has come. It is not carried out, but not passed over in silence either, as dates
// change when a bucket is restored from a copy: that it is void is the next decision, and
// everybody sees that in the same place of the same order. Then a new one may follow.

// writtenSlack is by how much the store may date an erasure before its objects were due: it
// tells the time in whole seconds, and may have more than one clock.
const writtenSlack = 2 * time.Second

// voidReason is what a decision says that an erasure is void.
const voidReason = "it was written before what it names was due, by the clock of the store or of who wrote it"

// NewVoid is the decision that an erasure is void.
func NewVoid(seq int64, by string, at time.Time) Decision {
	return Decision{Action: Void, Voids: seq, By: by, Why: voidReason, At: at}
}

// voids are the numbers of the erasures that are void.
func voids(log []Decision) map[int64]bool {
	void := map[int64]bool{}
	for i := range log {
		if log[i].Action == Void {
			void[log[i].Voids] = true
		}
	}
	return void
}

// Voided are the numbers of the erasures that are void.
func (l *Log) Voided() map[int64]bool { return voids(l.Decisions) }

// names checks that what a decision calls void is an erasure that was decided before it.
func (l *Log) names(d *Decision) error {
	if d.Action != Void {
		return nil
	}
	if d.Voids > int64(len(l.Decisions)) || l.Decisions[d.Voids-1].Action != Erase {
		return fmt.Errorf("%w: number %d is no erasure that was decided before", ErrInvalid, d.Voids)
	}
	return nil
}

// FatesAt is what was decided about the objects of an erasure when that was decided. The names are
// those that the run has: see [Judge].
func (l *Log) FatesAt(p Period, seq int64, names []string) map[string]Fate {
	for i := range l.Decisions {
		for _, e := range l.Decisions[i].Erasing { // what is gone was there when the lists became due
			names = append(names, e.Name)
		}
	}
	return Judge(p, l.Decisions[:seq-1], names)
}

// IsEarly tells whether an erasure was written before all that it names was due, of which fates
// says when that was: by the clock of the store, or by that of who wrote it. One that was not read
// from the store has no date, and is not.
func (l *Log) IsEarly(seq int64, fates map[string]Fate) bool {
	written := l.WrittenAt(seq)
	if written.IsZero() {
		return false
	}
	d := &l.Decisions[seq-1]
	for _, e := range d.Erasing {
		f := fates[e.Name]
		due := f.IsDue(written.Add(writtenSlack)) && f.IsDue(d.At)
		if !due && !f.Held() {
			return true
		}
	}
	return false
}

// Early are the numbers of the erasures that are to be declared void: those that are early by what
// the closing statement says of the run's period, and were not carried out. Without a statement
// nobody can say that of any.
func (l *Log) Early(ctx context.Context, store Store, prefix string) (early []int64, err error) {
	left, there, err := l.notCarriedOut(ctx, store, prefix)
	if err != nil || len(left) == 0 {
		return nil, err
	}
	st, err := ReadStatement(ctx, store, prefix)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, o := range st.Objects {
		there[o.Name] = true
	}
	names := slices.Collect(maps.Keys(there)) // as workers have them: lists are due with a chunk that is not stated, too
	return slices.DeleteFunc(left, func(seq int64) bool { return !l.IsEarly(seq, l.FatesAt(st.Period, seq, slices.Clip(names))) }), nil
}

// notCarriedOut are the numbers of the erasures that are not void and not carried out, and the names
// of what is there. A proof is worth nothing while any of the objects is there: who may write to the
// bucket can write one.
func (l *Log) notCarriedOut(ctx context.Context, store Store, prefix string) (left []int64, there map[string]bool, err error) {
	void := voids(l.Decisions)
	for i := range l.Decisions {
		if d := &l.Decisions[i]; d.Action == Erase && !void[d.Seq] {
			left = append(left, d.Seq)
		}
	}
	if len(left) == 0 {
		return nil, nil, nil
	}
	there = map[string]bool{}
	err = store.List(ctx, prefix, func(o blob.Info) bool {
		there[strings.TrimPrefix(string(o.Key), prefix)] = true
		return true
	})
	return slices.DeleteFunc(left, func(seq int64) bool {
		return there[ProofName(seq)] && !slices.ContainsFunc(l.Decisions[seq-1].Erasing, func(e Erasing) bool { return there[e.Name] })
	}), there, err
}

// voidFor decides that the early erasures of what a decision is to keep are void: whoever keeps
// something must not depend on what the store says of their dates. What is early by the closing
// statement is early for all workers, so that none can be carrying it out.
func (l *Log) voidFor(ctx context.Context, store Store, prefix string, d *Decision) error {
	if d.Action != Keep && d.Action != Hold {
		return nil
	}
	early, err := l.Early(ctx, store, prefix)
	if err != nil {
		return err
	}
	for _, seq := range early {
		covers := func(e Erasing) bool { return d.covers(UnitOf(e.Name)) }
		if !slices.ContainsFunc(l.Decisions[seq-1].Erasing, covers) {
			continue
		}
		if err := l.Append(ctx, store, prefix, NewVoid(seq, d.By, d.At)); err != nil {
			return err
		}
	}
	return nil
}

// AsVoid are the decisions as they would be if some erasures were declared void.
func (l *Log) AsVoid(early []int64) []Decision {
	log := slices.Clone(l.Decisions)
	for _, seq := range early {
		log = append(log, Decision{Action: Void, Voids: seq})
	}
	return log
}

// KeptSince tells whether anything that an erasure names was to be kept or held by a decision after it.
func (l *Log) KeptSince(seq int64) bool {
	return slices.ContainsFunc(l.Decisions[seq:], func(d Decision) bool {
		return (d.Action == Keep || d.Action == Hold) && slices.ContainsFunc(l.Decisions[seq-1].Erasing, func(e Erasing) bool { return d.covers(UnitOf(e.Name)) })
	})
}
