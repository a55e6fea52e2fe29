package scale

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/workflows"
)

// delay is the one of the pools under test.
const delay = 5 * time.Minute

// asks is a demand for so many tabs.
func asks(tabs int) *Demand { return &Demand{Demand: workflows.Demand{Bundles: tabs, Hosts: tabs}} }

// story is a fleet whose pods are there as soon as they are asked for, unless its pods say otherwise.
type story struct {
	now   time.Time
	pools []Pool
	state State
	last  Decision
}

func begin(pools ...Pool) *story {
	return &story{now: time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC), pools: pools}
}

// look decides, and has it done.
func (s *story) look(after time.Duration, demand *Demand) map[string]int32 {
	s.now = s.now.Add(after)
	s.last, s.state = Decide(s.now, s.pools, s.state, demand)
	got := map[string]int32{}
	for i, p := range s.pools {
		if t, ok := s.last.Targets[p.Name]; ok {
			got[p.Name] = t.Replicas
			s.pools[i].Replicas, s.pools[i].Ready = t.Replicas, t.Replicas
		}
	}
	return got
}

func (s *story) reasons() map[string]Reason {
	why := map[string]Reason{}
	for name, t := range s.last.Targets {
		why[name] = t.Reason
	}
	return why
}

// TestShared: the first decision of all says how the demand is shared out over pools that have nothing
// to lose. The bound on growth is left out where it is not looked at.
func TestShared(t *testing.T) {
	t.Parallel()
	spot := Pool{Name: "spot", Max: 3, Tabs: 4, Delay: delay}
	steady := Pool{Name: "steady", Max: 2, Tabs: 8, Delay: delay}
	with := func(p Pool, change func(*Pool)) Pool { change(&p); return p }
	for name, tc := range map[string]struct {
		reason string
		pools  []Pool
		demand *Demand
		want   map[string]int32
		why    map[string]Reason
	}{
		"Nothing": {"no pod for no work", []Pool{spot}, asks(0), map[string]int32{"spot": 0}, map[string]Reason{"spot": ReasonIdle}},
		"First":   {"the first page needs a pod", []Pool{spot}, asks(1), map[string]int32{"spot": 1}, map[string]Reason{"spot": ReasonDemand}},
		"Full":    {"a pod has tabs", []Pool{spot}, asks(4), map[string]int32{"spot": 1}, nil},
		"Over":    {"one page more needs one pod more", []Pool{spot}, asks(5), map[string]int32{"spot": 2}, nil},
		"AtMost":  {"the maximum is kept to", []Pool{spot}, asks(100), map[string]int32{"spot": 3}, map[string]Reason{"spot": ReasonAtMaximum}},
		"AtLeast": {"the minimum is there anyway", []Pool{with(spot, func(p *Pool) { p.Min = 2 })}, asks(0), map[string]int32{"spot": 2}, map[string]Reason{"spot": ReasonIdle}},
		"Enough":  {"and does what there is", []Pool{with(spot, func(p *Pool) { p.Min = 2 })}, asks(8), map[string]int32{"spot": 2}, map[string]Reason{"spot": ReasonAtMinimum}},
		"InOrder": {"the first pool is filled first", []Pool{spot, steady}, asks(12), map[string]int32{"spot": 3, "steady": 0}, map[string]Reason{"spot": ReasonDemand, "steady": ReasonAtMinimum}},
		"Next":    {"then the next", []Pool{spot, steady}, asks(13), map[string]int32{"spot": 3, "steady": 1}, map[string]Reason{"spot": ReasonDemand, "steady": ReasonDemand}},
		"Other":   {"the order is that of the list", []Pool{steady, spot}, asks(13), map[string]int32{"steady": 2, "spot": 0}, nil},
		"Minimum": {"what another pool has anyway comes first", []Pool{spot, with(steady, func(p *Pool) { p.Min = 1 })}, asks(9), map[string]int32{"spot": 1, "steady": 1}, nil},
		"External": {
			"what somebody else scales does its part", []Pool{{Name: "keda", Tabs: 4, External: true, Replicas: 2, Ready: 2}, spot}, asks(9),
			map[string]int32{"spot": 1}, nil,
		},
		"Backlog": {"bundles that wait count before their run reports", []Pool{spot}, &Demand{Backlog: 5}, map[string]int32{"spot": 2}, nil},
		"Ready":   {"hosts that would be handed out next count", []Pool{spot}, &Demand{Demand: workflows.Demand{Bundles: 1, Hosts: 4, Ready: 3}}, map[string]int32{"spot": 2}, nil},
		"Unknown": {"nothing is changed", []Pool{with(spot, func(p *Pool) { p.Replicas = 2 })}, nil, map[string]int32{"spot": 2}, map[string]Reason{"spot": ReasonDemandUnknown}},
		"UnknownBounds": {
			"but for what is out of bounds", []Pool{with(spot, func(p *Pool) { p.Replicas = 7 }), with(steady, func(p *Pool) { p.Min = 1 })}, nil,
			map[string]int32{"spot": 3, "steady": 1}, nil,
		},
		"Inherited": {"an operator that begins anew does not end what is there", []Pool{with(spot, func(p *Pool) { p.Replicas, p.Ready = 3, 3 })}, asks(1), map[string]int32{"spot": 3}, map[string]Reason{"spot": ReasonScaleInDelayed}},
		"None":      {"a fleet without pools", nil, asks(3), map[string]int32{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(tc.pools...)
			if diff := cmp.Diff(tc.want, s.look(0, tc.demand)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.why, s.reasons()); tc.why != nil && diff != "" {
				t.Errorf("%s: reasons (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// step is one look of a story.
type step struct {
	after  time.Duration
	demand *Demand
	want   int32
	why    Reason
}

func (s *story) tell(t *testing.T, steps ...step) {
	t.Helper()
	name := s.pools[len(s.pools)-1].Name
	for i, step := range steps {
		got := s.look(step.after, step.demand)[name]
		if why := s.last.Targets[name].Reason; got != step.want || step.why != "" && why != step.why {
			t.Fatalf("look %d: %d pods for %s (%s), want %d (%s)", i+1, got, why, s.last.Targets[name].Message, step.want, step.why)
		}
	}
}

// TestToZeroAndBack: a pool that nobody needs ends after its delay, and not before, and is back with
// the first bundle.
func TestToZeroAndBack(t *testing.T) {
	t.Parallel()
	begin(Pool{Name: "p", Max: 10, Tabs: 4, Delay: delay}).tell(t,
		step{0, asks(0), 0, ReasonIdle},
		step{LookEvery, &Demand{Backlog: 1}, 1, ReasonDemand},
		step{LookEvery, asks(9), 3, ReasonDemand},
		step{time.Hour, asks(9), 3, ReasonDemand},
		step{LookEvery, asks(0), 3, ReasonScaleInDelayed},
		step{delay - time.Second, asks(0), 3, ReasonScaleInDelayed},
		step{time.Second, asks(0), 0, ReasonIdle},
		step{LookEvery, asks(1), 1, ReasonDemand},
	)
}

// TestShrinksToWhatWasNeeded at most within the delay, with something to spare.
func TestShrinksToWhatWasNeeded(t *testing.T) {
	t.Parallel()
	begin(Pool{Name: "p", Max: 4, Tabs: 10, Delay: delay}).tell(t,
		step{0, asks(40), 4, ReasonDemand},
		step{time.Minute, asks(28), 4, ReasonScaleInDelayed},
		step{4 * time.Minute, asks(5), 4, ReasonScaleInDelayed},
		step{2 * time.Minute, asks(5), 3, ReasonScaleInDelayed}, // the 40 count no more
		step{time.Minute, asks(19), 3, ReasonScaleInDelayed},
		step{time.Minute, asks(5), 3, ReasonScaleInDelayed}, // the 28 were needed until four minutes ago
		step{time.Minute, asks(5), 2, ReasonScaleInDelayed}, // and count no more, but the 19 do
		step{4 * time.Minute, asks(5), 1, ReasonDemand},
	)
}

// TestKeepsSomeToSpare: who shrinks to what just suffices would grow again with the next page.
func TestKeepsSomeToSpare(t *testing.T) {
	t.Parallel()
	begin(Pool{Name: "p", Max: 4, Tabs: 10, Delay: delay}).tell(t,
		step{0, asks(31), 4, ReasonDemand},
		step{delay, asks(30), 4, ReasonDemand}, // 33 with a tenth to spare
		step{delay, asks(30), 4, ReasonDemand},
		step{delay, asks(27), 4, ReasonScaleInDelayed}, // 29
		step{delay, asks(27), 3, ReasonDemand},
		step{delay, asks(30), 3, ReasonDemand}, // they do not come back for it
	)
}

// TestDoesNotFlap: a demand that comes and goes keeps its pods, as long as it comes within the delay.
func TestDoesNotFlap(t *testing.T) {
	t.Parallel()
	s := begin(Pool{Name: "p", Max: 4, Tabs: 4, Delay: delay})
	s.tell(t, step{0, asks(8), 2, ReasonDemand})
	for range 20 {
		s.tell(t, step{2 * time.Minute, asks(0), 2, ReasonScaleInDelayed}, step{2 * time.Minute, asks(8), 2, ReasonDemand})
	}
}

// TestGrowsStepByStep: as many again as there are, or LeastStep, in each step of time.
func TestGrowsStepByStep(t *testing.T) {
	t.Parallel()
	s := begin(Pool{Name: "p", Max: 1000, Tabs: 1, Delay: delay})
	s.tell(t,
		step{0, asks(100), 4, ReasonScalingOut},
		step{time.Second, asks(100), 4, ReasonScalingOut},
		step{StepTime - time.Second, asks(100), 8, ReasonScalingOut},
		step{StepTime, asks(100), 16, ReasonScalingOut},
		step{StepTime, asks(20), 20, ReasonDemand},
		step{time.Second, asks(100), 32, ReasonScalingOut}, // what is left of the step
		step{StepTime, asks(100), 64, ReasonScalingOut},
		step{StepTime, asks(100), 100, ReasonDemand},
	)
}

// TestLooksAgain when the clock alone will change something.
func TestLooksAgain(t *testing.T) {
	t.Parallel()
	s := begin(Pool{Name: "p", Max: 100, Tabs: 1, Delay: delay})
	for _, tc := range []struct {
		reason string
		after  time.Duration
		demand *Demand
		want   time.Duration
	}{
		{"there is nothing to wait for", 0, asks(0), LookEvery},
		{"there may be more in five seconds", LookEvery, asks(9), 5 * time.Second},
		{"the step has just begun", 5 * time.Second, asks(9), LookEvery},
		{"all are there", 15 * time.Second, asks(9), LookEvery},
		{"there may be fewer in five minutes", LookEvery, asks(0), LookEvery},
		{"there may be fewer in two seconds", delay - 2*time.Second, asks(0), 2 * time.Second},
		{"there are", 2 * time.Second, asks(0), LookEvery},
		{"it is not known", LookEvery, nil, LookEvery},
	} {
		s.look(tc.after, tc.demand)
		if s.last.Again != tc.want || s.last.Targets["p"].Again != tc.want {
			t.Errorf("%s: again after %v, want %v", tc.reason, s.last.Again, tc.want)
		}
	}
}

// TestUnknownIsNotLess: time in which the demand was not known is none in which it was lower.
func TestUnknownIsNotLess(t *testing.T) {
	t.Parallel()
	begin(Pool{Name: "p", Max: 4, Tabs: 4, Delay: delay}).tell(t,
		step{0, asks(8), 2, ReasonDemand},
		step{time.Minute, nil, 2, ReasonDemandUnknown},
		step{time.Hour, nil, 2, ReasonDemandUnknown},
		step{LookEvery, asks(0), 2, ReasonScaleInDelayed},
		step{delay, asks(0), 0, ReasonIdle},
	)
}

// TestBoundsApplyAtOnce: a person who changes them does not wait for the demand.
func TestBoundsApplyAtOnce(t *testing.T) {
	t.Parallel()
	s := begin(Pool{Name: "p", Max: 4, Tabs: 4, Delay: delay})
	s.tell(t, step{0, asks(16), 4, ReasonDemand})
	s.pools[0].Max = 2
	s.tell(t, step{time.Second, asks(16), 2, ReasonAtMaximum})
	s.pools[0].Min, s.pools[0].Max = 7, 9
	s.tell(t, step{time.Second, asks(16), 7, ReasonAtMinimum})
}

// TestTakenOver: a pool that somebody else scaled begins with the pods that it has then.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	s := begin(Pool{Name: "p", Tabs: 4, External: true})
	s.look(0, asks(24))
	s.pools[0].Replicas, s.pools[0].Ready = 9, 9
	s.look(LookEvery, asks(24))
	s.pools[0].External, s.pools[0].Max, s.pools[0].Delay = false, 10, delay
	s.tell(t,
		step{LookEvery, asks(24), 9, ReasonScaleInDelayed},
		step{delay, asks(24), 7, ReasonDemand},
	)
}

// TestNextPoolHelpsOut where the pods of one do not get ready, and stays for its delay once they do.
func TestNextPoolHelpsOut(t *testing.T) {
	t.Parallel()
	s := begin(Pool{Name: "spot", Max: 2, Tabs: 4, Delay: delay}, Pool{Name: "steady", Max: 4, Tabs: 4, Delay: delay})
	look := func(reason string, after time.Duration, ready int32, spot, steady int32) {
		t.Helper()
		s.pools[0].Ready = ready
		if got := s.look(after, asks(8)); got["spot"] != spot || got["steady"] != steady {
			t.Errorf("%s: %v, want %d and %d", reason, got, spot, steady)
		}
	}
	look("the first pool is enough", 0, 0, 2, 0)
	look("one of its pods is missed", LookEvery, 1, 2, 0)
	look("it has time to begin", PodPatience-time.Second, 1, 2, 0)
	look("but not for ever: the next pool does its work", time.Second, 1, 2, 1)
	look("as much as is needed", LookEvery, 0, 2, 2)
	look("all are there", LookEvery, 2, 2, 2)
	look("others stay for a while", delay-LookEvery, 2, 2, 2)
	look("and go", LookEvery, 2, 2, 0)
	if why := s.reasons()["steady"]; why != ReasonAtMinimum {
		t.Errorf("the next pool has no pods for %s", why)
	}
}

// TestShortPoolAsksForNoMore than it would have: that its minimum is not there does not call for
// further pods of its own.
func TestShortPoolAsksForNoMore(t *testing.T) {
	t.Parallel()
	s := begin(Pool{Name: "p", Min: 2, Max: 10, Tabs: 4, Delay: delay})
	for range 3 {
		if got := s.look(PodPatience, asks(8))["p"]; got != 2 {
			t.Errorf("%d pods, want 2", got)
		}
		s.pools[0].Ready = 0
	}
}
