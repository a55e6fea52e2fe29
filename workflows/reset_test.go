package workflows

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

func TestResetOf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason              string
		original, id, known string
		want                string
	}{
		"Never":    {"It was never reset.", "a", "a", "", ""},
		"Reset":    {"The execution is not the original one.", "a", "b", "", "b"},
		"Again":    {"The last reset counts.", "c", "d", "b", "d"},
		"NextRun":  {"A run that a reset one continues as knows it from that.", "c", "c", "b", "b"},
		"NotKnown": {"The environment of tests has no original.", "", "c", "b", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			info := &workflow.Info{OriginalRunID: tc.original, WorkflowExecution: workflow.Execution{RunID: tc.id}}
			if got := resetOf(info, tc.known); got != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

// TestRunIsResetToItsBeginning: the shard that is there already is its own.
func TestRunIsResetToItsBeginning(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		again  enums.WorkflowIdReusePolicy
		want   bool
	}{
		"Begin":  {"A run that begins has begun before.", enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, true},
		"Revive": {"A shard that is to begin again was over.", enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := newEnv(t, &world{})
			env.OnSignalExternalWorkflow(anything, anything, anything, anything, anything).Return(func(_, _, _, _ string, _ any) error { return nil })
			env.ExecuteWorkflow(func(ctx workflow.Context) error {
				r := &run{in: RunInput{Run: "uid"}, shards: []*member{{}}, reports: &reporter{}}
				child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: ShardWorkflowID("uid", 0), ParentClosePolicy: enums.PARENT_CLOSE_POLICY_ABANDON})
				there := workflow.ExecuteChildWorkflow(child, WorkflowFrontierShard, ShardInput{Job: Job{Run: "uid"}, State: StateActive})
				if err := there.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
					return err
				}
				err := r.startShard(ctx, 0, tc.again)
				if (err == nil) != tc.want || tc.want && r.shards[0].told != -1 {
					t.Errorf("%s: %v, told %d", tc.reason, err, r.shards[0].told)
				}
				return nil
			})
			if err := env.GetWorkflowError(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReportsOfAReset shows a run reports of a shard that was at manifest 20, with its hundredth
// report, one after another.
func TestReportsOfAReset(t *testing.T) {
	t.Parallel()
	stalled := TroubleWith(ReasonStoreUnreachable, "made for a test")
	for name, tc := range map[string]struct {
		reason  string
		reports []ShardReport
		taken   []bool
		told    int // how often it is to be told its orders
		trouble *Waiting
	}{
		"Late":     {"An older report of one execution is dropped.", []ShardReport{{Number: 99, Seq: 20}, {Number: 101, Seq: 21}, {Number: 101, Seq: 21}}, []bool{false, true, false}, 0, nil},
		"Behind":   {"It counts again when it is as far as it was.", []ShardReport{{Reset: "a", Number: 70, Seq: 15}, {Reset: "a", Number: 71, Seq: 19}, {Reset: "a", Number: 72, Seq: 20}, {Reset: "a", Number: 73, Seq: 21}}, []bool{false, false, true, true}, 1, nil},
		"Again":    {"It is told again when it is reset again.", []ShardReport{{Reset: "a", Number: 70, Seq: 15}, {Reset: "b", Number: 50, Seq: 10}, {Reset: "b", Number: 51, Seq: 30}}, []bool{false, false, true}, 2, nil},
		"Done":     {"Its last report counts.", []ShardReport{{Reset: "a", Number: 75, Seq: 20, Done: true}}, []bool{true}, 1, nil},
		"AfterAll": {"What was over is not under way again.", []ShardReport{{Number: 101, Seq: 20, Done: true}, {Reset: "a", Number: 75, Seq: 21}}, []bool{true, false}, 0, nil},
		"Trouble":  {"What keeps it from going on is told.", []ShardReport{{Reset: "a", Number: 70, Seq: 15, Trouble: stalled, Stalled: true}}, []bool{false}, 1, stalled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := newEnv(t, &world{})
			env.ExecuteWorkflow(func(ctx workflow.Context) error {
				books := Counts{Discovered: 9, Archived: 9}
				m := &member{last: ShardReport{Number: 100, Seq: 20, Counts: books}}
				r := &run{shards: []*member{m}, reports: &reporter{}}
				told := 0
				for i, report := range tc.reports {
					got := r.takes(ctx, report)
					if got != tc.taken[i] {
						t.Errorf("%s: report %d is taken: %t", tc.reason, i, got)
					}
					if got {
						m.last = report
					} else if !m.last.Done && m.last.Counts.Archived != 9 && i == 0 {
						t.Errorf("%s: the books are %+v", tc.reason, m.last.Counts)
					}
					if m.told == -1 {
						told++
						m.told = 0
					}
				}
				if told != tc.told || reasonOf(m.last.Trouble) != reasonOf(tc.trouble) {
					t.Errorf("%s: told %d times, trouble %v; want %d and %v", tc.reason, told, m.last.Trouble, tc.told, tc.trouble)
				}
				return nil
			})
			if err := env.GetWorkflowError(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLastReportOfAReset: the last report of a shard that was reset ends its run, whatever its
// number.
func TestLastReportOfAReset(t *testing.T) {
	t.Parallel()
	w := world{total: 5, archived: 5}
	env := newEnv(t, &w)
	in := order()
	in.Resume = &RunResume{Phase: PhaseCrawling, StartedAt: env.Now(), Shard: ShardReport{Number: 100, Seq: 9}}
	env.OnSignalExternalWorkflow("default-test-namespace", ShardWorkflowID("uid", 0), "", SignalShardControl, anything).Return(
		func(_, _, _, _ string, _ any) error { return nil })
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(SignalShardReport, ShardReport{Number: 75, Reset: "r", Done: true, Seq: 9, Counts: w.counts()})
	}, time.Hour)
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := finish(t, env); got.Reason != ReasonCompleted || !cmp.Equal(w.sealed.Seqs, []int64{9}) {
		t.Errorf("%+v, sealed at %v", got, w.sealed.Seqs)
	}
}

// TestStepsAreTakenAgain: a shard that was reset while it had nothing to do plans on as far as its
// run says it had come, and hands out what is not planned in by then, nothing else.
func TestStepsAreTakenAgain(t *testing.T) {
	t.Parallel()
	w := world{}
	in := ShardInput{Job: Job{Run: "uid"}, State: StateActive, Shards: 2, Seq: 1, Idle: true, Reset: "r"}
	env := oneShard(t, &w, in)
	bundles := func(ids ...string) (list []BundleRef) {
		for _, id := range ids {
			list = append(list, BundleRef{ID: id, Key: id, Pages: 1})
		}
		return list
	}
	chain := []PlanOutput{
		{Seq: 2, Bundles: bundles("a", "b")},
		{Seq: 3, Bundles: bundles("c"), Applied: []string{"a"}},
		{Seq: 4, Bundles: bundles("d"), Applied: []string{"c"}},
	}
	var planned []int64
	env.OnActivity(ActivityPlan, anything, anything).Return(func(_ context.Context, in PlanInput) (PlanOutput, error) {
		planned = append(planned, in.Seq)
		if in.Seq == 1 && len(planned) == 1 { // as it was at the reset
			return PlanOutput{Seq: 1, Idle: true}, nil
		}
		if len(planned) == 2 {
			return PlanOutput{}, temporal.NewNonRetryableApplicationError("made for a test", string(ReasonStoreUnreachable), nil)
		}
		if in.Seq < 4 {
			return chain[in.Seq-1], nil
		}
		out := PlanOutput{Seq: in.Seq + 1}
		for _, d := range in.Done {
			out.Applied = append(out.Applied, d.ID)
		}
		out.Idle = true
		return out, nil
	})
	loaded := map[string]int{}
	env.OnActivity(ActivityCrawlBundle, anything, anything).Return(func(_ context.Context, in BundleInput) (BundleOutput, error) {
		loaded[in.Bundle.ID]++
		return BundleOutput{Results: []string{in.Bundle.ID}}, nil
	})
	env.RegisterDelayedCallback(func() {
		if len(planned) != 1 {
			t.Errorf("it planned from %v while it knew nothing", planned)
		}
		env.SignalWorkflow(SignalShardControl, ShardControl{State: StateActive, Seq: 4, Close: true})
	}, 10*time.Minute)
	env.ExecuteWorkflow(WorkflowFrontierShard, in)
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if len(planned) < 6 || !slices.Equal(planned[:6], []int64{1, 1, 1, 2, 3, 4}) {
		t.Errorf("planned from %v", planned)
	}
	if diff := cmp.Diff(map[string]int{"b": 1, "d": 1}, loaded); diff != "" {
		t.Errorf("bundles that were let out (-want +got):\n%s", diff)
	}
}

// TestOutAtTheReset: a bundle that is out, and that a step which is taken again took in, is not
// wanted any more.
func TestOutAtTheReset(t *testing.T) {
	t.Parallel()
	var cancelled []string
	out := func(id string) *openBundle { return &openBundle{cancel: func() { cancelled = append(cancelled, id) }} }
	s := &shard{in: ShardInput{Seq: 2, Reached: 4}, open: map[string]*openBundle{"a": out("a"), "b": out("b")}}
	s.handOut(nil, PlanOutput{Seq: 2, Applied: []string{"a", "x"}})
	if !slices.Equal(cancelled, []string{"a"}) {
		t.Errorf("cancelled are %v, want the one that is planned in", cancelled)
	}
}

// TestDrainingKeepsSteps: a shard that continues as new before it is as far as it was takes along
// what it has to hand out.
func TestDrainingKeepsSteps(t *testing.T) {
	t.Parallel()
	w := world{}
	in := ShardInput{Job: Job{Run: "uid"}, State: StateActive, Shards: 2, Seq: 1, Reached: 9, Reset: "r"}
	env := oneShard(t, &w, in)
	env.OnActivity(ActivityPlan, anything, anything).Return(func(_ context.Context, in PlanInput) (PlanOutput, error) {
		env.SetContinueAsNewSuggested(in.Seq == 4)
		id := fmt.Sprint("b", in.Seq)
		return PlanOutput{Seq: in.Seq + 1, Bundles: []BundleRef{{ID: id, Key: id}}, Applied: []string{fmt.Sprint("b", in.Seq-1)}}, nil
	})
	env.ExecuteWorkflow(WorkflowFrontierShard, in)
	got := nextShard(t, env)
	if got.Seq != 5 || got.Reached != 9 || len(got.Kept) != 1 || got.Kept[0].ID != "b4" || w.bundles > 0 {
		t.Errorf("the next run is told %+v", got)
	}
}

// TestReset takes one shard of a crawl back to its beginning after an hour, and what it was told
// is forgotten: the crawl ends as it would have, and little is visited twice.
func TestReset(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		shards int
		limit  int64
		reason Reason
	}{{1, 0, ReasonCompleted}, {4, 0, ReasonCompleted}, {4, 100, ReasonLimitReached}} {
		t.Run(fmt.Sprintf("%d/%d", tc.shards, tc.limit), func(t *testing.T) {
			t.Parallel()
			w := &chainWorld{shardWorld: shardWorld{t: t, shards: tc.shards, hosts: 40, pages: 6}, outputs: map[string]PlanOutput{}, out: map[string]int{}}
			env := w.env(t)
			env.OnActivity(ActivityPlan, anything, anything).Return(w.plan)
			env.OnActivity(ActivityCrawlBundle, anything, anything).After(7 * time.Minute).Return(w.bundle)
			resets := 0
			env.RegisterWorkflowWithOptions(func(ctx workflow.Context, in ShardInput) error {
				begin := in
				for { // the environment does not continue a child as new
					var again *workflow.ContinueAsNewError
					if err := FrontierShard(ctx, in); !errors.As(err, &again) {
						return err
					}
					in = ShardInput{}
					if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, &in); err != nil {
						return err
					}
					if resets == 0 && in.Shard == tc.shards-1 {
						resets++
						in, in.Reset = begin, "r"
					}
				}
			}, workflow.RegisterOptions{Name: WorkflowFrontierShard, DisableAlreadyRegisteredCheck: true})
			in := order()
			in.Spec.Limits.Pages = tc.limit
			env.ExecuteWorkflow(WorkflowCrawlRun, in)
			got := finish(t, env)
			if resets != 1 || w.again < 5 {
				t.Errorf("%d resets, %d steps are taken again: the test shows nothing", resets, w.again)
			}
			all := w.reachable()
			want := int64(len(all))
			if tc.limit > 0 {
				want = tc.limit
			}
			if got.Reason != tc.reason || got.Counts.Archived != want || tc.limit > 0 && w.most > tc.limit {
				t.Errorf("%s, %+v, at most %d at once; want %s and %d archived", got.Reason, got.Counts, w.most, tc.reason, want)
			}
			if tc.limit == 0 && !slices.Equal(slices.Sorted(maps.Keys(w.loads)), all) {
				t.Errorf("%d pages are loaded, want %d", len(w.loads), len(all))
			}
			twice := 0
			for _, n := range w.out {
				twice += n - 1
			}
			if twice > openBundles+openBundles/2 { // those of before, and those of the steps that were not reported
				t.Errorf("%d of %d bundles are let out twice", twice, len(w.out))
			}
			for i, s := range w.states {
				if w.seqs[i] != s.Seq() {
					t.Errorf("shard %d is sealed at %d, and is at %d", i, w.seqs[i], s.Seq())
				}
			}
		})
	}
}

// chainWorld is a shardWorld whose plans return what their manifest says when they are asked for
// again.
type chainWorld struct {
	shardWorld
	outputs map[string]PlanOutput
	again   int
	out     map[string]int // how often a bundle was let out
}

func (w *chainWorld) bundle(ctx context.Context, in BundleInput) (BundleOutput, error) {
	w.mu.Lock()
	w.out[in.Bundle.ID]++
	w.mu.Unlock()
	return w.shardWorld.bundle(ctx, in)
}

func (w *chainWorld) plan(ctx context.Context, in PlanInput) (PlanOutput, error) {
	key := fmt.Sprintf("%d/%d", in.Shard, in.Seq)
	w.mu.Lock()
	out, known := w.outputs[key]
	if known {
		w.again++
	}
	w.mu.Unlock()
	if known {
		return out, nil
	}
	out, err := w.shardWorld.plan(ctx, in)
	if err == nil {
		w.mu.Lock()
		w.outputs[key] = out
		w.mu.Unlock()
	}
	return out, err
}
