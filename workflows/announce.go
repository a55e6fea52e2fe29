package workflows

import (
	"cmp"
	"slices"
	"time"
)

// collect notes what shards sent each other. Nothing is noted twice, nor what has been
// taken in by all.
func (r *run) collect(exchanges []Exchange) {
	for _, e := range exchanges {
		beyond := func(shard int) bool { return shard < 0 || shard >= len(r.shards) }
		if beyond(e.From) || slices.ContainsFunc(e.Parts, func(p ExchangePart) bool { return beyond(p.To) }) {
			continue
		}
		i, known := slices.BinarySearchFunc(r.exchanges, e, func(a, b Exchange) int {
			return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Seq, b.Seq))
		})
		if !known {
			r.exchanges = slices.Insert(r.exchanges, i, e)
		}
	}
}

// prune forgets the parts that their receivers have taken in, and the exchanges of which no
// part is left.
func (r *run) prune() {
	for i, e := range r.exchanges {
		taken := func(p ExchangePart) bool { return r.hasTaken(p.To, e) }
		if slices.ContainsFunc(e.Parts, taken) {
			r.exchanges[i].Parts = slices.DeleteFunc(slices.Clone(e.Parts), taken)
		}
	}
	r.exchanges = slices.DeleteFunc(r.exchanges, func(e Exchange) bool { return len(e.Parts) == 0 })
}

// hasTaken tells whether a shard has taken in its part of an exchange, or never will.
func (r *run) hasTaken(to int, e Exchange) bool {
	last := r.shards[to].last
	return last.Done || e.From < len(last.TakenIn) && last.TakenIn[e.From] >= e.Seq
}

// deliveries are the parts that a shard is to be told of now, those of a sender in their
// order.
func (r *run) deliveries(to int, now time.Time) []Delivery {
	m := r.shards[to]
	if len(r.shards) == 1 || m.last.Done || !r.tick && (!m.last.Idle || !r.atOnce()) {
		return nil
	}
	if m.announced == nil || now.Sub(m.since) >= r.tryAgain() {
		m.announced = make([]int64, len(r.shards)) // what did not arrive is told again
		m.since = now
	}
	var list []Delivery
	for _, e := range r.exchanges {
		i := slices.IndexFunc(e.Parts, func(p ExchangePart) bool { return p.To == to })
		if i < 0 || e.Seq <= m.announced[e.From] || r.hasTaken(to, e) {
			continue
		}
		if len(list) == maxDeliveries {
			break
		}
		list = append(list, Delivery{From: e.From, Seq: e.Seq, Key: e.Key, Offset: e.Parts[i].Offset, Length: e.Parts[i].Length})
		m.announced[e.From] = e.Seq
	}
	return list
}

// tryAgain is after how long a shard is told again what it has not taken in, as far as the run
// knows: an inbox may wait for its step, and a report for its beat.
func (r *run) tryAgain() time.Duration {
	if !r.gaps {
		return tryAgain
	}
	return tryAgain + inboxGapOf(len(r.shards), maxBarren) + reportBeat(len(r.shards))
}

// atOnce tells whether a shard that has nothing to do is told at once.
func (r *run) atOnce() bool { return !r.gaps || len(r.shards) <= atOnce }

// Beyond holdAbove exchanges that some shard has not taken in, or partsAbove parts of them,
// their sender is held, until there are no more than holdBelow and partsBelow. What a run takes
// along when it continues as new stays small so: some 80 bytes for an exchange and 17 for a
// part. Of 64 shards it is a megabyte, and half of one more of what bundles that are out bring
// when all are held at once, where Temporal refuses two.
const (
	holdAbove  = 48
	holdBelow  = 16
	partsAbove = 900
	partsBelow = 600
)

// hold holds shards that the others do not keep up with, and lets them go again.
func (r *run) hold() {
	under, parts := make([]int, len(r.shards)), make([]int, len(r.shards))
	for _, e := range r.exchanges {
		under[e.From]++
		parts[e.From] += len(e.Parts)
	}
	for i, m := range r.shards {
		held := under[i] > holdAbove || r.gaps && parts[i] > partsAbove ||
			m.held && (under[i] > holdBelow || r.gaps && parts[i] > partsBelow)
		if held != m.held {
			m.held, m.told = held, -1
		}
	}
}
