package chaos

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/mesh"
)

const (
	// crawlTimeout bounds one crawl with what disturbs it, on a busy machine.
	crawlTimeout = 8 * time.Minute
	// delay is the pause that the sites are owed.
	delay = time.Second
	// diskSize is the size of the workers' disk: more than the 256 MiB that they want free.
	diskSize = "700m"
)

// A lane is a fleet with all that may be disturbed: two operators that compete for the lease,
// and two workers, each with a gateway before the store and a relay to Temporal, and a small disk.
type lane struct {
	fleet     *harness.Fleet
	operators []*harness.Process
	stores    []*harness.Gateway // of the workers
	relays    []*harness.Relay   // of the workers, and of the operators
	temporal  client.Client
	mesh      *mesh.Mesh
	srv       *sites.Server
	disk      string // holds the workers' folders
}

// pages is the set that a plain walk finds.
func (l *lane) pages() map[string]bool { return l.mesh.Reachable() }

// openLane starts a fleet, which ends with the test.
func openLane(t *testing.T, number int) *lane {
	t.Helper()
	// Chrome runs as a user of its own, which has to reach its profile: t.TempDir is private.
	dir, err := os.MkdirTemp("", fmt.Sprintf("chaos-%d-", number))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { noError(t, os.RemoveAll(dir)) })
	noError(t, os.Chmod(dir, 0o755))
	l := &lane{mesh: mesh.New(mesh.Options{Hosts: 4, Pages: 4}), disk: filepath.Join(dir, "disk")}
	noError(t, os.Mkdir(l.disk, 0o755))
	if err := syscall.Mount("tmpfs", l.disk, "tmpfs", 0, "mode=755,size="+diskSize); err != nil {
		t.Fatalf("this test mounts a small file system: run it as root, or in a name space of its own (unshare -Urm): %v", err)
	}
	t.Cleanup(func() { noError(t, syscall.Unmount(l.disk, syscall.MNT_DETACH)) })
	if l.srv, err = sites.Start(sites.Options{Handler: l.mesh}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { noError(t, l.srv.Close()) })
	l.network(t)

	o := harness.Options{Dir: dir, Workers: -1, NoOperator: true, Tabs: 2}
	for _, name := range l.mesh.Names() {
		o.Resolve = append(o.Resolve, name+":80="+l.srv.Addr)
	}
	l.fleet = harness.Start(t, o)
	l.connect(t)
	for range 2 {
		l.operators = append(l.operators, l.fleet.AddOperator(t, "--leader-elect", "--leader-election-namespace", "default",
			"--temporal-address", l.relays[2].Address()))
	}
	for i := range 2 {
		l.fleet.AddWorker(t, "--temporal-address", l.relays[i].Address(), "--s3-endpoint", l.stores[i].Endpoint(), "--dir", l.folder(i))
	}
	return l
}

// folder is the scratch folder of a worker.
func (l *lane) folder(worker int) string { return filepath.Join(l.disk, fmt.Sprint(worker)) }

// network makes what stands between the parts.
func (l *lane) network(t *testing.T) {
	t.Helper()
	for range 2 {
		g, err := harness.NewGateway()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { noError(t, g.Close()) })
		l.stores = append(l.stores, g)
	}
	for range 3 {
		r, err := harness.NewRelay()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { noError(t, r.Close()) })
		l.relays = append(l.relays, r)
	}
}

