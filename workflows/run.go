package workflows

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// RunResume is what a CrawlRun that continues as new takes along.
type RunResume struct {
	Phase     Phase     `json:"phase"`
	Archive   Archive   `json:"archive"`
	StartedAt time.Time `json:"startedAt"`
	Suspended Pause     `json:"suspended"`
	Seq       int64     `json:"seq"`
	// Shard is how the first shard stands, Shards how the others do.
	Shard  ShardReport   `json:"shard"`
	Shards []ShardReport `json:"shards,omitempty"`
	// Exchanges are those that some shard has not taken in, Limit the limit that ends
	// the crawl: both of several shards.
	Exchanges []Exchange `json:"exchanges,omitempty"`
	Limit     Reason     `json:"limit,omitempty"`
	Grants    []Grant    `json:"grants,omitempty"`
	Finish    Reason     `json:"finish,omitempty"`
	// Lost is set when a shard was ended from outside.
	Lost    bool  `json:"lost,omitempty"`
	Reports int64 `json:"reports"`
	// Trouble is what the run waits for.
	Trouble *Waiting `json:"trouble,omitempty"`
	// Amendments are the changes of the order so far, Named is how many seeds it names
	// itself, Seeding the number of the list of seeds.
	Amendments []Amendment `json:"amendments,omitempty"`
	Named      int         `json:"named,omitempty"`
	Seeding    int64       `json:"seeding,omitempty"`
	// Unchanged is the generation of a later order that changes nothing for the run.
	Unchanged int64 `json:"unchanged,omitempty"`
}

// Pause measures how long a run was suspended.
type Pause struct {
	Total time.Duration `json:"total"`
	// Since is when the present pause began, zero when there is none.
	Since time.Time `json:"since,omitzero"`
}

// CrawlRun is one run of one CrawlJob, from the order to the closing statement. It
// never fails for what the world does: trouble with the store is told and waited out,
// and whatever ends the crawl, what was captured is sealed.
func CrawlRun(ctx workflow.Context, in RunInput) (RunResult, error) {
	if in.FormatVersion > FormatVersion {
		// The workflow task fails, and is tried again until a worker takes it that can.
		panic(fmt.Sprintf("the order has format version %d, this program knows %d: upgrade the workers", in.FormatVersion, FormatVersion))
	}
	r := newRun(ctx, in)
	if err := r.listen(ctx); err != nil {
		return RunResult{}, err
	}
	r.watchOrder(ctx)
	if in.Restored && r.phase == PhaseSeeding {
		if err := r.restore(ctx); err != nil {
			return RunResult{}, err
		}
	}
	if r.before != nil {
		return r.sealedBefore(ctx)
	}
	if r.phase == PhaseSeeding {
		if err := r.begin(ctx); err != nil {
			return RunResult{}, err
		}
	}
	if r.phase == PhaseCrawling {
		if err := r.crawl(ctx); err != nil {
			return RunResult{}, err
		}
	}
	return r.seal(ctx)
}

// run is the state of a CrawlRun.
type run struct {
	in  RunInput
	job Job

	phase   Phase
	archive Archive
	seeded  bool
	paused  Pause
	finish  Reason // why the crawl is to end before it is done
	shards  []*member
	lost    bool // a shard does not exist any more, and has not sent its last report
	sharding
	amendments
	speed   speed
	early   bool // the authorisation is not valid yet
	trouble *Waiting
	result  *RunResult
	before  *SealedRun // it was restored, and had been sealed before

	controls int // how often the shards must be told
	reports  *reporter
	signals  int
}

