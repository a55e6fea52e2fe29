package frontier

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"crawlfleet.dev/crawlfleet/workflows"
)

// shelf is a host of sitemaps that counts what is asked for.
type shelf struct {
	*httptest.Server
	mu      sync.Mutex
	loads   map[string]int
	answers map[string]answerOf
}

// answerOf is what a shelf answers with, a sitemap of one page where it is 0.
type answerOf struct {
	status     int
	retryAfter time.Duration
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{loads: map[string]int{}, answers: map[string]answerOf{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP implements http.Handler.
func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads[r.URL.Path]++
	a := s.answers[r.URL.Path]
	switch {
	case r.URL.Path == "/robots.txt":
		http.NotFound(w, r)
	case a.status == http.StatusOK: // of another kind than it should be
		fmt.Fprint(w, "<html><body><p>Welcome<br></body></html>")
	case a.status != 0:
		w.Header().Set("Retry-After", strconv.Itoa(int(a.retryAfter/time.Second)))
		w.WriteHeader(a.status)
	case r.URL.Path == "/index":
		fmt.Fprintf(w, "<sitemapindex><sitemap><loc>http://%s/a</loc></sitemap><sitemap><loc>http://%s/b</loc></sitemap></sitemapindex>", r.Host, r.Host)
	default:
		fmt.Fprintf(w, "http://%s/page%s\n", r.Host, r.URL.Path)
	}
}

func (s *shelf) answer(path string, status int, retryAfter time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = answerOf{status, retryAfter}
}

func (s *shelf) asked(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads[path]
}

// seeder is a rig whose time is set by hand.
func seeder(t *testing.T) (r *rig, pass func(time.Duration)) {
	t.Helper()
	r = newRig(t, tree(1, "a.test"))
	now := time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)
	r.planner.Robots.Client, r.planner.Robots.Now = http.DefaultClient, func() time.Time { return now }
	return r, func(d time.Duration) { now = now.Add(d) }
}

// order seeds an order, by the name of its run, of one sitemap of a shelf.
func (r *rig) order(s *shelf, run, path string) error {
	job := r.job
	job.Run = run
	_, err := activityOf(r, r.planner.Seed, workflows.SeedInput{Job: job, Seeds: workflows.Seeds{Sitemaps: []string{s.URL + path}}})
	return err
}

// TestSitemapsAreLeftAlone: attempts that follow one another at once ask for a sitemap that
// cannot be had no more often than its host wants, and for no other one again.
func TestSitemapsAreLeftAlone(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason     string
		status     int
		retryAfter time.Duration
		passes     []time.Duration // before each attempt
		asked      []int           // after each attempt
		says       string
		final      string // what the last attempt says; it succeeds where this is empty
	}{
		"Busy": {
			reason: "what the host asks for is kept", status: http.StatusServiceUnavailable, retryAfter: 10 * time.Minute,
			passes: []time.Duration{0, time.Second, 9 * time.Minute, time.Minute}, asked: []int{1, 1, 1, 2}, says: "is answered with 503 Service Unavailable; it is not asked for before 10:10:00 UTC",
		},
		"TooMany": {
			reason: "a pause is made also where the host names none, longer each time", status: http.StatusTooManyRequests,
			passes: []time.Duration{0, 29 * time.Second, time.Second, 59 * time.Second, time.Second}, asked: []int{1, 1, 2, 2, 3}, says: "is answered with 429 Too Many Requests; it is not asked for before 10:0",
		},
		"Greedy": {
			reason: "no host keeps an order waiting for longer than an hour", status: http.StatusTooManyRequests, retryAfter: 20 * time.Hour,
			passes: []time.Duration{0, 59 * time.Minute, time.Minute}, asked: []int{1, 1, 2}, says: "it is not asked for before 11:00:00 UTC",
		},
		"Broken": {
			reason: "a server that fails is not hammered", status: http.StatusInternalServerError,
			passes: []time.Duration{0, time.Second, 29 * time.Second}, asked: []int{1, 1, 2}, says: "is answered with 500 Internal Server Error; it is not asked for before 10:00:30 UTC",
		},
		"Missing": {
			reason: "what is not there for some minutes is not there", status: http.StatusNotFound,
			passes: []time.Duration{0, time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second}, asked: []int{1, 1, 2, 2, 3}, says: "is answered with 404 Not Found; it is not asked for before 10:0",
			final: "is not there: it is answered with 404 Not Found. Correct it in a new CrawlJob",
		},
		"Page": {
			reason: "what is a page each time is no sitemap", status: http.StatusOK,
			passes: []time.Duration{0, 30 * time.Second, 60 * time.Second}, asked: []int{1, 2, 3}, says: "is damaged: read the sitemap: ",
			final: "is no sitemap, feed or list: it is damaged: read the sitemap: ",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			r, pass := seeder(t)
			s.answer("/second", tc.status, tc.retryAfter)
			in := workflows.SeedInput{Job: r.job, Seeds: workflows.Seeds{Sitemaps: []string{s.URL + "/first", s.URL + "/second", s.URL + "/third"}}}
			var asked []int
			for i, d := range tc.passes {
				pass(d)
				last := i == len(tc.passes)-1
				if last && tc.final == "" {
					s.answer("/second", 0, 0)
				}
				out, err := activityOf(r, r.planner.Seed, in)
				asked = append(asked, s.asked("/second"))
				switch {
				case last && tc.final == "":
					if err != nil || out.Counts.Queued != 3 {
						t.Errorf("%s: %+v, %v, want three pages in the end", tc.reason, out.Counts, err)
					}
				case last:
					wantSeedError(t, err, workflows.ReasonInvalidSeeds, "the sitemap seeds.sitemaps[1] on "+strings.TrimPrefix(s.URL, "http://")+" "+tc.final)
				case i == 0:
					wantSeedError(t, err, workflows.ReasonSeedUnreachable, tc.says)
				default:
					wantSeedError(t, err, workflows.ReasonSeedUnreachable, "sitemap seeds.sitemaps[1] on ")
				}
			}
			if diff := cmp.Diff(tc.asked, asked); diff != "" {
				t.Errorf("%s: how often it was asked for (-want +got):\n%s", tc.reason, diff)
			}
			if n := s.asked("/first"); n != 1 {
				t.Errorf("a sitemap that was read whole was loaded %d times", n)
			}
		})
	}
}

