package workflows

import (
	"fmt"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"
)

// How long, and how often, time stamps are asked for that a sealed run is owed: after
// firstStampPause, then ever more rarely. An authority that gives none for a month will not.
const (
	firstStampPause = time.Minute
	longStampPause  = 6 * time.Hour
	stampPatience   = 30 * 24 * time.Hour
)

// StampRun fetches the time stamps that a sealed run is owed, and has sidecars made that are
// missing. The run does not wait for it.
func StampRun(ctx workflow.Context, in StampInput) (StampOutput, error) {
	began, pause := in.Resume.Began, in.Resume.Pause
	if began.IsZero() {
		began, pause = workflow.Now(ctx), firstStampPause
	}
	in.Resume = StampResume{}
	for wait := pause; workflow.Now(ctx).Add(wait).Sub(began) <= stampPatience; wait = min(2*wait, longStampPause) {
		if _, err := workflow.AwaitWithTimeout(ctx, wait, func() bool { return outdated(ctx) }); err != nil {
			return StampOutput{}, err
		}
		if outdated(ctx) {
			heed(versionNews(ctx))
			in.Resume = StampResume{Began: began, Pause: wait}
			return StampOutput{}, continueAs(ctx, WorkflowStampRun, in) // which begins the pause anew
		}
		var out StampOutput // what is 0 is not written
		step := workflow.WithStartToCloseTimeout(stepContext(ctx, 0), longTimeout)
		err := workflow.ExecuteActivity(step, ActivityStamp, in).Get(ctx, &out)
		switch {
		case ctx.Err() != nil:
			return StampOutput{}, ctx.Err()
		case err != nil:
			workflow.GetLogger(ctx).Warn("owed time stamps were not fetched", "statement", in.Statement, "error", err)
		case out.Owed == 0:
			return out, nil
		}
	}
	return StampOutput{}, fmt.Errorf("%s: time stamps are owed since %s: fetch them with crawlctl stamp", in.Statement, began.UTC().Format(time.DateOnly))
}

// changeStamps: runs have owed time stamps fetched later. A worker of before may have sealed the
// run that another goes on with, so that the answer alone does not tell.
const changeStamps = "stamps"

// stampLater has it done what the run's end does not wait for: it goes on when the run has ended.
func (r *run) stampLater(ctx workflow.Context, in StampInput) {
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: StampWorkflowID(r.job.Run), TaskQueue: TaskQueueRun,
		ParentClosePolicy: enums.PARENT_CLOSE_POLICY_ABANDON, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	}), WorkflowStampRun, in)
	if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil { // such as when it is running already
		workflow.GetLogger(ctx).Warn("owed time stamps are not fetched later", "statement", in.Statement, "error", err)
	}
}