func newRun(ctx workflow.Context, in RunInput) *run {
	spec := in.Spec
	spec.Seeds = Seeds{}
	r := &run{in: in, phase: PhaseSeeding, job: Job{
		Run: in.Run, Namespace: in.Namespace, Name: in.Name, Generation: in.Generation, Schedule: in.Schedule, Spec: spec, StartedAt: workflow.Now(ctx),
		Profile: in.Profile.ref(),
	}}
	r.reports = &reporter{}
	r.gaps = hasGaps(ctx)
	r.named = len(in.Spec.Seeds.URLs)
	r.shards = []*member{{}}
	if in.State == "" {
		r.in.State = StateActive
	}
	if in.Resume == nil {
		if r.in.State == StateSuspended {
			r.paused.Since = workflow.Now(ctx)
		}
		return r
	}
	r.phase, r.archive, r.exchanges, r.limit = in.Resume.Phase, in.Resume.Archive, in.Resume.Exchanges, in.Resume.Limit
	in.Resume.Shard.Seq = max(in.Resume.Shard.Seq, in.Resume.Seq) // runs of before kept it there
	r.shards = resumed(in.Resume)
	r.paused, r.finish, r.reports.seq = in.Resume.Suspended, in.Resume.Finish, in.Resume.Reports
	r.seeded, r.lost, r.trouble = r.phase != PhaseSeeding, in.Resume.Lost, in.Resume.Trouble
	r.job.StartedAt = in.Resume.StartedAt
	if r.seeded {
		r.list, r.named, r.job.Seeding = in.Resume.Amendments, in.Resume.Named, in.Resume.Seeding
		r.unchanged = in.Resume.Unchanged
	}
	r.controls = 1 // what was asked for while the run before ended is told again
	return r
}

// listen answers questions and orders from outside.
func (r *run) listen(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, QueryProgress, func() (Report, error) { return r.report(), nil }); err != nil {
		return fmt.Errorf("answer %s: %w", QueryProgress, err)
	}
	err := workflow.SetUpdateHandlerWithOptions(ctx, UpdateSetState, r.setState, workflow.UpdateHandlerOptions{Validator: r.checkState})
	if err != nil {
		return fmt.Errorf("answer %s: %w", UpdateSetState, err)
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateSetProfile, r.setProfile, workflow.UpdateHandlerOptions{Validator: r.checkProfile})
	if err != nil {
		return fmt.Errorf("answer %s: %w", UpdateSetProfile, err)
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateAmend, r.amend, workflow.UpdateHandlerOptions{Validator: r.checkAmend})
	if err != nil {
		return fmt.Errorf("answer %s: %w", UpdateAmend, err)
	}
	r.reports.start(ctx, r.report)
	return nil
}

// checkState refuses what cannot be done, before it gets into the history.
func (r *run) checkState(_ workflow.Context, s SetState) error {
	switch {
	case s.State != StateActive && s.State != StateSuspended && s.State != StateCancelled:
		return fmt.Errorf("state %q: must be Active, Suspended or Cancelled", s.State)
	case s.Reason != "" && (s.State != StateCancelled || s.Reason != ReasonApprovalWithdrawn):
		return fmt.Errorf("state %q, reason %q: a crawl is Cancelled for %s or for no reason", s.State, s.Reason, ReasonApprovalWithdrawn)
	case r.result != nil && s.State != r.in.State:
		return errors.New("the crawl has finished: its state cannot be changed any more")
	case r.in.State == StateCancelled && s.State != StateCancelled:
		return errors.New("the crawl was cancelled, which is final: create a new CrawlJob")
	}
	return nil
}

// setState does what a person asked for.
func (r *run) setState(ctx workflow.Context, s SetState) (Report, error) {
	if s.State == r.in.State {
		return r.report(), nil
	}
	now := workflow.Now(ctx)
	if r.in.State == StateSuspended {
		r.paused.Total += now.Sub(r.paused.Since)
		r.paused.Since = time.Time{}
	}
	if s.State == StateSuspended {
		r.paused.Since = now
	}
	r.speed = speed{}
	if s.State == StateCancelled {
		r.end(cmp.Or(s.Reason, ReasonCancelled))
	}
	r.in.State = s.State
	r.controls++
	r.reports.changed = true
	return r.report(), nil
}

// end asks for the crawl to end for a reason; the first one counts.
func (r *run) end(reason Reason) {
	if r.finish == "" {
		r.finish = reason
	}
	r.controls++
	r.reports.changed = true
}

// deadline is when the limit on duration is reached, zero while suspended or without
// a limit.
func (r *run) deadline() time.Time {
	if r.job.Spec.Limits.Duration <= 0 || !r.paused.Since.IsZero() {
		return time.Time{}
	}
	return r.job.StartedAt.Add(r.job.Spec.Limits.Duration + r.paused.Total)
}

// nextEnd is when the crawl has to end, and why; zero when it need not.
func (r *run) nextEnd() (time.Time, Reason) {
	expiry, deadline := r.job.Spec.Authorization.NotAfter, r.deadline()
	if expiry.IsZero() || (!deadline.IsZero() && deadline.Before(expiry)) {
		return deadline, ReasonDurationLimit
	}
	return expiry, ReasonAuthorizationExpired
}

