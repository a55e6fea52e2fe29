package frontier

import (
	"maps"
	"slices"
	"time"
)

// flow is the workflow of a shard (workflows/shard.go): it steps plans and bundles. What
// Temporal would rebuild from a history is in at.
type flow struct {
	s     *sim
	shard int
	at    flowState
	// planning is the plan under way, tasks the bundles that are out.
	planning *planTask
	tasks    map[string]*bundleTask
	// history are the states after each of the last plans: where a reset can lead.
	history  []flowState
	resumeAt time.Time
	stepped  time.Time // when the last plan began
	// inbox is set while it has nothing but the inbox, barren counts those that brought nothing.
	inbox    bool
	barren   int
	paused   bool
	draining bool
	woken    time.Time // the earliest time for which there is a timer
	resets   int
	// said is when it reported last, saidRest whether it was at rest then, saying whether it
	// will when the beat comes.
	said     time.Time
	saidRest bool
	saying   bool
	// events are those of the present history; the most of any is kept.
	events, mostEvents int
	// replayed are bundles of before a reset that are out again, replaying is set until all
	// of them are back.
	replaying bool
	replayed  map[string]bool
}

// flowState is what a shard's workflow knows.
type flowState struct {
	seq      int64
	open     map[string]bundleRef
	done     []bundleDone
	inbox    []delivery
	takenIn  []int64
	sent     []int64
	unsaid   []Exchange // the run has not been told of
	want     bool
	nextDue  time.Time
	idle     bool
	idleLoop int // bundles in a row that brought nothing
	reports  int
	// reached is the manifest up to which steps are taken again, kept the bundles of those that
	// are not planned in (workflows/reset.go).
	reached int64
	kept    []bundleRef
}

func (a flowState) clone() flowState {
	a.open, a.done, a.inbox, a.unsaid = maps.Clone(a.open), slices.Clone(a.done), slices.Clone(a.inbox), slices.Clone(a.unsaid)
	a.kept = slices.Clone(a.kept)
	return a
}

// delivery is a part of an exchange on its way.
type delivery struct {
	from           int
	seq            int64
	key            string
	offset, length int64
}

type bundleRef struct{ ID, Key string }

// bundleDone is a bundle that is over: with the results that are committed, or lost, when
// Temporal does not know them.
type bundleDone struct {
	id      string
	results []string
	lost    bool
}

func newFlow(s *sim, shard int) *flow {
	return &flow{s: s, shard: shard, tasks: map[string]*bundleTask{}, at: flowState{open: map[string]bundleRef{}, want: true}}
}

// begin is the Seed activity, and the first plan.
func (f *flow) begin() {
	s := f.s
	for !f.seed() { // the store has trouble, which passes
	}
	f.history = append(f.history, f.at.clone())
	s.after(0, f.kick)
	s.often(s.faults.reset, f.reset)
	s.often(s.faults.drain, f.drain)
	s.often(s.faults.pause, f.pause)
}

// often lets something happen again and again.
func (s *sim) often(mean time.Duration, do func()) {
	if mean == 0 {
		return
	}
	s.after(s.between(mean/10, 2*mean), func() {
		if s.calm {
			return
		}
		do()
		s.often(mean, do)
	})
}

func (f *flow) seed() bool {
	s := f.s
	st := NewShard(s.rules, f.shard, s.shards)
	st.sizes = s.sizes
	st.At(s.now)
	if err := st.Add(s.rules.spec.Seeds); err != nil {
		s.watch.report(invBooks, "seed: %v", err)
		return true
	}
	_, err := s.commit(f.shard, nil, &simState{state: st}, s.nonce(), nil, stepRecord{shard: f.shard})
	return err == nil
}

// running tells whether pages may be handed out.
func (f *flow) running() bool { return !f.paused && !f.draining }

// kick starts a plan when there is something to plan.
func (f *flow) kick() {
	s := f.s
	if f.planning != nil || s.now.Before(f.resumeAt) || s.run.over {
		return
	}
	slots := 0
	if f.running() {
		slots = simOpenBundles - len(f.at.open)
	}
	due := slots > 0 && !f.at.nextDue.IsZero() && !s.now.Before(f.at.nextDue)
	wants := f.running() && f.at.want
	lags := f.lags()
	if lags && f.draining {
		return
	}
	beside := lags || len(f.at.done) > 0 || wants || due
	if len(f.at.inbox) == 0 && !beside {
		return
	}
	if next := f.nextStep(beside); !lags && s.now.Before(next) {
		f.wake(next)
		f.wakeDue()
		return
	}
	f.stepped, f.inbox = s.now, slots > 0 && !beside
	f.at.want, f.at.nextDue = false, time.Time{}
	in := planInput{seq: f.at.seq, done: slices.Clone(f.at.done), inbox: slices.Clone(f.at.inbox), slots: slots}
	f.planning = &planTask{flow: f, in: in}
	s.actions.plans++
	f.note(6)
	f.planning.dispatch()
}

