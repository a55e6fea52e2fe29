package e2e

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/proto"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/payload"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/workflows"
)

var recorded = flag.String("record-metrics", "", "folder to write down in what a fleet that has crawled tells Prometheus (../alerts/testdata)")

// spans are what a receiver of traces has got, by their IDs.
type spans struct {
	mu  sync.Mutex
	all map[string]*trace.Span
}

// receive is a receiver of OTLP over HTTP. It takes what operator and workers send.
func receive(t *testing.T) (address string, got *spans) {
	t.Helper()
	got = &spans{all: map[string]*trace.Span{}}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var request collector.ExportTraceServiceRequest
		body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		got.mu.Lock()
		defer got.mu.Unlock()
		for _, resource := range request.ResourceSpans {
			if !strings.Contains(resource.Resource.String(), "crawlfleet-") {
				continue // Temporal's own, say
			}
			for _, scope := range resource.ScopeSpans {
				for _, s := range scope.Spans {
					got.all[string(s.SpanId)] = s
				}
			}
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

// below counts the spans of a name that are of the trace.
func (s *spans) below(root *trace.Span, name string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.all {
		if span.Name == name && root != nil && string(span.TraceId) == string(root.TraceId) {
			n++
		}
	}
	return n
}

// root is the span that a trace begins with, nil as long as it has not come.
func (s *spans) root() *trace.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.all {
		if span.Name == "StartCrawl" {
			return span
		}
	}
	return nil
}

// way are the names of spans from one up to that which its trace begins with.
func (s *spans) way(from *trace.Span) string {
	var names []string
	for span := from; span != nil; span = s.all[string(span.ParentSpanId)] {
		names = append(names, span.Name)
	}
	return strings.Join(names, " < ")
}

// TestTraced crawls a small site: one trace leads from the CrawlJob to each of its pages, and says nothing of them; and
// the programs tell Prometheus what dashboards and alerts ask for.
func TestTraced(t *testing.T) {
	address, got := receive(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "500")
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/", "/secret-1", "/secret-2":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, `<title>unspeakable</title><a href="/secret-1">1</a><a href="/secret-2">2</a>`)
		default:
			http.NotFound(w, r)
		}
	}))
	worker, operator := harness.FreeAddress(t), harness.FreeAddress(t)
	fleet := harness.Start(t, harness.Options{WorkerFlags: []string{"--metrics-address", worker}, OperatorFlags: []string{"--metrics-bind-address", operator}})
	job := harness.NewJob("nameless", srv.URL+"/")
	fleet.Apply(t, job)
	job = succeeded(t, fleet, "nameless")
	if n := *job.Status.Counters.Archived; n != 3 {
		t.Fatalf("%d pages are archived", n)
	}
	counted(t, worker, map[string]float64{
		`crawlfleet_pages_total{outcome="Archived",reason=""}`:                           3,
		`crawlfleet_page_phase_seconds_count{phase="Settling"}`:                          3,
		`crawlfleet_host_wait_seconds_count{for="Delay"}`:                                3,
		`crawlfleet_store_requests_total{operation="PutObject",outcome="Done"}`:          3,
		`crawlfleet_store_request_seconds_count{operation="PutObject"}`:                  3,
		`crawlfleet_bundle_wait_seconds_count`:                                           1,
		`crawlfleet_tabs`:                                                                1,
		`crawlfleet_browsers`:                                                            1,
		`crawlfleet_browser_resident_bytes`:                                              1e6,
		`temporal_request_total{operation="RespondWorkflowTaskCompleted"}`:               1,
		`temporal_activity_execution_latency_seconds_count{activity_type="CrawlBundle"}`: 1,
		`temporal_workflow_completed_total{workflow_type="CrawlRun"}`:                    1,
	})
	counted(t, operator, map[string]float64{
		`crawlfleet_temporal_up`:                                                 1,
		`crawlfleet_crawljobs{finished="true",reason="Completed"}`:               1,
		`crawlfleet_queue_pollers{queue="crawlfleet-browser"}`:                   1,
		`crawlfleet_queue_pollers{queue="crawlfleet-operator"}`:                  1,
		`temporal_request_total{operation="StartWorkflowExecution"}`:             1,
		`controller_runtime_reconcile_time_seconds_count{controller="crawljob"}`: 1,
	})
	if *recorded != "" {
		record(t, fleet, worker, operator, *recorded)
	}
	for end := time.Now().Add(time.Minute); got.below(got.root(), "Page") < 3 || got.below(got.root(), "RunActivity:Seal") < 1; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("of pages there came %d spans, of the seal %d, below %v", got.below(got.root(), "Page"), got.below(got.root(), "RunActivity:Seal"), got.root())
		}
	}
	root := got.root()
	for _, name := range []string{"Navigating", "Loading", "Settling", "Outputs", "Storing"} {
		if n := got.below(root, name); n != 3 {
			t.Errorf("%d pages were %s", n, name)
		}
	}
	for _, name := range []string{"Commit", "RunActivity:Preflight", "RunActivity:Seed", "RunActivity:Plan"} {
		if got.below(root, name) == 0 {
			t.Errorf("the trace has no %s", name)
		}
	}
	discreet(t, got, job.Name, strings.TrimPrefix(srv.URL, "http://"))
	log, err := os.ReadFile(fleet.Operator.Log)
	if err != nil || !strings.Contains(string(log), fmt.Sprintf(`"traceID":"%x"`, root.TraceId)) {
		t.Errorf("the operator's log does not tell of the trace %x: %v", root.TraceId, err)
	}
	replayed(t, fleet, workflows.RunWorkflowID(string(job.UID)), workflows.ShardWorkflowID(string(job.UID), 0))
	if !strings.Contains(root.String(), string(job.UID)) {
		t.Errorf("the trace does not name the run: %v", root)
	}
}

