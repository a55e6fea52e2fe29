// Package retention holds the activity that erases what a run captured, once it is due: what
// follows from the decisions is told by the pure package internal/retention, here it is done.
//
// An erasure goes in steps, each of which may be the last one that a worker lives to see:
//
//  1. The decisions are read, and what is due by two clocks, the workers' and the store's.
//  2. The intent to erase exactly that is made the next decision. Whoever decided something
//     meanwhile has that number, and all is read again.
//  3. An intent that is dated before what it names was due is declared void, and all is read
//     again: the store's clock fell back.
//  4. What an intent names is erased, with all its versions, and the store is asked whether it
//     is gone.
//  5. The proof is written.
//
// An intent without a proof is carried out by whoever looks next. Each is judged first, and no
// proof is believed while anything of what it proves is there.
package retention

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workers/frontier"
	"crawlfleet.dev/crawlfleet/workers/notary"
	"crawlfleet.dev/crawlfleet/workflows"
)

// Custody is told of what happens to captures. It may be told of the same event again, after
// a worker died.
type Custody interface {
	Record(ctx context.Context, event Event) error
}

// Event is something that happened to captures of a run.
type Event struct {
	// Kind is Kept, Held, Released or Erased; or Void, of an erasure that is not carried out and of
	// the decision that says so: nothing happened to captures.
	Kind string
	// Run is the UID of the run, Namespace and Name are those of its CrawlJob.
	Run, Namespace, Name string
	// Bucket and Prefix are where its archive lies.
	Bucket, Prefix string
	// Objects are names below the prefix of the run's archive, none for all.
	Objects []string
	// Chunks are the chunks among them whose content is known.
	Chunks []notary.Object
	// Case, By, Why and At are as the decision has them; of an erasure By is the program.
	Case, By, Why string
	At            time.Time
	// Until is to when captures are kept, zero for none.
	Until time.Time
	// Decision is where it stands in the store.
	Decision retention.Mark
}

const voidKind = "Void"

// Keeper erases what is due.
type Keeper struct {
	// Store opens the buckets; FrontierBucket holds the queues.
	Store          frontier.Buckets
	FrontierBucket string
	// Program is what a proof names.
	Program retention.Program
	// Custody is told of decisions and erasures, unless nil.
	Custody Custody
	// Metrics count, unless nil.
	Metrics *Metrics
	Logger  *slog.Logger
	// Now is the clock of the workers.
	Now func() time.Time
}

// Register makes the activity known to a worker.
func (k *Keeper) Register(r worker.ActivityRegistry) {
	r.RegisterActivityWithOptions(k.Erase, activity.RegisterOptions{Name: workflows.ActivityErase})
}

// Erase erases what is due of a run and says what is left. Any number of attempts may run at
// once.
func (k *Keeper) Erase(ctx context.Context, in workflows.EraseInput) (workflows.EraseOutput, error) {
	defer frontier.Beat(ctx)()
	out, err := k.erase(ctx, in)
	return out, frontier.StoreError(err)
}

func (k *Keeper) erase(ctx context.Context, in workflows.EraseInput) (workflows.EraseOutput, error) {
	r := &run{
		Keeper: k, in: in, archive: k.Store.Bucket(in.Archive.Bucket), frontier: k.Store.Bucket(k.FrontierBucket),
		prefix: in.Archive.Prefix, blocked: map[string]string{}, back: map[string]bool{}, done: map[string]bool{},
	}
	err := r.settle(ctx)
	if errors.Is(err, retention.ErrBroken) { // nobody knows what is held: nothing is erased
		return r.damaged(err), nil
	}
	if err != nil {
		return workflows.EraseOutput{}, err
	}
	told, err := r.tell(ctx)
	if err != nil {
		return workflows.EraseOutput{}, err
	}
	if r.damage != nil {
		out := r.damaged(r.damage)
		out.Told = told
		return out, nil
	}
	out := r.standing()
	out.Told, out.Log = told, workflows.LogMark(r.log.Mark())
	k.Metrics.looked(out.Reason)
	if out.Reason == workflows.ReasonRetentionDrift || out.Reason == workflows.ReasonErasureBlocked {
		k.Logger.WarnContext(ctx, "the captures of a run are not kept as they should be", "run", in.Run, "reason", string(out.Reason), "message", out.Message)
	}
	return out, nil
}

