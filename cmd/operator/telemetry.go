package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	temporal "go.temporal.io/sdk/client"
	ctrl "sigs.k8s.io/controller-runtime"

	"crawlfleet.dev/crawlfleet/controllers/crawljob"
	"crawlfleet.dev/crawlfleet/controllers/crawlschedule"
	"crawlfleet.dev/crawlfleet/internal/cli"
	observed "crawlfleet.dev/crawlfleet/internal/telemetry/temporal"
	"crawlfleet.dev/crawlfleet/internal/telemetry/traces"
	"crawlfleet.dev/crawlfleet/workflows"
)

// observer is how the operator tells of itself.
type observer struct {
	tracing *traces.Provider
	log     *slog.Logger
}

// observe begins to send traces, where the environment asks for them.
func observe(ctx context.Context, log *slog.Logger) (observer, error) {
	tracing, err := traces.Start(ctx, traces.Program{Name: "crawlfleet-operator", Version: cli.ReadBuild().Version}, log)
	return observer{tracing, log}, err
}

// close sends the last traces.
func (o observer) close() {
	if err := o.tracing.Close(); err != nil {
		o.log.Warn("the last traces are lost", "error", err)
	}
}

// follow has what a Temporal client does told. Reports come every some seconds, for as long as a crawl lasts.
func (o observer) follow(options *temporal.Options, r prometheus.Registerer) (err error) {
	options.Interceptors, err = observed.Interceptors(o.tracing, workflows.ActivityReportStatus, workflows.ActivityReportRetention)
	options.MetricsHandler = observed.NewMetrics(r)
	return err
}

// count has CrawlJobs, CrawlSchedules and task queues told of.
func count(r prometheus.Registerer, mgr ctrl.Manager, runs temporal.Client, namespace string) error {
	return errors.Join(
		r.Register(crawljob.Metrics{Client: mgr.GetClient(), Now: time.Now}),
		r.Register(crawlschedule.Metrics{Client: mgr.GetClient()}),
		r.Register(crawljob.QueueMetrics{Temporal: runs.WorkflowService(), Namespace: namespace}),
	)
}
