package workflows

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// oneShard runs a shard by itself, whose run takes every report.
func oneShard(t *testing.T, w *world, in ShardInput) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	env := newEnv(t, w)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: ShardWorkflowID("uid", in.Shard), TaskQueue: TaskQueueRun})
	env.OnSignalExternalWorkflow("default-test-namespace", RunWorkflowID("uid"), "", SignalShardReport, anything).Return(
		func(_, _, _, _ string, _ any) error { return nil })
	return env
}

// TestShardTakesAlongAll: what a shard knows when it continues as new is what the next one
// begins with.
func TestShardTakesAlongAll(t *testing.T) {
	t.Parallel()
	allowance := int64(7)
	want := ShardInput{
		Job: Job{Run: "uid", Generation: 3}, Shard: 1, Seq: 9, State: StateSuspended, Finish: ReasonCancelled, Deadline: time.Unix(1000, 0).UTC(),
		Done: []BundleDone{{ID: "b1", Results: []string{"r"}}, {ID: "b2", Lost: true}}, Counts: Counts{Discovered: 5, Queued: 5}, Limit: ReasonPageLimit,
		Reports: 12, Expired: TroubleWith(ReasonLoginExpired, "made for a test"), Shards: 4, Close: true, Hold: true, Allowance: &allowance, Grant: 2,
		Idle: true, Most: 8, Inbox: []Delivery{{From: 2, Seq: 1, Key: "x"}}, Exchanges: []Exchange{{From: 1, Seq: 3, Key: "y"}},
		Used: 6, Hungry: true, Sent: []int64{0, 0, 3, 0}, TakenIn: []int64{1, 0, 0, 0}, Planned: 3,
		Reset: "r", Reached: 20, Kept: []BundleRef{{ID: "b3", Key: "z", Pages: 1, Hosts: 1}},
	}
	env := newEnv(t, &world{})
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		in := want
		in.Done, in.Counts, in.Limit, in.Expired, in.Idle = nil, Counts{}, "", nil, false // these it keeps beside
		s := &shard{in: in, done: want.Done, counts: want.Counts, limit: want.Limit, expired: want.Expired, idle: want.Idle}
		return s.continueAsNew(ctx)
	}, workflow.RegisterOptions{Name: "ending"})
	env.ExecuteWorkflow("ending")
	if diff := cmp.Diff(want, nextShard(t, env)); diff != "" {
		t.Errorf("the next run of the shard (-want +got):\n%s", diff)
	}
}

// TestRunTakesAlongAll is the same of a run.
func TestRunTakesAlongAll(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0).UTC()
	want := &RunResume{
		Phase: PhaseCrawling, Archive: Archive{Bucket: "b", Prefix: "p/"}, StartedAt: at, Suspended: Pause{Total: time.Hour, Since: at}, Seq: 10,
		Finish: ReasonRunLost, Lost: true, Reports: 4, Trouble: TroubleWith(ReasonStoreFull, "made for a test"), Limit: ReasonByteLimit,
		Amendments: []Amendment{{Generation: 2, At: at}}, Named: 3, Seeding: 2, Unchanged: 5,
	}
	env := newEnv(t, &world{})
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		r := newRun(ctx, order())
		r.shards = []*member{{last: ShardReport{Number: 7, Seq: 10}}}
		r.phase, r.archive, r.paused, r.finish, r.lost, r.seeded, r.trouble = want.Phase, want.Archive, want.Suspended, want.Finish, true, true, want.Trouble
		r.reports.seq, r.job.StartedAt, r.limit, r.unchanged = want.Reports, at, want.Limit, want.Unchanged
		r.list, r.named, r.job.Seeding = want.Amendments, want.Named, want.Seeding
		return r.continueAsNew(ctx)
	}, workflow.RegisterOptions{Name: "ending"})
	env.ExecuteWorkflow("ending")
	got := next(t, env).Resume
	want.Shard = ShardReport{Number: 7, Seq: 10}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the next run (-want +got):\n%s", diff)
	}
}

