package retention

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workflows"
)

// sim has persons decide and workers erase at once, while time passes, clocks skip and workers
// die. The oracle knows the rules in other words than the code under test: it looks at each
// DELETE as it comes to the store.
type sim struct {
	*rig
	seed uint64

	mu           sync.Mutex
	now          time.Time // that no clock of the simulation needs to have
	workerBy     time.Duration
	storeBy      time.Duration
	storeJumps   bool // ahead, rather than the workers' clock
	open         bool // the run has no closing statement
	proves       bool // somebody forges proofs, too
	deaths, cuts int
	made         map[string]time.Time // when a decision was there, by its path
}

// skip moves the clocks, again and again: the one that jumps may be ahead by up to a year, and the
// other is never ahead then. Each may fall back, also to long before it was right.
func (s *sim) skip(rng *rand.Rand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(time.Duration(rng.Int64N(int64(6 * time.Hour))))
	s.workerBy, s.storeBy = 0, 0
	ahead := time.Duration(rng.Int64N(int64(8760 * time.Hour)))
	switch n := rng.IntN(8); {
	case n < 2 && s.storeJumps:
		s.storeBy = ahead
	case n < 2:
		s.workerBy = ahead
	case n < 4:
		s.workerBy = -fall(rng)
	case n < 5:
		s.storeBy = -fall(rng)
	}
	if rng.IntN(8) == 0 && !s.storeJumps { // the workers' may be ahead at the same time
		s.storeBy = -fall(rng)
	}
}

// fallBack has the store's clock fall back.
func (s *sim) fallBack(rng *rand.Rand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.storeBy = -fall(rng)
}

func fall(rng *rand.Rand) time.Duration { return time.Duration(rng.Int64N(int64(100 * time.Hour))) }

func (s *sim) workerTime() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.Add(s.workerBy)
}

func (s *sim) storeTime() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.Add(s.storeBy)
}

// stored are the decisions as they lie in the store.
func (s *sim) stored() (log []retention.Decision) {
	for seq := 1; ; seq++ {
		data := s.server.Object(fmt.Sprintf("/archive/%sretention/%08d.json", prefix, seq))
		if data == nil {
			return log
		}
		var d retention.Decision
		if err := json.Unmarshal(data, &d); err != nil {
			s.t.Error(err)
		}
		log = append(log, d)
	}
}

// speaks tells whether a decision is about a name: of a chunk, or of what lies beside it.
func speaks(d retention.Decision, name string) bool {
	return len(d.Objects) == 0 || slices.ContainsFunc(d.Objects, func(o string) bool { return name == o || strings.HasPrefix(name, o+".") })
}

// must says what the rules say of a chunk after some decisions: whether it is held, and until
// when it is to be kept at least.
func must(log []retention.Decision, name string) (held bool, until time.Time) {
	until = noon.Add(screening)
	holds, dates := map[string]bool{}, map[string]time.Time{}
	for _, d := range log {
		if d.Action == retention.Erase || !speaks(d, name) {
			continue
		}
		switch d.Action {
		case retention.Hold:
			holds[d.Case] = true
		case retention.Release:
			delete(holds, d.Case)
		case retention.Keep:
			dates[d.Case] = d.Until
		}
	}
	for _, at := range dates {
		if at.After(until) {
			until = at
		}
	}
	return len(holds) > 0, until
}

// isVoid tells whether an erasure was declared void, by anybody.
func isVoid(log []retention.Decision, seq int64) bool {
	return slices.ContainsFunc(log, func(d retention.Decision) bool { return d.Action == retention.Void && d.Voids == seq })
}

// watch judges a DELETE: it must have been decided, and not have been taken back, when nothing held
// the object and its time had truly come.
func (s *sim) watch(path string) {
	name, ok := strings.CutPrefix(path, "/archive/"+prefix)
	if !ok || !strings.HasPrefix(name, retention.Chunks) {
		if ok && !strings.HasPrefix(name, retention.Leads) && !strings.HasPrefix(name, retention.Visits) {
			s.t.Errorf("seed %d: %s is erased, which is to stay", s.seed, name)
		}
		return
	}
	log, wrong := s.stored(), ""
	for i, d := range slices.Backward(log) {
		if isVoid(log, d.Seq) || !slices.ContainsFunc(d.Erasing, func(e retention.Erasing) bool { return e.Name == name }) {
			continue
		}
		// Which of several decisions is carried out nobody can see: somebody may forge one of what is
		// being erased by right.
		said := s.judged(log, i, name)
		if said == "" {
			return
		}
		wrong = cmp.Or(wrong, said)
	}
	s.t.Errorf("seed %d: %s is erased %s", s.seed, name, cmp.Or(wrong, "and nobody decided that, or it is void"))
}

