// Package temporal is what the Temporal SDK's clients and workers tell of themselves: traces and metrics.
package temporal

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	contrib "go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"crawlfleet.dev/crawlfleet/internal/telemetry/traces"
)

// Interceptors have a client and its workers pass traces on in headers, and make spans of the steps
// that are asked for and done. Without a provider that sends there are none.
//
// A workflow has no span of its own: it lives for days, and is run through again whenever a worker takes it
// over, so that its span would be sent late, many times, or never. What it asks for hangs on what it was
// started from. quiet are the names of steps that say nothing of a crawl, such as reports every some
// seconds: they have no span either.
//
// Commands are the same with and without: only their headers differ, which Temporal does not compare
// when it replays a history.
func Interceptors(p *traces.Provider, quiet ...string) ([]interceptor.ClientInterceptor, error) {
	if !p.Enabled() {
		return nil, nil
	}
	return newInterceptors(p.Tracer("go.temporal.io/sdk"), quiet)
}

func newInterceptors(tracer trace.Tracer, quiet []string) ([]interceptor.ClientInterceptor, error) {
	s := starter{}
	for _, name := range quiet {
		s["StartActivity:"+name], s["RunActivity:"+name] = true, true
	}
	tracing, err := contrib.NewTracingInterceptor(contrib.TracerOptions{
		Tracer:               tracer,
		DisableSignalTracing: true, // shards and their run tell each other every some seconds how they are
		DisableQueryTracing:  true,
		DisableBaggage:       true,
		// A header of another program must not hold up a crawl.
		AllowInvalidParentSpans: true,
		SpanStarter:             s.start,
	})
	if err != nil {
		return nil, fmt.Errorf("set up traces of Temporal: %w", err)
	}
	return []interceptor.ClientInterceptor{all{tracing}}, nil
}

// all is the interceptor of clients and workers, but for schedules: what they start for months would all be
// one trace with what created them.
type all struct{ interceptor.Interceptor }

// InterceptClient implements interceptor.ClientInterceptor.
func (a all) InterceptClient(next interceptor.ClientOutboundInterceptor) interceptor.ClientOutboundInterceptor {
	return unscheduled{ClientOutboundInterceptor: a.Interceptor.InterceptClient(next), next: next}
}

type unscheduled struct {
	interceptor.ClientOutboundInterceptor
	next interceptor.ClientOutboundInterceptor
}

// CreateSchedule implements interceptor.ClientOutboundInterceptor.
func (u unscheduled) CreateSchedule(ctx context.Context, in *interceptor.ScheduleClientCreateInput) (client.ScheduleHandle, error) {
	return u.next.CreateSchedule(ctx, in)
}

// starter knows the names of spans that are not made.
type starter map[string]bool

// start makes a span, or passes on what it would hang on.
func (s starter) start(ctx context.Context, tracer trace.Tracer, name string, options ...trace.SpanStartOption) trace.Span {
	if s[name] || strings.HasPrefix(name, "RunWorkflow:") {
		return trace.SpanFromContext(ctx) // that of a header, which nobody ends here
	}
	_, span := tracer.Start(ctx, name, options...)
	return discreet{span}
}

// discreet is a span that tells of an error by its reason alone: the text may quote a page.
type discreet struct{ trace.Span }

// RecordError implements trace.Span.
func (d discreet) RecordError(err error, _ ...trace.EventOption) {
	if reason := reasonOf(err); reason != "" {
		traces.Fail(d.Span, reason)
	}
}

// SetStatus implements trace.Span. That something failed was told with the error.
func (d discreet) SetStatus(codes.Code, string) {}

// reasonOf is the type of an error, empty for what is none.
func reasonOf(err error) string {
	var app *sdk.ApplicationError
	var again *workflow.ContinueAsNewError
	switch {
	case err == nil, errors.As(err, &again):
		return ""
	case errors.As(err, &app) && app.Type() != "":
		return app.Type()
	case errors.Is(err, context.Canceled), sdk.IsCanceledError(err):
		return "Cancelled"
	case errors.Is(err, context.DeadlineExceeded), sdk.IsTimeoutError(err):
		return "Timeout"
	}
	return "Error"
}
