package frontier

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestLargePagesHaveChunksOfTheirOwn: a chunk is stored in one request, so what would be
// too large for that is divided between pages, and the books balance.
func TestLargePagesHaveChunksOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := tree(5, "a.test", "b.test")
	r := newRig(t, w)
	r.seed("http://a.test/0", "http://b.test/0")
	w.visit = func(_ context.Context, p *browser.Page) error {
		if strings.HasSuffix(p.URL, "/3") || strings.HasSuffix(p.URL, "/4") {
			p.Bytes = maxChunk // as it says; the records are small
		}
		return nil
	}
	out := r.run(1)
	sealed := r.seal()
	if out.Counts.Archived != 10 || !sealed.Balanced || sealed.Counts.Archived != 10 {
		t.Errorf("counts %+v, sealed %+v, want 10 archived", out.Counts, sealed)
	}
	if n := len(r.store.Keys("/archive/ns/name/uid/chunks/")); n < 5 || int64(n) != sealed.Counts.Chunks {
		t.Errorf("%d chunks are stored and %d are booked, want one before each of the four large pages", n, sealed.Counts.Chunks)
	}
	if n := w.repeated(); n != 0 {
		t.Errorf("%d pages were loaded again", n)
	}
}

// TestOrderReachesTheBrowser: what a job says about limits and certificates is what pages
// are visited with; a run of an older version has limits too.
func TestOrderReachesTheBrowser(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		capture    workflows.Capture
		body, page int64
		accept     bool
	}{
		"Given": {workflows.Capture{BodyBytes: 17, PageBytes: 21, BadCertificates: workflows.BadCertificatesRecord}, 17, 21, true},
		"Older": {workflows.Capture{}, maxPage, maxPage, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := tree(1, "a.test")
			r := newRig(t, w)
			r.job.Spec.Capture = tc.capture
			r.seed("http://a.test/0")
			r.run(1)
			if v := w.visits[0]; v.MaxBody != tc.body || v.MaxBytes != tc.page || v.Track == nil {
				t.Errorf("visited with limits of %d and %d", v.MaxBody, v.MaxBytes)
			}
			if w.stays[0].AcceptBadCertificates != tc.accept {
				t.Errorf("bad certificates are taken: %v", w.stays[0].AcceptBadCertificates)
			}
		})
	}
}

// TestIncompleteIsCounted: in the books, in the closing statement and in the metrics, each
// of which is documented.
func TestIncompleteIsCounted(t *testing.T) {
	t.Parallel()
	w := tree(4, "a.test")
	r := newRig(t, w)
	registry := prometheus.NewPedanticRegistry()
	r.crawler.Metrics = NewMetrics(registry)
	r.crawler.Metrics.Replaced(browser.CauseStuck)
	r.seed("http://a.test/0")
	w.visit = func(_ context.Context, p *browser.Page) error {
		p.Completeness = browser.Completeness{Expected: 10, Matched: 10, Ratio: 1}
		switch p.URL {
		case "http://a.test/1":
			p.Completeness = browser.Completeness{Expected: 10, Matched: 7, Ratio: .7}
		case "http://a.test/2":
			p.Limits = []browser.Limit{{Name: browser.LimitBody, Detail: "one was cut off"}}
		case "http://a.test/3":
			p.Outcome = browser.Outcome{State: browser.Failed, Reason: browser.ReasonTLSFailed}
		}
		return nil
	}
	out := r.run(1)
	sealed := r.seal()
	if out.Counts.Archived != 3 || out.Counts.Incomplete != 2 || !sealed.Balanced || sealed.Counts.Incomplete != 2 {
		t.Errorf("counts %+v, sealed %+v, want 3 archived and 2 of them incomplete", out.Counts, sealed.Counts)
	}
	got := gather(t, registry)
	for name, want := range map[string]float64{
		"crawlfleet_pages_incomplete_total":                           2,
		"crawlfleet_requests_expected_total":                          40,
		"crawlfleet_requests_missing_total":                           3,
		`crawlfleet_pages_total{outcome="Archived",reason=""}`:        3,
		`crawlfleet_browser_replacements_total{cause="Stuck"}`:        1,
		`crawlfleet_browser_replacements_total{cause="Crashed"}`:      0,
		`crawlfleet_page_phase_seconds{phase="Storing"}`:              4,
		`crawlfleet_pages_total{outcome="Failed",reason="TLSFailed"}`: 1,
	} {
		if n, ok := got[name]; !ok || n != want {
			t.Errorf("%s is %v, want %v", name, n, want)
		}
	}
	docs, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range got {
		name, _, _ = strings.Cut(name, "{")
		if !strings.Contains(string(docs), "`"+name+"`") {
			t.Errorf("docs/reference/metrics.md does not explain %s", name)
		}
	}
}

// gather reads a registry: counters by their value, histograms by their count.
func gather(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+`="`+l.GetValue()+`"`)
			}
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			if h := m.GetHistogram(); h != nil {
				out[name] = float64(h.GetSampleCount())
				continue
			}
			out[name] = m.GetCounter().GetValue()
		}
	}
	return out
}

// TestLimitWaitsForBundles: once a limit is reached no further page is handed out, and what is
// queued is given up only when no bundle is open: one of its pages may come to nothing.
func TestLimitWaitsForBundles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		limits workflows.Limits
		want   workflows.Reason
	}{
		"Pages": {workflows.Limits{Pages: 2}, "PageLimit"},
		"Bytes": {workflows.Limits{Bytes: 1}, "ByteLimit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tree(3, "a.test", "b.test"))
			r.job.Spec.Limits = tc.limits
			r.seed("http://a.test/0", "http://b.test/0")
			refs := r.plan(2).Bundles
			if len(refs) != 2 {
				t.Fatalf("bundles %+v", refs)
			}
			out := r.plan(2, r.persist(refs[0]))
			if len(out.Bundles) != 0 || out.Limit != "" || out.Counts.Queued != 2 || out.Counts.Leased != 1 {
				t.Errorf("while a bundle is open: %+v", out)
			}
			out = r.plan(2, r.persist(refs[1]))
			if len(out.Bundles) != 0 || out.Limit != tc.want || !out.Idle || out.Counts.Skipped[tc.want] != 4 {
				t.Errorf("in the end: %+v", out)
			}
		})
	}
}