// connect tells the network where the stack is.
func (l *lane) connect(t *testing.T) {
	t.Helper()
	s := l.fleet.State()
	endpoint, err := url.Parse(s.S3.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range l.stores {
		g.To(endpoint.Host)
	}
	for _, r := range l.relays {
		r.To(s.Temporal.Address)
	}
	l.temporal, err = client.NewLazyClient(client.Options{HostPort: s.Temporal.Address, Namespace: s.Temporal.Namespace, Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.temporal.Close)
}

// silent drops what the client of a server says that is killed on purpose.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// revive starts operators and workers that have ended, as a cluster does.
func (l *lane) revive(t *testing.T) {
	t.Helper()
	for _, p := range append(append([]*harness.Process{}, l.operators...), l.fleet.Workers...) {
		if !p.Running() {
			l.fleet.StartAgain(t, p)
		}
	}
}

// A crawl is one that a fault strikes.
type crawl struct {
	*lane
	strike
	job *v1alpha1.CrawlJob
	// victim is the worker whose request was the moment, -1 where that was no request.
	victim int
	// mend is done when the crawl has ended.
	mend []func() error
}

// disturb has a fault strike a crawl, and judges what comes of it.
func (l *lane) disturb(t *testing.T, s strike) {
	l.revive(t)
	l.srv.Log.Reset()
	c := &crawl{lane: l, strike: s, job: l.newJob(s), victim: -1}
	defer c.abandon(t)
	began := time.Now()
	l.fleet.Apply(t, c.job)
	c.await(t)
	struck := time.Now()
	s.strike(t, c)
	over := time.Now()
	l.revive(t)
	end := whole
	if s.end != nil {
		end = s.end
	}
	end(t, c)
	ended := time.Now()
	for _, mend := range c.mend {
		noError(t, mend())
	}
	c.mend = nil
	c.checkLeftovers(t)
	c.checkVisits(t, ended)
	t.Logf("struck after %.1f s, for %.1f s; the crawl ended after %.1f s", struck.Sub(began).Seconds(), over.Sub(struck).Seconds(), ended.Sub(began).Seconds())
}

// newJob is the order: the queue is kept in two shards where the fault strikes in the middle.
func (l *lane) newJob(s strike) *v1alpha1.CrawlJob {
	job := harness.NewJob(strings.ToLower(s.kind+"-"+string(s.at)), mesh.URL(0, 0))
	job.Spec.Scope = v1alpha1.Scope{Type: v1alpha1.ScopeCustom, Include: []v1alpha1.Pattern{`^http://h\d+\.test/`}}
	seconds := int32(delay / time.Second)
	job.Spec.Politeness.DelaySeconds = &seconds
	job.Spec.Capture.Screenshot = v1alpha1.ScreenshotNone
	job.Spec.Shards = 1
	if s.at == inMiddle {
		job.Spec.Shards = 2
	}
	return job
}

// abandon cancels the crawl of a test that failed: the next one is to find the fleet at rest.
func (c *crawl) abandon(t *testing.T) {
	for _, mend := range c.mend {
		noError(t, mend())
	}
	if !t.Failed() {
		return
	}
	for _, g := range c.stores {
		g.Fail(nil)
	}
	for _, r := range c.relays {
		r.Disturb(harness.Disturbance{})
	}
	if _, err := c.fleet.Kubectl(t.Context(), "", "delete", "crawl/"+c.job.Name, "--ignore-not-found", "--timeout=110s"); err != nil {
		t.Log(err)
	}
}

// asked counts the pages that the sites were asked for, each once.
func (l *lane) asked() int {
	return len(sites.Summarize(l.srv.Log.Entries(sites.Filter{Navigate: true})).Navigations)
}

// await waits for the moment.
func (c *crawl) await(t *testing.T) {
	t.Helper()
	switch all := len(c.pages()); c.at {
	case atStart:
		c.awaitPages(t, 1)
	case inMiddle:
		c.awaitPages(t, all/2)
	case atCommit:
		c.awaitPages(t, all/2)
		c.awaitUpload(t, ".wacz")
	case atSeal:
		c.awaitPages(t, all)
		c.awaitUpload(t, "/run.json")
	}
	time.Sleep(c.after)
}

func (c *crawl) awaitPages(t *testing.T, want int) {
	t.Helper()
	deadline := time.Now().Add(crawlTimeout)
	for c.asked() < want {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d pages were asked for after %v", c.asked(), want, crawlTimeout)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// awaitUpload waits until a worker stores an object of this name, and holds it back for long
// enough to be struck meanwhile.
func (c *crawl) awaitUpload(t *testing.T, suffix string) {
	t.Helper()
	victims := make(chan int, 1)
	for i, g := range c.stores {
		g.Fail(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, suffix) {
				select {
				case victims <- i:
					time.Sleep(maxAfter + 200*time.Millisecond)
				default: // there is one
				}
			}
			pass.ServeHTTP(w, r)
		})
		defer g.Fail(nil)
	}
	select {
	case c.victim = <-victims:
	case <-time.After(crawlTimeout):
		t.Fatalf("no worker stores a *%s within %v", suffix, crawlTimeout)
	}
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
