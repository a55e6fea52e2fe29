package workflows

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// The bounds of one shard.
const (
	// openBundles is how many bundles are out at once: more than there are tabs,
	// because a bundle that waits for a host's delay holds none.
	openBundles = 16
	// A shard continues as new before Temporal has to suggest it twice.
	maxEvents   = 8000
	maxSignals  = 2000
	maxShardAge = time.Hour
	// reportFast and reportSlow are the least times between two reports, in the
	// first minute and later.
	reportFast = 3 * time.Second
	reportSlow = 10 * time.Second
	// reportShards is how many shards may report at that rate.
	reportShards = 16
)

// FrontierShard crawls the part of a frontier that belongs to one shard, until
// nothing is left of it. It steps Plan and CrawlBundle: results are planned in and free slots
// filled as soon as they come, or on a beat where there is much or many do so (gap.go).
func FrontierShard(ctx workflow.Context, in ShardInput) error {
	s := &shard{
		in: in, open: map[string]*openBundle{}, back: map[string]int{}, began: workflow.Now(ctx),
		wantPlan: true, counts: in.Counts, limit: in.Limit, done: in.Done, expired: in.Expired,
		idle:     in.Idle,
		exchange: exchange{arrived: workflow.NewBufferedChannel(ctx, 16)},
		gaps:     gaps{on: hasGaps(ctx)},
		control:  workflow.GetSignalChannel(ctx, SignalShardControl), news: versionNews(ctx),
	}
	s.in.Reset = resetOf(workflow.GetInfo(ctx), in.Reset)
	for {
		s.steer(ctx)
		s.plan(ctx)
		s.report(ctx)
		if s.atRest() && (!s.several() || s.in.Close) {
			return s.close(ctx)
		}
		if s.drained(ctx) {
			return s.continueAsNew(ctx)
		}
		s.wait(ctx)
	}
}

// shard is the state of a FrontierShard between two events.
type shard struct {
	in      ShardInput
	began   time.Time
	control workflow.ReceiveChannel
	news    workflow.ReceiveChannel
	signals int

	open map[string]*openBundle
	done []BundleDone
	back map[string]int // how many hosts bundles had that came back and are not planned in

	planning workflow.Future
	wantPlan bool
	// planningOrder is the generation of the order that the plan under way goes by.
	planningOrder int64
	nextDue       time.Time
	resumeAt      time.Time // after trouble
	alarm         alarm
	// fruitless counts bundles in a row that brought nothing back.
	fruitless int

	exchange
	gaps gaps

	counts  Counts
	ready   int // hosts that the last plan had no slots for
	limit   Reason
	waiting *Waiting
	trouble troubles
	expired *Waiting // the log-in of the profile is over
	idle    bool

	reported time.Time
	stale    bool
	told     ShardReport
	draining bool
}

type openBundle struct {
	ref     BundleRef
	profile *ProfileRef
	future  workflow.Future
	cancel  workflow.CancelFunc
}

// running tells whether new pages may be handed out.
func (s *shard) running() bool {
	return s.in.State == StateActive && s.in.Finish == "" && !s.draining && s.expired == nil
}

// steer cancels bundles when no page may be loaded any more. A cancelled bundle
// commits what it has and brings the rest back.
func (s *shard) steer(ctx workflow.Context) {
	info := workflow.GetInfo(ctx)
	if !s.draining && (outdated(ctx) || info.GetContinueAsNewSuggested() || info.GetCurrentHistoryLength() > maxEvents ||
		s.signals > maxSignals || workflow.Now(ctx).Sub(s.began) > maxShardAge) {
		s.draining = true
	}
	if s.running() {
		return
	}
	for _, id := range workflow.DeterministicKeys(s.open) {
		s.open[id].cancel()
	}
}

