package custody

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// fate is what becomes of a request to the store.
type fate int

const (
	pass    fate = iota // it is done and answered
	lost                // it is done, its answer is lost
	refused             // it is not done, and nobody says so
	late                // it is done long after the answer was given up
	dies                // the process dies before it
	diesNow             // the process dies after it, before the answer
)

var errDead = errors.New("the process is dead")

// sim runs processes that write one log, one request to the store after another, in an order
// and with faults that follow from a seed.
type sim struct {
	store   *memory
	rng     *rand.Rand
	fates   func(step int) fate
	asked   []string // what was let go
	mu      sync.Mutex
	waiting []*simOp
	late    []func()
}

type simOp struct {
	process *simProcess
	name    string
	fate    chan fate
}

// simProcess is one life of a process; it is its store.
type simProcess struct {
	*sim
	id   int
	dead bool
}

// ask waits until the scheduler lets the request go, and does it as it is fated.
func (p *simProcess) ask(name string, do func() error) error {
	op := &simOp{p, name, make(chan fate)}
	p.mu.Lock()
	if p.dead {
		p.mu.Unlock()
		return errDead
	}
	p.waiting = append(p.waiting, op)
	p.mu.Unlock()
	switch <-op.fate {
	case lost:
		_ = do()
		return fmt.Errorf("%s: %w", name, blob.ErrUnreachable)
	case refused:
		return fmt.Errorf("%s: %w", name, blob.ErrUnreachable)
	case late:
		p.mu.Lock()
		p.late = append(p.late, func() { _ = do() })
		p.mu.Unlock()
		return fmt.Errorf("%s: %w", name, blob.ErrUnreachable)
	case dies:
		return errDead
	case diesNow:
		_ = do()
		return errDead
	}
	return do()
}

func (p *simProcess) Put(ctx context.Context, key blob.Key, content blob.Content) (info blob.Info, err error) {
	err = p.ask("PUT "+string(key), func() error { info, err = p.store.Put(ctx, key, content); return err })
	return info, err
}

func (p *simProcess) Get(ctx context.Context, key blob.Key) (body io.ReadCloser, info blob.Info, err error) {
	err = p.ask("GET "+string(key), func() error { body, info, err = p.store.Get(ctx, key); return err })
	return body, info, err
}

func (p *simProcess) Head(ctx context.Context, key blob.Key) (info blob.Info, err error) {
	err = p.ask("HEAD "+string(key), func() error { info, err = p.store.Head(ctx, key); return err })
	return info, err
}

func (p *simProcess) List(ctx context.Context, prefix string, yield func(blob.Info) bool) error {
	return p.ask("LIST "+prefix, func() error { return p.store.List(ctx, prefix, yield) })
}

// schedule lets requests go until all processes are done.
func (s *sim) schedule(running *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { running.Wait(); close(done) }()
	for {
		synctest.Wait()
		s.mu.Lock()
		ops, delayed := s.waiting, s.late
		if len(ops) == 0 {
			s.mu.Unlock()
			select {
			case <-done:
				for _, do := range delayed {
					do()
				}
				return
			case <-time.After(time.Millisecond): // they all sleep
			}
			continue
		}
		slices.SortFunc(ops, func(a, b *simOp) int {
			return cmp.Or(cmp.Compare(a.process.id, b.process.id), cmp.Compare(a.name, b.name))
		})
		if len(delayed) > 0 && s.rng.IntN(8) == 0 {
			s.late = delayed[1:]
			s.mu.Unlock()
			delayed[0]()
			continue
		}
		i := s.rng.IntN(len(ops))
		op, f := ops[i], s.fates(len(s.asked))
		s.asked = append(s.asked, op.name)
		s.waiting = slices.Delete(ops, i, i+1)
		if f == dies || f == diesNow {
			s.kill(op.process)
		}
		s.mu.Unlock()
		op.fate <- f
	}
}

// kill ends a life: requests that it waits for are not made.
func (s *sim) kill(p *simProcess) {
	p.dead = true
	for _, op := range s.waiting {
		if op.process == p {
			go func() { op.fate <- dies }()
		}
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(op *simOp) bool { return op.process == p })
}

// acknowledged is what processes were told.
type acknowledged struct {
	mu       sync.Mutex
	at       map[string]int64
	receipts []Checkpoint
}

