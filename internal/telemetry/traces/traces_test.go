package traces

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// receiver is an OTLP receiver over HTTP.
func receiver(t *testing.T) (address string, received func() []*collector.ExportTraceServiceRequest) {
	t.Helper()
	var mu sync.Mutex
	var all []*collector.ExportTraceServiceRequest
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		var request collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, &request)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []*collector.ExportTraceServiceRequest {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// clean takes what the machine says of traces out of the environment.
func clean(t *testing.T, env map[string]string) {
	t.Helper()
	for _, name := range []string{
		"OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES",
	} {
		t.Setenv(name, env[name])
	}
}

// TestSent: spans come to the receiver that the environment names, with the trace that the log has told of.
func TestSent(t *testing.T) {
	address, received := receiver(t)
	clean(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_RESOURCE_ATTRIBUTES": "k8s.pod.name=worker-1"})
	p, err := Start(t.Context(), Program{Name: "crawlfleet-worker", Version: "v1"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	log := Logger(slog.New(slog.NewTextHandler(&said, nil))).With("run", "r")
	ctx, root := p.Tracer("test").Start(t.Context(), "Run")
	below, span := Begin(ctx, "Page", KeyPage.Int(3))
	Past(below, "Loading", time.Now().Add(-time.Second), time.Now())
	log.InfoContext(below, "a line")
	log.Info("another")
	Fail(span, "DNSFailed")
	span.End()
	root.End()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	got := received()
	if len(got) != 1 || len(got[0].ResourceSpans) != 1 {
		t.Fatalf("received %v", got)
	}
	resource := got[0].ResourceSpans[0].Resource.String()
	for _, want := range []string{"crawlfleet-worker", "v1", "worker-1"} {
		if !strings.Contains(resource, want) {
			t.Errorf("the resource lacks %s: %s", want, resource)
		}
	}
	names := map[string]string{}
	for _, scope := range got[0].ResourceSpans[0].ScopeSpans {
		for _, s := range scope.Spans {
			names[s.Name] = s.String()
			if trace.TraceID(s.TraceId) != root.SpanContext().TraceID() {
				t.Errorf("%s is of another trace", s.Name)
			}
		}
	}
	if len(names) != 3 || !strings.Contains(names["Page"], "DNSFailed") {
		t.Errorf("received %v", names)
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "traceID="+root.SpanContext().TraceID().String()) || strings.Contains(lines[1], "traceID") {
		t.Errorf("the log says %s", said.String())
	}
}

// TestSilentByDefault: nothing is sent, and no span is made, where nobody has said whereto.
func TestSilentByDefault(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"NothingSaid": {},
		"SamplerOnly": {"OTEL_TRACES_SAMPLER": "always_on"},
		"Disabled":    {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
		"None":        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t, env)
			p, err := Start(t.Context(), Program{Name: "x"}, slog.New(slog.DiscardHandler))
			if err != nil || p.Enabled() {
				t.Fatalf("%v, %v", p, err)
			}
			ctx, span := p.Tracer("test").Start(t.Context(), "Run")
			if _, below := Begin(ctx, "Page"); span.SpanContext().IsValid() || below.IsRecording() {
				t.Error("there is a span")
			}
			Past(ctx, "Loading", time.Now(), time.Now())
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSampled(t *testing.T) {
	address, received := receiver(t)
	clean(t, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": address + "/v1/traces", "OTEL_TRACES_SAMPLER": "always_off"})
	p, err := Start(t.Context(), Program{Name: "x"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, span := p.Tracer("test").Start(t.Context(), "Run")
	span.End()
	if err := p.Close(); err != nil || len(received()) != 0 {
		t.Errorf("%v, %v", received(), err)
	}
}

func TestRefusedSettings(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"use otlp or none":          {"OTEL_TRACES_EXPORTER": "zipkin"},
		"use http/protobuf or grpc": {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
		"OTEL_RESOURCE_ATTRIBUTES":  {"OTEL_RESOURCE_ATTRIBUTES": "nothing"},
	} {
		t.Run(want, func(t *testing.T) {
			env["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1"
			clean(t, env)
			if _, err := Start(t.Context(), Program{Name: "x"}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want one that says %q", err, want)
			}
		})
	}
}

// overGRPC is a receiver of OTLP over gRPC.
type overGRPC struct {
	collector.UnimplementedTraceServiceServer
	got chan *collector.ExportTraceServiceRequest
}

func (o overGRPC) Export(_ context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	o.got <- in
	return &collector.ExportTraceServiceResponse{}, nil
}

// TestOverGRPC: spans come to a receiver that speaks gRPC.
func TestOverGRPC(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	receiver, server := overGRPC{got: make(chan *collector.ExportTraceServiceRequest, 1)}, grpc.NewServer()
	collector.RegisterTraceServiceServer(server, receiver)
	go func() { _ = server.Serve(listener) }() // it ends by being stopped
	t.Cleanup(server.Stop)
	clean(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + listener.Addr().String(), "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
	p, err := Start(t.Context(), Program{Name: "x"}, slog.New(slog.DiscardHandler))
	if err != nil || !p.Enabled() {
		t.Fatal(err)
	}
	_, span := p.Tracer("test").Start(t.Context(), "Run")
	span.End()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-receiver.got; len(got.ResourceSpans) != 1 || !strings.Contains(got.String(), `"Run"`) {
		t.Errorf("received %v", got)
	}
}

// TestTroubleIsToldNowAndThen: a collector that is away does not fill the log.
func TestTroubleIsToldNowAndThen(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	q := quietly{log: slog.New(slog.NewTextHandler(&said, nil))}
	for range 3 {
		q.Handle(context.DeadlineExceeded)
	}
	if n := strings.Count(said.String(), "\n"); n != 1 {
		t.Errorf("it was told %d times", n)
	}
}
