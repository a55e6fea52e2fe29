package frontier

import (
	"slices"
	"time"

	"crawlfleet.dev/crawlfleet/internal/termination"
)

// announced is what a shard was told of, by sender the last, and since when.
type announced struct {
	last  map[int]int64
	since time.Time
}

// standing is how a shard stands by its last report.
type standing struct {
	termination.Standing
	number, resets int
	seq            int64
}

// report tells the run how a shard stands: at once when it comes to rest or has something to
// do again, and on a slow beat otherwise (workflows/shard.go).
func (r *simRun) report(f *flow) {
	s := r.s
	if s.shards == 1 {
		if f.atRest() {
			s.after(0, func() {
				if f.atRest() {
					r.over = true
				}
			})
		}
		return
	}
	if next := f.said.Add(r.reportEvery()); f.atRest() == f.saidRest && s.now.Before(next) {
		if !f.saying {
			f.saying = true
			s.at(next, func() {
				f.saying = false
				r.say(f)
			})
		}
		return
	}
	r.say(f)
}

// reportEvery is the beat of reports.
func (r *simRun) reportEvery() time.Duration {
	if r.s.now.Sub(r.s.start) < time.Minute {
		return 3 * time.Second
	}
	return r.reportBeat()
}

func (r *simRun) reportBeat() time.Duration {
	return 10 * time.Second * time.Duration(max(1, r.s.shards/16))
}

// tryAgain is after how long a shard is told again what it has not taken in
// (workflows/announce.go).
func (r *simRun) tryAgain() time.Duration {
	return simTryAgain + min(time.Duration(r.s.shards)*simInboxGap<<simMaxBarren, simMaxInboxGap) + r.reportBeat()
}

// say sends the report, which arrives some time later.
func (r *simRun) say(f *flow) {
	s := r.s
	f.at.reports++
	s.actions.signals++
	f.said, f.saidRest = s.now, f.atRest()
	unsaid := f.at.unsaid
	f.at.unsaid = nil
	now := standing{termination.Standing{Idle: f.atRest(), Sent: f.at.sent, Applied: f.at.takenIn}, f.at.reports, f.resets, f.at.seq}
	s.after(s.between(0, 3*time.Second), func() {
		for _, e := range unsaid {
			r.collect(f.shard, e)
		}
		if r.takes(f, now) {
			r.standing[f.shard] = now
		}
		r.judge()
	})
}

// takes tells whether a report says more than what is known of its shard. One that was reset is
// told how far it had come, and is heard when it is there again (workflows/reset.go).
func (r *simRun) takes(f *flow, now standing) bool {
	last := r.standing[f.shard]
	if now.resets == last.resets {
		return now.number > last.number
	}
	if r.toldOf[f.shard] != now.resets {
		r.toldOf[f.shard] = now.resets
		r.s.actions.signals++
		r.s.after(r.s.between(0, 2*time.Second), func() { f.obey(last.seq) })
	}
	return now.seq >= last.seq
}

// collect notes what a shard sent, once.
func (r *simRun) collect(from int, e Exchange) {
	for _, p := range e.Parts {
		d := delivery{from, e.Seq, e.Key, p.Offset, p.Length}
		if !slices.Contains(r.under[p.To], d) {
			r.under[p.To] = append(r.under[p.To], d)
		}
	}
	if !r.ticking {
		r.ticking = true
		r.s.after(time.Second, r.tick)
	}
}

// judge ends the run when every shard is idle and has taken in all that was sent to it.
func (r *simRun) judge() {
	ends := make([]termination.Standing, len(r.standing))
	for i, st := range r.standing {
		ends[i] = st.Standing
	}
	h := r.s.hooks.over
	r.over = r.over || termination.Reached(ends) || h != nil && h()
}

// tick tells shards what was sent to them: idle ones at once, busy ones every epoch, and
// again what they have not taken in a while later. Some of that is lost, some comes twice, and
// none of it in order.
func (r *simRun) tick() {
	s := r.s
	epoch := !s.now.Before(r.epoch)
	if epoch {
		r.epoch = s.now.Add(simEpoch)
	}
	left := false
	for to, under := range r.under {
		under = slices.DeleteFunc(under, func(d delivery) bool {
			applied := r.standing[to].Applied
			return d.from < len(applied) && applied[d.from] >= d.seq && !s.fails(s.faults.signal)
		})
		r.under[to] = under
		left = left || len(under) > 0
		if !epoch && (!r.standing[to].Idle || s.shards > simAtOnce) {
			continue
		}
		a := &r.announced[to]
		if a.last == nil || s.now.Sub(a.since) >= r.tryAgain() {
			*a = announced{map[int]int64{}, s.now}
		}
		under = slices.DeleteFunc(slices.Clone(under), func(d delivery) bool { return d.seq <= a.last[d.from] })
		for _, d := range under {
			a.last[d.from] = max(a.last[d.from], d.seq)
		}
		if len(under) > 0 {
			r.tell(to, under)
		}
	}
	if r.ticking = left; left {
		s.after(5*time.Second, r.tick)
	}
}

func (r *simRun) tell(to int, under []delivery) {
	s := r.s
	list := slices.Clone(under)
	if s.fails(s.faults.signal) {
		return
	}
	if s.faults.signal > 0 {
		if s.fails(s.faults.signal) { // it was told before the others were known
			i := s.r.IntN(len(list))
			list = slices.Delete(list, i, i+1)
		}
		s.r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	times := 1
	if s.fails(s.faults.signal) {
		times = 2
	}
	for range times {
		s.actions.signals++
		s.after(s.between(0, 2*time.Second), func() { s.flows[to].hear(list) })
	}
}
