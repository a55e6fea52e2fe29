package crawlfleet

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/render"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/versions"
)

// settler is a Temporal of which a test says what it plans.
type settler struct {
	plan versions.Plan
	err  error
	told []versions.Deployment
}

func (s *settler) Settle(_ context.Context, _ string, deployments []versions.Deployment) (versions.Plan, error) {
	s.told = deployments
	return s.plan, s.err
}

func TestWorkerDeployment(t *testing.T) {
	t.Parallel()
	s := &settler{plan: versions.Plan{Current: "b", Keep: []versions.Kept{
		{Build: "c", Why: versions.WhyDesired}, {Build: "b", Why: versions.WhyCurrent}, {Build: "a", Why: versions.WhyPinned},
		{Build: "z", Why: versions.WhyLingering}, {Build: "y", Why: versions.WhyUnknown},
	}}}
	got, err := WorkerDeployment{s}.Settle(t.Context(), "c", []Deployed{{"c", true}, {"b", false}})
	if err != nil {
		t.Fatal(err)
	}
	want := []Build{{"c", v1alpha1.BuildStarting}, {"b", v1alpha1.BuildCurrent}, {"a", v1alpha1.BuildDraining}, {"z", v1alpha1.BuildDrained}, {"y", v1alpha1.BuildDraining}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]versions.Deployment{{Build: "c", Ready: true}, {Build: "b"}}, s.told); diff != "" {
		t.Errorf("it is told of (-want +got):\n%s", diff)
	}
	s.err = errors.New("no answer")
	if builds, err := (WorkerDeployment{s}).Settle(t.Context(), "c", nil); err == nil || builds != nil {
		t.Errorf("%v, %v", builds, err)
	}
}

// TestDraining: conductors stay as long as crawls are pinned to them, and the operator looks again soon.
func TestDraining(t *testing.T) {
	t.Parallel()
	fleet := agency(t, "agency")
	s := newStage(t, append(secretsOf(fleet), fleet)...)
	s.up()
	first, second := render.BuildOf("crawlfleet/worker:1"), render.BuildOf("crawlfleet/worker:2")
	plan := &settler{plan: versions.Plan{Current: second, Keep: []versions.Kept{{Build: second, Why: versions.WhyDesired}, {Build: first, Why: versions.WhyPinned}}}}
	s.Versions, s.Versioned, s.WorkerImage = WorkerDeployment{plan}, true, "crawlfleet/worker:2"
	s.visit()
	s.run()
	if again := s.visit().RequeueAfter; again > 15*time.Second {
		t.Errorf("looks again after %v", again)
	}
	if got := s.deployments(); !slices.Contains(got, render.ConductorName(first)) {
		t.Errorf("Deployments %v: crawls run on the first build", got)
	}
	states := map[string]v1alpha1.BuildState{}
	for _, c := range s.fleet().Status.Conductors {
		states[c.Build] = c.State
	}
	if diff := cmp.Diff(map[string]v1alpha1.BuildState{first: v1alpha1.BuildDraining, second: v1alpha1.BuildCurrent}, states); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	plan.plan.Keep = plan.plan.Keep[:1]
	s.visit()
	if got := s.deployments(); slices.Contains(got, render.ConductorName(first)) {
		t.Errorf("Deployments %v: nothing runs on the first build", got)
	}
}
