package frontier

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/workflows"
)

// TestCrawlDelayIsKept: a robots.txt asks for a longer pause than the order does, within a bundle
// and from one to the next.
func TestCrawlDelayIsKept(t *testing.T) {
	t.Parallel()
	w := tree(8, "a.test")
	w.robots = map[string]string{"a.test": "User-agent: *\nCrawl-delay: 0.3"}
	r := newRig(t, w)
	r.seed("http://a.test/0")
	if out := r.run(1); out.Counts.Archived != 8 {
		t.Errorf("counts %+v", out.Counts)
	}
	if shortest := slices.Min(w.pauses); len(w.pauses) != 7 || shortest < 290*time.Millisecond {
		t.Errorf("%d pauses, one of %s", len(w.pauses), shortest)
	}
}

// TestBusyRobotsEndTheStay: a site that answers for robots.txt that it wants to be left alone is
// left alone with all its pages, of which one pays; other runs are told at once.
func TestBusyRobotsEndTheStay(t *testing.T) {
	t.Parallel()
	w := tree(40, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	ref := r.large(5)
	before := len(w.loads)
	r.crawler.Robots = &RobotsCache{Client: &http.Client{Transport: busy{}}, UserAgent: "test", Token: "test", Now: time.Now}
	out, err := r.crawl(t.Context(), ref)
	if rests := r.store.Keys("/frontier/" + restsPrefix); err != nil || len(w.loads) != before || len(rests) != 1 {
		t.Fatalf("%+v, %v: %d pages were loaded, rests %v", out, err, len(w.loads)-before, rests)
	}
	next := r.plan(1, workflows.BundleDone{ID: ref.ID, Results: out.Results})
	if c := next.Counts; c.Delayed != 1 || c.Leased != 0 || len(c.Failed) != 0 || next.DueIn < 50*time.Minute {
		t.Errorf("counts %+v, due in %s: want one page to be tried again", c, next.DueIn)
	}
}

// busy is a site in maintenance.
type busy struct{}

func (busy) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusServiceUnavailable, Status: "503 Service Unavailable", Header: http.Header{"Retry-After": {"3600"}}, Body: http.NoBody, Request: r,
	}, nil
}
