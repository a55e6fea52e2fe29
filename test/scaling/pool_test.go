package scaling

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/scale"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/mesh"
)

// pods are worker processes in the place of a pool's pods.
type pods struct {
	scene *scene
	// running are those that are wanted, ending those that drain.
	running []*harness.Process
	ending  sync.WaitGroup

	mu    sync.Mutex
	ended []*harness.Process
}

// scale starts and ends pods until there are n.
func (p *pods) scale(t *testing.T, n int) {
	t.Helper()
	for len(p.running) < n {
		p.running = append(p.running, p.begin(t))
	}
	for len(p.running) > n {
		last := p.running[len(p.running)-1]
		p.running = p.running[:len(p.running)-1]
		p.ending.Go(func() {
			p.scene.drain(t, last)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.ended = append(p.ended, last)
		})
	}
}

// begin starts one more pod.
func (p *pods) begin(t *testing.T) *harness.Process {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ended) == 0 {
		return p.scene.fleet.AddWorker(t, "--roles", "browser")
	}
	again := p.ended[0]
	p.ended = p.ended[1:]
	p.scene.fleet.StartAgain(t, again)
	return again
}

// gateTime is less than a page may take to load.
const gateTime = 25 * time.Second

// A gate holds back the style sheets of all but the first pages of the sites until it opens, so that how many hosts
// are busy at once does not depend on how quick the machine is.
type gate struct {
	open func()
	done <-chan struct{}
}

func newGate() gate {
	done := make(chan struct{})
	return gate{open: sync.OnceFunc(func() { close(done) }), done: done}
}

// before holds a handler's answers back. A gate that nobody opens is no reason to fail to load.
func (g gate) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/style.css" && !strings.HasSuffix(r.Referer(), "/0") {
			select {
			case <-g.done:
			case <-time.After(gateTime):
			case <-r.Context().Done():
			}
		}
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// follow does what the scaler says until the crawl is over and no pod is left; the gate opens when there are as many
// as there may be. It returns how many there were, from one change to the next.
func (p *pods) follow(t *testing.T, op *operator, g gate) (counts []int) {
	t.Helper()
	began := time.Now()
	for deadline := began.Add(crawlTimeout); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		op.pool.Replicas, op.pool.Ready = int32(len(p.running)), int32(len(p.running))
		targets, err := op.scaler.Desired(t.Context(), []scale.Pool{op.pool})
		if err != nil {
			t.Fatal(err)
		}
		target := targets[op.pool.Name]
		if n := int(target.Replicas); n != len(p.running) {
			t.Logf("%.1f s: from %d to %d pods (%s): %s", time.Since(began).Seconds(), len(p.running), n, target.Reason, target.Message)
			counts = append(counts, n)
			p.scale(t, n)
			if n == int(op.pool.Max) {
				g.open()
			}
			continue
		}
		job, err := p.scene.fleet.ReadJob(t.Context(), p.scene.job.Name)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.running) == 0 && harness.Condition(job, "Finished").Status == "True" {
			p.ending.Wait()
			return counts
		}
	}
	t.Fatalf("after %v there are %d pods", crawlTimeout, len(p.running))
	return nil
}

// TestPoolFollowsACrawl: a pool grows from nothing with a crawl of many sites, shrinks while the last site is crawled to
// its end, is gone with it, and comes back for the next crawl. No page is loaded twice meanwhile.
func TestPoolFollowsACrawl(t *testing.T) {
	const longSite = 14 // pages, of the first site
	m := mesh.New(mesh.Options{Hosts: hosts, Pages: longSite})
	inScope := `^http://(h0\.test/\d+|h\d+\.test/[01])$`
	g := newGate()
	srv, err := sites.Start(sites.Options{Handler: g.before(m)})
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
	s := &scene{fleet: harness.Start(t, o), srv: srv}
	for _, page := range slices.Sorted(maps.Keys(m.Reachable())) {
		if regexp.MustCompile(inScope).MatchString(page) {
			s.want = append(s.want, page)
		}
	}
	s.fleet.AddWorker(t, "--roles", "run,plan")
	op := newOperator(t, s.fleet)
	op.pool = scale.Pool{Name: "pods", Max: 3, Tabs: 2, Delay: 8 * time.Second}
	p := &pods{scene: s}

	second := int32(1)
	s.job = harness.NewJob("followed", mesh.URL(0, 0))
	s.job.Spec.Scope = v1alpha1.Scope{Type: v1alpha1.ScopeCustom, Include: []v1alpha1.Pattern{v1alpha1.Pattern(inScope)}}
	s.job.Spec.Politeness.DelaySeconds = &second
	s.job.Spec.Capture.Screenshot = v1alpha1.ScreenshotNone
	s.fleet.Apply(t, s.job)
	op.run = string(s.fleet.Job(t, s.job.Name).UID)
	counts := p.follow(t, op, g)
	if most := slices.Max(counts); most != 3 || counts[0] == 0 {
		t.Errorf("the pool had %v pods, want up to 3", counts)
	}
	if end := counts[max(0, slices.Index(counts, 3)):]; len(end) < 3 || !slices.IsSortedFunc(end, func(a, b int) int { return b - a }) {
		t.Errorf("the pool had %v pods in the end, want it to become smaller, and then none", end)
	}
	s.check(t)

	s.srv.Log.Reset()
	s.want = []string{mesh.URL(1, 0)}
	s.job = harness.NewJob("next", s.want...)
	s.job.Spec.Scope = v1alpha1.Scope{Type: v1alpha1.ScopePage}
	s.fleet.Apply(t, s.job)
	op.run = string(s.fleet.Job(t, s.job.Name).UID)
	if counts := p.follow(t, op, g); !cmp.Equal(counts, []int{1, 0}) {
		t.Errorf("for one page more the pool had %v pods, want 1, and then none", counts)
	}
	s.check(t)
}
