package workflows

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// restoring is an environment in which the store has something of a run.
func restoring(t *testing.T, w *world, found RestoreOutput) (*testsuite.TestWorkflowEnvironment, *[]RetainInput) {
	t.Helper()
	env := newEnv(t, w)
	env.RegisterActivityWithOptions(func(context.Context, RestoreInput) (RestoreOutput, error) { return found, nil }, activity.RegisterOptions{Name: ActivityRestore})
	var retained []RetainInput
	env.OnWorkflow(WorkflowRetain, anything, anything).Return(func(_ workflow.Context, in RetainInput) error {
		retained = append(retained, in)
		return nil
	}).Maybe()
	env.OnWorkflow(WorkflowStampRun, anything, anything).Return(StampOutput{}, nil).Maybe()
	return env, &retained
}

func restoredOrder() RunInput {
	in := order()
	in.Restored = true
	in.Spec.Retention.Screening = 72 * time.Hour
	return in
}

// TestRestoredRunThatWasOver: no page is visited, the verdict is that of the statement, and the
// captures are looked after again.
func TestRestoredRunThatWasOver(t *testing.T) {
	t.Parallel()
	sealed := SealedRun{
		Verdict: VerdictSucceeded, Reason: ReasonCompleted, Counts: Counts{Discovered: 7, Archived: 7}, Statement: "ns/name/uid/run.json",
		StartedAt: time.Date(2026, 5, 4, 11, 0, 0, 0, time.UTC), SealedAt: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC),
	}
	for _, state := range []State{StateActive, StateSuspended, StateCancelled} {
		w := world{total: 7}
		env, retained := restoring(t, &w, RestoreOutput{Sealed: &sealed})
		in := restoredOrder()
		in.State = state
		in.Spec.Authorization.NotAfter = time.Unix(1, 0) // which is over, too
		env.ExecuteWorkflow(WorkflowCrawlRun, in)
		got := finish(t, env)
		want := RunResult{
			Verdict: VerdictSucceeded, Reason: ReasonCompleted, Archive: Archive{Bucket: "archive", Prefix: "ns/name/uid/"}, Counts: sealed.Counts,
			Statement: sealed.Statement, FinishedAt: sealed.SealedAt, Message: got.Message,
		}
		if diff := cmp.Diff(want, got); diff != "" || !strings.Contains(got.Message, "sealed at 2026-05-04T12:00:00Z; 7 pages are archived") {
			t.Errorf("%s: the result differs (-want +got):\n%s", state, diff)
		}
		if w.bundles > 0 || w.seq > 0 || w.sealed.Verdict != "" {
			t.Errorf("%s: %d bundles, %d plans, sealed %+v: want that nothing was done", state, w.bundles, w.seq, w.sealed)
		}
		if len(*retained) != 1 || (*retained)[0].Run != "uid" || !(*retained)[0].EndedAt.Equal(sealed.SealedAt) {
			t.Errorf("%s: looked after are %+v", state, *retained)
		}
		if last := w.reports[len(w.reports)-1]; last.Result == nil || !last.StartedAt.Equal(sealed.StartedAt) || last.Counts.Archived != 7 {
			t.Errorf("%s: the last report is %+v", state, last)
		}
	}
}

// TestRestoredRunGoesOn: it takes up the newest manifest, and plans in first what was out.
func TestRestoredRunGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(&world{total: 20, queued: 8, archived: 6, seq: 5})
	w.leased["b5-0"], w.leased["b5-1"] = 3, 3
	found := RestoreOutput{Seeding: 2, Shards: []RestoredShard{{Seq: 5, Counts: w.counts(), Open: []string{"b5-0", "b5-1"}}}}
	env, _ := restoring(t, w, found)
	env.ExecuteWorkflow(WorkflowCrawlRun, restoredOrder())
	got := finish(t, env)
	if got.Reason != ReasonCompleted || got.Counts.Archived != 20 || len(w.leased) != 0 {
		t.Errorf("%+v, out are %v: want all 20 pages archived", got, w.leased)
	}
	if w.sealed.Job.Seeding != 2 || !slices.Equal(w.sealed.Seqs, []int64{w.seq}) {
		t.Errorf("sealed is list %d at %v, want list 2 at %d", w.sealed.Job.Seeding, w.sealed.Seqs, w.seq)
	}
}

// TestRestoredRunEnds: what was not over and is not wanted any more is sealed, and no page visited.
func TestRestoredRunEnds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		change func(*RunInput)
		want   Reason
	}{
		"Cancelled": {"a run that was lost is saved as cancelled", func(in *RunInput) { in.State = StateCancelled }, ReasonCancelled},
		"Expired":   {"no page is loaded without a valid authorisation", func(in *RunInput) { in.Spec.Authorization.NotAfter = time.Unix(1, 0) }, ReasonAuthorizationExpired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(&world{total: 20, queued: 11, archived: 6, seq: 5})
			w.leased["b5-0"] = 3
			env, retained := restoring(t, w, RestoreOutput{Shards: []RestoredShard{{Seq: 5, Counts: w.counts(), Open: []string{"b5-0"}}}})
			in := restoredOrder()
			tc.change(&in)
			env.ExecuteWorkflow(WorkflowCrawlRun, in)
			got := finish(t, env)
			if got.Reason != tc.want || got.Statement == "" || got.Counts.Archived != 6 || w.bundles != 0 || len(*retained) != 1 {
				t.Errorf("%s: %+v after %d bundles, looked after %d times", tc.reason, got, w.bundles, len(*retained))
			}
		})
	}
}

// TestRestoredRunOfSeveralShards: what they sent each other cannot be told, so it is sealed as it is.
func TestRestoredRunOfSeveralShards(t *testing.T) {
	t.Parallel()
	w := newWorld(&world{total: 20, queued: 14, archived: 6})
	env, retained := restoring(t, w, RestoreOutput{Shards: []RestoredShard{{Seq: 5}, {Seq: 9}}})
	env.ExecuteWorkflow(WorkflowCrawlRun, restoredOrder())
	got := finish(t, env)
	if got.Reason != ReasonRunLost || got.Statement == "" || w.bundles != 0 || !w.sealed.Lost || !slices.Equal(w.sealed.Seqs, []int64{5, 9}) || len(*retained) != 1 {
		t.Errorf("%+v, sealed %+v: want RunLost, sealed at 5 and 9", got, w.sealed)
	}
}

// TestRestoredOrderThatHadNotBegun: it begins, unless it was cancelled.
func TestRestoredOrderThatHadNotBegun(t *testing.T) {
	t.Parallel()
	w := world{total: 5}
	env, _ := restoring(t, &w, RestoreOutput{})
	env.ExecuteWorkflow(WorkflowCrawlRun, restoredOrder())
	if got := finish(t, env); got.Reason != ReasonCompleted || got.Counts.Archived != 5 {
		t.Errorf("%+v: want all 5 pages archived", got)
	}
	w = world{total: 5}
	env, _ = restoring(t, &w, RestoreOutput{})
	in := restoredOrder()
	in.State = StateCancelled
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := finish(t, env); got.Reason != ReasonCancelled || got.Statement != "" || w.bundles != 0 {
		t.Errorf("%+v after %d bundles: want Cancelled, and nothing done", got, w.bundles)
	}
}
