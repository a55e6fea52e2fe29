package crawljob

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// TestCrawlJobsAreCounted: by where they are, and those that do not move by the reason and since when.
func TestCrawlJobsAreCounted(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	condition := func(kind string, status metav1.ConditionStatus, reason string, ago time.Duration) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(now.Add(-ago))}
	}
	job := func(name string, archived int64, conditions ...metav1.Condition) *v1alpha1.CrawlJob {
		j := &v1alpha1.CrawlJob{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "n"}}
		j.Status.Conditions = conditions
		if archived > 0 {
			j.Status.Counters = &v1alpha1.Counters{Queued: new(int64(7)), InProgress: new(int64(2)), Archived: new(archived), Failed: new(int64(1))}
		}
		return j
	}
	objects := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		job("new", 0),
		job("crawls", 30, condition(v1alpha1.ConditionSucceeded, metav1.ConditionUnknown, "Crawling", 0), condition(v1alpha1.ConditionStalled, metav1.ConditionFalse, "Crawling", 0)),
		job("waits", 10, condition(v1alpha1.ConditionSucceeded, metav1.ConditionUnknown, "StoreFull", 0), condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, "StoreFull", time.Minute)),
		job("waits-longer", 0, condition(v1alpha1.ConditionSucceeded, metav1.ConditionUnknown, "StoreFull", 0), condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, "StoreFull", time.Hour)),
		job("failed", 5, condition(v1alpha1.ConditionSucceeded, metav1.ConditionFalse, "RunLost", 0), condition(v1alpha1.ConditionFinished, metav1.ConditionTrue, "RunLost", 0),
			condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, "RunLost", 0)),
	).Build()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(Metrics{Client: objects, Now: func() time.Time { return now }})
	err := testutil.GatherAndCompare(r, strings.NewReader(`
# HELP crawlfleet_crawljob_pages Pages of the CrawlJobs that are not over, by where they are.
# TYPE crawlfleet_crawljob_pages gauge
crawlfleet_crawljob_pages{state="Archived"} 40
crawlfleet_crawljob_pages{state="FailedOrSkipped"} 2
crawlfleet_crawljob_pages{state="InProgress"} 4
crawlfleet_crawljob_pages{state="Queued"} 14
# HELP crawlfleet_crawljob_stalled_seconds Time since the first of them stalled, by reason.
# TYPE crawlfleet_crawljob_stalled_seconds gauge
crawlfleet_crawljob_stalled_seconds{reason="StoreFull"} 3600
# HELP crawlfleet_crawljobs CrawlJobs, by the reason of their condition Succeeded and by whether they are over.
# TYPE crawlfleet_crawljobs gauge
crawlfleet_crawljobs{finished="false",reason=""} 1
crawlfleet_crawljobs{finished="false",reason="Crawling"} 1
crawlfleet_crawljobs{finished="false",reason="StoreFull"} 2
crawlfleet_crawljobs{finished="true",reason="RunLost"} 1
# HELP crawlfleet_crawljobs_stalled CrawlJobs that are not over and do not move, by the reason of their condition Stalled.
# TYPE crawlfleet_crawljobs_stalled gauge
crawlfleet_crawljobs_stalled{reason="StoreFull"} 2
`))
	if err != nil {
		t.Error(err)
	}
}

// described answers for Temporal.
type described struct{ err error }

