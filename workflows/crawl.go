package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// crawl runs the shards until each is done, or gone.
func (r *run) crawl(ctx workflow.Context) error {
	if r.in.Resume == nil || r.in.Resume.Phase == PhaseSeeding {
		for i := range r.shards {
			if err := r.startShard(ctx, i, enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE); err != nil {
				return err
			}
		}
	}
	r.sweep(ctx)
	r.askOne(ctx)
	reports := workflow.GetSignalChannel(ctx, SignalShardReport)
	for {
		if err := r.awaitNews(ctx, reports); err != nil {
			return err
		}
		// A shard that ended by itself has sent its last report before: it is here by now.
		r.hear(ctx, reports)
		r.miss()
		if err := r.revive(ctx); err != nil {
			return err
		}
		if r.ended() {
			return nil
		}
		r.balance(workflow.Now(ctx))
		told := r.tell(ctx)
		if !told && r.old(ctx) {
			return r.continueAsNew(ctx)
		}
	}
}

// awaitNews blocks until a shard reports or is gone, somebody wants something, or, with
// several shards, the next epoch.
func (r *run) awaitNews(ctx workflow.Context, reports workflow.ReceiveChannel) error {
	news := func() bool {
		return reports.Len() > 0 || r.unsaid() || r.old(ctx)
	}
	if at := r.nextEpoch(); !at.IsZero() {
		_, err := workflow.AwaitWithTimeout(ctx, max(at.Sub(workflow.Now(ctx)), 0), news)
		return err
	}
	return workflow.Await(ctx, news)
}

// startShard starts a shard so that it outlives a run that continues as new.
func (r *run) startShard(ctx workflow.Context, shard int, again enums.WorkflowIdReusePolicy) error {
	m := r.shards[shard]
	m.told = r.controls
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            ShardWorkflowID(r.in.Run, shard),
		TaskQueue:             TaskQueueRun,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: again,
		Priority:              temporal.Priority{PriorityKey: r.job.Spec.Priority},
	})
	in := ShardInput{
		Job: r.job, Archive: r.archive, Shard: shard, Seq: m.last.Seq, State: r.in.State, Finish: r.finish, Deadline: r.deadline(), Counts: m.last.Counts,
		Reports: m.last.Number, Reset: m.last.Reset, Done: m.lost,
	}
	if len(r.shards) > 1 {
		in.Shards, in.Finish = len(r.shards), r.finishReason()
		in.Allowance, in.Grant = r.grant(shard)
	}
	future := workflow.ExecuteChildWorkflow(child, WorkflowFrontierShard, in)
	err := future.GetChildWorkflowExecution().Get(ctx, nil)
	if again == enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE && temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		m.told = -1 // the run was reset to before it began; that the shard ends is found out by asking
		return nil
	}
	if err != nil {
		return fmt.Errorf("start shard %d: %w", shard, err)
	}
	m.start++
	start := m.start
	workflow.Go(ctx, func(ctx workflow.Context) {
		_ = future.Get(ctx, nil) // however it ended: its last report is what counts
		m.end(start)
	})
	return nil
}

// tellShard sends what is asked of a shard. One that does not exist any more was ended
// from outside, or has just sent its last report.
func (r *run) tellShard(ctx workflow.Context, shard int, msg ShardControl) {
	m := r.shards[shard]
	start := m.start
	sent := workflow.SignalExternalWorkflow(ctx, ShardWorkflowID(r.in.Run, shard), "", SignalShardControl, msg)
	workflow.Go(ctx, func(ctx workflow.Context) {
		var unknown *temporal.UnknownExternalWorkflowExecutionError
		if errors.As(sent.Get(ctx, nil), &unknown) {
			m.end(start)
		}
	})
}

// hear takes in the reports of the shards that have come; an older one changes nothing but
// what it says was sent.
func (r *run) hear(ctx workflow.Context, reports workflow.ReceiveChannel) {
	heard := false
	for reports.Len() > 0 {
		var report ShardReport
		reports.Receive(ctx, &report)
		r.signals++
		if report.Shard < 0 || report.Shard >= len(r.shards) {
			continue
		}
		r.collect(report.Exchanges)
		if !r.takes(ctx, report) {
			continue
		}
		m := r.shards[report.Shard]
		report.Exchanges = nil
		m.last, m.asked, heard = report, workflow.Now(ctx), true
	}
	if heard {
		r.speed.note(workflow.Now(ctx), r.counts())
		r.reports.changed = true
	}
}