// judged says what is wrong with the erasure of a chunk by the decision at a place of the log.
func (s *sim) judged(log []retention.Decision, i int, name string) (wrong string) {
	s.mu.Lock()
	now, made := s.now, s.made[fmt.Sprintf("/archive/%sretention/%08d.json", prefix, i+1)]
	s.mu.Unlock()
	held, until := must(log[:i], name)
	if held || now.Before(until) {
		return fmt.Sprintf("by decision %d at %s: held %v, kept until %s", i+1, now, held, until)
	}
	// A store whose clock is ahead dates what is forged too late.
	if !s.storeJumps && !made.IsZero() && made.Add(2*time.Second).Before(until) {
		return fmt.Sprintf("by decision %d of %s, which is before %s", i+1, made, until)
	}
	for _, d := range log[i+1:] { // who keeps it by name afterwards was to be refused
		if (d.Action == retention.Hold || d.Action == retention.Keep) && len(d.Objects) > 0 && speaks(d, name) {
			return fmt.Sprintf("by decision %d, and decision %d keeps it", i+1, d.Seq)
		}
	}
	return ""
}

// note remembers when a decision was made at the latest.
func (s *sim) note(r *http.Request) {
	if r.Method != http.MethodPut || s.server.Object(r.URL.Path) == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.made[r.URL.Path]; !ok {
		s.made[r.URL.Path] = s.now
	}
}

// client is one who dies at some request, before the store has it or after, unless lives is 0. Of its
// intents the store dates one in four with a clock that has just fallen back.
func (s *sim) client(rng *rand.Rand, kill func(), lives int) string {
	var mu sync.Mutex
	left, before := lives, rng.IntN(2) == 0
	return hooked(s.t, s.server, func(serve func(), r *http.Request) {
		if r.Method == http.MethodDelete {
			s.watch(r.URL.Path)
		}
		mu.Lock()
		left--
		dies := left == 0
		if lives > 0 && r.Method == http.MethodPut && strings.Contains(r.URL.Path, retention.Folder+"0") && rng.IntN(4) == 0 {
			s.fallBack(rng)
		}
		mu.Unlock()
		if dies && before {
			kill()
		} else {
			serve()
			s.note(r)
		}
		if dies && !before {
			kill()
		}
	})
}

// eraser looks again and again, and dies again and again.
func (s *sim) eraser(rng *rand.Rand, looks int) {
	for range looks {
		ctx, cancel := context.WithCancel(s.t.Context())
		k := *s.keeper
		k.Now, k.Custody = s.workerTime, nil
		k.Store = connect(s.t, s.client(rng, cancel, 1+rng.IntN(120)))
		_, err := k.erase(ctx, s.restarted(rng))
		died := ctx.Err() != nil
		cancel()
		s.mu.Lock()
		if died {
			s.deaths++
		}
		s.mu.Unlock()
		if err != nil && !died {
			s.t.Errorf("seed %d: %v", s.seed, err)
		}
		s.skip(rng)
	}
}

// restarted is what a Retain is asked for. One in four is started anew, as if the run were over now.
func (s *sim) restarted(rng *rand.Rand) workflows.EraseInput {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.in
	if rng.IntN(4) == 0 {
		in.EndedAt = s.now
	}
	return in
}

// person decides this and that.
func (s *sim) person(rng *rand.Rand, decisions int) {
	b := connect(s.t, s.client(rng, func() {}, 0)).Bucket("archive")
	for range decisions {
		d := retention.Decision{Action: []retention.Action{retention.Hold, retention.Keep, retention.Release}[rng.IntN(3)]}
		d.Case, d.By, d.Why, d.At = fmt.Sprint("case ", rng.IntN(2)), "desk", fmt.Sprint(rng.Uint64()), s.workerTime()
		if d.Action == retention.Keep {
			d.Until = noon.Add(time.Duration(rng.Int64N(int64(200 * time.Hour))))
		}
		if rng.IntN(10) > 0 {
			d.Objects = []string{fmt.Sprintf("chunks/%d.wacz", 1+rng.IntN(4))}
		}
		_, err := retention.Decide(s.t.Context(), b, prefix, d)
		switch {
		case errors.Is(err, retention.ErrErasing):
			s.mu.Lock()
			s.cuts++
			s.mu.Unlock()
		case err != nil && !errors.Is(err, retention.ErrNotHeld):
			s.t.Errorf("seed %d: %v", s.seed, err)
		}
		s.skip(rng)
	}
}

