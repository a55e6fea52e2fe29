package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"crawlfleet.dev/crawlfleet/internal/termination"
)

// epoch is how often shards are told what the others sent them; of no more than atOnce of
// them, one that has nothing to do is told at once. What was told and not taken in is told
// again after a while.
const (
	epoch    = 30 * time.Second
	atOnce   = 16
	tryAgain = 2 * epoch
	// maxDeliveries bounds how many deliveries a control holds: some 200 bytes each.
	maxDeliveries = 500
)

// member is a shard as its run sees it.
type member struct {
	last ShardReport
	gone bool // it does not exist any more
	told int  // of run.controls

	// announced is, by sender, the last exchange that the shard was told of, since
	// when that is.
	announced []int64
	since     time.Time
	// granted is the allowance that the shard was told of last, grant its number.
	granted, grant int64
	closing        bool
	held           bool
	// asked is when the shard reported last, or was asked to.
	asked time.Time
	// start counts how often it was begun.
	start int
	// reset is the last reset that it was told its orders after.
	reset string
	// lost are the bundles that were out when the run was saved that it was restored from.
	lost []BundleDone
}

// end notes that a start of the shard is over, unless there is a later one.
func (m *member) end(start int) {
	if m.start == start {
		m.gone = true
	}
}

// resumed are the members of a run that continues as new: what it was told meanwhile is told
// again.
func resumed(in *RunResume) []*member {
	var members []*member
	for i, last := range append([]ShardReport{in.Shard}, in.Shards...) {
		m := &member{last: last, told: -1}
		if i < len(in.Grants) {
			m.granted, m.grant = in.Grants[i].Pages, in.Grants[i].Number
		}
		members = append(members, m)
	}
	return members
}

// suspend is what resumed takes.
func (r *run) suspend(in *RunResume) {
	in.Shard, in.Exchanges, in.Limit = r.shards[0].last, r.exchanges, r.limit
	in.Seq = in.Shard.Seq
	if len(r.shards) == 1 {
		return
	}
	for i, m := range r.shards {
		if i > 0 {
			in.Shards = append(in.Shards, m.last)
		}
		in.Grants = append(in.Grants, Grant{Pages: m.granted, Number: m.grant})
	}
}

// Grant is an allowance that a shard was told of, and its number.
type Grant struct {
	Pages  int64 `json:"pages"`
	Number int64 `json:"number"`
}

// sharding is what a run with several shards knows beside.
type sharding struct {
	// exchanges are those that some shard has not taken in, by sender and sequence.
	exchanges []Exchange
	limit     Reason // the limit that ends the crawl
	epochAt   time.Time
	tick      bool    // an epoch has just begun
	sealed    *Counts // as recounted
	gaps      bool    // false in a crawl that began before there were gaps
}

// counts are the books of all shards.
func (r *run) counts() Counts {
	switch {
	case r.sealed != nil:
		return *r.sealed
	case len(r.shards) == 1:
		return r.shards[0].last.Counts
	}
	sum := Counts{}
	for _, m := range r.shards {
		sum = sum.Plus(m.last.Counts)
	}
	return sum
}

// Plus adds up two books.
func (c Counts) Plus(o Counts) Counts {
	add := func(a, b map[Reason]int64) map[Reason]int64 {
		if len(a)+len(b) == 0 {
			return nil
		}
		sum := make(map[Reason]int64, len(a))
		for _, books := range []map[Reason]int64{a, b} {
			for _, reason := range workflow.DeterministicKeys(books) {
				sum[reason] += books[reason]
			}
		}
		return sum
	}
	return Counts{
		Discovered: c.Discovered + o.Discovered, Queued: c.Queued + o.Queued, Delayed: c.Delayed + o.Delayed, Leased: c.Leased + o.Leased,
		Archived: c.Archived + o.Archived, Incomplete: c.Incomplete + o.Incomplete,
		Compared: c.Compared.Plus(o.Compared), Failed: add(c.Failed, o.Failed), Skipped: add(c.Skipped, o.Skipped),
		Bytes: c.Bytes + o.Bytes, Chunks: c.Chunks + o.Chunks,
	}
}

// hindered is the report of a shard that tells why the run cannot go on, an empty one when
// it can: a shard that waits for a host does not hinder the others.
func (r *run) hindered() ShardReport {
	var waits []ShardReport
	busy := 0
	for _, m := range r.shards {
		switch {
		case m.last.Stalled:
			return m.last
		case m.last.Trouble != nil:
			waits = append(waits, m.last)
		case !m.last.Idle:
			busy++
		}
	}
	if busy > 0 || len(waits) == 0 {
		return ShardReport{}
	}
	return waits[0]
}

// suspended tells whether no shard has a page loaded any more.
func (r *run) suspended() bool {
	return !slices.ContainsFunc(r.shards, func(m *member) bool { return !m.last.Suspended })
}

// limitReached is the limit that ended the crawl, empty for none.
func (r *run) limitReached() Reason {
	if len(r.shards) > 1 {
		return r.limit
	}
	return r.shards[0].last.Limit
}

