package notary

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"crawlfleet.dev/crawlfleet/internal/evidence"
)

// Metrics are what a worker counts of what it vouches for, see docs/reference/metrics.md. A nil
// one counts nothing.
type Metrics struct {
	stamps   *prometheus.CounterVec // by outcome
	failures *prometheus.CounterVec // of signing, by reason
	custody  prometheus.Counter
}

// What became of a time stamp that a sidecar is to have.
const (
	outcomeStamped = "Stamped" // it came at once
	outcomeOwed    = "Owed"    // it did not
	outcomeFetched = "Fetched" // it was owed, and came later
	outcomeAwaited = "Awaited" // it was owed, and did not come when it was asked for again
)

// Why something could not be signed.
const (
	reasonKeyUnusable = "KeyUnusable" // the key cannot be read or used, or its certificate does not fit
	reasonNoTimeStamp = "NoTimeStamp" // the time stamp of a domain's signature could not be had
)

// NewMetrics makes the metrics known to a registry.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		stamps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crawlfleet_time_stamps_total",
			Help: "Time stamps of sidecars, by whether they came at once, are owed, or were fetched or not when they were asked for again.",
		}, []string{"outcome"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crawlfleet_signing_failures_total",
			Help: "Signatures that could not be made, by reason.",
		}, []string{"reason"}),
		custody: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crawlfleet_custody_failures_total",
			Help: "Times that the custody log could not be told of something.",
		}),
	}
	for _, outcome := range []string{outcomeStamped, outcomeOwed, outcomeFetched, outcomeAwaited} {
		m.stamps.WithLabelValues(outcome) // so that the first of a kind is seen as a rise from 0
	}
	for _, reason := range []string{reasonKeyUnusable, reasonNoTimeStamp} {
		m.failures.WithLabelValues(reason)
	}
	r.MustRegister(m.stamps, m.failures, m.custody)
	return m
}

// made counts the time stamps of a sidecar that is new.
func (m *Metrics) made(stamped, owed int) {
	if m != nil {
		m.stamps.WithLabelValues(outcomeStamped).Add(float64(stamped))
		m.stamps.WithLabelValues(outcomeOwed).Add(float64(owed))
	}
}

// asked counts time stamps that were owed and asked for again.
func (m *Metrics) asked(fetched, owed int) {
	if m != nil {
		m.stamps.WithLabelValues(outcomeFetched).Add(float64(fetched))
		m.stamps.WithLabelValues(outcomeAwaited).Add(float64(owed))
	}
}

// signed counts a signature that could not be made.
func (m *Metrics) signed(err error) {
	switch {
	case m == nil || err == nil:
	case errors.Is(err, evidence.ErrNoStamp):
		m.failures.WithLabelValues(reasonNoTimeStamp).Inc()
	default:
		m.failures.WithLabelValues(reasonKeyUnusable).Inc()
	}
}

// unlogged counts that the custody log could not be told. A worker that stops is no reason.
func (m *Metrics) unlogged(err error) {
	if m != nil && !errors.Is(err, context.Canceled) {
		m.custody.Inc()
	}
}
