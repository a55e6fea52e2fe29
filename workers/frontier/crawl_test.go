package frontier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// visitedExactly compares the loads with a plain walk.
func visitedExactly(t *testing.T, w *web, seeds ...string) {
	t.Helper()
	if diff := cmp.Diff(w.reachable(seeds...), slices.Sorted(maps.Keys(w.loads))); diff != "" {
		t.Errorf("pages (-walk +loaded):\n%s", diff)
	}
	if len(w.rude) > 0 {
		t.Errorf("two pages at once on %v", w.rude)
	}
}

func TestCrawlsAllAndOnce(t *testing.T) {
	t.Parallel()
	w := tree(60, "a.test", "b.test", "c.test")
	r := newRig(t, w)
	r.seed("http://a.test/0", "http://b.test/0", "http://c.test/0")
	out := r.run(4)
	visitedExactly(t, w, "http://a.test/0")
	if n := w.repeated(); n != 0 {
		t.Errorf("%d pages were loaded again", n)
	}
	if out.Counts.Archived != 180 || out.Counts.Discovered != 180 {
		t.Errorf("counts %+v, want 180 archived", out.Counts)
	}
	sealed := r.seal()
	if !sealed.Balanced || sealed.Counts.Archived != 180 {
		t.Errorf("sealed %+v", sealed)
	}
	if again := r.seal(); !cmp.Equal(again, sealed) {
		t.Errorf("sealed again: %+v, want %+v", again, sealed)
	}
	var s Statement
	if err := json.Unmarshal(r.store.Object("/archive/"+sealed.Statement), &s); err != nil {
		t.Fatal(err)
	}
	stored := r.store.Keys("/archive/ns/name/uid/chunks/")
	if len(s.Chunks) != len(stored) || len(stored) == 0 {
		t.Errorf("the statement names %d chunks, %d are stored", len(s.Chunks), len(stored))
	}
}

func TestKilledAttemptsLoseOnlyWhatWasNotCommitted(t *testing.T) {
	t.Parallel()
	w := tree(200, "a.test", "b.test")
	r := newRig(t, w)
	r.seed("http://a.test/0", "http://b.test/0")
	var loads atomic.Int64
	w.visit = func(context.Context, *browser.Page) error {
		if loads.Add(1)%37 == 0 {
			return errKilled
		}
		return nil
	}
	kills := 0
	r.runKilled(func(err error) bool {
		if errors.Is(err, errKilled) {
			kills++
		}
		return errors.Is(err, errKilled)
	})
	visitedExactly(t, w, "http://a.test/0")
	sealed := r.seal()
	if !sealed.Balanced || sealed.Counts.Archived != 400 {
		t.Errorf("sealed %+v, want 400 archived", sealed)
	}
	if n := w.repeated(); kills == 0 || n > kills*commitPages {
		t.Errorf("%d pages were loaded again after %d deaths", n, kills)
	}
}

