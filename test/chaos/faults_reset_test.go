package chaos

import (
	"errors"
	"testing"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"crawlfleet.dev/crawlfleet/workflows"
)

// resetShards takes every shard back to an older point of its history, as a person does in
// Temporal's page who wants to mend something: all that it did since is forgotten, and done
// already.
func resetShards(t *testing.T, c *crawl) {
	job := c.fleet.Job(t, c.job.Name)
	reset := 0
	for shard := range c.job.Spec.Shards {
		id := workflows.ShardWorkflowID(string(job.UID), int(shard))
		events := c.workflowTasks(t, id)
		if len(events) == 0 {
			continue // it has not begun, or is over
		}
		_, err := c.temporal.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
			Namespace: c.fleet.State().Temporal.Namespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: id},
			Reason: "a test", WorkflowTaskFinishEventId: events[len(events)/2], RequestId: id + t.Name(),
		})
		var gone *serviceerror.NotFound
		switch {
		case errors.As(err, &gone):
		case err != nil:
			t.Errorf("reset %s: %v", id, err)
		default:
			reset++
		}
	}
	t.Logf("%d shards were taken back", reset)
	time.Sleep(time.Second)
}

// workflowTasks are the events of a running workflow that it can be taken back to; none when
// it does not run.
func (c *crawl) workflowTasks(t *testing.T, id string) (events []int64) {
	t.Helper()
	history := c.temporal.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		e, err := history.Next()
		var none *serviceerror.NotFound
		if errors.As(err, &none) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e.GetEventType() {
		case enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
			events = append(events, e.GetEventId())
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
			return nil
		}
	}
	return events
}
