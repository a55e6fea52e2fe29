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

// callTimeout bounds the call to Temporal.
const callTimeout = 5 * time.Second

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
	backlog := queue.GetStats().GetApproximateBacklogCount()
	return Demand{Demand: t.Runs.Demand(), Backlog: int(max(backlog, 0))}, nil
}
