package workflows

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// keeper plays the worker that erases, and the operator that is told.
type keeper struct {
	erase   func(EraseInput) (EraseOutput, error)
	looks   []time.Time
	inputs  []EraseInput
	reports []RetentionReport
	deaf    int // how many reports the operator does not take first
}

// retainEnv is an environment in which a Retain can run.
func retainEnv(t *testing.T, k *keeper) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	env := newEnv(t, &world{})
	env.SetStartWorkflowOptions(startOptions("uid"))
	env.RegisterActivityWithOptions(func(_ context.Context, in EraseInput) (EraseOutput, error) {
		k.looks, k.inputs = append(k.looks, env.Now()), append(k.inputs, in)
		return k.erase(in)
	}, activity.RegisterOptions{Name: ActivityErase})
	env.RegisterActivityWithOptions(func(_ context.Context, r RetentionReport) error {
		if k.deaf > 0 {
			k.deaf--
			return errors.New("made for a test")
		}
		k.reports = append(k.reports, r)
		return nil
	}, activity.RegisterOptions{Name: ActivityReportRetention})
	return env
}

func retainInput() RetainInput {
	return RetainInput{
		FormatVersion: FormatVersion, Run: "uid", Namespace: "ns", Name: "name", Archive: Archive{Bucket: "archive", Prefix: "ns/name/uid/"},
		Retention: Retention{Screening: 72 * time.Hour}, EndedAt: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC),
	}
}

// TestRunsAreRetained: whatever the end of a run that stored something, its captures are looked
// after; those of orders of before there was a period are not.
func TestRunsAreRetained(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason    string
		world     world
		screening time.Duration
		cancel    bool
		want      bool
	}{
		"Succeeded": {reason: "the ordinary case", world: world{total: 5}, screening: time.Hour, want: true},
		"Failed":    {reason: "what a failed run stored is a capture, too", world: world{total: 5, unbalanced: "made for a test"}, screening: time.Hour, want: true},
		"Cancelled": {reason: "and what one stored that was cancelled", world: world{total: 500}, screening: time.Hour, cancel: true, want: true},
		"Older":     {reason: "its order says nothing of a period", world: world{total: 5}},
		"Nothing":   {reason: "it never had an archive", world: world{total: 5, storeDown: 1 << 30}, screening: time.Hour, cancel: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := newEnv(t, &tc.world)
			var got []RetainInput
			env.OnWorkflow(WorkflowRetain, anything, anything).Return(func(_ workflow.Context, in RetainInput) error {
				got = append(got, in)
				return nil
			}).Maybe()
			if tc.cancel {
				env.RegisterDelayedCallback(func() {
					env.UpdateWorkflow(UpdateSetState, "", &testsuite.TestUpdateCallback{
						OnAccept: func() {}, OnReject: func(err error) { t.Error(err) }, OnComplete: func(any, error) {},
					}, SetState{State: StateCancelled})
				}, time.Minute)
			}
			in := order()
			in.Spec.Retention.Screening = tc.screening
			env.ExecuteWorkflow(WorkflowCrawlRun, in)
			result := finish(t, env)
			want := []RetainInput(nil)
			if tc.want {
				want = []RetainInput{{
					FormatVersion: FormatVersion, Run: "uid", Namespace: "ns", Name: "name", Archive: result.Archive,
					Retention: Retention{Screening: tc.screening}, EndedAt: result.FinishedAt,
				}}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", tc.reason, result.Reason, diff)
			}
			for _, r := range tc.world.reports { // the operator may not know it else
				if r.Retention == nil || r.Retention.Screening != tc.screening {
					t.Fatalf("report %d says of the period %+v, want %v", r.Seq, r.Retention, tc.screening)
				}
			}
		})
	}
}