// plan starts a Plan when there is something to plan.
func (s *shard) plan(ctx workflow.Context) {
	now := workflow.Now(ctx)
	if s.planning != nil || now.Before(s.resumeAt) {
		return
	}
	if !s.toPlan(now) || now.Before(s.nextStep(now)) {
		return
	}
	s.gaps.begin(now, s.slots() > 0 && !s.toPlanBeside(now))
	s.wantPlan, s.nextDue = false, time.Time{}
	s.planWith()
	s.planningOrder = s.in.Job.Generation
	s.planning = workflow.ExecuteActivity(stepContext(ctx, s.in.Job.Spec.Priority), ActivityPlan, PlanInput{
		Job: s.in.Job, Shard: s.in.Shard, Shards: s.in.Shards, Seq: s.in.Seq, Done: slices.Clone(s.done), Slots: s.slots(), Finish: s.finish(),
		Probe: s.trouble.visiting, Inbox: slices.Clone(s.in.Inbox), Allowance: s.in.Allowance,
	})
}

// finish is the reason for which all that is left is dropped, empty while bundles are out:
// what they bring back is planned in first.
func (s *shard) finish() Reason {
	if len(s.open) > 0 {
		return ""
	}
	return s.in.Finish
}

// slots is how many bundles may be handed out.
func (s *shard) slots() int {
	switch {
	case !s.running(), s.in.Hold:
		return 0
	case s.trouble.visiting: // one bundle finds out whether it is over
		return max(0, 1-len(s.open))
	}
	return max(0, openBundles-len(s.open))
}

// wait blocks until something happens, and takes it in.
func (s *shard) wait(ctx workflow.Context) {
	sel := workflow.NewSelector(ctx)
	sel.AddReceive(s.control, func(c workflow.ReceiveChannel, _ bool) {
		var msg ShardControl
		c.Receive(ctx, &msg)
		s.obey(ctx, msg)
	})
	sel.AddReceive(s.news, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil) })
	if s.planning != nil {
		sel.AddFuture(s.planning, func(f workflow.Future) { s.planned(ctx, f) })
	}
	for _, id := range workflow.DeterministicKeys(s.open) {
		sel.AddFuture(s.open[id].future, func(f workflow.Future) { s.returned(ctx, id, f) })
	}
	sel.AddReceive(s.arrived, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil) })
	s.alarm.set(ctx, s.nextEvent(ctx))
	if s.alarm.timer != nil {
		sel.AddFuture(s.alarm.timer, func(workflow.Future) { s.alarm = alarm{} })
	}
	sel.Select(ctx)
	for sel.HasPending() { // all that has happened by now is one step
		sel.Select(ctx)
	}
}

// nextEvent is when something is due by the clock, zero when nothing is.
func (s *shard) nextEvent(ctx workflow.Context) time.Time {
	now := workflow.Now(ctx)
	var next time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	earlier(s.wake(now))
	if s.stale {
		earlier(s.reported.Add(s.reportEvery(now)))
	}
	earlier(s.nextAge(ctx))
	return next
}

// alarm is a timer that is kept as long as it is right: each one is in the history.
type alarm struct {
	at     time.Time
	timer  workflow.Future
	cancel workflow.CancelFunc
}

// set makes the alarm go off at a time, never when it is zero.
func (a *alarm) set(ctx workflow.Context, at time.Time) {
	if a.at.Equal(at) {
		return
	}
	if a.cancel != nil {
		a.cancel()
	}
	*a = alarm{}
	if at.IsZero() {
		return
	}
	ctx, a.cancel = workflow.WithCancel(ctx)
	a.at, a.timer = at, workflow.NewTimer(ctx, max(at.Sub(workflow.Now(ctx)), time.Millisecond))
}

func (s *shard) obey(ctx workflow.Context, msg ShardControl) {
	s.signals++
	s.follow(ctx, msg.Seq)
	if msg.State == StateActive && s.in.State != StateActive {
		s.wantPlan, s.expired = true, nil
		s.gaps.stepped = time.Time{}
	}
	s.renew(msg.Profile)
	s.widen(msg.Order)
	s.take(msg)
	s.in.State, s.in.Deadline = msg.State, msg.Deadline
	if msg.Finish != "" {
		s.in.Finish = msg.Finish
	}
	s.resumeAt = time.Time{} // what a person asks for is tried at once
	s.stale = true
}

