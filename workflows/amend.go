package workflows

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Amend is the argument of the update of that name: an order that was widened while its
// crawl runs. Limits may be raised and seeds added, nothing else.
type Amend struct {
	// Generation is that of the order as it is now.
	Generation int64  `json:"generation"`
	Limits     Limits `json:"limits"`
	// Seeds are the order's own addresses, all of them, in its order: those of before are
	// the first.
	Seeds []string `json:"seeds,omitempty"`
}

// AmendInput puts the seeds of an order that was widened where plans find them.
type AmendInput struct {
	Job Job `json:"job"`
	// Seeding is the number that the list of seeds gets.
	Seeding int64    `json:"seeding"`
	Seeds   []string `json:"seeds"`
}

// AmendOutput says what came of it.
type AmendOutput struct {
	// Invalid says which of the seeds cannot be visited, and why; empty for none. The others
	// are taken.
	Invalid string `json:"invalid,omitempty"`
}

// Amendment is a change of an order, as a run took it.
type Amendment struct {
	Generation int64     `json:"generation"`
	At         time.Time `json:"at"`
	Limits     Limits    `json:"limits"`
	// Seeds is how many addresses the order itself names then, InvalidSeeds says which of them
	// cannot be visited.
	Seeds        int    `json:"seeds"`
	InvalidSeeds string `json:"invalidSeeds,omitempty"`
}

// maxAmendments bounds how often an order may be widened.
const maxAmendments = 100

// amendments are the changes that a run has taken.
type amendments struct {
	list []Amendment
	// named is how many seeds the order itself names.
	named    int
	amending bool
	// unchanged is the generation of a later order that changes nothing here.
	unchanged int64
}

// narrower names the limit that would be lowered, empty for none.
func (l Limits) narrower(than Limits) string {
	for _, bound := range []struct {
		name        string
		now, before int64
	}{
		{"pages", l.Pages, than.Pages}, {"bytes", l.Bytes, than.Bytes}, {"duration", int64(l.Duration), int64(than.Duration)},
	} {
		if bound.now != 0 && (bound.before == 0 || bound.now < bound.before) {
			return bound.name
		}
	}
	if l.PagesPerHost != than.PagesPerHost {
		return "pagesPerHost"
	}
	if l.PagesPerPattern != than.PagesPerPattern {
		return "pagesPerPattern"
	}
	return ""
}

// checkAmend refuses what cannot be taken, before it gets into the history.
func (r *run) checkAmend(_ workflow.Context, a Amend) error {
	if a.Generation <= r.accepted() {
		return nil // it is taken already
	}
	limit := a.Limits.narrower(r.job.Spec.Limits)
	switch {
	case r.ending():
		return errors.New("the crawl has ended, or is ending: create a new CrawlJob")
	case !r.seeded:
		return temporal.NewNonRetryableApplicationError("the crawl has not begun: its seeds are being read", string(notBegun), nil)
	case len(r.job.Spec.Authorization.Approvals) > 0 && !r.same(a):
		return errors.New("the order was approved as it was: create a new CrawlJob for the rest")
	case limit != "":
		return fmt.Errorf("the limit %q can only be raised", limit)
	case len(a.Seeds) < r.named:
		return fmt.Errorf("%d seeds where there were %d: they can only be added to", len(a.Seeds), r.named)
	case len(r.list) >= maxAmendments && !r.same(a):
		return fmt.Errorf("the order was changed %d times: create a new CrawlJob", len(r.list))
	}
	return nil
}

// notBegun is the type of the error of a change that comes before the crawl has begun.
const notBegun Reason = "NotBegun"

// Passes tells whether an order may be taken later that was refused for a reason, which is the
// type of the error: the crawl had not begun, or the store had trouble.
func Passes(reason Reason) bool { return reason == notBegun || nextSteps[reason] != "" }

// ending tells whether it is too late for a wider order.
func (r *run) ending() bool {
	return r.result != nil || r.phase == PhaseSealing || r.finish != "" || r.limitReached() != "" ||
		slices.ContainsFunc(r.shards, func(m *member) bool { return m.closing })
}

