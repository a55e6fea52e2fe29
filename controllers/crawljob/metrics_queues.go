package crawljob

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"

	"crawlfleet.dev/crawlfleet/workflows"
)

// queuesTimeout bounds the questions about all queues.
const queuesTimeout = 4 * time.Second

// QueueDescriber is the part of a Temporal client that tells of task queues.
type QueueDescriber interface {
	DescribeTaskQueue(ctx context.Context, in *workflowservice.DescribeTaskQueueRequest, opts ...grpc.CallOption) (*workflowservice.DescribeTaskQueueResponse, error)
}

// QueueMetrics tell how much work waits in Temporal, whenever somebody asks.
type QueueMetrics struct {
	// Temporal is asked about the queues of Namespace.
	Temporal  QueueDescriber
	Namespace string
}

// What is told of task queues.
var (
	temporalUpDesc   = prometheus.NewDesc("crawlfleet_temporal_up", "Whether Temporal has told of the task queues: 1 or 0.", nil, nil)
	backlogDesc      = prometheus.NewDesc("crawlfleet_queue_backlog", "Tasks that wait for a worker, by Temporal's estimate.", []string{"queue"}, nil)
	backlogAgeDesc   = prometheus.NewDesc("crawlfleet_queue_backlog_age_seconds", "Age of the oldest task that waits for a worker.", []string{"queue"}, nil)
	queuePollersDesc = prometheus.NewDesc("crawlfleet_queue_pollers", "Workers that have asked for tasks of late.", []string{"queue"}, nil)
)

// queues are the task queues that are told of, with the kind of their tasks that is most.
var queues = []struct {
	name string
	kind enumspb.TaskQueueType
}{
	{workflows.TaskQueueRun, enumspb.TASK_QUEUE_TYPE_WORKFLOW},
	{workflows.TaskQueuePlan, enumspb.TASK_QUEUE_TYPE_ACTIVITY},
	{workflows.TaskQueueBrowser, enumspb.TASK_QUEUE_TYPE_ACTIVITY},
	{workflows.TaskQueueOperator, enumspb.TASK_QUEUE_TYPE_ACTIVITY},
}

// Describe implements prometheus.Collector.
func (QueueMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{temporalUpDesc, backlogDesc, backlogAgeDesc, queuePollersDesc} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (q QueueMetrics) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), queuesTimeout)
	defer cancel()
	up := 1.0
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, queue := range queues {
		answer, err := q.Temporal.DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
			Namespace: q.Namespace, TaskQueue: &taskqueue.TaskQueue{Name: queue.name, Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
			TaskQueueType: queue.kind, ReportStats: true,
		})
		if err != nil {
			up = 0
			break
		}
		gauge(backlogDesc, float64(answer.GetStats().GetApproximateBacklogCount()), queue.name)
		gauge(backlogAgeDesc, answer.GetStats().GetApproximateBacklogAge().AsDuration().Seconds(), queue.name)
		gauge(queuePollersDesc, float64(len(answer.GetPollers())), queue.name)
	}
	gauge(temporalUpDesc, up)
}
