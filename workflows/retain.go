package workflows

import (
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// RetainWorkflowID is the id of the Retain of the run of the CrawlJob with this UID.
func RetainWorkflowID(uid string) string { return "retain-" + uid }

// Retention is how long captures are kept that no case needs.
type Retention struct {
	// Screening is that time, from the seal of the run on. Orders of before there was one
	// have 0: nothing of theirs is erased.
	Screening time.Duration `json:"screening,omitempty"`
}

// RetainInput starts a Retain, which sees to the captures of a run that is over.
type RetainInput struct {
	FormatVersion int       `json:"formatVersion"`
	Run           string    `json:"run"`
	Namespace     string    `json:"namespace"`
	Name          string    `json:"name"`
	Archive       Archive   `json:"archive"`
	Retention     Retention `json:"retention"`
	// EndedAt is when the run was over. The period begins then, where there is no closing
	// statement that says when it was sealed.
	EndedAt time.Time `json:"endedAt"`
	// Resume is set by a Retain that continues as new, nobody else.
	Resume RetainResume `json:"resume,omitzero"`
}

// RetainResume is what a Retain that continues as new takes along.
type RetainResume struct {
	// Log is where the decisions ended that were last seen, Told how many of them the
	// custody log was told of.
	Log  LogMark `json:"log,omitzero"`
	Told int64   `json:"told,omitempty"`
	// Lifted is the number of the decision up to which the store's legal holds were lifted that
	// were released: one that is there since then was set by somebody else.
	Lifted int64 `json:"lifted,omitempty"`
	// Reports numbers what the operator is told.
	Reports int64 `json:"reports,omitempty"`
	// Untold is how often in a row the operator did not take a report.
	Untold int `json:"untold,omitempty"`
	// Due is when to look, where another version of the workers takes over in between.
	Due time.Time `json:"due,omitzero"`
}

// LogMark is a place in the decisions of a run: a number, and the SHA-256 of that decision.
type LogMark struct {
	Seq    int64  `json:"seq,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// EraseInput has what is due of a run erased.
type EraseInput struct {
	Run       string    `json:"run"`
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Archive   Archive   `json:"archive"`
	Retention Retention `json:"retention"`
	EndedAt   time.Time `json:"endedAt"`
	Log       LogMark   `json:"log,omitzero"`
	Told      int64     `json:"told,omitempty"`
	Lifted    int64     `json:"lifted,omitempty"`
}

// EraseOutput says what is left of a run, and until when.
type EraseOutput struct {
	// Reason is Screening, Kept, Held, Erased, RetentionDrift, ErasureBlocked or
	// ClocksDiffer, Message says it in a sentence.
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
	// ObjectLock is what the store can do to keep objects: Governance or Unavailable.
	ObjectLock string  `json:"objectLock"`
	Log        LogMark `json:"log,omitzero"`
	Told       int64   `json:"told,omitempty"`
	Lifted     int64   `json:"lifted,omitempty"`
	// Wait is after how long there is something to do, as far as that is known; 0 is not
	// known.
	Wait time.Duration `json:"wait,omitempty"`
	// Done is set when nothing is left that could ever be erased.
	Done bool `json:"done,omitempty"`
}

// The words of EraseOutput.ObjectLock.
const (
	ObjectLockUnavailable = "Unavailable"
	ObjectLockGovernance  = "Governance"
)

// RetentionReport tells the operator how the captures of a run are kept.
type RetentionReport struct {
	Run       string `json:"run"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Seq grows with every report of a run; an older one is dropped.
	Seq        int64     `json:"seq"`
	At         time.Time `json:"at"`
	Reason     Reason    `json:"reason"`
	Message    string    `json:"message"`
	ObjectLock string    `json:"objectLock,omitempty"`
}

const (
	// retainBeat is how often a run is looked at although nothing is due: for drift, and for
	// decisions that nobody signalled.
	retainBeat = 24 * time.Hour
	// retainAgain is the first pause after trouble, or after an operator that did not answer,
	// retainPatience the longest.
	retainAgain    = time.Minute
	retainPatience = time.Hour
	// retainTold is how often the last report is tried, which is for three days.
	retainTold = 72
	// retainLooks is after how many looks a Retain continues as new.
	retainLooks = 50
)

// changeRetain: runs start a Retain when they are over.
const changeRetain = "retain"

// retain has what the run captured looked after once it is over, for as long as there is
// anything of it: when it has no CrawlJob any more, too.
func (r *run) retain(ctx workflow.Context, ended time.Time) {
	if r.job.Spec.Retention.Screening <= 0 || r.archive.Prefix == "" || workflow.GetVersion(ctx, changeRetain, workflow.DefaultVersion, 1) < 1 {
		return
	}
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: RetainWorkflowID(r.in.Run), TaskQueue: TaskQueueRun,
		ParentClosePolicy: enums.PARENT_CLOSE_POLICY_ABANDON, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
	})
	future := workflow.ExecuteChildWorkflow(child, WorkflowRetain, RetainInput{
		FormatVersion: FormatVersion, Run: r.in.Run, Namespace: r.in.Namespace, Name: r.in.Name,
		Archive: r.archive, Retention: r.job.Spec.Retention, EndedAt: ended,
	})
	err := future.GetChildWorkflowExecution().Get(ctx, nil)
	if err != nil && !temporal.IsWorkflowExecutionAlreadyStartedError(err) { // that one is of before a reset of the run
		workflow.GetLogger(ctx).Error("nobody looks after what was captured", "error", err)
	}
}

