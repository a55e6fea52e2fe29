package workflows

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"
)

// loginWorld is a world whose pages want a log-in.
type loginWorld struct {
	world
	valid  string   // the checksum of the state that is logged in
	stored []string // the checksums of the states in the store
	asked  int      // bundles with a state that is not
}

func (w *loginWorld) bundle(ctx context.Context, in BundleInput) (BundleOutput, error) {
	if in.Job.Profile == nil || in.Job.Profile.SHA256 != w.valid {
		w.asked++
		return BundleOutput{Trouble: TroubleWith(ReasonLoginExpired, "made for a test")}, nil
	}
	return w.world.bundle(ctx, in)
}

func (w *loginWorld) storeProfile(_ context.Context, in StoreProfileInput) error {
	w.stored = append(w.stored, in.Profile.SHA256)
	return nil
}

func newLoginEnv(t *testing.T, w *loginWorld) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	env := newEnv(t, &w.world)
	env.RegisterActivityWithOptions(w.bundle, activity.RegisterOptions{Name: ActivityCrawlBundle, DisableAlreadyRegisteredCheck: true})
	env.RegisterActivityWithOptions(w.storeProfile, activity.RegisterOptions{Name: ActivityStoreProfile})
	return env
}

func sealed(sha string) *SealedProfile {
	return &SealedProfile{ProfileRef: ProfileRef{Name: "members", UID: "u1", SHA256: sha}, Sealed: []byte("sealed " + sha)}
}

func setProfile(env *testsuite.TestWorkflowEnvironment, p *SealedProfile, answered func(error)) {
	env.UpdateWorkflow(UpdateSetProfile, "profile-"+p.SHA256, &testsuite.TestUpdateCallback{
		OnReject: answered, OnAccept: func() {},
		OnComplete: func(_ any, err error) { answered(err) },
	}, SetProfile{Profile: *p})
}

// TestLoginExpires: a crawl whose log-in is over rests, tells it, and goes on with the next
// one.
func TestLoginExpires(t *testing.T) {
	t.Parallel()
	w := &loginWorld{world: world{total: 20}, valid: "new"}
	env := newLoginEnv(t, w)
	in := order()
	in.Profile = sealed("old")
	var asked int
	env.RegisterDelayedCallback(func() { asked = w.asked }, time.Minute)
	env.RegisterDelayedCallback(func() {
		last := w.reports[len(w.reports)-1]
		if !last.Stalled || last.Reason != ReasonLoginExpired || last.NextStep == "" || last.Profile == nil || last.Profile.SHA256 != "old" {
			t.Errorf("the last report is %+v", last)
		}
		if asked == 0 || w.asked != asked {
			t.Errorf("%d bundles in the first minute, %d in the hours after: the site would be asked for nothing", asked, w.asked-asked)
		}
		setProfile(env, sealed("new"), func(err error) {
			if err != nil {
				t.Errorf("the new log-in is refused: %v", err)
			}
		})
	}, 5*time.Hour)
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := finish(t, env); got.Verdict != VerdictSucceeded || got.Counts.Archived != 20 {
		t.Errorf("got %+v", got)
	}
	if strings.Join(w.stored, " ") != "old new" {
		t.Errorf("stored are %q", w.stored)
	}
	if last := w.reports[len(w.reports)-1]; last.Profile.SHA256 != "new" {
		t.Errorf("the last report speaks of %+v", last.Profile)
	}
	raw, err := json.Marshal(w.reports)
	if err != nil || strings.Contains(string(raw), `"sealed"`) {
		t.Errorf("reports carry the state (%v)", err)
	}
}

// TestLoginIsTriedAgain: who suspends and resumes the crawl wants the same state tried once
// more.
func TestLoginIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := &loginWorld{world: world{total: 5}, valid: "new"}
	env := newLoginEnv(t, w)
	in := order()
	in.Profile = sealed("old")
	env.RegisterDelayedCallback(func() { update(env, StateSuspended, func(Report, error) {}) }, time.Hour)
	env.RegisterDelayedCallback(func() {
		w.valid = "old" // it was a fault of the site's
		update(env, StateActive, func(Report, error) {})
	}, 2*time.Hour)
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := finish(t, env); got.Verdict != VerdictSucceeded || got.Counts.Archived != 5 {
		t.Errorf("got %+v", got)
	}
}

// TestLoginExpiredCanBeCancelled: what waits for a log-in ends when nobody wants it.
func TestLoginExpiredCanBeCancelled(t *testing.T) {
	t.Parallel()
	w := &loginWorld{world: world{total: 5}, valid: "new"}
	env := newLoginEnv(t, w)
	in := order()
	in.Profile = sealed("old")
	env.RegisterDelayedCallback(func() { update(env, StateCancelled, func(Report, error) {}) }, time.Hour)
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	if got := finish(t, env); got.Verdict != VerdictCancelled {
		t.Errorf("got %+v", got)
	}
}

// TestProfileRefused: what makes no sense does not get into the history.
func TestProfileRefused(t *testing.T) {
	t.Parallel()
	large := sealed("large")
	large.Sealed = make([]byte, MaxSealedProfile+1)
	for name, tc := range map[string]struct {
		order *SealedProfile
		given *SealedProfile
		want  string
	}{
		"NoProfile": {nil, sealed("new"), "the order names no profile"},
		"Large":     {sealed("old"), large, "want 1 to 524288"},
		"Empty":     {sealed("old"), &SealedProfile{ProfileRef: ProfileRef{SHA256: "x"}}, "want 1 to 524288"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &loginWorld{world: world{total: 5}, valid: "old"}
			env := newLoginEnv(t, w)
			in := order()
			in.Profile, in.State = tc.order, StateSuspended
			var got error
			env.RegisterDelayedCallback(func() { setProfile(env, tc.given, func(err error) { got = err }) }, time.Minute)
			env.RegisterDelayedCallback(func() { update(env, StateCancelled, func(Report, error) {}) }, time.Hour)
			env.ExecuteWorkflow(WorkflowCrawlRun, in)
			finish(t, env)
			if got == nil || !strings.Contains(got.Error(), tc.want) {
				t.Errorf("got %v, want %q", got, tc.want)
			}
		})
	}
}

// TestProfileLeavesTheHistory: once it lies in the store, runs that follow carry its name
// alone.
func TestProfileLeavesTheHistory(t *testing.T) {
	t.Parallel()
	w := &loginWorld{world: world{total: 5, sealDown: 1 << 30}, valid: "old"}
	env := newLoginEnv(t, w)
	env.RegisterDelayedCallback(func() { env.SetContinueAsNewSuggested(true) }, time.Hour)
	in := order()
	in.Profile = sealed("old")
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	in = next(t, env)
	if in.Profile == nil || in.Profile.Sealed != nil || in.Profile.SHA256 != "old" || in.Profile.Name != "members" {
		t.Errorf("the next run is told %+v", in.Profile)
	}
}