// TestRunHearsTheLastReports: a report that comes while a run waits until it may continue as
// new is heard, for nobody sends it again.
func TestRunHearsTheLastReports(t *testing.T) {
	t.Parallel()
	w := world{total: 5}
	env := newEnv(t, &w)
	env.OnSignalExternalWorkflow("default-test-namespace", ShardWorkflowID("uid", 0), "", SignalShardControl, anything).Return(
		func(_, _, _, _ string, _ any) error { return nil })
	env.OnActivity(ActivityReportStatus, anything, anything).After(4 * time.Second).Return(nil)
	report := func(at time.Duration, r ShardReport) {
		env.RegisterDelayedCallback(func() {
			env.SetContinueAsNewSuggested(at > 10*time.Minute)
			env.SignalWorkflow(SignalShardReport, r)
		}, at)
	}
	report(10*time.Minute, ShardReport{Number: 6, Seq: 2}) // which the operator is told of for a while
	report(10*time.Minute+time.Second, ShardReport{Number: 7, Seq: 3})
	report(10*time.Minute+2*time.Second, ShardReport{Number: 8, Seq: 4, Done: true})
	in := order()
	in.Resume = &RunResume{Phase: PhaseCrawling, StartedAt: env.Now()}
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := next(t, env).Resume.Shard; got.Number != 8 || !got.Done {
		t.Errorf("the next run knows of %+v, want the last report", got)
	}
}

// TestDrainedResultsArePlannedIn: a shard that continues as new while no plan succeeds loses
// nothing of what its bundles brought back.
func TestDrainedResultsArePlannedIn(t *testing.T) {
	t.Parallel()
	w := world{total: 30, queued: 30}
	down := false
	failing := func(env *testsuite.TestWorkflowEnvironment) {
		env.OnActivity(ActivityPlan, anything, anything).Return(func(ctx context.Context, in PlanInput) (PlanOutput, error) {
			if down {
				return PlanOutput{}, temporal.NewNonRetryableApplicationError("made for a test", string(ReasonStoreUnreachable), nil)
			}
			return w.plan(ctx, in)
		})
	}
	in := ShardInput{Job: Job{Run: "uid"}, State: StateActive}
	env := oneShard(t, &w, in)
	failing(env)
	env.OnActivity(ActivityCrawlBundle, anything, anything).After(10 * time.Second).Return(w.bundle)
	env.RegisterDelayedCallback(func() { down = true }, 5*time.Second)
	env.RegisterDelayedCallback(func() { env.SetContinueAsNewSuggested(true) }, 20*time.Second)
	env.ExecuteWorkflow(WorkflowFrontierShard, in)
	in = nextShard(t, env)
	if len(in.Done) == 0 {
		t.Fatalf("%d bundles ended, and the next run is told of none", w.bundles)
	}
	down = false
	env = oneShard(t, &w, in)
	env.ExecuteWorkflow(WorkflowFrontierShard, in)
	if err := env.GetWorkflowError(); err != nil || w.archived != 30 {
		t.Errorf("ended with %v, %d of 30 pages archived", err, w.archived)
	}
}

