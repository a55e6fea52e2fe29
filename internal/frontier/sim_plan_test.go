package frontier

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
)

// planInput and planOutput are those of the Plan activity, as far as the frontier goes
// (workflows/payloads.go).
type planInput struct {
	seq   int64
	done  []bundleDone
	inbox []delivery
	slots int
}

type planOutput struct {
	Seq           int64
	Bundles       []bundleRef
	Applied       []string
	DueIn         time.Duration
	Idle          bool
	Exchange      *Exchange
	Sent, TakenIn []int64
}

// stepRecord is what a step was made of, for who watches: it counts when its manifest is
// stored.
type stepRecord struct {
	shard    int
	applied  []appliedBundle
	bundles  []Bundle
	inputs   []bundleRef // where they lie
	exchange *Exchange
	manifest Manifest
	hash     string
	at       time.Time
}

type appliedBundle struct {
	id      string
	keys    []string
	results []*Result
	lost    bool
}

// planTask is a Plan activity: its attempts, of which the newest counts.
type planTask struct {
	flow     *flow
	in       planInput
	attempts int
	closed   bool
}

// planAttempt is one attempt at a plan by one worker.
type planAttempt struct {
	task   *planTask
	number int
	worker *simWorker
	// dies is the stage before which the worker dies, 0 for never; frozen is how long it
	// stands still before it writes the manifest.
	dies   int
	frozen time.Duration

	state  *simState
	record stepRecord
	data   []byte
	output planOutput
}

func (p *planTask) dispatch() {
	s := p.flow.s
	p.attempts++
	first := p.begin()
	if !s.fails(s.faults.plan) {
		return
	}
	switch s.r.IntN(3) {
	case 0:
		first.dies = 1 + s.r.IntN(3)
	case 1:
		first.frozen = s.between(10*time.Second, 5*time.Minute)
	case 2: // the task is handed out twice
		second := p.begin()
		second.frozen = s.between(0, 3*time.Second)
		return
	}
	if first.dies > 0 || first.frozen > simHeartbeat {
		s.after(simHeartbeat, func() { first.end(errors.New("heartbeat timeout")) })
	}
}

func (p *planTask) begin() *planAttempt {
	s := p.flow.s
	a := &planAttempt{task: p, number: p.attempts, worker: s.workers[p.flow.shard%simWorkers]}
	if s.chance(s.stray) {
		a.worker = s.workers[s.r.IntN(simWorkers)]
	}
	s.after(s.between(20*time.Millisecond, 200*time.Millisecond), a.compute)
	return a
}

// compute decides the step and stores its objects but for the manifest.
func (a *planAttempt) compute() {
	s, f := a.task.flow.s, a.task.flow
	if a.dies == 1 {
		return
	}
	if err := a.decide(); err != nil {
		if errors.Is(err, errSimUnreachable) {
			a.end(err)
			return
		}
		s.watch.report(nameOf(err), "shard %d, step after %d: %v", f.shard, a.task.in.seq, err)
		return
	}
	if a.dies == 2 {
		return
	}
	s.after(s.between(20*time.Millisecond, 200*time.Millisecond)+a.frozen, a.write)
}

func (a *planAttempt) decide() (err error) {
	s, f := a.task.flow.s, a.task.flow
	in := a.task.in
	if a.state, err = s.open(a.worker, f.shard, in.seq); err != nil {
		return err
	}
	got, err := s.fetch(a.state.state.Applied(), in)
	if err != nil {
		return err
	}
	nonce := s.nonce()
	twin := s.chance(s.twin)
	var other *State
	if twin {
		if other, err = s.reopen(f.shard, in.seq); err != nil {
			return err
		}
	}
	if a.output, a.record, err = s.step(a.state.state, f.shard, in, got, nonce); err != nil {
		return err
	}
	objects, err := s.seal(a.state, nonce, &a.output, &a.record)
	if err != nil {
		return err
	}
	if a.data, err = json.Marshal(a.record.manifest); err != nil {
		return err
	}
	if twin {
		if err := s.compare(other, a, in, got, nonce, objects); err != nil {
			return err
		}
	}
	return s.putAll(a.record.bundles, a.output.Bundles, objects)
}

// compare takes the same step with a state that was read back.
func (s *sim) compare(other *State, a *planAttempt, in planInput, got fetched, nonce string, objects []Object) error {
	output, record, err := s.step(other, a.record.shard, in, got, nonce)
	if err != nil {
		return fmt.Errorf("the state that was read back: %w", err)
	}
	again, err := s.seal(&simState{other, a.state.hash}, nonce, &output, &record)
	if err != nil {
		return fmt.Errorf("the state that was read back: %w", err)
	}
	data, err := json.Marshal(record.manifest)
	if err != nil {
		return err
	}
	if !bytes.Equal(data, a.data) || !slices.EqualFunc(objects, again, func(a, b Object) bool { return a.Key == b.Key && bytes.Equal(a.Data, b.Data) }) {
		return fmt.Errorf("%w: the state that was read back decides otherwise:\n%s", errTwin, cmp.Diff(string(a.data), string(data)))
	}
	return nil
}

