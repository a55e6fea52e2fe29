package frontier

import (
	"context"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// TestShortRestIsWaitedFor: a host that asked another run for a few seconds is visited after them.
func TestShortRestIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	until := time.Now().Add(time.Second)
	if err := remember(t.Context(), r.planner.Store.Bucket("frontier"), []frontier.HostRest{{Key: "a.test", Until: until}}); err != nil {
		t.Fatal(err)
	}
	w.visit = func(context.Context, *browser.Page) error {
		if early := time.Until(until); early > 0 {
			t.Errorf("it was visited %s early", early)
		}
		return nil
	}
	if out, err := r.crawl(t.Context(), ref); err != nil || len(out.Results) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
}

// TestHostOfAnotherRun: when another run gives a host back, nobody but that one knows when it
// was there last.
func TestHostOfAnotherRun(t *testing.T) {
	t.Parallel()
	const delay = lookEvery + time.Second // longer than it may take to notice
	w := tree(1, "a.test")
	r := newRig(t, w)
	r.job.Spec.Politeness.Delay = delay
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	bucket := r.planner.Store.Bucket("frontier")
	other := claimKey{run: "other", bundle: "b1-0", attempt: 1, nonce: "n", lasts: time.Hour, hosts: []string{hostTag("a.test")}}
	if err := put(t.Context(), bucket, other.String(), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	given := make(chan time.Time, 1)
	time.AfterFunc(sameTime+2*time.Second, func() { // when the claims can be told apart
		r.store.Remove("/frontier/" + other.String())
		given <- time.Now()
	})
	w.visit = func(context.Context, *browser.Page) error {
		select {
		case at := <-given:
			if pause := time.Since(at); pause < delay {
				t.Errorf("it was visited %s after the other run", pause)
			}
		default:
			t.Error("it was visited beside the other run")
		}
		return nil
	}
	if out, err := r.crawl(t.Context(), ref); err != nil || len(out.Results) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
}
