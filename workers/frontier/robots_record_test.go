package frontier

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// recordsRobots has the rig ask a real site for robots.txt, through a recorder.
func (r *rig) recordsRobots(allow ...netip.Prefix) {
	r.t.Helper()
	rec, err := recorder.New(recorder.Options{Dir: r.t.TempDir(), Dialer: &netguard.Dialer{Allow: allow}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := rec.Close(); err != nil {
			r.t.Error(err)
		}
	})
	r.crawler.Robots.Recorder = &RobotsRecorder{Recorder: rec, Dir: r.t.TempDir()}
}

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// TestRobotsAreArchived: the robots.txt that a page was visited by, or not, is a record, with the
// redirect that led to it; the page's own record names it and the line that decided.
func TestRobotsAreArchived(t *testing.T) {
	t.Parallel()
	const rules = "User-agent: *\nAllow: /open\nDisallow: /\n"
	asked := 0
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/robots.txt":
			http.Redirect(w, req, "/moved.txt", http.StatusMovedPermanently)
		case "/moved.txt":
			asked++
			w.Header().Set("X-Kept", "as it came")
			_, _ = io.WriteString(w, rules)
		}
	}))
	defer site.Close()
	w := &web{links: map[string][]string{site.URL + "/open/1": {site.URL + "/open/2", site.URL + "/closed"}}}
	w.visit = func(_ context.Context, p *browser.Page) error { answered(p, 200, "HTTP/1.1 200 OK"); return nil }
	r := newRig(t, w)
	r.recordsRobots(loopback)
	r.seed(site.URL + "/open/1")
	out := r.run(1)
	if out.Counts.Archived != 2 || out.Counts.Skipped[workflows.ReasonRobotsDisallowed] != 1 || asked != 1 {
		t.Fatalf("counts %+v, asked %d times", out.Counts, asked)
	}
	heads := map[string]int{}
	ids := map[string]string{}
	pages := 0
	r.records(func(rec *warc.Record, body []byte) {
		switch {
		case rec.Type == warc.Response && strings.HasPrefix(rec.TargetURI, site.URL) && strings.HasSuffix(rec.TargetURI, ".txt"):
			heads[rec.TargetURI]++
			ids[rec.ID] = rec.TargetURI
			if strings.HasSuffix(rec.TargetURI, "moved.txt") && (string(body) != rules || !strings.Contains(string(rec.Head), "X-Kept: as it came")) {
				t.Errorf("the record of the robots.txt is %q %q", rec.Head, body)
			}
		case strings.HasPrefix(rec.TargetURI, "urn:pageinfo:"):
			pages++
			var info struct{ Robots []robotsSeen }
			if err := json.Unmarshal(body, &info); err != nil {
				t.Fatal(err)
			}
			if len(info.Robots) != 1 || info.Robots[0].Rule != "Allow: /open" || ids[info.Robots[0].Record] != site.URL+"/moved.txt" || info.Robots[0].URL != site.URL+"/robots.txt" {
				t.Errorf("%s says %+v; records %v", rec.TargetURI, info.Robots, ids)
			}
		}
	})
	chunks := len(r.store.Keys("/archive/ns/name/uid/chunks/"))
	if pages != 2 || heads[site.URL+"/robots.txt"] != chunks || heads[site.URL+"/moved.txt"] != chunks {
		t.Errorf("%d pages; records %v in %d chunks, want each once in each", pages, heads, chunks)
	}
}

type robotsSeen struct{ URL, Rule, Record string }

// TestRobotsThatForbidAll: also of a site of which no page may be visited it is kept why.
func TestRobotsThatForbidAll(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(text("User-agent: *\nDisallow: /\n"))
	defer site.Close()
	r := newRig(t, &web{})
	r.recordsRobots(loopback)
	r.seed(site.URL + "/")
	if out := r.run(1); out.Counts.Skipped[workflows.ReasonRobotsDisallowed] != 1 {
		t.Fatalf("counts %+v", out.Counts)
	}
	found := 0
	r.records(func(rec *warc.Record, _ []byte) {
		if rec.Type == warc.Response && rec.TargetURI == site.URL+"/robots.txt" {
			found++
		}
	})
	if sealed := r.seal(); found != 1 || !sealed.Balanced {
		t.Errorf("%d records of robots.txt; the seal %+v", found, sealed)
	}
}

