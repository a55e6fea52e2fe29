package workflows

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// upgraded has another version of the workers become current after a time, of which the workflow
// is told. One that goes on for a day all the same is cancelled.
func upgraded(env *testsuite.TestWorkflowEnvironment, after time.Duration) {
	env.RegisterDelayedCallback(func() {
		env.SetTargetWorkerDeploymentVersionChanged(true)
		env.SignalWorkflow(SignalVersion, nil)
	}, after)
	env.RegisterDelayedCallback(env.CancelWorkflow, after+24*time.Hour)
}

// goesOver expects that a workflow has gone over to the current version within a time, and returns what
// it begins with there.
func goesOver(t *testing.T, env *testsuite.TestWorkflowEnvironment, began time.Time, most time.Duration, in any) {
	t.Helper()
	if took := env.Now().Sub(began); took > most {
		t.Errorf("it went over after %v, want at most %v", took, most)
	}
	var again *workflow.ContinueAsNewError
	if err := env.GetWorkflowError(); !errors.As(err, &again) {
		t.Fatalf("ended with %v, want to continue as new", err)
	}
	if again.InitialVersioningBehavior != workflow.ContinueAsNewVersioningBehaviorAutoUpgrade {
		t.Errorf("the next run is of behavior %d: it stays with the version of this one", again.InitialVersioningBehavior)
	}
	if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, in); err != nil {
		t.Fatal(err)
	}
}

// TestRunGoesOver: wherever a run waits for long, it goes over to another version at once.
func TestRunGoesOver(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		world  world
		order  func(*RunInput, time.Time)
		phase  Phase
	}{
		"Crawling":  {reason: "its shards go on meanwhile", world: world{total: 9}, phase: PhaseCrawling},
		"Suspended": {reason: "it was never begun", world: world{total: 9}, order: func(in *RunInput, _ time.Time) { in.State = StateSuspended }, phase: PhaseSeeding},
		"Early": {reason: "its authorisation begins in a month", world: world{total: 9}, phase: PhaseSeeding, order: func(in *RunInput, now time.Time) {
			in.Spec.Authorization.NotBefore = now.Add(30 * 24 * time.Hour)
		}},
		"Trouble": {reason: "the store is away", world: world{total: 9, storeDown: 1 << 30}, phase: PhaseSeeding},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := newEnv(t, &tc.world)
			env.OnWorkflow(WorkflowFrontierShard, anything, anything).Return(func(ctx workflow.Context, _ ShardInput) error {
				return workflow.Sleep(ctx, 3*time.Hour)
			}).Maybe()
			in, began := order(), env.Now()
			in.Spec.Seeds.URLs = []string{"http://site.test/"}
			if tc.order != nil {
				tc.order(&in, began)
			}
			upgraded(env, 2*time.Hour)
			env.ExecuteWorkflow(WorkflowCrawlRun, in)
			var got RunInput
			goesOver(t, env, began, 4*time.Hour, &got)
			if got.Resume == nil || got.Resume.Phase != tc.phase || got.State != in.State {
				t.Fatalf("%s: it goes on with %+v", tc.reason, got)
			}
			if seeds := len(got.Spec.Seeds.URLs); (seeds == 1) != (tc.phase == PhaseSeeding) {
				t.Errorf("%s: it goes on with %d seeds in phase %s", tc.reason, seeds, got.Resume.Phase)
			}
		})
	}
}

// TestShardGoesOver: a shard brings in what is out and goes over; one that is suspended has nothing
// else to wake up for.
func TestShardGoesOver(t *testing.T) {
	t.Parallel()
	for _, state := range []State{StateActive, StateSuspended} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			w := &world{total: 5000, queued: 5000}
			in := ShardInput{Job: Job{Run: "uid"}, State: state}
			env := oneShard(t, w, in)
			began := env.Now()
			env.OnActivity(ActivityCrawlBundle, anything, anything).After(10 * time.Second).Return(w.bundle).Maybe()
			upgraded(env, time.Minute)
			env.ExecuteWorkflow(WorkflowFrontierShard, in)
			var got ShardInput
			goesOver(t, env, began, 2*time.Minute, &got)
			if got.State != state || (got.Seq > 0) != (state == StateActive) {
				t.Errorf("it goes on with %+v", got)
			}
		})
	}
}

// TestRetainGoesOver: what looks after captures waits on with the other version, and looks at once
// when something was decided.
func TestRetainGoesOver(t *testing.T) {
	t.Parallel()
	k := &keeper{erase: func(EraseInput) (EraseOutput, error) { return EraseOutput{Reason: "Kept", Wait: 10 * time.Hour}, nil }}
	env := retainEnv(t, k)
	began := env.Now()
	upgraded(env, 4*time.Hour)
	env.ExecuteWorkflow(WorkflowRetain, retainInput())
	var in RetainInput
	goesOver(t, env, began, 4*time.Hour+time.Minute, &in)
	if left := in.Resume.Due.Sub(began.Add(10 * time.Hour)).Abs(); left > time.Minute || len(k.looks) != 1 {
		t.Fatalf("it looked %d times and goes on at %v, want once and after %v", len(k.looks), in.Resume.Due, began.Add(10*time.Hour))
	}

	for name, decided := range map[string]bool{"waits on": false, "decided": true} {
		k := &keeper{erase: func(EraseInput) (EraseOutput, error) { return EraseOutput{Reason: "Kept", Done: true}, nil }}
		env := retainEnv(t, k)
		in := in
		in.Resume.Due = env.Now().Add(6 * time.Hour)
		if decided {
			env.RegisterDelayedCallback(func() { env.SignalWorkflow(SignalDecided, nil) }, time.Hour)
		}
		began := env.Now()
		env.ExecuteWorkflow(WorkflowRetain, in)
		want := began.Add(6 * time.Hour)
		if decided {
			want = began.Add(time.Hour)
		}
		if len(k.looks) != 1 || k.looks[0].Sub(want).Abs() > time.Minute {
			t.Errorf("%s: it looked at %v, want %v", name, k.looks, want)
		}
	}
}

// TestStampsGoOver: what fetches owed time stamps does not begin its month anew.
func TestStampsGoOver(t *testing.T) {
	t.Parallel()
	begin := func() *testsuite.TestWorkflowEnvironment {
		env := newEnv(t, &world{})
		env.RegisterActivityWithOptions(func(context.Context, StampInput) (StampOutput, error) { return StampOutput{Owed: 1}, nil },
			activity.RegisterOptions{Name: ActivityStamp})
		return env
	}
	env := begin()
	began := env.Now()
	upgraded(env, 20*24*time.Hour)
	env.ExecuteWorkflow(WorkflowStampRun, StampInput{Statement: "run.json"})
	var in StampInput
	goesOver(t, env, began, 20*24*time.Hour+time.Minute, &in)
	if in.Resume.Pause != longStampPause || in.Resume.Began.Sub(began).Abs() > time.Minute || in.Statement != "run.json" {
		t.Fatalf("it goes on with %+v", in)
	}
	env = begin()
	env.SetStartTime(began.Add(20 * 24 * time.Hour))
	env.ExecuteWorkflow(WorkflowStampRun, in)
	if took := env.Now().Sub(began); env.GetWorkflowError() == nil || took > stampPatience+longStampPause || took < stampPatience-longStampPause {
		t.Errorf("it ended with %v after %v, want to give up after %v", env.GetWorkflowError(), took, stampPatience)
	}
}
