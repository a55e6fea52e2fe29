package workflows

import (
	"context"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
)

// recordRetained records a run whose captures are looked after, with trouble and a decision in
// between, until nothing is left.
func recordRetained(t *testing.T, c client.Client) {
	t.Helper()
	w := newWorld(&world{total: 6})
	activities := w.activities()
	looks := 0
	activities[ActivityErase] = func(ctx context.Context, in EraseInput) (EraseOutput, error) {
		looks++
		out := EraseOutput{Reason: ReasonScreening, ObjectLock: ObjectLockUnavailable, Log: LogMark{Seq: 1, SHA256: "aa"}, Told: 1}
		switch {
		case looks == 1:
			return out, c.SignalWorkflow(ctx, RetainWorkflowID(in.Run), "", SignalDecided, nil)
		case looks == 2:
			out.Wait = time.Second
		case looks <= 5:
			return out, NewTrouble(ReasonStoreUnreachable, "made for a test", nil)
		default:
			out.Reason, out.Done = ReasonErased, true
		}
		return out, nil
	}
	activities[ActivityReportRetention] = func(context.Context, RetentionReport) error { return nil }
	in := order()
	in.Spec.Retention.Screening = 72 * time.Hour
	in.Run = "retained-" + time.Now().UTC().Format("20060102150405")
	defer serveWorld(t, c, activities)()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	run, err := c.ExecuteWorkflow(ctx, startOptions(in.Run), WorkflowCrawlRun, in)
	if err == nil {
		err = run.Get(ctx, nil)
	}
	if err == nil {
		err = c.GetWorkflow(ctx, RetainWorkflowID(in.Run), "").Get(ctx, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	save(ctx, t, c, run.GetID(), "retained-run")
	save(ctx, t, c, RetainWorkflowID(in.Run), "retained-retain")
}
