package temporal

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	root := NewMetrics(r)
	of := root.WithTags(map[string]string{"namespace": "crawlfleet", "client_name": "temporal_go", "task_queue": "q"})
	of.WithTags(map[string]string{"operation": "StartWorkflowExecution", "status_code": "UNAVAILABLE"}).Counter("temporal_request_failure").Inc(2)
	of.WithTags(map[string]string{"worker_type": "ActivityWorker"}).Gauge("temporal_worker_task_slots_used").Update(3)
	of.WithTags(map[string]string{"activity_type": "none"}).Timer("temporal_activity_execution_latency").Record(20 * time.Second)
	of.Counter("temporal_of_tomorrow").Inc(1)
	of.Gauge("temporal_of_tomorrow").Update(1)
	of.Timer("temporal_of_tomorrow").Record(time.Second)
	err := testutil.GatherAndCompare(r, strings.NewReader(`
# HELP temporal_request_failure_total Requests that Temporal did not answer, or answered with an error.
# TYPE temporal_request_failure_total counter
temporal_request_failure_total{operation="StartWorkflowExecution",status_code="UNAVAILABLE"} 2
# HELP temporal_worker_task_slots_used How much work of a kind a worker does.
# TYPE temporal_worker_task_slots_used gauge
temporal_worker_task_slots_used{task_queue="q",worker_type="ActivityWorker"} 3
`), "temporal_request_failure_total", "temporal_worker_task_slots_used", "temporal_of_tomorrow")
	if err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(root.timers["temporal_activity_execution_latency"].vec); n != 1 {
		t.Errorf("%d times were told", n)
	}
}
