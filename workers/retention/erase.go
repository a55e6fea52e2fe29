package retention

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/retention"
)

// atOnce is how many objects are erased, or asked about, at once.
const atOnce = 8

// carryOut erases what a decision names, and proves it. Where the store will not, that is
// noted.
func (r *run) carryOut(ctx context.Context, d retention.Decision) error {
	v := r.verdicts[d.Seq]
	if v.early {
		return r.void(ctx, d)
	}
	fates, decided := r.fatesAt(r.period, d.Seq), d.Seq-1
	if v.doubtful { // what was decided since may have been first
		fates, decided = r.fatesNow(), r.log.Mark().Seq
	}
	if !r.areDue(&d, fates) {
		r.stuck[d.Seq] = true
		return nil
	}
	removed, refused := make([]retention.Removed, len(d.Erasing)), make([]error, len(d.Erasing))
	group, erasing := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, e := range d.Erasing {
		group.Go(func() (err error) {
			removed[i], err = r.remove(erasing, e, decided)
			if errors.Is(err, blob.ErrLocked) || errors.Is(err, blob.ErrDenied) {
				refused[i], err = err, nil // the others go all the same
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := errors.Join(refused...); err != nil {
		r.stuck[d.Seq] = true
		r.Logger.WarnContext(ctx, "an erasure that was decided is refused by the store", "run", r.in.Run, "decision", d.Seq, "error", err)
		return nil
	}
	if err := r.readClocks(ctx); err != nil {
		return err
	}
	err := retention.PutProof(ctx, r.archive, r.prefix, retention.Proof{
		Intent:  r.log.MarkAt(d.Seq),
		Policy:  retention.Policy{ScreeningSeconds: int64(r.period.Length / time.Second), Begins: r.period.Begins, Ends: r.period.Ends()},
		Objects: removed, ErasedAt: r.clocks, By: r.Program,
	})
	if err != nil {
		return err
	}
	for _, e := range d.Erasing {
		r.done[e.Name] = true
	}
	r.Metrics.erased(len(removed))
	r.Logger.InfoContext(ctx, "captures of a run were erased, and the proof is stored", "run", r.in.Run, "decision", d.Seq, "objects", len(removed))
	return nil
}

// void decides that an intent is not carried out. Whoever is faster decides the same: all read the same
// dates and the same closing statement.
func (r *run) void(ctx context.Context, d retention.Decision) error {
	err := r.log.Append(ctx, r.archive, r.prefix, retention.NewVoid(d.Seq, r.by(), r.clocks.Both()))
	if errors.Is(err, blob.ErrExists) {
		return nil // all is read again
	}
	if err == nil {
		r.Logger.WarnContext(ctx, "an erasure is void: it is dated before what it names was due", "run", r.in.Run, "decision", d.Seq)
	}
	return err
}

// by is the program as decisions name it.
func (r *run) by() string { return r.Program.Name + " " + r.Program.Version }

// remove erases an object by what was decided up to a number. A hold of it that was released by then
// may still be there in the store, where who sets it was slower.
func (r *run) remove(ctx context.Context, e retention.Erasing, seq int64) (retention.Removed, error) {
	if e.Name == retention.State {
		return r.removeState(ctx, e)
	}
	key, err := blob.NewKey(r.prefix + e.Name)
	if err != nil {
		return retention.Removed{}, err
	}
	done, err := r.archive.Erase(ctx, key)
	if errors.Is(err, blob.ErrLocked) && r.lifts(e.Name, seq) {
		if err := r.lift(ctx, e.Name); err != nil {
			return retention.Removed{}, err
		}
		var rest blob.Erased
		rest, err = r.archive.Erase(ctx, key)
		rest.Versions += done.Versions
		done = rest
	}
	if err != nil {
		return retention.Removed{}, err
	}
	return retention.Removed{Erasing: e, Versions: int64(done.Versions), Confirmed: "neither the object nor a version of it is there"}, nil
}

// removeState erases the state of the run's queue, which has the addresses of its pages.
func (r *run) removeState(ctx context.Context, e retention.Erasing) (retention.Removed, error) {
	out := retention.Removed{Erasing: e, Confirmed: "nothing is listed below the run's prefix in the frontier's bucket"}
	for { // each pass erases what the one before left, such as versions
		var keys []blob.Key
		note := func(o blob.Info, current bool) bool {
			if n := len(keys); n == 0 || keys[n-1] != o.Key {
				keys = append(keys, o.Key)
			}
			if current {
				out.Objects++
				out.Size += o.Size
			}
			return true
		}
		if err := each(ctx, r.frontier, r.stateLocking, r.statePrefix(), note); err != nil || len(keys) == 0 {
			return out, err
		}
		for _, key := range keys {
			done, err := r.frontier.Erase(ctx, key)
			if err != nil {
				return out, err
			}
			out.Versions += int64(done.Versions)
		}
	}
}