// TestShardGoesOn when what kept it from planning is over, though nothing is out that could
// come back and nothing is due by the clock.
func TestShardGoesOn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason        string
		failures      int // of plans, at first
		before, after ShardControl
	}{
		"Plan":      {"A plan that failed is tried again.", 3, ShardControl{State: StateActive}, ShardControl{State: StateActive}},
		"Suspended": {"It is resumed.", 0, ShardControl{State: StateSuspended}, ShardControl{State: StateActive}},
		"Held":      {"It is let go.", 0, ShardControl{State: StateActive, Hold: true}, ShardControl{State: StateActive}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{total: 150, queued: 150}
			in := ShardInput{Job: Job{Run: "uid"}, State: StateActive, Shards: 2}
			env := oneShard(t, &w, in)
			env.OnActivity(ActivityPlan, anything, anything).Return(func(ctx context.Context, in PlanInput) (PlanOutput, error) {
				if tc.failures > 0 {
					tc.failures--
					return PlanOutput{}, temporal.NewNonRetryableApplicationError("made for a test", string(ReasonStoreUnreachable), nil)
				}
				return w.plan(ctx, in)
			})
			env.OnActivity(ActivityCrawlBundle, anything, anything).After(2 * time.Second).Return(w.bundle)
			loaded := 0
			env.RegisterDelayedCallback(func() { env.SignalWorkflow(SignalShardControl, tc.before) }, time.Second)
			env.RegisterDelayedCallback(func() { loaded = w.bundles }, 10*time.Minute-time.Second)
			env.RegisterDelayedCallback(func() {
				if tc.before.Hold != tc.after.Hold || tc.before.State != tc.after.State {
					if w.bundles != loaded || loaded == 50 {
						t.Errorf("%s: %d bundles are out while it is kept, of %d", tc.reason, w.bundles, loaded)
					}
				}
				env.SignalWorkflow(SignalShardControl, tc.after)
			}, 10*time.Minute)
			env.RegisterDelayedCallback(func() {
				if w.archived != 150 {
					t.Errorf("%s: %d of 150 pages are archived", tc.reason, w.archived)
				}
				env.SignalWorkflow(SignalShardControl, ShardControl{State: StateActive, Close: true, Finish: ReasonCancelled})
			}, 50*time.Minute)
			env.ExecuteWorkflow(WorkflowFrontierShard, in)
			if err := env.GetWorkflowError(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLostBundlesAreLookedUp: of a bundle that fails otherwise than by a time-out that tells,
// the plan is told to look in the store.
func TestLostBundlesAreLookedUp(t *testing.T) {
	t.Parallel()
	w := world{total: 3, queued: 3, lose: 1}
	in := ShardInput{Job: Job{Run: "uid"}, State: StateActive}
	env := oneShard(t, &w, in)
	lost := 0
	env.OnActivity(ActivityPlan, anything, anything).Return(func(ctx context.Context, in PlanInput) (PlanOutput, error) {
		for _, d := range in.Done {
			if d.Lost {
				lost++
			}
		}
		return w.plan(ctx, in)
	})
	env.ExecuteWorkflow(WorkflowFrontierShard, in)
	if err := env.GetWorkflowError(); err != nil || lost != 1 {
		t.Errorf("ended with %v; %d bundles are looked up, want 1", err, lost)
	}
}

// TestInboxKeepsWhatComesLater: a plan takes in the inbox as it was when it began.
func TestInboxKeepsWhatComesLater(t *testing.T) {
	t.Parallel()
	s := &shard{in: ShardInput{Shards: 3, TakenIn: make([]int64, 3)}}
	tell := func(list ...Delivery) { s.take(ShardControl{Deliveries: list}) }
	early, gap, late := Delivery{From: 1, Seq: 1}, Delivery{From: 2, Seq: 2}, Delivery{From: 1, Seq: 2}
	tell(early, gap, early)
	tell(early)
	if diff := cmp.Diff([]Delivery{early, gap}, s.in.Inbox); diff != "" {
		t.Fatalf("told twice (-want +got):\n%s", diff)
	}
	s.planWith()
	tell(late, early)
	s.exchanged(PlanOutput{TakenIn: []int64{0, 1, 0}}) // of sender 2 an older one is missing
	if diff := cmp.Diff([]Delivery{late}, s.in.Inbox); diff != "" {
		t.Errorf("after the plan (-want +got):\n%s", diff)
	}
	if tell(gap); len(s.in.Inbox) != 2 {
		t.Errorf("what was forgotten is not taken when it is told again: %v", s.in.Inbox)
	}
}

// TestOverWaitsForTheOrder: a run is not over as long as a shard has not planned with the
// order as it was widened.
func TestOverWaitsForTheOrder(t *testing.T) {
	t.Parallel()
	r := threeShards()
	r.job.Generation, r.list = 2, []Amendment{{Generation: 2}}
	for _, m := range r.shards {
		m.last.Idle, m.last.Generation = true, 2
	}
	if !r.over() {
		t.Error("it is over")
	}
	if r.shards[1].last.Generation = 1; r.over() {
		t.Error("a shard has not planned with the order, and the run is over")
	}
	if r.shards[1].last.Generation, r.shards[2].last.Idle = 2, false; r.over() {
		t.Error("a shard is busy, and the run is over")
	}
}

// TestLostShardEndsTheOthers: when one of several shards was ended from outside, the others
// are told to end.
func TestLostShardEndsTheOthers(t *testing.T) {
	t.Parallel()
	r := threeShards()
	r.reports = &reporter{}
	r.shards[1].gone = true
	if r.miss(); !r.lost || r.finishReason() != ReasonRunLost || !r.shards[1].last.Done || r.controls == 0 {
		t.Errorf("lost %t, told %q: want the others to be told to end", r.lost, r.finishReason())
	}
	if r.over() {
		t.Error("the others are busy, and the run is over")
	}
	r.shards[0].last.Idle, r.shards[2].last.Idle = true, true
	if r.shards[0].last.Sent[1] = 5; !r.over() {
		t.Error("what is on its way to a lost shard keeps the run from ending")
	}
}

// TestWidenedShardIsNotIdle until it has planned with the order as it is now.
func TestWidenedShardIsNotIdle(t *testing.T) {
	t.Parallel()
	s := &shard{in: ShardInput{Shards: 2, State: StateActive}, idle: true}
	s.widen(&ShardOrder{Generation: 2})
	if s.atRest() || !s.wantPlan {
		t.Error("it is at rest though it has a wider order")
	}
	s.in.Job.Generation = 3
	if s.widen(&ShardOrder{Generation: 2}); s.in.Job.Generation != 3 {
		t.Error("an older order is taken")
	}
}

// TestShardEndsAStorm: a shard continues as new before its history, or the signals of one run
// that Temporal takes, are at their end, and what it was told last is not lost.
func TestShardEndsAStorm(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ signals, events int }{
		"Signals": {maxSignals + 1, 0},
		"Events":  {1, maxEvents + 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{}
			in := ShardInput{Job: Job{Run: "uid"}, State: StateActive, Shards: 2}
			env := oneShard(t, &w, in)
			began := env.Now()
			var last time.Time
			const portion = 100 // the environment takes no more at once
			for sent := 0; sent < tc.signals; sent += portion {
				env.RegisterDelayedCallback(func() {
					env.SetCurrentHistoryLength(tc.events)
					for i := range min(portion, tc.signals-sent) {
						last = time.Unix(int64(sent+i), 0).UTC()
						env.SignalWorkflow(SignalShardControl, ShardControl{State: StateActive, Deadline: last})
					}
				}, time.Minute+time.Duration(sent)*time.Millisecond)
			}
			env.ExecuteWorkflow(WorkflowFrontierShard, in)
			if got := nextShard(t, env); !got.Deadline.Equal(last) {
				t.Errorf("the next run keeps to %s, want the last word, %s", got.Deadline, last)
			}
			if took := env.Now().Sub(began); took > 2*time.Minute {
				t.Errorf("it continues as new after %v, want at once", took)
			}
		})
	}
}

// TestPlanOfAnOlderOrder: what a plan says that began before the order was widened does not
// end a shard.
func TestPlanOfAnOlderOrder(t *testing.T) {
	t.Parallel()
	w := world{}
	in := ShardInput{Job: Job{Run: "uid", Generation: 1}, State: StateActive}
	env := oneShard(t, &w, in)
	var orders []int64
	env.OnActivity(ActivityPlan, anything, anything).After(10 * time.Second).Return(func(ctx context.Context, in PlanInput) (PlanOutput, error) {
		orders = append(orders, in.Job.Generation)
		return w.plan(ctx, in)
	})
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(SignalShardControl, ShardControl{State: StateActive, Order: &ShardOrder{Generation: 2}})
	}, 5*time.Second)
	env.ExecuteWorkflow(WorkflowFrontierShard, in)
	if err := env.GetWorkflowError(); err != nil || !cmp.Equal(orders, []int64{1, 2}) {
		t.Errorf("ended with %v, planned with the orders %v, want 1 and 2", err, orders)
	}
}

