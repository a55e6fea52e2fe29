package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// FiringInput starts a CrawlFiring.
type FiringInput struct {
	FormatVersion int `json:"formatVersion"`
	// Schedule is the UID of the CrawlSchedule, Namespace and Name are its own.
	Schedule  string `json:"schedule"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Resume is set by a firing that continues as new, nobody else.
	Resume *FiringResume `json:"resume,omitempty"`
}

// FiringResume is what a CrawlFiring that continues as new takes along.
type FiringResume struct {
	ScheduledFor time.Time `json:"scheduledFor"`
	// Fired is set once there is a CrawlJob, Cancelling once it is to be cancelled.
	Fired      bool `json:"fired,omitempty"`
	Cancelling bool `json:"cancelling,omitempty"`
}

// Firing is one time of a CrawlSchedule, as the operator is asked about it.
type Firing struct {
	Schedule  string `json:"schedule"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// ScheduledFor is the time, in whole seconds and without jitter.
	ScheduledFor time.Time `json:"scheduledFor"`
	// Cancel asks for the CrawlJob to be cancelled.
	Cancel bool `json:"cancel,omitempty"`
}

// FiringState is what became of a firing.
type FiringState struct {
	// Job is the name of the CrawlJob, empty when none was created.
	Job string `json:"job,omitempty"`
	// Over is set when there is nothing left to wait for.
	Over bool `json:"over,omitempty"`
	// Reason and Message say how it ended: the verdict of the CrawlJob, or why there is
	// none.
	Reason  Reason `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

const (
	// lookEvery is when a firing asks about its CrawlJob although nobody told it to: the
	// operator was away when that ended.
	lookEvery = 5 * time.Minute
	// sealingEvery is the same while the CrawlJob is being cancelled.
	sealingEvery = 30 * time.Second
)

// scheduledStart is when a workflow that a Temporal Schedule started was due.
var scheduledStart = temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime")

// RegisterFiring makes the workflow of the operator known to its worker.
func RegisterFiring(r worker.WorkflowRegistry) {
	r.RegisterWorkflowWithOptions(CrawlFiring, workflow.RegisterOptions{Name: WorkflowCrawlFiring})
}

// CrawlFiring is one firing of a CrawlSchedule. It has the operator create the CrawlJob
// and lasts as long as that, so that Temporal's overlap policies see the crawl run. When
// it is cancelled it has the CrawlJob cancelled, and ends when that is sealed.
func CrawlFiring(ctx workflow.Context, in FiringInput) (FiringState, error) {
	if in.FormatVersion > FormatVersion {
		// The workflow task fails, and is tried again until an operator takes it that can.
		panic(fmt.Sprintf("the firing has format version %d, this program knows %d: upgrade the operator", in.FormatVersion, FormatVersion))
	}
	f := newFiring(ctx, in)
	for !f.state.Over {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return FiringState{}, workflow.NewContinueAsNewError(ctx, CrawlFiring, f.resume())
		}
		switch err := f.step(ctx); {
		case err != nil:
			f.tries++
			f.wait(ctx, pause(f.tries))
		default:
			f.tries = 0
			f.rest(ctx)
		}
	}
	return f.state, nil
}

// firing is the state of a CrawlFiring.
type firing struct {
	in    FiringInput
	at    FiringResume
	quiet workflow.Context // is not cancelled with the workflow
	look  workflow.ReceiveChannel
	state FiringState
	tries int
}

func newFiring(ctx workflow.Context, in FiringInput) *firing {
	f := &firing{in: in, look: workflow.GetSignalChannel(ctx, SignalLook)}
	f.quiet, _ = workflow.NewDisconnectedContext(ctx)
	if in.Resume != nil {
		f.at = *in.Resume
		return f
	}
	due, ok := workflow.GetTypedSearchAttributes(ctx).GetTime(scheduledStart)
	if !ok { // it was started by hand
		due = workflow.GetInfo(ctx).WorkflowStartTime
	}
	f.at.ScheduledFor = due.UTC().Truncate(time.Second)
	return f
}

// resume is the input of the run that this one continues as.
func (f *firing) resume() FiringInput {
	in := f.in
	in.Resume = &f.at
	return in
}

// step has the CrawlJob created, or asks how it is. An answer that was lost is asked for
// again: both may be repeated. Neither is cancelled with the workflow, so that it is known
// what was created.
func (f *firing) step(ctx workflow.Context) error {
	if ctx.Err() != nil {
		f.at.Cancelling = true
	}
	name := ActivityFollowCrawlJob
	if !f.at.Fired && !f.at.Cancelling {
		name = ActivityFireCrawlJob
	}
	order := Firing{
		Schedule: f.in.Schedule, Namespace: f.in.Namespace, Name: f.in.Name, ScheduledFor: f.at.ScheduledFor, Cancel: f.at.Cancelling,
	}
	var state FiringState
	if err := workflow.ExecuteActivity(firingContext(f.quiet), name, order).Get(f.quiet, &state); err != nil {
		return err
	}
	f.state, f.at.Fired = state, true
	return nil
}

// rest waits until there is a reason to ask again: word of the operator, a cancellation or
// a long silence.
func (f *firing) rest(ctx workflow.Context) {
	switch {
	case f.state.Over:
	case f.at.Cancelling:
		f.wait(ctx, sealingEvery)
	default:
		f.wait(ctx, lookEvery)
	}
}

// wait waits for word of the operator, and, until it has come, for a cancellation.
func (f *firing) wait(ctx workflow.Context, most time.Duration) {
	if f.at.Cancelling {
		ctx = f.quiet
	}
	_, _ = workflow.AwaitWithTimeout(ctx, most, func() bool { return f.look.Len() > 0 }) // an error is the cancellation, which step sees
	for f.look.ReceiveAsync(nil) {
	}
}

// firingContext is for the activities of a firing.
func firingContext(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           TaskQueueOperator,
		StartToCloseTimeout: 20 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 5 * time.Second, MaximumAttempts: stepAttempts,
		},
	})
}
