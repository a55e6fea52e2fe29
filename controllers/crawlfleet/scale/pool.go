package scale

import (
	"errors"
	"fmt"
	"time"
)

// Pool is a pool of pods that visit pages.
type Pool struct {
	// Name tells it from others.
	Name string
	// Min and Max are how many pods it has at least and at most.
	Min, Max int32
	// Tabs is how many pages each loads at once.
	Tabs int32
	// Delay is how long fewer pods must have been enough before there are fewer.
	Delay time.Duration
	// External is set when somebody else decides how many pods there are. They do their part of
	// the work; Min, Max and Delay count for nothing.
	External bool
	// Replicas is how many pods are asked for now, Ready how many of them work.
	Replicas, Ready int32
}

// Target is how many pods a pool is to have.
type Target struct {
	Replicas int32
	// Reason says why in a word, Message in a sentence for people.
	Reason  Reason
	Message string
	// Again is after how long to ask again at the latest. It is the same for all pools.
	Again time.Duration
}

// Reason says why a pool has as many pods as it has.
type Reason string

// The reasons.
const (
	// ReasonIdle is that nothing could be visited: there is the minimum.
	ReasonIdle Reason = "Idle"
	// ReasonDemand is that there are as many as the demand asks for.
	ReasonDemand Reason = "Demand"
	// ReasonAtMinimum is that the demand asks for fewer than the minimum, or that other pools do
	// the work.
	ReasonAtMinimum Reason = "AtMinimum"
	// ReasonAtMaximum is that the demand asks for more than all pools may have.
	ReasonAtMaximum Reason = "AtMaximum"
	// ReasonScalingOut is that there will be more in a moment: pools grow step by step.
	ReasonScalingOut Reason = "ScalingOut"
	// ReasonScaleInDelayed is that there are more than the demand asks for, until it has done so for
	// long enough.
	ReasonScaleInDelayed Reason = "ScaleInDelayed"
	// ReasonDemandUnknown is that there are as many as there were.
	ReasonDemandUnknown Reason = "DemandUnknown"
)

// Reasons are all of them.
func Reasons() []Reason {
	return []Reason{ReasonIdle, ReasonDemand, ReasonAtMinimum, ReasonAtMaximum, ReasonScalingOut, ReasonScaleInDelayed, ReasonDemandUnknown}
}

// check finds what makes no sense.
func check(pools []Pool) error {
	names := map[string]bool{}
	var errs []error
	for _, p := range pools {
		switch {
		case names[p.Name]:
			errs = append(errs, fmt.Errorf("pool %q: there are two of that name", p.Name))
		case p.Tabs < 1:
			errs = append(errs, fmt.Errorf("pool %q: %d tabs, want 1 or more", p.Name, p.Tabs))
		case !p.External && (p.Min < 0 || p.Max < p.Min):
			errs = append(errs, fmt.Errorf("pool %q: %d to %d pods", p.Name, p.Min, p.Max))
		case p.Delay < 0:
			errs = append(errs, fmt.Errorf("pool %q: a delay of %v", p.Name, p.Delay))
		}
		names[p.Name] = true
	}
	return errors.Join(errs...)
}