func TestPoisonCostsItsPageAlone(t *testing.T) {
	t.Parallel()
	w := tree(8, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	w.visit = func(_ context.Context, p *browser.Page) error {
		if p.URL == "http://a.test/5" {
			return errKilled
		}
		return nil
	}
	// An attempt that is killed sends no further heartbeat.
	out := r.runKilled(isKilled)
	if out.Counts.Archived != 7 || out.Counts.Failed[workflows.ReasonPoison] != 1 {
		t.Errorf("counts %+v, want 7 archived and one Poison", out.Counts)
	}
	if n := w.count("http://a.test/5"); n > 3 {
		t.Errorf("the poison page was loaded %d times", n)
	}
}

// TestPoisonCostsNoNeighbour: what was being loaded beside a page that kills its worker is not
// taken for deadly too.
func TestPoisonCostsNoNeighbour(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.test", "b.test", "c.test")
	r := newRig(t, w)
	r.seed("http://a.test/0", "http://b.test/0", "http://c.test/0")
	var loading atomic.Int32
	w.visit = func(ctx context.Context, p *browser.Page) error {
		loading.Add(1)
		defer loading.Add(-1)
		deadline := time.After(200 * time.Millisecond)
		if p.URL != "http://a.test/0" {
			select {
			case <-ctx.Done():
			case <-deadline:
			}
			return ctx.Err()
		}
		for loading.Load() < 3 { // the others are being loaded too, unless it is alone
			select {
			case <-deadline:
				return errKilled
			case <-time.After(time.Millisecond):
			}
		}
		return errKilled
	}
	out := r.plan(1)
	if len(out.Bundles) != 1 {
		t.Fatalf("%d bundles", len(out.Bundles))
	}
	done, err := r.untilKilled(out.Bundles[0], isKilled)
	for tries := 1; err != nil; tries++ {
		if tries == 8 {
			t.Fatal("it is loaded again and again")
		}
		done, err = r.untilKilled(out.Bundles[0], isKilled)
	}
	out = r.plan(1, workflows.BundleDone{ID: out.Bundles[0].ID, Results: done.Results})
	if out.Counts.Archived != 2 || out.Counts.Failed[workflows.ReasonPoison] != 1 {
		t.Errorf("counts %+v, want 2 archived and one Poison", out.Counts)
	}
}

// TestPoisonIsBookedAtOnce: a bundle with more deadly pages than it has attempts comes to an end,
// because what one of them found out is not lost with the next one.
func TestPoisonIsBookedAtOnce(t *testing.T) {
	t.Parallel()
	const (
		pages    = 12
		attempts = 6 // of a bundle, as in workflows/options.go
	)
	w := tree(1, "a.test")
	for i := range pages {
		w.links["http://a.test/0"] = append(w.links["http://a.test/0"], fmt.Sprintf("http://a.test/deadly/%d", i))
	}
	r := newRig(t, w)
	r.seed("http://a.test/0")
	w.visit = func(_ context.Context, p *browser.Page) error {
		if strings.Contains(p.URL, "deadly") {
			return errKilled
		}
		return nil
	}
	var done []workflows.BundleDone
	for range 2 * pages {
		out := r.plan(1, done...)
		if out.Idle {
			if out.Counts.Archived != 1 || out.Counts.Failed[workflows.ReasonPoison] != pages {
				t.Errorf("counts %+v, want one archived and %d Poison", out.Counts, pages)
			}
			return
		}
		done = nil
		for _, ref := range out.Bundles {
			got, err := r.untilKilled(ref, isKilled)
			for tries := 1; err != nil && tries < attempts; tries++ {
				got, err = r.untilKilled(ref, isKilled)
			}
			if err != nil { // there is no further attempt: what was committed is what there is
				got.Results = r.leases.last[ref.ID].Results
			}
			done = append(done, workflows.BundleDone{ID: ref.ID, Results: got.Results})
		}
	}
	t.Error("the same pages are loaded again and again")
}

// TestSuspectIsAloneInItsBundle: what nobody suspects is not loaded beside it either.
func TestSuspectIsAloneInItsBundle(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.test", "b.test", "c.test")
	var loading, suspect atomic.Int32
	w.visit = func(_ context.Context, p *browser.Page) error {
		defer loading.Add(-1)
		n := loading.Add(1)
		if p.URL == "http://a.test/0" {
			suspect.Store(1)
			defer suspect.Store(0)
		}
		time.Sleep(50 * time.Millisecond)
		if suspect.Load() == 1 && (n > 1 || loading.Load() > 1) {
			t.Errorf("%s is loaded beside another page", p.URL)
		}
		return nil
	}
	r := newRig(t, w)
	r.seed("http://a.test/0", "http://b.test/0", "http://c.test/0")
	ref := r.plan(1).Bundles[0]
	r.leases.lease(ref.ID)
	r.leases.last[ref.ID] = workflows.BundleProgress{InProgress: []int{r.indexOf(ref, "http://a.test/0")}}
	if out, err := r.crawl(t.Context(), ref); err != nil || len(out.Results) != 1 || len(w.loads) != 3 {
		t.Errorf("%+v, %v, loads %v", out, err, w.loads)
	}
}

// indexOf is the place of a page in a bundle.
func (r *rig) indexOf(ref workflows.BundleRef, address string) int {
	r.t.Helper()
	var b frontier.Bundle
	if err := getPacked(r.t.Context(), r.planner.Store.Bucket("frontier"), ref.Key, 1<<20, &b); err != nil {
		r.t.Fatal(err)
	}
	index := 0
	for _, h := range b.Hosts {
		for _, p := range h.Pages {
			if p.URL == address {
				return index
			}
			index++
		}
	}
	r.t.Fatalf("%s is not in the bundle", address)
	return 0
}

// TestSuspectsAreVisitedOneAtATime: of two bundles, too, for a worker that dies takes both along.
func TestSuspectsAreVisitedOneAtATime(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.test", "b.test")
	var loading atomic.Int32
	w.visit = func(context.Context, *browser.Page) error {
		defer loading.Add(-1)
		if n := loading.Add(1); n != 1 {
			t.Errorf("%d suspects are being loaded", n)
		}
		time.Sleep(100 * time.Millisecond)
		return nil
	}
	r := newRig(t, w)
	r.seed("http://a.test/0", "http://b.test/0")
	var wg sync.WaitGroup
	for _, ref := range r.plan(2).Bundles {
		r.leases.lease(ref.ID)
		r.leases.last[ref.ID] = workflows.BundleProgress{InProgress: []int{0}}
		wg.Go(func() {
			if out, err := r.crawl(t.Context(), ref); err != nil || len(out.Results) != 1 {
				t.Errorf("%+v, %v", out, err)
			}
		})
	}
	wg.Wait()
	if len(w.loads) != 2 {
		t.Errorf("loads %v", w.loads)
	}
}

func isKilled(err error) bool { return errors.Is(err, errKilled) }

// runKilled is run, in which a worker that dies takes its last words along.
func (r *rig) runKilled(deadly func(error) bool) workflows.PlanOutput {
	r.t.Helper()
	var done []workflows.BundleDone
	for range 1000 {
		out := r.plan(4, done...)
		if out.Idle {
			return out
		}
		done = nil
		for _, ref := range out.Bundles {
			out, err := r.untilKilled(ref, deadly)
			for err != nil {
				out, err = r.untilKilled(ref, deadly)
			}
			done = append(done, workflows.BundleDone{ID: ref.ID, Results: out.Results})
		}
	}
	r.t.Fatal("the crawl does not end")
	return workflows.PlanOutput{}
}

// untilKilled is an attempt that ends at once, and unheard, with a deadly visit.
func (r *rig) untilKilled(ref workflows.BundleRef, deadly func(error) bool) (workflows.BundleOutput, error) {
	ctx, kill := context.WithCancelCause(r.t.Context())
	defer kill(nil)
	visit := r.web.visit
	defer func() { r.web.visit = visit }()
	r.web.visit = func(c context.Context, p *browser.Page) error {
		err := visit(c, p)
		if deadly(err) {
			kill(errKilled)
			r.leases.lose(ref.ID)
		}
		return err
	}
	return r.crawl(ctx, ref)
}

// lose makes the server deaf to the present attempt.
func (l *leases) lose(bundle string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest[bundle]++
}

func TestOldAttemptIsNotHeard(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	entered, leave := make(chan struct{}), make(chan struct{})
	var visits atomic.Int64
	w.visit = func(context.Context, *browser.Page) error {
		if visits.Add(1) == 1 {
			close(entered)
			<-leave
		}
		return nil
	}
	old := make(chan error)
	go func() {
		out, err := r.crawl(t.Context(), ref)
		if len(out.Results) > 0 {
			t.Errorf("the first attempt claims to have committed %v", out.Results)
		}
		old <- err
	}()
	<-entered
	r.web.loading["a.test"] = 0 // it is the old attempt's fault that there are two
	out, err := r.crawl(t.Context(), ref)
	if err != nil || len(out.Results) != 1 {
		t.Fatalf("the second attempt: %+v, %v", out, err)
	}
	close(leave)
	if err := <-old; !errors.Is(err, errLeaseLost) {
		t.Errorf("the first attempt ended with %v, want a lost lease", err)
	}
	r.plan(0, workflows.BundleDone{ID: ref.ID, Results: out.Results})
	if sealed := r.seal(); !sealed.Balanced || sealed.Counts.Archived != 1 || sealed.Counts.Chunks != 1 {
		t.Errorf("sealed %+v, want one page in one chunk", sealed)
	}
}

func TestStoreGoesDown(t *testing.T) {
	t.Parallel()
	w := tree(3, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	var down atomic.Bool
	r.store.Answer = func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
		if down.Load() {
			blobtest.Fail(w, http.StatusServiceUnavailable, "SlowDown")
		}
		return down.Load()
	}
	w.visit = func(context.Context, *browser.Page) error { down.Store(true); return nil }
	out, err := r.crawl(t.Context(), ref)
	if err != nil || out.Trouble == nil || out.Trouble.Reason != workflows.ReasonStoreUnreachable || len(out.Results) != 0 {
		t.Fatalf("%+v, %v: want the trouble told, and nothing committed", out, err)
	}
	if out, err = r.crawl(t.Context(), ref); err != nil || out.Trouble == nil {
		t.Errorf("%+v, %v: want the trouble told also when a bundle begins", out, err)
	}
	down.Store(false)
	w.visit = nil
	if got := r.runFrom(workflows.BundleDone{ID: ref.ID}); got.Counts.Archived != 3 {
		t.Errorf("counts %+v, want all archived when the store is back", got.Counts)
	}
}

// runFrom goes on with what bundles brought.
func (r *rig) runFrom(done ...workflows.BundleDone) workflows.PlanOutput {
	r.t.Helper()
	r.plan(0, done...)
	return r.run(4)
}

func TestAnswerOfThePutIsLost(t *testing.T) {
	t.Parallel()
	w := tree(30, "a.test")
	r := newRig(t, w)
	var n atomic.Int64
	r.store.Answer = func(w http.ResponseWriter, req *http.Request, stored func()) bool {
		lost := req.Method == http.MethodPut && n.Add(1)%3 == 0
		if lost {
			stored()
			blobtest.Fail(w, http.StatusInternalServerError, "InternalError")
		}
		return lost
	}
	r.seed("http://a.test/0")
	r.run(4)
	visitedExactly(t, w, "http://a.test/0")
	if sealed := r.seal(); !sealed.Balanced || sealed.Counts.Archived != 30 {
		t.Errorf("sealed %+v, want 30 archived", sealed)
	}
}

func TestNoPageWithoutAuthorization(t *testing.T) {
	t.Parallel()
	w := tree(5, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	r.job.Spec.Authorization.NotAfter = time.Now().Add(-time.Second)
	out, err := r.crawl(t.Context(), ref)
	if err != nil || out.Yielded == "" || len(w.loads) != 0 {
		t.Errorf("%+v, %v after %d loads: want none", out, err, len(w.loads))
	}
}

// TestReasonsToStop: whatever has to end a bundle keeps its next page from being begun.
func TestReasonsToStop(t *testing.T) {
	t.Parallel()
	now := time.Now()
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errLeaseLost)
	for name, tc := range map[string]struct {
		ctx  context.Context
		set  func(*bundleRun)
		want string
	}{
		"None":    {set: func(*bundleRun) {}},
		"Over":    {ctx: over, set: func(*bundleRun) {}, want: "lease"},
		"Asked":   {set: func(b *bundleRun) { b.lease.ask("made for a test") }, want: "made for a test"},
		"Trouble": {set: func(b *bundleRun) { b.setTrouble(&workflows.Waiting{Message: "a test's trouble"}) }, want: "a test's trouble"},
		"CutOff": {
			set:  func(b *bundleRun) { b.Egress = func(context.Context) error { return errDown } },
			want: errDown.Error(),
		},
		"NotYet":        {set: func(b *bundleRun) { b.in.Job.Spec.Authorization.NotBefore = now.Add(time.Nanosecond) }, want: "authorisation"},
		"Begins":        {set: func(b *bundleRun) { b.in.Job.Spec.Authorization.NotBefore = now }},
		"NotAnyMore":    {set: func(b *bundleRun) { b.in.Job.Spec.Authorization.NotAfter = now }, want: "authorisation"},
		"Deadline":      {set: func(b *bundleRun) { b.in.Deadline = now }, want: "duration"},
		"DeadlineAhead": {set: func(b *bundleRun) { b.in.Deadline = now.Add(time.Nanosecond) }},
		"TimeBox":       {set: func(b *bundleRun) { b.started = now.Add(-timeBox) }, want: "time is over"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, &web{})
			r.crawler.Now = func() time.Time { return now }
			b := &bundleRun{Crawler: r.crawler, in: r.input(workflows.BundleRef{}), started: now, dir: t.TempDir()}
			b.lease = newLease(r.leases, nil, workflows.BundleProgress{}, r.crawler.Logger, func(error) {})
			tc.set(b)
			ctx := tc.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			if got := b.stopReason(ctx); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestYieldsWhenTheWorkerStops(t *testing.T) {
	t.Parallel()
	w := tree(40, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	stop := make(chan struct{})
	ref := r.large(5)
	var loads atomic.Int64
	w.visit = func(context.Context, *browser.Page) error {
		if loads.Add(1) == 3 {
			close(stop)
			time.Sleep(50 * time.Millisecond) // until it is noticed
		}
		return nil
	}
	a := r.leases.lease(ref.ID)
	a.stopping = stop
	out, err := r.crawler.crawl(t.Context(), a, r.input(ref))
	if err != nil || out.Yielded == "" || len(out.Results) != 1 || loads.Load() != 3 {
		t.Fatalf("%+v, %v after %d loads: want three pages committed and the rest given back", out, err, loads.Load())
	}
	w.visit = nil
	if got := r.runFrom(workflows.BundleDone{ID: ref.ID, Results: out.Results}); got.Counts.Archived != 40 || w.repeated() != 0 {
		t.Errorf("counts %+v, %d loads repeated", got.Counts, w.repeated())
	}
}

// TestPagesMayEndWhenTheWorkerStops: what was begun is loaded to its end, as long as there is time to store
// it then. What is cut off is nobody's, and loaded again.
func TestPagesMayEndWhenTheWorkerStops(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason  string
		time    time.Duration
		results int
	}{
		{"there is time for what was begun", StoreGrace + time.Minute, 1},
		{"all time is for the store", StoreGrace, 0},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			w := tree(1, "a.test")
			r := newRig(t, w)
			r.crawler.StopTime = tc.time
			r.seed("http://a.test/0")
			ref := r.plan(1).Bundles[0]
			stop := make(chan struct{})
			w.visit = func(ctx context.Context, _ *browser.Page) error {
				close(stop)
				select {
				case <-ctx.Done():
					return context.Cause(ctx)
				case <-time.After(500 * time.Millisecond): // the page is slow
					return nil
				}
			}
			a := r.leases.lease(ref.ID)
			a.stopping = stop
			out, err := r.crawler.crawl(t.Context(), a, r.input(ref))
			if err != nil || len(out.Results) != tc.results {
				t.Fatalf("%+v, %v: want %d chunks", out, err, tc.results)
			}
		})
	}
}

// TestNoPageIsBegunWhenTheWorkerStops: a page that waits for its turn among the tabs is left to others.
func TestNoPageIsBegunWhenTheWorkerStops(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.test")
	r := newRig(t, w)
	r.crawler.StopTime = StoreGrace + time.Minute
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	stop := make(chan struct{})
	r.crawler.Tabs = queued{w, func() { close(stop) }}
	a := r.leases.lease(ref.ID)
	a.stopping = stop
	out, err := r.crawler.crawl(t.Context(), a, r.input(ref))
	if err != nil || out.Yielded == "" || !out.Stopped || len(out.Results) != 0 || len(w.loads) != 0 {
		t.Fatalf("%+v, %v, loads %v: want the page given back, for others to take", out, err, w.loads)
	}
	r.crawler.Tabs = w
	if got := r.runFrom(workflows.BundleDone{ID: ref.ID}); got.Counts.Archived != 1 || w.repeated() != 0 {
		t.Errorf("counts %+v, %d loads repeated", got.Counts, w.repeated())
	}
}

// queued are tabs of a pool in which no turn comes: a visit waits until it is to stop.
type queued struct {
	*web
	waiting func()
}

func (q queued) Tab(context.Context, browser.StayOptions) (Tab, error) { return queuedTab{q}, nil }

type queuedTab struct{ queued }

func (queuedTab) ClearCache(context.Context) error { return nil }
func (queuedTab) Close() error                     { return nil }

func (q queuedTab) Capture(ctx context.Context, v browser.Visit) (*browser.Page, error) {
	q.waiting()
	select {
	case <-v.Stop:
		return nil, browser.ErrNotBegun
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// lateTabs lend a tab only after something happened.
type lateTabs struct {
	*web
	before func()
}

func (t lateTabs) Tab(ctx context.Context, o browser.StayOptions) (Tab, error) {
	t.before()
	return t.web.Tab(ctx, o)
}

// TestNoPageAfterALongWaitForATab: the worker has to stop by the time it gets one.
func TestNoPageAfterALongWaitForATab(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	stop := make(chan struct{})
	r.crawler.Tabs = lateTabs{w, func() { close(stop); time.Sleep(50 * time.Millisecond) }} // until it is noticed
	a := r.leases.lease(ref.ID)
	a.stopping = stop
	out, err := r.crawler.crawl(t.Context(), a, r.input(ref))
	if err != nil || out.Yielded == "" || len(out.Results) != 0 || len(w.loads) != 0 {
		t.Errorf("%+v, %v, loads %v: want the page given back", out, err, w.loads)
	}
}

func TestLeavesAHostThatAsksForALongPause(t *testing.T) {
	t.Parallel()
	w := tree(40, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	ref := r.large(5)
	before := len(w.loads)
	w.visit = func(_ context.Context, p *browser.Page) error {
		p.Status, p.Outcome.RetryAfter = http.StatusTooManyRequests, time.Hour
		return nil
	}
	began := time.Now()
	out, err := r.crawl(t.Context(), ref)
	if err != nil || len(w.loads) != before+1 || time.Since(began) > 30*time.Second {
		t.Fatalf("%+v, %v: %d pages were loaded in spite of Retry-After, in %s", out, err, len(w.loads)-before, time.Since(began))
	}
	next := r.plan(4, workflows.BundleDone{ID: ref.ID, Results: out.Results})
	if len(next.Bundles) != 0 || next.DueIn < 50*time.Minute {
		t.Errorf("the host is asked again after %s", next.DueIn)
	}
	if c := next.Counts; c.Delayed != 1 || c.Leased != 0 {
		t.Errorf("counts %+v, want the page to be tried again", c)
	}
	if next.Waiting == nil || next.Waiting.Reason != workflows.ReasonHostBusy || !strings.Contains(next.Waiting.Message, "429 Too Many Requests") {
		t.Errorf("it waits for %+v", next.Waiting)
	}
}

// TestLeavesAHost that is not reached, or that asks for patience, also where a redirect led: its
// other pages are not tried before it has rested. A page that leads to a dead host, or takes too
// long, says nothing of them.
func TestLeavesAHost(t *testing.T) {
	t.Parallel()
	failed := func(reason, final string) func(*browser.Page) {
		return func(p *browser.Page) {
			p.Outcome, p.FinalURL = browser.Outcome{State: browser.Failed, Reason: reason}, final
		}
	}
	busy := func(final string) func(*browser.Page) {
		return func(p *browser.Page) {
			p.Status, p.Outcome.RetryAfter, p.FinalURL = http.StatusTooManyRequests, time.Hour, final
		}
	}
	const all = 8
	for name, tc := range map[string]struct {
		visit func(*browser.Page)
		loads int
	}{
		"NotReached":     {failed(browser.ReasonConnectFailed, ""), 1},
		"NotReachedOwn":  {failed(browser.ReasonConnectFailed, "http://a.test/moved"), 1},
		"AnotherIsGone":  {failed(browser.ReasonConnectFailed, "http://gone.test/"), all},
		"TakesTooLong":   {failed(browser.ReasonPageTimeout, ""), all},
		"Busy":           {busy("http://a.test/moved"), 1},
		"BusyElsewhere":  {busy("http://www.a.test/moved"), 1},
		"RefusedByOther": {func(p *browser.Page) { p.Outcome.RetryAfter = time.Hour }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := tree(40, "a.test")
			r := newRig(t, w)
			r.seed("http://a.test/0")
			ref := r.large(2)
			for ref.Pages < all {
				ref = r.plan(1, r.persist(ref)).Bundles[0]
			}
			before := len(w.loads)
			w.visit = func(_ context.Context, p *browser.Page) error { tc.visit(p); return nil }
			out, err := r.crawl(t.Context(), ref)
			loads := len(w.loads) - before
			if err != nil || tc.loads == 1 && loads != 1 || tc.loads > 1 && loads != ref.Pages {
				t.Fatalf("%+v, %v: %d of %d pages were loaded", out, err, loads, ref.Pages)
			}
			if next := r.plan(4, workflows.BundleDone{ID: ref.ID, Results: out.Results}); next.Counts.Leased != 0 && tc.loads == 1 {
				t.Errorf("%+v: the host is asked again at once", next)
			}
		})
	}
}

// TestStaysWhereTheFirstCaptureCounts: a second capture that is not answered says nothing of a host
// that answered the first one.
func TestStaysWhereTheFirstCaptureCounts(t *testing.T) {
	t.Parallel()
	w := tree(10, "a.test")
	for page, links := range w.links {
		for i, l := range links {
			links[i] = strings.Replace(l, "http:", "https:", 1)
		}
		w.links[strings.Replace(page, "http:", "https:", 1)] = links
	}
	r := newRig(t, w)
	r.seed("https://a.test/0")
	ref := r.large(2)
	w.visit = func(_ context.Context, p *browser.Page) error {
		if p.Recorder == browser.RecorderBrowser {
			unanswered(p, browser.ReasonConnectFailed)
		} else {
			answered(p, 403, "HTTP/1.1 403 Forbidden")
		}
		return nil
	}
	before := len(w.visits)
	if out, err := r.crawl(t.Context(), ref); err != nil || len(w.visits)-before != 2*ref.Pages {
		t.Errorf("%+v, %v: %d captures of %d pages, want two of each", out, err, len(w.visits)-before, ref.Pages)
	}
}

// TestLeavesNoDuplicate: what a redirect has brought is not asked for again because the host was
// left before the bundle came to its address.
func TestLeavesNoDuplicate(t *testing.T) {
	t.Parallel()
	w := tree(10, "a.test")
	for i := range 10 { // all on one level, so that one bundle has them
		w.links["http://a.test/0"] = append(w.links["http://a.test/0"], fmt.Sprintf("http://a.test/%d", i))
	}
	w.redirects = map[string]string{"http://a.test/1": "http://a.test/7"}
	r := newRig(t, w)
	r.seed("http://a.test/0")
	ref := r.large(9)
	w.visit = func(_ context.Context, p *browser.Page) error {
		if p.URL == "http://a.test/2" {
			p.Outcome = browser.Outcome{State: browser.Failed, Reason: browser.ReasonConnectFailed}
		}
		return nil
	}
	out, err := r.crawl(t.Context(), ref)
	if err != nil || w.count("http://a.test/1") != 1 || w.count("http://a.test/3") != 0 {
		t.Fatalf("%+v, %v, %v: want the host to be left", out, err, w.loads)
	}
	next := r.plan(0, workflows.BundleDone{ID: ref.ID, Results: out.Results})
	if n := next.Counts.Skipped[workflows.ReasonDuplicate]; n != 1 {
		t.Errorf("%d pages are duplicates, want the one that a redirect led to: %+v", n, next.Counts)
	}
}

func TestKeepsTheDelay(t *testing.T) {
	t.Parallel()
	const delay = 80 * time.Millisecond
	w := tree(12, "a.test")
	r := newRig(t, w)
	r.job.Spec.Politeness.Delay = delay
	r.seed("http://a.test/0")
	r.run(4)
	if len(w.pauses) != 11 {
		t.Errorf("%d pauses between 12 pages", len(w.pauses))
	}
	if shortest := slices.Min(w.pauses); shortest < delay-2*time.Millisecond {
		t.Errorf("a pause of %s, want %s", shortest, delay)
	}
}

func TestPlanTwiceIsOnePlan(t *testing.T) {
	t.Parallel()
	w := tree(20, "a.test", "b.test")
	r := newRig(t, w)
	r.seed("http://a.test/0", "http://b.test/0")
	first := r.plan(1)
	ref := first.Bundles[0]
	r.seq = 0
	again := r.plan(1)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the second attempt decides otherwise (-first +second):\n%s", diff)
	}
	done := r.persist(ref)
	second := r.plan(4)
	r.seq = second.Seq - 1
	lost := r.plan(4, done) // a step that was done already, with another list
	if len(lost.Applied) != 0 || !cmp.Equal(lost, second) {
		t.Errorf("a repeated step claims to have taken in %v", lost.Applied)
	}
	if third := r.plan(4, done); !slices.Equal(third.Applied, []string{ref.ID}) || third.Counts.Archived != 2 {
		t.Errorf("the next step: %+v", third)
	}
}

func TestLostBundleIsLookedUp(t *testing.T) {
	t.Parallel()
	w := tree(3, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	if _, err := r.crawl(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	out := r.runFrom(workflows.BundleDone{ID: ref.ID, Lost: true})
	if out.Counts.Archived != 3 || w.repeated() != 0 {
		t.Errorf("counts %+v, %d loads repeated: what is stored must be found", out.Counts, w.repeated())
	}
}

func TestSealMissesAChunk(t *testing.T) {
	t.Parallel()
	w := tree(3, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	r.run(1)
	r.store.Remove(r.store.Keys("/archive/ns/name/uid/chunks/")[0])
	sealed := r.seal()
	if sealed.Balanced || !strings.Contains(sealed.Message, "is not in the store") {
		t.Errorf("sealed %+v although a chunk is gone", sealed)
	}
}

// TestFailedRedirectCostsNoOtherPage: a page that failed on its way to another one has not
// archived that.
func TestFailedRedirectCostsNoOtherPage(t *testing.T) {
	t.Parallel()
	w := tree(60, "a.test")
	w.visit = func(_ context.Context, p *browser.Page) error {
		if p.URL == "http://a.test/40" {
			p.FinalURL = "http://a.test/41"
			p.Outcome = browser.Outcome{State: browser.Failed, Reason: browser.ReasonPageTimeout, Detail: "made for a test"}
		}
		return nil
	}
	r := newRig(t, w)
	r.seed("http://a.test/0")
	out := r.run(1)
	if out.Counts.Archived != 59 || out.Counts.Failed["PageTimeout"] != 1 || w.count("http://a.test/41") != 1 {
		t.Errorf("counts %+v, and the page that was redirected to was loaded %d times", out.Counts, w.count("http://a.test/41"))
	}
}

// TestBarePercentSign: an address with a "%" that starts no escape is visited as browsers do,
// and held to robots.txt, also where a redirect leads to it.
func TestBarePercentSign(t *testing.T) {
	t.Parallel()
	w := &web{
		links:     map[string][]string{"http://a.test/100%-cotton": {"http://a.test/private/5%", "http://a.test/1", "http://a.test/2"}},
		redirects: map[string]string{"http://a.test/1": "http://a.test/private/6%", "http://a.test/2": "http://a.test/7%"},
		robots:    map[string]string{"a.test": "User-agent: *\nDisallow: /private"},
	}
	r := newRig(t, w)
	r.seed("http://a.test/100%-cotton")
	out := r.run(2)
	if diff := cmp.Diff(map[workflows.Reason]int64{"RobotsDisallowed": 2, "Duplicate": 1}, out.Counts.Skipped); diff != "" || out.Counts.Archived != 2 {
		t.Errorf("%d archived, want 2; skipped (-want +got):\n%s", out.Counts.Archived, diff)
	}
	if sealed := r.seal(); !sealed.Balanced {
		t.Errorf("sealed %+v", sealed)
	}
}

// TestRedirectsAreJudged: where a page leads by a redirect is asked for only if robots.txt and
// the order allow it; a seed takes the crawl along to the name that its site prefers.
func TestRedirectsAreJudged(t *testing.T) {
	t.Parallel()
	w := &web{
		links: map[string][]string{
			"http://www.a.test/": {"http://www.a.test/1", "http://www.a.test/2", "http://www.a.test/3", "http://www.a.test/4"},
		},
		redirects: map[string]string{
			"http://a.test/": "http://www.a.test/", "http://www.a.test/1": "http://b.test/private/x", "http://www.a.test/2": "http://b.test/open",
			"http://www.a.test/3": "http://www.a.test/logout", "http://www.a.test/4": "http://www.a.test/secret",
		},
		robots: map[string]string{"b.test": "User-agent: *\nDisallow: /private", "www.a.test": "User-agent: test\nDisallow: /secret"},
	}
	r := newRig(t, w)
	r.job.Spec.Scope.Exclude = []string{"/logout"}
	r.seed("http://a.test/")
	out := r.run(2)
	if diff := cmp.Diff(map[workflows.Reason]int64{"RobotsDisallowed": 2, "OutOfScope": 1, "Duplicate": 2}, out.Counts.Skipped); diff != "" || out.Counts.Archived != 2 {
		t.Errorf("%d archived, want 2; skipped (-want +got):\n%s", out.Counts.Archived, diff)
	}
	if sealed := r.seal(); !sealed.Balanced {
		t.Errorf("sealed %+v", sealed)
	}
}
