package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// The times of activities.
const (
	// HeartbeatTimeout is after how long without a heartbeat a bundle's lease is
	// over; a worker heartbeats every HeartbeatEvery.
	HeartbeatTimeout = 60 * time.Second
	HeartbeatEvery   = 15 * time.Second
	// bundleTimeout is longer than any bundle: it has a time box of its own.
	bundleTimeout = 2 * time.Hour
	// stepTimeout bounds Preflight, Plan and Sweep, longTimeout Seed, which reads
	// sitemaps with a delay in between, and Seal, which reads all that is stored.
	stepTimeout = 10 * time.Minute
	longTimeout = 2 * time.Hour
	// reportTimeout is after how long a report is given up: the next one is newer.
	reportTimeout = 30 * time.Second
)

// stepAttempts is how often a step is tried before the trouble is told; the workflow
// tries on for ever, with a pause.
const stepAttempts = 3

// stepContext is for activities that work on the store.
func stepContext(ctx workflow.Context, priority int) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           TaskQueuePlan,
		StartToCloseTimeout: stepTimeout,
		HeartbeatTimeout:    HeartbeatTimeout,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: 500 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 5 * time.Second, MaximumAttempts: stepAttempts,
		},
		Priority: temporal.Priority{PriorityKey: priority},
	})
}

// bundleAttempts is how many attempts a bundle has, those that died with their worker
// included. After the last one its pages go into other bundles.
const bundleAttempts = 6

// bundleContext is for CrawlBundle. Each attempt goes on where the last one committed,
// and a page that kills two attempts is left out.
func bundleContext(ctx workflow.Context, priority int) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           TaskQueueBrowser,
		StartToCloseTimeout: bundleTimeout,
		HeartbeatTimeout:    HeartbeatTimeout,
		WaitForCancellation: true,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second, MaximumAttempts: bundleAttempts,
		},
		Priority: temporal.Priority{PriorityKey: priority},
	})
}

// reportContext is for ReportStatus.
func reportContext(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              TaskQueueOperator,
		ScheduleToCloseTimeout: reportTimeout,
		StartToCloseTimeout:    5 * time.Second,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 5 * time.Second},
	})
}

// pause is how long to wait before try number n, from 1 on, of something that needs
// help from outside.
func pause(n int) time.Duration {
	d := time.Second << min(n, 5)
	return min(d, 30*time.Second)
}