func wantSeedError(t *testing.T, err error, reason workflows.Reason, says string) {
	t.Helper()
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.Type() != string(reason) || app.NonRetryable() != (reason == workflows.ReasonInvalidSeeds) || !strings.Contains(app.Error(), says) {
		t.Errorf("%v, want %s that says %q", err, reason, says)
	}
}

// TestBusyHostIsLeftAloneByAll: also another order leaves it alone.
func TestBusyHostIsLeftAloneByAll(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	r, _ := seeder(t)
	s.answer("/a", http.StatusTooManyRequests, time.Minute)
	for _, run := range []string{"a", "b"} {
		wantSeedError(t, r.order(s, run, "/"+run), workflows.ReasonSeedUnreachable, "429 Too Many Requests; it is not asked for before 10:01:00 UTC")
	}
	if s.asked("/b") != 0 {
		t.Error("a host was asked that wants to be left alone")
	}
}

// TestBusyHostIsLeftAloneInTurn: also by an order that waited for its turn when another one
// was told to come back later.
func TestBusyHostIsLeftAloneInTurn(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	r := newRig(t, tree(1, "a.test"))
	r.planner.Robots.Client, r.job.Spec.Politeness.Delay = http.DefaultClient, time.Second
	if err := r.order(s, "first", "/first"); err != nil {
		t.Fatal(err)
	}
	s.answer("/a", http.StatusTooManyRequests, time.Minute)
	s.answer("/b", http.StatusTooManyRequests, time.Minute)
	var orders sync.WaitGroup
	for _, run := range []string{"a", "b"} {
		orders.Go(func() {
			wantSeedError(t, r.order(s, run, "/"+run), workflows.ReasonSeedUnreachable, "429 Too Many Requests; it is not asked for before")
		})
	}
	orders.Wait()
	if n := s.asked("/a") + s.asked("/b"); n != 1 {
		t.Errorf("the host was asked %d times, want once", n)
	}
}

// TestBusySitemapKeepsNoOther: one that is always answered with 429 holds its own order up for
// longer and longer, and others of the site for as long as the host asks.
func TestBusySitemapKeepsNoOther(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	r, pass := seeder(t)
	s.answer("/a", http.StatusTooManyRequests, 0)
	for i := range 4 {
		wantSeedError(t, r.order(s, "a", "/a"), workflows.ReasonSeedUnreachable, "429 Too Many Requests; it is not asked for before")
		wantSeedError(t, r.order(s, "b", "/b"), workflows.ReasonSeedUnreachable, "is not asked for yet: another one of its host is answered with 429 Too Many Requests; it is not asked for before")
		pass(firstHold)
		if err := r.order(s, fmt.Sprint(i), fmt.Sprint("/", i)); err != nil {
			t.Errorf("the pause of the host is over, and that of another order is not this one's: %v", err)
		}
		pass(longHold)
	}
	if n := s.asked("/a"); n != 4 {
		t.Errorf("it was asked for %d times, want 4", n)
	}
}

