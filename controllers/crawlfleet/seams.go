package crawlfleet

import (
	"context"
	"time"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// Scaler says how many pods pools should have.
type Scaler interface {
	// Desired is asked at each visit about all pools of the fleet, in their order. It says nothing
	// about those that somebody else scales, which are named because they do their part of the work.
	Desired(ctx context.Context, pools []PoolSize) (map[string]Desired, error)
}

// PoolSize is a pool, and how many pods it has.
type PoolSize struct {
	Pool *v1alpha1.FleetPool
	// Replicas is how many were asked for last, and Ready how many of them are ready.
	Replicas, Ready int32
}

// Desired is how many pods a pool should have.
type Desired struct {
	Replicas int32
	// Message says why, for people.
	Message string
	// Again is when to ask again, 0 for whenever there is another visit.
	Again time.Duration
}

// Minimum is a Scaler that keeps each pool at its minimum.
type Minimum struct{}

var _ Scaler = Minimum{}

// Desired implements Scaler.
func (Minimum) Desired(_ context.Context, pools []PoolSize) (map[string]Desired, error) {
	all := map[string]Desired{}
	for _, p := range pools {
		if !p.Pool.Scaling.External() {
			least, _ := p.Pool.Scaling.Bounds()
			all[p.Pool.Name] = Desired{Replicas: least, Message: "the least that the pool has"}
		}
	}
	return all, nil
}

// Versions says which builds of the conductors have to run, and has crawls go over to the one that
// the fleet asks for.
type Versions interface {
	// Settle is told of the build that the fleet asks for and of those that have Deployments. It
	// makes the former current when it is ready, and returns the builds that have to run, with the
	// one that is asked for first. Deployments of others are removed; when it fails, none is.
	Settle(ctx context.Context, desired string, deployed []Deployed) ([]Build, error)
}

// Deployed is a build of the conductors that has a Deployment.
type Deployed struct {
	Build string
	// Ready is set when pods of it are.
	Ready bool
}

// Build is a build of the conductors that has to run.
type Build struct {
	ID    string
	State v1alpha1.BuildState
}

// Newest is Versions for workers without versions: the build that the fleet asks for runs, and the
// ones before until it is ready.
type Newest struct{}

var _ Versions = Newest{}

// Settle implements Versions.
func (Newest) Settle(_ context.Context, desired string, deployed []Deployed) ([]Build, error) {
	ready := false
	var others []Build
	for _, d := range deployed {
		if d.Build == desired {
			ready = d.Ready
			continue
		}
		others = append(others, Build{d.Build, v1alpha1.BuildCurrent})
	}
	if ready || len(others) == 0 {
		return []Build{{desired, v1alpha1.BuildCurrent}}, nil
	}
	return append([]Build{{desired, v1alpha1.BuildStarting}}, others...), nil
}
