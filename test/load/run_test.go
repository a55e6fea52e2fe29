package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/payload"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/workflows"
)

// setup says what is crawled by what.
type setup struct {
	// pages and hosts is about how many the web has.
	pages, hosts int
	// foreign is how many links of a page lead to other hosts.
	foreign int
	shards  int32
	// visitors are the stand-ins, tabs the tabs of each; planners the workers that plan.
	visitors, tabs, planners int
	// delay is the pause that each host is owed, in seconds.
	delay int32
	// fastest and slowest bound the time of a page.
	fastest, slowest time.Duration
	// patience is how long the crawl may take.
	patience time.Duration
}

// result is all that was measured.
type result struct {
	setup
	web   web
	pages int
	// applied and finished are when the order was given, and when the run was sealed.
	applied, finished time.Time
	samples           []sample
	from, to          sample // the window
	peaks             map[string]int64
	histories         *histories
	statement         statement
}

// statement is what of the closing statement is looked at.
type statement struct {
	Verdict  string           `json:"verdict"`
	Counts   workflows.Counts `json:"counts"`
	Problems []string         `json:"problems"`
	Chunks   []struct {
		Pages int `json:"pages"`
	} `json:"chunks"`
}

// jobName is the order's.
const jobName = "load"

// measure crawls a web and compares what was archived with a plain walk over it.
func measure(t testing.TB, s setup) *result {
	t.Helper()
	w := webOf(s.pages, s.hosts)
	w.foreign, w.fastest, w.slowest = s.foreign, s.fastest, s.slowest
	robots := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "User-agent: *\nDisallow: /nothing-is-here/\n") // whoever asked may be gone
	}))
	t.Cleanup(robots.Close)
	fleet := harness.Start(t, harness.Options{Unsigned: true, Workers: -1})
	r := &result{setup: s, web: w, pages: w.pages()}
	sampling := startWorkers(t, fleet, s, w, robots.Listener.Addr().String())
	stop := sampling.start(t)
	defer stop()

	giveSeeds(t, fleet, w)
	r.applied = time.Now()
	fleet.Apply(t, order(s, w))
	watched, cancel := context.WithCancel(t.Context())
	defer cancel()
	go tell(watched, t, sampling, r)
	fleet.WaitFor(t, "crawl/"+jobName, "Finished", s.patience)
	cancel()
	r.finished = time.Now()
	stop()
	r.samples, r.peaks = sampling.list(), sampling.peaks
	r.from, r.to = window(r.samples, r.pages)
	check(t, fleet, r)
	if err := r.readHistories(t, fleet); err != nil {
		t.Fatal(err)
	}
	return r
}

// startWorkers starts workers of each kind, and prepares to sample them.
func startWorkers(t testing.TB, fleet *harness.Fleet, s setup, w web, sites string) *sampler {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parts := fleet.State().PIDs
	sampling := &sampler{stores: map[string]*counter{}, pids: map[string][]int{
		kindTemporal: {parts["temporal"]}, kindStore: {parts["s3"]}, kindKube: {parts["kube"]}, kindOperator: {fleet.Operator.PID()}, kindTest: {os.Getpid()},
	}}
	add := func(kind string, p *harness.Process) { sampling.pids[kind] = append(sampling.pids[kind], p.PID()) }
	for _, kind := range []string{kindPlan, kindVisit} {
		sampling.stores[kind] = newCounter(t, fleet)
	}
	add(kindRun, fleet.AddWorker(t, "--roles", "run", "--log-level", "warn"))
	for range s.planners {
		add(kindPlan, fleet.AddWorker(t, "--roles", "plan", "--log-level", "warn", "--s3-endpoint", sampling.stores[kindPlan].gateway.Endpoint()))
	}
	for range s.visitors {
		stats := harness.FreeAddress(t)
		sampling.stats = append(sampling.stats, stats)
		add(kindVisit, fleet.AddStandIn(t, self, []string{asWorker + "=1"},
			"--s3-endpoint", sampling.stores[kindVisit].gateway.Endpoint(), "--tabs", fmt.Sprint(s.tabs), "--sites", sites, "--stats-address", stats,
			"--hosts", fmt.Sprint(w.hosts), "--largest", fmt.Sprint(w.largest), "--seeds", fmt.Sprint(w.seeds), "--links", fmt.Sprint(w.links), "--foreign", fmt.Sprint(w.foreign),
			"--fastest", w.fastest.String(), "--slowest", w.slowest.String()))
	}
	return sampling
}

// seedsKey is the entry of the ConfigMap of the order's name that has the seeds.
const seedsKey = "seeds.txt"

