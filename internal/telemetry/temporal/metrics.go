package temporal

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
)

// Metrics tells Prometheus what the Temporal SDK counts: those of its metrics that a person who runs
// a fleet has use for, each with a fixed set of labels. The SDK's names (docs.temporal.io/references/sdk-metrics) have the
// endings that Prometheus wants: _total for counters, _seconds for times.
//
// It implements client.MetricsHandler.
type Metrics struct {
	*families
	tags map[string]string
}

// families are the metrics by the SDK's names.
type families struct {
	counters map[string]family[*prometheus.CounterVec]
	gauges   map[string]family[*prometheus.GaugeVec]
	timers   map[string]family[*prometheus.HistogramVec]
}

// family is a metric with the labels that it has.
type family[V prometheus.Collector] struct {
	vec    V
	labels []string
}

// The kinds of the SDK's metrics.
const (
	counter = iota
	gauge
	timer
)

// exported are the SDK's metrics that are told. No label has many values: the types of workflows and
// activities and the task queues are those of the program.
var exported = []struct {
	name   string
	kind   int
	help   string
	labels []string
}{
	{"temporal_request", counter, "Requests to Temporal.", []string{"operation"}},
	{"temporal_request_failure", counter, "Requests that Temporal did not answer, or answered with an error.", []string{"operation", "status_code"}},
	{"temporal_request_latency", timer, "Time until Temporal has answered a request.", []string{"operation"}},
	{"temporal_long_request", counter, "Requests for work, which are answered when there is some.", []string{"operation"}},
	{"temporal_long_request_failure", counter, "Requests for work that failed.", []string{"operation", "status_code"}},
	{"temporal_workflow_task_schedule_to_start_latency", timer, "Time that a step of a workflow waited for a worker.", []string{"task_queue"}},
	{"temporal_workflow_task_execution_latency", timer, "Time that a step of a workflow took.", []string{"workflow_type"}},
	{"temporal_workflow_task_execution_failed", counter, "Steps of workflows that failed, and are tried again.", []string{"workflow_type", "failure_reason"}},
	{"temporal_workflow_completed", counter, "Workflows that came to their end.", []string{"workflow_type"}},
	{"temporal_workflow_failed", counter, "Workflows that failed.", []string{"workflow_type"}},
	{"temporal_workflow_canceled", counter, "Workflows that were cancelled.", []string{"workflow_type"}},
	{"temporal_workflow_continue_as_new", counter, "Workflows that went on with an empty history.", []string{"workflow_type"}},
	{"temporal_activity_schedule_to_start_latency", timer, "Time that an activity waited for a worker.", []string{"task_queue", "activity_type"}},
	{"temporal_activity_execution_latency", timer, "Time that an attempt at an activity took.", []string{"activity_type"}},
	{"temporal_activity_execution_failed", counter, "Attempts at activities that failed.", []string{"activity_type"}},
	{"temporal_worker_task_slots_available", gauge, "How much more work of a kind a worker would take.", []string{"task_queue", "worker_type"}},
	{"temporal_worker_task_slots_used", gauge, "How much work of a kind a worker does.", []string{"task_queue", "worker_type"}},
	{"temporal_num_pollers", gauge, "How often a worker asks for work at a time.", []string{"task_queue", "poller_type"}},
	{"temporal_sticky_cache_size", gauge, "Workflows that a worker holds in memory.", nil},
	{"temporal_sticky_cache_total_forced_eviction", counter, "Workflows that had to be given up from memory for others.", nil},
}

// latencies are the bounds of histograms: a request takes milliseconds, a bundle of pages minutes.
var latencies = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}

// NewMetrics makes the metrics known to a registry.
func NewMetrics(r prometheus.Registerer) Metrics {
	f := families{
		counters: map[string]family[*prometheus.CounterVec]{}, gauges: map[string]family[*prometheus.GaugeVec]{}, timers: map[string]family[*prometheus.HistogramVec]{},
	}
	for _, m := range exported {
		switch m.kind {
		case counter:
			v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.name + "_total", Help: m.help}, m.labels)
			r.MustRegister(v)
			f.counters[m.name] = family[*prometheus.CounterVec]{v, m.labels}
		case gauge:
			v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: m.name, Help: m.help}, m.labels)
			r.MustRegister(v)
			f.gauges[m.name] = family[*prometheus.GaugeVec]{v, m.labels}
		case timer:
			v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: m.name + "_seconds", Help: m.help, Buckets: latencies}, m.labels)
			r.MustRegister(v)
			f.timers[m.name] = family[*prometheus.HistogramVec]{v, m.labels}
		}
	}
	return Metrics{families: &f}
}

var _ client.MetricsHandler = Metrics{}

// WithTags implements client.MetricsHandler.
func (m Metrics) WithTags(tags map[string]string) client.MetricsHandler {
	all := make(map[string]string, len(m.tags)+len(tags))
	for _, some := range []map[string]string{m.tags, tags} {
		for k, v := range some {
			all[k] = v
		}
	}
	return Metrics{families: m.families, tags: all}
}

// values are the tags that are labels.
func (m Metrics) values(labels []string) []string {
	values := make([]string, len(labels))
	for i, l := range labels {
		if v := m.tags[l]; v != "none" { // what the SDK says where a tag does not apply
			values[i] = v
		}
	}
	return values
}

// Counter implements client.MetricsHandler.
func (m Metrics) Counter(name string) client.MetricsCounter {
	f, ok := m.counters[name]
	if !ok {
		return client.MetricsNopHandler.Counter(name)
	}
	return count{f.vec.WithLabelValues(m.values(f.labels)...)}
}

// Gauge implements client.MetricsHandler.
func (m Metrics) Gauge(name string) client.MetricsGauge {
	f, ok := m.gauges[name]
	if !ok {
		return client.MetricsNopHandler.Gauge(name)
	}
	return level{f.vec.WithLabelValues(m.values(f.labels)...)}
}

// Timer implements client.MetricsHandler.
func (m Metrics) Timer(name string) client.MetricsTimer {
	f, ok := m.timers[name]
	if !ok {
		return client.MetricsNopHandler.Timer(name)
	}
	return took{f.vec.WithLabelValues(m.values(f.labels)...)}
}

type count struct{ prometheus.Counter }

// Inc implements client.MetricsCounter.
func (c count) Inc(n int64) { c.Add(float64(n)) }

type level struct{ prometheus.Gauge }

// Update implements client.MetricsGauge.
func (l level) Update(v float64) { l.Set(v) }

type took struct{ prometheus.Observer }

// Record implements client.MetricsTimer.
func (t took) Record(d time.Duration) { t.Observe(d.Seconds()) }