// damaged is what is said of a run of which nothing is erased any more. What was seen before stays what
// has to be there, so that somebody can take away a forged decision.
func (r *run) damaged(err error) workflows.EraseOutput {
	r.Metrics.looked(workflows.ReasonRetentionDrift)
	r.Logger.Error("nothing is erased: the decisions about a run are damaged", "run", r.in.Run, "error", err)
	return workflows.EraseOutput{
		Reason: workflows.ReasonRetentionDrift, Message: "nothing is erased: " + err.Error(), ObjectLock: r.objectLock(), Log: r.in.Log, Told: r.in.Told,
	}
}

// settle carries out all that is due. It ends with a look at what is left.
func (r *run) settle(ctx context.Context) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	for {
		if err := r.look(ctx); err != nil {
			return err
		}
		if r.damage != nil { // what is held is held all the same
			return r.follow(ctx)
		}
		intent, left := r.pending()
		if left {
			if err := r.carryOut(ctx, intent); err != nil {
				return err
			}
			continue
		}
		due, err := r.due(ctx)
		if err != nil {
			return err
		}
		if len(due) == 0 {
			return r.follow(ctx)
		}
		err = r.log.Append(ctx, r.archive, r.prefix, retention.Decision{
			Action: retention.Erase, By: r.by(), At: r.clocks.Both(),
			Why: "the time for which it is kept is over, and nothing holds it", Erasing: due,
		})
		switch {
		case err == nil:
			r.mine = append(r.mine, r.log.Mark().Seq)
		case !errors.Is(err, blob.ErrExists): // else somebody decided meanwhile: all is read again
			return err
		}
	}
}

// pending is the first erasure that is not proven, not void, and not known to be blocked. A proof of one
// that is early is none.
func (r *run) pending() (retention.Decision, bool) {
	i := slices.IndexFunc(r.log.Decisions, func(d retention.Decision) bool {
		return d.Action == retention.Erase && (!r.proven[d.Seq] || r.verdicts[d.Seq].early) && !r.voided[d.Seq] && !r.stuck[d.Seq]
	})
	if i < 0 {
		return retention.Decision{}, false
	}
	return r.log.Decisions[i], true
}

// tell tells the custody log what was decided and done since it was last told. An erasure is told of
// once it is done, by right; one that the store refuses does not keep later decisions from being told, again
// with each look until it is done.
func (r *run) tell(ctx context.Context) (told int64, err error) {
	told = r.in.Told
	waiting := false
	for _, d := range r.log.Decisions[min(told, int64(len(r.log.Decisions))):] {
		if d.Action == retention.Erase && !r.voided[d.Seq] && !r.isDone(&d) {
			waiting = true
			continue
		}
		if r.Custody != nil {
			e := r.event(d)
			if e.Chunks, err = r.chunks(ctx, e.Objects); err != nil {
				return told, err
			}
			if err := r.Custody.Record(ctx, e); err != nil {
				return told, err
			}
		}
		if !waiting {
			told = d.Seq
		}
	}
	return told, nil
}

func (r *run) event(d retention.Decision) Event {
	e := Event{
		Run: r.in.Run, Namespace: r.in.Namespace, Name: r.in.Name, Bucket: r.in.Archive.Bucket, Prefix: r.prefix, Until: d.Until, Objects: d.Objects, Case: d.Case, By: d.By, Why: d.Why, At: d.At,
		Decision: r.log.MarkAt(d.Seq),
	}
	switch d.Action {
	case retention.Keep:
		e.Kind = "Kept"
	case retention.Hold:
		e.Kind = "Held"
	case retention.Release:
		e.Kind = "Released"
	case retention.Void:
		e.Kind = voidKind
	case retention.Erase:
		e.Kind = "Erased"
		if r.voided[d.Seq] {
			e.Kind = voidKind
		}
		for _, o := range d.Erasing {
			e.Objects = append(e.Objects, o.Name)
		}
	}
	return e
}