// forger writes intents that no worker would, of what is not held, and proofs of those that there are. It
// cannot delete.
func (s *sim) forger(rng *rand.Rand, intents int) {
	b := connect(s.t, s.client(rng, func() {}, 0)).Bucket("archive")
	for range intents {
		name := fmt.Sprintf("chunks/%d.wacz", 1+rng.IntN(4))
		l, err := retention.Read(s.t.Context(), b, prefix)
		if held, _ := must(s.stored(), name); held || err != nil {
			continue
		}
		at := noon.Add(time.Duration(rng.Int64N(int64(300 * time.Hour))))
		err = l.Append(s.t.Context(), b, prefix, retention.Decision{
			Action: retention.Erase, By: "crawlfleet", Why: "forged", At: at, Erasing: []retention.Erasing{{Name: name, Due: noon, For: retention.ScreeningEnded}},
		})
		if err != nil && !errors.Is(err, blob.ErrExists) { // somebody decided meanwhile
			s.t.Errorf("seed %d: %v", s.seed, err)
		}
		if s.proves {
			s.forgeProofOf(rng, l)
		}
		s.skip(rng)
	}
}

// forgeProofOf writes a proof of one of the intents of a log, which is another's where somebody decided
// meanwhile, unless there is one.
func (s *sim) forgeProofOf(rng *rand.Rand, l *retention.Log) {
	var intents []retention.Decision
	for _, d := range l.Decisions {
		if d.Action == retention.Erase {
			intents = append(intents, d)
		}
	}
	if len(intents) == 0 {
		return
	}
	d := intents[rng.IntN(len(intents))]
	p := retention.Proof{Intent: l.MarkAt(d.Seq), By: retention.Program{Name: "forger"}}
	for _, e := range d.Erasing {
		p.Objects = append(p.Objects, retention.Removed{Erasing: e})
	}
	if err := retention.PutProof(s.t.Context(), s.store.Bucket("archive"), prefix, p); err != nil {
		s.t.Errorf("seed %d: %v", s.seed, err)
	}
}

// TestSimulation: nothing held is ever erased, nothing before its time, nothing outlives it once
// somebody can erase, and whatever is gone is proven.
func TestSimulation(t *testing.T) {
	t.Parallel()
	// How often a decision meets an erasure depends on how the machine lets them take turns: more
	// seeds follow until that was seen often enough.
	const enough, most = 25, 400
	var deaths, cuts, void, decisions int
	seed := uint64(0)
	for ; seed < enough || min(cuts, void) < enough && seed < most; seed++ {
		rng := rand.New(rand.NewPCG(seed, 7))
		s := &sim{seed: seed, now: noon.Add(66 * time.Hour), made: map[string]time.Time{}}
		s.storeJumps = seed%2 == 1
		s.rig = newRig(t, &blobtest.Server{Locks: seed%2 == 0})
		s.seal("chunks/1.wacz", "chunks/2.wacz", "chunks/3.wacz", "chunks/4.wacz")
		s.server.Now = s.storeTime
		if s.open = seed%5 == 4; s.open {
			s.remove("run.json")
		}
		var all sync.WaitGroup
		for range 2 {
			mine := rand.New(rand.NewPCG(rng.Uint64(), 1))
			all.Go(func() { s.eraser(mine, 12) })
		}
		for range 2 {
			mine := rand.New(rand.NewPCG(rng.Uint64(), 2))
			all.Go(func() { s.person(mine, 10) })
		}
		if s.proves = seed%6 == 0; seed%3 == 0 && !s.open {
			mine := rand.New(rand.NewPCG(rng.Uint64(), 3))
			all.Go(func() { s.forger(mine, 5) })
		}
		all.Wait()
		s.settled()
		log := s.stored()
		deaths, cuts, decisions = deaths+s.deaths, cuts+s.cuts, decisions+len(log)
		for _, d := range log {
			if d.Action == retention.Void {
				void++
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d runs: %d deaths of workers, %d decisions that came too late, %d erasures that were void, %d decisions in all", seed, deaths, cuts, void, decisions)
	if min(deaths, cuts, void) < enough {
		t.Errorf("%d deaths, %d late decisions and %d void erasures are too few to show anything", deaths, cuts, void)
	}
}
