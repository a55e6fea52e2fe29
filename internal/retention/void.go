package retention

import (
	"context"
	"errors"
	"fmt"
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
const voidReason = "it was written before what it names was due, by the clock of the store"

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
// says when that was. One that was not read from the store has no date, and is not.
func (l *Log) IsEarly(seq int64, fates map[string]Fate) bool {
	written := l.WrittenAt(seq)
	if written.IsZero() {
		return false
	}
	for _, e := range l.Decisions[seq-1].Erasing {
		if f := fates[e.Name]; !f.Held() && !f.IsDue(written.Add(writtenSlack)) {
			return true
		}
	}
	return false
}

// voidFor decides that the erasure which stands in the way of a decision is void, if it is one that
// no worker carries out. Workers know of the run's period what the closing statement says, or of a
// later end of it: what is early by that statement is early for them, too. Without one it is
// left to them.
func (l *Log) voidFor(ctx context.Context, store Store, prefix string, d *Decision) (voided bool, err error) {
	seq, _ := l.bar(d)
	_, err = ReadProof(ctx, store, prefix, l.MarkAt(seq))
	if !errors.Is(err, blob.ErrNotFound) {
		return false, err // it is done, whatever its date has become
	}
	st, err := ReadStatement(ctx, store, prefix)
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	if err != nil || !l.IsEarly(seq, l.FatesAt(st.Period, seq, nil)) {
		return false, err
	}
	return true, l.Append(ctx, store, prefix, NewVoid(seq, d.By, d.At))
}
