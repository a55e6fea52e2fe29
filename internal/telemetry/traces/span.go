package traces

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// The attributes of spans beside those of OpenTelemetry and the Temporal SDK.
const (
	// KeyNamespace is the namespace of the CrawlJob.
	KeyNamespace = attribute.Key("k8s.namespace.name")
	// KeyRun is the UID of the CrawlJob.
	KeyRun = attribute.Key("crawlfleet.run")
	// KeyBundle names a bundle of the run, KeyPage is the place of a page in it, from 0.
	KeyBundle = attribute.Key("crawlfleet.bundle")
	KeyPage   = attribute.Key("crawlfleet.page")
	// KeyTries is how often a page was tried before.
	KeyTries = attribute.Key("crawlfleet.tries")
	// KeyOutcome is what became of a page: Archived, Failed or Skipped; KeyReason is why.
	KeyOutcome = attribute.Key("crawlfleet.outcome")
	KeyReason  = attribute.Key("crawlfleet.reason")
	// KeyPages is how many outcomes of pages are stored, KeyBytes how large the file is.
	KeyPages = attribute.Key("crawlfleet.pages")
	KeyBytes = attribute.Key("crawlfleet.bytes")
)

// tracerName names what makes the spans of this project.
const tracerName = "crawlfleet.dev/crawlfleet"

// Begin begins a span below that of ctx, which is part of a trace already; else it is one of nothing.
func Begin(ctx context.Context, name string, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	return parent.TracerProvider().Tracer(tracerName).Start(ctx, name, trace.WithAttributes(attributes...))
}

// Past makes a span of what is over.
func Past(ctx context.Context, name string, began, ended time.Time) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return
	}
	_, span := parent.TracerProvider().Tracer(tracerName).Start(ctx, name, trace.WithTimestamp(began))
	span.End(trace.WithTimestamp(ended))
}

// Fail marks a span as that of something that failed for a reason. The text of an error is left out: it may
// quote a page.
func Fail(span trace.Span, reason string) {
	span.SetAttributes(KeyReason.String(reason))
	span.SetStatus(codes.Error, reason)
}

// Logger is a logger that tells the trace of the context that it is given, so that a line of the log leads
// to what it was part of.
func Logger(l *slog.Logger) *slog.Logger { return slog.New(tracing{l.Handler()}) }

type tracing struct{ slog.Handler }

// Handle implements slog.Handler.
func (h tracing) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("traceID", span.TraceID().String()), slog.String("spanID", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h tracing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return tracing{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h tracing) WithGroup(name string) slog.Handler { return tracing{h.Handler.WithGroup(name)} }
