package frontier

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"
)

// bundleTask is a CrawlBundle activity as Temporal knows it: the newest attempt, and the
// last heartbeat that was accepted.
type bundleTask struct {
	flow      *flow
	ref       bundleRef
	attempts  int
	closed    bool
	cancelled bool
	// waiting is set between two attempts, live is the newest attempt.
	waiting bool
	live    *bundleAttempt
	details progress
}

// progress are the details of a heartbeat (workflows/payloads.go, BundleProgress).
type progress struct {
	results    []string
	inProgress []int
	deaths     map[int]int
}

// load is the visit of a page, by an attempt that may not come to it.
type load struct {
	page       BundlePage
	index, id  int
	host       int
	start, end time.Time
	// given says that no page is loaded: it is known as poison, or its content was just
	// archived under another address.
	given string
}

// bundleAttempt is one attempt at a bundle, by one worker.
type bundleAttempt struct {
	task    *bundleTask
	number  int
	nonce   string
	began   time.Time
	loads   []load // by their end
	next    int    // the first that is not committed
	results []string
	deaths  map[int]int
	beat    time.Time // the last that was accepted beside those on the beat
	// silent is from when on no heartbeat of it is accepted, dead when it ends, thaws when
	// it goes on after standing still: zero for never.
	silent, dead, thaws time.Time
	over                bool
	scheduled           int
}

// dispatch hands the bundle to a worker after a while.
func (t *bundleTask) dispatch(after time.Duration) {
	s := t.flow.s
	t.waiting = true
	s.after(after+s.between(10*time.Millisecond, 100*time.Millisecond), func() {
		if t.closed {
			return
		}
		t.waiting = false
		t.attempts++
		t.begin()
	})
}

// begin is what an attempt does first: it reads the bundle and what is committed of it,
// and begins to visit.
func (t *bundleTask) begin() {
	s := t.flow.s
	a := &bundleAttempt{task: t, number: t.attempts, nonce: s.nonce(), began: s.now, deaths: map[int]int{}}
	t.live = a
	maps.Copy(a.deaths, t.details.deaths)
	for _, i := range t.details.inProgress {
		if !s.hooks.ignored.blame {
			a.deaths[i]++
		}
	}
	a.results = slices.Clone(t.details.results)
	done := map[Fingerprint]bool{}
	o, err := s.store.get(t.ref.Key)
	for _, key := range a.results {
		r, e := s.store.get(key)
		if err = cmp.Or(err, e); err == nil {
			for _, o := range r.value.(*Result).Outcomes {
				done[o.FP] = true
			}
		}
	}
	if errors.Is(err, errSimNotFound) {
		s.watch.report(invExists, "bundle %s: an object is not there", t.ref.ID)
		return
	}
	if err != nil { // the store has trouble: the bundle comes back with what was committed
		t.finish(a, a.results)
		return
	}
	a.accept(nil)
	a.plan(*o.value.(*Bundle), done)
	a.fate()
	a.schedule()
}

// accept is a heartbeat that the server took.
func (a *bundleAttempt) accept(inProgress []int) {
	a.task.details = progress{slices.Clone(a.results), inProgress, maps.Clone(a.deaths)}
	a.beat = a.task.flow.s.now
	a.task.flow.s.actions.heartbeats++
}

// visitor is an attempt's visit of one host.
type visitor struct {
	BundleHost
	first, next int // the index of its first page in the bundle, and how many are over
	at          time.Time
}

