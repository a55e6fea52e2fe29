// Package versions decides which builds of the workers run workflows: it makes a new one current,
// and keeps an old one as long as workflows are pinned to it.
//
// [Decide] is the decision, from what the fleet wants, the Deployments that exist and what Temporal
// says. [Temporal] asks Temporal and tells it, [Settler] has it do its part of a decision. What is done
// to Deployments is the caller's.
//
// A build is a Worker Deployment Version (https://docs.temporal.io/worker-versioning) of the task
// queue workflows.TaskQueueRun. See docs/adr/0028-versions.md.
package versions

import (
	"slices"
	"strings"
	"time"
)

// Status is how Temporal uses a version.
type Status string

// The ways of a version: it begins as Inactive, is Current, Draining while workflows are pinned to
// it, and Drained. One that is made current again begins anew.
const (
	// Inactive is a version that was never current.
	Inactive Status = "Inactive"
	// Current takes the workflows that begin, and those that continue as new.
	Current Status = "Current"
	// Ramping takes some of them. This program makes none so.
	Ramping  Status = "Ramping"
	Draining Status = "Draining"
	Drained  Status = "Drained"
)

// Version is a build as Temporal sees it.
type Version struct {
	Build  string
	Status Status
	// Since is when the status became Draining or Drained, as far as Temporal says.
	Since time.Time
	// Open is how many workflows are pinned to it and are not over. It is counted for versions
	// that are not current.
	Open int64
	// Polled tells whether a worker of it asks for workflows.
	Polled bool
}

// State is what Temporal says.
type State struct {
	// Versions are those that Temporal knows; one without workflows and workers is forgotten in
	// the end.
	Versions []Version
	// token is of what was read, so that two writers notice each other.
	token []byte
}

// find returns a version, and whether Temporal knows it.
func (s *State) find(build string) (Version, bool) {
	i := slices.IndexFunc(s.Versions, func(v Version) bool { return v.Build == build })
	if i < 0 {
		return Version{}, false
	}
	return s.Versions[i], true
}

// Deployment is one that exists, of workers of one build.
type Deployment struct {
	Build string
	// Ready is set when its pods are.
	Ready bool
}

// Input is what Decide goes by.
type Input struct {
	// Desired is the build that workflows are to run on.
	Desired string
	// Deployments are those that exist.
	Deployments []Deployment
	// Temporal is nil when Temporal did not answer: then nothing is taken away.
	Temporal *State
	Now      time.Time
}

// Plan is what to do. Lists are sorted.
type Plan struct {
	// Keep are the builds whose workers have to run: the desired one, whether it has a Deployment
	// already or not, and those that something needs.
	Keep []Kept
	// Current is the build that workflows begin on, empty when that is none, or is not known.
	Current string
	// MakeCurrent is the build to make current now, empty for none.
	MakeCurrent string
	// Remove are the builds whose Deployments nothing needs any more.
	Remove []string
	// Forget are the builds to delete from Temporal.
	Forget []string
	// Wake are the builds whose workflows should be woken, so that they notice that another one
	// is current.
	Wake []string
	// Stranded are builds that workflows are pinned to although there are no workers of them,
	// and no Deployment. They wait until there are, or a person moves them.
	Stranded []string
}

// Why is why workers have to run.
type Why string

// The reasons to keep a build.
const (
	// WhyDesired: it is what the fleet wants.
	WhyDesired Why = "Desired"
	// WhyCurrent: workflows begin on it until the desired build is there.
	WhyCurrent Why = "Current"
	// WhyPinned: workflows are pinned to it.
	WhyPinned Why = "Pinned"
	// WhyLingering: it is drained, and may have to answer for workflows that have just ended.
	WhyLingering Why = "Lingering"
	// WhyUnknown: Temporal did not say whether something needs it.
	WhyUnknown Why = "Unknown"
)

// Kept is a build whose workers have to run, and why.
type Kept struct {
	Build string
	Why   Why
}

// linger is how long workers of a drained version stay: somebody may ask a workflow that ended
// on it how it ended.
const linger = time.Minute

// Decide finds what to do. A build goes only when Temporal says that it is drained, or was never
// current, and no open workflow is pinned to it; what is not known stays. To go back to a former
// build is to desire it: it is made current again, and the one between drains.
func Decide(in Input) Plan {
	p := Plan{Keep: []Kept{{in.Desired, WhyDesired}}}
	for _, d := range in.Deployments {
		if d.Build == in.Desired {
			if promotable(d, in.Temporal) {
				p.MakeCurrent = d.Build
			}
			continue
		}
		if why := needed(d.Build, in); why != "" {
			p.Keep = append(p.Keep, Kept{d.Build, why})
			continue
		}
		p.Remove = append(p.Remove, d.Build)
	}
	if in.Temporal != nil {
		p.judgeVersions(in)
	}
	slices.SortFunc(p.Keep[1:], func(a, b Kept) int { return strings.Compare(a.Build, b.Build) })
	for _, list := range [][]string{p.Remove, p.Forget, p.Wake, p.Stranded} {
		slices.Sort(list)
	}
	return p
}

// promotable tells whether the desired build can be made current, and is not.
func promotable(d Deployment, s *State) bool {
	if s == nil || !d.Ready {
		return false
	}
	v, known := s.find(d.Build)
	return known && v.Polled && v.Status != Current
}

// needed is why a build that is not desired any more has to stay, empty when it need not.
func needed(build string, in Input) Why {
	if in.Temporal == nil {
		return WhyUnknown
	}
	v, known := in.Temporal.find(build)
	switch {
	case !known: // no worker of it has ever asked for work, or Temporal saw that it was drained
		return ""
	case v.Status == Current, v.Status == Ramping:
		return WhyCurrent
	case v.Open > 0, v.Status == Draining:
		return WhyPinned
	case v.Status == Drained && in.Now.Sub(v.Since) < linger:
		return WhyLingering
	case v.Status == Drained, v.Status == Inactive:
		return ""
	}
	return WhyUnknown // a status of a later Temporal
}

// judgeVersions says what is to be done about what Temporal knows.
func (p *Plan) judgeVersions(in Input) {
	for _, v := range in.Temporal.Versions {
		deployed := slices.ContainsFunc(in.Deployments, func(d Deployment) bool { return d.Build == v.Build })
		switch {
		case v.Status == Current:
			p.Current = v.Build
		case v.Status == Ramping:
		case v.Open > 0:
			if deployed || v.Polled {
				p.Wake = append(p.Wake, v.Build)
			} else if v.Build != in.Desired {
				p.Stranded = append(p.Stranded, v.Build)
			}
		case v.Status == Drained && !deployed && !v.Polled && v.Build != in.Desired:
			p.Forget = append(p.Forget, v.Build)
		}
	}
}
