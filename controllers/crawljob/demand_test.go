package crawljob

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

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
