package frontier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/testsuite"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// web is a made-up web: its pages and what they link to. It is the tabs' browser, and
// the independent account of what was loaded.
type web struct {
	links map[string][]string
	// redirects lead elsewhere; robots are the texts of that name, by host.
	redirects, robots map[string]string
	// wanted, when it is set, says whether others wait for a tab.
	wanted func() bool
	// tab, when it is set, is why there is no tab.
	tab error
	// visit, when it is set, is called in the middle of each page load. It may change
	// what comes of it.
	visit func(ctx context.Context, p *browser.Page) error

	mu      sync.Mutex
	loads   map[string]int
	visits  []browser.Visit
	loading map[string]int // by host
	rude    []string       // hosts that had two page loads at once
	ended   map[string]time.Time
	pauses  []time.Duration // from the end of a load to the start of the next, same host
	cleared atomic.Int64    // caches of tabs
	stays   []browser.StayOptions
}

// Tab implements Tabs.
func (w *web) Tab(_ context.Context, o browser.StayOptions) (Tab, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stays = append(w.stays, o)
	if w.tab != nil {
		return nil, w.tab
	}
	return tab{w, o.Recorder, o.Profile}, nil
}

// Wanted implements Tabs.
func (w *web) Wanted() bool { return w.wanted != nil && w.wanted() }

type tab struct {
	web      *web
	recorder browser.Recorder
	profile  *profile.Profile
}

func (t tab) ClearCache(context.Context) error { t.web.cleared.Add(1); return nil }
func (tab) Close() error                       { return nil }

func hostIn(u string) string { return strings.Split(u, "/")[2] }

// Capture implements Tab.
func (t tab) Capture(ctx context.Context, v browser.Visit) (*browser.Page, error) {
	w, host := t.web, hostIn(v.URL)
	w.mu.Lock()
	if w.loads == nil {
		w.loads, w.loading, w.ended = map[string]int{}, map[string]int{}, map[string]time.Time{}
	}
	w.loads[v.URL]++
	w.visits = append(w.visits, v)
	if w.loading[host]++; w.loading[host] > 1 {
		w.rude = append(w.rude, host)
	}
	if at, ok := w.ended[host]; ok {
		w.pauses = append(w.pauses, time.Since(at))
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.loading[host]--
		w.ended[host] = time.Now()
	}()
	p := &browser.Page{ID: v.ID, URL: v.URL, FinalURL: v.URL, Started: time.Now(), Dir: v.Dir, Status: 200, Recorder: t.recorder, RetryOf: v.RetryOf, Outcome: browser.Outcome{State: browser.Archived}}
	v.Track.Enter(browser.PhaseLoading)
	if t.profile != nil {
		p.Profile = &browser.ProfileUse{Name: t.profile.Name, SHA256: t.profile.SHA256, Cookies: len(t.profile.State.Cookies)}
	}
	if to, ok := w.redirects[v.URL]; ok {
		p.FinalURL = to
		if r := v.Admit(ctx, to); r != nil {
			p.Outcome = browser.Outcome{State: browser.Failed, Reason: r.Reason, Detail: r.Detail}
			return p, nil
		}
	}
	for _, l := range w.links[p.FinalURL] {
		p.Links = append(p.Links, browser.Link{URL: l, Kind: browser.LinkAnchor})
	}
	if w.visit != nil {
		if err := w.visit(ctx, p); err != nil {
			return nil, err
		}
	}
	p.Ended = time.Now()
	return p, nil
}

// count is how often a page was loaded, repeated how many loads were not the first of
// their page.
func (w *web) count(u string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.loads[u]
}

func (w *web) repeated() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, loads := range w.loads {
		n += loads - 1
	}
	return n
}

// tree is a web of n pages on each of some hosts, in which each page links to two more
// of its host, and each first page to the first ones of the other hosts.
func tree(n int, hosts ...string) *web {
	w := &web{links: map[string][]string{}}
	for _, h := range hosts {
		page := func(i int) string { return fmt.Sprintf("http://%s/%d", h, i) }
		for i := range n {
			for _, next := range []int{2*i + 1, 2*i + 2} {
				if next < n {
					w.links[page(i)] = append(w.links[page(i)], page(next))
				}
			}
			w.links[page(i)] = append(w.links[page(i)], page(0))
		}
		for _, other := range hosts {
			w.links[page(0)] = append(w.links[page(0)], "http://"+other+"/0")
		}
	}
	return w
}

// RoundTrip answers for robots.txt.
func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	if text, ok := w.robots[r.URL.Host]; ok {
		return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
	}
	return &http.Response{StatusCode: http.StatusNotFound, Status: "404 Not Found", Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// leases plays the server's side of heartbeats: it takes those of the newest attempt.
type leases struct {
	mu     sync.Mutex
	newest map[string]int
	last   map[string]workflows.BundleProgress
	fail   func() error
	beats  int
}

func token(bundle string, attempt int) []byte { return fmt.Appendf(nil, "%s %d", bundle, attempt) }

// RecordActivityHeartbeat implements Heartbeater.
func (l *leases) RecordActivityHeartbeat(_ context.Context, token []byte, details ...any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.beats++
	if l.fail != nil {
		if err := l.fail(); err != nil {
			return err
		}
	}
	var bundle string
	var attempt int
	if _, err := fmt.Sscan(string(token), &bundle, &attempt); err != nil {
		return err
	}
	if attempt != l.newest[bundle] {
		return serviceerror.NewNotFound("made for a test")
	}
	l.last[bundle] = details[0].(workflows.BundleProgress)
	return nil
}

// lease begins an attempt and returns what it is told of the one before.
func (l *leases) lease(bundle string) attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest[bundle]++
	n := l.newest[bundle]
	return attempt{number: n, token: token(bundle, n), before: l.last[bundle], workflow: "w", run: "r"}
}

