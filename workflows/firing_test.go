package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

var due = time.Date(2026, 5, 4, 3, 30, 0, 0, time.UTC)

// desk plays the operator: it creates one CrawlJob and says how it is.
type desk struct {
	fireErrs   int // how many tries fail first
	fired      []Firing
	followed   []Firing
	followErrs int
	skip       *FiringState // instead of a CrawlJob
	over       func(in Firing) bool
}

func (d *desk) fire(_ context.Context, in Firing) (FiringState, error) {
	d.fired = append(d.fired, in)
	if d.fireErrs > 0 {
		d.fireErrs--
		return FiringState{}, errors.New("the API server does not answer")
	}
	if d.skip != nil {
		return *d.skip, nil
	}
	return FiringState{Job: "nightly-1"}, nil
}

func (d *desk) follow(_ context.Context, in Firing) (FiringState, error) {
	d.followed = append(d.followed, in)
	if d.followErrs > 0 {
		d.followErrs--
		return FiringState{}, errors.New("the API server does not answer")
	}
	s := FiringState{Job: "nightly-1", Over: d.over(in)}
	if s.Over {
		s.Reason = ReasonCompleted
	}
	return s, nil
}

func firingEnv(t *testing.T, d *desk) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	RegisterFiring(env)
	env.RegisterActivityWithOptions(d.fire, activity.RegisterOptions{Name: ActivityFireCrawlJob})
	env.RegisterActivityWithOptions(d.follow, activity.RegisterOptions{Name: ActivityFollowCrawlJob})
	env.SetStartTime(due.Add(7 * time.Minute)) // it was put off
	if err := env.SetTypedSearchAttributesOnStart(temporal.NewSearchAttributes(scheduledStart.ValueSet(due))); err != nil {
		t.Fatal(err)
	}
	return env
}

func firingOrder() FiringInput {
	return FiringInput{FormatVersion: FormatVersion, Schedule: "u1", Namespace: "research", Name: "nightly"}
}

// firedState runs a firing to its end and tells after how long that was.
func firedState(t *testing.T, env *testsuite.TestWorkflowEnvironment, in FiringInput) (FiringState, time.Duration) {
	t.Helper()
	begin := env.Now()
	env.ExecuteWorkflow(WorkflowCrawlFiring, in)
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	var s FiringState
	if err := env.GetWorkflowResult(&s); err != nil {
		t.Fatal(err)
	}
	return s, env.Now().Sub(begin)
}

// TestFiringLastsAsLongAsItsJob is what the overlap policies rest on.
func TestFiringLastsAsLongAsItsJob(t *testing.T) {
	t.Parallel()
	d := &desk{over: func(Firing) bool { return false }}
	env := firingEnv(t, d)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(SignalLook, nil) }, time.Minute) // nothing of importance
	env.RegisterDelayedCallback(func() {
		d.over = func(Firing) bool { return true }
		env.SignalWorkflow(SignalLook, nil)
	}, 2*time.Minute)
	s, took := firedState(t, env, firingOrder())
	if diff := cmp.Diff(FiringState{Job: "nightly-1", Over: true, Reason: ReasonCompleted}, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if took < 2*time.Minute || took > 2*time.Minute+10*time.Second {
		t.Errorf("it lasted %v, its CrawlJob 2m", took)
	}
	want := []Firing{{Schedule: "u1", Namespace: "research", Name: "nightly", ScheduledFor: due}}
	if diff := cmp.Diff(want, d.fired); diff != "" {
		t.Errorf("fired (-want +got):\n%s", diff)
	}
	if len(d.followed) != 2 {
		t.Errorf("asked %d times, want once for each word of the operator", len(d.followed))
	}
}

func TestFiringOutlivesTrouble(t *testing.T) {
	t.Parallel()
	ended := false
	d := &desk{fireErrs: 40, followErrs: 7, over: func(Firing) bool { return ended }}
	env := firingEnv(t, d)
	env.RegisterDelayedCallback(func() { ended = true }, time.Hour) // and nobody says so
	if s, took := firedState(t, env, firingOrder()); !s.Over || took < time.Hour || took > time.Hour+lookEvery+time.Minute {
		t.Errorf("%+v after %v", s, took)
	}
	if len(d.fired) != 41 {
		t.Errorf("%d tries, want until it is created", len(d.fired))
	}
}

func TestFiringThatIsPassedOver(t *testing.T) {
	t.Parallel()
	skip := FiringState{Over: true, Reason: ReasonAuthorizationExpired, Message: "the authorisation has ended"}
	d := &desk{skip: &skip}
	if s, took := firedState(t, firingEnv(t, d), firingOrder()); !cmp.Equal(s, skip) || took > time.Second || len(d.followed) > 0 {
		t.Errorf("%+v after %v, %d questions", s, took, len(d.followed))
	}
}

// TestFiringIsCancelled asserts that CancelOther waits until the crawl is sealed: the firing
// is running until then.
func TestFiringIsCancelled(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fireErrs int
		fired    bool
	}{
		"Running":       {0, true},
		"BeforeItBegan": {1000, false}, // what of it was created is looked for
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sealed := false
			d := &desk{fireErrs: tc.fireErrs}
			d.over = func(in Firing) bool { return in.Cancel && sealed }
			env := firingEnv(t, d)
			env.RegisterDelayedCallback(env.CancelWorkflow, 100*time.Second)
			env.RegisterDelayedCallback(func() {
				if n := len(d.followed); n == 0 || !d.followed[n-1].Cancel {
					t.Errorf("the CrawlJob was not cancelled: %+v", d.followed)
				}
				sealed = true
				env.SignalWorkflow(SignalLook, nil)
			}, 145*time.Second)
			s, took := firedState(t, env, firingOrder())
			if !s.Over || took < 145*time.Second || took > 150*time.Second {
				t.Errorf("%+v after %v, want its end when the crawl is sealed", s, took)
			}
			for _, in := range d.followed {
				if !in.Cancel {
					t.Errorf("asked without cancelling: %+v", in)
				}
			}
		})
	}
}

// TestFiringContinues asserts that a firing whose history is long goes on with what it knows.
func TestFiringContinues(t *testing.T) {
	t.Parallel()
	d := &desk{over: func(Firing) bool { return false }}
	env := firingEnv(t, d)
	env.RegisterDelayedCallback(func() { env.SetContinueAsNewSuggested(true) }, time.Hour)
	env.ExecuteWorkflow(WorkflowCrawlFiring, firingOrder())
	var next *workflow.ContinueAsNewError
	if err := env.GetWorkflowError(); !errors.As(err, &next) {
		t.Fatalf("%v, want that it continues as new", err)
	}
	var in FiringInput
	if err := json.Unmarshal(next.Input.Payloads[0].Data, &in); err != nil {
		t.Fatal(err)
	}
	want := firingOrder()
	want.Resume = &FiringResume{ScheduledFor: due, Fired: true}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Fatalf("it continues with (-want +got):\n%s", diff)
	}

	d = &desk{over: func(in Firing) bool { return in.Cancel }}
	env = firingEnv(t, d)
	in.Resume.Cancelling = true
	if s, _ := firedState(t, env, in); !s.Over || len(d.fired) > 0 || !d.followed[0].ScheduledFor.Equal(due) {
		t.Errorf("%+v, fired %d times, asked %+v", s, len(d.fired), d.followed)
	}
}

func TestFiringIDs(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 4, 5, 30, 0, 999, time.FixedZone("", 7200))
	if got := FiringWorkflowID("u1", at); got != "firing-u1-2026-05-04T03:30:00Z" {
		t.Errorf("%s", got)
	}
}