// planned takes in what a Plan decided.
func (s *shard) planned(ctx workflow.Context, f workflow.Future) {
	s.planning = nil
	s.stale = true
	var out PlanOutput
	if err := f.Get(ctx, &out); err != nil {
		s.resumeAt = workflow.Now(ctx).Add(s.trouble.met(troubleOf(err)))
		s.wantPlan = true
		return
	}
	if !s.trouble.visiting {
		s.trouble.clear()
	}
	s.resumeAt = time.Time{}
	s.done = slices.DeleteFunc(s.done, func(d BundleDone) bool { return slices.Contains(out.Applied, d.ID) })
	s.in.Seq, s.counts, s.waiting, s.idle = out.Seq, out.Counts, out.Waiting, out.Idle
	s.in.Planned = s.planningOrder
	s.idle = s.idle && s.in.Planned == s.in.Job.Generation // else it is planned again
	s.ready = out.Ready
	for _, id := range out.Applied {
		delete(s.back, id)
	}
	s.exchanged(out)
	if out.DueIn > 0 {
		s.nextDue = workflow.Now(ctx).Add(out.DueIn)
	}
	if out.Limit != "" {
		s.limit = out.Limit
	}
	s.gaps.end(len(out.Bundles))
	s.handOut(ctx, out)
}

// lease hands a bundle to the workers.
func (s *shard) lease(ctx workflow.Context, ref BundleRef) {
	bundleCtx, cancel := workflow.WithCancel(bundleContext(ctx, s.in.Job.Spec.Priority))
	future := workflow.ExecuteActivity(bundleCtx, ActivityCrawlBundle, BundleInput{
		Job: s.in.Job, Shard: s.in.Shard, Bundle: ref, Archive: s.in.Archive, Deadline: s.in.Deadline,
	})
	s.open[ref.ID] = &openBundle{ref: ref, profile: s.in.Job.Profile, future: future, cancel: cancel}
	if !s.running() {
		cancel()
	}
}

// returned takes a bundle back, however it ended. The plan that follows tells what it
// changed.
func (s *shard) returned(ctx workflow.Context, id string, f workflow.Future) {
	profile := s.open[id].profile
	s.back[id] = s.open[id].ref.Hosts
	delete(s.open, id)
	var out BundleOutput
	err := f.Get(ctx, &out)
	if err == nil {
		s.done = append(s.done, BundleDone{ID: id, Results: out.Results, Rests: out.Rests})
		s.judge(ctx, out, profile)
		return
	}
	// After a final time-out the last accepted heartbeat says what is committed.
	var timeout *temporal.TimeoutError
	var progress BundleProgress
	if errors.As(err, &timeout) && timeout.HasLastHeartbeatDetails() && timeout.LastHeartbeatDetails(&progress) == nil {
		s.done = append(s.done, BundleDone{ID: id, Results: progress.Results})
		return
	}
	s.done = append(s.done, BundleDone{ID: id, Lost: true})
	if !temporal.IsCanceledError(err) {
		s.hinder(ctx, troubleOf(err))
	}
}

// judge decides from what a bundle says whether the next one may follow at once. One
// that brought nothing back is followed after a pause, whatever its reason, unless its worker had
// to end: others are there, or the next one waits until they are.
func (s *shard) judge(ctx workflow.Context, out BundleOutput, profile *ProfileRef) {
	switch {
	case out.Trouble != nil && out.Trouble.Reason == ReasonLoginExpired:
		s.expire(out.Trouble, profile)
	case out.Trouble != nil:
		s.hinder(ctx, out.Trouble)
	case len(out.Results) > 0:
		s.fruitless = 0
		if s.trouble.visiting {
			s.trouble.clear()
		}
	case len(out.Rests) > 0: // they say when
	case out.Stopped && workflow.GetVersion(ctx, changeStop, workflow.DefaultVersion, 1) >= 1: // a worker that is gone takes no more
	case s.running():
		s.fruitless++
		s.resumeAt = workflow.Now(ctx).Add(pause(s.fruitless))
	}
}

// hinder notes a trouble of bundles.
func (s *shard) hinder(ctx workflow.Context, w *Waiting) {
	s.resumeAt = workflow.Now(ctx).Add(s.trouble.met(w))
	s.trouble.visiting = true
	s.stale = true
}

