package scaling

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/mesh"
	"crawlfleet.dev/crawlfleet/workflows"
)

const (
	hosts, pages = 8, 5
	// slowPage is a page of the slow hosts that takes slowTime to load: longer than most, and than
	// a worker could be expected to need for what it has begun.
	slowPage  = 1
	slowTime  = 16 * time.Second
	slowHosts = 4
	// grace is what Kubernetes gives a pod, wellBelow what a drain may take of it.
	grace     = 60 * time.Second
	wellBelow = 40 * time.Second
	// crawlTimeout bounds the whole crawl on a busy machine.
	crawlTimeout = 5 * time.Minute
)

// slow holds back the style sheet of some pages, without which they have not loaded.
func slow(next http.Handler) http.Handler {
	page := fmt.Sprintf("/%d", slowPage)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var host int
		if _, err := fmt.Sscanf(r.Host, "h%d.test", &host); err == nil && host < slowHosts &&
			r.URL.Path == "/style.css" && strings.HasSuffix(r.Referer(), page) {
			select {
			case <-time.After(slowTime):
			case <-r.Context().Done():
			}
		}
		// A style sheet that was kept from the page before would not be asked for.
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// A scene is a crawl under way, with the workers that visit its pages.
type scene struct {
	fleet *harness.Fleet
	srv   *sites.Server
	job   *v1alpha1.CrawlJob
	want  []string
}

func open(t *testing.T) *scene {
	t.Helper()
	m := mesh.New(mesh.Options{Hosts: hosts, Pages: pages})
	srv, err := sites.Start(sites.Options{Handler: slow(m)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	o := harness.Options{Workers: -1, Tabs: 2}
	for _, name := range m.Names() {
		o.Resolve = append(o.Resolve, name+":80="+srv.Addr)
	}
	s := &scene{fleet: harness.Start(t, o), srv: srv, want: slices.Sorted(maps.Keys(m.Reachable()))}
	s.fleet.AddWorker(t, "--roles", "run,plan") // it has no browsers, and stays
	for range 3 {
		s.fleet.AddWorker(t, "--roles", "browser")
	}
	s.job = harness.NewJob("drained", mesh.URL(0, 0))
	s.job.Spec.Scope = v1alpha1.Scope{Type: v1alpha1.ScopeCustom, Include: []v1alpha1.Pattern{`^http://h\d+\.test/`}}
	second := int32(1)
	s.job.Spec.Politeness.DelaySeconds = &second
	s.job.Spec.Capture.Screenshot = v1alpha1.ScreenshotNone
	s.fleet.Apply(t, s.job)
	return s
}

// browsers are the workers that visit pages.
func (s *scene) browsers() []*harness.Process { return s.fleet.Workers[1:] }

// loads counts how often each page was asked for.
func (s *scene) loads() map[string]int {
	n := map[string]int{}
	for _, e := range s.srv.Log.Entries(sites.Filter{Navigate: true}) {
		n["http://"+strings.TrimSuffix(e.Host, ":80")+e.Path]++
	}
	return n
}

// await waits until the log of the site has something to show.
func (s *scene) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(crawlTimeout); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v; %d of %d pages were asked for", what, crawlTimeout, len(s.loads()), len(s.want))
		}
	}
}

// slowLoading counts the slow pages that are being loaded.
func (s *scene) slowLoading() int {
	n := 0
	for _, e := range s.srv.Log.Entries(sites.Filter{}) {
		if e.Path == "/style.css" && e.Open() && strings.HasSuffix(e.Referer, fmt.Sprintf("/%d", slowPage)) {
			n++
		}
	}
	return n
}

// drain ends workers as Kubernetes does, and prints how long each took.
func (s *scene) drain(t *testing.T, workers ...*harness.Process) {
	t.Helper()
	var wg sync.WaitGroup
	for _, p := range workers {
		wg.Go(func() {
			began := time.Now()
			if err := p.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
				return
			}
			ctx, cancel := context.WithTimeout(context.Background(), grace)
			defer cancel()
			err := p.Wait(ctx)
			took := time.Since(began)
			t.Logf("%s drained in %.1f s", p.Name, took.Seconds())
			if err != nil || took > wellBelow {
				t.Errorf("%s took %v to drain, want less than %v: %v", p.Name, took, wellBelow, err)
			}
		})
	}
	wg.Wait()
}

// TestNoPageIsLoadedTwice ends two of three workers while they load pages, then the last one, and starts
// one anew when nobody is left.
func TestNoPageIsLoadedTwice(t *testing.T) {
	s := open(t)
	began := time.Now()
	s.await(t, "all slow pages are being loaded", func() bool { return s.slowLoading() >= slowHosts-1 })
	before := len(s.loads())
	s.drain(t, s.browsers()[:2]...)
	t.Logf("after two drains: %d pages asked for before, %d now", before, len(s.loads()))
	before = len(s.loads())
	s.await(t, "the last worker goes on", func() bool { return len(s.loads()) > before })
	s.drain(t, s.browsers()[2])
	rest := len(s.loads())
	if rest == len(s.want) {
		t.Errorf("all %d pages were asked for before the last worker ended: nothing was left to lose", rest)
	}
	t.Logf("nobody is left: %d of %d pages were asked for", rest, len(s.want))
	s.fleet.StartAgain(t, s.browsers()[0])
	s.fleet.WaitFor(t, "crawl/"+s.job.Name, "Finished", crawlTimeout)
	t.Logf("the crawl took %.1f s", time.Since(began).Seconds())
	s.check(t)
}

// check compares the archive and the site's log with a plain walk, and the books with both.
func (s *scene) check(t *testing.T) {
	t.Helper()
	for page, n := range s.loads() {
		if n > 1 {
			t.Errorf("%s was loaded %d times", page, n)
		}
	}
	job := s.fleet.Job(t, s.job.Name)
	if c := harness.Condition(job, "Succeeded"); c.Status != "True" || c.Reason != "Completed" {
		t.Errorf("Succeeded is %s: %s: %s", c.Status, c.Reason, c.Message)
	}
	run := s.fleet.ReadRun(t, s.job.Name)
	if diff := cmp.Diff(s.want, run.URLs()); diff != "" { // each as often as it is archived
		t.Errorf("pages (-walk +archive):\n%s", diff)
	}
	var statement struct {
		Counts   workflows.Counts `json:"counts"`
		Problems []string         `json:"problems"`
	}
	if err := json.Unmarshal(run.Statement, &statement); err != nil {
		t.Fatal(err)
	}
	if c := statement.Counts; c.Archived != int64(len(s.want)) || c.Queued+c.Delayed+c.Leased != 0 || len(statement.Problems) > 0 {
		t.Errorf("the closing statement says %+v %q, want %d archived", c, statement.Problems, len(s.want))
	}
}
