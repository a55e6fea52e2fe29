package scaling

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/mesh"
)

// TestOperatorScalesAPool: the Deployment of a pool asks for no pods, for as many as the reports of a run call for, and
// for none again when it is over. (No pod runs here: there is no node. A worker beside takes their work.)
func TestOperatorScalesAPool(t *testing.T) {
	m := mesh.New(mesh.Options{Hosts: hosts, Pages: 1})
	srv, release := held(t, m)
	o := harness.Options{Workers: -1, Tabs: hosts, Unsigned: true, OperatorFlags: []string{"--worker-image", "crawlfleet.test/worker:1"}}
	for _, name := range m.Names() {
		o.Resolve = append(o.Resolve, name+":80="+srv.Addr)
	}
	fleet := harness.Start(t, o)
	fleet.AddWorker(t, "--roles", "run,plan")
	s := fleet.State()
	fleet.ApplyYAML(t, fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: store, namespace: crawlfleet-system}
stringData: {credentials: "[default]"}
---
apiVersion: crawlfleet.dev/v1alpha1
kind: CrawlFleet
metadata: {name: crawlfleet, namespace: crawlfleet-system}
spec:
  policy: {purposes: [Testing]}
  temporal: {address: %q, namespace: %q}
  store: {endpoint: %q, credentialsSecret: store}
  pools:
  - {name: browsers, tabs: %d, scaling: {min: 0, max: 10, scaleInDelaySeconds: 5}}
`, s.Temporal.Address, s.Temporal.Namespace, s.S3.Endpoint, tabs))
	replicas := func(what string, want int) {
		t.Helper()
		began := time.Now()
		for {
			var d appsv1.Deployment
			n := int32(-1)
			err := fleet.Read(t.Context(), appsv1.SchemeGroupVersion.WithResource("deployments"), "crawlfleet-system", "crawlfleet-browser-browsers", &d)
			if err == nil && d.Spec.Replicas != nil {
				n = *d.Spec.Replicas
			}
			if int(n) == want {
				break
			}
			if time.Since(began) > time.Minute {
				t.Fatalf("%s: the Deployment asks for %d pods, want %d: %v", what, n, want, err)
			}
			time.Sleep(200 * time.Millisecond)
		}
		status, err := fleet.Kubectl(t.Context(), "", "get", "-n", "crawlfleet-system", "crawlfleet/crawlfleet", "-o", "jsonpath={.status.pools[0].message}")
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s, after %.1f s: %d pods; the status says %q", what, time.Since(began).Seconds(), want, status)
	}
	replicas("nothing is to be visited", 0)

	job := harness.NewJob("wanted")
	for i := range hosts {
		job.Spec.Seeds.URLs = append(job.Spec.Seeds.URLs, v1alpha1.SeedURL(mesh.URL(i, 0)))
	}
	job.Spec.Scope = v1alpha1.Scope{Type: v1alpha1.ScopePage}
	fleet.Apply(t, job)
	replicas("a crawl waits", hosts/tabs)
	fleet.AddWorker(t, "--roles", "browser")
	began := time.Now()
	for len(srv.Log.Entries(sites.Filter{Navigate: true})) < hosts && time.Since(began) < time.Minute {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(12 * time.Second) // longer than the delay and a look: no bundle waits any more, but all are out
	replicas("all are being loaded", hosts/tabs)
	close(release)
	fleet.WaitFor(t, "crawl/"+job.Name, "Finished", crawlTimeout)
	replicas("the crawl is over", 0)
}
