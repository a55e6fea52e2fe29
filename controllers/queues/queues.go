// Package queues asks Temporal about the task queues of crawls.
//
// A queue is cut into partitions, and each of them knows the workers that ask itself for work, and no
// others (https://docs.temporal.io/task-queue).
package queues

import (
	"context"
	"fmt"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"

	"crawlfleet.dev/crawlfleet/workflows"
)

// Describer is the part of a Temporal client that tells of task queues.
type Describer interface {
	DescribeTaskQueue(ctx context.Context, in *workflowservice.DescribeTaskQueueRequest, opts ...grpc.CallOption) (*workflowservice.DescribeTaskQueueResponse, error)
	ListTaskQueuePartitions(ctx context.Context, in *workflowservice.ListTaskQueuePartitionsRequest, opts ...grpc.CallOption) (*workflowservice.ListTaskQueuePartitionsResponse, error)
}

// Queue is a task queue, with the kind of its tasks that is most.
type Queue struct {
	Name string
	Kind enumspb.TaskQueueType
}

// All are the queues of crawls.
var All = []Queue{
	{workflows.TaskQueueRun, enumspb.TASK_QUEUE_TYPE_WORKFLOW},
	{workflows.TaskQueuePlan, enumspb.TASK_QUEUE_TYPE_ACTIVITY},
	{workflows.TaskQueueBrowser, enumspb.TASK_QUEUE_TYPE_ACTIVITY},
	{workflows.TaskQueueOperator, enumspb.TASK_QUEUE_TYPE_ACTIVITY},
}

// Question is the one about a queue, or about one of its partitions.
func (q Queue) Question(namespace, partition string) *workflowservice.DescribeTaskQueueRequest {
	return &workflowservice.DescribeTaskQueueRequest{
		Namespace: namespace, TaskQueue: &taskqueue.TaskQueue{Name: partition, Kind: enumspb.TASK_QUEUE_KIND_NORMAL}, TaskQueueType: q.Kind,
	}
}

// Others finds the workers that ask the further partitions of the queue for work: the first one, which
// is called as the queue is, knows its own alone, as each of them does.
func (q Queue) Others(ctx context.Context, temporal Describer, namespace string) ([]*taskqueue.PollerInfo, error) {
	list, err := temporal.ListTaskQueuePartitions(ctx, &workflowservice.ListTaskQueuePartitionsRequest{
		Namespace: namespace, TaskQueue: &taskqueue.TaskQueue{Name: q.Name, Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
	})
	if err != nil {
		return nil, fmt.Errorf("list the partitions of the task queue %s: %w", q.Name, err)
	}
	partitions := list.GetActivityTaskQueuePartitions()
	if q.Kind == enumspb.TASK_QUEUE_TYPE_WORKFLOW {
		partitions = list.GetWorkflowTaskQueuePartitions()
	}
	var pollers []*taskqueue.PollerInfo
	for _, p := range partitions {
		if p.GetKey() == q.Name {
			continue
		}
		d, err := temporal.DescribeTaskQueue(ctx, q.Question(namespace, p.GetKey()))
		if err != nil {
			return nil, fmt.Errorf("describe the task queue %s: %w", p.GetKey(), err)
		}
		pollers = append(pollers, d.GetPollers()...)
	}
	return pollers, nil
}

// Pollers finds the workers that ask any partition of the queue for work; one that asks several is there
// several times.
func (q Queue) Pollers(ctx context.Context, temporal Describer, namespace string) ([]*taskqueue.PollerInfo, error) {
	first, err := temporal.DescribeTaskQueue(ctx, q.Question(namespace, q.Name))
	if err != nil {
		return nil, fmt.Errorf("describe the task queue %s: %w", q.Name, err)
	}
	others, err := q.Others(ctx, temporal, namespace)
	return slices.Concat(first.GetPollers(), others), err
}
