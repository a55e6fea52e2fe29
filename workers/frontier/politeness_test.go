package frontier

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestNextAttemptWaits: when an attempt died nobody knows until when it was at a host, so the
// next one begins with the host's whole pause. What it loads then the server knows before.
func TestNextAttemptWaits(t *testing.T) {
	t.Parallel()
	const delay = 400 * time.Millisecond
	w := tree(1, "a.test")
	w.visit = func(context.Context, *browser.Page) error { return errKilled }
	r := newRig(t, w)
	r.job.Spec.Politeness.Delay = delay
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	if _, err := r.untilKilled(ref, isKilled); err == nil {
		t.Fatal("the first attempt did not die")
	}
	w.visit = func(context.Context, *browser.Page) error {
		r.leases.mu.Lock()
		defer r.leases.mu.Unlock()
		if p := r.leases.last[ref.ID].InProgress; !slices.Equal(p, []int{0}) {
			t.Errorf("the server knows that pages %v are being loaded", p)
		}
		return nil
	}
	if out, err := r.crawl(t.Context(), ref); err != nil || len(out.Results) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	if len(w.pauses) != 1 || w.pauses[0] < delay-10*time.Millisecond {
		t.Errorf("pauses %v, want one of %s", w.pauses, delay)
	}
}

// TestClaimOutlastsThePause: other runs find a host claimed until it has had its pause, also
// after a page load that was cut off.
func TestClaimOutlastsThePause(t *testing.T) {
	t.Parallel()
	const delay = time.Second
	for name, fate := range map[string]error{"Ended": nil, "CutOff": errKilled} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := tree(1, "a.test")
			w.visit = func(context.Context, *browser.Page) error { return fate }
			r := newRig(t, w)
			r.job.Spec.Politeness.Delay = delay
			r.seed("http://a.test/0")
			if _, err := r.untilKilled(r.plan(1).Bundles[0], isKilled); (err == nil) != (fate == nil) {
				t.Fatal(err)
			}
			if claims := r.store.Keys("/frontier/" + claimsPrefix); len(claims) != 1 {
				t.Errorf("claims during the pause: %v", claims)
			}
			r.crawler.Wait(time.Minute)
			if pause := time.Since(w.ended["a.test"]); pause < delay-10*time.Millisecond {
				t.Errorf("the host was given back after %s", pause)
			}
			if claims := r.store.Keys("/frontier/" + claimsPrefix); len(claims) != 0 {
				t.Errorf("claims after it: %v", claims)
			}
		})
	}
}

// roundTrip implements http.RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRobotsThatAreCutOff: when the attempt ends while it waits for a robots.txt, the page has no
// outcome, and is not loaded.
func TestRobotsThatAreCutOff(t *testing.T) {
	t.Parallel()
	w := &web{}
	r := newRig(t, w)
	ctx, cut := context.WithCancel(t.Context())
	r.crawler.Robots = &RobotsCache{UserAgent: "test", Token: "test", Now: time.Now, Client: &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
		cut()
		<-req.Context().Done()
		return nil, req.Context().Err()
	})}}
	b := &bundleRun{Crawler: r.crawler, in: workflows.BundleInput{Job: r.job}, lease: newLease(r.leases, nil, workflows.BundleProgress{}, slog.New(slog.DiscardHandler), func(error) {})}
	b.committer = committer{run: b}
	v := &hostVisit{bundleRun: b}
	if err := v.visit(ctx, frontier.BundlePage{URL: "http://a.test/"}, 0); err != nil || len(b.outcomes) != 0 || len(w.loads) != 0 {
		t.Errorf("%v, outcomes %+v, loads %v", err, b.outcomes, w.loads)
	}
	// Nor is what was not heard remembered.
	r.crawler.Robots.Client = &http.Client{Transport: w}
	if _, failure := r.crawler.Robots.Rules(t.Context(), "http://a.test/"); failure != nil {
		t.Errorf("the next attempt hears %+v", failure)
	}
}
