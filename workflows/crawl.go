package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// crawl runs the shard until it is done, or gone.
func (r *run) crawl(ctx workflow.Context) error {
	if r.in.Resume == nil || r.in.Resume.Phase == PhaseSeeding {
		if err := r.startShard(ctx); err != nil {
			return err
		}
	}
	reports := workflow.GetSignalChannel(ctx, SignalShardReport)
	for {
		err := workflow.Await(ctx, func() bool {
			return reports.Len() > 0 || r.gone || r.controls != r.told || r.old(ctx)
		})
		if err != nil {
			return err
		}
		// A shard that ended by itself has sent its last report before: it is here by now.
		r.hear(ctx, reports)
		switch {
		case r.shard.Done:
			return nil
		case r.gone:
			r.lost, r.reports.changed = true, true
			return nil
		case r.controls != r.told:
			r.told = r.controls
			r.tellShard(ctx)
		case r.old(ctx):
			return r.continueAsNew(ctx)
		}
	}
}

// startShard starts the shard so that it outlives a run that continues as new.
func (r *run) startShard(ctx workflow.Context) error {
	r.told = r.controls
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            ShardWorkflowID(r.in.Run, 0),
		TaskQueue:             TaskQueueRun,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		Priority:              temporal.Priority{PriorityKey: r.job.Spec.Priority},
	})
	future := workflow.ExecuteChildWorkflow(child, WorkflowFrontierShard, ShardInput{
		Job: r.job, Archive: r.archive, Seq: r.seq, State: r.in.State, Finish: r.finish, Deadline: r.deadline(), Counts: r.shard.Counts,
	})
	if err := future.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return fmt.Errorf("start the shard: %w", err)
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		_ = future.Get(ctx, nil) // however it ended: its last report is what counts
		r.gone = true
	})
	return nil
}

// tellShard sends what is asked of the shard. One that does not exist any more was ended
// from outside, or has just sent its last report.
func (r *run) tellShard(ctx workflow.Context) {
	sent := workflow.SignalExternalWorkflow(ctx, ShardWorkflowID(r.in.Run, 0), "", SignalShardControl,
		ShardControl{State: r.in.State, Finish: r.finish, Deadline: r.deadline(), Profile: r.job.Profile})
	workflow.Go(ctx, func(ctx workflow.Context) {
		var unknown *temporal.UnknownExternalWorkflowExecutionError
		if errors.As(sent.Get(ctx, nil), &unknown) {
			r.gone = true
		}
	})
}

// hear takes in the reports of the shard that have come; an older one changes nothing.
func (r *run) hear(ctx workflow.Context, reports workflow.ReceiveChannel) {
	for reports.Len() > 0 {
		var m ShardReport
		reports.Receive(ctx, &m)
		r.signals++
		if m.Number <= r.shard.Number {
			continue
		}
		r.shard, r.seq = m, m.Seq
		r.speed.note(workflow.Now(ctx), m.Counts)
		r.reports.changed = true
	}
}
