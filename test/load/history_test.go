package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"crawlfleet.dev/crawlfleet/workflows"
)

// size is that of one history.
type size struct {
	workflow      string
	events, bytes int64
}

// steps is what the histories say of one kind of activity, or of workflow tasks.
type steps struct {
	count, retries, failed int64
	// waited is from scheduled to started, worked from started to done: of those that were scheduled within the window and
	// had one attempt.
	waited, worked []time.Duration
	// causes counts failures of workflow tasks.
	causes map[string]int64
}

// event is the largest one.
type event struct {
	kind  enumspb.EventType
	bytes int
}

// histories is what was counted in the histories of a run and its shards.
type histories struct {
	// converter reads the payloads, which are encrypted.
	converter converter.DataConverter
	// largest is the largest history of each kind of workflow, by bytes.
	largest map[string]size
	// heaviest is the largest event of each kind of workflow.
	heaviest map[string]event
	// runs counts histories: one, and one more for each time that a workflow continued as new.
	runs map[string]int64
	// transitions are the steps that the server wrote down, each in one transaction.
	events, transitions int64
	activities          map[string]*steps
	// tasks are the workflow tasks of each kind of workflow, weights the bytes of its events by their type.
	tasks   map[string]*steps
	weights map[string]map[string]int
	timers  int64
	// signals are those that arrived: each that one of these workflows sent arrives at another one.
	signals, updates int64
	// handed and handedHosts are the pages and hosts in the bundles that were handed out.
	handed, handedHosts int64
	from, to            time.Time
	namespace           string
}

func newHistories(namespace string, from, to time.Time) *histories {
	return &histories{
		converter: converter.GetDefaultDataConverter(),
		largest:   map[string]size{}, heaviest: map[string]event{}, runs: map[string]int64{}, activities: map[string]*steps{}, tasks: map[string]*steps{},
		weights: map[string]map[string]int{}, namespace: namespace, from: from, to: to,
	}
}

// actions is what Temporal has to do at somebody's request: activities, their retries, timers, signals, updates and
// workflows that are started or continued.
func (h *histories) actions() int64 {
	sum := h.timers + h.signals + h.updates
	for _, s := range h.activities {
		sum += s.count + s.retries
	}
	for _, n := range h.runs {
		sum += n
	}
	return sum
}

// read follows the whole chain of a workflow's histories.
func (h *histories) read(ctx context.Context, c client.Client, kind, id string) error {
	last, err := c.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return fmt.Errorf("describe %s: %w", id, err)
	}
	run := last.GetWorkflowExecutionInfo().GetFirstRunId()
	if h.weights[kind] == nil {
		h.weights[kind] = map[string]int{}
	}
	for run != "" {
		d, err := c.DescribeWorkflowExecution(ctx, id, run)
		if err != nil {
			return fmt.Errorf("describe %s: %w", id, err)
		}
		info := d.GetWorkflowExecutionInfo()
		h.runs[kind]++
		h.events += info.GetHistoryLength()
		h.transitions += info.GetStateTransitionCount()
		if info.GetHistorySizeBytes() > h.largest[kind].bytes {
			h.largest[kind] = size{id, info.GetHistoryLength(), info.GetHistorySizeBytes()}
		}
		if run, err = h.readOne(ctx, c, kind, id, run); err != nil {
			return fmt.Errorf("read the history of %s: %w", id, err)
		}
	}
	return nil
}

// readOne counts what is in a history, and tells the run that continues it.
func (h *histories) readOne(ctx context.Context, c client.Client, kind, id, run string) (next string, err error) {
	events := map[int64]*historypb.HistoryEvent{}
	var page []byte
	for {
		res, err := c.WorkflowService().GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{
			Namespace: h.namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: run}, NextPageToken: page,
		})
		var busy *serviceerror.ResourceExhausted
		if errors.As(err, &busy) {
			time.Sleep(time.Second)
			continue
		}
		if err != nil {
			return "", err
		}
		for _, e := range res.GetHistory().GetEvents() {
			events[e.GetEventId()] = e
			h.note(kind, e, events)
			n := proto.Size(e)
			h.weights[kind][e.GetEventType().String()] += n
			if n > h.heaviest[kind].bytes {
				h.heaviest[kind] = event{e.GetEventType(), n}
			}
			if a := e.GetWorkflowExecutionContinuedAsNewEventAttributes(); a != nil {
				next = a.GetNewExecutionRunId()
			}
		}
		if page = res.GetNextPageToken(); len(page) == 0 {
			return next, nil
		}
	}
}

