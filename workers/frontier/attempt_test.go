package frontier

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// TestOldAttemptLoadsNothing: one that begins when the bundle belongs to another already, as when
// its task was long on its way, visits no page.
func TestOldAttemptLoadsNothing(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	old := r.leases.lease(ref.ID)
	r.leases.lose(ref.ID)
	out, err := r.crawler.crawl(t.Context(), old, r.input(ref))
	if !errors.Is(err, errLeaseLost) || len(out.Results) != 0 || len(w.loads) != 0 {
		t.Errorf("%+v, %v, loads %v", out, err, w.loads)
	}
}

// TestTroubleKeepsWhatIsCommitted: an attempt that cannot even begin gives back what the one before
// it committed.
func TestTroubleKeepsWhatIsCommitted(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.test")
	r := newRig(t, w)
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	first, err := r.crawl(t.Context(), ref) // Temporal does not hear of its end
	if err != nil || len(first.Results) != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	r.store.Answer = func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
		blobtest.Fail(w, http.StatusServiceUnavailable, "SlowDown")
		return true
	}
	out, err := r.crawl(t.Context(), ref)
	if err != nil || out.Trouble == nil || !slices.Equal(out.Results, first.Results) {
		t.Errorf("%+v, %v; want %v", out, err, first.Results)
	}
	r.store.Answer = nil
	if out, err = r.crawl(t.Context(), ref); err != nil || !slices.Equal(out.Results, first.Results) || w.count("http://a.test/0") != 1 {
		t.Errorf("%+v, %v, loads %v; want %v", out, err, w.loads, first.Results)
	}
}

// TestErrorIsNoDeath: a page that was being loaded when an attempt ended in good order is not taken
// for one that kills workers.
func TestErrorIsNoDeath(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.test")
	w.visit = func(context.Context, *browser.Page) error { return errors.New("made for a test") }
	r := newRig(t, w)
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	for range 2 * poisonDeaths {
		if _, err := r.crawl(t.Context(), ref); err == nil {
			t.Fatal("the attempt did not fail")
		}
		if p := r.leases.last[ref.ID]; len(p.InProgress) != 0 || len(p.Deaths) != 0 {
			t.Errorf("the next attempt hears of %+v", p)
		}
		if p := r.leases.last[ref.ID]; p.Bundle != ref.Key { // by which people find what is being loaded
			t.Errorf("the heartbeat names bundle %q, want %q", p.Bundle, ref.Key)
		}
	}
	w.visit = nil
	if out := r.runFrom(r.persist(ref)); out.Counts.Archived != 1 {
		t.Errorf("counts %+v", out.Counts)
	}
}