// rig is a planner and a crawler on a store in memory.
type rig struct {
	t       *testing.T
	store   *blobtest.Server
	web     *web
	leases  *leases
	planner *Planner
	crawler *Crawler
	job     workflows.Job
	archive workflows.Archive
	seq     int64
}

func newRig(t *testing.T, w *web) *rig {
	t.Helper()
	r := &rig{t: t, store: &blobtest.Server{}, web: w, leases: &leases{newest: map[string]int{}, last: map[string]workflows.BundleProgress{}}}
	client, err := blob.NewClient(blob.Config{Endpoint: r.store.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	robots := &RobotsCache{Client: &http.Client{Transport: w}, UserAgent: "test", Token: "test", Now: time.Now}
	r.planner = &Planner{Store: client, ArchiveBucket: "archive", FrontierBucket: "frontier", Robots: robots, Logger: log, Now: time.Now}
	r.crawler = &Crawler{
		Buckets: client, FrontierBucket: "frontier", Tabs: w, Heartbeats: r.leases, Dir: t.TempDir(), Patience: 50 * time.Millisecond, Logger: log, Now: time.Now,
		Robots: robots,
	}
	r.job = workflows.Job{Run: "uid", Namespace: "ns", Name: "name", Spec: workflows.Spec{
		Scope: workflows.Scope{Type: "Host"}, Browser: workflows.Browser{Width: 800, Height: 600, PageTimeout: time.Minute},
		Authorization: workflows.Authorization{Reference: "T-1", NotAfter: time.Now().Add(time.Hour)},
	}}
	return r
}

// activity runs one of the planner's activities.
func activityOf[In, Out any](r *rig, do func(context.Context, In) (Out, error), in In) (Out, error) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(do)
	var out Out
	value, err := env.ExecuteActivity(do, in)
	if err == nil {
		err = value.Get(&out)
	}
	return out, err
}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// seed checks the store and brings the seeds in.
func (r *rig) seed(seeds ...string) {
	r.t.Helper()
	r.seedWith(workflows.SeedInput{Job: r.job, Seeds: workflows.Seeds{URLs: seeds}})
}

func (r *rig) seedWith(in workflows.SeedInput) {
	r.t.Helper()
	place, err := activityOf(r, r.planner.Preflight, workflows.PreflightInput{Job: r.job})
	if err != nil {
		r.t.Fatal(err)
	}
	r.archive = place.Archive
	out, err := activityOf(r, r.planner.Seed, in)
	if err != nil {
		r.t.Fatal(err)
	}
	r.seq = out.Seq
}

// plan takes one step.
func (r *rig) plan(slots int, done ...workflows.BundleDone) workflows.PlanOutput {
	r.t.Helper()
	out, err := activityOf(r, r.planner.Plan, workflows.PlanInput{Job: r.job, Seq: r.seq, Slots: slots, Done: done})
	if err != nil {
		r.t.Fatal(err)
	}
	r.seq = out.Seq
	return out
}

func (r *rig) input(ref workflows.BundleRef) workflows.BundleInput {
	return workflows.BundleInput{Job: r.job, Bundle: ref, Archive: r.archive}
}

// crawl is one attempt at a bundle.
func (r *rig) crawl(ctx context.Context, ref workflows.BundleRef) (workflows.BundleOutput, error) {
	return r.crawler.crawl(ctx, r.leases.lease(ref.ID), r.input(ref))
}

// run plays the workflow until the crawl is done, with at most six attempts at a
// bundle. It returns the last plan.
func (r *rig) run(slots int) workflows.PlanOutput {
	r.t.Helper()
	var done []workflows.BundleDone
	for range 1000 {
		out := r.plan(slots, done...)
		if out.Idle {
			return out
		}
		done = nil
		if len(out.Bundles) == 0 {
			time.Sleep(min(out.DueIn, time.Second))
			continue
		}
		results := make([]workflows.BundleDone, len(out.Bundles))
		var wg sync.WaitGroup
		for i, ref := range out.Bundles {
			wg.Go(func() { results[i] = r.persist(ref) })
		}
		wg.Wait()
		done = results
	}
	r.t.Fatal("the crawl does not end")
	return workflows.PlanOutput{}
}

func (r *rig) persist(ref workflows.BundleRef) workflows.BundleDone {
	for range 6 {
		out, err := r.crawl(r.t.Context(), ref)
		if err == nil {
			return workflows.BundleDone{ID: ref.ID, Results: out.Results}
		}
	}
	return workflows.BundleDone{ID: ref.ID, Lost: true}
}

func (r *rig) seal() workflows.SealOutput {
	r.t.Helper()
	out, err := activityOf(r, r.planner.Seal, workflows.SealInput{Job: r.job, Archive: r.archive, Seqs: []int64{r.seq}, Verdict: workflows.VerdictSucceeded, Reason: workflows.ReasonCompleted})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// reachable is what a plain breadth-first walk finds.
func (w *web) reachable(seeds ...string) []string {
	seen := map[string]bool{}
	for len(seeds) > 0 {
		u := seeds[0]
		seeds = seeds[1:]
		if !seen[u] {
			seen[u] = true
			seeds = append(seeds, w.links[u]...)
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// errKilled stands for the death of a worker: nothing of the attempt is heard again.
var errKilled = errors.New("killed by the test")