// watchOrder ends the crawl when its time is over or its authorisation ends.
func (r *run) watchOrder(ctx workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		for r.result == nil && r.finish == "" {
			now := workflow.Now(ctx)
			next, reason := r.nextEnd()
			if !next.IsZero() && !now.Before(next) {
				r.end(reason)
				return
			}
			controls := r.controls
			changed := func() bool { return r.controls != controls || r.result != nil }
			if next.IsZero() {
				_ = workflow.Await(ctx, changed) // a cancelled context ends the loop below
			} else {
				_, _ = workflow.AwaitWithTimeout(ctx, next.Sub(now), changed)
			}
			if ctx.Err() != nil {
				return
			}
		}
	})
}

// step is an activity that is done again and again until it succeeds.
type step struct {
	name    string
	in, out any
	// stop tells that the step is not wanted any more, hold that it has to wait.
	stop, hold func() bool
}

// persist does a step until it succeeds or is not wanted any more. It tells the trouble
// meanwhile, which may last for days: the run continues as new in time.
func (r *run) persist(ctx workflow.Context, s step) error {
	var t troubles
	for {
		if err := r.await(ctx, s); err != nil {
			return err
		}
		err := r.attempt(ctx, s)
		if err == nil {
			r.setTrouble(nil)
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		var app *temporal.ApplicationError
		if errors.As(err, &app) && app.NonRetryable() {
			return err
		}
		if s.stop() || s.hold() {
			continue
		}
		wait := t.met(troubleOf(err))
		r.setTrouble(t.last)
		if _, err := workflow.AwaitWithTimeout(ctx, wait, func() bool { return s.stop() || s.hold() || outdated(ctx) }); err != nil {
			return err
		}
		if r.old(ctx) {
			return r.continueAsNew(ctx)
		}
	}
}

// await waits until a step may be done; its error is errStopped when it is not to be.
func (r *run) await(ctx workflow.Context, s step) error {
	if s.hold() {
		r.setTrouble(nil)
	}
	if err := workflow.Await(ctx, func() bool { return s.stop() || !s.hold() || outdated(ctx) }); err != nil {
		return err
	}
	switch {
	case s.stop():
		return errStopped
	case s.hold():
		return r.continueAsNew(ctx)
	}
	return nil
}

// attempt does a step once, and breaks it off when it is not wanted now.
func (r *run) attempt(ctx workflow.Context, s step) error {
	ctx, cancel := workflow.WithCancel(stepContext(ctx, r.job.Spec.Priority))
	if s.name == ActivitySeed || s.name == ActivitySeal || s.name == ActivityRestore {
		ctx = workflow.WithStartToCloseTimeout(ctx, longTimeout)
	}
	defer cancel()
	done := workflow.ExecuteActivity(ctx, s.name, s.in)
	if err := workflow.Await(ctx, func() bool { return done.IsReady() || s.stop() || s.hold() }); err != nil {
		return err
	}
	if !done.IsReady() {
		cancel()
	}
	return done.Get(ctx, s.out)
}

var errStopped = errors.New("the run is to end")

func (r *run) setTrouble(w *Waiting) {
	if reasonOf(w) != reasonOf(r.trouble) {
		r.reports.changed = true
	}
	r.trouble = w
}

// begin waits until the crawl may begin: no site is asked for anything before that.
func (r *run) begin(ctx workflow.Context) error {
	stop := func() bool { return r.finish != "" }
	if early := r.job.Spec.Authorization.NotBefore.Sub(workflow.Now(ctx)); early > 0 {
		r.early = true
		if _, err := workflow.AwaitWithTimeout(ctx, early, func() bool { return stop() || outdated(ctx) }); err != nil {
			return err
		}
		if outdated(ctx) && !stop() {
			return r.continueAsNew(ctx)
		}
		r.early, r.reports.changed = false, true
	}
	return r.seed(ctx, stop)
}

// seed checks the store and brings the seeds into the frontier.
func (r *run) seed(ctx workflow.Context, stop func() bool) error {
	hold := func() bool { return r.in.State == StateSuspended }
	var place PreflightOutput
	err := r.persist(ctx, step{name: ActivityPreflight, in: PreflightInput{Job: r.job}, out: &place, stop: stop, hold: hold})
	if err != nil {
		return r.giveUp(err)
	}
	r.archive = place.Archive
	if err := r.storeProfile(ctx, stop, hold); err != nil {
		return r.giveUp(err)
	}
	var seeded SeedOutput
	in := SeedInput{Job: r.job, Seeds: r.in.Spec.Seeds, SeedList: r.in.SeedList, Scripts: r.in.Scripts}
	err = r.persist(ctx, step{name: ActivitySeed, in: in, out: &seeded, stop: stop, hold: hold})
	if err != nil {
		return r.giveUp(err)
	}
	r.seeded = true
	for len(r.shards) < seeded.Shards {
		r.shards = append(r.shards, &member{})
	}
	r.shards[0].last.Counts = seeded.Counts
	for i, m := range r.shards {
		m.last.Seq = seeded.Seq
		if i < len(seeded.Each) {
			m.last.Counts = seeded.Each[i]
		}
	}
	r.speed.note(workflow.Now(ctx), seeded.Counts)
	r.phase = PhaseCrawling
	r.reports.changed = true
	return nil
}

// giveUp ends a run that could not even begin: that is its result, not an error.
func (r *run) giveUp(err error) error {
	var app *temporal.ApplicationError
	switch {
	case errors.Is(err, errStopped):
		return nil
	case errors.As(err, &app):
		r.trouble = &Waiting{Reason: Reason(app.Type()), Message: app.Message()}
		r.end(Reason(app.Type()))
		return nil
	}
	return err
}

// old tells whether the history is long enough to begin a new one, or of workers that are not
// current any more.
func (r *run) old(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return outdated(ctx) || info.GetContinueAsNewSuggested() || info.GetCurrentHistoryLength() > maxEvents || r.signals > maxSignals
}

func (r *run) continueAsNew(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) && !r.reports.busy }); err != nil {
		return err
	}
	r.hear(ctx, workflow.GetSignalChannel(ctx, SignalShardReport))
	heed(versionNews(ctx))
	in := r.in
	if r.seeded {
		in.Spec.Seeds, in.SeedList, in.Scripts = Seeds{}, nil, nil
		if in.Profile != nil {
			in.Profile = &SealedProfile{ProfileRef: in.Profile.ProfileRef}
		}
	}
	in.Resume = &RunResume{
		Phase: r.phase, Archive: r.archive, StartedAt: r.job.StartedAt, Suspended: r.paused,
		Finish: r.finish, Lost: r.lost, Reports: r.reports.seq, Trouble: r.trouble,
		Amendments: r.list, Named: r.named, Seeding: r.job.Seeding, Unchanged: r.unchanged,
	}
	r.suspend(in.Resume)
	return continueAs(ctx, WorkflowCrawlRun, in)
}