var errTwin = errors.New("two states of one manifest differ")

// putAll stores the objects of a step, before its manifest.
func (s *sim) putAll(bundles []Bundle, refs []bundleRef, objects []Object) error {
	for i, b := range bundles {
		if err := s.store.put(refs[i].Key, simObject{value: &b}); err != nil {
			return err
		}
	}
	for _, o := range objects {
		if err := s.store.put(o.Key, simObject{data: o.Data}); err != nil {
			return err
		}
	}
	return nil
}

// write stores the manifest, unless another attempt did: then that one's counts.
func (a *planAttempt) write() {
	s := a.task.flow.s
	out, err := s.put(a.worker, a.state, a.output, a.data, a.record)
	if a.dies == 3 {
		return
	}
	if err != nil {
		a.end(err)
		return
	}
	s.after(s.between(5*time.Millisecond, 50*time.Millisecond), func() { a.complete(out) })
}

func manifestKey(shard int, seq int64) string { return fmt.Sprintf("%d/m/%08d", shard, seq) }

// put stores a manifest (workers/frontier/objects.go, commit).
func (s *sim) put(w *simWorker, st *simState, out planOutput, data []byte, rec stepRecord) (planOutput, error) {
	rec.hash = Hash(data)
	key := manifestKey(rec.shard, rec.manifest.Seq)
	err := s.store.put(key, simObject{data: data, value: &rec})
	if errors.Is(err, errSimExists) {
		winner, err := s.store.get(key)
		if err != nil {
			return out, err
		}
		var held planOutput
		err = json.Unmarshal(winner.value.(*stepRecord).manifest.Output, &held)
		return held, err
	}
	if err != nil {
		return out, err
	}
	st.hash = rec.hash
	if w != nil {
		w.states[rec.shard] = st
	}
	return out, nil
}

// commit seals and stores a step at once.
func (s *sim) commit(shard int, w *simWorker, st *simState, nonce string, out *planOutput, rec stepRecord) (planOutput, error) {
	if out == nil {
		out = &planOutput{}
	}
	rec.shard, rec.at = shard, s.now
	objects, err := s.seal(st, nonce, out, &rec)
	if err != nil {
		return *out, err
	}
	if err := s.putAll(nil, nil, objects); err != nil {
		return *out, err
	}
	data, err := json.Marshal(rec.manifest)
	if err != nil {
		return *out, err
	}
	return s.put(w, st, *out, data, rec)
}

// end ends an attempt that brought nothing; there are a few.
func (a *planAttempt) end(error) {
	p := a.task
	if p.closed || p.attempts != a.number {
		return // nobody asks this attempt any more
	}
	if p.attempts == simPlanTries {
		p.closed = true
		p.flow.failed()
		return
	}
	p.flow.s.actions.retries++
	p.flow.s.after(500*time.Millisecond<<p.attempts, func() {
		if !p.closed && p.attempts == a.number {
			p.dispatch()
		}
	})
}

// complete brings what the plan decided to the workflow, unless it comes too late.
func (a *planAttempt) complete(out planOutput) {
	p := a.task
	if p.closed || p.attempts != a.number {
		return
	}
	p.closed = true
	p.flow.planned(p.in, out)
}

// open is the state of a shard at a manifest: the one that the worker has, or read anew.
func (s *sim) open(w *simWorker, shard int, seq int64) (*simState, error) {
	st := w.states[shard]
	delete(w.states, shard) // whoever takes it is the only one to use it
	if st != nil && st.state.Seq() == seq {
		return st, nil
	}
	o, err := s.store.get(manifestKey(shard, seq))
	if err != nil {
		return nil, fmt.Errorf("manifest %d: %w", seq, err)
	}
	m, err := DecodeManifest(o.data)
	if err != nil {
		return nil, err
	}
	state, err := Open(s.rules, m, func(key string) ([]byte, error) {
		o, err := s.store.get(key)
		return o.data, err
	})
	if err != nil {
		return nil, err
	}
	return &simState{state, Hash(o.data)}, nil
}

// reopen reads a state for those who watch: nothing fails, and nothing is counted.
func (s *sim) reopen(shard int, seq int64) (*State, error) {
	m, err := DecodeManifest(s.store.objects[manifestKey(shard, seq)].data)
	if err != nil {
		return nil, err
	}
	return Open(s.rules, m, func(key string) ([]byte, error) {
		if o, ok := s.store.objects[key]; ok {
			return o.data, nil
		}
		return nil, fmt.Errorf("%w: %q", errSimNotFound, key)
	})
}
