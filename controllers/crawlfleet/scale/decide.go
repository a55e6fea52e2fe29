package scale

import (
	"fmt"
	"slices"
	"time"
)

// How pools grow and shrink.
const (
	// StepTime is how long a step of growth lasts, LeastStep how many pods it may add where doubling
	// what there is would be fewer.
	StepTime  = 15 * time.Second
	LeastStep = 4
	// PodPatience is how long the pods of a pool may take to get ready, until others do their work.
	PodPatience = 3 * time.Minute
	// LookEvery is after how long to look again at the latest.
	LookEvery = 10 * time.Second
	// spare is what is kept to spare when a pool shrinks: one tab for so many that are asked for.
	spare = 10
)

// State is what a decision leaves to the next one. The zero value knows nothing of the past: pools
// stay as large as they are for their delay at least.
type State struct {
	pools map[string]poolState
	// step is when the present step of growth began, base how many pods there were then, and
	// grown how many have come since.
	step        time.Time
	base, grown int32
}

// poolState is what is remembered of a pool.
type poolState struct {
	replicas int32
	// needs are how many pods it needed, the most first: each one is larger, and was needed until
	// an earlier time, than the next.
	needs []need
	// short is since when it has fewer pods ready than asked for, zero when it has all.
	short time.Time
}

// need is how many pods were needed until a time.
type need struct {
	pods  int32
	until time.Time
}

// Decision is what is to be done.
type Decision struct {
	// Targets are those of the pools that are not External, by name.
	Targets map[string]Target
	// Again is after how long to decide again at the latest.
	Again time.Duration
}

// Decide tells how many pods each pool is to have. demand is nil when it is not known. The pools have to
// make sense (see Scaler.Desired).
func Decide(now time.Time, pools []Pool, before State, demand *Demand) (Decision, State) {
	d := &decider{now: now, pools: pools, state: State{pools: map[string]poolState{}, step: before.step, base: before.base, grown: before.grown}}
	for _, p := range pools {
		d.remember(p, before.pools)
	}
	targets := map[string]Target{}
	if demand == nil {
		for _, p := range d.managed() {
			targets[p.Name] = Target{Replicas: d.state.pools[p.Name].replicas, Reason: ReasonDemandUnknown, Message: "what there is to visit is not known: there are as many pods as before", Again: LookEvery}
		}
		return Decision{Targets: targets, Again: LookEvery}, d.state
	}
	wanted, unmet := d.share(demand.Tabs())
	roomy, _ := d.share(demand.Tabs() + demand.Tabs()/spare)
	d.beginStep()
	for _, p := range d.managed() {
		targets[p.Name] = d.decide(p, demand, wanted[p.Name], roomy[p.Name], unmet)
	}
	again := d.again()
	for name, t := range targets {
		t.Again = again
		targets[name] = t
	}
	return Decision{Targets: targets, Again: again}, d.state
}

// decider makes one decision. state is the one that it leaves.
type decider struct {
	now   time.Time
	pools []Pool
	state State
	// growing is set when a pool waits for the next step of growth.
	growing bool
}

func (d *decider) managed() []Pool {
	return slices.DeleteFunc(slices.Clone(d.pools), func(p Pool) bool { return p.External })
}

// remember takes over what is known of a pool, within its present bounds. What it was taken to need
// last it has needed until now.
func (d *decider) remember(p Pool, before map[string]poolState) {
	s, known := before[p.Name]
	s.needs = slices.Clone(s.needs)
	if !known || p.External { // what somebody else decided is where it begins
		s.replicas = p.Replicas
		s.needs = []need{{pods: p.Replicas}}
	}
	if !p.External {
		s.replicas = min(max(s.replicas, p.Min), p.Max)
	}
	if n := len(s.needs); n > 0 {
		s.needs[n-1].until = d.now
	}
	switch {
	case p.Ready >= p.Replicas:
		s.short = time.Time{}
	case s.short.IsZero():
		s.short = d.now
	}
	d.state.pools[p.Name] = s
}

// working is how many of so many pods of a pool are counted on.
func (d *decider) working(p Pool, pods int32) int {
	if short := d.state.pools[p.Name].short; !short.IsZero() && d.now.Sub(short) >= PodPatience {
		return int(min(pods, p.Ready))
	}
	return int(pods)
}

