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
		if !r.lifts(r.fates[name]) {
			return "the store has it under a legal hold that was not decided here", nil
		}
		err = ignoreGone(r.archive.SetHold(ctx, key, false))
	}
	if refusal(err) {
		return err.Error(), nil
	}
	if err == nil && until.After(r.clocks.Store) {
		return "the store has it locked until " + until.Format(time.RFC3339), nil
	}
	return "", err
}

// lifts tells whether the store's hold of an object is one that was decided here, and released.
func (r *run) lifts(f retention.Fate) bool { return f.WasHeld && !f.Held() }

// follow has the store's locks follow the decisions, where it has any. An object of which it refuses
// that is noted, and keeps no other from it; nor does one that it fails with, as long as it fails
// with few.
func (r *run) follow(ctx context.Context) error {
	if !r.locking.ObjectLock {
		return nil
	}
	names := slices.Sorted(maps.Keys(r.present))
	refused := make([]error, len(names))
	var failed atomic.Int32
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, name := range names {
		f := r.fates[name]
		if !strings.HasPrefix(name, retention.Chunks) || r.underWay(f) || r.proven[f.Erasing] {
			continue
		}
		group.Go(func() error {
			if failed.Load() >= atOnce {
				return nil
			}
			err := r.lock(ctx, f)
			if refusal(err) {
				refused[i], err = err, nil
			}
			if err != nil {
				failed.Add(1)
			}
			return err
		})
	}
	err := group.Wait()
	for i, name := range names {
		if refused[i] != nil {
			r.unlocked[name] = refused[i].Error()
		}
	}
	return err
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
	if f.Held() && free || held && r.lifts(f) {
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
