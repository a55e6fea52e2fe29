package workflows

import (
	"context"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// TestStampsAreFetchedLater: a run that is owed time stamps ends all the same, and leaves behind
// what fetches them; one that is owed none leaves nothing.
func TestStampsAreFetchedLater(t *testing.T) {
	t.Parallel()
	for _, owed := range []int{0, 3} {
		w := &world{total: 4, owed: owed}
		env := newEnv(t, w)
		var started []string
		env.SetOnChildWorkflowStartedListener(func(info *workflow.Info, _ workflow.Context, _ converter.EncodedValues) {
			started = append(started, info.WorkflowExecution.ID)
		})
		env.RegisterActivityWithOptions(func(context.Context, StampInput) (StampOutput, error) { return StampOutput{}, nil }, activity.RegisterOptions{Name: ActivityStamp})
		env.ExecuteWorkflow(CrawlRun, order())
		if result := finish(t, env); result.Verdict != VerdictSucceeded {
			t.Errorf("%+v", result)
		}
		n := 0
		for _, id := range started {
			if id == StampWorkflowID("uid") {
				n++
			}
		}
		if (n == 1) != (owed > 0) || n > 1 {
			t.Errorf("%d stamps are owed, started are %q", owed, started)
		}
	}
}

// TestStampRun: it asks ever more rarely, whatever goes wrong, and gives up after a month.
func TestStampRun(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		after  int // that many tries there is none left
		fail   bool
		ok     bool
		most   time.Duration
	}{
		"AtOnce":  {reason: "the authority is back", after: 1, ok: true, most: 2 * time.Minute},
		"Later":   {reason: "it is away for a day", after: 12, ok: true, most: 4 * 24 * time.Hour},
		"Trouble": {reason: "the store is away", after: 3, fail: true, ok: true, most: time.Hour},
		"Never":   {reason: "the authority was given up", after: 1 << 30, most: stampPatience},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(quiet{})
			env := suite.NewTestWorkflowEnvironment()
			Register(env)
			tries := 0
			env.RegisterActivityWithOptions(func(context.Context, StampInput) (StampOutput, error) {
				if tries++; tries >= tc.after {
					return StampOutput{}, nil
				}
				if tc.fail {
					return StampOutput{}, NewTrouble(ReasonStoreUnreachable, "made for a test", nil)
				}
				return StampOutput{Owed: 1}, nil
			}, activity.RegisterOptions{Name: ActivityStamp})
			began := env.Now()
			env.ExecuteWorkflow(StampRun, StampInput{Statement: "run.json"})
			if !env.IsWorkflowCompleted() {
				t.Fatal("it does not end")
			}
			took := env.Now().Sub(began)
			if err := env.GetWorkflowError(); (err == nil) != tc.ok || took > tc.most || tries > 200 {
				t.Errorf("%s: %v after %s and %d tries", tc.reason, err, took, tries)
			}
		})
	}
}
