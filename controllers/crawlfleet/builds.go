package crawlfleet

import (
	"context"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/versions"
)

// Settler does the part of Versions that is Temporal's. *versions.Settler is one.
type Settler interface {
	Settle(ctx context.Context, desired string, deployments []versions.Deployment) (versions.Plan, error)
}

// WorkerDeployment is Versions by Temporal's Worker Deployments: a build of the conductors is a version
// that workflows are pinned to.
type WorkerDeployment struct{ Settler Settler }

var _ Versions = WorkerDeployment{}

// Settle implements Versions.
func (w WorkerDeployment) Settle(ctx context.Context, desired string, deployed []Deployed) ([]Build, error) {
	var deployments []versions.Deployment
	for _, d := range deployed {
		deployments = append(deployments, versions.Deployment{Build: d.Build, Ready: d.Ready})
	}
	plan, err := w.Settler.Settle(ctx, desired, deployments)
	if err != nil {
		return nil, err
	}
	var builds []Build
	for _, kept := range plan.Keep {
		builds = append(builds, Build{ID: kept.Build, State: stateOf(kept, plan.Current)})
	}
	return builds, nil
}

// stateOf says what a build is for that has to run.
func stateOf(kept versions.Kept, current string) v1alpha1.BuildState {
	switch {
	case kept.Build == current, kept.Why == versions.WhyCurrent:
		return v1alpha1.BuildCurrent
	case kept.Why == versions.WhyDesired:
		return v1alpha1.BuildStarting
	case kept.Why == versions.WhyLingering:
		return v1alpha1.BuildDrained
	}
	return v1alpha1.BuildDraining
}
