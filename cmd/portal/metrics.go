package main

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"crawlfleet.dev/crawlfleet/portal"
	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/replay"
)

// newRegistry is a registry with what is known of the process itself.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// observe has all that a portal counts known to a registry.
func observe(r *prometheus.Registry, gate *access.Gate, derived *archive, replays *replay.Server) *portal.Metrics {
	m := portal.NewMetrics(r)
	replays.Look = m.Looks(replays.Look)
	gate.Custody.Observe, derived.judge.Observe = m.Told, m.Verified
	r.MustRegister(portal.CatalogMetrics{Follow: derived.follow, Began: time.Now(), Now: time.Now})
	return m
}

// metricsSite answers Prometheus; there is none without an address. It has counts and no word of the
// archive, so others than this machine may ask wherever it listens.
func (o *options) metricsSite(r *prometheus.Registry) ([]site, error) {
	if o.metrics == "" {
		return nil, nil
	}
	listener, err := listen("--metrics-address", o.metrics, nil)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{}))
	return []site{{listener, &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}}}, nil
}
