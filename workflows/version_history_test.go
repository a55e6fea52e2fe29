package workflows

import (
	"context"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// recordVersioned records a crawl from when it begins on one version of the workers to when it goes
// over to another one.
func recordVersioned(t *testing.T, c client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	stamp := time.Now().UTC().Format("20060102150405")
	w := newWorld(&world{total: 5000})
	activities := w.activities()
	crawl := activities[ActivityCrawlBundle].(func(context.Context, BundleInput) (BundleOutput, error))
	activities[ActivityCrawlBundle] = func(ctx context.Context, in BundleInput) (BundleOutput, error) {
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
		return crawl(ctx, in)
	}
	for _, queue := range []string{TaskQueuePlan, TaskQueueBrowser, TaskQueueOperator} {
		work := worker.New(c, queue, worker.Options{Identity: "recorder"})
		for name, f := range activities {
			work.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
		}
		startWorker(t, work)
	}
	makeCurrent(ctx, t, c, "a"+stamp)
	in := order()
	in.Run = "versioned-" + stamp
	run, err := c.ExecuteWorkflow(ctx, startOptions(in.Run), WorkflowCrawlRun, in)
	if err != nil {
		t.Fatal(err)
	}
	shard := ShardWorkflowID(in.Run, 0)
	for { // until it crawls
		if d, err := c.DescribeWorkflowExecution(ctx, shard, ""); err == nil && d.GetWorkflowExecutionInfo().GetHistoryLength() > 20 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	first, err := c.DescribeWorkflowExecution(ctx, shard, "")
	if err != nil {
		t.Fatal(err)
	}
	makeCurrent(ctx, t, c, "b"+stamp)
	for name, of := range map[string]client.WorkflowRun{
		"versioned-run":   c.GetWorkflow(ctx, run.GetID(), run.GetRunID()),
		"versioned-shard": c.GetWorkflow(ctx, shard, first.GetWorkflowExecutionInfo().GetExecution().GetRunId()),
	} {
		_ = of.GetWithOptions(ctx, nil, client.WorkflowRunGetOptions{DisableFollowingRuns: true}) // it continues as new, which is an error
		saveRun(ctx, t, c, of.GetID(), of.GetRunID(), name)
	}
	if err := c.TerminateWorkflow(ctx, run.GetID(), "", "it was recorded"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WorkerDeploymentClient().GetHandle(Deployment).SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{IgnoreMissingTaskQueues: true}); err != nil {
		t.Fatal(err)
	}
}

func startWorker(t *testing.T, w worker.Worker) {
	t.Helper()
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
}

// makeCurrent starts a worker of a build and makes it current.
func makeCurrent(ctx context.Context, t *testing.T, c client.Client, build string) {
	t.Helper()
	w := worker.New(c, TaskQueueRun, worker.Options{Identity: "recorder", DeploymentOptions: worker.DeploymentOptions{
		UseVersioning: true, Version: worker.WorkerDeploymentVersion{DeploymentName: Deployment, BuildID: build},
		DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
	}})
	Register(w)
	startWorker(t, w)
	for {
		_, err := c.WorkerDeploymentClient().GetHandle(Deployment).SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
