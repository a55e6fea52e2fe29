package frontier

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"testing"
	"time"
)

// allFaults is a fleet in which everything goes wrong now and then.
func allFaults() simFaults {
	return simFaults{store: 400, plan: 25, bundle: 12, signal: 8, reset: 40 * time.Minute, drain: 20 * time.Minute, pause: time.Hour}
}

// smallCrawl is a crawl with small tables, so that each is folded and merged often, that is
// checked at every step.
func smallCrawl(seed uint64) simConfig {
	r := rand.New(rand.NewPCG(seed, 2))
	c := simConfig{
		web:    simWeb{seed: seed, pages: 300 + r.IntN(1500), hosts: 6 + r.IntN(60), skew: 1 + r.IntN(3), fanout: 1 + r.IntN(6), poison: 300},
		shards: []int{1, 1, 2, 3, 4, 7}[r.IntN(6)], delay: time.Duration(r.IntN(3)) * time.Second, twin: 2, recount: 4, stray: 4, faults: allFaults(),
		sizes: sizes{fold: 10 + r.IntN(300), deltas: 1 + r.IntN(6), merge: 30 + r.IntN(500), runs: 2 + r.IntN(5)},
	}
	if seed%2 == 1 {
		c.faults.calm = time.Duration(1+r.IntN(90)) * time.Minute
	}
	return c
}

// wideCrawl is a crawl of some 100,000 addresses, with the tables of production.
func wideCrawl(seed uint64) simConfig {
	r := rand.New(rand.NewPCG(seed, 3))
	c := simConfig{
		web:    simWeb{seed: seed, pages: 103_000, hosts: 3000 + r.IntN(2000), skew: 2, fanout: 2 + r.IntN(2), poison: 20_000},
		shards: []int{1, 1, 1, 1, 1, 1, 1, 2}[r.IntN(8)], delay: time.Duration(r.IntN(3)) * time.Second / 2, twin: 1000, recount: 2000, stray: 400,
		faults: allFaults(), sizes: standardSizes(),
	}
	c.faults.plan, c.faults.bundle = 400, 40
	if seed%2 == 0 {
		c.faults.reset = 0 // politeness is watched throughout
	}
	if seed%4 > 1 {
		c.faults.calm = time.Duration(1+r.IntN(12)) * time.Hour
	}
	return c
}

// The seeds of TestSimulation: -seeds of them from -seed on.
var (
	seedCount = flag.Int("seeds", 4, "how many webs of 100,000 addresses are crawled")
	firstSeed = flag.Uint64("seed", 0, "the first of them")
)

// check reports what the monitor found.
func (s *sim) check(t *testing.T) {
	t.Helper()
	for _, v := range s.watch.violations {
		t.Errorf("seed %d: %s: %s", s.web.seed, v.invariant, v.detail)
	}
}

// TestSimulation crawls webs of 100,000 addresses with all faults. Every manifest is compared
// with the monitor's own books; the end with a plain walk, and with every row that is
// stored. One plan in 1,000 is taken by two states, and the rows of one manifest in 2,000 are
// counted.
func TestSimulation(t *testing.T) {
	t.Parallel()
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // much garbage, little that lives
	t.Run("seeds", func(t *testing.T) {
		for n := range uint64(*seedCount) {
			seed := *firstSeed + n
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				s := newSim(wideCrawl(seed))
				s.crawl()
				s.check(t)
				if found := s.watch.discovered(); found < 100_000 {
					t.Errorf("seed %d: only %d pages were found", seed, found)
				}
				t.Logf("%d shards, %d manifests, %d pages loaded in %v", s.shards, s.watch.manifests, s.watch.loads, s.now.Sub(s.start))
				if t.Failed() {
					t.Logf("again: go test ./internal/frontier -run '^TestSimulation$' -seed %d -seeds 1", seed)
				}
			})
		}
	})
}

// TestSimulationSmall crawls small webs with small tables and more faults: one plan in two is
// taken by two states, and every row of one manifest in four is counted.
func TestSimulationSmall(t *testing.T) {
	t.Parallel()
	shards := map[int]bool{}
	for seed := range uint64(40) {
		c := smallCrawl(seed)
		shards[c.shards] = true
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s := newSim(c)
			s.crawl()
			s.check(t)
			if t.Failed() {
				t.Logf("again: go test ./internal/frontier -run '^TestSimulationSmall$/^%d$'", seed)
			}
		})
	}
	if len(shards) < 4 {
		t.Errorf("numbers of shards: %v", shards)
	}
}

// TestSimulationRepeats crawls twice with one seed: the same has to come about, or a seed
// that fails could not be looked into.
func TestSimulationRepeats(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		var ends []string
		for range 2 {
			s := newSim(smallCrawl(seed))
			s.crawl()
			s.check(t)
			end := fmt.Sprint(s.now, s.nonces, s.actions)
			for _, sh := range s.watch.shards {
				end += " " + sh.hash
			}
			ends = append(ends, end)
		}
		if ends[0] != ends[1] {
			t.Errorf("seed %d ends once with %s, and once with %s", seed, ends[0], ends[1])
		}
	}
}
