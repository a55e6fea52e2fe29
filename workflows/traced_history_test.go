package workflows

import (
	"log/slog"
	"path/filepath"
	"testing"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	observed "crawlfleet.dev/crawlfleet/internal/telemetry/temporal"
	"crawlfleet.dev/crawlfleet/internal/telemetry/traces"
)

// TestHistoriesTraced replays what was recorded with no trace in it by workers that send traces, as a
// fleet meets it that is first told to while crawls are under way.
func TestHistoriesTraced(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1") // a replay makes no span
	provider, err := traces.Start(t.Context(), traces.Program{Name: "replay"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	list, err := observed.Interceptors(provider, ActivityReportStatus, ActivityReportRetention)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(historyFolder, "*.json"))
	if err != nil || len(files) == 0 || len(list) == 0 {
		t.Fatalf("%d histories, %d interceptors, %v", len(files), len(list), err)
	}
	for _, file := range files {
		replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
			Interceptors: []interceptor.WorkerInterceptor{list[0].(interceptor.WorkerInterceptor)},
		})
		if err != nil {
			t.Fatal(err)
		}
		Register(replayer)
		RegisterFiring(replayer)
		if err := replayer.ReplayWorkflowHistoryFromJSONFile(quiet{}, file); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if err := provider.Close(); err != nil {
		t.Errorf("a replay made spans: %v", err)
	}
}
