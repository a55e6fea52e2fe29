package scale

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics show what the pools have and why. nil shows nothing.
type Metrics struct {
	desired, replicas, ready, reason *prometheus.GaugeVec
	demand                           *prometheus.GaugeVec
	tabs, known                      prometheus.Gauge
}

// NewMetrics makes them known to a registry.
func NewMetrics(r prometheus.Registerer) *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	labelled := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		desired:  labelled("crawlfleet_pool_desired_replicas", "Pods that a pool is to have.", "pool"),
		replicas: labelled("crawlfleet_pool_replicas", "Pods that are asked for.", "pool"),
		ready:    labelled("crawlfleet_pool_ready_replicas", "Pods that are ready.", "pool"),
		reason:   labelled("crawlfleet_pool_scaling_reason", "1 for the reason why a pool has as many pods as it has.", "pool", "reason"),
		demand:   labelled("crawlfleet_demand", "What there is for browsers to do, by kind.", "kind"),
		tabs:     gauge("crawlfleet_demand_tabs", "Pages that could be loaded at once."),
		known:    gauge("crawlfleet_demand_known", "1 while the demand is known, 0 while the rest is what was known last."),
	}
	r.MustRegister(m.desired, m.replicas, m.ready, m.reason, m.demand, m.tabs, m.known)
	return m
}

// show sets all to how it stands. demand is nil when it is not known.
func (m *Metrics) show(pools []Pool, demand *Demand, targets map[string]Target) {
	if m == nil {
		return
	}
	for _, v := range []*prometheus.GaugeVec{m.desired, m.replicas, m.ready, m.reason} {
		v.Reset() // a pool may be gone
	}
	for _, p := range pools {
		m.replicas.WithLabelValues(p.Name).Set(float64(p.Replicas))
		m.ready.WithLabelValues(p.Name).Set(float64(p.Ready))
		if t, ok := targets[p.Name]; ok {
			m.desired.WithLabelValues(p.Name).Set(float64(t.Replicas))
			m.reason.WithLabelValues(p.Name, string(t.Reason)).Set(1)
		}
	}
	if demand == nil {
		m.known.Set(0)
		return
	}
	m.known.Set(1)
	m.tabs.Set(float64(demand.Tabs()))
	for kind, n := range map[string]int{"Bundles": demand.Bundles, "Hosts": demand.Hosts, "Ready": demand.Ready, "Backlog": demand.Backlog} {
		m.demand.WithLabelValues(kind).Set(float64(n))
	}
}