// plan lays out when which page is loaded, as if nothing went wrong. A page that was being
// loaded when an attempt died is alone.
func (a *bundleAttempt) plan(b Bundle, done map[Fingerprint]bool) {
	s := a.task.flow.s
	var visitors []*visitor
	index := 0
	for _, h := range b.Hosts {
		at := s.now
		if a.number > 1 { // who was here before, and until when, is not known
			at = at.Add(h.Delay)
		} else if h.Ready.After(at) {
			at = h.Ready
		}
		visitors = append(visitors, &visitor{h, index, 0, at})
		index += len(h.Pages)
	}
	var quiet, alone time.Time // when the last load so far ends, and the last of one that is alone
	for {
		visitors = slices.DeleteFunc(visitors, func(v *visitor) bool { return v.next == len(v.Pages) })
		if len(visitors) == 0 {
			break
		}
		v := slices.MinFunc(visitors, func(x, y *visitor) int { return x.at.Compare(y.at) })
		i, p := v.first+v.next, v.Pages[v.next]
		v.next++
		if done[p.FP] || v.at.Sub(s.now) > simTimeBox {
			continue
		}
		l := load{page: p, index: i, id: s.web.id(p.URL), start: v.at, end: v.at}
		l.host = s.web.host(l.id)
		suspect := a.deaths[i] > 0 && !s.hooks.ignored.quarantine
		switch {
		case a.deaths[i] >= simPoisonDeaths:
			l.given = reasonPoison
		case suspect && quiet.After(v.at):
			v.at, v.next = quiet, v.next-1 // it waits until it is alone; others may begin before
			continue
		case alone.After(v.at):
			v.at, v.next = alone, v.next-1
			continue
		default:
			l.end = v.at.Add(s.between(200*time.Millisecond, 2*time.Second))
			v.at = l.end.Add(max(v.Delay, s.web.asks(l.host)))
			if s.hooks.ignored.rest {
				v.at = l.end
			}
			if quiet.Before(l.end) {
				quiet = l.end
			}
			if suspect {
				alone = l.end
			}
		}
		a.loads = append(a.loads, l)
		if o := s.web.outcome(p, l.id, l.end); l.given == "" && o.Leave(p.URL) {
			v.next = len(v.Pages) // it is left alone
		}
	}
	slices.SortFunc(a.loads, func(x, y load) int { return cmp.Or(x.end.Compare(y.end), cmp.Compare(x.index, y.index)) })
	finals := map[int]time.Time{}
	for i, l := range a.loads {
		if at, ok := finals[l.id]; ok && !l.start.Before(at) {
			a.loads[i].given, a.loads[i].end = reasonDuplicate, l.end
		} else if f := s.web.final(l.id); f != l.id && l.given == "" {
			finals[f] = l.end
		}
	}
}

// fate decides how the attempt ends: a page may kill it, the worker may die, stand still,
// lose its way to the server, or be stopped.
func (a *bundleAttempt) fate() {
	s := a.task.flow.s
	for _, l := range a.loads {
		if l.given == "" && s.web.kind(l.id) == poisonPage {
			at := l.start.Add(l.end.Sub(l.start) / 2)
			if a.dead.IsZero() || at.Before(a.dead) {
				a.dead = at
			}
		}
	}
	if len(a.loads) > 0 && s.fails(s.faults.bundle) {
		last := a.loads[len(a.loads)-1].end
		at := s.now.Add(s.between(0, max(last.Sub(s.now), time.Second)))
		switch s.r.IntN(4) {
		case 0:
			if a.dead.IsZero() || at.Before(a.dead) {
				a.dead = at
			}
		case 1: // it stands still, longer than its lease lasts
			a.silent, a.thaws = at, at.Add(s.between(simHeartbeat, 10*time.Minute))
		case 2: // the server cannot be reached; the store can
			a.silent = at
		case 3: // the worker is stopped in good order
			a.yield(at)
		}
	}
	if !a.dead.IsZero() && (a.silent.IsZero() || a.dead.Before(a.silent)) {
		a.silent, a.thaws = a.dead, time.Time{}
		s.at(a.dead, a.stop)
	} else if !a.silent.IsZero() {
		a.dead = time.Time{}
		s.at(a.silent, a.fallSilent)
	}
}

// yield leaves out the pages that were not begun by then.
func (a *bundleAttempt) yield(at time.Time) {
	rest := a.loads[a.next:]
	a.loads = append(a.loads[:a.next:a.next], slices.DeleteFunc(slices.Clone(rest), func(l load) bool { return l.start.After(at) })...)
}

// lastBeat is when a heartbeat was accepted last before a time: they are sent every 15
// seconds, with each commit, and before each page when an attempt before this one died.
func (a *bundleAttempt) lastBeat(by time.Time) time.Time {
	beat := a.began.Add(by.Sub(a.began) / simBeat * simBeat)
	if a.beat.After(beat) {
		beat = a.beat
	}
	if a.number > 1 {
		for _, l := range a.loads {
			if l.given == "" && !l.start.After(by) && l.start.After(beat) {
				beat = l.start
			}
		}
	}
	return beat
}

