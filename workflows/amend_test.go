package workflows

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// wideWorld is a world whose order may be widened: each seed is a page.
type wideWorld struct {
	world
	plans  []PlanInput
	lists  []AmendInput
	stated []Amendment
	// invalid is what the list says of seeds that are none.
	invalid string
}

func newWideEnv(t *testing.T, w *wideWorld) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	env := newEnv(t, &w.world)
	known := int64(0)
	replace := activity.RegisterOptions{DisableAlreadyRegisteredCheck: true}
	register := func(name string, f any) {
		replace.Name = name
		env.RegisterActivityWithOptions(f, replace)
	}
	register(ActivityAmend, func(_ context.Context, in AmendInput) (AmendOutput, error) {
		w.lists = append(w.lists, in)
		return AmendOutput{Invalid: w.invalid}, nil
	})
	register(ActivityPlan, func(ctx context.Context, in PlanInput) (PlanOutput, error) {
		w.plans = append(w.plans, in)
		if in.Job.Seeding > known {
			known = in.Job.Seeding
			w.total += 6
			w.queued += 6
		}
		return w.plan(ctx, in)
	})
	register(ActivitySeal, func(ctx context.Context, in SealInput) (SealOutput, error) {
		w.stated = in.Amendments
		return w.seal(ctx, in)
	})
	return env
}

func widen(env *testsuite.TestWorkflowEnvironment, a Amend, answered func(Report, error)) {
	env.UpdateWorkflow(UpdateAmend, "amend-"+env.Now().String(), &testsuite.TestUpdateCallback{
		OnReject: func(err error) { answered(Report{}, err) }, OnAccept: func() {},
		OnComplete: func(v any, err error) {
			r, _ := v.(Report)
			answered(r, err)
		},
	}, a)
}

// TestAmend: limits that were raised and seeds that were added hold from the next plan on, the
// answer says so, and the closing statement lists the changes.
func TestAmend(t *testing.T) {
	t.Parallel()
	w := &wideWorld{world: world{total: 30}}
	env := newWideEnv(t, w)
	in := order()
	in.Generation = 1
	in.Spec.Limits = Limits{Pages: 100, Duration: time.Hour}
	in.Spec.Seeds.URLs = []string{"https://a.example/"}
	env.OnActivity(ActivityCrawlBundle, anything, anything).After(20 * time.Second).Return(w.bundle)
	env.RegisterDelayedCallback(func() { update(env, StateSuspended, func(Report, error) {}) }, 10*time.Second)
	env.RegisterDelayedCallback(func() {
		for name, a := range map[string]Amend{
			`"pages" can only`:    {Generation: 2, Limits: Limits{Pages: 99, Duration: time.Hour}, Seeds: in.Spec.Seeds.URLs},
			`"duration" can only`: {Generation: 2, Limits: Limits{Pages: 100, Duration: time.Minute}, Seeds: in.Spec.Seeds.URLs},
			`"bytes" can only`:    {Generation: 2, Limits: Limits{Pages: 100, Bytes: 5, Duration: time.Hour}, Seeds: in.Spec.Seeds.URLs},
			`"pagesPerHost"`:      {Generation: 2, Limits: Limits{Pages: 100, PagesPerHost: 5, Duration: time.Hour}, Seeds: in.Spec.Seeds.URLs},
			"only be added to":    {Generation: 2, Limits: in.Spec.Limits},
		} {
			widen(env, a, func(_ Report, err error) {
				if err == nil || !strings.Contains(err.Error(), name) {
					t.Errorf("%+v: error %v, want one with %s", a, err, name)
				}
			})
		}
	}, time.Minute)
	wider := Amend{Generation: 2, Limits: Limits{Pages: 200, Duration: 3 * time.Hour}, Seeds: []string{"https://a.example/", "https://b.example/"}}
	answers := 0
	take := func() {
		widen(env, wider, func(r Report, err error) {
			if answers++; err != nil || r.Generation != 2 {
				t.Errorf("the answer is %+v, error %v", r, err)
			}
		})
	}
	env.RegisterDelayedCallback(take, 2*time.Minute)
	env.RegisterDelayedCallback(take, 3*time.Minute) // an operator whose answer was lost asks again
	env.RegisterDelayedCallback(func() {             // the state alone has changed
		unchanged := wider
		unchanged.Generation = 3
		widen(env, unchanged, func(r Report, err error) {
			if err != nil || r.Generation != 3 {
				t.Errorf("the answer is %+v, error %v", r, err)
			}
		})
	}, 4*time.Minute)
	env.RegisterDelayedCallback(func() { update(env, StateActive, func(Report, error) {}) }, 2*time.Hour)
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := finish(t, env); got.Reason != ReasonCompleted || got.Counts.Archived != 36 {
		t.Errorf("got %+v", got)
	}
	last := w.plans[len(w.plans)-1].Job
	if last.Spec.Limits != wider.Limits || last.Generation != 2 || last.Seeding != 2 {
		t.Errorf("the last plan went by %+v", last)
	}
	if answers != 2 || len(w.lists) != 1 || !slices.Equal(w.lists[0].Seeds, wider.Seeds) || w.lists[0].Seeding != 2 || w.lists[0].Job.Seeding != 0 {
		t.Errorf("%d answers, lists %+v", answers, w.lists)
	}
	if len(w.stated) != 1 || w.stated[0].Generation != 2 || w.stated[0].Seeds != 2 || w.stated[0].Limits != wider.Limits || w.stated[0].At.IsZero() {
		t.Errorf("the statement is told %+v", w.stated)
	}
}

