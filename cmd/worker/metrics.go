package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.temporal.io/sdk/client"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/telemetry"
	"crawlfleet.dev/crawlfleet/internal/telemetry/temporal"
	"crawlfleet.dev/crawlfleet/internal/telemetry/traces"
	"crawlfleet.dev/crawlfleet/workflows"
)

// newRegistry is a registry with what is known of the process itself.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// observe has what a worker does with Temporal and the store told: in metrics, in traces where the environment
// asks for them, and in a log that names them. closeTraces sends the last ones.
func observe(ctx context.Context, o *client.Options, store *blob.Client, r *prometheus.Registry, log *slog.Logger) (told *slog.Logger, closeTraces func(), err error) {
	tracing, err := traces.Start(ctx, traces.Program{Name: "crawlfleet-worker", Version: cli.ReadBuild().Version}, log)
	if err != nil {
		return nil, nil, err
	}
	log = traces.Logger(log)
	// Reports come every some seconds, for as long as a crawl lasts.
	if o.Interceptors, err = temporal.Interceptors(tracing, workflows.ActivityReportStatus, workflows.ActivityReportRetention); err != nil {
		return nil, nil, err
	}
	o.Logger, o.MetricsHandler = telemetry.Temporal(log), temporal.NewMetrics(r)
	store.Observe(blob.NewMetrics(r))
	return log, func() {
		if err := tracing.Close(); err != nil {
			log.Warn("the last traces are lost", "error", err)
		}
	}, nil
}

// serveMetrics answers Prometheus.
func serveMetrics(address string, r *prometheus.Registry) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{}))
	stop, err = serve(address, mux)
	if err != nil {
		return nil, fmt.Errorf("--metrics-address: %w", err)
	}
	return stop, nil
}
