package workflows

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
)

// TestFullShardSleeps: while all bundles that may be out are out, a host that is due waits for
// one of them to come back, and not for the clock, which would tell every millisecond.
func TestFullShardSleeps(t *testing.T) {
	t.Parallel()
	w := world{total: 300, queued: 300}
	env := newEnv(t, &w)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: ShardWorkflowID("uid", 0), TaskQueue: TaskQueueRun})
	env.OnActivity(ActivityCrawlBundle, anything, anything).After(10 * time.Second).Return(w.bundle)
	env.OnActivity(ActivityPlan, anything, anything).Return(func(ctx context.Context, in PlanInput) (PlanOutput, error) {
		out, err := w.plan(ctx, in)
		if w.queued > 0 {
			out.DueIn = time.Millisecond
		}
		return out, err
	})
	env.OnSignalExternalWorkflow("default-test-namespace", RunWorkflowID("uid"), "", SignalShardReport, anything).Return(
		func(_, _, _, _ string, _ any) error { return nil })
	timers := 0
	env.SetOnTimerScheduledListener(func(string, time.Duration) { timers++ })
	env.ExecuteWorkflow(WorkflowFrontierShard, ShardInput{Job: Job{Run: "uid"}, State: StateActive})
	if err := env.GetWorkflowError(); err != nil || w.archived != 300 {
		t.Fatalf("ended with %v, %d pages archived", err, w.archived)
	}
	if timers > 200 { // 100 bundles, a report now and then
		t.Errorf("%d timers for 100 bundles", timers)
	}
}

// TestStepsAreGathered: a shard that has much to do steps once a second, and one of many on
// the beat of them all; one that has little to do steps as soon as a bundle is back.
func TestStepsAreGathered(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pages       int64
		shards      int
		least, most time.Duration // between two steps
	}{
		"Little":     {pages: 12, shards: 1, least: 0, most: 400 * time.Millisecond},
		"Much":       {pages: 300, shards: 1, least: busyGap, most: 3 * time.Second},
		"ManyShards": {pages: 300, shards: 64, least: 64 * shardGap, most: 64*shardGap + 3*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{total: tc.pages, queued: tc.pages}
			env := newEnv(t, &w)
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: ShardWorkflowID("uid", 0), TaskQueue: TaskQueueRun})
			var steps []time.Time
			w.planned = func() { steps = append(steps, env.Now()) }
			n := 0
			env.OnActivity(ActivityCrawlBundle, anything, anything).AfterFn(func() time.Duration {
				n++
				return 2*time.Second + time.Duration(n%10)*300*time.Millisecond
			}).Return(w.bundle)
			env.OnSignalExternalWorkflow("default-test-namespace", RunWorkflowID("uid"), "", SignalShardReport, anything).Return(
				func(_, _, _, _ string, _ any) error { return nil })
			in := ShardInput{Job: Job{Run: "uid"}, Shards: tc.shards, State: StateActive}
			env.RegisterDelayedCallback(func() {
				env.SignalWorkflow(SignalShardControl, ShardControl{State: StateActive, Close: true})
			}, time.Hour)
			env.ExecuteWorkflow(WorkflowFrontierShard, in)
			if err := env.GetWorkflowError(); err != nil || w.archived != tc.pages {
				t.Fatalf("ended with %v, %d pages archived", err, w.archived)
			}
			for i := range steps[1:] {
				little := i > len(steps)/2 // is out then
				if gap := steps[i+1].Sub(steps[i]); gap < tc.least && !little || gap > tc.most && i > 0 {
					t.Errorf("step %d of %d follows after %v, want %v to %v", i+1, len(steps), gap, tc.least, tc.most)
				}
			}
		})
	}
}

// TestInboxWaits: what other shards send is taken in on a slower beat, the slower the less it
// brings, unless there is something else to plan.
func TestInboxWaits(t *testing.T) {
	t.Parallel()
	began := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s := &shard{in: ShardInput{Shards: 10, State: StateActive, Inbox: []Delivery{{From: 1, Seq: 1}}}, open: map[string]*openBundle{}, gaps: gaps{on: true}}
	if at := s.nextStep(began); at.After(began) {
		t.Errorf("the first step is at %v", at)
	}
	for i, want := range []time.Duration{5, 10, 20, 40, 40} {
		s.gaps.begin(began, true)
		if i > 0 {
			s.gaps.end(0)
		}
		if got := s.wake(began); !got.Equal(began.Add(want * time.Second)) {
			t.Errorf("after %d barren steps it wakes after %v, want %vs", i, got.Sub(began), int(want))
		}
	}
	s.nextDue = began.Add(3 * time.Second)
	if got := s.wake(began); !got.Equal(s.nextDue) {
		t.Errorf("with a host that is due after 3s it wakes after %v", got.Sub(began))
	}
	s.nextDue = time.Time{}
	s.done = []BundleDone{{ID: "b"}}
	if got := s.wake(began); !got.Equal(began.Add(10 * shardGap)) {
		t.Errorf("with a bundle that is back it wakes after %v", got.Sub(began))
	}
	s.gaps.end(1)
	s.done = nil
	if got := s.wake(began); !got.Equal(began.Add(10 * inboxGap)) {
		t.Errorf("after a step that was not barren it wakes after %v", got.Sub(began))
	}
	s.in.Hold = true
	if got := s.wake(began); !got.Equal(began.Add(10 * shardGap)) {
		t.Errorf("while others wait for it to take in what it was sent it wakes after %v", got.Sub(began))
	}
	s.in.Finish = ReasonCancelled
	if got := s.nextStep(began); !got.IsZero() {
		t.Errorf("a shard that is to end waits until %v", got)
	}
}

