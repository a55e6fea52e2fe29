package scale

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueue "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"crawlfleet.dev/crawlfleet/controllers/plain"
	"crawlfleet.dev/crawlfleet/workflows"
)

const (
	// callTimeout bounds the call to Temporal.
	callTimeout = 5 * time.Second
	// pollerAge is how long ago a worker may have asked for work and still count as there: a long
	// poll lasts a minute, and Temporal goes on listing workers for five.
	pollerAge = 75 * time.Second
)

// Connection leads to Temporal. A client of the SDK is one, a lazy one too.
type Connection interface {
	WorkflowService() workflowservice.WorkflowServiceClient
}

// Runs tells what browsers could do for all runs that have reported. *crawljob.Reports is one.
type Runs interface {
	Demand() workflows.Demand
}

// Temporal is a Source: what Temporal knows of the task queue of bundles, and what the runs say.
type Temporal struct {
	// Client leads to Temporal, Namespace is the one of the fleet.
	Client    Connection
	Namespace string
	// Runs are those that have reported.
	Runs Runs
	// Now is the clock.
	Now func() time.Time
}

var _ Source = (*Temporal)(nil)

// Demand asks Temporal. While that does not answer, what the runs say is old, and the demand not
// known.
func (t *Temporal) Demand(ctx context.Context) (Demand, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// What is asked for with an api_mode of ENHANCED is deprecated: the default one has the statistics, too.
	queue, err := t.Client.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace:     t.Namespace,
		TaskQueue:     &taskqueue.TaskQueue{Name: workflows.TaskQueueBrowser, Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
		TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY,
		ReportStats:   true,
	})
	if err != nil {
		return Demand{}, fmt.Errorf("describe task queue %s: %w", workflows.TaskQueueBrowser, plain.Temporal(err))
	}
	stats := queue.GetStats()
	d := Demand{
		Demand:  t.Runs.Demand(),
		Backlog: int(max(stats.GetApproximateBacklogCount(), 0)), BacklogAge: stats.GetApproximateBacklogAge().AsDuration(),
		Added: float64(stats.GetTasksAddRate()), Dispatched: float64(stats.GetTasksDispatchRate()),
	}
	for _, poller := range queue.GetPollers() {
		if t.Now().Sub(poller.GetLastAccessTime().AsTime()) < pollerAge {
			d.Pollers++
		}
	}
	return d, nil
}
