package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// crawl runs the shard until it is done.
func (r *run) crawl(ctx workflow.Context) error {
	reports := workflow.GetSignalChannel(ctx, SignalShardReport)
	if r.in.Resume == nil {
		if err := r.startShard(ctx, reports); err != nil {
			return err
		}
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		for !r.shard.Done {
			var m ShardReport
			reports.Receive(ctx, &m)
			r.heard(ctx, m)
		}
	})
	for !r.shard.Done && !r.lost {
		err := workflow.Await(ctx, func() bool { return r.shard.Done || r.lost || r.controls != r.told || r.old(ctx) })
		if err != nil {
			return err
		}
		if r.controls != r.told && !r.shard.Done {
			r.told = r.controls
			r.tellShard(ctx, reports)
		}
		if r.old(ctx) && !r.shard.Done && !r.lost {
			return r.continueAsNew(ctx, reports)
		}
	}
	return nil
}

// startShard starts the shard so that it outlives a run that continues as new.
func (r *run) startShard(ctx workflow.Context, reports workflow.ReceiveChannel) error {
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
		r.miss(ctx, reports)
	})
	return nil
}

// miss notes that the shard is gone. It sends its last report before it ends, so without
// that it was ended from outside.
func (r *run) miss(ctx workflow.Context, reports workflow.ReceiveChannel) {
	var m ShardReport
	for reports.ReceiveAsync(&m) {
		r.heard(ctx, m)
	}
	if !r.shard.Done {
		r.lost, r.reports.changed = true, true
	}
}

func (r *run) tellShard(ctx workflow.Context, reports workflow.ReceiveChannel) {
	sent := workflow.SignalExternalWorkflow(ctx, ShardWorkflowID(r.in.Run, 0), "", SignalShardControl,
		ShardControl{State: r.in.State, Finish: r.finish, Deadline: r.deadline()})
	workflow.Go(ctx, func(ctx workflow.Context) {
		var gone *temporal.UnknownExternalWorkflowExecutionError
		if errors.As(sent.Get(ctx, nil), &gone) {
			r.miss(ctx, reports)
		}
	})
}

// heard takes in a report of the shard; an older one changes nothing.
func (r *run) heard(ctx workflow.Context, m ShardReport) {
	r.signals++
	if m.Number <= r.shard.Number {
		return
	}
	r.shard, r.seq = m, m.Seq
	r.speed.note(workflow.Now(ctx), m.Counts)
	r.reports.changed = true
}