func (s *shard) reportEvery(now time.Time) time.Duration {
	if now.Sub(s.in.Job.StartedAt) < time.Minute {
		return reportFast
	}
	return reportBeat(s.in.Shards)
}

// reportBeat is the beat of the reports of so many shards: their run is not told more than it
// can take in.
func reportBeat(shards int) time.Duration {
	return reportSlow * time.Duration(max(1, shards/reportShards))
}

// report tells the run how the shard stands: at once when the trouble or the state
// changed, and on a slow beat while it only counts.
func (s *shard) report(ctx workflow.Context) {
	now := workflow.Now(ctx)
	r := s.current()
	urgent := r.Suspended != s.told.Suspended || r.Stalled != s.told.Stalled || reasonOf(r.Trouble) != reasonOf(s.told.Trouble) ||
		r.Limit != s.told.Limit || (r.Counts.Archived > 0) != (s.told.Counts.Archived > 0) ||
		s.several() && (r.Idle != s.told.Idle || r.Hungry != s.told.Hungry || r.Grant != s.told.Grant)
	if !s.stale && !urgent {
		return
	}
	if !urgent && now.Sub(s.reported) < s.reportEvery(now) {
		return
	}
	s.send(ctx, r)
}

func (s *shard) current() ShardReport {
	r := ShardReport{
		Shard: s.in.Shard, Reset: s.in.Reset, Seq: s.in.Seq, Counts: s.counts, Limit: s.limit,
		Trouble: s.waiting, Suspended: s.in.State == StateSuspended && len(s.open) == 0, Profile: s.in.Job.Profile,
		Generation: s.in.Planned, Demand: s.demand(),
	}
	s.fill(&r)
	if s.trouble.last != nil {
		r.Trouble, r.Stalled = s.trouble.last, true
	}
	if s.expired != nil {
		r.Trouble, r.Stalled = s.expired, true
	}
	return r
}

func (s *shard) send(ctx workflow.Context, r ShardReport) {
	s.in.Reports++
	r.Number = s.in.Reports
	s.told, s.reported, s.stale = r, workflow.Now(ctx), false
	sent := workflow.SignalExternalWorkflow(ctx, RunWorkflowID(s.in.Job.Run), "", SignalShardReport, r)
	workflow.Go(ctx, func(ctx workflow.Context) {
		var gone *temporal.UnknownExternalWorkflowExecutionError
		err := sent.Get(ctx, nil)
		if errors.As(err, &gone) {
			s.in.Finish, s.in.Close = ReasonCancelled, true // a run that was ended from outside wants no more pages
			if workflow.GetVersion(ctx, changeGone, workflow.DefaultVersion, 1) >= 1 {
				s.arrived.SendAsync(true) // a shard that is suspended waits for nothing else
			}
		}
		s.confirm(r, err)
	})
}

// close sends the last report. It has to arrive: the run waits for it.
func (s *shard) close(ctx workflow.Context) error {
	r := s.current()
	s.in.Reports++
	r.Number, r.Done = s.in.Reports, true
	err := workflow.SignalExternalWorkflow(ctx, RunWorkflowID(s.in.Job.Run), "", SignalShardReport, r).Get(ctx, nil)
	if err != nil {
		return fmt.Errorf("tell the run that shard %d is done: %w", s.in.Shard, err)
	}
	return nil
}

// drained tells whether a shard that is to continue as new has nothing in flight.
func (s *shard) drained(ctx workflow.Context) bool {
	if !s.draining || len(s.open) > 0 || s.planning != nil {
		return false
	}
	for {
		var msg ShardControl
		if !s.control.ReceiveAsync(&msg) {
			return true
		}
		s.obey(ctx, msg)
	}
}

func (s *shard) continueAsNew(ctx workflow.Context) error {
	in := s.in
	in.Done, in.Counts, in.Limit, in.Expired = s.done, s.counts, s.limit, s.expired
	in.Idle = s.idle
	return continueAs(ctx, WorkflowFrontierShard, in)
}

func reasonOf(w *Waiting) Reason {
	if w == nil {
		return ""
	}
	return w.Reason
}
