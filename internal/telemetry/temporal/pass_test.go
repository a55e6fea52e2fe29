package temporal

import (
	"errors"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// headerKey is where the SDK puts a trace.
const headerKey = "_tracer-data"

// endless does a step and goes on with an empty history.
func endless(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 1e9})
	if err := workflow.ExecuteActivity(ctx, "Step").Get(ctx, nil); err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, "Endless")
}

// TestTracePassesOn: what a workflow asks for, and the workflow that it continues as, hang on what it was started
// from; one that was started without a trace has steps with traces of their own, and is hindered by no header that it
// cannot read.
func TestTracePassesOn(t *testing.T) {
	t.Parallel()
	got := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(got))
	ctx, root := provider.Tracer("test").Start(t.Context(), "StartCrawl")
	root.End()
	carried := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carried)
	for name, tc := range map[string]struct {
		header map[string]string
		want   trace.SpanID
	}{
		"Traced":     {carried, root.SpanContext().SpanID()},
		"Untraced":   {nil, trace.SpanID{}},
		"Unreadable": {map[string]string{"traceparent": "of another program"}, trace.SpanID{}},
	} {
		t.Run(name, func(t *testing.T) {
			got.Reset()
			list, err := newInterceptors(provider.Tracer("test"), nil)
			if err != nil {
				t.Fatal(err)
			}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestWorkflowEnvironment()
			env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{list[0].(interceptor.WorkerInterceptor)}})
			env.RegisterWorkflowWithOptions(endless, workflow.RegisterOptions{Name: "Endless"})
			env.RegisterActivityWithOptions(func() error { return nil }, activity.RegisterOptions{Name: "Step"})
			if tc.header != nil {
				payload, err := converter.GetDefaultDataConverter().ToPayload(tc.header)
				if err != nil {
					t.Fatal(err)
				}
				env.SetHeader(&commonpb.Header{Fields: map[string]*commonpb.Payload{headerKey: payload}})
			}
			env.ExecuteWorkflow("Endless")
			var again *workflow.ContinueAsNewError
			if err := env.GetWorkflowError(); !errors.As(err, &again) {
				t.Fatalf("it ended with %v", err)
			}
			spans := got.GetSpans()
			if len(spans) != 2 || spans[0].Name != "StartActivity:Step" || spans[1].Name != "RunActivity:Step" {
				t.Fatalf("spans %v", spans)
			}
			if parent := spans[0].Parent.SpanID(); parent != tc.want {
				t.Errorf("the step hangs on %s, want %s", parent, tc.want)
			}
			if tc.want.IsValid() && passed(t, again) != carried["traceparent"] {
				t.Errorf("it goes on with %q, want %q", passed(t, again), carried["traceparent"])
			}
		})
	}
}

// passed is the trace that a workflow takes along into its next run.
func passed(t *testing.T, again *workflow.ContinueAsNewError) string {
	t.Helper()
	var fields map[string]string
	if err := converter.GetDefaultDataConverter().FromPayload(again.Header.GetFields()[headerKey], &fields); err != nil {
		t.Fatal(err)
	}
	return fields["traceparent"]
}
