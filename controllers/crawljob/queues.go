package crawljob

import (
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"

	"crawlfleet.dev/crawlfleet/workflows"
)

// QueueDescriber is the part of a Temporal client that tells of task queues.
type QueueDescriber interface {
	DescribeTaskQueue(ctx context.Context, in *workflowservice.DescribeTaskQueueRequest, opts ...grpc.CallOption) (*workflowservice.DescribeTaskQueueResponse, error)
	ListTaskQueuePartitions(ctx context.Context, in *workflowservice.ListTaskQueuePartitionsRequest, opts ...grpc.CallOption) (*workflowservice.ListTaskQueuePartitionsResponse, error)
}

// queue is a task queue, with the kind of its tasks that is most.
type queue struct {
	name string
	kind enumspb.TaskQueueType
}

// queues are all.
var queues = []queue{
	{workflows.TaskQueueRun, enumspb.TASK_QUEUE_TYPE_WORKFLOW},
	{workflows.TaskQueuePlan, enumspb.TASK_QUEUE_TYPE_ACTIVITY},
	{workflows.TaskQueueBrowser, enumspb.TASK_QUEUE_TYPE_ACTIVITY},
	{workflows.TaskQueueOperator, enumspb.TASK_QUEUE_TYPE_ACTIVITY},
}

// describe is the question about a queue, or about one of its partitions.
func (q queue) describe(namespace, partition string) *workflowservice.DescribeTaskQueueRequest {
	return &workflowservice.DescribeTaskQueueRequest{
		Namespace: namespace, TaskQueue: &taskqueue.TaskQueue{Name: partition, Kind: enumspb.TASK_QUEUE_KIND_NORMAL}, TaskQueueType: q.kind,
	}
}

// others finds the workers that ask the further partitions of the queue for work: the first one, which
// is called as the queue is, knows its own alone, as each of them does.
func (q queue) others(ctx context.Context, temporal QueueDescriber, namespace string) ([]*taskqueue.PollerInfo, error) {
	list, err := temporal.ListTaskQueuePartitions(ctx, &workflowservice.ListTaskQueuePartitionsRequest{
		Namespace: namespace, TaskQueue: &taskqueue.TaskQueue{Name: q.name, Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
	})
	if err != nil {
		return nil, fmt.Errorf("list the partitions: %w", err)
	}
	partitions := list.GetActivityTaskQueuePartitions()
	if q.kind == enumspb.TASK_QUEUE_TYPE_WORKFLOW {
		partitions = list.GetWorkflowTaskQueuePartitions()
	}
	var pollers []*taskqueue.PollerInfo
	for _, p := range partitions {
		if p.GetKey() == q.name {
			continue
		}
		d, err := temporal.DescribeTaskQueue(ctx, q.describe(namespace, p.GetKey()))
		if err != nil {
			return nil, fmt.Errorf("describe partition %s: %w", p.GetKey(), err)
		}
		pollers = append(pollers, d.GetPollers()...)
	}
	return pollers, nil
}