// TestAmendWithASeedThatIsNone: limits and the other seeds are taken all the same, each report
// says what was not, until a list says otherwise, and so does the closing statement.
func TestAmendWithASeedThatIsNone(t *testing.T) {
	t.Parallel()
	const why = "seed 2 has a port that is none"
	w := &wideWorld{world: world{total: 30}, invalid: why}
	env := newWideEnv(t, w)
	in := order()
	in.Generation = 1
	in.Spec.Limits = Limits{Pages: 100}
	in.Spec.Seeds.URLs = []string{"https://a.example/"}
	in.State = StateSuspended
	seeds := []string{"https://a.example/", "https://b.example:99999/"}
	env.RegisterDelayedCallback(func() { update(env, StateActive, func(Report, error) {}) }, time.Second)
	env.RegisterDelayedCallback(func() { update(env, StateSuspended, func(Report, error) {}) }, 2*time.Second)
	env.OnActivity(ActivityCrawlBundle, anything, anything).After(20 * time.Second).Return(w.bundle)
	for at, tc := range []struct {
		order Amend
		want  string
	}{
		{Amend{Generation: 2, Limits: Limits{Pages: 200}, Seeds: seeds}, why},
		{Amend{Generation: 3, Limits: Limits{Pages: 300}, Seeds: seeds}, why},
		{Amend{Generation: 4, Limits: Limits{Pages: 300}, Seeds: append(slices.Clone(seeds), "https://c.example/")}, ""},
	} {
		env.RegisterDelayedCallback(func() {
			if tc.want == "" { // as if a worker of a later release could take it
				w.invalid = ""
			}
			widen(env, tc.order, func(r Report, err error) {
				if err != nil || r.Generation != tc.order.Generation || r.InvalidSeeds != tc.want {
					t.Errorf("generation %d: %+v, error %v, want to hear %q", tc.order.Generation, r, err, tc.want)
				}
			})
		}, time.Duration(at+1)*time.Minute)
	}
	env.RegisterDelayedCallback(func() { update(env, StateActive, func(Report, error) {}) }, time.Hour)
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := finish(t, env); got.Reason != ReasonCompleted {
		t.Errorf("got %+v", got)
	}
	if last := w.plans[len(w.plans)-1].Job; last.Spec.Limits.Pages != 300 || last.Seeding != 4 {
		t.Errorf("the last plan went by %+v", last)
	}
	var stated []string
	for _, a := range w.stated {
		stated = append(stated, a.InvalidSeeds)
	}
	if !slices.Equal(stated, []string{why, why, ""}) {
		t.Errorf("the statement is told %q", stated)
	}
}

