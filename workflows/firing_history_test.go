package workflows

import (
	"context"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

// recordFirings records a firing whose CrawlJob ends, and one that is cancelled.
func recordFirings(t *testing.T, c client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	work := worker.New(c, TaskQueueOperator, worker.Options{Identity: "recorder"})
	RegisterFiring(work)
	d := &desk{fireErrs: 4, over: func(in Firing) bool { return in.Schedule == "completed" || in.Cancel }}
	work.RegisterActivityWithOptions(d.fire, activity.RegisterOptions{Name: ActivityFireCrawlJob})
	work.RegisterActivityWithOptions(d.follow, activity.RegisterOptions{Name: ActivityFollowCrawlJob})
	if err := work.Start(); err != nil {
		t.Fatal(err)
	}
	defer work.Stop()
	for _, name := range []string{"completed", "cancelled"} {
		in := firingOrder()
		in.Schedule = name
		run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: FiringWorkflowID(name, time.Now()), TaskQueue: TaskQueueOperator}, WorkflowCrawlFiring, in)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SignalWorkflow(ctx, run.GetID(), "", SignalLook, nil); err != nil {
			t.Fatal(err)
		}
		if name == "cancelled" {
			time.Sleep(2 * time.Second) // it waits for its CrawlJob
			if err := c.CancelWorkflow(ctx, run.GetID(), ""); err != nil {
				t.Fatal(err)
			}
		} else {
			time.Sleep(12 * time.Second) // it is tried again
			if err := c.SignalWorkflow(ctx, run.GetID(), "", SignalLook, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := run.Get(ctx, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		save(ctx, t, c, run.GetID(), name+"-firing")
	}
}