// finishReason is why the shards are to drop what was not visited.
func (r *run) finishReason() Reason {
	if r.finish != "" {
		return r.finish
	}
	return r.limit
}

// unsaid tells whether there is something to tell or to note about shards.
func (r *run) unsaid() bool {
	return slices.ContainsFunc(r.shards, func(m *member) bool {
		return !m.last.Done && (m.gone || m.told != r.controls)
	})
}

// miss notes that a shard was ended from outside. What the others captured is kept: they
// are asked to end.
func (r *run) miss() {
	for _, m := range r.shards {
		if m.gone && !m.last.Done {
			m.last.Done = true
			r.lost = true
			if len(r.shards) > 1 {
				r.end(ReasonRunLost)
			}
			r.reports.changed = true
		}
	}
}

// ended tells whether every shard has sent its last report.
func (r *run) ended() bool {
	return !slices.ContainsFunc(r.shards, func(m *member) bool { return !m.last.Done })
}

// balance decides what the state of several shards calls for: their allowances, the end by
// a limit, and the end of the run.
func (r *run) balance(now time.Time) {
	if len(r.shards) == 1 {
		return
	}
	r.prune()
	r.hold()
	r.ask(now)
	limits := r.job.Spec.Limits
	c := r.counts()
	if limits.Bytes > 0 && c.Bytes >= limits.Bytes && c.Queued+c.Delayed+int64(len(r.exchanges)) > 0 {
		r.reach(ReasonByteLimit)
	}
	if limits.Pages > 0 && r.finishReason() == "" && r.share() {
		r.reach(ReasonPageLimit)
	}
	if r.over() && !r.amending {
		for _, m := range r.shards {
			if !m.closing {
				m.closing, m.told = true, -1
			}
		}
	}
	if r.tick = !now.Before(r.epochAt); r.tick {
		r.epochAt = now.Add(epoch)
	}
}

// reach notes the limit that ends the crawl, the first one.
func (r *run) reach(limit Reason) {
	if r.limit == "" {
		r.limit = limit
		r.controls++
	}
}

// over tells whether nothing is left to do. When a shard was lost, what was under way to or
// from it does not count.
func (r *run) over() bool {
	standing := make([]termination.Standing, len(r.shards))
	for i, m := range r.shards {
		standing[i] = termination.Standing{Idle: m.last.Idle, Sent: m.last.Sent, Applied: m.last.TakenIn}
		if r.lost && !m.last.Idle && !m.last.Done || !r.lost && r.behind(m) {
			return false
		}
	}
	return r.lost || termination.Reached(standing)
}

// askEvery is after how long a shard that says nothing is told its orders again, which it
// answers: one that was ended from outside is found out so.
//
// The only shard of a run is asked rarely. It is a child whose end is noticed, but not by a run that
// continued as new, and while it is suspended it has nothing to say for days.
const (
	askEvery  = 5 * time.Minute
	askRarely = maxShardAge + askEvery
)

func (r *run) ask(now time.Time) {
	every := askEvery
	if len(r.shards) == 1 {
		every = askRarely
	}
	for _, m := range r.shards {
		switch {
		case m.asked.IsZero():
			m.asked = now
		case now.Sub(m.asked) >= every:
			m.asked, m.told = now, -1
		}
	}
}

// askOne asks the only shard in the background: one timer an hour, whatever it reports.
func (r *run) askOne(ctx workflow.Context) {
	if len(r.shards) > 1 || !hasBeat(ctx) {
		return
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		r.ask(workflow.Now(ctx))
		for r.phase == PhaseCrawling {
			if err := workflow.Sleep(ctx, r.shards[0].asked.Add(askRarely).Sub(workflow.Now(ctx))); err != nil {
				return
			}
			r.ask(workflow.Now(ctx))
		}
	})
}

// nextEpoch is when exchanges are told to busy shards, or silent ones are asked; zero when
// there is one shard.
func (r *run) nextEpoch() time.Time {
	switch {
	case len(r.shards) == 1:
		return time.Time{}
	case len(r.exchanges) > 0:
		return r.epochAt
	}
	return r.epochAt.Add(askEvery)
}

// tell sends each shard what it has to know, and reports whether there was something.
func (r *run) tell(ctx workflow.Context) bool {
	now := workflow.Now(ctx)
	any := false
	for i, m := range r.shards {
		deliveries := r.deliveries(i, now)
		if m.last.Done || m.told == r.controls && len(deliveries) == 0 {
			continue
		}
		m.told, any = r.controls, true
		msg := ShardControl{State: r.in.State, Finish: r.finish, Deadline: r.deadline(), Profile: r.job.Profile, Order: r.order(), Seq: m.last.Seq}
		if len(r.shards) > 1 {
			msg.Finish, msg.Close, msg.Hold, msg.Deliveries = r.finishReason(), m.closing, m.held, deliveries
			msg.Allowance, msg.Grant = r.grant(i)
		}
		r.tellShard(ctx, i, msg)
	}
	return any
}