// process appends its entries one call after another, and starts anew when it dies, as often
// as it takes.
func (s *sim) process(t *testing.T, k keys, id, calls int, acked *acknowledged) {
	life := &simProcess{sim: s, id: id}
	l := k.open(t, life)
	l.Warn = func(error) {}
	for call := 0; call < calls; {
		entries := []Entry{testEntry(fmt.Sprintf("p%d-%d-a", id, call)), testEntry(fmt.Sprintf("p%d-%d-b", id, call))}
		r, err := l.Append(context.Background(), entries...)
		if err == nil {
			acked.mu.Lock()
			for i := range entries {
				acked.at[entries[i].ID] = r.Indexes[i]
			}
			acked.receipts = append(acked.receipts, r.Checkpoint)
			acked.mu.Unlock()
			call++
			continue
		}
		if life.isDead() { // whoever comes back reports the same again, and knows nothing
			life = &simProcess{sim: s, id: id}
			l = k.open(t, life)
			l.Warn = func(error) {}
			continue
		}
		if !errors.Is(err, blob.ErrUnreachable) {
			t.Errorf("process %d: %v", id, err)
			return
		}
	}
}

func (p *simProcess) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

const (
	simProcesses = 3
	simCalls     = 3
)

// simulate runs one history on a copy of a log and checks what is left of it. It returns the
// requests.
func simulate(t *testing.T, k keys, begun *memory, seed uint64, proofs int, fates func(*rand.Rand, int) fate) []string {
	t.Helper()
	var asked []string
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 0))
		s := &sim{store: begun.clone(), rng: rng}
		s.fates = func(step int) fate { return fates(rng, step) }
		acked := &acknowledged{at: make(map[string]int64)}
		var running sync.WaitGroup
		for id := range simProcesses {
			running.Go(func() { s.process(t, k, id, simCalls, acked) })
		}
		s.schedule(&running)
		s.check(t, k, acked, proofs)
		asked = s.asked
	})
	return asked
}

// check holds a log to its promises: no fork, every acknowledged entry once and where it was
// said to be, a proof of as many entries as is wanted, and each checkpoint consistent with each other.
func (s *sim) check(t *testing.T, k keys, acked *acknowledged, proofs int) {
	t.Helper()
	l, all := k.open(t, s.store), proofs
	report, err := l.Verify(t.Context(), acked.receipts...)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	seen := make(map[string]int64)
	err = l.Entries(t.Context(), 0, func(i int64, e Entry) bool {
		if at, ok := seen[e.ID]; ok {
			t.Errorf("%s is entry %d and entry %d", e.ID, at, i)
		}
		seen[e.ID] = i
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(acked.at) != 2*simProcesses*simCalls {
		t.Errorf("%d entries were acknowledged", len(acked.at))
	}
	for id, at := range acked.at {
		if seen[id] != at {
			t.Errorf("%s was acknowledged as entry %d and is %d", id, at, seen[id])
		}
		if proofs--; proofs < 0 {
			continue
		}
		p, err := l.Prove(t.Context(), id)
		if err != nil {
			t.Errorf("prove %s: %v", id, err)
			continue
		}
		if c, err := VerifyProof(&p, testOrigin, k.verifiers); err != nil || c.Size != report.Entries || p.Index != at {
			t.Errorf("proof of %s: %+v, %v", id, c, err)
		}
	}
	for _, c := range acked.receipts[:min(len(acked.receipts), all/2)] {
		if _, err := l.Extends(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
}

// nearBundle is a log to which the processes add what fills a bundle.
func nearBundle(t *testing.T, k keys) *memory {
	t.Helper()
	store := newMemory()
	fill(t, k.open(t, store), "old", tileWidth-8, tileWidth)
	return store
}

// TestCrashAtEveryRequest: whatever becomes of any one request to the store, the log holds.
func TestCrashAtEveryRequest(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	for state, begun := range map[string]*memory{"Empty": newMemory(), "NearBundle": nearBundle(t, k)} {
		asked, histories := simulate(t, k, begun, 1, 2, func(*rand.Rand, int) fate { return pass }), 0
		for step, name := range asked {
			fates := []fate{lost, refused, late, dies, diesNow}
			if !strings.HasPrefix(name, "PUT ") { // whether it was done makes no difference then
				fates = []fate{lost, dies}
			}
			for _, f := range fates {
				histories++
				simulate(t, k, begun, 1, 2, func(_ *rand.Rand, at int) fate {
					if at == step {
						return f
					}
					return pass
				})
				if t.Failed() {
					t.Fatalf("%s: fate %d of request %d, %s", state, f, step, name)
				}
			}
		}
		t.Logf("%s: %d requests, %d histories", state, len(asked), histories)
	}
}

// TestManyCrashes: histories in which one request in five goes wrong somehow.
func TestManyCrashes(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	stores := []*memory{newMemory(), nearBundle(t, k)}
	for seed := range uint64(60) {
		simulate(t, k, stores[seed%2], seed, 2*simProcesses*simCalls, func(rng *rand.Rand, _ int) fate {
			if rng.IntN(5) > 0 {
				return pass
			}
			return fate(1 + rng.IntN(5))
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
