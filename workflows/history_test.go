package workflows

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

// updateHistories records the histories of some worlds anew. A change of the workflows that does not agree
// with them would break the crawls that are under way: record only with a format that is
// new, or before anybody depends on the old one.
var updateHistories = flag.String("update-histories", "", "record testdata/histories of these worlds (completed,trouble,lost,busy,gathered,sharded,firings,retained,stamped,versioned) with the Temporal at $TEMPORAL_ADDRESS, namespace $TEMPORAL_NAMESPACE")

const historyFolder = "testdata/histories"

// TestHistories replays what a real Temporal server recorded: a workflow that decides
// differently now than it did then cannot go on with a crawl that is under way.
func TestHistories(t *testing.T) {
	t.Parallel()
	if *updateHistories != "" {
		recordHistories(t, strings.Split(*updateHistories, ","))
	}
	files, err := filepath.Glob(filepath.Join(historyFolder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, file := range files {
		replayer := worker.NewWorkflowReplayer()
		Register(replayer)
		RegisterFiring(replayer)
		if err := replayer.ReplayWorkflowHistoryFromJSONFile(quiet{}, file); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		_, kind, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
		kinds[kind]++
	}
	for _, world := range []string{"sharded", "gathered"} { // of before and since shards gather what a step takes in
		if raw, err := os.ReadFile(filepath.Join(historyFolder, world+"-shard.json")); err != nil || strings.Contains(string(raw), "EVENT_TYPE_MARKER_RECORDED") != (world == "gathered") {
			t.Errorf("%s: %v, or it was recorded anew", world, err)
		}
	}
	for _, kind := range []string{"run", "shard"} { // that go over to another version of the workers
		raw, err := os.ReadFile(filepath.Join(historyFolder, "versioned-"+kind+".json"))
		if err != nil || !strings.Contains(string(raw), `"targetWorkerDeploymentVersionChanged": true`) || !strings.Contains(string(raw), "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW") {
			t.Errorf("versioned-%s: %v, or it does not go over", kind, err)
		}
	}
	if kinds["run"] == 0 || kinds["shard"] == 0 || kinds["firing"] == 0 || kinds["retain"] == 0 || kinds["stamp"] == 0 {
		t.Errorf("%d histories of runs, %d of shards, %d of firings, %d of captures that are looked after and %d of stamps that are owed in %s, want some of each",
			kinds["run"], kinds["shard"], kinds["firing"], kinds["retain"], kinds["stamp"], historyFolder)
	}
}

// recordHistories crawls made-up worlds with a real server.
func recordHistories(t *testing.T, names []string) {
	t.Helper()
	c, err := client.Dial(client.Options{
		HostPort: os.Getenv("TEMPORAL_ADDRESS"), Namespace: os.Getenv("TEMPORAL_NAMESPACE"), Identity: "recorder", Logger: quiet{},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := os.MkdirAll(historyFolder, 0o755); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(names, "firings") {
		recordFirings(t, c)
	}
	if slices.Contains(names, "retained") {
		recordRetained(t, c)
	}
	if slices.Contains(names, "stamped") {
		recordStamped(t, c)
	}
	if slices.Contains(names, "versioned") {
		recordVersioned(t, c)
	}
	sharded := order()
	sharded.Spec.Limits.Pages = 60
	for name, w := range map[string]struct {
		order      RunInput
		shards     int
		activities map[string]any
	}{
		"completed": {order(), 1, newWorld(&world{total: 60}).activities()},
		"trouble":   {order(), 1, newWorld(&world{total: 10, storeDown: 4}).activities()},
		"lost":      {order(), 1, newWorld(&world{total: 30, lose: 3}).activities()},
		"busy":      {order(), 1, newWorld(&world{total: 200}).activities()},
		"gathered":  {sharded, 3, (&shardWorld{t: t, shards: 3, hosts: 20, pages: 4}).activities()},
		"sharded":   {sharded, 3, (&shardWorld{t: t, shards: 3, hosts: 20, pages: 4}).activities()},
	} {
		if slices.Contains(names, name) {
			record(t, c, name, w.order, w.shards, w.activities)
		}
	}
}

// record crawls one world and writes the histories of its run and of its shards.
func record(t *testing.T, c client.Client, name string, in RunInput, shards int, activities map[string]any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	uid := name + "-" + time.Now().UTC().Format("20060102150405")
	defer serveWorld(t, c, activities)()
	in.Run = uid
	run, err := c.ExecuteWorkflow(ctx, startOptions(uid), WorkflowCrawlRun, in)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Get(ctx, nil); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	save(ctx, t, c, run.GetID(), name+"-run")
	for i := range shards {
		as := name + "-shard"
		if i > 0 {
			as = fmt.Sprintf("%s%d-shard", name, i)
		}
		save(ctx, t, c, ShardWorkflowID(uid, i), as)
	}
}

// serveWorld works on all task queues; the function that it returns ends that.
func serveWorld(t *testing.T, c client.Client, activities map[string]any) (stop func()) {
	t.Helper()
	var stops []func()
	for _, queue := range []string{TaskQueueRun, TaskQueuePlan, TaskQueueBrowser, TaskQueueOperator} {
		work := worker.New(c, queue, worker.Options{Identity: "recorder"})
		if queue == TaskQueueRun {
			Register(work)
		}
		for name, f := range activities {
			work.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
		}
		if err := work.Start(); err != nil {
			t.Fatal(err)
		}
		stops = append(stops, work.Stop)
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// save writes the history of a workflow, when there is one.
func save(ctx context.Context, t *testing.T, c client.Client, id, name string) {
	t.Helper()
	saveRun(ctx, t, c, id, "", name)
}

// saveRun is save for one of its runs, the last one if it is empty.
func saveRun(ctx context.Context, t *testing.T, c client.Client, id, run, name string) {
	t.Helper()
	var h history.History
	events := c.GetWorkflowHistory(ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			t.Logf("%s: no history: %v", name, err)
			return
		}
		h.Events = append(h.Events, event)
	}
	b, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(&h)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(historyFolder, name+".json"), append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%s: %d events, %d bytes\n", name, len(h.Events), len(b))
}
