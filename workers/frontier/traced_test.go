package frontier

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"crawlfleet.dev/crawlfleet/internal/telemetry/traces"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestPagesAreTraced: each page is a span with its phases below it and with its outcome, and the commit is one; none
// of them says which page it was.
func TestPagesAreTraced(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.test", "b.test", "c.test")
	r := newRig(t, w)
	r.seed("http://a.test/0", "http://b.test/0", "http://c.test/0")
	w.visit = func(_ context.Context, p *browser.Page) error {
		if p.URL == "http://b.test/0" {
			p.Outcome = browser.Outcome{State: browser.Failed, Reason: browser.ReasonTLSFailed, Detail: "http://b.test/0 is not to be trusted"}
		}
		return nil
	}
	got := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(got))
	ctx, root := provider.Tracer("test").Start(t.Context(), "RunActivity:CrawlBundle")
	for _, ref := range r.plan(3).Bundles {
		if _, err := r.crawl(ctx, ref); err != nil {
			t.Fatal(err)
		}
	}
	root.End()
	var pages []string
	below := map[string]string{}
	for _, s := range got.GetSpans() {
		all := fmt.Sprintf("%+v", s)
		if strings.Contains(all, ".test/") || strings.Contains(all, "a.test") {
			t.Errorf("a span tells which page it was: %s", all)
		}
		said := map[string]string{}
		for _, a := range s.Attributes {
			said[string(a.Key)] = a.Value.String()
		}
		switch {
		case s.Name == "Page":
			pages = append(pages, said[string(traces.KeyOutcome)]+" "+said[string(traces.KeyReason)])
			if said[string(traces.KeyRun)] != r.job.Run || said[string(traces.KeyBundle)] == "" || said[string(traces.KeyPage)] == "" {
				t.Errorf("a page tells %v", said)
			}
		case s.Name == "Commit" && (said[string(traces.KeyPages)] == ""):
			t.Errorf("a commit tells %v", said)
		}
		below[s.SpanContext.SpanID().String()] = s.Name
	}
	slices.Sort(pages)
	if want := []string{"Archived ", "Archived ", "Failed TLSFailed"}; !slices.Equal(pages, want) {
		t.Errorf("pages %q, want %q", pages, want)
	}
	names := map[string]string{}
	for _, s := range got.GetSpans() {
		names[s.Name] = below[s.Parent.SpanID().String()]
		if s.SpanContext.TraceID() != root.SpanContext().TraceID() {
			t.Errorf("%s is of another trace", s.Name)
		}
	}
	for name, parent := range map[string]string{"Page": "RunActivity:CrawlBundle", "Commit": "RunActivity:CrawlBundle", "Queued": "Page", "Storing": "Page"} {
		if names[name] != parent {
			t.Errorf("%s hangs on %q, want %q", name, names[name], parent)
		}
	}
}

// TestBrowsersAreToldOf: while there are any.
func TestBrowsersAreToldOf(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	m := NewMetrics(registry)
	if _, some := gather(t, registry)["crawlfleet_tabs"]; some {
		t.Error("there are tabs before there are browsers")
	}
	m.Follow(func() browser.Load {
		return browser.Load{Browsers: 1, Stays: 2, Waiting: 3, Busy: 4, Tabs: 5, Bytes: 6}
	})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		values[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	for name, want := range map[string]float64{
		"crawlfleet_browsers": 1, "crawlfleet_stays": 2, "crawlfleet_stays_waiting": 3, "crawlfleet_tabs_busy": 4, "crawlfleet_tabs": 5, "crawlfleet_browser_resident_bytes": 6,
	} {
		if values[name] != want {
			t.Errorf("%s is %v, want %v", name, values[name], want)
		}
	}
}

// TestWaitsAreMeasured: how long each page waited for its host's pause, and how long a host that had had it waited for
// a worker. That is not known of a host that was never visited, nor of a further attempt, before which somebody was there.
func TestWaitsAreMeasured(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		dies bool
		want float64
	}{
		"Visited": {false, 1},
		"Died":    {true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := tree(1, "a.test")
			r := newRig(t, w)
			r.job.Spec.Politeness.Delay = 50 * time.Millisecond
			registry := prometheus.NewPedanticRegistry()
			r.crawler.Metrics = NewMetrics(registry)
			r.seed("http://a.test/0", "http://a.test/1")
			first := r.plan(1).Bundles
			second := r.planDue(r.persist(first[0])).Bundles
			if len(first) != 1 || len(second) != 1 {
				t.Fatalf("bundles %v and %v", first, second)
			}
			if tc.dies { // before a worker can say so
				r.leases.lease(second[0].ID)
			}
			r.persist(second[0])
			got := gather(t, registry)
			if n := got["crawlfleet_ready_host_wait_seconds"]; n != tc.want {
				t.Errorf("%v hosts are told to have waited for a worker, want %v", n, tc.want)
			}
			if n := got[`crawlfleet_host_wait_seconds{for="Delay"}`]; n != 2 {
				t.Errorf("%v pages are told to have waited for their host, want 2", n)
			}
		})
	}
}

// planDue plans until something is due.
func (r *rig) planDue(done ...workflows.BundleDone) workflows.PlanOutput {
	r.t.Helper()
	for range 100 {
		out := r.plan(1, done...)
		if len(out.Bundles) > 0 || out.Idle {
			return out
		}
		done = nil
		time.Sleep(min(out.DueIn, time.Second))
	}
	r.t.Fatal("nothing is due")
	return workflows.PlanOutput{}
}