// TestRobotsOverTheRecorder: what keeps the recorder from a site keeps the page from being
// visited, with the same word for it, and a robots.txt that is too large counts as far as it goes.
func TestRobotsOverTheRecorder(t *testing.T) {
	t.Parallel()
	const forbidding = "User-agent: *\nDisallow: /private\n"
	secure := httptest.NewUnstartedServer(text(forbidding))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are meant to
	secure.StartTLS()
	defer secure.Close()
	large := httptest.NewServer(text(forbidding + strings.Repeat("# padding\n", 200_000)))
	defer large.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, tc := range map[string]struct {
		url    string
		allow  []netip.Prefix
		bad    string // what becomes of bad certificates
		reason string
	}{
		"Private":     {url: large.URL, reason: netguard.ReasonAddressBlocked},
		"Certificate": {url: secure.URL, allow: []netip.Prefix{loopback}, reason: recorder.ReasonTLSFailed},
		"Recorded":    {url: secure.URL, allow: []netip.Prefix{loopback}, bad: workflows.BadCertificatesRecord},
		"Gone":        {url: gone.URL, allow: []netip.Prefix{loopback}, reason: netguard.ReasonConnectFailed},
		"Large":       {url: large.URL, allow: []netip.Prefix{loopback}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, &web{})
			r.recordsRobots(tc.allow...)
			cache := r.crawler.Robots.For(workflows.Spec{Capture: workflows.Capture{BadCertificates: tc.bad}})
			rules, failure := cache.Rules(t.Context(), tc.url+"/page")
			if tc.reason != "" {
				if failure == nil || string(failure.Reason) != tc.reason {
					t.Errorf("failure %+v, want %s", failure, tc.reason)
				}
				return
			}
			if failure != nil || rules.Allowed("/private/x") || !rules.Allowed("/") {
				t.Errorf("rules %+v, failure %+v", rules, failure)
			}
			if left, err := os.ReadDir(cache.Recorder.Dir); err != nil || len(left) != 1 {
				t.Errorf("folders %v, error %v", left, err)
			}
		})
	}
}

// TestRobotsInSpiteOfTheCertificate: the order decides whether the certificate of a site matters,
// for its robots.txt too, and one order's answer is not another's.
func TestRobotsInSpiteOfTheCertificate(t *testing.T) {
	t.Parallel()
	site := httptest.NewUnstartedServer(text("User-agent: *\nDisallow: /private\n"))
	site.Config.ErrorLog = log.New(io.Discard, "", 0)
	site.StartTLS()
	defer site.Close()
	cache := &RobotsCache{Client: NewClient(&netguard.Dialer{Allow: []netip.Prefix{loopback}}), UserAgent: "test", Token: "test", Now: time.Now}
	for range 2 {
		if _, failure := cache.For(workflows.Spec{}).Rules(t.Context(), site.URL+"/"); failure == nil || failure.Reason != recorder.ReasonTLSFailed {
			t.Errorf("failure %+v, want %s", failure, recorder.ReasonTLSFailed)
		}
		lenient := cache.For(workflows.Spec{Capture: workflows.Capture{BadCertificates: workflows.BadCertificatesRecord}})
		rules, failure := lenient.Rules(t.Context(), site.URL+"/")
		if failure != nil || rules.Allowed("/private") {
			t.Errorf("rules %+v, failure %+v", rules, failure)
		}
	}
}

// TestRobotsThatAskForAPause: a site in maintenance answers everything with 503, its robots.txt
// too. It is asked once, left alone for as long as it says, and no page pays for it.
func TestRobotsThatAskForAPause(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", "7200")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer site.Close()
	r := newRig(t, &web{})
	r.crawler.Robots = &RobotsCache{Client: http.DefaultClient, UserAgent: "test", Token: "test", Now: time.Now}
	began, looks := time.Now().Add(-time.Minute), atomic.Int64{}
	r.crawler.Now = func() time.Time { return began.Add(time.Duration(looks.Add(1)) * time.Second) } // each look finds another second
	r.seed(site.URL+"/1", site.URL+"/2")
	out := r.plan(1)
	out = r.plan(1, r.persist(out.Bundles[0]))
	if out.DueIn < 110*time.Minute || out.Counts.Delayed != 1 || out.Counts.Queued != 1 || out.Waiting == nil || !strings.Contains(out.Waiting.Message, "503 Service Unavailable") {
		t.Errorf("the plan: %+v, waiting %+v", out, out.Waiting)
	}
	if rests := r.store.Keys("/frontier/" + restsPrefix); asked.Load() != 1 || len(rests) != 1 {
		t.Errorf("asked %d times, rests %q", asked.Load(), rests)
	}
	_, failure := r.crawler.Robots.Rules(t.Context(), site.URL+"/2")
	if failure == nil || failure.RetryAfter < 110*time.Minute || asked.Load() != 1 {
		t.Errorf("asked %d times; failure %+v", asked.Load(), failure)
	}
}