// note counts events of the history; a long one is ended.
func (f *flow) note(events int) {
	f.events += events
	f.mostEvents = max(f.mostEvents, f.events)
	if f.events > 8000 && !f.draining && !f.s.hooks.ignored.renew {
		f.drain()
	}
}

// wake plans a kick for a time.
func (f *flow) wake(at time.Time) {
	if at.IsZero() || !f.woken.IsZero() && !f.woken.After(at) && f.woken.After(f.s.now) {
		return
	}
	f.woken = at
	f.s.actions.timers++
	f.note(2)
	f.s.at(at, func() {
		if f.woken.Equal(at) {
			f.woken = time.Time{}
		}
		if s := f.s; s.now.Before(f.resumeAt) && f.planning == nil {
			f.wake(f.resumeAt)
			return
		}
		f.kick()
		if f.planning == nil {
			f.wakeDue()
		}
	})
}

func (f *flow) wakeDue() {
	if f.running() && len(f.at.open) < simOpenBundles && f.at.nextDue.After(f.s.now) {
		f.wake(latest(latest(f.at.nextDue, f.resumeAt), f.nextStep(true)))
	}
}

// nextStep is when the shard may step again, with something beside its inbox or not
// (workflows/gap.go).
func (f *flow) nextStep(beside bool) time.Time {
	var gap time.Duration
	switch shards := time.Duration(f.s.shards); {
	case shards == 1:
	case !beside:
		gap = min(shards*simInboxGap<<min(f.barren, simMaxBarren), simMaxInboxGap)
	default:
		gap = shards * simShardGap
	}
	if len(f.at.open) >= simOpenBundles/2 {
		gap = max(gap, simBusyGap)
	}
	return f.stepped.Add(gap)
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// planned takes in what a plan decided.
func (f *flow) planned(in planInput, out planOutput) {
	f.planning = nil
	a := &f.at
	a.done = slices.DeleteFunc(a.done, func(d bundleDone) bool { return slices.Contains(out.Applied, d.id) })
	a.seq, a.idle, a.sent, a.takenIn = out.Seq, out.Idle, out.Sent, out.TakenIn
	a.inbox = slices.DeleteFunc(slices.Clone(a.inbox[len(in.inbox):]), f.has)
	if out.DueIn > 0 {
		a.nextDue = f.s.now.Add(out.DueIn)
	}
	handedOut := f.handOut(out)
	if out.Exchange != nil {
		a.unsaid = append(a.unsaid, *out.Exchange)
	}
	if f.history = append(f.history, a.clone()); len(f.history) > 8 {
		f.history = f.history[1:]
	}
	if f.barren++; !f.inbox || len(out.Bundles) > 0 {
		f.barren = 0
	}
	for _, ref := range handedOut {
		f.lease(ref)
	}
	f.s.run.report(f)
	f.caughtUp()
	f.drained()
	f.kick()
	f.wakeDue()
}

// lags tells whether the shard was reset and takes steps again.
func (f *flow) lags() bool { return f.at.seq < f.at.reached }

// handOut are the bundles that are to be leased now: those of steps that are taken again wait for
// the last of these, and most of them are planned in by then.
func (f *flow) handOut(out planOutput) []bundleRef {
	a := &f.at
	for _, id := range out.Applied {
		if t := f.tasks[id]; t != nil {
			t.cancel()
		}
	}
	a.kept = slices.DeleteFunc(append(a.kept, out.Bundles...), func(b bundleRef) bool { return slices.Contains(out.Applied, b.ID) })
	if f.lags() {
		return nil
	}
	list := a.kept
	a.kept = nil
	for _, ref := range list {
		a.open[ref.ID] = ref
	}
	return list
}

// obey takes in how far the run knows the shard to have come.
func (f *flow) obey(seq int64) {
	if seq > max(f.at.seq, f.at.reached) {
		f.at.reached = seq
	}
	f.resumeAt = time.Time{}
	f.note(4)
	f.kick()
}

// caughtUp ends what a reset began.
func (f *flow) caughtUp() {
	if f.replaying && f.at.seq == f.s.watch.shards[f.shard].seq && len(f.replayed) == 0 {
		f.replaying = false
		f.s.watch.replaying(f.shard, false)
	}
}

// failed waits after a plan that failed in all its attempts.
func (f *flow) failed() {
	f.planning = nil
	f.at.want = true
	f.resumeAt = f.s.now.Add(f.s.between(2*time.Second, 30*time.Second))
	f.wake(f.resumeAt)
}

func (f *flow) lease(ref bundleRef) {
	t := &bundleTask{flow: f, ref: ref}
	f.tasks[ref.ID] = t
	f.s.actions.bundles++
	f.note(6)
	if f.replaying {
		f.replayed[ref.ID] = true
	}
	t.dispatch(0)
	if !f.running() {
		t.cancel()
	}
}

// returned takes a bundle back.
func (f *flow) returned(t *bundleTask, d bundleDone) {
	delete(f.tasks, t.ref.ID)
	delete(f.at.open, t.ref.ID)
	f.at.done = append(f.at.done, d)
	f.note(4)
	delete(f.replayed, t.ref.ID)
	f.caughtUp()
	if f.at.idleLoop++; len(d.results) > 0 || d.lost {
		f.at.idleLoop = 0
	} else if f.running() {
		f.resumeAt = f.s.now.Add(min(time.Second<<min(f.at.idleLoop, 5), 30*time.Second))
		f.wake(f.resumeAt)
	}
	f.drained()
	f.kick()
}

func (f *flow) has(d delivery) bool {
	return d.from < len(f.at.takenIn) && f.at.takenIn[d.from] >= d.seq
}

// hear takes in what the run tells of other shards.
func (f *flow) hear(list []delivery) {
	f.note(4)
	for _, d := range list {
		if !f.has(d) && !slices.Contains(f.at.inbox, d) {
			f.at.inbox = append(f.at.inbox, d)
		}
	}
	f.kick()
}

// atRest tells whether there is nothing to do and nothing under way.
func (f *flow) atRest() bool {
	a := f.at
	return a.idle && !f.lags() && len(a.open) == 0 && f.planning == nil && len(a.done) == 0 && len(a.inbox) == 0
}

// drain is continuing as new: bundles are cancelled, and what they yield is collected first.
func (f *flow) drain() {
	if f.draining {
		return
	}
	f.draining = true
	f.cancelAll()
	f.drained()
}

func (f *flow) cancelAll() {
	for _, id := range slices.Sorted(maps.Keys(f.tasks)) {
		f.tasks[id].cancel()
	}
}

func (f *flow) drained() {
	if !f.draining || len(f.tasks) > 0 || f.planning != nil {
		return
	}
	f.draining, f.events, f.at.want = false, 0, true
	f.stepped, f.barren = time.Time{}, 0
	f.s.actions.runs++
	f.s.after(0, f.kick)
}

// pause stops page loads for a while.
func (f *flow) pause() {
	if f.paused {
		return
	}
	f.paused = true
	f.s.watch.paused(f.shard, true)
	if !f.s.hooks.ignored.pause {
		f.cancelAll()
	}
	f.s.actions.signals += 2
	f.s.after(f.s.between(time.Minute, 10*time.Minute), func() {
		f.paused, f.at.want, f.stepped = false, true, time.Time{}
		f.s.watch.paused(f.shard, false)
		f.kick()
	})
}

// reset takes the workflow back to an older point: what is under way is nobody's any more, and
// what it was told since is forgotten.
func (f *flow) reset() {
	if f.s.run.over {
		return
	}
	if f.planning != nil {
		f.planning.closed = true
		f.planning = nil
	}
	for _, id := range slices.Sorted(maps.Keys(f.tasks)) {
		f.tasks[id].abandon()
	}
	clear(f.tasks)
	f.replaying, f.replayed = true, map[string]bool{}
	f.s.watch.replaying(f.shard, true)
	back := f.s.r.IntN(len(f.history))
	f.at = f.history[back].clone()
	f.history = f.history[:back+1]
	f.resets++
	f.resumeAt, f.draining = time.Time{}, false
	for _, id := range slices.Sorted(maps.Keys(f.at.open)) {
		f.lease(f.at.open[id])
	}
	f.s.run.report(f)
	f.s.after(0, func() {
		f.kick()
		f.wakeDue()
	})
}
