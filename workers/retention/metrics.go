package retention

import (
	"github.com/prometheus/client_golang/prometheus"

	"crawlfleet.dev/crawlfleet/workflows"
)

// Metrics are what a worker counts of retention, see docs/reference/metrics.md. A nil one
// counts nothing.
type Metrics struct {
	looks   *prometheus.CounterVec // by reason
	objects prometheus.Counter
}

// NewMetrics makes the metrics known to a registry.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		looks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crawlfleet_retention_looks_total",
			Help: "Looks at what is left of a run that is over, by what was found.",
		}, []string{"reason"}),
		objects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crawlfleet_erased_objects_total",
			Help: "Objects of archives that were erased, with proof.",
		}),
	}
	for _, reason := range []workflows.Reason{
		workflows.ReasonScreening, workflows.ReasonKept, workflows.ReasonHeld, workflows.ReasonErased,
		workflows.ReasonRetentionDrift, workflows.ReasonErasureBlocked, workflows.ReasonClocksDiffer,
	} {
		m.looks.WithLabelValues(string(reason))
	}
	r.MustRegister(m.looks, m.objects)
	return m
}

func (m *Metrics) looked(reason workflows.Reason) {
	if m != nil {
		m.looks.WithLabelValues(string(reason)).Inc()
	}
}

func (m *Metrics) erased(objects int) {
	if m != nil {
		m.objects.Add(float64(objects))
	}
}
