package crawljob

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	temporal "go.temporal.io/sdk/client"
	sdk "go.temporal.io/sdk/temporal"
	"k8s.io/apimachinery/pkg/types"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/controllers/plain"
	"crawlfleet.dev/crawlfleet/controllers/queues"
	"crawlfleet.dev/crawlfleet/workflows"
)

const (
	// callTimeout bounds one call to Temporal.
	callTimeout = 5 * time.Second
	// answerTimeout bounds the wait for a worker that answers for a workflow.
	answerTimeout = 10 * time.Second
	// pollerAge is how long ago a worker may have asked for work and still count
	// as there: a long poll lasts a minute, and Temporal goes on listing workers
	// for five.
	pollerAge = 75 * time.Second
	// pollersKept is how long an answer about pollers is used again, so that a
	// thousand silent crawls do not ask a thousand times.
	pollersKept = 10 * time.Second
)

// ErrNoAnswer says that Temporal has taken a request, and no worker was there in
// time to answer it.
var ErrNoAnswer = errors.New("no worker answered in time")

// Temporal is Runs on a Temporal client. Make it with NewTemporal.
type Temporal struct {
	client    temporal.Client
	namespace string
	now       func() time.Time

	mu      sync.Mutex
	idle    []string
	idleAt  time.Time
	polling bool
}

// NewTemporal makes Runs on a client of a namespace, which may be a lazy one: Temporal
// need not be there yet.
func NewTemporal(client temporal.Client, namespace string, now func() time.Time) *Temporal {
	return &Temporal{client: client, namespace: namespace, now: now}
}

var _ Runs = (*Temporal)(nil)

// Start starts the workflow of an order. An order whose workflow has been started
// before, and even is over, is not started again.
func (t *Temporal) Start(ctx context.Context, in workflows.RunInput) (RunReference, error) {
	if err := order.CheckInput(in); err != nil {
		return RunReference{}, &Refusal{workflows.ReasonInvalidSeeds, sentences(err.Error())}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	run, err := t.client.ExecuteWorkflow(ctx, temporal.StartWorkflowOptions{
		ID:                    workflows.RunWorkflowID(in.Run),
		TaskQueue:             workflows.TaskQueueRun,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		Priority:              sdk.Priority{PriorityKey: in.Spec.Priority},
	}, workflows.WorkflowCrawlRun, in)
	if err != nil {
		return RunReference{}, fmt.Errorf("start the workflow: %w", plain.Temporal(err))
	}
	return RunReference{WorkflowID: run.GetID(), RunID: run.GetRunID(), StartedAt: t.now()}, nil
}

// Retain starts the workflow that looks after captures, or finds it started.
func (t *Temporal) Retain(ctx context.Context, in workflows.RetainInput) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := t.client.ExecuteWorkflow(ctx, temporal.StartWorkflowOptions{
		ID: workflows.RetainWorkflowID(in.Run), TaskQueue: workflows.TaskQueueRun,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
	}, workflows.WorkflowRetain, in)
	var begun *serviceerror.WorkflowExecutionAlreadyStarted
	if err != nil && !errors.As(err, &begun) {
		return fmt.Errorf("start the workflow: %w", plain.Temporal(err))
	}
	return nil
}

// Look describes the workflow of one CrawlJob and asks it how far it is, or was when it was
// ended from outside.
func (t *Temporal) Look(ctx context.Context, uid types.UID) (Run, error) {
	id := workflows.RunWorkflowID(string(uid))
	described, err := t.describe(ctx, id)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return Run{}, nil
	}
	if err != nil {
		return Run{}, fmt.Errorf("describe the workflow: %w", plain.Temporal(err))
	}
	info := described.GetWorkflowExecutionInfo()
	run := Run{Known: true, Reference: RunReference{
		WorkflowID: id, RunID: info.GetFirstRunId(), StartedAt: info.GetExecutionTime().AsTime(),
	}}
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		if run.Ended, err = t.result(ctx, id, info.GetStatus()); err != nil || !unsealed(run.Ended) {
			return run, err
		}
	}
	idle, err := t.idleQueues(ctx)
	if err != nil && run.Ended == nil { // one that was ended needs no workers to be that
		return run, err
	}
	if !slices.Contains(idle, workflows.TaskQueueRun) {
		run.Answer = t.progress(ctx, id)
	}
	if run.Ended == nil {
		run.Idle = idle
	}
	return run, nil
}

