package frontier

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// TestLossesOfBothCapturesAreCounted: of a page that was captured twice, what is missing of
// either capture is counted, whichever of the two counts as the page; the page counts once.
func TestLossesOfBothCapturesAreCounted(t *testing.T) {
	t.Parallel()
	loses := func(p *browser.Page, n int) { p.Completeness = browser.Completeness{Expected: 10, Matched: 10 - n} }
	tests := map[string]struct {
		reason     string
		wire, own  int // what each loses
		ownFails   bool
		incomplete int64
	}{
		"None":   {reason: "Neither lost anything."},
		"First":  {reason: "The one that does not count did.", wire: 2, incomplete: 1},
		"Second": {reason: "The one that counts did.", own: 3, incomplete: 1},
		"Both":   {reason: "Both did.", wire: 2, own: 3, incomplete: 1},
		"Failed": {reason: "The second one failed, and the first lost something.", wire: 2, own: 3, ownFails: true, incomplete: 1},
		"Whole":  {reason: "A capture that failed is not one that is incomplete.", own: 3, ownFails: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &web{links: map[string][]string{}}
			w.visit = func(_ context.Context, p *browser.Page) error {
				switch {
				case p.Recorder != browser.RecorderBrowser:
					answered(p, 403, "HTTP/1.1 403 Forbidden")
					loses(p, tc.wire)
				case tc.ownFails:
					unanswered(p, browser.ReasonPageTimeout)
					loses(p, tc.own)
				default:
					answered(p, 200, "HTTP/1.1 200 OK")
					loses(p, tc.own)
				}
				return nil
			}
			r := newRig(t, w)
			registry := prometheus.NewPedanticRegistry()
			r.crawler.Metrics = NewMetrics(registry)
			r.seed("https://a.test/0")
			out := r.run(1)
			sealed := r.seal()
			if out.Counts.Archived != 1 || out.Counts.Incomplete != tc.incomplete || !sealed.Balanced || sealed.Counts.Incomplete != tc.incomplete {
				t.Errorf("%s: counts %+v, sealed %+v, want %d incomplete", tc.reason, out.Counts, sealed, tc.incomplete)
			}
			got := gather(t, registry)
			for metric, want := range map[string]float64{
				"crawlfleet_requests_expected_total": 20,
				"crawlfleet_requests_missing_total":  float64(tc.wire + tc.own),
				"crawlfleet_pages_incomplete_total":  float64(tc.incomplete),
			} {
				if got[metric] != want {
					t.Errorf("%s: %s is %v, want %v", tc.reason, metric, got[metric], want)
				}
			}
		})
	}
}

// TestIncompleteIsRecounted: the closing statement compares the number with what the chunks
// hold, but for those of a program that did not count.
func TestIncompleteIsRecounted(t *testing.T) {
	t.Parallel()
	w := tree(4, "a.test")
	w.visit = func(_ context.Context, p *browser.Page) error {
		p.Completeness = browser.Completeness{Expected: 10, Matched: 9}
		return nil
	}
	r := newRig(t, w)
	r.seed("http://a.test/0")
	if out := r.run(1); out.Counts.Incomplete != 4 {
		t.Fatalf("counts %+v", out.Counts)
	}
	s, err := r.planner.open(t.Context(), r.planner.Store.Bucket("frontier"), r.job, 0, r.seq)
	if err != nil {
		t.Fatal(err)
	}
	problems := func(change func(*Statement)) string {
		t.Helper()
		st := Statement{Counts: countsOf(s.state.Counts()), Chunks: append([]frontier.Chunk(nil), s.state.Chunks()...)}
		change(&st)
		list, err := activityOf(r, func(ctx context.Context, st Statement) ([]string, error) {
			return recountChunks(ctx, r.planner.Store.Bucket("archive"), &st)
		}, st)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(list, "; ")
	}
	if got := problems(func(*Statement) {}); got != "" {
		t.Errorf("the books do not balance: %s", got)
	}
	if got := problems(func(st *Statement) { st.Counts.Incomplete-- }); got != "3 archived pages are incomplete, the stored chunks hold 4" {
		t.Errorf("one less: %q", got)
	}
	if got := problems(func(st *Statement) { st.Counts.Incomplete--; st.Chunks[0].Incomplete = nil }); got != "" {
		t.Errorf("a chunk of an earlier program: %q", got)
	}
}
