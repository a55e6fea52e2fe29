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
	uid := string(c.fleet.Job(t, c.job.Name).UID)
	for shard := range c.job.Spec.Shards {
		c.reset(t, workflows.ShardWorkflowID(uid, int(shard)), func(points int) int { return points / 2 })
	}
	time.Sleep(time.Second)
}

// resetRun takes the run itself back: to its first step, which brings the seeds in, where it has
// no shards yet.
func resetRun(t *testing.T, c *crawl) {
	c.reset(t, workflows.RunWorkflowID(string(c.fleet.Job(t, c.job.Name).UID)), func(int) int { return 0 })
	time.Sleep(time.Second)
}

// reset takes a workflow that runs back to one of its points.
func (c *crawl) reset(t *testing.T, id string, choose func(points int) int) {
	t.Helper()
	points := c.workflowTasks(t, id)
	if len(points) == 0 {
		t.Logf("%s has not begun, or is over", id)
		return
	}
	at := points[choose(len(points))]
	_, err := c.temporal.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: c.fleet.State().Temporal.Namespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: id},
		Reason: "a test", WorkflowTaskFinishEventId: at, RequestId: id + t.Name(),
	})
	var gone *serviceerror.NotFound
	if err != nil && !errors.As(err, &gone) {
		t.Errorf("reset %s: %v", id, err)
	}
	t.Logf("%s was taken back from event %d to %d: %v", id, points[len(points)-1], at, err)
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