func (t *Temporal) describe(ctx context.Context, id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return t.client.DescribeWorkflowExecution(ctx, id, "")
}

// result reads the verdict of a workflow that is over. One that ended without a
// verdict was ended from outside, or has a fault.
func (t *Temporal) result(ctx context.Context, id string, how enumspb.WorkflowExecutionStatus) (*workflows.RunResult, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var result workflows.RunResult
	err := t.client.GetWorkflow(ctx, id, "").Get(ctx, &result)
	var broken *sdk.WorkflowExecutionError
	switch {
	case err == nil:
		return &result, nil
	case errors.As(err, &broken):
		return &workflows.RunResult{
			Verdict: workflows.VerdictFailed,
			Reason:  workflows.ReasonRunLost,
			Message: fmt.Sprintf("Workflow %s ended as %s without a verdict, so it was not sealed. What was archived is stored and complete. See its history in Temporal for the cause; create a new CrawlJob to crawl again.", id, how),
		}, nil
	default:
		return nil, fmt.Errorf("read the verdict: %w", plain.Temporal(err))
	}
}

// progress asks a workflow how far it is; nil when no worker answers for it in time.
func (t *Temporal) progress(ctx context.Context, id string) *workflows.Report {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	value, err := t.client.QueryWorkflow(ctx, id, "", workflows.QueryProgress)
	if err != nil {
		return nil
	}
	var report workflows.Report
	if err := value.Get(&report); err != nil {
		return nil
	}
	return &report
}

// SetState sends the update. A workflow that is over, or was never there, is in
// no need of it, and one that refuses it is being cancelled. The error is ErrNoAnswer when no worker has taken it.
func (t *Temporal) SetState(ctx context.Context, uid types.UID, state v1alpha1.State) (*workflows.Report, error) {
	report, err := t.update(ctx, uid, workflows.UpdateSetState, workflows.SetState{State: workflows.State(state)})
	if err != nil && !errors.Is(err, ErrNoAnswer) {
		err = fmt.Errorf("ask the workflow to be %s: %w", state, plain.Temporal(err))
	}
	return report, err
}

// End sends the same update, under the same terms.
func (t *Temporal) End(ctx context.Context, uid types.UID, reason workflows.Reason) (*workflows.Report, error) {
	report, err := t.update(ctx, uid, workflows.UpdateSetState, workflows.SetState{State: workflows.StateCancelled, Reason: reason})
	if err != nil && !errors.Is(err, ErrNoAnswer) {
		err = fmt.Errorf("end the workflow for %s: %w", reason, plain.Temporal(err))
	}
	return report, err
}

// update is ask for what nobody needs when there is nobody to take it, or it is refused: nil
// then.
func (t *Temporal) update(ctx context.Context, uid types.UID, name string, argument any) (*workflows.Report, error) {
	report, err := t.ask(ctx, uid, name, argument)
	var missing *serviceerror.NotFound
	var refused *sdk.ApplicationError
	if errors.As(err, &missing) || errors.As(err, &refused) {
		return nil, nil
	}
	return report, err
}