// told notes in the details what the last heartbeat before a time said.
func (a *bundleAttempt) told(by time.Time) (beat time.Time) {
	beat = a.lastBeat(by)
	if a.task.live != a || a.task.closed {
		return beat
	}
	var inProgress []int
	for _, l := range a.loads[a.next:] {
		if l.given == "" && !l.start.After(beat) && l.end.After(beat) {
			inProgress = append(inProgress, l.index)
		}
	}
	a.task.details.inProgress = inProgress
	return beat
}

// stop is the death of the worker. The server finds out when no heartbeat comes.
func (a *bundleAttempt) stop() {
	if a.over {
		return
	}
	s := a.task.flow.s
	beat := a.told(s.now)
	a.leave(s.now)
	s.at(beat.Add(simHeartbeat), func() { a.task.timeout(a) })
}

// fallSilent is the moment from which on the server does not hear of the attempt.
func (a *bundleAttempt) fallSilent() {
	if a.over {
		return
	}
	s := a.task.flow.s
	beat := a.told(s.now)
	s.at(beat.Add(simHeartbeat), func() { a.task.timeout(a) })
	if a.thaws.IsZero() { // pages are loaded until the lease lapses
		s.at(beat.Add(simLease), func() { a.zombie() })
		return
	}
	a.leave(s.now)
	s.at(a.thaws, func() { a.zombie() })
}

// zombie is what an attempt does that is nobody's any more: it stores what it has, and
// finds out that its heartbeat is refused.
func (a *bundleAttempt) zombie() {
	s := a.task.flow.s
	if a.number > 1 { // none is begun that an accepted heartbeat does not name
		a.yield(a.silent)
	}
	a.leave(s.now)
	n := a.next
	for n < len(a.loads) && !a.loads[n].end.After(a.silent) {
		n++
	}
	if n > a.next {
		a.store(n)
	}
}

// leave ends the attempt: pages that were not begun are not loaded.
func (a *bundleAttempt) leave(at time.Time) {
	if a.over {
		return
	}
	a.over = true
	s := a.task.flow.s
	s.actions.heartbeats += int64(at.Sub(a.began) / simBeat)
	if a.number > 1 {
		s.actions.heartbeats += int64(len(a.loads))
	}
	s.watch.loaded(a, at)
}

// schedule waits for the next commit.
func (a *bundleAttempt) schedule() {
	s := a.task.flow.s
	a.scheduled++
	turn := a.scheduled
	at := s.now
	if a.next < len(a.loads) {
		at = a.loads[min(a.next+s.commitPages(), len(a.loads))-1].end
		if due := a.loads[a.next].end.Add(simCommitAge); due.Before(at) {
			at = due
		}
		for _, l := range a.loads[a.next:] {
			if l.given == reasonPoison && l.end.Before(at) {
				at = l.end // it is booked at once
			}
		}
	}
	s.at(at, func() {
		if !a.over && a.scheduled == turn && a.silent.IsZero() || !a.over && a.scheduled == turn && s.now.Before(a.silent) {
			a.commit()
		}
	})
}

// commit stores what was gathered and names it in a heartbeat. Only then is it committed.
func (a *bundleAttempt) commit() {
	s, t := a.task.flow.s, a.task
	n := a.next
	for n < len(a.loads) && !a.loads[n].end.After(s.now) && n-a.next < s.commitPages() {
		n++
	}
	if n > a.next {
		key, err := a.store(n)
		if err != nil { // the store has trouble: what was committed before is what there is
			a.leave(s.now)
			t.finish(a, a.results)
			return
		}
		if t.closed || t.live != a {
			a.leave(s.now) // the lease is lost
			return
		}
		a.next = n
		a.results = append(a.results, key)
		a.accept(a.inProgress())
		s.watch.accepted(key)
	}
	if t.closed || t.live != a {
		a.leave(s.now)
		return
	}
	if a.next == len(a.loads) {
		a.leave(s.now)
		t.finish(a, a.results)
		return
	}
	a.schedule()
}

// commitPages is how many pages a chunk has at most.
func (s *sim) commitPages() int {
	if s.hooks.ignored.pack {
		return 1
	}
	return simCommitPages
}

func (a *bundleAttempt) inProgress() (list []int) {
	now := a.task.flow.s.now
	for _, l := range a.loads[a.next:] {
		if l.given == "" && !l.start.After(now) {
			list = append(list, l.index)
		}
	}
	return list
}