// TestSuccessEndsNoHold: what was asked before a host wanted to be left alone says nothing.
func TestSuccessEndsNoHold(t *testing.T) {
	t.Parallel()
	var p patience
	now := time.Now()
	p.hold("site", now, &SeedError{}, true)
	p.forget(now, "site")
	if h, key := p.held(now, "site"); key != "site" || h.tries != 1 {
		t.Errorf("it is forgotten: %+v", h)
	}
	later := now.Add(longHold)
	p.forget(later, "site")
	if h := p.hold("site", later, &SeedError{}, true); h.tries != 1 {
		t.Errorf("%d tries after a success, want one", h.tries)
	}
}

// TestBusyPartIsReadLater: a part of an index whose host is busy for a moment is not lost.
func TestBusyPartIsReadLater(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	r := newRig(t, tree(1, "a.test"))
	s.answer("/a", http.StatusServiceUnavailable, time.Second)
	r.planner.Robots.Client = &http.Client{Transport: after(func(path string) {
		if path == "/a" {
			s.answer("/a", 0, 0)
		}
	})}
	began := time.Now()
	out, err := activityOf(r, r.planner.Seed, workflows.SeedInput{Job: r.job, Seeds: workflows.Seeds{Sitemaps: []string{s.URL + "/index"}}})
	if err != nil || out.Counts.Queued != 2 || s.asked("/a") != 2 || time.Since(began) < time.Second {
		t.Errorf("%+v, %v after %s: it was asked for %d times, want 2 pages, and twice after the second that it asks for", out.Counts, err, time.Since(began), s.asked("/a"))
	}
}

// after is a transport that tells of what was answered.
type after func(path string)

// RoundTrip implements http.RoundTripper.
func (a after) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	a(req.URL.Path)
	return resp, err
}

// TestDelayIsKeptBetweenAttempts: an attempt waits for the delay since the one before.
func TestDelayIsKeptBetweenAttempts(t *testing.T) {
	t.Parallel()
	const delay = 200 * time.Millisecond
	s := newShelf(t)
	r := newRig(t, tree(1, "a.test"))
	r.planner.Robots.Client, r.job.Spec.Politeness.Delay = http.DefaultClient, delay
	var ended time.Time
	for _, run := range []string{"a", "b"} {
		if err := r.order(s, run, "/"+run); err != nil {
			t.Fatal(err)
		}
		if run == "a" {
			ended = time.Now()
		}
	}
	if pause := time.Since(ended); pause < delay/2 {
		t.Errorf("the next one followed after %s, want %s", pause, delay)
	}
}

// TestSeedingsAreBounded: what is kept for the next attempt is not kept for ever.
func TestSeedingsAreBounded(t *testing.T) {
	t.Parallel()
	var s seedings
	for i := range maxSeedings + 2 {
		r := s.take(strconv.Itoa(i))
		if err := r.Add("http://a.test/"); err != nil {
			t.Fatal(err)
		}
		s.keep(r)
	}
	if len(s.kept) != maxSeedings || s.take("0").seeds != nil || s.take("5").seeds == nil || s.take("5").seeds != nil {
		t.Errorf("%d are kept, want the newest %d, each for one attempt", len(s.kept), maxSeedings)
	}
	large := s.take("large")
	large.bytes = maxSeedingBytes + 1
	if s.keep(large); s.take("large").bytes != 0 || len(s.kept) != maxSeedings-1 {
		t.Error("one is kept that is too large, or others are not for it")
	}
	large.bytes = maxSeedingBytes
	if s.keep(large); len(s.kept) != 1 || s.take("large") != large {
		t.Errorf("%d are kept, want the newest one, which fills all room", len(s.kept))
	}
	var p patience
	for i := range 2*maxPatience + 1 {
		p.rest(strconv.Itoa(i), time.Time{}, time.Time{}.Add(time.Hour))
		p.hold(strconv.Itoa(i), time.Time{}, &SeedError{}, true)
	}
	if len(p.rests) > maxPatience || len(p.holds) > maxPatience {
		t.Errorf("%d and %d hosts are remembered", len(p.rests), len(p.holds))
	}
}