// TestRobotsAreAskedForAgain: a robots.txt is used for a day (RFC 9309 section 2.4), one that could not be
// had for some seconds.
func TestRobotsAreAskedForAgain(t *testing.T) {
	t.Parallel()
	status, asked, now := http.StatusInternalServerError, 0, time.Now()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked++; w.WriteHeader(status) }))
	defer site.Close()
	cache := &RobotsCache{Client: http.DefaultClient, UserAgent: "test", Token: "test", Now: func() time.Time { return now }}
	for i, step := range []struct {
		after time.Duration
		asked int
	}{{0, 1}, {robotsRetry - time.Second, 1}, {2 * time.Second, 2}, {robotsFresh - time.Second, 2}, {2 * time.Second, 3}} {
		now = now.Add(step.after)
		if i == 2 {
			status = http.StatusNotFound
		}
		if cache.Rules(t.Context(), site.URL+"/page"); asked != step.asked {
			t.Errorf("step %d: asked %d times, want %d", i, asked, step.asked)
		}
	}
}

// TestPauseOfRobotsPasses: who is told later has less of it left to wait.
func TestPauseOfRobotsPasses(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)
	cache := &RobotsCache{Client: &http.Client{Transport: busy{}}, UserAgent: "test", Token: "test", Now: func() time.Time { return now }}
	for _, left := range []time.Duration{time.Hour, 20 * time.Minute} {
		if _, failure := cache.Rules(t.Context(), "http://a.test/"); failure == nil || failure.RetryAfter != left {
			t.Errorf("%+v, want to hear of %s", failure, left)
		}
		now = now.Add(40 * time.Minute)
	}
}

// TestRobotsAreUsedForADay: and no longer (RFC 9309, section 2.4).
func TestRobotsAreUsedForADay(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)
	asked := 0
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer site.Close()
	cache := &RobotsCache{Client: http.DefaultClient, UserAgent: "test", Token: "test", Now: func() time.Time { return now }}
	for _, want := range []int{1, 1, 2} {
		if _, failure := cache.Rules(t.Context(), site.URL+"/page"); failure != nil || asked != want {
			t.Errorf("at %s it was asked %d times, want %d: %v", now, asked, want, failure)
		}
		now = now.Add(13 * time.Hour)
	}
}

// TestSilentRobots: a robots.txt that does not come in time cannot be had; nobody broke it off.
func TestSilentRobots(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	defer site.Close()
	defer close(done)
	r := newRig(t, &web{})
	r.recordsRobots(loopback)
	for name, cache := range map[string]*RobotsCache{
		"Recorder": r.crawler.Robots,
		"Client":   {Client: http.DefaultClient, UserAgent: "test", Token: "test", Now: time.Now},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, failure := cache.Rules(ctx, site.URL+"/page")
		if failure == nil || failure.Reason != workflows.ReasonRobotsUnreachable || !strings.Contains(failure.Detail, "robots.txt is not answered in time") {
			t.Errorf("%s: %+v", name, failure)
		}
	}
}

// TestSlowRobotsIsLeftAlone: a host that is slow to say that it cannot answer is left alone from
// then on, not from when it was asked.
func TestSlowRobotsIsLeftAlone(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)
	asked := 0
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		now = now.Add(20 * time.Second)
		w.Header().Set("Retry-After", "10") // less than it took
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer site.Close()
	cache := &RobotsCache{Client: http.DefaultClient, UserAgent: "test", Token: "test", Now: func() time.Time { return now }}
	for range 3 {
		if _, failure := cache.Rules(t.Context(), site.URL+"/page"); failure == nil {
			t.Fatal("a page may be visited that nobody knows of")
		}
	}
	if asked != 1 {
		t.Errorf("it was asked %d times in the same second", asked)
	}
}
