package crawljob

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"crawlfleet.dev/crawlfleet/workflows"
)

// TestDemandOfRuns: runs ask for browsers until they are over, or have said nothing for long.
func TestDemandOfRuns(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	r := NewReports(func() time.Time { return now })
	tell := func(run string, seq int64, phase workflows.Phase, d workflows.Demand) {
		t.Helper()
		if err := r.Take(t.Context(), workflows.Report{Run: run, Name: run, Seq: seq, Phase: phase, Demand: d}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(reason string, want workflows.Demand) {
		t.Helper()
		if got := r.Demand(); got != want {
			t.Errorf("%s: %+v, want %+v", reason, got, want)
		}
	}
	expect("nobody has reported", workflows.Demand{})
	one, two := workflows.Demand{Bundles: 1, Hosts: 2, Ready: 3}, workflows.Demand{Bundles: 4, Hosts: 5}
	tell("a", 1, workflows.PhaseCrawling, one)
	now = now.Add(time.Minute)
	tell("b", 1, workflows.PhaseCrawling, two)
	expect("two runs", one.Plus(two))
	tell("b", 2, workflows.PhaseFinished, two)
	expect("one is over", one)
	now = now.Add(demandAge - time.Minute)
	expect("the other one is not heard of any more", workflows.Demand{})
	tell("a", 2, workflows.PhaseCrawling, two)
	expect("it is", two)
	r.Forget(types.UID("a"))
	expect("it was deleted", workflows.Demand{})
}

// TestFirstDemandIsTold: whoever has no pods hears of the first bundle at once, and once.
func TestFirstDemandIsTold(t *testing.T) {
	t.Parallel()
	r := NewReports(func() time.Time { return noon })
	some := workflows.Demand{Bundles: 1, Hosts: 2}
	for _, step := range []struct {
		reason string
		report workflows.Report
		told   int
	}{
		{"there is nothing to do", workflows.Report{Run: "a", Seq: 1}, 0},
		{"there is", workflows.Report{Run: "a", Seq: 2, Demand: some}, 1},
		{"there is more", workflows.Report{Run: "b", Seq: 1, Demand: some}, 0},
		{"there is less", workflows.Report{Run: "a", Seq: 3}, 0},
		{"there is nothing", workflows.Report{Run: "b", Seq: 2, Phase: workflows.PhaseFinished, Demand: some}, 0},
		{"there is again", workflows.Report{Run: "a", Seq: 4, Demand: some}, 1},
		{"there is nothing", workflows.Report{Run: "a", Seq: 5}, 0},
		{"this was said before that", workflows.Report{Run: "a", Seq: 4, Demand: some}, 0},
	} {
		if err := r.Take(t.Context(), step.report); err != nil {
			t.Fatal(err)
		}
		if got := len(r.wanted); got != step.told {
			t.Errorf("%s: told %d times, want %d", step.reason, got, step.told)
		}
		for range len(r.wanted) {
			<-r.wanted
		}
	}

	name := types.NamespacedName{Namespace: "agency", Name: "crawlfleet"}
	q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer q.ShutDown()
	if err := r.Wanted(name).Start(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if err := r.Take(t.Context(), workflows.Report{Run: "c", Seq: 1, Demand: some}); err != nil {
		t.Fatal(err)
	}
	if got, _ := q.Get(); got.NamespacedName != name {
		t.Errorf("%v is visited, want %v", got, name)
	}
}
