package frontier

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

var errDown = errors.New("proxy gateway:3128: made for a test")

// TestCutOff: no page fails because no site can be reached, whichever it is, however often that
// happens: the bundle ends, the run waits, and the page is visited again.
func TestCutOff(t *testing.T) {
	t.Parallel()
	w := tree(6, "a.test")
	r := newRig(t, w)
	const outages = frontier.MaxTries + 1 // more than a page may fail
	var down error
	times := 0
	r.crawler.Egress = func(context.Context) error { return down }
	w.visit = func(_ context.Context, p *browser.Page) error {
		if times++; times > outages {
			return nil
		}
		down = errDown // in the middle of a page
		if times%2 == 0 {
			p.Outcome = browser.Outcome{State: browser.Failed, Reason: browser.ReasonConnectFailed, Detail: down.Error()}
		}
		return nil
	}
	r.seed("http://a.test/0")
	plan := r.plan(1)
	for range outages {
		if len(plan.Bundles) != 1 {
			t.Fatalf("nothing is to be visited: %+v", plan)
		}
		out, err := r.crawl(t.Context(), plan.Bundles[0])
		expectCutOff(t, out, err)
		again, err := r.crawl(t.Context(), plan.Bundles[0]) // nothing is begun then
		expectCutOff(t, again, err)
		down = nil
		plan = r.plan(1, workflows.BundleDone{ID: plan.Bundles[0].ID, Results: out.Results})
	}
	if times != outages {
		t.Errorf("%d pages were loaded, want %d: none is begun while nothing can be reached", times, outages)
	}
	out, err := r.crawl(t.Context(), plan.Bundles[0])
	if err != nil || out.Trouble != nil {
		t.Fatalf("got %+v, %v", out, err)
	}
	end := r.runFrom(workflows.BundleDone{ID: plan.Bundles[0].ID, Results: out.Results})
	if end.Counts.Archived != 6 || len(end.Counts.Failed) != 0 || w.repeated() != outages {
		t.Errorf("counts %+v, %d loads were repeated", end.Counts, w.repeated())
	}
}

func expectCutOff(t *testing.T, out workflows.BundleOutput, err error) {
	t.Helper()
	if err != nil || out.Trouble == nil || out.Trouble.Reason != workflows.ReasonEgressUnreachable || out.Trouble.NextStep == "" || len(out.Results) != 0 {
		t.Fatalf("got %+v, %v, want trouble and no results", out, err)
	}
	if want := "no site can be reached: " + errDown.Error(); out.Trouble.Message != want {
		t.Errorf("the message is %q, want %q", out.Trouble.Message, want)
	}
}

// TestCutOffInSecondCapture: a page that is loaded a second time, with the browser, does not fail for it either.
func TestCutOffInSecondCapture(t *testing.T) {
	t.Parallel()
	w := &web{links: map[string][]string{}}
	r := newRig(t, w)
	var down error
	r.crawler.Egress = func(context.Context) error { return down }
	w.visit = func(_ context.Context, p *browser.Page) error {
		if p.Recorder != browser.RecorderBrowser {
			unanswered(p, browser.ReasonTLSFailed)
			return nil
		}
		down = errDown
		unanswered(p, browser.ReasonConnectFailed)
		return nil
	}
	r.seed("https://a.test/0")
	plan := r.plan(1)
	out, err := r.crawl(t.Context(), plan.Bundles[0])
	expectCutOff(t, out, err)
}

// TestCutOffFromRobots: that no robots.txt is to be had then is no word of a site either.
func TestCutOffFromRobots(t *testing.T) {
	t.Parallel()
	w := tree(2, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	plan := r.plan(1)
	good := r.crawler.Robots
	r.crawler.Robots = &RobotsCache{Client: &http.Client{Transport: nothing{}}, UserAgent: "test", Token: "test", Now: time.Now}
	looks := 0
	r.crawler.Egress = func(context.Context) error {
		if looks++; looks == 1 { // before the page
			return nil
		}
		return errDown
	}
	out, err := r.crawl(t.Context(), plan.Bundles[0])
	expectCutOff(t, out, err)
	r.crawler.Robots, r.crawler.Egress = good, nil
	end := r.runFrom(workflows.BundleDone{ID: plan.Bundles[0].ID, Results: out.Results})
	if end.Counts.Archived != 2 || len(end.Counts.Failed) != 0 || len(w.loads) != 2 {
		t.Errorf("counts %+v after loads of %d pages", end.Counts, len(w.loads))
	}
}

// nothing answers no request.
type nothing struct{}

func (nothing) RoundTrip(*http.Request) (*http.Response, error) { return nil, errDown }