// TestOneBundleFindsOut whether a trouble of bundles is over.
func TestOneBundleFindsOut(t *testing.T) {
	t.Parallel()
	w := world{total: 60, queued: 60, lose: openBundles + 2}
	in := ShardInput{Job: Job{Run: "uid"}, State: StateActive}
	env := oneShard(t, &w, in)
	env.OnActivity(ActivityPlan, anything, anything).Return(func(ctx context.Context, in PlanInput) (PlanOutput, error) {
		if failed := openBundles + 2 - w.lose; failed > 0 && w.lose > 0 && (in.Slots > 1 || !in.Probe) {
			t.Errorf("%d bundles are let out (probe %t) while each fails", in.Slots, in.Probe)
		}
		return w.plan(ctx, in)
	})
	env.ExecuteWorkflow(WorkflowFrontierShard, in)
	if err := env.GetWorkflowError(); err != nil || w.archived != 60 {
		t.Errorf("ended with %v, %d of 60 pages archived", err, w.archived)
	}
}

// TestSuspendedShardWithoutARun ends as soon as it learns that its run is gone: nobody is left
// who could resume it.
func TestSuspendedShardWithoutARun(t *testing.T) {
	t.Parallel()
	w := world{total: 9, queued: 9}
	env := newEnv(t, &w)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: ShardWorkflowID("uid", 0), TaskQueue: TaskQueueRun})
	env.OnSignalExternalWorkflow("default-test-namespace", RunWorkflowID("uid"), "", SignalShardReport, anything).Return(
		&temporal.UnknownExternalWorkflowExecutionError{})
	began := env.Now()
	env.ExecuteWorkflow(WorkflowFrontierShard, ShardInput{Job: Job{Run: "uid"}, State: StateSuspended})
	if took := env.Now().Sub(began); !env.IsWorkflowCompleted() || took > time.Minute || w.finish != ReasonCancelled {
		t.Errorf("after %v it has dropped its pages for %q, want that it ends at once", took, w.finish)
	}
}