// seal writes the closing statement and ends the run.
func (r *run) seal(ctx workflow.Context) (RunResult, error) {
	r.phase = PhaseSealing
	r.reports.changed = true
	result := RunResult{Archive: r.archive, Counts: r.counts()}
	result.Verdict, result.Reason, result.Message = r.verdict()
	if r.seeded {
		var out SealOutput
		in := SealInput{Job: r.job, Archive: r.archive, Verdict: result.Verdict, Reason: result.Reason, Lost: r.lost, Amendments: r.list}
		for _, m := range r.shards {
			in.Seqs = append(in.Seqs, m.last.Seq)
		}
		never := func() bool { return false }
		err := r.persist(ctx, step{name: ActivitySeal, in: in, out: &out, stop: never, hold: never})
		if err != nil {
			return RunResult{}, err
		}
		if out.Owed > 0 && workflow.GetVersion(ctx, changeStamps, workflow.DefaultVersion, 1) >= 1 {
			r.stampLater(ctx, StampInput{Archive: r.archive, Statement: out.Statement})
		}
		result.Statement, result.Counts = out.Statement, out.Counts
		r.sealed = &out.Counts
		if !out.Balanced && !r.lost {
			result.Verdict, result.Reason, result.Message = VerdictFailed, ReasonBooksUnbalanced, out.Message
		}
	}
	result.FinishedAt = workflow.Now(ctx)
	return r.finishWith(ctx, result)
}

// finishWith ends the run with a result, once it has told of it and its captures are looked after.
func (r *run) finishWith(ctx workflow.Context, result RunResult) (RunResult, error) {
	r.result = &result
	r.phase = PhaseFinished
	r.retain(ctx, result.FinishedAt)
	r.reports.last(ctx, r.report())
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return RunResult{}, err
	}
	return result, nil
}
