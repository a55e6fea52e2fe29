package scale

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.temporal.io/api/serviceerror"
	taskqueue "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"

	"crawlfleet.dev/crawlfleet/workflows"
)

// source is a Source that says what it is told to.
type source struct {
	demand Demand
	err    error
}

func (s *source) Demand(context.Context) (Demand, error) { return s.demand, s.err }

// TestDesired: a scaler remembers what it decided, and shows it.
func TestDesired(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	says := &source{demand: *asks(8)}
	says.demand.Backlog = 3
	registry := prometheus.NewRegistry()
	s := &Scaler{Source: says, Now: func() time.Time { return now }, Metrics: NewMetrics(registry)}
	pools := []Pool{{Name: "keda", External: true, Tabs: 4, Replicas: 1, Ready: 1}, {Name: "p", Max: 4, Tabs: 4, Delay: delay}}
	desired := func() map[string]Target {
		t.Helper()
		targets, err := s.Desired(t.Context(), pools)
		if err != nil {
			t.Fatal(err)
		}
		return targets
	}
	want := map[string]Target{"p": {
		Replicas: 1, Reason: ReasonDemand, Again: LookEvery,
		Message: "8 pages could be loaded at once: 8 hosts in 8 bundles, 3 waiting for a worker, and 0 hosts ready",
	}}
	if diff := cmp.Diff(want, desired()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	now, says.err = now.Add(time.Minute), errors.New("no answer in time")
	pools[1].Replicas = 3 // by somebody's hand: it is put right, whether the demand is known or not
	if got := desired()["p"]; got.Replicas != 1 || got.Reason != ReasonDemandUnknown || !strings.HasSuffix(got.Message, "(no answer in time)") {
		t.Errorf("while the demand is not known: %+v", got)
	}
	expected := `
# HELP crawlfleet_demand What there is for browsers to do, by kind.
# TYPE crawlfleet_demand gauge
crawlfleet_demand{kind="Backlog"} 3
crawlfleet_demand{kind="Bundles"} 8
crawlfleet_demand{kind="Hosts"} 8
crawlfleet_demand{kind="Ready"} 0
# HELP crawlfleet_demand_known 1 while the demand is known, 0 while the rest is what was known last.
# TYPE crawlfleet_demand_known gauge
crawlfleet_demand_known 0
# HELP crawlfleet_demand_tabs Pages that could be loaded at once.
# TYPE crawlfleet_demand_tabs gauge
crawlfleet_demand_tabs 8
# HELP crawlfleet_pool_desired_replicas Pods that a pool is to have.
# TYPE crawlfleet_pool_desired_replicas gauge
crawlfleet_pool_desired_replicas{pool="p"} 1
# HELP crawlfleet_pool_ready_replicas Pods that are ready.
# TYPE crawlfleet_pool_ready_replicas gauge
crawlfleet_pool_ready_replicas{pool="keda"} 1
crawlfleet_pool_ready_replicas{pool="p"} 0
# HELP crawlfleet_pool_replicas Pods that are asked for.
# TYPE crawlfleet_pool_replicas gauge
crawlfleet_pool_replicas{pool="keda"} 1
crawlfleet_pool_replicas{pool="p"} 3
# HELP crawlfleet_pool_scaling_reason 1 for the reason why a pool has as many pods as it has.
# TYPE crawlfleet_pool_scaling_reason gauge
crawlfleet_pool_scaling_reason{pool="p",reason="DemandUnknown"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(expected)); err != nil {
		t.Error(err)
	}
	pools = pools[:1] // a pool that is gone is shown no more
	desired()
	if n := testutil.CollectAndCount(s.Metrics.desired); n != 0 {
		t.Errorf("%d pools are shown to be desired", n)
	}
}

// TestSenselessPools are refused, each with its name.
func TestSenselessPools(t *testing.T) {
	t.Parallel()
	good := Pool{Name: "p", Max: 1, Tabs: 1}
	with := func(change func(*Pool)) []Pool { p := good; change(&p); return []Pool{p} }
	for name, tc := range map[string]struct {
		pools []Pool
		want  string
	}{
		"Good":     {[]Pool{good}, ""},
		"External": {[]Pool{{Name: "p", Tabs: 1, External: true, Min: 3}}, ""},
		"Twice":    {[]Pool{good, good}, `pool "p": there are two`},
		"Tabs":     {with(func(p *Pool) { p.Tabs = 0 }), `pool "p": 0 tabs`},
		"Bounds":   {with(func(p *Pool) { p.Min = 2 }), `pool "p": 2 to 1 pods`},
		"Negative": {with(func(p *Pool) { p.Min = -1 }), `pool "p": -1 to 1 pods`},
		"Delay":    {with(func(p *Pool) { p.Delay = -1 }), `pool "p": a delay`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Scaler{Source: &source{}, Now: time.Now}
			_, err := s.Desired(t.Context(), tc.pools)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// server answers for Temporal.
type server struct {
	workflowservice.WorkflowServiceClient
	asked  *workflowservice.DescribeTaskQueueRequest
	answer *workflowservice.DescribeTaskQueueResponse
	err    error
}

func (s *server) WorkflowService() workflowservice.WorkflowServiceClient { return s }

func (s *server) DescribeTaskQueue(_ context.Context, in *workflowservice.DescribeTaskQueueRequest, _ ...grpc.CallOption) (*workflowservice.DescribeTaskQueueResponse, error) {
	s.asked = in
	return s.answer, s.err
}

// runs are what the runs say.
type runs workflows.Demand

func (r runs) Demand() workflows.Demand { return workflows.Demand(r) }

// TestTemporal: what a server says becomes a demand.
func TestTemporal(t *testing.T) {
	t.Parallel()
	s := &server{answer: &workflowservice.DescribeTaskQueueResponse{Stats: &taskqueue.TaskQueueStats{ApproximateBacklogCount: 7}}}
	says := runs{Bundles: 1, Hosts: 2, Ready: 3}
	adapter := &Temporal{Client: s, Namespace: "fleet", Runs: says}
	got, err := adapter.Demand(t.Context())
	want := Demand{Demand: workflows.Demand(says), Backlog: 7}
	if err != nil || got != want || got.Tabs() != 7 {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if s.asked.GetNamespace() != "fleet" || s.asked.GetTaskQueue().GetName() != workflows.TaskQueueBrowser || !s.asked.GetReportStats() {
		t.Errorf("it was asked %v", s.asked)
	}
	s.err = serviceerror.NewUnavailable("dial tcp 127.0.0.1:7233: connection refused")
	if _, err := adapter.Demand(t.Context()); err == nil || err.Error() != "describe task queue crawlfleet-browser: connection refused or lost" {
		t.Errorf("without a server: %v", err)
	}
}

// TestDocumented: each metric and each reason is explained, and so is each number.
func TestDocumented(t *testing.T) {
	t.Parallel()
	read := func(file string) string {
		b, err := os.ReadFile("../../../docs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	registry := prometheus.NewRegistry()
	NewMetrics(registry)
	descriptions := make(chan *prometheus.Desc, 100)
	registry.Describe(descriptions)
	close(descriptions)
	metrics, names := read("reference/metrics.md"), regexp.MustCompile(`"(crawlfleet_[a-z_]+)"`)
	for d := range descriptions {
		if name := names.FindStringSubmatch(d.String())[1]; !strings.Contains(metrics, "| `"+name+"` |") {
			t.Errorf("docs/reference/metrics.md does not explain %s", name)
		}
	}
	scaling := read("scaling.md")
	for _, r := range Reasons() {
		if !strings.Contains(scaling, `<a id="`+string(r)+`"></a>`) {
			t.Errorf("docs/scaling.md does not explain %s", r)
		}
	}
	for what, value := range map[string]string{"a step": "15 seconds", "its least": "four pods", "patience": "three minutes", "a look": "ten seconds"} {
		if !strings.Contains(scaling, value) {
			t.Errorf("docs/scaling.md does not say that %s is %s", what, value)
		}
	}
	if StepTime != 15*time.Second || LeastStep != 4 || PodPatience != 3*time.Minute || LookEvery != 10*time.Second {
		t.Error("docs/scaling.md has other numbers than the program")
	}
}