// Retain erases what a run captured when it is due, unless a case keeps it or a hold stops
// that, and reports what is not as it should be. What was decided lies in the store, and the
// store orders it: the workflow only sees to it that somebody looks. It ends when nothing is
// left.
func Retain(ctx workflow.Context, in RetainInput) error {
	k := keeping{in: in, decided: workflow.GetSignalChannel(ctx, SignalDecided)}
	k.in.Resume.Due = time.Time{}
	if wait := in.Resume.Due.Sub(workflow.Now(ctx)); wait > 0 {
		if err := k.rest(ctx, wait); err != nil {
			return err
		}
	}
	for looks := 0; ; looks++ {
		heed(k.decided) // each is an occasion to look, which comes now
		wait, done, err := k.look(ctx)
		if err != nil || done {
			return err
		}
		if err := k.rest(ctx, wait); err != nil {
			return err
		}
		if looks >= retainLooks || workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return continueAs(ctx, WorkflowRetain, k.in) // which looks at once
		}
	}
}

// keeping is the state of a Retain.
type keeping struct {
	in       RetainInput
	decided  workflow.ReceiveChannel
	troubled int // how often in a row something was not to be had
}

// rest waits until it is time to look, or something was decided. When another version of the
// workers becomes current meanwhile, that one waits on.
func (k *keeping) rest(ctx workflow.Context, wait time.Duration) error {
	due := workflow.Now(ctx).Add(wait)
	if _, err := workflow.AwaitWithTimeout(ctx, wait, func() bool { return k.decided.Len() > 0 || outdated(ctx) }); err != nil {
		return err
	}
	if !outdated(ctx) {
		return nil
	}
	heed(versionNews(ctx))
	if k.decided.Len() == 0 {
		k.in.Resume.Due = due
	}
	return continueAs(ctx, WorkflowRetain, k.in)
}

// look has the run looked at once, and tells the operator. It returns when to look again.
func (k *keeping) look(ctx workflow.Context) (wait time.Duration, done bool, err error) {
	in := EraseInput{
		Run: k.in.Run, Namespace: k.in.Namespace, Name: k.in.Name, Archive: k.in.Archive, Retention: k.in.Retention, EndedAt: k.in.EndedAt,
		Log: k.in.Resume.Log, Told: k.in.Resume.Told, Lifted: k.in.Resume.Lifted,
	}
	var out EraseOutput
	err = workflow.ExecuteActivity(workflow.WithStartToCloseTimeout(stepContext(ctx, 0), longTimeout), ActivityErase, in).Get(ctx, &out)
	if ctx.Err() != nil {
		return 0, false, ctx.Err()
	}
	wait = retainBeat
	switch {
	case err != nil:
		t := troubleOf(err)
		out = EraseOutput{Reason: t.Reason, Message: t.Message}
		wait = growing(&k.troubled)
	default:
		k.troubled = 0
		k.in.Resume.Log, k.in.Resume.Told = out.Log, out.Told
		k.in.Resume.Lifted = max(k.in.Resume.Lifted, out.Lifted) // a look that found damage knows of none
		if out.Wait > 0 {
			wait = min(wait, out.Wait)
		}
	}
	if k.tell(ctx, out) {
		k.in.Resume.Untold = 0
		return wait, out.Done, nil
	}
	again := growing(&k.in.Resume.Untold)
	return min(wait, again), out.Done && k.in.Resume.Untold > retainTold, nil
}

// growing is the pause after the next failure in a row.
func growing(failures *int) time.Duration {
	*failures++
	return min(retainAgain<<min(*failures-1, 6), retainPatience)
}

// tell reports to the operator, and whether that took it.
func (k *keeping) tell(ctx workflow.Context, out EraseOutput) bool {
	k.in.Resume.Reports++
	report := RetentionReport{
		Run: k.in.Run, Namespace: k.in.Namespace, Name: k.in.Name, Seq: k.in.Resume.Reports, At: workflow.Now(ctx),
		Reason: out.Reason, Message: out.Message, ObjectLock: out.ObjectLock,
	}
	return workflow.ExecuteActivity(reportContext(ctx), ActivityReportRetention, report).Get(ctx, nil) == nil
}