// TestAmendTooEarly: that an order cannot be taken yet is told apart from that it never will.
func TestAmendTooEarly(t *testing.T) {
	t.Parallel()
	w := &wideWorld{world: world{total: 3, storeDown: 20}}
	env := newWideEnv(t, w)
	in := order()
	in.Generation = 1
	env.RegisterDelayedCallback(func() {
		widen(env, Amend{Generation: 2, Seeds: []string{"https://a.example/"}}, func(_ Report, err error) {
			var app *temporal.ApplicationError
			if !errors.As(err, &app) || !Passes(Reason(app.Type())) {
				t.Errorf("refused with %v, want what passes", err)
			}
		})
	}, time.Second)
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	finish(t, env)
	for reason, want := range map[Reason]bool{ReasonStoreUnreachable: true, ReasonInvalidSeeds: false, "Ended": false, "errorString": false} {
		if Passes(reason) != want {
			t.Errorf("%s passes: %t", reason, !want)
		}
	}
}

// TestAmendAtTheEnd: seeds that come in when the last page has just been planned in are
// visited all the same, or refused: never taken and forgotten.
func TestAmendAtTheEnd(t *testing.T) {
	t.Parallel()
	taken := 0
	for ms := range 60 {
		w := &wideWorld{world: world{total: 3}}
		env := newWideEnv(t, w)
		in := order()
		in.Generation = 1
		env.OnActivity(ActivityCrawlBundle, anything, anything).After(20 * time.Millisecond).Return(w.bundle)
		var refused error
		env.RegisterDelayedCallback(func() {
			widen(env, Amend{Generation: 2, Seeds: []string{"https://a.example/"}}, func(_ Report, err error) { refused = err })
		}, time.Duration(ms)*time.Millisecond)
		env.ExecuteWorkflow(WorkflowCrawlRun, in)
		got := finish(t, env)
		want := int64(9)
		if refused != nil || len(w.lists) == 0 {
			want = 3
		} else {
			taken++
		}
		if got.Reason != ReasonCompleted || got.Counts.Archived != want {
			t.Errorf("after %d ms: %+v, want %d pages; refused: %v", ms, got, want, refused)
		}
	}
	if taken == 0 {
		t.Error("the seeds always came too late")
	}
}

// TestAmendOfAShardThatEnded: a shard whose last report crosses with a wider order is begun
// again where it ended.
func TestAmendOfAShardThatEnded(t *testing.T) {
	t.Parallel()
	w := &wideWorld{world: world{total: 3, archived: 3}}
	env := newWideEnv(t, w)
	var begun []ShardInput
	env.OnWorkflow(WorkflowFrontierShard, anything, anything).Return(func(ctx workflow.Context, in ShardInput) error {
		begun = append(begun, in)
		return workflow.Sleep(ctx, time.Minute)
	})
	counts := Counts{Discovered: 3, Archived: 3}
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(SignalShardReport, ShardReport{Number: 5, Seq: 4, Done: true, Counts: counts, Generation: 1})
		widen(env, Amend{Generation: 2, Limits: Limits{Pages: 500}}, func(_ Report, err error) {
			if err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}, 50*time.Second)
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(SignalShardReport, ShardReport{Number: 6, Seq: 5, Done: true, Counts: counts, Generation: 2})
	}, 2*time.Minute)
	in := order()
	in.Generation = 1
	in.Spec.Limits.Pages = 100
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := finish(t, env); got.Reason != ReasonCompleted {
		t.Errorf("got %+v", got)
	}
	if len(begun) != 2 || begun[1].Seq != 4 || begun[1].Reports != 5 || begun[1].Job.Generation != 2 {
		t.Errorf("shards were begun with %+v", begun)
	}
}
