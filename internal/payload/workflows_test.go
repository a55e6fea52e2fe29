package payload

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// perform runs a workflow. After a minute of it somebody breaks the file of keys, who had payloads
// readable until then; mend puts it right.
func perform(t *testing.T, flow func(ctx workflow.Context, mend func()) (string, error)) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	k, err := Open(File{Path: path, Optional: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	alwaysLook(k)
	o := options(k)
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetDataConverter(o.DataConverter)
	env.SetWorkerOptions(worker.Options{Interceptors: interceptors(o)})
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context) (string, error) {
		if err := workflow.Sleep(ctx, 2*time.Minute); err != nil {
			return "", err
		}
		return flow(ctx, func() { write(t, path, line("a", 1)) })
	}, workflow.RegisterOptions{Name: "flow"})
	env.RegisterWorkflowWithOptions(func(workflow.Context, string) error { return nil }, workflow.RegisterOptions{Name: "child"})
	env.RegisterDelayedCallback(func() {
		write(t, path, "a AAAA\n")
		if k.Ready() == nil {
			t.Error("the keys are not broken")
		}
	}, time.Minute)
	env.ExecuteWorkflow("flow")
	return env.GetWorkflowError()
}

// interceptors are those of a client that its workers get, too.
func interceptors(o client.Options) (list []interceptor.WorkerInterceptor) {
	for _, i := range o.Interceptors {
		if w, ok := i.(interceptor.WorkerInterceptor); ok {
			list = append(list, w)
		}
	}
	return list
}

// TestWorkflowsWaitForKeys: a workflow that ends while nothing can be encoded does not end, with
// whatever result: its task fails, and the server hands it out again. So does one that did not ask
// why it got nothing done.
func TestWorkflowsWaitForKeys(t *testing.T) {
	t.Parallel()
	child := func(ctx workflow.Context) {
		_ = workflow.ExecuteChildWorkflow(ctx, "child", address).GetChildWorkflowExecution().Get(ctx, nil)
	}
	cases := map[string]struct {
		end  func(ctx workflow.Context, mend func()) (string, error)
		ends bool
	}{
		"Result":   {end: func(workflow.Context, func()) (string, error) { return address, nil }},
		"Failed":   {end: func(workflow.Context, func()) (string, error) { return "", errors.New("ask for " + address) }},
		"Canceled": {end: func(workflow.Context, func()) (string, error) { return "", workflow.ErrCanceled }},
		"Again": {end: func(ctx workflow.Context, _ func()) (string, error) {
			return "", workflow.NewContinueAsNewError(ctx, "flow")
		}},
		"Child":     {end: func(ctx workflow.Context, _ func()) (string, error) { child(ctx); return "", nil }},
		"LostChild": {end: func(ctx workflow.Context, mend func()) (string, error) { child(ctx); mend(); return "", nil }},
		"Signal": {end: func(ctx workflow.Context, mend func()) (string, error) {
			_ = workflow.SignalExternalWorkflow(ctx, "other", "", "signal", address).Get(ctx, nil)
			mend()
			return "", nil
		}},
		"Unfit": {end: func(ctx workflow.Context, mend func()) (string, error) {
			mend()
			return "", workflow.ExecuteChildWorkflow(ctx, "child", make(chan int)).Get(ctx, nil)
		}, ends: true},
		"Mended": {end: func(ctx workflow.Context, mend func()) (string, error) { mend(); child(ctx); return address, nil }, ends: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := perform(t, tc.end)
			var panicked *temporal.PanicError // the policy of workers is to fail the task then
			if ends := !errors.As(err, &panicked); ends != tc.ends {
				t.Errorf("it ends %v with %v", ends, err)
			}
			if !tc.ends && panicked != nil && !strings.Contains(panicked.Error(), "payload keys") {
				t.Errorf("it does not say why: %v", panicked)
			}
		})
	}
}
