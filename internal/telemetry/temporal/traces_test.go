package temporal

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"crawlfleet.dev/crawlfleet/internal/telemetry/traces"
)

func failing(ctx context.Context) error {
	ctx, span := traces.Begin(ctx, "Page")
	traces.Past(ctx, "Loading", activity.GetInfo(ctx).StartedTime, activity.GetInfo(ctx).StartedTime)
	span.End()
	return sdk.NewNonRetryableApplicationError("https://board.test/secret is not there", "StoreDenied", errors.New("https://board.test/secret"))
}

func counting(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 1e9})
	_ = workflow.ExecuteActivity(ctx, "Quiet").Get(ctx, nil)
	return workflow.ExecuteActivity(ctx, "Failing").Get(ctx, nil)
}

// TestSpansSayNothingOfPages: what fails is told by its reason, what is quiet is not told, and workflows have
// no span of their own.
func TestSpansSayNothingOfPages(t *testing.T) {
	t.Parallel()
	got := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(got))
	list, err := newInterceptors(provider.Tracer("test"), []string{"Quiet"})
	if err != nil {
		t.Fatal(err)
	}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{list[0].(interceptor.WorkerInterceptor)}})
	env.RegisterWorkflowWithOptions(counting, workflow.RegisterOptions{Name: "Counting"})
	env.RegisterActivityWithOptions(failing, activity.RegisterOptions{Name: "Failing"})
	env.RegisterActivityWithOptions(func() error { return errors.New("quiet") }, activity.RegisterOptions{Name: "Quiet"})
	env.ExecuteWorkflow("Counting")
	if env.GetWorkflowError() == nil {
		t.Fatal("it did not fail")
	}
	type span struct {
		Name, Parent, Reason, Said string
		Events                     int
	}
	names := map[string]string{}
	for _, s := range got.GetSpans() {
		names[s.SpanContext.SpanID().String()] = s.Name
	}
	var spans []span
	for _, s := range got.GetSpans() {
		found := span{Name: s.Name, Parent: names[s.Parent.SpanID().String()], Said: s.Status.Description, Events: len(s.Events)}
		for _, a := range s.Attributes {
			if a.Key == traces.KeyReason {
				found.Reason = a.Value.AsString()
			}
		}
		if (s.Status.Code == codes.Error) != (found.Reason != "") {
			t.Errorf("%s has the status %v", s.Name, s.Status)
		}
		spans = append(spans, found)
	}
	want := []span{
		{Name: "StartActivity:Failing"},
		{Name: "Loading", Parent: "Page"},
		{Name: "Page", Parent: "RunActivity:Failing"},
		{Name: "RunActivity:Failing", Parent: "StartActivity:Failing", Reason: "StoreDenied", Said: "StoreDenied"},
	}
	if diff := cmp.Diff(want, spans); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestNothingWithoutProvider: a program that sends no traces has no interceptors.
func TestNothingWithoutProvider(t *testing.T) {
	t.Parallel()
	if list, err := Interceptors(&traces.Provider{}); list != nil || err != nil {
		t.Errorf("%v, %v", list, err)
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"Nothing":      {nil, ""},
		"ContinuesNew": {&workflow.ContinueAsNewError{}, ""},
		"Typed":        {sdk.NewApplicationError("at https://board.test/", "StoreFull"), "StoreFull"},
		"Cancelled":    {sdk.NewCanceledError(), "Cancelled"},
		"Ended":        {context.Canceled, "Cancelled"},
		"Late":         {context.DeadlineExceeded, "Timeout"},
		"Other":        {errors.New("https://board.test/"), "Error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := reasonOf(tc.err); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