func (d described) DescribeTaskQueue(_ context.Context, in *workflowservice.DescribeTaskQueueRequest, _ ...grpc.CallOption) (*workflowservice.DescribeTaskQueueResponse, error) {
	root := !strings.HasPrefix(in.GetTaskQueue().GetName(), "/_sys/")
	if d.err != nil || in.GetNamespace() != "n" || in.GetReportStats() != root { // Temporal tells them of the first partition alone
		return nil, errors.Join(d.err, errors.New("asked for something else"))
	}
	answer := &workflowservice.DescribeTaskQueueResponse{Stats: &taskqueue.TaskQueueStats{}}
	if in.GetTaskQueue().GetName() == "crawlfleet-browser" {
		answer.Stats.ApproximateBacklogCount, answer.Stats.ApproximateBacklogAge = 12, durationpb.New(90*time.Second)
		answer.Pollers = []*taskqueue.PollerInfo{{Identity: "a"}, {Identity: "b"}}
	}
	if in.GetTaskQueue().GetName() == "/_sys/crawlfleet-browser/1" {
		answer.Pollers = []*taskqueue.PollerInfo{{Identity: "b"}, {Identity: "c"}}
	}
	return answer, nil
}

func (d described) ListTaskQueuePartitions(_ context.Context, in *workflowservice.ListTaskQueuePartitionsRequest, _ ...grpc.CallOption) (*workflowservice.ListTaskQueuePartitionsResponse, error) {
	return partitionsOf(in.GetTaskQueue().GetName()), d.err
}

// partitionsOf are two, as a queue of production has.
func partitionsOf(queue string) *workflowservice.ListTaskQueuePartitionsResponse {
	var list []*taskqueue.TaskQueuePartitionMetadata
	for _, key := range []string{queue, "/_sys/" + queue + "/1"} {
		list = append(list, &taskqueue.TaskQueuePartitionMetadata{Key: key})
	}
	return &workflowservice.ListTaskQueuePartitionsResponse{ActivityTaskQueuePartitions: list, WorkflowTaskQueuePartitions: list}
}

func TestQueuesAreTold(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		temporal described
		want     string
	}{
		"Up": {described{}, `
# HELP crawlfleet_queue_backlog_age_seconds Age of the oldest task that waits for a worker.
# TYPE crawlfleet_queue_backlog_age_seconds gauge
crawlfleet_queue_backlog_age_seconds{queue="crawlfleet-browser"} 90
crawlfleet_queue_backlog_age_seconds{queue="crawlfleet-operator"} 0
crawlfleet_queue_backlog_age_seconds{queue="crawlfleet-plan"} 0
crawlfleet_queue_backlog_age_seconds{queue="crawlfleet-run"} 0
# HELP crawlfleet_queue_pollers Workers that have asked for tasks of late.
# TYPE crawlfleet_queue_pollers gauge
crawlfleet_queue_pollers{queue="crawlfleet-browser"} 3
crawlfleet_queue_pollers{queue="crawlfleet-operator"} 0
crawlfleet_queue_pollers{queue="crawlfleet-plan"} 0
crawlfleet_queue_pollers{queue="crawlfleet-run"} 0
# HELP crawlfleet_temporal_up Whether Temporal has told of the task queues: 1 or 0.
# TYPE crawlfleet_temporal_up gauge
crawlfleet_temporal_up 1
`},
		"Down": {described{err: errors.New("away")}, `
# HELP crawlfleet_temporal_up Whether Temporal has told of the task queues: 1 or 0.
# TYPE crawlfleet_temporal_up gauge
crawlfleet_temporal_up 0
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := prometheus.NewPedanticRegistry()
			r.MustRegister(QueueMetrics{Temporal: tc.temporal, Namespace: "n"})
			if err := testutil.GatherAndCompare(r, strings.NewReader(tc.want), "crawlfleet_temporal_up", "crawlfleet_queue_backlog_age_seconds", "crawlfleet_queue_pollers"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMetricsAreDocumented: each metric of the operator's own is explained.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	descriptions := make(chan *prometheus.Desc, 100)
	Metrics{}.Describe(descriptions)
	QueueMetrics{}.Describe(descriptions)
	close(descriptions)
	for d := range descriptions {
		name := regexp.MustCompile(`fqName: "([a-z_]+)"`).FindStringSubmatch(d.String())
		if name == nil || !strings.Contains(string(docs), "| `"+name[1]+"` |") {
			t.Errorf("docs/reference/metrics.md does not explain %v", d)
		}
	}
}
