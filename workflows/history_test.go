package workflows

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

// updateHistories records the histories anew. A change of the workflows that does not agree
// with them would break the crawls that are under way: record only with a format that is
// new, or before anybody depends on the old one.
var updateHistories = flag.Bool("update-histories", false, "record testdata/histories with the Temporal at $TEMPORAL_ADDRESS, namespace $TEMPORAL_NAMESPACE")

const historyFolder = "testdata/histories"

// TestHistories replays what a real Temporal server recorded: a workflow that decides
// differently now than it did then cannot go on with a crawl that is under way.
func TestHistories(t *testing.T) {
	t.Parallel()
	if *updateHistories {
		recordHistories(t)
	}
	files, err := filepath.Glob(filepath.Join(historyFolder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, file := range files {
		replayer := worker.NewWorkflowReplayer()
		Register(replayer)
		if err := replayer.ReplayWorkflowHistoryFromJSONFile(quiet{}, file); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		_, kind, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
		kinds[kind]++
	}
	if kinds["run"] == 0 || kinds["shard"] == 0 {
		t.Errorf("%d histories of runs and %d of shards in %s, want some of both", kinds["run"], kinds["shard"], historyFolder)
	}
}

// recordHistories crawls made-up worlds with a real server.
func recordHistories(t *testing.T) {
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
	for name, w := range map[string]*world{
		"completed": {total: 60}, "trouble": {total: 10, storeDown: 4}, "lost": {total: 30, lose: 3},
	} {
		record(t, c, name, w)
	}
}

// record crawls one world and writes the histories of its run and of its shard.
func record(t *testing.T, c client.Client, name string, w *world) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	uid := name + "-" + time.Now().UTC().Format("20060102150405")
	w.leased = map[string]int64{}
	defer serveWorld(t, c, w)()
	in := order()
	in.Run = uid
	run, err := c.ExecuteWorkflow(ctx, startOptions(uid), WorkflowCrawlRun, in)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Get(ctx, nil); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	save(ctx, t, c, run.GetID(), name+"-run")
	save(ctx, t, c, ShardWorkflowID(uid, 0), name+"-shard")
}

// serveWorld works on all task queues; the function that it returns ends that.
func serveWorld(t *testing.T, c client.Client, w *world) (stop func()) {
	t.Helper()
	var mu sync.Mutex
	var stops []func()
	for _, queue := range []string{TaskQueueRun, TaskQueuePlan, TaskQueueBrowser, TaskQueueOperator} {
		work := worker.New(c, queue, worker.Options{Identity: "recorder"})
		if queue == TaskQueueRun {
			Register(work)
		}
		for name, f := range map[string]any{
			ActivityPreflight: locked(&mu, w.preflight), ActivitySeed: locked(&mu, w.seed), ActivityPlan: locked(&mu, w.plan),
			ActivityCrawlBundle: locked(&mu, w.bundle), ActivitySeal: locked(&mu, w.seal),
			ActivityReportStatus: func(ctx context.Context, r Report) error {
				mu.Lock()
				defer mu.Unlock()
				return w.report(ctx, r)
			},
		} {
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

func locked[In, Out any](mu *sync.Mutex, f func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		mu.Lock()
		defer mu.Unlock()
		return f(ctx, in)
	}
}

// save writes the history of a workflow, when there is one.
func save(ctx context.Context, t *testing.T, c client.Client, id, name string) {
	t.Helper()
	var h history.History
	events := c.GetWorkflowHistory(ctx, id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
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