// ask sends an update that is answered with a report. The error is ErrNoAnswer when no
// worker has taken it in time.
func (t *Temporal) ask(ctx context.Context, uid types.UID, name string, argument any) (*workflows.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	handle, err := t.client.UpdateWorkflow(ctx, temporal.UpdateWorkflowOptions{
		WorkflowID:   workflows.RunWorkflowID(string(uid)),
		UpdateName:   name,
		WaitForStage: temporal.WorkflowUpdateStageCompleted,
		Args:         []any{argument},
	})
	if err == nil {
		var report workflows.Report
		if err = handle.Get(ctx, &report); err == nil {
			return &report, nil
		}
	}
	var late *temporal.WorkflowUpdateServiceTimeoutOrCanceledError
	if errors.As(err, &late) || errors.Is(err, context.DeadlineExceeded) {
		return nil, ErrNoAnswer
	}
	return nil, err
}

// SetProfile sends the update, under the same terms.
func (t *Temporal) SetProfile(ctx context.Context, uid types.UID, profile workflows.SealedProfile) (*workflows.Report, error) {
	report, err := t.update(ctx, uid, workflows.UpdateSetProfile, workflows.SetProfile{Profile: profile})
	if err != nil && !errors.Is(err, ErrNoAnswer) {
		err = fmt.Errorf("give the workflow a new log-in: %w", plain.Temporal(err))
	}
	return report, err
}

// ErrNotYet says that a crawl cannot take an order now, and may later.
var ErrNotYet = errors.New("the crawl cannot take the order yet")

// Amend sends the update. A crawl that is over, or is just ending, refuses it. The error is
// ErrNotYet when it has not begun, or the store has trouble.
func (t *Temporal) Amend(ctx context.Context, uid types.UID, order workflows.Amend) (*workflows.Report, error) {
	report, err := t.ask(ctx, uid, workflows.UpdateAmend, order)
	var missing *serviceerror.NotFound
	var refused *sdk.ApplicationError
	switch {
	case errors.As(err, &missing):
		return nil, &Refusal{Reason: workflows.ReasonOrderNotWidened, Message: "the crawl has ended: create a new CrawlJob"}
	case errors.As(err, &refused) && workflows.Passes(workflows.Reason(refused.Type())):
		return nil, ErrNotYet
	case errors.As(err, &refused):
		return nil, &Refusal{Reason: workflows.ReasonOrderNotWidened, Message: refused.Message()}
	case err != nil && !errors.Is(err, ErrNoAnswer):
		err = fmt.Errorf("widen the order of the workflow: %w", plain.Temporal(err))
	}
	return report, err
}

// idleQueues returns the task queues of a crawl that no worker has polled of late.
func (t *Temporal) idleQueues(ctx context.Context) ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.now(); t.polling && now.Sub(t.idleAt) < pollersKept {
		return t.idle, nil
	}
	var idle []string
	for _, queue := range queues.All {
		if queue.Name == workflows.TaskQueueOperator { // it is the operator's own
			continue
		}
		polled, err := t.polled(ctx, queue)
		if err != nil {
			return nil, fmt.Errorf("describe task queue %s: %w", queue.Name, plain.Temporal(err))
		}
		if !polled {
			idle = append(idle, queue.Name)
		}
	}
	t.idle, t.idleAt, t.polling = idle, t.now(), true
	return idle, nil
}

// polled tells whether a worker has asked for work of late. The first partition most often knows one.
func (t *Temporal) polled(ctx context.Context, q queues.Queue) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	service := t.client.WorkflowService()
	described, err := service.DescribeTaskQueue(ctx, q.Question(t.namespace, q.Name))
	if err != nil || t.asksNow(described.GetPollers()) {
		return err == nil, err
	}
	others, err := q.Others(ctx, service, t.namespace)
	return t.asksNow(others), err
}

// asksNow tells whether one of some workers has asked for work of late.
func (t *Temporal) asksNow(pollers []*taskqueue.PollerInfo) bool {
	return slices.ContainsFunc(pollers, func(p *taskqueue.PollerInfo) bool {
		return t.now().Sub(p.GetLastAccessTime().AsTime()) < pollerAge
	})
}
