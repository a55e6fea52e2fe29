package upgrade

import (
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/versions"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/mesh"
	"crawlfleet.dev/crawlfleet/workflows"
)

// bed is a fleet whose workflows run on workers of two builds, and a small site.
type bed struct {
	fleet    *harness.Fleet
	client   client.Client
	temporal *versions.Temporal
	workers  map[string]*harness.Process // by build; that without is of no version
	mesh     *mesh.Mesh
	srv      *sites.Server
}

// lay starts it. Pages and plans have no version.
func lay(t *testing.T) *bed {
	t.Helper()
	// Chrome runs as a user of its own, which has to reach its profile: t.TempDir is private.
	dir, err := os.MkdirTemp("", "upgrade-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b := &bed{mesh: mesh.New(mesh.Options{Hosts: 3, Pages: 8}), workers: map[string]*harness.Process{}}
	if b.srv, err = sites.Start(sites.Options{Handler: b.mesh}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.srv.Close(); err != nil {
			t.Error(err)
		}
	})
	o := harness.Options{Dir: dir, Workers: -1, Tabs: 2, Unsigned: true}
	for _, name := range b.mesh.Names() {
		o.Resolve = append(o.Resolve, name+":80="+b.srv.Addr)
	}
	b.fleet = harness.Start(t, o)
	b.fleet.AddWorker(t, "--roles", "plan,browser")
	b.workers[""] = b.fleet.AddWorker(t, "--roles", "run")
	for _, build := range []string{"a", "b"} {
		b.workers[build] = b.fleet.AddWorker(t, "--roles", "run", "--build-id", build)
	}
	b.client = dial(t, b.fleet)
	b.temporal = &versions.Temporal{Client: b.client, Namespace: b.fleet.State().Temporal.Namespace}
	eventually(t, b.temporal, "both builds ask for work", func(s *versions.State) bool {
		return len(s.Versions) == 2 && s.Versions[0].Polled && s.Versions[1].Polled
	})
	return b
}

// TestUpgrade has a build take over from workers of no version in the middle of a crawl, another
// one in the middle of the next, and the former one in the middle of the last. Nothing is lost, and
// nothing is fetched twice.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	b := lay(t)
	b.crawl(t, "first-version", "", "a")
	b.crawl(t, "upgrade", "a", "b")
	b.crawl(t, "roll-back", "b", "a")
}

// crawl has a crawl begin on a build and go over to another one, whose worker alone ends it.
func (b *bed) crawl(t *testing.T, name, from, to string) {
	t.Helper()
	b.srv.Log.Reset()
	job := harness.NewJob(name, mesh.URL(0, 0))
	job.Spec.Scope = v1alpha1.Scope{Type: v1alpha1.ScopeCustom, Include: []v1alpha1.Pattern{`^http://h\d+\.test/`}}
	delay := int32(2)
	job.Spec.Politeness.DelaySeconds = &delay
	job.Spec.Capture.Screenshot = v1alpha1.ScreenshotNone
	job.Spec.Shards = 2
	b.fleet.Apply(t, job)
	pages := slices.Sorted(maps.Keys(b.mesh.Reachable()))
	b.fleet.WaitUntil(t, name, "some pages are archived", 2*time.Minute, func(job *v1alpha1.CrawlJob) bool {
		return job.Status.Counters != nil && job.Status.Counters.Archived != nil && *job.Status.Counters.Archived > 0
	})
	uid := string(b.fleet.Job(t, name).UID)
	of := []string{workflows.RunWorkflowID(uid), workflows.ShardWorkflowID(uid, 0), workflows.ShardWorkflowID(uid, 1)}
	b.runOn(t, from, of)

	began := time.Now()
	b.settle(t, to, "workflows begin on "+to, func(p versions.Plan) bool { return p.Current == to })
	b.runOn(t, to, of)
	t.Logf("%s: the run and its shards went from %q to %q within %.1f s, with %d of %d pages loaded", name, from, to, time.Since(began).Seconds(), b.loads(), len(pages))
	b.settle(t, to, "nothing needs another build", func(p versions.Plan) bool { return len(p.Keep) == 1 })
	if job := b.fleet.Job(t, name); harness.Condition(job, "Finished").Status == "True" {
		t.Fatal("the crawl had ended before: this shows nothing")
	}
	if err := b.workers[from].Stop(); err != nil {
		t.Fatal(err)
	}
	b.whole(t, name, pages)
	if from != "" {
		b.fleet.StartAgain(t, b.workers[from])
	}
}

// settle does what an operator does, until a plan is as it should be. Builds that have workers are
// taken for Deployments. The clock is an hour ahead, so that what is drained may go at once.
func (b *bed) settle(t *testing.T, desired, what string, holds func(versions.Plan) bool) {
	t.Helper()
	s := &versions.Settler{Temporal: b.temporal, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(time.Hour) }}
	var deployed []string
	for build, w := range b.workers {
		if build != "" && w.Running() {
			deployed = append(deployed, build)
		}
	}
	began := time.Now()
	for {
		p, err := s.Settle(t.Context(), desired, deployments(deployed...))
		if err == nil && holds(p) {
			t.Logf("%s after %.1f s", what, time.Since(began).Seconds())
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("not within %v: %s; the plan is %+v, %v", patience, what, p, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// runOn waits until workflows that are under way are pinned to a build.
func (b *bed) runOn(t *testing.T, build string, ids []string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for _, id := range ids {
		for {
			d, err := b.client.DescribeWorkflowExecution(t.Context(), id, "")
			info := d.GetWorkflowExecutionInfo()
			v := info.GetVersioningInfo()
			pinned := v.GetBehavior() == enums.VERSIONING_BEHAVIOR_PINNED
			if err == nil && info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING && pinned == (build != "") && v.GetDeploymentVersion().GetBuildId() == build {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s is not on %s: %v, %+v", id, build, err, info)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// loads counts the pages that the sites were asked for.
func (b *bed) loads() int { return len(b.srv.Log.Entries(sites.Filter{Navigate: true})) }

// whole waits for the end of a crawl, which has every page once, and whose books balance.
func (b *bed) whole(t *testing.T, name string, pages []string) {
	t.Helper()
	b.fleet.WaitFor(t, "crawl/"+name, "Finished", 3*time.Minute)
	if s := harness.Condition(b.fleet.Job(t, name), "Succeeded"); s.Status != "True" || s.Reason != "Completed" {
		t.Errorf("Succeeded is %s: %s: %s", s.Status, s.Reason, s.Message)
	}
	run := b.fleet.ReadRun(t, name)
	if diff := cmp.Diff(pages, run.URLs()); diff != "" {
		t.Errorf("pages (-walk +archive):\n%s", diff)
	}
	var s struct {
		Counts   workflows.Counts `json:"counts"`
		Problems []string         `json:"problems"`
	}
	if err := json.Unmarshal(run.Statement, &s); err != nil {
		t.Fatal(err)
	}
	if n := int64(len(pages)); s.Counts.Archived != n || s.Counts.Discovered != n || len(s.Problems) > 0 {
		t.Errorf("the closing statement has %+v %q, want %d pages", s.Counts, s.Problems, n)
	}
	if again := b.loads() - len(pages); again != 0 {
		t.Errorf("%d pages were loaded more than once", again)
	}
}
