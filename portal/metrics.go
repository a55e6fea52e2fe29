package portal

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

// Metrics are what a portal counts, see docs/reference/metrics.md. A nil one counts nothing. Their
// labels are words of this program: none comes from a request, from a person or from the archive.
type Metrics struct {
	requests      *prometheus.CounterVec   // by route and code
	durations     *prometheus.HistogramVec // by route
	searches      prometheus.Histogram
	refusals      *prometheus.CounterVec // by reason
	entries       *prometheus.CounterVec // of the custody log, by event
	unlogged      prometheus.Counter
	links         prometheus.Counter
	exports       *prometheus.CounterVec // by kind and outcome
	verifications *prometheus.CounterVec // by verdict
}

// What is handed over, and whether it was whole.
const (
	kindSelection = "Selection"
	kindDossier   = "Dossier"
	outcomeWhole  = "Whole"
	outcomeBroken = "BrokenOff"
)

// verdictError is the verdict of a verification that trouble kept from its end.
const verdictError = "error"

// codeAborted is the code of an answer that was broken off, or that nobody waited for.
const codeAborted = "Aborted"

// noRoute is the route of what was refused before one was found.
const noRoute = "none"

// The buckets of how long answers take, in seconds: pages are there at once, files take their time.
var (
	answerBuckets = []float64{.005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 120}
	searchBuckets = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
)

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// NewMetrics makes the metrics known to a registry.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: counters("crawlfleet_portal_requests_total", "Requests, by the pattern of their route and the class of the answer's status.", "route", "code"),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "crawlfleet_portal_request_seconds", Help: "Time until an answer was sent whole, by the pattern of its route.", Buckets: answerBuckets,
		}, []string{"route"}),
		searches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "crawlfleet_portal_search_seconds", Help: "Time that the catalog took for a search.", Buckets: searchBuckets,
		}),
		refusals:      counters("crawlfleet_portal_refusals_total", "Requests of people and programs that were not let through, by reason.", "reason"),
		entries:       counters("crawlfleet_portal_custody_entries_total", "Entries that the custody log was told, by event.", "event"),
		unlogged:      prometheus.NewCounter(prometheus.CounterOpts{Name: "crawlfleet_portal_custody_failures_total", Help: "Times that the custody log could not be told of something, so that it was not shown."}),
		links:         prometheus.NewCounter(prometheus.CounterOpts{Name: "crawlfleet_portal_replay_links_total", Help: "Addresses of replays that were handed out, renewed ones as well."}),
		exports:       counters("crawlfleet_portal_exports_total", "Files that cases were handed over as, by kind and whether they were whole.", "kind", "outcome"),
		verifications: counters("crawlfleet_portal_verifications_total", "Files that were verified, by verdict. One that is known from before is not verified again.", "verdict"),
	}
	m.begin()
	r.MustRegister(m.requests, m.durations, m.searches, m.refusals, m.entries, m.unlogged, m.links, m.exports, m.verifications)
	return m
}

// begin sets all words to 0, so that the first of a kind is seen as a rise.
func (m *Metrics) begin() {
	for _, reason := range access.Reasons() {
		m.refusals.WithLabelValues(reason)
	}
	for _, event := range []custody.Event{custody.Read, custody.Copied, custody.Exported, custody.TiedToCase} {
		m.entries.WithLabelValues(string(event))
	}
	for _, kind := range []string{kindSelection, kindDossier} {
		m.exports.WithLabelValues(kind, outcomeWhole)
		m.exports.WithLabelValues(kind, outcomeBroken)
	}
	for _, verdict := range []string{string(verify.Holds), string(verify.Fails), string(verify.Unchecked), verdictError} {
		m.verifications.WithLabelValues(verdict)
	}
}

// routed sets to 0 how often routes could not answer, so that the first time is seen as a rise.
func (m *Metrics) routed(routes []route) {
	if m == nil {
		return
	}
	for _, pattern := range []string{routeIndex, routeContent, noRoute} {
		m.requests.WithLabelValues(pattern, "5xx")
	}
	for _, r := range routes {
		m.requests.WithLabelValues(r.Pattern, "5xx")
	}
}

// Count counts what a handler is asked, by the pattern of the [http.ServeMux] that it leads to.
func (m *Metrics) Count(next http.Handler) http.Handler {
	if m == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, a, whole := time.Now(), &answer{ResponseWriter: w}, false
		defer func() {
			route := r.Pattern // which a mux has written down meanwhile
			if route == "" {
				route = noRoute
			}
			m.requests.WithLabelValues(route, a.code(r, whole)).Inc()
			m.durations.WithLabelValues(route).Observe(time.Since(began).Seconds())
		}()
		next.ServeHTTP(a, r)
		whole = true
	})
}

// answer remembers the status of an answer.
type answer struct {
	http.ResponseWriter
	status int // 0 before there is one
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// code is the class of an answer, such as 2xx.
func (a *answer) code(r *http.Request, whole bool) string {
	switch {
	case !whole, r.Context().Err() != nil:
		return codeAborted
	case a.status == 0:
		return "2xx" // without a body, as net/http completes it
	}
	return strconv.Itoa(a.status/100) + "xx"
}

// Timed is a Finder whose searches are timed.
func (m *Metrics) Timed(f Finder) Finder { return timed{f, m} }

type timed struct {
	Finder
	m *Metrics
}

// Search implements Finder.
func (t timed) Search(ctx context.Context, q catalog.Query) (catalog.Result, error) {
	began := time.Now()
	defer func() { t.m.searches.Observe(time.Since(began).Seconds()) }()
	return t.Finder.Search(ctx, q)
}

// Told counts what the custody log was told, or could not be; it is for [access.Custody]. A visitor who
// goes meanwhile is no fault.
func (m *Metrics) Told(event custody.Event, entries int, err error) {
	switch {
	case err == nil:
		m.entries.WithLabelValues(string(event)).Add(float64(entries))
	case !errors.Is(err, context.Canceled):
		m.unlogged.Inc()
	}
}

// Verified counts a verification; it is for verdict.Judge.
func (m *Metrics) Verified(v verify.Verdict, err error) {
	if err != nil {
		v = verdictError
	}
	m.verifications.WithLabelValues(string(v)).Inc()
}

// Looks counts the looks of replays that were refused: they are asked for on another origin than the portal's, and
// answered there. It is for [replay.Options].
func (m *Metrics) Looks(look func(context.Context, access.Person, blob.Key) error) func(context.Context, access.Person, blob.Key) error {
	return func(ctx context.Context, p access.Person, chunk blob.Key) error {
		err := look(ctx, p, chunk)
		m.refused(err)
		return err
	}
}

// refused counts an error that somebody was not let through by. A visitor who goes meanwhile is no fault.
func (m *Metrics) refused(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	var refused *access.Problem
	if hidden := (*access.HiddenError)(nil); errors.As(err, &hidden) {
		refused = hidden.Refused
	}
	if m != nil && (refused != nil || errors.As(err, &refused)) {
		m.refusals.WithLabelValues(refused.Reason).Inc()
	}
}

// linked counts an address of a replay.
func (m *Metrics) linked() {
	if m != nil {
		m.links.Inc()
	}
}

// exported counts a file that a case was handed over as, of which something was sent.
func (m *Metrics) exported(kind string, err error) {
	if m == nil {
		return
	}
	outcome := outcomeWhole
	if err != nil {
		outcome = outcomeBroken
	}
	m.exports.WithLabelValues(kind, outcome).Inc()
}