// same tells whether an order changes nothing here, as one whose state alone has changed. A list
// of seeds that is no longer names no other: the API server lets it grow at its end alone.
func (r *run) same(a Amend) bool { return a.Limits == r.job.Spec.Limits && len(a.Seeds) == r.named }

// accepted is the generation of the order that the run goes by.
func (r *run) accepted() int64 { return max(r.job.Generation, r.unchanged) }

// amend has the crawl go by an order that was widened.
func (r *run) amend(ctx workflow.Context, a Amend) (Report, error) {
	if err := workflow.Await(ctx, func() bool { return !r.amending }); err != nil {
		return Report{}, err
	}
	if a.Generation <= r.accepted() {
		return r.report(), nil
	}
	if r.same(a) {
		r.unchanged = a.Generation
		r.reports.changed = true
		return r.report(), nil
	}
	r.amending = true
	defer func() { r.amending = false }()
	seeding, invalid := r.job.Seeding, r.invalidSeeds()
	if len(a.Seeds) > r.named {
		seeding = max(a.Generation, seeding+1) // a restored order begins to count again
		in := AmendInput{Job: r.job, Seeding: seeding, Seeds: a.Seeds}
		var out AmendOutput
		if err := workflow.ExecuteActivity(stepContext(ctx, r.job.Spec.Priority), ActivityAmend, in).Get(ctx, &out); err != nil {
			return Report{}, err
		}
		invalid = out.Invalid
	}
	if r.ending() {
		return Report{}, temporal.NewNonRetryableApplicationError("the crawl has ended meanwhile: create a new CrawlJob", "Ended", nil)
	}
	r.list = append(r.list, Amendment{
		Generation: a.Generation, At: workflow.Now(ctx), Limits: a.Limits, Seeds: len(a.Seeds), InvalidSeeds: invalid,
	})
	r.named = max(r.named, len(a.Seeds))
	r.in.Generation, r.in.Spec.Limits = a.Generation, a.Limits
	r.job.Generation, r.job.Spec.Limits, r.job.Seeding = a.Generation, a.Limits, seeding
	r.controls++
	r.reports.changed = true
	return r.report(), nil
}

// invalidSeeds says which seeds of the order cannot be visited, as its last change has it.
func (r *run) invalidSeeds() string {
	if len(r.list) == 0 {
		return ""
	}
	return r.list[len(r.list)-1].InvalidSeeds
}

// order is what shards are told of an order that was widened, nil when it was not.
func (r *run) order() *ShardOrder {
	if len(r.list) == 0 {
		return nil
	}
	return &ShardOrder{Generation: r.job.Generation, Limits: r.job.Spec.Limits, Seeding: r.job.Seeding}
}

// ShardOrder is an order that was widened, for a shard.
type ShardOrder struct {
	Generation int64  `json:"generation"`
	Limits     Limits `json:"limits"`
	// Seeding is the number of the list of seeds.
	Seeding int64 `json:"seeding,omitempty"`
}

// widen takes in an order that was widened. Until it is planned with, the shard is not idle.
func (s *shard) widen(o *ShardOrder) {
	if o == nil || o.Generation <= s.in.Job.Generation {
		return
	}
	s.in.Job.Generation, s.in.Job.Spec.Limits, s.in.Job.Seeding = o.Generation, o.Limits, o.Seeding
	s.wantPlan, s.idle = true, false
}

// behind tells whether a shard has not planned with the newest order.
func (r *run) behind(m *member) bool { return len(r.list) > 0 && m.last.Generation < r.job.Generation }

// revive starts a shard anew that had ended when the order was widened: it was told too late.
func (r *run) revive(ctx workflow.Context) error {
	for i, m := range r.shards {
		if !m.last.Done || !r.behind(m) || r.lost || r.finish != "" {
			continue
		}
		for {
			err := r.startShard(ctx, i, enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE)
			if err == nil {
				m.gone, m.last.Done = false, false // it was that the one before had ended
				break
			}
			// Its last report may be here before its workflow is over.
			if !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
				return err
			}
			if err := workflow.Sleep(ctx, time.Second); err != nil {
				return err
			}
		}
	}
	return nil
}
