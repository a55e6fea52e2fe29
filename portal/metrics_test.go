package portal

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/follow"
	"crawlfleet.dev/crawlfleet/portal/verdict"
)

// gather reads a registry: counters and gauges by their value, histograms by their count.
func gather(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "crawlfleet_portal_")
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			switch {
			case m.GetHistogram() != nil:
				out[name] = float64(m.GetHistogram().GetSampleCount())
			case m.GetGauge() != nil:
				out[name] = m.GetGauge().GetValue()
			default:
				out[name] = m.GetCounter().GetValue()
			}
		}
	}
	return out
}

// wantCounts checks some of the counts.
func wantCounts(t *testing.T, registry *prometheus.Registry, want map[string]float64) {
	t.Helper()
	got := gather(t, registry)
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s is %v, want %v", name, got[name], n)
		}
	}
	if t.Failed() {
		for name, n := range got {
			if n > 0 {
				t.Logf("%s %v", name, n)
			}
		}
	}
}

// measured has a portal count, in a registry of its own.
func (f *fixture) measured() *prometheus.Registry {
	r := prometheus.NewRegistry()
	m := NewMetrics(r)
	f.server.Metrics, f.server.Catalog = m, m.Timed(f.known)
	f.server.Judge.(*verdict.Judge).Observe = m.Verified
	return r
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.catch(t)
	registry := f.measured()
	f.gated(t, allowing("get snapshots.crawlfleet.dev default"), access.Policy{AskPurpose: access.AskCopy})
	log := &logbook{}
	f.server.Gate.Custody = &access.Custody{Log: log, Chunks: f.bucket, Observe: f.server.Metrics.Told, Now: func() time.Time { return noon }}
	page := "/snapshots/" + string(idOf("c0", "Bikes"))
	ann := []string{"Authorization", "Bearer ann", "Accept", "application/json"}
	for path, n := range map[string]int{page + "/replay/link": 2, page + "/verify": 2, "/": 1, page + "/nowhere": 1, "/cdx?url=https://www.example.org/secret": 1} {
		for range n {
			f.get(path, ann...)
		}
	}
	f.get(page+"/wacz", ann...) // the right is missing
	f.get(page)                 // nobody
	f.do(http.MethodPost, page, ann...)
	f.get(page, "Host", "rebound.example")
	log.trouble = errors.New("the store is full")
	f.get("/snapshots/"+string(idOf("c0", "Start")), ann...)
	wantCounts(t, registry, map[string]float64{
		"requests_total 2xx GET /snapshots/{id}/replay/link": 2, "request_seconds GET /snapshots/{id}/replay/link": 2, "replay_links_total": 2,
		"requests_total 2xx GET /snapshots/{id}/verify": 2, "verifications_total fails": 1, "verifications_total holds": 0,
		"requests_total 4xx GET /": 1, "requests_total 4xx index": 1, "requests_total 4xx none": 2,
		"requests_total 4xx GET /snapshots/{id}": 1, "requests_total 5xx GET /snapshots/{id}": 1, "requests_total 4xx GET /snapshots/{id}/wacz": 1,
		"refusals_total NotLoggedIn": 1, "refusals_total NotAllowed": 3, "refusals_total CustodyUnavailable": 1,
		"custody_entries_total Read": 1, "custody_failures_total": 1,
	})
	f.gated(t, allowing("list snapshots.crawlfleet.dev default"), access.Policy{})
	f.get("/?q=bikes", ann...)
	wantCounts(t, registry, map[string]float64{"search_seconds": 1, "requests_total 2xx GET /{$}": 1})
	for name := range gather(t, registry) {
		for _, word := range []string{"example", "secret", string(idOf("c0", "Bikes")), "ann"} {
			if slices.Contains(strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(" /?=.", r) }), word) {
				t.Errorf("%q names what somebody asked for", name)
			}
		}
	}
}

// TestErrorsBeginAtZero: the first time that a route cannot answer is a rise, which the alert CrawlfleetPortalErrors asks
// for.
func TestErrorsBeginAtZero(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	registry := f.measured()
	f.gated(t, allowing(""), access.Policy{})
	got := gather(t, registry)
	for _, r := range append(handlers{Server: f.server}.routes(), route{Pattern: routeIndex}, route{Pattern: routeContent}) {
		if n, ok := got["requests_total 5xx "+r.Pattern]; !ok || n != 0 {
			t.Errorf("the errors of %q are %v from the beginning, told: %t", r.Pattern, n, ok)
		}
	}
}

