package scaling

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/scale"
	"crawlfleet.dev/crawlfleet/internal/payload"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/mesh"
	"crawlfleet.dev/crawlfleet/workflows"
)

// tabs is how many pages a pod of the pool would load at once.
const tabs = 4

// operator is the part of one that knows what there is to do, and decides. What a run would report it asks it for.
type operator struct {
	client client.Client
	run    string
	scaler *scale.Scaler
	source *scale.Temporal
	pool   scale.Pool
}

func newOperator(t *testing.T, fleet *harness.Fleet) *operator {
	t.Helper()
	s := fleet.State().Temporal
	log := slog.New(slog.DiscardHandler)
	options := client.Options{HostPort: s.Address, Namespace: s.Namespace, Logger: telemetry.Temporal(log)}
	keys := payload.File{Path: fleet.PayloadKeys}
	if _, err := keys.Apply(&options, log); err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	o := &operator{client: c, pool: scale.Pool{Name: "pods", Max: 10, Tabs: tabs, Delay: 2 * time.Second}}
	o.source = &scale.Temporal{Client: c, Namespace: s.Namespace, Runs: o}
	o.scaler = &scale.Scaler{Source: o.source, Now: time.Now}
	return o
}

// Demand implements scale.Runs.
func (o *operator) Demand() workflows.Demand {
	var report workflows.Report
	answer, err := o.client.QueryWorkflow(context.Background(), workflows.RunWorkflowID(o.run), "", workflows.QueryProgress)
	if err != nil || answer.Get(&report) != nil {
		return workflows.Demand{} // it has not begun
	}
	return report.Demand
}

// order has a crawl begun.
func (o *operator) order(t *testing.T, fleet *harness.Fleet, name string) {
	t.Helper()
	job := harness.NewJob(name)
	for i := range hosts {
		job.Spec.Seeds.URLs = append(job.Spec.Seeds.URLs, v1alpha1.SeedURL(mesh.URL(i, 0)))
	}
	job.Spec.Scope = v1alpha1.Scope{Type: v1alpha1.ScopePage}
	fleet.Apply(t, job)
	o.run = string(fleet.Job(t, name).UID)
}

// await looks until the demand is as it should be, and tells how many pods there should be for it.
func (o *operator) await(t *testing.T, what string, ok func(scale.Demand) bool, pods int32) {
	t.Helper()
	began := time.Now()
	for {
		d, err := o.source.Demand(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		targets, err := o.scaler.Desired(t.Context(), []scale.Pool{o.pool})
		if err != nil {
			t.Fatal(err)
		}
		target := targets[o.pool.Name]
		o.pool.Replicas, o.pool.Ready = target.Replicas, target.Replicas
		if ok(d) && target.Replicas == pods {
			t.Logf("%s, after %.1f s: %d pods (%s), because %s", what, time.Since(began).Seconds(), target.Replicas, target.Reason, d)
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("%s: not after %v: %d pods, want %d; %+v", what, time.Since(began), target.Replicas, pods, d)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// kedaSees is the backlog as KEDA's scaler for Temporal asks for it, in the older way.
func (o *operator) kedaSees(t *testing.T) (backlog int64) {
	t.Helper()
	d, err := o.client.DescribeTaskQueueEnhanced(t.Context(), client.DescribeTaskQueueEnhancedOptions{
		TaskQueue: workflows.TaskQueueBrowser, TaskQueueTypes: []client.TaskQueueType{client.TaskQueueTypeActivity}, ReportStats: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range d.VersionsInfo { //nolint:staticcheck // it is what KEDA 2.17 reads
		backlog += version.TypesInfo[client.TaskQueueTypeActivity].Stats.ApproximateBacklogCount
	}
	return backlog
}

// held serves a mesh whose first pages take until they are released.
func held(t *testing.T, m *mesh.Mesh) (srv *sites.Server, release chan struct{}) {
	t.Helper()
	release = make(chan struct{})
	srv, err := sites.Start(sites.Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/0" {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
		m.ServeHTTP(w, r)
	})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv, release
}

// TestDemandIsWhatIsThere follows a crawl from before there is a worker for its pages until it is over.
func TestDemandIsWhatIsThere(t *testing.T) {
	m := mesh.New(mesh.Options{Hosts: hosts, Pages: 1})
	srv, release := held(t, m)
	o := harness.Options{Workers: -1, Tabs: hosts, Unsigned: true}
	for _, name := range m.Names() {
		o.Resolve = append(o.Resolve, name+":80="+srv.Addr)
	}
	fleet := harness.Start(t, o)
	fleet.AddWorker(t, "--roles", "run,plan")
	op := newOperator(t, fleet)
	op.await(t, "before there is a crawl", func(d scale.Demand) bool { return d == scale.Demand{} }, 0)

	op.order(t, fleet, "wanted")
	op.await(t, "nobody is there", func(d scale.Demand) bool { return d.Bundles == hosts && d.Hosts == hosts && d.Backlog == hosts }, hosts/tabs)

	if n := op.kedaSees(t); n != hosts {
		t.Errorf("KEDA sees a backlog of %d, want %d", n, hosts)
	}

	pod := fleet.AddWorker(t, "--roles", "browser")
	op.await(t, "all are being loaded", func(d scale.Demand) bool {
		return d.Hosts == hosts && d.Backlog == 0 && len(srv.Log.Entries(sites.Filter{Navigate: true})) == hosts
	}, hosts/tabs)
	if n := op.kedaSees(t); n != 0 {
		t.Errorf("KEDA sees a backlog of %d while all are being loaded, want 0: docs/scaling.md says so", n)
	}
	close(release)
	op.await(t, "all is done", func(d scale.Demand) bool { return d.Tabs() == 0 }, 0)

	if err := pod.Stop(); err != nil {
		t.Fatal(err)
	}
	op.order(t, fleet, "cancelled")
	op.await(t, "another crawl waits", func(d scale.Demand) bool { return d.Bundles == hosts && d.Backlog == hosts }, hosts/tabs)
	fleet.SetState(t, "cancelled", v1alpha1.StateCancelled)
	op.await(t, "it was cancelled, and its tasks are still in the queue", func(d scale.Demand) bool { return d.Bundles == 0 && d.Backlog > 0 }, hosts/tabs)
	fleet.StartAgain(t, pod)
	op.await(t, "a worker has found that out", func(d scale.Demand) bool { return d.Backlog == 0 }, 0)
}