// TestShardIsGoneLater: a run that continued as new finds out that its only shard was ended from
// outside long after it was told all.
func TestShardIsGoneLater(t *testing.T) {
	t.Parallel()
	w := world{total: 5}
	env := newEnv(t, &w)
	in := order()
	in.Resume = &RunResume{Phase: PhaseCrawling, StartedAt: env.Now(), Shard: ShardReport{Number: 100}}
	began := env.Now()
	const lives = 10 * time.Hour
	told := 0
	env.OnSignalExternalWorkflow("default-test-namespace", ShardWorkflowID("uid", 0), "", SignalShardControl, anything).Return(
		func(_, _, _, _ string, _ any) error {
			told++
			if env.Now().Sub(began) > lives {
				return &temporal.UnknownExternalWorkflowExecutionError{}
			}
			return nil
		})
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := finish(t, env); got.Reason != ReasonRunLost {
		t.Errorf("got %+v, want a run that is lost", got)
	}
	if took := env.Now().Sub(began) - lives; took > 2*time.Hour || told > 15 {
		t.Errorf("it takes %v, and the shard is told %d times; want that it takes an hour or two, and a word an hour", took, told)
	}
}

// TestBusyShardIsNotAsked while it reports.
func TestBusyShardIsNotAsked(t *testing.T) {
	t.Parallel()
	w := world{total: 5}
	env := newEnv(t, &w)
	in := order()
	in.Resume = &RunResume{Phase: PhaseCrawling, StartedAt: env.Now()}
	told := 0
	env.OnSignalExternalWorkflow("default-test-namespace", ShardWorkflowID("uid", 0), "", SignalShardControl, anything).Return(
		func(_, _, _, _ string, _ any) error { told++; return nil })
	for n := range int64(10) {
		env.RegisterDelayedCallback(func() {
			env.SignalWorkflow(SignalShardReport, ShardReport{Number: n + 1, Seq: n + 1, Done: n == 9})
		}, time.Duration(n+1)*time.Hour)
	}
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if finish(t, env); told != 1 {
		t.Errorf("it is told %d times, want once", told)
	}
}