// scrape is what a program tells Prometheus.
func scrape(t *testing.T, address string) string {
	t.Helper()
	res, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// record writes down what the programs tell Prometheus, for the test of the dashboards. A portal is among them that
// somebody has searched.
func record(t *testing.T, fleet *harness.Fleet, worker, operator, folder string) {
	t.Helper()
	portal, metrics := harness.FreeAddress(t), harness.FreeAddress(t)
	fleet.Portal(t, "portal", portal, "--metrics-address", metrics)
	for _, path := range []string{"/", "/snapshots", "/?q=unspeakable"} {
		res, err := http.Get("http://" + portal + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	rests, waits := harness.NewJob("rests", "http://board.test/"), harness.NewJob("waits", "http://board.test/")
	rests.Spec.State = v1alpha1.StateSuspended
	waits.Spec.Seeds.ConfigMaps = []v1alpha1.SeedConfigMap{{Name: "none", Key: "seeds"}}
	fleet.Apply(t, rests)
	fleet.Apply(t, waits)
	fleet.WaitFor(t, "crawl/waits", "Stalled", time.Minute)
	counted(t, operator, map[string]float64{`crawlfleet_crawljobs_stalled{reason="ConfigMapMissing"}`: 1, `crawlfleet_crawljobs{finished="false",reason="Suspended"}`: 1})
	ours := regexp.MustCompile(`(?m)^(# (HELP|TYPE) )?(crawlfleet|temporal|controller_runtime|process)_.*\n`)
	for name, address := range map[string]string{"worker": worker, "operator": operator, "portal": metrics} {
		if err := os.WriteFile(filepath.Join(folder, name+".prom"), []byte(strings.Join(ours.FindAllString(scrape(t, address), -1), "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// counted waits until a program tells Prometheus of so much at least: it ends a crawl before it counts it.
func counted(t *testing.T, address string, least map[string]float64) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		found, lacks := values(scrape(t, address)), ""
		for name, want := range least {
			if n := found[name]; n < want {
				lacks += fmt.Sprintf("\n%s is %v, want %v at least", name, n, want)
			}
		}
		if lacks == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s tells Prometheus too little:%s", address, lacks)
		}
	}
}

// values are the samples of what was scraped, by their names with labels.
func values(text string) map[string]float64 {
	found := map[string]float64{}
	for line := range strings.Lines(text) {
		if at := strings.LastIndexByte(strings.TrimSpace(line), ' '); at > 0 && line[0] != '#' {
			found[line[:at]], _ = strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		}
	}
	return found
}

// replayed asserts that workers which send no traces can go on with workflows that have traces in their histories.
func replayed(t *testing.T, fleet *harness.Fleet, ids ...string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	options := client.Options{HostPort: fleet.State().Temporal.Address, Namespace: fleet.State().Temporal.Namespace, Logger: telemetry.Temporal(log)}
	keys, err := (&payload.File{Path: fleet.PayloadKeys}).Apply(&options, log)
	if err == nil {
		err = keys.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.DialContext(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, id := range ids {
		recorded, traced := &history.History{}, false
		for events := c.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
			event, err := events.Next()
			if err != nil {
				t.Fatal(err)
			}
			recorded.Events = append(recorded.Events, event)
			traced = traced || event.GetActivityTaskScheduledEventAttributes().GetHeader().GetFields()["_tracer-data"] != nil
		}
		replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DataConverter: options.DataConverter, FailureConverter: options.FailureConverter})
		if err != nil {
			t.Fatal(err)
		}
		workflows.Register(replayer)
		if err := replayer.ReplayWorkflowHistory(options.Logger, recorded); err != nil || !traced {
			t.Errorf("%s, %d events, traced: %v: %v", id, len(recorded.Events), traced, err)
		}
	}
}

// discreet asserts that pages hang on their CrawlJob, and that no span says which job or page it is of.
func discreet(t *testing.T, got *spans, words ...string) {
	t.Helper()
	got.mu.Lock()
	defer got.mu.Unlock()
	for _, span := range got.all {
		for _, word := range append(words, "secret-", "unspeakable", "127.0.0.1") {
			if strings.Contains(span.String(), word) {
				t.Errorf("a span says %s: %v", word, span)
			}
		}
		if strings.Contains(span.Name, "Report") || strings.HasPrefix(span.Name, "RunWorkflow") {
			t.Errorf("there is a span %s", span.Name)
		}
		const want = "Page < RunActivity:CrawlBundle < StartActivity:CrawlBundle < StartChildWorkflow:FrontierShard < StartWorkflow:CrawlRun < StartCrawl"
		if way := got.way(span); span.Name == "Page" && way != want {
			t.Errorf("a page hangs on %s, want %s", way, want)
		}
	}
}