// share says how many pods each pool needs for so many tabs, and for how many there are none. What
// is there anyway does its part first.
func (d *decider) share(tabs int) (pods map[string]int32, unmet int) {
	for _, p := range d.pools {
		anyway := p.Min
		if p.External {
			anyway = p.Replicas
		}
		tabs -= d.working(p, anyway) * int(p.Tabs)
	}
	pods = map[string]int32{}
	for _, p := range d.managed() {
		tabs += d.working(p, p.Min) * int(p.Tabs)
		n := int32(min(max((tabs+int(p.Tabs)-1)/int(p.Tabs), int(p.Min)), int(p.Max)))
		pods[p.Name] = n
		tabs -= d.working(p, n) * int(p.Tabs)
	}
	return pods, max(tabs, 0)
}

// beginStep begins the next step of growth when its time has come.
func (d *decider) beginStep() {
	if !d.state.step.IsZero() && d.now.Sub(d.state.step) < StepTime {
		return
	}
	d.state.step, d.state.base, d.state.grown = d.now, 0, 0
	for _, p := range d.managed() {
		d.state.base += d.state.pools[p.Name].replicas
	}
}

// decide is what a pool is to have that needs wanted pods, and keeps as many as roomy.
func (d *decider) decide(p Pool, demand *Demand, wanted, roomy int32, unmet int) Target {
	s := d.state.pools[p.Name]
	s.needed(roomy, d.now, p.Delay)
	had, cut := s.replicas, false
	if room := max(LeastStep, d.state.base) - d.state.grown; wanted > had {
		s.replicas += min(wanted-had, room)
		d.state.grown += s.replicas - had
		cut = s.replicas < wanted
	} else {
		s.replicas = min(had, max(s.needs[0].pods, p.Min))
	}
	d.growing = d.growing || cut
	d.state.pools[p.Name] = s
	return p.target(s.replicas, demand, wanted, roomy, cut, unmet)
}

// needed notes what is needed now, and forgets what was needed too long ago.
func (s *poolState) needed(pods int32, now time.Time, delay time.Duration) {
	for len(s.needs) > 0 && s.needs[len(s.needs)-1].pods <= pods {
		s.needs = s.needs[:len(s.needs)-1]
	}
	s.needs = append(s.needs, need{pods: pods, until: now})
	for len(s.needs) > 1 && now.Sub(s.needs[0].until) >= delay {
		s.needs = s.needs[1:]
	}
}

// target says why a pool has so many pods.
func (p Pool) target(pods int32, demand *Demand, wanted, roomy int32, cut bool, unmet int) Target {
	t := Target{Replicas: pods}
	switch {
	case cut:
		t.Reason, t.Message = ReasonScalingOut, fmt.Sprintf("%s; %s wanted, and come step by step", demand, count(int(wanted), "pod"))
	case unmet > 0 && pods == p.Max:
		t.Reason, t.Message = ReasonAtMaximum, fmt.Sprintf("%s; the pools have no tabs for %d of them", demand, unmet)
	case pods > roomy:
		t.Reason, t.Message = ReasonScaleInDelayed, fmt.Sprintf("%s; there may be %s once that has been enough for %s", demand, count(int(wanted), "pod"), p.Delay)
	case demand.Tabs() == 0:
		t.Reason, t.Message = ReasonIdle, "nothing can be visited now"
	case pods == p.Min:
		t.Reason, t.Message = ReasonAtMinimum, fmt.Sprintf("%s; the minimum is enough, or other pools do the work", demand)
	default:
		t.Reason, t.Message = ReasonDemand, demand.String()
	}
	return t
}

// again is after how long something changes by the clock alone, LookEvery at the latest.
func (d *decider) again() time.Duration {
	next := LookEvery
	earlier := func(at time.Time) {
		if wait := at.Sub(d.now); wait > 0 {
			next = min(next, wait)
		}
	}
	if d.growing {
		earlier(d.state.step.Add(StepTime))
	}
	for _, p := range d.managed() {
		if s := d.state.pools[p.Name]; len(s.needs) > 1 {
			earlier(s.needs[0].until.Add(p.Delay))
		}
	}
	return next
}
