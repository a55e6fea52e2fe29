package workflows

import (
	"testing"
	"time"
)

func TestStoreTroubleIsTold(t *testing.T) {
	t.Parallel()
	w := world{total: 5, storeDown: 9}
	env := newEnv(t, &w)
	env.ExecuteWorkflow(WorkflowCrawlRun, order())
	finish(t, env)
	for _, r := range w.reports {
		if r.Reason == ReasonStoreUnreachable && r.Stalled && r.NextStep != "" {
			return
		}
	}
	t.Errorf("no report tells of the store: %+v", w.reports)
}

// TestTroubleOutlivesHistory: a store that is away for days fills no history, whichever step
// waits for it, and the run goes on as soon as it is back.
func TestTroubleOutlivesHistory(t *testing.T) {
	t.Parallel()
	const forever = 1 << 30
	for phase, w := range map[Phase]*world{PhaseSeeding: {total: 5, storeDown: forever}, PhaseSealing: {total: 5, sealDown: forever}} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			env := newEnv(t, w)
			env.RegisterDelayedCallback(func() { env.SetContinueAsNewSuggested(true) }, time.Hour)
			in := order()
			in.SeedList = []byte("seeds")
			env.ExecuteWorkflow(WorkflowCrawlRun, in)
			in = next(t, env)
			if in.Resume == nil || in.Resume.Phase != phase || (in.SeedList != nil) != (phase == PhaseSeeding) {
				t.Fatalf("the next run is told %+v", in)
			}
			reports := len(w.reports)
			w.storeDown, w.sealDown = min(w.storeDown, 4), min(w.sealDown, 4)
			env = newEnv(t, w)
			env.ExecuteWorkflow(WorkflowCrawlRun, in)
			if got := finish(t, env); got.Verdict != VerdictSucceeded || got.Counts.Archived != 5 {
				t.Errorf("got %+v, want all 5 pages", got)
			}
			if r := w.reports[reports]; !r.Stalled || r.Reason != ReasonStoreUnreachable {
				t.Errorf("the next run begins with %+v, want it to tell of the store still", r)
			}
		})
	}
}

// TestSuspendedWhileSeeding: who suspends a crawl that has trouble beginning is left in peace
// until it is resumed.
func TestSuspendedWhileSeeding(t *testing.T) {
	t.Parallel()
	w := world{total: 5, storeDown: 1 << 30}
	env := newEnv(t, &w)
	var tries int
	env.RegisterDelayedCallback(func() {
		update(env, StateSuspended, func(_ Report, err error) {
			if err != nil {
				t.Errorf("suspend: %v", err)
			}
		})
	}, 10*time.Minute)
	env.RegisterDelayedCallback(func() { tries = w.preflights }, 11*time.Minute)
	env.RegisterDelayedCallback(func() {
		if tries == 0 || w.preflights != tries {
			t.Errorf("%d tries when it was suspended, %d an hour later", tries, w.preflights)
		}
		if r := w.reports[len(w.reports)-1]; r.Phase != PhaseSuspended || r.Reason != ReasonSuspended {
			t.Errorf("the last report is %+v, want it suspended", r)
		}
		w.storeDown = 0
		update(env, StateActive, func(Report, error) {})
	}, 71*time.Minute)
	env.ExecuteWorkflow(WorkflowCrawlRun, order())
	if got := finish(t, env); got.Verdict != VerdictSucceeded {
		t.Errorf("got %+v", got)
	}
}
