// Package traces sends traces to an OpenTelemetry collector, where one was named: nothing is sent,
// and nothing is measured, unless OTEL_EXPORTER_OTLP_ENDPOINT or
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT says whereto.
//
// All else is as the OpenTelemetry specification has it ("Environment Variable Specification" and
// "OpenTelemetry Protocol Exporter"): OTEL_TRACES_SAMPLER says which traces are kept, OTEL_BSP_…
// how many spans wait, OTEL_RESOURCE_ATTRIBUTES what else is said of the program.
//
// Traces go to other systems, which other people read. A span therefore holds no address, no host, no
// name of a job and nothing that a page or an error says: what went wrong is told by its reason alone
// ([Fail]). See docs/reference/traces.md for all that there is.
package traces

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// flushTime is how long a program that ends waits for its last spans to be taken.
const flushTime = 5 * time.Second

// tellEvery is how often it is told that spans cannot be sent.
const tellEvery = time.Minute

// Program is what a trace says of the program that made a span.
type Program struct {
	// Name is service.name, Version is service.version. OTEL_SERVICE_NAME goes before.
	Name, Version string
}

// Provider makes spans and sends them. The zero value makes none.
type Provider struct {
	sdk *sdk.TracerProvider
}

// Start makes a provider as the environment has it. It does not connect: a collector that is away is
// told of in the log, and spans are dropped meanwhile.
func Start(ctx context.Context, p Program, log *slog.Logger) (*Provider, error) {
	if !wanted() {
		return &Provider{}, nil
	}
	exporter, err := newExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("set up traces: %w", err)
	}
	// (The version of the attributes' vocabulary is left out: no name of ours depends on it.)
	res, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", p.Name), attribute.String("service.version", p.Version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err), exporter.Shutdown(ctx))
	}
	otel.SetErrorHandler(&quietly{log: log})
	log.Info("traces are sent", "protocol", protocol())
	return &Provider{sdk: sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(res))}, nil
}

// Enabled reports whether spans are sent.
func (p *Provider) Enabled() bool { return p.sdk != nil }

// Tracer makes the spans of one package.
func (p *Provider) Tracer(name string) trace.Tracer {
	if p.sdk == nil {
		return noop.NewTracerProvider().Tracer(name)
	}
	return p.sdk.Tracer(name)
}

// Close sends what is left.
func (p *Provider) Close() error {
	if p.sdk == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := p.sdk.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// wanted reports whether somebody has asked for traces.
func wanted() bool {
	if off, _ := strconv.ParseBool(os.Getenv("OTEL_SDK_DISABLED")); off {
		return false
	}
	if os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// protocol is how spans are sent; http/protobuf is what the specification has programs do when nothing is said.
func protocol() string {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return "http/protobuf"
}

func newExporter(ctx context.Context) (*otlptrace.Exporter, error) {
	if v := os.Getenv("OTEL_TRACES_EXPORTER"); v != "" && v != "otlp" {
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER %q: use otlp or none", v)
	}
	switch p := protocol(); p {
	case "http/protobuf":
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL %q: use http/protobuf or grpc", p)
	}
}

// quietly tells of trouble with sending spans, now and then.
type quietly struct {
	log  *slog.Logger
	mu   sync.Mutex
	told time.Time
}

// Handle implements otel.ErrorHandler.
func (q *quietly) Handle(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.told) < tellEvery {
		return
	}
	q.told = time.Now()
	q.log.Warn("traces cannot be sent, and are dropped meanwhile", "error", err)
}
