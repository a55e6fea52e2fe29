package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"
)

// exchange is what a shard of several knows beside what its input tells the next run.
type exchange struct {
	// planningGrant is the number of the allowance that the last plan was given,
	// planningInbox how much of the inbox.
	planningGrant int64
	planningInbox int
	// arrived wakes the shard when a report has arrived, or has not.
	arrived workflow.Channel
}

// planWith notes what a plan is given. Most is the largest allowance of the plans since the
// manifest: one whose answer was lost may hold, and have handed out as much.
func (s *shard) planWith() {
	s.planningGrant, s.planningInbox = s.in.Grant, len(s.in.Inbox)
	if s.in.Allowance != nil {
		s.in.Most = max(s.in.Most, *s.in.Allowance)
	}
}

// confirm takes in how a report of a shard of several fared. What it said was sent is said
// again until it has arrived: a shard that continues as new may be faster than its report.
func (s *shard) confirm(r ShardReport, err error) {
	if !s.several() {
		return
	}
	if err == nil {
		s.heard(r.Exchanges)
	} else {
		s.stale = true
	}
	s.arrived.SendAsync(true)
}

// heard forgets the exchanges that the run has been told of.
func (s *shard) heard(said []Exchange) {
	s.in.Exchanges = slices.DeleteFunc(s.in.Exchanges, func(e Exchange) bool {
		return slices.ContainsFunc(said, func(o Exchange) bool { return o.Seq == e.Seq })
	})
}

// several tells whether the shard is one of several.
func (s *shard) several() bool { return s.in.Shards > 1 }

// atRest tells whether there is nothing to do and nothing under way.
func (s *shard) atRest() bool {
	return s.idle && !s.lags() && len(s.open) == 0 && s.planning == nil && len(s.done) == 0 && len(s.in.Inbox) == 0
}

// take takes in what a control says to a shard of several.
func (s *shard) take(msg ShardControl) {
	for _, d := range msg.Deliveries {
		if !s.has(d) {
			s.in.Inbox = append(s.in.Inbox, d)
		}
	}
	if msg.Grant > s.in.Grant {
		s.in.Grant, s.in.Allowance, s.wantPlan, s.in.Hungry = msg.Grant, msg.Allowance, true, false
	}
	if s.in.Hold && !msg.Hold {
		s.wantPlan = true
	}
	s.in.Close, s.in.Hold = s.in.Close || msg.Close, msg.Hold
}

// has tells whether a delivery is known.
func (s *shard) has(d Delivery) bool {
	taken := d.From < len(s.in.TakenIn) && s.in.TakenIn[d.From] >= d.Seq
	return taken || slices.ContainsFunc(s.in.Inbox, func(o Delivery) bool { return o.From == d.From && o.Seq == d.Seq })
}

// exchanged takes in what a plan sent, and what it took in. What it was given and did not
// take in came before an older one: that is forgotten, and the run tells it again.
func (s *shard) exchanged(out PlanOutput) {
	s.in.Used, s.in.Sent, s.in.TakenIn, s.in.Most = out.Used, out.Sent, out.TakenIn, 0
	s.in.Hungry = out.Hungry && s.planningGrant == s.in.Grant // else it has another allowance by now
	if out.Exchange != nil {
		s.in.Exchanges = append(s.in.Exchanges, *out.Exchange)
	}
	s.in.Inbox = slices.DeleteFunc(slices.Clone(s.in.Inbox[s.planningInbox:]), func(d Delivery) bool {
		return d.From < len(s.in.TakenIn) && s.in.TakenIn[d.From] >= d.Seq
	})
}

// fill says in a report how a shard of several stands.
func (s *shard) fill(r *ShardReport) {
	if !s.several() {
		return
	}
	r.Exchanges, r.Sent, r.TakenIn, r.Used, r.Hungry, r.Idle = slices.Clone(s.in.Exchanges), s.in.Sent, s.in.TakenIn, s.in.Used, s.in.Hungry, s.atRest()
	r.Allowance, r.Grant = s.in.Allowance, s.in.Grant
	if r.Allowance != nil && s.in.Most > *r.Allowance {
		most := s.in.Most
		r.Allowance = &most
	}
}

// nextAge wakes a shard that has nothing to do, so that it finds out in the end when its run is
// gone: the next run of the shard begins with a report. A shard by itself has nothing to do while
// it must not load pages.
func (s *shard) nextAge(ctx workflow.Context) time.Time {
	if s.draining || !s.several() && (s.running() || !hasBeat(ctx)) {
		return time.Time{}
	}
	return s.began.Add(maxShardAge + time.Second)
}