// giveSeeds writes the first pages of some hosts into a ConfigMap, which takes tens of thousands. (kubectl apply would not:
// it keeps all it applied in an annotation.)
func giveSeeds(t testing.TB, fleet *harness.Fleet, w web) {
	t.Helper()
	var list strings.Builder
	for host := range w.seeds {
		fmt.Fprintln(&list, address(host, 0))
	}
	raw, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": jobName, "namespace": "default"}, "data": map[string]any{seedsKey: list.String()},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fleet.Kubectl(t.Context(), string(raw), "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

// order is a crawl of the whole web.
func order(s setup, w web) *v1alpha1.CrawlJob {
	job := harness.NewJob(jobName)
	job.Spec.Seeds.ConfigMaps = []v1alpha1.SeedConfigMap{{Name: jobName, Key: seedsKey}}
	job.Spec.Scope = v1alpha1.Scope{Type: v1alpha1.ScopeCustom, Include: []v1alpha1.Pattern{`^http://h\d+\.test/`}}
	job.Spec.Politeness.DelaySeconds = &s.delay
	job.Spec.Capture.Screenshot = v1alpha1.ScreenshotNone
	job.Spec.Limits = v1alpha1.Limits{Pages: int32(10 * w.pages()), Megabytes: 1_000_000}
	job.Spec.Shards = s.shards
	return job
}

// tell logs how far the crawl is.
func tell(ctx context.Context, t testing.TB, s *sampler, r *result) {
	every := time.NewTicker(30 * time.Second)
	defer every.Stop()
	for {
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
		if list := s.list(); len(list) > 0 {
			last := list[len(list)-1]
			t.Logf("after %v: %d of %d pages, %d tabs in use, %d hosts wait for one", time.Since(r.applied).Round(time.Second), last.tabs.Pages, r.pages, last.tabs.Tabs, last.tabs.Waiting)
		}
	}
}

// check compares the archive, the closing statement and the status with a plain walk.
func check(t testing.TB, fleet *harness.Fleet, r *result) {
	t.Helper()
	job := fleet.Job(t, jobName)
	if c := harness.Condition(job, "Succeeded"); c.Status != "True" || c.Reason != "Completed" {
		t.Errorf("the crawl ended with %s: %s", c.Reason, c.Message)
	}
	run := fleet.ReadRun(t, jobName)
	want := r.web.walk()
	if diff := cmp.Diff(want, run.URLs()); diff != "" {
		t.Errorf("pages (-walk +archive):\n%.4000s", diff)
	}
	if err := json.Unmarshal(run.Statement, &r.statement); err != nil {
		t.Fatalf("the closing statement: %v", err)
	}
	st, n := r.statement, int64(len(want))
	if len(st.Problems) > 0 || st.Verdict != "Succeeded" {
		t.Errorf("the statement says %s, and of problems %q", st.Verdict, st.Problems)
	}
	if c := st.Counts; c.Discovered != n || c.Archived != n || c.Incomplete != 0 || len(c.Failed)+len(c.Skipped) != 0 {
		t.Errorf("the statement counts %+v, want %d archived and nothing else", c, n)
	}
	inChunks := 0
	for _, c := range st.Chunks {
		inChunks += c.Pages
	}
	if inChunks != len(want) {
		t.Errorf("the statement's chunks have %d pages, want %d", inChunks, n)
	}
	if c := job.Status.Counters; c == nil || c.Archived == nil || *c.Archived != n {
		t.Errorf("the status counts %+v, want %d archived", c, n)
	}
	if last := r.samples[len(r.samples)-1]; last.tabs.Pages < n {
		t.Errorf("the tabs captured %d pages, want %d", last.tabs.Pages, n)
	}
}

// readHistories counts what is in the histories of the run and its shards.
func (r *result) readHistories(t testing.TB, fleet *harness.Fleet) error {
	s := fleet.State().Temporal
	options := client.Options{HostPort: s.Address, Namespace: s.Namespace}
	keys := payload.File{Path: fleet.PayloadKeys}
	if _, err := keys.Apply(&options, slog.Default()); err != nil {
		return err
	}
	c, err := client.Dial(options)
	if err != nil {
		return err
	}
	defer c.Close()
	h := newHistories(s.Namespace, r.from.at, r.to.at)
	h.converter = options.DataConverter
	uid := string(fleet.Job(t, jobName).UID)
	if err := h.read(t.Context(), c, workflows.WorkflowCrawlRun, workflows.RunWorkflowID(uid)); err != nil {
		return err
	}
	for shard := range r.shards {
		if err := h.read(t.Context(), c, workflows.WorkflowFrontierShard, workflows.ShardWorkflowID(uid, int(shard))); err != nil {
			return err
		}
	}
	r.histories = h
	return nil
}

// TestLoad crawls a small web, so that what make load does is known to work.
func TestLoad(t *testing.T) {
	t.Parallel()
	r := measure(t, setup{
		pages: 300, hosts: 30, foreign: 2, shards: 2, visitors: 1, tabs: 16, planners: 1, fastest: 5 * time.Millisecond, slowest: 50 * time.Millisecond, patience: 5 * time.Minute,
	})
	h := r.histories
	plans, bundles := h.activities[workflows.ActivityPlan], h.activities[workflows.ActivityCrawlBundle]
	if plans == nil || bundles == nil || plans.count < 2 || bundles.count < int64(r.web.hosts) {
		t.Fatalf("the histories tell of plans %+v and bundles %+v", plans, bundles)
	}
	if h.handed < int64(r.pages) || h.handedHosts < bundles.count {
		t.Errorf("%d pages of %d hosts were handed out", h.handed, h.handedHosts)
	}
	if h.runs[workflows.WorkflowCrawlRun] < 1 || h.runs[workflows.WorkflowFrontierShard] < 2 || h.actions() < plans.count+bundles.count {
		t.Errorf("the histories tell of %v and %d actions", h.runs, h.actions())
	}
	last := r.samples[len(r.samples)-1]
	if last.store[kindPlan].puts < plans.count || last.store[kindVisit].puts < 2*int64(len(r.statement.Chunks)) || last.store[kindVisit].chunks < r.statement.Counts.Bytes {
		t.Errorf("the store was asked %+v, for %d plans and %d chunks of %d bytes", last.store, plans.count, len(r.statement.Chunks), r.statement.Counts.Bytes)
	}
	if missing := slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return last.cpu[kind] > 0 && r.peaks[kind] > 0 }); len(missing) > 0 {
		t.Errorf("of %q nothing was measured", missing)
	}
	text, err := r.render(runtime.NumCPU())
	if err != nil || strings.Contains(text, "%!") || strings.Contains(text, "NaN") {
		t.Errorf("%v; what is written of it:\n%s", err, text)
	}
}
