package scale

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// trace is a made-up fleet over some hours, and what may be said of any.
type trace struct {
	*story
	random *rand.Rand
	// grew is when each pool last grew, totals how many pods there were at each look.
	grew   map[string]time.Time
	totals []total
}

type total struct {
	at   time.Time
	pods int32
}

// most is how many pods there were at most within a step of time.
func (tr *trace) most() int32 {
	most := int32(0)
	for _, n := range tr.totals[max(0, len(tr.totals)-40):] {
		if tr.now.Sub(n.at) <= StepTime {
			most = max(most, n.pods)
		}
	}
	return most
}

// next is a demand: it stays, breathes, jumps, ends, or is not known.
func (tr *trace) next(before int) (tabs int, known bool) {
	switch n := tr.random.IntN(100); {
	case n < 40:
		return before, true
	case n < 80:
		return max(0, before+tr.random.IntN(9)-4), true
	case n < 88:
		return tr.random.IntN(300), true
	case n < 95:
		return 0, true
	}
	return before, false
}

// TestAnyTrace: whatever is asked for, the pools keep to their bounds, grow as soon and as fast as they
// may, and shrink to no less than what is needed and not before they have been too large for their
// delay.
func TestAnyTrace(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			tr := &trace{random: rand.New(rand.NewPCG(seed, 7)), grew: map[string]time.Time{}}
			tr.story = begin(tr.makePools()...)
			tabs := 0
			for range 600 {
				var known bool
				tabs, known = tr.next(tabs)
				tr.check(t, tabs, known)
			}
			tr.rest(t)
		})
	}
}

func (tr *trace) makePools() []Pool {
	var pools []Pool
	for i := range 1 + tr.random.IntN(3) {
		p := Pool{Name: fmt.Sprint(i), Min: int32(tr.random.IntN(3)) * int32(tr.random.IntN(2)), Tabs: 1 + int32(tr.random.IntN(8)), Delay: time.Duration(tr.random.IntN(10)) * time.Minute}
		p.Max = p.Min + 1 + int32(tr.random.IntN(20))
		pools = append(pools, p)
	}
	return pools
}

// check makes one look and holds it against what may be said.
func (tr *trace) check(t *testing.T, tabs int, known bool) {
	t.Helper()
	before := append([]Pool{}, tr.pools...)
	demand := asks(tabs)
	if !known {
		demand = nil
	}
	got := tr.look(time.Duration(1+tr.random.IntN(20))*time.Second, demand)
	capacity, had, has := 0, int32(0), int32(0)
	atMost := true
	for _, p := range before {
		n := got[p.Name]
		if n < p.Min || n > p.Max {
			t.Fatalf("%s: pool %s has %d pods, want %d to %d", tr.now, p.Name, n, p.Min, p.Max)
		}
		then := max(p.Replicas, p.Min)
		switch {
		case !known && n != then:
			t.Fatalf("%s: pool %s went from %d to %d for no known reason", tr.now, p.Name, then, n)
		case n > then:
			tr.grew[p.Name] = tr.now
		case n < then:
			if since := tr.now.Sub(tr.grew[p.Name]); since < p.Delay {
				t.Fatalf("%s: pool %s shrank %v after it grew", tr.now, p.Name, since)
			}
		}
		atMost = atMost && n == p.Max
		capacity += int(n * p.Tabs)
		had, has = had+then, has+n
	}
	tr.totals = append(tr.totals, total{tr.now, had})
	if most := tr.most(); has > most+max(LeastStep, most) {
		t.Fatalf("%s: there are %d pods, where there were %d", tr.now, has, most)
	}
	tr.totals = append(tr.totals, total{tr.now, has})
	stepping := false // for at most one step of time there may be fewer than are needed
	for _, target := range tr.last.Targets {
		stepping = stepping || target.Reason == ReasonScalingOut
	}
	if known && capacity < tabs && !atMost && (!stepping || tr.last.Again > StepTime) {
		t.Fatalf("%s: %v have %d tabs, %d are asked for", tr.now, got, capacity, tabs)
	}
}

// rest asks for nothing for longer than any delay: what is left is the minimum.
func (tr *trace) rest(t *testing.T) {
	t.Helper()
	tr.check(t, 0, true)
	tr.look(10*time.Minute, asks(0))
	for _, p := range tr.pools {
		if p.Replicas != p.Min {
			t.Errorf("pool %s rests with %d pods, want %d", p.Name, p.Replicas, p.Min)
		}
	}
	for range 100 { // and with a lasting demand there is enough within some steps
		tr.look(StepTime, asks(60))
	}
	capacity, atMost := 0, true
	for _, p := range tr.pools {
		capacity += int(p.Replicas * p.Tabs)
		atMost = atMost && p.Replicas == p.Max
	}
	if capacity < 60 && !atMost {
		t.Errorf("there are %d tabs in the end, 60 are asked for", capacity)
	}
}
