package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// What a shard gathers for a step. Each step costs an activity, a manifest and, of several
// shards, an object for the others, however little it takes in: so a shard that has much to
// do, or is one of many, steps on a beat. A shard by itself with little to do steps at once.
const (
	// busyGap is the least time between the starts of two steps while at least busyBundles
	// are out: the workers have enough to do meanwhile.
	busyGap     = time.Second
	busyBundles = openBundles / 2
	// shardGap is the least time for each shard of several: together they take eight
	// steps a second at most.
	shardGap = 125 * time.Millisecond
	// inboxGap is the same where there is nothing but what other shards sent: while most
	// hosts are done, each of the others' steps brings a link or two, most of them known.
	inboxGap = 500 * time.Millisecond
	// maxBarren is how often that is doubled at most while such steps bring nothing to visit,
	// maxInboxGap what it comes to at most: what is not taken in holds its sender in the end.
	maxBarren   = 3
	maxInboxGap = time.Minute
)

// Changes of the workflows that crawls under way have to be asked about
// (workflow.GetVersion).
const (
	changeGaps  = "gaps"
	changeGone  = "gone"
	changeReset = "reset"
	changeStop  = "stop"
)

// The versions of changeGaps. Each one asked about by itself is two events of every history.
const (
	versionGaps = 1 + iota // steps are gathered
	versionBeat            // a run and its only shard find out whether the other one is there
)

// gaps knows when the shard may step again.
type gaps struct {
	on      bool // false in a crawl that began before there were gaps
	stepped time.Time
	// inbox is set while the step under way has nothing but an inbox, and might hand out
	// what that brings; barren counts those in a row that brought nothing to visit.
	inbox  bool
	barren int
}

func hasGaps(ctx workflow.Context) bool { return version(ctx) >= versionGaps }

func hasBeat(ctx workflow.Context) bool { return version(ctx) >= versionBeat }

func version(ctx workflow.Context) workflow.Version {
	return workflow.GetVersion(ctx, changeGaps, workflow.DefaultVersion, versionBeat)
}

// begin notes that a step begins, end what it brought.
func (g *gaps) begin(now time.Time, inbox bool) { g.stepped, g.inbox = now, inbox }

func (g *gaps) end(bundles int) {
	if g.inbox && bundles == 0 {
		g.barren++
		return
	}
	g.barren = 0
}

// nextStep is when the shard may step again, with what there is to plan at a time: zero is
// at once, as is a time that is over.
func (s *shard) nextStep(now time.Time) time.Time {
	if !s.gaps.on || s.gaps.stepped.IsZero() || s.in.Finish != "" || s.lags() {
		return time.Time{}
	}
	var gap time.Duration
	switch shards := time.Duration(s.in.Shards); {
	case !s.several():
	case !s.in.Hold && !s.toPlanBeside(now):
		gap = inboxGapOf(s.in.Shards, s.gaps.barren)
	default:
		gap = shards * shardGap
	}
	if len(s.open) >= busyBundles {
		gap = max(gap, busyGap)
	}
	return s.gaps.stepped.Add(gap)
}

// inboxGapOf is the least time between two steps for an inbox alone.
func inboxGapOf(shards, barren int) time.Duration {
	return min(time.Duration(shards)*inboxGap<<min(barren, maxBarren), maxInboxGap)
}

// toPlan tells whether there is something to plan.
func (s *shard) toPlan(now time.Time) bool {
	if s.lags() {
		return !s.draining // the next run of the shard goes on with it
	}
	return len(s.in.Inbox) > 0 || s.toPlanBeside(now)
}

// toPlanBeside is the same without what other shards sent.
func (s *shard) toPlanBeside(now time.Time) bool {
	due := s.slots() > 0 && !s.nextDue.IsZero() && !now.Before(s.nextDue)
	return len(s.done) > 0 || s.finish() != "" && !s.idle || s.running() && s.wantPlan || due
}

// wake is when the clock alone brings a step, zero when it does not.
func (s *shard) wake(now time.Time) (at time.Time) {
	switch {
	case s.resumeAt.After(now):
		return s.resumeAt
	case s.planning != nil:
		return time.Time{}
	case !s.gaps.on && s.running():
		return s.nextDue
	}
	if s.toPlan(now) {
		at = s.nextStep(now)
	}
	if s.slots() == 0 || !s.nextDue.After(now) {
		return at // (without a slot it is the bundle that comes back)
	}
	due := s.nextStep(s.nextDue)
	if due.Before(s.nextDue) {
		due = s.nextDue
	}
	if at.IsZero() || due.Before(at) {
		at = due
	}
	return at
}
