package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"
)

// An operator of Temporal can reset a shard: its workflow goes on as another execution from an
// earlier point of its history, and may have lost what it was told since. Its run, and the
// manifests in the store, are ahead of it then. What leads it back:
//
//   - Its reports name the reset. The run tells it its orders again, and the manifest that it had
//     reached.
//   - It plans on until it is there. Those steps were taken before: each returns what its manifest
//     says. What was sent and taken in is the same, and none of it has to be told again.
//   - Until it is there its books, its exchanges and its allowance are what it reported before.
//     Then its reports count, though their numbers are lower.

// resetOf names the last reset of a shard, given the one that is known: it is the id of the
// execution that began so, empty for none. It may be in what is sent alone: up to the reset
// the history is that of another execution.
func resetOf(info *workflow.Info, known string) string {
	if info.OriginalRunID == "" || info.OriginalRunID == info.WorkflowExecution.RunID {
		return known
	}
	return info.WorkflowExecution.RunID
}

func hasResets(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, changeReset, workflow.DefaultVersion, 1) >= 1
}

// takes tells whether a report says more than what is known of its shard.
func (r *run) takes(ctx workflow.Context, report ShardReport) bool {
	m := r.shards[report.Shard]
	if report.Reset == m.last.Reset || !hasResets(ctx) {
		return report.Number > m.last.Number
	}
	if m.last.Done {
		return false
	}
	if m.reset != report.Reset {
		m.reset, m.told = report.Reset, -1
	}
	if report.Seq >= m.last.Seq {
		return true
	}
	m.asked = workflow.Now(ctx)
	if reasonOf(m.last.Trouble) != reasonOf(report.Trouble) {
		r.reports.changed = true
	}
	m.last.Trouble, m.last.Stalled = report.Trouble, report.Stalled
	return false
}

// follow notes which manifest the shard had reached.
func (s *shard) follow(ctx workflow.Context, seq int64) {
	if seq > max(s.in.Seq, s.in.Reached) && hasResets(ctx) {
		s.in.Reached = seq
	}
}

// lags tells whether the shard was reset and takes steps again.
func (s *shard) lags() bool { return s.in.Seq < s.in.Reached }

// handOut leases the bundles of a plan to the workers. Those of steps that are taken again are
// kept until the last of these: most of them are planned in by then, as are some that were out
// when the shard was reset.
func (s *shard) handOut(ctx workflow.Context, out PlanOutput) {
	for _, id := range out.Applied {
		if b := s.open[id]; b != nil {
			b.cancel()
		}
	}
	kept := slices.Concat(s.in.Kept, out.Bundles)
	s.in.Kept = slices.DeleteFunc(kept, func(b BundleRef) bool { return slices.Contains(out.Applied, b.ID) })
	if s.lags() {
		return
	}
	kept, s.in.Kept = s.in.Kept, nil
	for _, ref := range kept {
		s.lease(ctx, ref)
	}
}
