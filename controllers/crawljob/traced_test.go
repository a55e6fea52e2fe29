package crawljob

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"crawlfleet.dev/crawlfleet/workflows"
)

// starter is a Temporal that takes orders, or does not.
type starter struct {
	Runs
	err  error
	seen trace.SpanContext
}

func (s *starter) Start(ctx context.Context, _ workflows.RunInput) (RunReference, error) {
	s.seen = trace.SpanContextFromContext(ctx)
	return RunReference{}, s.err
}

// TestStartBeginsATrace: Temporal is called in a span that names the run and not the job, and that says why a start failed.
func TestStartBeginsATrace(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    error
		reason string
	}{
		"Taken":       {nil, ""},
		"Refused":     {&Refusal{workflows.ReasonInvalidSeeds, "https://example.org/ is none"}, "InvalidSeeds"},
		"Unreachable": {errors.New("dial 192.0.2.1"), "TemporalUnreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tracetest.NewInMemoryExporter()
			runs := &starter{err: tc.err}
			r := Reconciler{Runs: runs, Tracer: sdktrace.NewTracerProvider(sdktrace.WithSyncer(got)).Tracer("test")}
			r.start(t.Context(), Observation{Job: jobWith()})
			spans := got.GetSpans()
			if len(spans) != 1 || spans[0].SpanContext.SpanID() != runs.seen.SpanID() {
				t.Fatalf("spans %v, called in %v", spans, runs.seen)
			}
			if s := spans[0].Status; s.Description != tc.reason || (s.Code == codes.Error) != (tc.reason != "") {
				t.Errorf("its status is %+v, want %q", s, tc.reason)
			}
			said := fmt.Sprint(spans[0].Attributes)
			if !strings.Contains(said, string(uid)) || strings.Contains(said, "board") || strings.Contains(said, "example.org") || strings.Contains(said, "192.0.2.1") {
				t.Errorf("it says %s", said)
			}
		})
	}
	runs := new(starter) // nobody wants traces
	(&Reconciler{Runs: runs}).start(t.Context(), Observation{Job: jobWith()})
	if runs.seen.IsValid() {
		t.Error("there is a span without a tracer")
	}
}
