package e2e

import (
	"flag"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/mesh"
)

// meshDelay is the pause that the sites of a mesh are owed.
const meshDelay = time.Second

// startMesh serves many sites, and starts a fleet that finds them.
func startMesh(t *testing.T, m *mesh.Mesh, o harness.Options) (*sites.Server, *harness.Fleet) {
	t.Helper()
	srv := serve(t, m)
	for _, name := range m.Names() {
		o.Resolve = append(o.Resolve, name+":80="+srv.Addr)
	}
	return srv, harness.Start(t, o)
}

// meshJob crawls a mesh, its queue kept in that many shards.
func meshJob(name string, shards int32) *v1alpha1.CrawlJob {
	job := harness.NewJob(name, mesh.URL(0, 0))
	job.Spec.Scope = v1alpha1.Scope{Type: v1alpha1.ScopeCustom, Include: []v1alpha1.Pattern{`^http://h\d+\.test/`}}
	delay := int32(meshDelay / time.Second)
	job.Spec.Politeness.DelaySeconds = &delay
	job.Spec.Capture.Screenshot = v1alpha1.ScreenshotNone
	job.Spec.Shards = shards
	return job
}

// checkMesh compares the archive with a plain walk, and the site's log with what each site is owed: never two pages at
// once, and the delay in between. again is how many pages may have been loaded more than once.
func checkMesh(t *testing.T, fleet *harness.Fleet, srv *sites.Server, m *mesh.Mesh, job *v1alpha1.CrawlJob, again int) {
	t.Helper()
	want := slices.Sorted(maps.Keys(m.Reachable()))
	run := fleet.ReadRun(t, job.Name)
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(run.URLs()))); diff != "" {
		t.Errorf("pages (-walk +archive):\n%s", diff)
	}
	if c := job.Status.Counters; c == nil || c.Archived == nil || *c.Archived != int64(len(want)) {
		t.Errorf("the status counts %+v, want %d archived", c, len(want))
	}
	last := map[string]sites.Entry{}
	loads, tooSoon := 0, 0
	for _, e := range srv.Log.Entries(sites.Filter{Navigate: true}) {
		loads++
		if before, ok := last[e.Host]; ok {
			if pause := e.Start.Sub(before.Start); pause < meshDelay {
				tooSoon++
				t.Errorf("%s%s was asked for %v after %s", e.Host, e.Path, pause, before.Path)
			}
		}
		last[e.Host] = e
	}
	if more := loads - len(want); more > again {
		t.Errorf("%d pages were loaded again, want at most %d", more, again)
	}
	for host, n := range sites.Summarize(srv.Log.Entries(sites.Filter{})).MaxPagesInFlight {
		if n > 1 {
			t.Errorf("%d pages of %s were loaded at once", n, host)
		}
	}
	if statement := run.Statement; statement == nil {
		t.Error("there is no closing statement")
	}
	t.Logf("%d pages of %d sites, %d loads", len(want), len(last), loads)
}

// TestManySitesInShards crawls many sites with two workers and a queue in four shards.
func TestManySitesInShards(t *testing.T) {
	t.Parallel()
	m := mesh.New(mesh.Options{Hosts: 24, Pages: 2})
	srv, fleet := startMesh(t, m, harness.Options{Workers: 2, Tabs: 2})
	fleet.Apply(t, meshJob("mesh", 4))
	job := succeeded(t, fleet, "mesh")
	checkMesh(t, fleet, srv, m, job, 0)
}

// TestShardsShareALimit has as many pages archived as the order allows, though four shards count them.
func TestShardsShareALimit(t *testing.T) {
	t.Parallel()
	m := mesh.New(mesh.Options{Hosts: 30, Pages: 2})
	srv, fleet := startMesh(t, m, harness.Options{Tabs: 2})
	job := meshJob("limited", 4)
	limit := int32(17)
	job.Spec.Limits.Pages = limit
	fleet.Apply(t, job)
	got := succeeded(t, fleet, "limited")
	if c := got.Status.Counters; c == nil || c.Archived == nil || *c.Archived != int64(limit) {
		t.Errorf("the status counts %+v, want %d archived", c, limit)
	}
	if n := len(srv.Log.Entries(sites.Filter{Navigate: true})); n != int(limit) {
		t.Errorf("the sites were asked for %d pages, want %d", n, limit)
	}
	if c := harness.Condition(got, "Succeeded"); c.Reason != "LimitReached" {
		t.Errorf("the crawl ended with %s: %s", c.Reason, c.Message)
	}
}

// uncommitted is how many pages a kill may cost to fetch again: one chunk.
const uncommitted = 20

// again kills a process and starts it a moment later.
func again(t *testing.T, f *harness.Fleet, p *harness.Process) {
	t.Helper()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	f.StartAgain(t, p)
}

// long has the crawls that are disturbed be as large as a night's.
var long = flag.Bool("long", false, "disturb crawls of hundreds of sites, not of dozens")

// TestWorkersKilledAgainAndAgain crawls many sites with four workers, two of which are killed (kill -9) and started again
// until the crawl is done. The archive is that of a plain walk, and no site is asked for a page too soon.
func TestWorkersKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	o, pause := mesh.Options{Hosts: 26, Pages: 2}, 10*time.Second
	if *long {
		o, pause = mesh.Options{Hosts: 250, Pages: 4}, 25*time.Second
	}
	m := mesh.New(o)
	srv, fleet := startMesh(t, m, harness.Options{Workers: 4, Tabs: 1})
	fleet.Apply(t, meshJob("killed", 4))
	kills := 0
	for began := time.Now(); time.Since(began) < crawlTimeout; kills++ {
		time.Sleep(pause)
		if harness.Condition(fleet.Job(t, "killed"), "Finished").Status == "True" {
			break
		}
		again(t, fleet, fleet.Workers[kills%2])
	}
	job := succeeded(t, fleet, "killed")
	if kills < 2 {
		t.Errorf("the crawl was done after %d kills: it has to be longer to show something", kills)
	}
	// Each kill may cost what two bundles had not committed.
	checkMesh(t, fleet, srv, m, job, 2*uncommitted*kills)
	holds(t, fleet, "killed")
	t.Logf("%d kills", kills)
}