// note counts an event of a kind of workflow. events are those so far.
func (h *histories) note(kind string, e *historypb.HistoryEvent, events map[int64]*historypb.HistoryEvent) {
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_TIMER_STARTED:
		h.timers++
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		h.signals++
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
		h.updates++
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
		a := e.GetWorkflowTaskCompletedEventAttributes()
		h.tasksOf(kind).count++
		h.time(h.tasksOf(kind), events[a.GetScheduledEventId()], events[a.GetStartedEventId()], e)
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED:
		h.tasksOf(kind).fail(e.GetWorkflowTaskFailedEventAttributes().GetCause().String())
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
		h.tasksOf(kind).fail("TimedOut" + e.GetWorkflowTaskTimedOutEventAttributes().GetTimeoutType().String())
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		h.of(e).count++
		var in workflows.BundleInput
		if a := e.GetActivityTaskScheduledEventAttributes(); a.GetActivityType().GetName() == workflows.ActivityCrawlBundle &&
			h.converter.FromPayloads(a.GetInput(), &in) == nil {
			h.handed, h.handedHosts = h.handed+int64(in.Bundle.Pages), h.handedHosts+int64(in.Bundle.Hosts)
		}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		a := e.GetActivityTaskStartedEventAttributes()
		h.of(events[a.GetScheduledEventId()]).retries += int64(a.GetAttempt() - 1)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		a := e.GetActivityTaskCompletedEventAttributes()
		scheduled, started := events[a.GetScheduledEventId()], events[a.GetStartedEventId()]
		if started.GetActivityTaskStartedEventAttributes().GetAttempt() == 1 {
			h.time(h.of(scheduled), scheduled, started, e)
		}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		h.of(events[e.GetActivityTaskFailedEventAttributes().GetScheduledEventId()]).failed++
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		h.of(events[e.GetActivityTaskTimedOutEventAttributes().GetScheduledEventId()]).failed++
	}
}

// fail counts a failure by its cause.
func (s *steps) fail(cause string) {
	if s.causes == nil {
		s.causes = map[string]int64{}
	}
	s.causes[cause]++
}

// tasksOf is what is counted of the workflow tasks of a kind of workflow.
func (h *histories) tasksOf(kind string) *steps {
	if h.tasks[kind] == nil {
		h.tasks[kind] = &steps{}
	}
	return h.tasks[kind]
}

// of is what is counted for the activity that an event schedules.
func (h *histories) of(scheduled *historypb.HistoryEvent) *steps {
	name := scheduled.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName()
	if h.activities[name] == nil {
		h.activities[name] = &steps{}
	}
	return h.activities[name]
}

// time notes how long a step took, if it was scheduled within the window.
func (h *histories) time(s *steps, scheduled, started, done *historypb.HistoryEvent) {
	at := scheduled.GetEventTime().AsTime()
	if at.Before(h.from) || at.After(h.to) {
		return
	}
	s.waited = append(s.waited, started.GetEventTime().AsTime().Sub(at))
	s.worked = append(s.worked, done.GetEventTime().AsTime().Sub(started.GetEventTime().AsTime()))
}

// quantile is the least of the values that the given share of them does not exceed; 0 of none.
func quantile(values []time.Duration, share float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

func TestQuantile(t *testing.T) {
	var values []time.Duration
	for i := range 100 {
		values = append(values, time.Duration(100-i))
	}
	for share, want := range map[float64]time.Duration{0: 1, .5: 51, .95: 96, 1: 100} {
		if got := quantile(values, share); got != want {
			t.Errorf("the quantile %v is %d, want %d", share, got, want)
		}
	}
	if quantile(nil, .5) != 0 {
		t.Error("of nothing there is a quantile")
	}
}