// TestWakes: whatever the state of a shard, what there is to plan is planned at once or there
// is a time for it, and that time is not in vain.
func TestWakes(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	r := rand.New(rand.NewPCG(1, 2))
	chance := func(n int) bool { return r.IntN(n) == 0 }
	some := func() time.Time {
		if chance(3) {
			return time.Time{}
		}
		return now.Add(time.Duration(r.IntN(200)-100) * time.Second)
	}
	for range 200_000 {
		s := &shard{
			in:   ShardInput{Shards: []int{1, 2, 64}[r.IntN(3)], State: StateActive, Hold: chance(5)},
			open: map[string]*openBundle{}, gaps: gaps{on: true, stepped: some(), barren: r.IntN(6)},
			nextDue: some(), resumeAt: some(), wantPlan: chance(4), idle: chance(4), draining: chance(6),
		}
		if s.gaps.stepped.After(now) {
			s.gaps.stepped = now
		}
		for i := range []int{0, 1, 8, 15, 16}[r.IntN(5)] {
			s.open[fmt.Sprint(i)] = &openBundle{}
		}
		if chance(3) {
			s.done = []BundleDone{{ID: "b"}}
		}
		if s.several() && chance(3) {
			s.in.Inbox = []Delivery{{From: 1, Seq: 1}}
		}
		if chance(6) {
			s.in.Finish = ReasonCancelled
		}
		if chance(6) {
			s.in.State = StateSuspended
		}
		s.trouble.visiting = chance(6)
		steps := func(at time.Time) bool {
			return !at.Before(s.resumeAt) && s.toPlan(at) && !at.Before(s.nextStep(at))
		}
		if steps(now) {
			continue
		}
		at := s.wake(now)
		later := false // does the clock alone bring a step?
		for _, after := range []time.Duration{time.Second, time.Minute, 10 * time.Minute} {
			later = later || steps(now.Add(after))
		}
		switch {
		case at.IsZero() && later:
			t.Fatalf("it never wakes, and has something to plan: %+v", s)
		case at.IsZero():
		case !at.After(now):
			t.Fatalf("it wakes at a time that is over, %v: %+v", at.Sub(now), s)
		case s.resumeAt.After(now) && !at.Equal(s.resumeAt):
			t.Fatalf("it wakes %v from now, and may not before %v: %+v", at.Sub(now), s.resumeAt.Sub(now), s)
		case !s.resumeAt.After(now) && !steps(at):
			t.Fatalf("it wakes in vain, %v from now: %+v", at.Sub(now), s)
		}
	}
}

// TestManyAreToldOnTheTick: of more than sixteen shards one that has nothing to do is told with
// the others; of fewer, or in a crawl that began before, at once.
func TestManyAreToldOnTheTick(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for _, tc := range []struct {
		shards int
		gaps   bool
		told   int
	}{{atOnce, true, 1}, {atOnce + 1, true, 0}, {atOnce + 1, false, 1}} {
		r := &run{sharding: sharding{gaps: tc.gaps, epochAt: now.Add(epoch)}}
		for range tc.shards {
			r.shards = append(r.shards, &member{last: ShardReport{TakenIn: make([]int64, tc.shards), Idle: true}})
		}
		r.collect([]Exchange{{From: 0, Seq: 1, Key: "a", Parts: []ExchangePart{{1, 0, 3}, {2, 3, 4}}}})
		if got := r.deliveries(1, now); len(got) != tc.told {
			t.Errorf("%+v: it is told of %d", tc, len(got))
		}
		r.tick = true
		r.deliveries(1, now)
		r.shards[1].last.TakenIn[0] = 1
		r.prune()
		if got := r.deliveries(2, now); len(got) != 1 || got[0].Offset != 3 {
			t.Errorf("%+v: the other part of what is taken in by one is told as %v", tc, got)
		}
		if got := r.deliveries(1, now.Add(time.Hour)); len(got) > 0 {
			t.Errorf("%+v: what is taken in is told again: %v", tc, got)
		}
	}
}