// TestRetainLooksWhenThereIsSomethingToDo: at what is due, each day, when something was decided,
// and not after nothing is left.
func TestRetainLooksWhenThereIsSomethingToDo(t *testing.T) {
	t.Parallel()
	k := &keeper{}
	env := retainEnv(t, k)
	began := env.Now()
	k.erase = func(EraseInput) (EraseOutput, error) {
		out := EraseOutput{Reason: ReasonScreening, ObjectLock: ObjectLockUnavailable, Log: LogMark{Seq: int64(len(k.looks)), SHA256: "aa"}, Told: int64(len(k.looks))}
		switch len(k.looks) {
		case 1:
			out.Wait, out.Lifted = 72*time.Hour, 1 // the others know of none
		case 2: // a day later; something is decided three hours after that
			out.Wait = 48 * time.Hour
		case 3:
			out.Wait = time.Hour
		case 4:
			out.Reason, out.Done = ReasonErased, true
		}
		return out, nil
	}
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(SignalDecided, nil) }, 27*time.Hour)
	env.ExecuteWorkflow(WorkflowRetain, retainInput())
	if err := env.GetWorkflowError(); err != nil || !env.IsWorkflowCompleted() {
		t.Fatalf("it ended with %v", err)
	}
	var at []time.Duration
	for _, l := range k.looks {
		at = append(at, l.Sub(began).Round(time.Minute))
	}
	if diff := cmp.Diff([]time.Duration{0, 24 * time.Hour, 27 * time.Hour, 28 * time.Hour}, at); diff != "" {
		t.Errorf("looked (-want +got):\n%s", diff)
	}
	for i, in := range k.inputs {
		if in.Told != int64(i) || in.Log.Seq != int64(i) || in.Lifted != min(int64(i), 1) {
			t.Errorf("look %d was told %+v, %d, %d", i, in.Log, in.Told, in.Lifted)
		}
	}
	if n := len(k.reports); n != 4 || k.reports[3].Reason != ReasonErased || k.reports[3].Seq != 4 {
		t.Errorf("reported %+v", k.reports)
	}
}

// TestRetainOutlastsTrouble: a store and an operator that are not there end nothing.
func TestRetainOutlastsTrouble(t *testing.T) {
	t.Parallel()
	k := &keeper{deaf: 60}
	k.erase = func(EraseInput) (EraseOutput, error) {
		if len(k.looks) <= 9 { // three looks of three attempts
			return EraseOutput{}, NewTrouble(ReasonStoreUnreachable, "made for a test", nil)
		}
		return EraseOutput{Reason: ReasonErased, Done: true}, nil
	}
	env := retainEnv(t, k)
	env.ExecuteWorkflow(WorkflowRetain, retainInput())
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if len(k.reports) != 1 || k.reports[0].Reason != ReasonErased {
		t.Errorf("the operator heard %+v, want it to hear the end", k.reports)
	}
}

// TestRetainEndsWithoutOperator: nobody is there to be told, for days.
func TestRetainEndsWithoutOperator(t *testing.T) {
	t.Parallel()
	k := &keeper{deaf: 1 << 30, erase: func(EraseInput) (EraseOutput, error) { return EraseOutput{Reason: ReasonErased, Done: true}, nil }}
	in := retainInput()
	var looks int
	for range 10 {
		env := retainEnv(t, k)
		env.ExecuteWorkflow(WorkflowRetain, in)
		looks += len(k.looks)
		k.looks = nil
		var again *workflow.ContinueAsNewError
		if !errors.As(env.GetWorkflowError(), &again) {
			break
		}
		in.Resume = nextRetain(t, env).Resume
	}
	if looks < retainTold || looks > retainTold+2 {
		t.Errorf("it was tried %d times, want some %d", looks, retainTold)
	}
}

// nextRetain is the input of the Retain that the present one continues as.
func nextRetain(t *testing.T, env *testsuite.TestWorkflowEnvironment) (in RetainInput) {
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

// TestRetainContinuesAsNew: what was kept for years goes on in a history that stays short.
func TestRetainContinuesAsNew(t *testing.T) {
	t.Parallel()
	k := &keeper{erase: func(in EraseInput) (EraseOutput, error) {
		return EraseOutput{Reason: ReasonHeld, Log: LogMark{Seq: 7, SHA256: "aa"}, Told: in.Told + 1, Lifted: 3}, nil
	}}
	env := retainEnv(t, k)
	env.ExecuteWorkflow(WorkflowRetain, retainInput())
	in := nextRetain(t, env)
	want := retainInput()
	want.Resume = RetainResume{Log: LogMark{Seq: 7, SHA256: "aa"}, Told: retainLooks + 1, Lifted: 3, Reports: retainLooks + 1}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Errorf("it goes on with (-want +got):\n%s", diff)
	}
}
