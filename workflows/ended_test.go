package workflows

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// TestShardEndsWithItsLastReport replays a completed run in which the news that the shard has
// ended comes in the same workflow task as its last report, as it does when the machine is
// busy: the result stays what it was, and the run does not count as lost.
func TestShardEndsWithItsLastReport(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(historyFolder, "completed-run.json"))
	if err != nil {
		t.Fatal(err)
	}
	var history struct {
		Events []map[string]any `json:"events"`
	}
	if err := json.Unmarshal(text, &history); err != nil {
		t.Fatal(err)
	}
	history.Events = moved(t, history.Events, "EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED", "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED")
	text, err = json.Marshal(history)
	if err != nil {
		t.Fatal(err)
	}
	h, err := client.HistoryFromJSON(bytes.NewReader(text), client.HistoryJSONOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got RunResult
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(func(ctx workflow.Context, in RunInput) (result RunResult, err error) {
		got, err = CrawlRun(ctx, in)
		return got, err
	}, workflow.RegisterOptions{Name: WorkflowCrawlRun})
	if err := replayer.ReplayWorkflowHistory(quiet{}, h); err != nil {
		t.Fatal(err)
	}
	if got.Verdict != VerdictSucceeded || got.Reason != ReasonCompleted {
		t.Errorf("the run is %s: %s: %s", got.Verdict, got.Reason, got.Message)
	}
}

// moved puts the last event of one type right behind the last event of another one, and
// numbers all of them anew.
func moved(t *testing.T, events []map[string]any, what, behind string) []map[string]any {
	t.Helper()
	last := func(kind string) int {
		for i, e := range slices.Backward(events) {
			if e["eventType"] == kind {
				return i
			}
		}
		t.Fatalf("the history has no %s", kind)
		return 0
	}
	from := last(what)
	event := events[from]
	events = slices.Delete(slices.Clone(events), from, from+1)
	events = slices.Insert(events, last(behind)+1, event)
	numbers := map[string]string{}
	for i, e := range events {
		id, _ := e["eventId"].(string)
		numbers[id] = strconv.Itoa(i + 1)
	}
	for _, e := range events {
		renumber(e, numbers)
	}
	return events
}

// renumber replaces the numbers of events in an event, which are strings in JSON. Activities
// and timers are named after the event that began them.
func renumber(fields map[string]any, numbers map[string]string) {
	for key, value := range fields {
		switch v := value.(type) {
		case map[string]any:
			renumber(v, numbers)
		case string:
			if strings.HasSuffix(strings.ToLower(key), "eventid") || key == "activityId" || key == "timerId" {
				fields[key] = cmp.Or(numbers[v], v)
			}
		}
	}
}
