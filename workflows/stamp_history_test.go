package workflows

import (
	"context"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
)

// recordStamped records a run that is owed time stamps, and what fetches them: a try that fails, one
// after which some are still owed, and the last. With its pauses that takes seven minutes.
func recordStamped(t *testing.T, c client.Client) {
	t.Helper()
	activities := newWorld(&world{total: 6, owed: 3}).activities()
	tries := 0
	activities[ActivityStamp] = func(context.Context, StampInput) (StampOutput, error) {
		switch tries++; {
		case tries <= stepAttempts: // of one step
			return StampOutput{}, NewTrouble(ReasonStoreUnreachable, "made for a test", nil)
		case tries == stepAttempts+1:
			return StampOutput{Owed: 1}, nil
		}
		return StampOutput{}, nil
	}
	in := order()
	in.Run = "stamped-" + time.Now().UTC().Format("20060102150405")
	defer serveWorld(t, c, activities)()
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	run, err := c.ExecuteWorkflow(ctx, startOptions(in.Run), WorkflowCrawlRun, in)
	if err == nil {
		err = run.Get(ctx, nil)
	}
	if err == nil {
		err = c.GetWorkflow(ctx, StampWorkflowID(in.Run), "").Get(ctx, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	save(ctx, t, c, run.GetID(), "stamped-run")
	save(ctx, t, c, StampWorkflowID(in.Run), "stamped-stamp")
}
