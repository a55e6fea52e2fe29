package workflows

import (
	"errors"
	"slices"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// TestPauseOutlivesHistory: a run that continues as new while it is suspended stays so: the
// pause does not count, its shard is told again, and resuming it is enough.
func TestPauseOutlivesHistory(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Hour
	counts := Counts{Discovered: 9, Queued: 5, Archived: 4}
	var told []ShardControl
	begin := func(w *world) *testsuite.TestWorkflowEnvironment {
		env := newEnv(t, w)
		env.OnWorkflow(WorkflowFrontierShard, anything, anything).Return(func(ctx workflow.Context, _ ShardInput) error {
			return workflow.Sleep(ctx, 1000*time.Hour)
		})
		env.OnSignalExternalWorkflow("default-test-namespace", ShardWorkflowID("uid", 0), "", SignalShardControl, anything).Return(
			func(_, _, _, _ string, arg any) error {
				told = append(told, arg.(ShardControl))
				return nil
			})
		return env
	}
	state := func(env *testsuite.TestWorkflowEnvironment, s State) {
		update(env, s, func(_ Report, err error) {
			if err != nil {
				t.Errorf("%s: %v", s, err)
			}
		})
	}
	first := world{total: 9}
	env := begin(&first)
	var suspended time.Time
	env.RegisterDelayedCallback(func() {
		suspended = env.Now()
		state(env, StateSuspended)
	}, 10*time.Minute)
	env.RegisterDelayedCallback(func() {
		env.SetContinueAsNewSuggested(true)
		env.SignalWorkflow(SignalShardReport, ShardReport{Number: 7, Seq: 3, Counts: counts, Suspended: true})
	}, 5*time.Hour)
	in := order()
	in.Spec.Limits.Duration = limit
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	in = next(t, env)
	if in.State != StateSuspended || in.Resume == nil || !in.Resume.Suspended.Since.Equal(suspended) || in.Resume.Phase != PhaseCrawling {
		t.Fatalf("the next run is told %+v, %+v", in, in.Resume)
	}

	second := world{total: 9}
	at := env.Now()
	env = begin(&second)
	env.SetStartTime(at)
	told = nil
	var resumed time.Time
	env.RegisterDelayedCallback(func() {
		if len(told) == 0 || len(told) > 40 || slices.ContainsFunc(told, func(c ShardControl) bool { return c.State != StateSuspended }) {
			t.Errorf("the shard was told %+v, want that it is suspended, and once an hour while it says nothing", told)
		}
		for _, r := range second.reports {
			if r.Phase != PhaseSuspended || r.Reason != ReasonSuspended || r.Counts.Archived != counts.Archived || r.Counts.Queued != counts.Queued {
				t.Errorf("a report of the pause is %+v", r)
			}
		}
		if len(second.reports) == 0 {
			t.Error("the next run has not reported")
		}
		resumed = env.Now()
		state(env, StateActive)
	}, 40*time.Hour)
	env.RegisterDelayedCallback(func() {
		end := counts
		end.Archived, end.Queued = 9, 0
		env.SignalWorkflow(SignalShardReport, ShardReport{Number: 8, Seq: 9, Done: true, Counts: end})
	}, 40*time.Hour+time.Minute)
	second.archived = 9
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := finish(t, env); got.Reason != ReasonCompleted || got.Counts.Archived != 9 || second.preflights != 0 {
		t.Errorf("%+v after %d looks at the store", got, second.preflights)
	}
	last := told[len(told)-1]
	if want := in.Resume.StartedAt.Add(limit + resumed.Sub(suspended)); last.State != StateActive || !last.Deadline.Equal(want) {
		t.Errorf("the shard was told %+v at last, want it active until %s", last, want)
	}
}

// TestShardPauseOutlivesHistory: the same of a shard, with bundles that were in flight when
// it was suspended: none is handed out until it is resumed, and no page is lost or doubled.
func TestShardPauseOutlivesHistory(t *testing.T) {
	t.Parallel()
	const pages = 200
	w := world{total: pages, queued: pages}
	var reports []ShardReport
	begin := func() *testsuite.TestWorkflowEnvironment {
		env := newEnv(t, &w)
		env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: ShardWorkflowID("uid", 0), TaskQueue: TaskQueueRun})
		env.OnActivity(ActivityCrawlBundle, anything, anything).After(time.Minute).Return(w.bundle)
		env.OnSignalExternalWorkflow("default-test-namespace", RunWorkflowID("uid"), "", SignalShardReport, anything).Return(
			func(_, _, _, _ string, arg any) error {
				reports = append(reports, arg.(ShardReport))
				return nil
			})
		return env
	}
	env := begin()
	paused := int64(-1)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(SignalShardControl, ShardControl{State: StateSuspended}) }, 90*time.Second)
	env.RegisterDelayedCallback(func() {
		paused = w.archived
		env.SetContinueAsNewSuggested(true)
		env.SignalWorkflow(SignalShardControl, ShardControl{State: StateSuspended})
	}, 30*time.Minute)
	env.ExecuteWorkflow(WorkflowFrontierShard, ShardInput{Job: Job{Run: "uid"}, State: StateActive})
	in := nextShard(t, env)
	if paused <= 0 || paused >= pages || in.State != StateSuspended || in.Counts.Archived != paused || in.Counts.Leased != 0 || in.Counts.Queued != pages-paused {
		t.Fatalf("%d pages were archived when it was suspended, and the next run is told %+v", paused, in)
	}
	if r := reports[len(reports)-1]; !r.Suspended {
		t.Errorf("the last report of the first run is %+v", r)
	}

	bundles, known := w.bundles, len(reports)
	for range 100 { // it continues as new by itself
		env = begin()
		env.ExecuteWorkflow(WorkflowFrontierShard, in)
		if in = nextShard(t, env); in.State != StateSuspended {
			t.Fatalf("the run after it is told %+v", in)
		}
	}
	env = begin()
	env.RegisterDelayedCallback(func() {
		if w.bundles != bundles || w.archived != paused {
			t.Errorf("%d bundles were handed out while it was suspended", w.bundles-bundles)
		}
		env.SignalWorkflow(SignalShardControl, ShardControl{State: StateActive})
	}, 59*time.Minute+50*time.Second)
	env.ExecuteWorkflow(WorkflowFrontierShard, in)
	if in = nextShard(t, env); in.State != StateActive { // it has outlived an hour, too
		t.Fatalf("the run after it is told %+v", in)
	}
	env = begin()
	env.ExecuteWorkflow(WorkflowFrontierShard, in)
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	last := reports[len(reports)-1]
	if !last.Done || last.Counts.Archived != pages || w.archived != pages || w.queued != 0 {
		t.Errorf("the last report is %+v; archived %d, queued %d", last, w.archived, w.queued)
	}
	for i := known; i < len(reports); i++ {
		if reports[i].Number <= reports[i-1].Number {
			t.Errorf("report %d follows report %d", reports[i].Number, reports[i-1].Number)
		}
	}
}

// nextShard is the input of the run that the present one of a shard continues as.
func nextShard(t *testing.T, env *testsuite.TestWorkflowEnvironment) (in ShardInput) {
	t.Helper()
	var again *workflow.ContinueAsNewError
	if err := env.GetWorkflowError(); !errors.As(err, &again) {
		t.Fatalf("ended with %v, want to continue as new", err)
	}
	if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, &in); err != nil {
		t.Fatal(err)
	}
	return in
}
