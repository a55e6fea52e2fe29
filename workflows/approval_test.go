package workflows

import (
	"fmt"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"
)

// approved is an order that began with an approval.
func approved() RunInput {
	in := order()
	in.Spec.Authorization.Approvals = []Approval{{UID: "a-1", Approver: "bob", At: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}}
	return in
}

// setState sends the update and returns why it was refused.
func setState(env *testsuite.TestWorkflowEnvironment, s SetState, refused *error) {
	env.UpdateWorkflow(UpdateSetState, fmt.Sprint(s, env.Now().UnixNano()), &testsuite.TestUpdateCallback{
		OnReject: func(err error) { *refused = err }, OnAccept: func() {}, OnComplete: func(any, error) {},
	}, s)
}

// TestWithdrawnApproval: the crawl ends, what was captured is sealed, and what was not visited says why.
func TestWithdrawnApproval(t *testing.T) {
	t.Parallel()
	w := world{total: 30, stuck: true}
	env := newEnv(t, &w)
	var withdrawn, unknown, active error
	env.RegisterDelayedCallback(func() {
		setState(env, SetState{State: StateCancelled, Reason: ReasonStoreFull}, &unknown)
		setState(env, SetState{State: StateActive, Reason: ReasonApprovalWithdrawn}, &active)
		setState(env, SetState{State: StateCancelled, Reason: ReasonApprovalWithdrawn}, &withdrawn)
	}, 10*time.Minute)
	env.ExecuteWorkflow(WorkflowCrawlRun, approved())
	got := finish(t, env)
	if got.Verdict != VerdictFailed || got.Reason != ReasonApprovalWithdrawn || got.Statement == "" {
		t.Errorf("%+v, want a failure for ApprovalWithdrawn with a closing statement", got)
	}
	if got.Counts.Skipped[ReasonApprovalWithdrawn] != 30 {
		t.Errorf("skipped %v, want 30 for ApprovalWithdrawn", got.Counts.Skipped)
	}
	if withdrawn != nil || unknown == nil || active == nil {
		t.Errorf("refused: withdrawn %v, another reason %v, another state %v; want the last two", withdrawn, unknown, active)
	}
	if last := w.reports[len(w.reports)-1]; len(last.Approvals) != 1 || last.Approvals[0].UID != "a-1" {
		t.Errorf("the report names the approvals %+v, want those that the crawl began with", last.Approvals)
	}
}

// TestApprovedOrderIsNotWidened: nobody has approved what is added, whatever let it come so far.
func TestApprovedOrderIsNotWidened(t *testing.T) {
	t.Parallel()
	w := world{total: 3}
	env := newEnv(t, &w)
	env.OnActivity(ActivityCrawlBundle, anything, anything).After(time.Hour).Return(w.bundle)
	in := approved()
	var wider, same error
	same = fmt.Errorf("no answer")
	env.RegisterDelayedCallback(func() {
		limits := in.Spec.Limits
		limits.Pages += 100
		widen(env, Amend{Generation: 2, Limits: limits, Seeds: in.Spec.Seeds.URLs}, func(_ Report, err error) { wider = err })
	}, 10*time.Minute)
	env.RegisterDelayedCallback(func() {
		widen(env, Amend{Generation: 3, Limits: in.Spec.Limits, Seeds: in.Spec.Seeds.URLs}, func(_ Report, err error) { same = err })
	}, 20*time.Minute)
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	finish(t, env)
	if wider == nil || same != nil {
		t.Errorf("a wider order: %v, one with another state: %v; want the first refused", wider, same)
	}
}