// TestRefusedReplaysAreCounted: a replay that shows nothing because nobody can be told of it is a refusal, also where the
// log was not even asked, as the SHA-256 of the file is not to be had. Who went away is none.
func TestRefusedReplaysAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry)
	c := &access.Custody{Log: &logbook{}, Chunks: f.bucket}
	look := m.Looks(func(ctx context.Context, p access.Person, chunk blob.Key) error {
		return c.Read(ctx, p, access.Snapshot{Chunk: chunk})
	})
	f.store.Answer = func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
		blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
		return true
	}
	if err := look(t.Context(), access.Person{Name: "ann"}, "default/ads/u/chunks/c0.wacz"); err == nil {
		t.Error("it is shown")
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := look(gone, access.Person{Name: "ann"}, "default/ads/u/chunks/c1.wacz"); err == nil {
		t.Error("it is shown to who went away")
	}
	wantCounts(t, registry, map[string]float64{"refusals_total CustodyUnavailable": 1, "custody_failures_total": 0})
}

func TestExportsAreCounted(t *testing.T) {
	t.Parallel()
	f := newSigned(t)
	registry := f.measured()
	f.rewire(t)
	const one = "/cases/default/c-17"
	form := url.Values{"to": {"police-3"}}
	want(t, "a file", 200, f.as(exporter, one+"/selection.wacz", form))
	want(t, "to nobody", 422, f.as(exporter, one+"/selection.wacz", url.Values{}))
	want(t, "a dossier", 200, f.as(exporter, "/api/v1"+one+"/dossier.zip?to=police-3", nil, "Accept", "application/json"))
	f.server.Gate.Custody.Log = &logbook{trouble: errors.New("the store is full")}
	want(t, "in secret", 503, f.as(exporter, one+"/selection.wacz", form))
	wantCounts(t, registry, map[string]float64{
		"exports_total Selection Whole": 1, "exports_total Dossier Whole": 1, "exports_total Selection BrokenOff": 0, "refusals_total CustodyUnavailable": 1,
	})
	f.server.Metrics.exported(kindDossier, errors.New("half of it"))
	wantCounts(t, registry, map[string]float64{"exports_total Dossier BrokenOff": 1})
}

// TestCountedAnswers: an answer that nobody got whole is no success.
func TestCountedAnswers(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry)
	mux := http.NewServeMux()
	for path, serve := range map[string]http.HandlerFunc{
		"/silent": func(http.ResponseWriter, *http.Request) {},
		"/early": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusFound)
			w.WriteHeader(http.StatusOK)
		},
		"/written": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("."))
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		},
		"/broken": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("half"))
			panic(http.ErrAbortHandler)
		},
	} {
		mux.HandleFunc(path, serve)
	}
	handler := m.Count(mux)
	ask := func(ctx context.Context, path string) {
		defer func() { _ = recover() }()
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
	}
	for _, path := range []string{"/silent", "/early", "/written", "/broken", "/none"} {
		ask(t.Context(), path)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	ask(gone, "/silent")
	wantCounts(t, registry, map[string]float64{
		"requests_total 2xx /silent": 1, "requests_total Aborted /silent": 1, "requests_total 3xx /early": 1, "requests_total 2xx /written": 1,
		"requests_total Aborted /broken": 1, "requests_total 4xx none": 1,
	})
	m.Told(custody.Read, 1, context.Canceled)
	wantCounts(t, registry, map[string]float64{"custody_failures_total": 0})
	var none *Metrics
	none.Count(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/silent", nil))
}

// asOf is a follower that is so far.
type asOf struct{ is follow.Progress }

func (a asOf) Progress() follow.Progress { return a.is }

func (asOf) Problems() []follow.Problem { return nil }

func TestCatalogMetrics(t *testing.T) {
	t.Parallel()
	before := func(d time.Duration) time.Time { return noon.Add(-d) }
	for name, tc := range map[string]struct {
		is   follow.Progress
		want map[string]float64
	}{
		"begun":   {follow.Progress{}, map[string]float64{"catalog_listed_age_seconds": 3600, "catalog_failing_seconds": 0, "catalog_chunks": 0}},
		"in step": {follow.Progress{Known: 7, Problems: 1, Newest: before(time.Minute), Listed: before(time.Second)}, map[string]float64{"catalog_chunks": 7, "catalog_problems": 1, "catalog_waiting_chunks": 0, "catalog_newest_age_seconds": 60, "catalog_listed_age_seconds": 1}},
		"behind":  {follow.Progress{Waiting: 9, Error: "no", Since: before(time.Minute), Listed: before(time.Hour)}, map[string]float64{"catalog_waiting_chunks": 9, "catalog_failing_seconds": 60, "catalog_listed_age_seconds": 3600}},
		"a clock": {follow.Progress{Known: 1, Newest: noon.Add(time.Hour), Listed: noon}, map[string]float64{"catalog_newest_age_seconds": 0}},
	} {
		registry := prometheus.NewRegistry()
		registry.MustRegister(CatalogMetrics{Follow: asOf{tc.is}, Began: before(time.Hour), Now: func() time.Time { return noon }})
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantCounts(t, registry, tc.want)
			if _, has := gather(t, registry)["catalog_newest_age_seconds"]; has == tc.is.Newest.IsZero() {
				t.Error("the age of the newest of none is told")
			}
		})
	}
}
