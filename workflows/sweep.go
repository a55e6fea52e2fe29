package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// SweepAge is how old what is removed from a frontier has to be.
const SweepAge = 72 * time.Hour

// sweep has what the frontier does not need any more removed, in the background and once in
// each run that continues an older one: a crawl that is short enough never has it done. When
// it does not succeed, the next one does it.
func (r *run) sweep(ctx workflow.Context) {
	if r.in.Resume == nil || workflow.Now(ctx).Sub(r.job.StartedAt) < SweepAge {
		return
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		for i, m := range r.shards {
			in := SweepInput{Job: r.job, Shard: i, Seq: m.last.Seq}
			for _, e := range r.exchanges {
				if e.From == i {
					in.Unread = append(in.Unread, e.Key)
				}
			}
			var out SweepOutput
			if err := workflow.ExecuteActivity(stepContext(ctx, r.job.Spec.Priority), ActivitySweep, in).Get(ctx, &out); err != nil {
				workflow.GetLogger(ctx).Warn("the frontier was not swept", "shard", i, "error", err)
			}
		}
	})
}
