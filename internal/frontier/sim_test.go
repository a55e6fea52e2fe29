package frontier

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// simConfig is a crawl of a simulated web by a simulated fleet.
type simConfig struct {
	web    simWeb
	shards int
	delay  time.Duration
	// sizes are those of the tables.
	sizes  sizes
	faults simFaults
	// twin is one in how many plans that a second state takes too, which is read back from
	// the store: the two must not differ in a byte. recount is one in how many manifests
	// whose every row is counted.
	twin, recount int
	// stray is one in how many plans that another worker takes, which reads the state anew.
	stray int
	// large keeps less of what is of no account: memory is bounded by what the frontier needs.
	large bool
	// tick is called now and then.
	tick func(s *sim)
	// budget bounds what 1,000 pages may cost, 0 for no bound.
	budget simBudget
	hooks  simHooks
}

// simBudget is what 1,000 pages may cost: actions of Temporal beside heartbeats, and calls of
// the store.
type simBudget struct{ actions, calls int64 }

// simFaults are how often things go wrong: one in how many, 0 for never.
type simFaults struct {
	store        int           // requests to the store
	plan, bundle int           // attempts that die, freeze, lose their answer
	signal       int           // signals that are lost, and as many that come twice
	reset        time.Duration // mean time between resets of a shard to an older point
	drain, pause time.Duration // the same of continuing as new, and of pauses
	// calm is when all this ends, 0 for never: what forces a plan again and again would
	// hide that nobody wakes a shard.
	calm time.Duration
}

// simHooks let a test break something on purpose. Each is called, unless nil, where what
// its name says has come about.
type simHooks struct {
	turn     func(st *State)                             // a plan took in what there is, and is to hand out
	state    func(st *State)                             // its decisions, before they are sealed
	bundles  func([]Bundle) []Bundle                     // those that are handed out
	manifest func(m *Manifest)                           // before it is stored
	stored   func(key string)                            // after an object was stored
	results  func(bundle string, keys []string) []string // of a bundle that is done
	outcome  func(id int, o *Outcome)                    // of a visit
	over     func() bool                                 // whether the run ends
	// ignored are what a worker or a workflow does not do.
	ignored simDuties
}

// simDuties are what workers and workflows have to do.
type simDuties struct {
	blame      bool // count the attempts that a page was in progress in when they died
	quarantine bool // visit a page alone that was in progress in an attempt that died
	rest       bool // wait between two page loads from a host
	pause      bool // end bundles when the crawl is suspended
	renew      bool // continue as new before the history is too long
	pack       bool // commit many pages with one chunk
}

// sim is a run: its shards, the workers, Temporal, the store, and who watches them.
type sim struct {
	simEvents
	simConfig
	r       *rand.Rand
	rules   *Rules
	start   time.Time
	store   *simStore
	workers []*simWorker
	flows   []*flow
	run     *simRun
	watch   *monitor
	nonces  int
	calm    bool // nothing goes wrong any more
	actions simActions
}

// simActions counts what Temporal is asked for.
type simActions struct {
	plans, bundles, retries, heartbeats, signals, timers, runs int64
}

// simWorker is a process that plans: it keeps the states of the shards that it planned last.
type simWorker struct{ states map[int]*simState }

type simState struct {
	state *State
	hash  string
}

const simWorkers = 3

// reasonPoison is what a worker calls a page that attempts die of.
const reasonPoison = "Poison"

// The times of Temporal and of a worker, as in workflows/options.go and workers/frontier.
const (
	simHeartbeat    = 60 * time.Second
	simBeat         = 15 * time.Second
	simLease        = 50 * time.Second
	simTimeBox      = 2 * time.Minute
	simEpoch        = 30 * time.Second
	simTryAgain     = 2 * simEpoch
	simCommitPages  = 20
	simCommitAge    = 30 * time.Second
	simOpenBundles  = 16
	simBusyGap      = time.Second
	simShardGap     = 125 * time.Millisecond
	simInboxGap     = 500 * time.Millisecond
	simMaxBarren    = 3
	simMaxInboxGap  = time.Minute
	simAtOnce       = 16
	simPlanTries    = 3
	simBundleTries  = 6
	simPoisonDeaths = 2
)

func newSim(c simConfig) *sim {
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s := &sim{simConfig: c, r: rand.New(rand.NewPCG(c.web.seed, 1)), start: start}
	s.now = start
	spec := Spec{Scope: "Custom", Include: []string{`^https://h\d+\.example/`}, Delay: c.delay}
	for id := range simSeeds {
		spec.Seeds = append(spec.Seeds, s.web.url(id))
	}
	rules, err := NewRules(spec)
	if err != nil {
		panic(err) // the order is ours
	}
	s.rules = rules
	s.store = newSimStore(s.r, c.faults.store)
	s.watch = newMonitor(s)
	s.store.stored = s.watch.stored
	s.run = newSimRun(s)
	for range simWorkers {
		s.workers = append(s.workers, &simWorker{states: map[int]*simState{}})
	}
	for shard := range c.shards {
		s.flows = append(s.flows, newFlow(s, shard))
	}
	return s
}

// chance is true once in n times, never for 0.
func (s *sim) chance(n int) bool { return n > 0 && s.r.IntN(n) == 0 }

// fails is chance, until nothing goes wrong any more.
func (s *sim) fails(n int) bool { return !s.calm && s.chance(n) }

// between is a duration, evenly.
func (s *sim) between(a, b time.Duration) time.Duration {
	return a + time.Duration(s.r.Int64N(int64(b-a)+1))
}

func (s *sim) nonce() string {
	s.nonces++
	return fmt.Sprintf("n%d", s.nonces)
}

// crawl lets everything happen until the run is over, or an invariant does not hold.
func (s *sim) crawl() {
	for _, f := range s.flows {
		f.begin()
	}
	if calm := s.faults.calm; calm > 0 {
		s.after(calm, func() { s.calm, s.store.trouble = true, 0 })
	}
	for n := 0; !s.run.over && !s.watch.broken(); n++ {
		if s.tick != nil && n%1000 == 0 {
			s.tick(s)
		}
		if !s.next() {
			s.watch.report(invEnds, "nothing is to happen any more, and the crawl is not over: %s", s.standing())
			return
		}
		if s.now.Sub(s.start) > 60*24*time.Hour {
			s.watch.report(invEnds, "the crawl does not end: %s", s.standing())
			return
		}
	}
	if !s.watch.broken() {
		s.watch.end()
	}
}

func (s *sim) standing() string {
	var b strings.Builder
	for _, f := range s.flows {
		fmt.Fprintf(&b, "shard %d at manifest %d, idle %v, %d bundles open, %d done; ", f.shard, f.at.seq, f.at.idle, len(f.at.open), len(f.at.done))
	}
	return b.String()
}

// simRun is the CrawlRun of several shards: it tells each what the others sent, and ends
// the run.
type simRun struct {
	s        *sim
	standing []standing
	under    [][]delivery // by receiver: not taken in, as far as the run knows
	// announced is by receiver.
	announced []announced
	toldOf    []int // by shard: the last reset that it was told its place after
	ticking   bool
	epoch     time.Time
	over      bool
}

func newSimRun(s *sim) *simRun {
	return &simRun{s: s, standing: make([]standing, s.shards), under: make([][]delivery, s.shards), announced: make([]announced, s.shards), toldOf: make([]int, s.shards)}
}
