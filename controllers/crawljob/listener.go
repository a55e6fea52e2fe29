package crawljob

import (
	"context"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"
	temporal "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"crawlfleet.dev/crawlfleet/controllers/plain"
	"crawlfleet.dev/crawlfleet/workflows"
)

// retryListen is the pause before another try to listen, while Temporal is not
// there.
const retryListen = 5 * time.Second

// Also is what else is served on the operator's task queue.
type Also interface {
	// Register makes workflows and activities known to the worker.
	Register(worker.Registry)
}

// Listener is the worker inside the operator that serves the activity
// ReportStatus, by which crawls push their progress, and the firings of
// CrawlSchedules. It runs as a part of the manager, on the leader only, because the
// reports are kept in its memory.
type Listener struct {
	// Client is Temporal.
	Client temporal.Client
	// Reports takes what crawls push.
	Reports *Reports
	// Also is registered too. It must be set.
	Also Also
	// Wait waits until what is sent to Temporal can be encrypted: a report that is taken before
	// cannot be answered. Nil waits for nothing.
	Wait func(ctx context.Context) error
	// Log is told when listening begins and ends.
	Log *slog.Logger
}

// NeedLeaderElection keeps the listener with the reconciler.
func (l *Listener) NeedLeaderElection() bool { return true }

// Start listens until the context is done. A Temporal that is not there, or goes
// away for good, is tried again.
func (l *Listener) Start(ctx context.Context) error {
	for {
		if err := l.listen(ctx); err != nil {
			l.Log.Warn("cannot listen for reports, trying again", "error", plain.Temporal(err), "after", retryListen)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryListen):
		}
	}
}

// listen serves until the context is done or the worker gives up.
func (l *Listener) listen(ctx context.Context) error {
	if l.Wait != nil {
		if err := l.Wait(ctx); err != nil {
			return err
		}
	}
	checking, cancel := context.WithTimeout(ctx, callTimeout)
	_, err := l.Client.CheckHealth(checking, &temporal.CheckHealthRequest{})
	cancel()
	if err != nil {
		return err
	}
	broken := make(chan error, 1)
	w := worker.New(l.Client, workflows.TaskQueueOperator, worker.Options{
		MaxConcurrentWorkflowTaskPollers:        2,
		MaxConcurrentActivityExecutionSize:      64,
		MaxConcurrentActivityTaskPollers:        2,
		WorkerStopTimeout:                       5 * time.Second,
		MaxConcurrentLocalActivityExecutionSize: 1,
		OnFatalError: func(err error) {
			select {
			case broken <- err:
			default:
			}
		},
	})
	w.RegisterActivityWithOptions(l.ReportStatus, activity.RegisterOptions{Name: workflows.ActivityReportStatus})
	w.RegisterActivityWithOptions(l.ReportRetention, activity.RegisterOptions{Name: workflows.ActivityReportRetention})
	l.Also.Register(w)
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()
	l.Log.Info("listening for reports of crawls", "taskQueue", workflows.TaskQueueOperator)
	select {
	case <-ctx.Done():
		return nil
	case err := <-broken:
		return err
	}
}

// ReportStatus is the activity: it keeps the report and has its CrawlJob visited.
func (l *Listener) ReportStatus(ctx context.Context, report workflows.Report) error {
	return l.Reports.Take(ctx, report)
}
