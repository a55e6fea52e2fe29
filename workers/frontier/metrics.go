package frontier

import (
	"github.com/prometheus/client_golang/prometheus"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// Metrics are what a worker counts, see docs/reference/metrics.md. A nil one counts
// nothing.
type Metrics struct {
	pages      *prometheus.CounterVec   // by outcome and reason
	phases     *prometheus.HistogramVec // by phase
	received   prometheus.Counter
	expected   prometheus.Counter
	missing    prometheus.Counter
	incomplete prometheus.Counter
	refused    prometheus.Counter
	withheld   *prometheus.CounterVec   // by reason
	browsers   *prometheus.CounterVec   // by cause
	waits      *prometheus.HistogramVec // by what was waited for
	ready      prometheus.Histogram
	bundles    prometheus.Histogram
	pool       browserMetrics
}

// NewMetrics makes the metrics known to a registry.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		pages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crawlfleet_pages_total",
			Help: "Outcomes of pages that were committed, one for each visit.",
		}, []string{"outcome", "reason"}),
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "crawlfleet_page_phase_seconds",
			Help:    "Time that a page spent in a phase of its capture.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40, 80},
		}, []string{"phase"}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crawlfleet_page_received_bytes_total",
			Help: "Bytes of response bodies, as they came over the wire.",
		}),
		expected: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crawlfleet_requests_expected_total",
			Help: "Requests that browsers made over the network, by their own account.",
		}),
		missing: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crawlfleet_requests_missing_total",
			Help: "Those of crawlfleet_requests_expected_total that were not recorded: the deficit of completeness.",
		}),
		incomplete: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crawlfleet_pages_incomplete_total",
			Help: "Captured pages of which something is missing that should be there.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crawlfleet_requests_refused_total",
			Help: "Requests of browsers after the last page of a stay, which belonged to no page and were let nowhere.",
		}),
		withheld: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crawlfleet_pictures_withheld_total",
			Help: "Pictures that were dropped before they were written, by reason.",
		}, []string{"reason"}),
		browsers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crawlfleet_browser_replacements_total",
			Help: "Chromes that were replaced, by cause.",
		}, []string{"cause"}),
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "crawlfleet_host_wait_seconds",
			Help:    "Time that a page, or the pages of a host, waited because a site is asked gently.",
			Buckets: patient,
		}, []string{"for"}),
		ready: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "crawlfleet_ready_host_wait_seconds",
			Help:    "Time that a host had had its pause before a worker came to it: too few tabs.",
			Buckets: patient,
		}),
		bundles: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "crawlfleet_bundle_wait_seconds",
			Help:    "Time that a bundle of pages was handed out before a worker took it.",
			Buckets: patient,
		}),
	}
	m.pages.WithLabelValues(outcomes[frontier.Archived], "") // an alert asks whether it rises
	for _, what := range []string{waitDelay, waitTurn} {
		m.waits.WithLabelValues(what)
	}
	for _, cause := range []string{browser.CausePages, browser.CauseMemory, browser.CauseStuck, browser.CauseHung, browser.CauseMaimed, browser.CauseCrashed} {
		m.browsers.WithLabelValues(cause) // so that the first of a kind is seen as a rise from 0
	}
	for _, reason := range []string{browser.ReasonKnownIllegalImage, browser.ReasonImageNotJudged} {
		m.withheld.WithLabelValues(reason)
	}
	r.MustRegister(&m.pool, m.pages, m.phases, m.received, m.expected, m.missing, m.incomplete, m.refused, m.withheld, m.browsers, m.waits, m.ready, m.bundles)
	return m
}

// Replaced counts a Chrome that is replaced.
func (m *Metrics) Replaced(cause string) {
	if m != nil {
		m.browsers.WithLabelValues(cause).Inc()
	}
}

// captured counts a page that was loaded, with each of its captures.
func (m *Metrics) captured(captures []*browser.Page, track *browser.Tracker) {
	if m == nil {
		return
	}
	for phase, d := range track.Spent() {
		m.phases.WithLabelValues(string(phase)).Observe(d.Seconds())
	}
	for _, p := range captures {
		m.received.Add(float64(p.Bytes))
		m.expected.Add(float64(p.Completeness.Expected))
		m.missing.Add(float64(max(p.Completeness.Expected-p.Completeness.Matched, 0)))
		for i := range p.Exchanges {
			if e := &p.Exchanges[i]; e.Withheld() {
				m.withheld.WithLabelValues(e.Failure).Inc()
			}
		}
	}
	if incomplete(captures...) {
		m.incomplete.Inc()
	}
}

// Refused counts requests that belonged to no page.
func (m *Metrics) Refused(n int) {
	if m != nil {
		m.refused.Add(float64(n))
	}
}

// outcomes are the names of outcomes in metrics.
var outcomes = map[frontier.Status]string{frontier.Archived: "Archived", frontier.Failed: "Failed", frontier.Skipped: "Skipped"}

// committed counts outcomes that are certain now.
func (m *Metrics) committed(list []frontier.Outcome) {
	if m == nil {
		return
	}
	for _, o := range list {
		m.pages.WithLabelValues(outcomes[o.Status], o.Reason).Inc()
	}
}
