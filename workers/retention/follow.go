package retention

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/retention"
)

// refusal tells what a store refuses of one object from trouble of the store itself, which passes, or
// is one of all objects.
func refusal(err error) bool {
	for _, trouble := range []error{
		blob.ErrUnreachable, blob.ErrClock, blob.ErrNoBucket, blob.ErrFull, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, trouble) {
			return false
		}
	}
	return err != nil
}

// lockedBy says why the store will not remove an object now, empty when it will.
func (r *run) lockedBy(ctx context.Context, name string) (string, error) {
	key := blob.Key(r.prefix + name)
	held, until := false, time.Time{}
	err := r.archive.EachLock(ctx, key, func(l blob.Lock) error {
		held = held || l.Held
		if l.Until.After(until) {
			until = l.Until
		}
		return nil
	})
	if err == nil && held {
		if !r.lifts(name, r.log.Mark().Seq) {
			return "the store has it under a legal hold that was not decided here", nil
		}
		err = r.lift(ctx, name)
	}
	if refusal(err) {
		return err.Error(), nil
	}
	if err == nil && until.After(r.clocks.Store) {
		return "the store has it locked until " + until.Format(time.RFC3339), nil
	}
	return "", err
}

// liftedAfter is after how long a release is carried out for good: by then no worker is left that
// could set a hold because it had read the decisions before. A look takes two hours at most.
const liftedAfter = 3 * time.Hour

// lifts tells whether a legal hold that the store has of an object is to be lifted by what was decided
// up to a number: it was held here and is not any more, and that was not carried out before. It
// cannot be told who set a hold, only since when there is none of ours. Of what a run has chunks
// alone are ever held in the store.
func (r *run) lifts(name string, seq int64) bool {
	if !strings.HasPrefix(name, retention.Chunks) {
		return false
	}
	log, done := r.log.Decisions[:seq], min(r.in.Lifted, seq)
	before, since, now := r.fate(name, log[:done]), r.fate(name, log[done:]), r.fate(name, log)
	return !now.Held() && (before.Held() || since.WasHeld)
}

// fate is what some decisions say of a chunk, or of what lies beside it.
func (r *run) fate(name string, log []retention.Decision) *retention.Fate {
	f := retention.Judge(r.period, log, []string{name})[name]
	return &f
}

// lifted is the number of the decision up to which all releases are carried out in the store for
// good, and after how long more are, 0 when there are none.
func (r *run) lifted() (seq int64, wait time.Duration) {
	seq = r.in.Lifted
	if len(r.unlocked) > 0 {
		return seq, 0
	}
	for ; seq < r.log.Mark().Seq; seq++ {
		written := r.log.WrittenAt(seq + 1)
		if written.IsZero() {
			return seq, 0 // the store does not say: nothing is ever carried out for good
		}
		if wait = liftedAfter - r.clocks.Both().Sub(written); wait > 0 {
			break
		}
	}
	releases := slices.ContainsFunc(r.log.Decisions[min(seq, r.log.Mark().Seq):], func(d retention.Decision) bool { return d.Action == retention.Release })
	if !r.locking.ObjectLock || !releases {
		return seq, 0
	}
	return seq, wait
}

// lift has the store release an object, and notes it when it does not.
func (r *run) lift(ctx context.Context, name string) error {
	return r.note(name, ignoreGone(r.archive.SetHold(ctx, blob.Key(r.prefix+name), false)))
}

// note notes whether the store did what is asked of the locks of an object.
func (r *run) note(name string, err error) error {
	r.noting.Lock()
	defer r.noting.Unlock()
	switch {
	case err == nil:
		delete(r.unlocked, name)
	case refusal(err):
		r.unlocked[name] = err.Error()
	}
	return err
}

// follow has the store's locks follow the decisions, where it has any. An object of which it refuses
// that is noted, and keeps no other from it; nor does one that it fails with, as long as it fails
// with few.
func (r *run) follow(ctx context.Context) error {
	if !r.locking.ObjectLock {
		return nil
	}
	var failed atomic.Int32
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, name := range slices.Sorted(maps.Keys(r.present)) {
		f := r.fates[name]
		if !strings.HasPrefix(name, retention.Chunks) || r.goes(f) {
			continue
		}
		group.Go(func() error {
			if failed.Load() >= atOnce {
				return nil
			}
			if err := r.note(name, r.lock(ctx, f)); err != nil && !refusal(err) {
				failed.Add(1)
				return err
			}
			return nil
		})
	}
	return group.Wait()
}

// lock has the locks of an object follow, those of versions that were replaced or hidden, too. The
// hold comes first: no date ends it.
func (r *run) lock(ctx context.Context, f retention.Fate) error {
	key := blob.Key(r.prefix + f.Name)
	// To the second, and never later than when it is due: the lock must not outlast that.
	until := f.Due.Truncate(time.Second)
	short, free, held := false, false, false
	err := r.archive.EachLock(ctx, key, func(l blob.Lock) error {
		short = short || until.After(l.Until)
		free, held = free || !l.Held, held || l.Held
		return nil
	})
	if err != nil {
		return err
	}
	if f.Held() && free || held && r.lifts(f.Name, r.log.Mark().Seq) {
		err = ignoreGone(r.archive.SetHold(ctx, key, f.Held()))
	}
	if short && until.After(r.clocks.Store.Add(time.Second)) {
		err = errors.Join(err, ignoreGone(r.archive.LockUntil(ctx, key, until)))
	}
	if err != nil {
		return fmt.Errorf("have the locks follow what was decided: %w", err)
	}
	return nil
}

// ignoreGone is for locks of what somebody removes meanwhile: the next look finds that.
func ignoreGone(err error) error {
	if errors.Is(err, blob.ErrNotFound) {
		return nil
	}
	return err
}
