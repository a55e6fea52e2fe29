package versions

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/api/deployment/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// queue is a Temporal that has a task queue of several partitions, as one of production has.
type queue struct {
	workflowservice.WorkflowServiceClient
	partitions map[string][]*taskqueue.PollerInfo
}

// clientOf is a client of it.
type clientOf struct {
	client.Client
	q *queue
}

func (c clientOf) WorkflowService() workflowservice.WorkflowServiceClient { return c.q }

func (q *queue) ListTaskQueuePartitions(context.Context, *workflowservice.ListTaskQueuePartitionsRequest, ...grpc.CallOption) (*workflowservice.ListTaskQueuePartitionsResponse, error) {
	out := &workflowservice.ListTaskQueuePartitionsResponse{}
	for _, key := range []string{"crawlfleet-run", "/_sys/crawlfleet-run/1"} {
		out.WorkflowTaskQueuePartitions = append(out.WorkflowTaskQueuePartitions, &taskqueue.TaskQueuePartitionMetadata{Key: key})
	}
	return out, nil
}

func (q *queue) DescribeTaskQueue(_ context.Context, in *workflowservice.DescribeTaskQueueRequest, _ ...grpc.CallOption) (*workflowservice.DescribeTaskQueueResponse, error) {
	return &workflowservice.DescribeTaskQueueResponse{Pollers: q.partitions[in.GetTaskQueue().GetName()]}, nil
}

// TestPollers: a worker counts that asks for work of this deployment, whichever partition it asks.
func TestPollers(t *testing.T) {
	t.Parallel()
	poller := func(name, build string, mode enums.WorkerVersioningMode, ago time.Duration) *taskqueue.PollerInfo {
		return &taskqueue.PollerInfo{LastAccessTime: timestamppb.New(since(ago)), DeploymentOptions: &deployment.WorkerDeploymentOptions{
			DeploymentName: name, BuildId: build, WorkerVersioningMode: mode,
		}}
	}
	const versioned = enums.WORKER_VERSIONING_MODE_VERSIONED
	q := &queue{partitions: map[string][]*taskqueue.PollerInfo{
		"crawlfleet-run": {
			poller("crawlfleet", "a", versioned, time.Minute), poller("crawlfleet", "gone", versioned, 2*time.Minute),
			poller("other", "b", versioned, 0), poller("crawlfleet", "c", enums.WORKER_VERSIONING_MODE_UNVERSIONED, 0), {LastAccessTime: timestamppb.New(at)},
		},
		"/_sys/crawlfleet-run/1": {poller("crawlfleet", "d", versioned, 0)},
	}}
	got, err := (&Temporal{Client: clientOf{q: q}, Now: func() time.Time { return at }}).pollers(t.Context())
	if diff := cmp.Diff([]string{"a", "d"}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