// TestSleepingShardWithoutARun: a shard that must not load pages finds out within hours that its
// run was ended from outside, however long both have slept.
func TestSleepingShardWithoutARun(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]ShardInput{
		"Suspended": {State: StateSuspended},
		"Expired":   {State: StateActive, Expired: TroubleWith(ReasonLoginExpired, "made for a test")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{total: 9, queued: 9}
			in.Job.Run = "uid"
			const lives = 10 * time.Hour
			var slept time.Duration
			reports := int64(0)
			for runs := 0; ; runs++ {
				if runs > 20 {
					t.Fatalf("it is asleep after %v", slept)
				}
				env := newEnv(t, &w)
				env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: ShardWorkflowID("uid", 0), TaskQueue: TaskQueueRun})
				began := env.Now()
				env.OnSignalExternalWorkflow("default-test-namespace", RunWorkflowID("uid"), "", SignalShardReport, anything).Return(
					func(_, _, _, _ string, arg any) error {
						reports = max(reports, arg.(ShardReport).Number)
						if slept+env.Now().Sub(began) > lives {
							return &temporal.UnknownExternalWorkflowExecutionError{}
						}
						return nil
					})
				env.ExecuteWorkflow(WorkflowFrontierShard, in)
				if slept += env.Now().Sub(began); w.finish != "" {
					break
				}
				in = nextShard(t, env)
			}
			if slept > lives+2*time.Hour || w.bundles > 0 || reports > 15 {
				t.Errorf("it ends after %v and %d reports, %d bundles are let out; want about %v, a report an hour, and none", slept, reports, w.bundles, lives)
			}
		})
	}
}

// TestFinishWaitsForBundles: what is left is dropped once, when all that is out is back. Until then
// no plan could end the shard, and each would be followed by the next one at once.
func TestFinishWaitsForBundles(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{1, 2} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			t.Parallel()
			w := world{total: 300, queued: 300}
			in := ShardInput{Job: Job{Run: "uid"}, State: StateActive, Shards: shards}
			env := oneShard(t, &w, in)
			env.OnActivity(ActivityCrawlBundle, anything, anything).After(10 * time.Minute).Return(w.bundle)
			dropped := 0
			env.OnActivity(ActivityPlan, anything, anything).Return(func(ctx context.Context, in PlanInput) (PlanOutput, error) {
				if in.Finish != "" && len(w.leased) > len(in.Done) {
					t.Errorf("%d bundles are out, and what is left is dropped", len(w.leased)-len(in.Done))
					clear(w.leased)
				}
				if in.Finish != "" {
					dropped++
				}
				return w.plan(ctx, in)
			})
			env.RegisterDelayedCallback(func() {
				if len(w.leased) != openBundles {
					t.Errorf("%d bundles are out: the test shows nothing", len(w.leased))
				}
				env.SignalWorkflow(SignalShardControl, ShardControl{State: StateActive, Finish: ReasonCancelled, Close: true})
			}, 5*time.Minute)
			env.ExecuteWorkflow(WorkflowFrontierShard, in)
			if err := env.GetWorkflowError(); err != nil || dropped != 1 || w.finish != ReasonCancelled {
				t.Errorf("ended with %v, %d plans drop what is left, for %q; want one", err, dropped, w.finish)
			}
		})
	}
}
