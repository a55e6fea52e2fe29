package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// RunResume is what a CrawlRun that continues as new takes along.
type RunResume struct {
	Phase     Phase       `json:"phase"`
	Archive   Archive     `json:"archive"`
	StartedAt time.Time   `json:"startedAt"`
	Suspended Pause       `json:"suspended"`
	Seq       int64       `json:"seq"`
	Shard     ShardReport `json:"shard"`
	Finish    Reason      `json:"finish,omitempty"`
	Reports   int64       `json:"reports"`
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
	if r.phase == PhaseSeeding {
		if err := r.begin(ctx); err != nil {
			return RunResult{}, err
		}
	}
	if r.seeded {
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
	seq     int64
	seeded  bool
	paused  Pause
	finish  Reason // why the crawl is to end before it is done
	shard   ShardReport
	gone    bool // the shard does not exist any more
	lost    bool // and it has not sent its last report
	speed   speed
	early   bool // the authorisation is not valid yet
	trouble *Waiting
	result  *RunResult

	controls int // how often the shard must be told
	told     int
	reports  *reporter
	signals  int
}

func newRun(ctx workflow.Context, in RunInput) *run {
	spec := in.Spec
	spec.Seeds = Seeds{}
	r := &run{in: in, phase: PhaseSeeding, job: Job{
		Run: in.Run, Namespace: in.Namespace, Name: in.Name, Generation: in.Generation, Spec: spec, StartedAt: workflow.Now(ctx),
	}}
	r.reports = &reporter{}
	if in.State == "" {
		r.in.State = StateActive
	}
	if in.Resume == nil {
		if r.in.State == StateSuspended {
			r.paused.Since = workflow.Now(ctx)
		}
		return r
	}
	r.phase, r.archive, r.seq, r.shard = in.Resume.Phase, in.Resume.Archive, in.Resume.Seq, in.Resume.Shard
	r.paused, r.finish, r.reports.seq, r.seeded = in.Resume.Suspended, in.Resume.Finish, in.Resume.Reports, true
	r.job.StartedAt = in.Resume.StartedAt
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
	r.reports.start(ctx, r.report)
	return nil
}

// checkState refuses what cannot be done, before it gets into the history.
func (r *run) checkState(_ workflow.Context, s SetState) error {
	switch {
	case s.State != StateActive && s.State != StateSuspended && s.State != StateCancelled:
		return fmt.Errorf("state %q: must be Active, Suspended or Cancelled", s.State)
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
		r.end(ReasonCancelled)
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

// persist does a step again and again until it succeeds or the run is to end. It
// tells the trouble meanwhile.
func (r *run) persist(ctx workflow.Context, stop func() bool, name string, in, out any) error {
	var t troubles
	for {
		err := workflow.ExecuteActivity(stepContext(ctx, r.job.Spec.Priority), name, in).Get(ctx, out)
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
		wait := t.met(troubleOf(err))
		r.setTrouble(t.last)
		if _, err := workflow.AwaitWithTimeout(ctx, wait, stop); err != nil {
			return err
		}
		if stop() {
			return errStopped
		}
	}
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
		if _, err := workflow.AwaitWithTimeout(ctx, early, stop); err != nil {
			return err
		}
		r.early, r.reports.changed = false, true
	}
	err := workflow.Await(ctx, func() bool { return stop() || r.in.State == StateActive })
	if err != nil || stop() {
		return err
	}
	return r.seed(ctx, stop)
}

// seed checks the store and brings the seeds into the frontier.
func (r *run) seed(ctx workflow.Context, stop func() bool) error {
	var place PreflightOutput
	err := r.persist(ctx, stop, ActivityPreflight, PreflightInput{Job: r.job}, &place)
	if err != nil {
		return r.giveUp(err)
	}
	r.archive = place.Archive
	var seeded SeedOutput
	err = r.persist(ctx, stop, ActivitySeed, SeedInput{Job: r.job, Seeds: r.in.Spec.Seeds, SeedList: r.in.SeedList}, &seeded)
	if err != nil {
		return r.giveUp(err)
	}
	r.seq, r.seeded = seeded.Seq, true
	r.shard.Counts, r.shard.Seq = seeded.Counts, seeded.Seq
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

// old tells whether the history is long enough to begin a new one.
func (r *run) old(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetContinueAsNewSuggested() || info.GetCurrentHistoryLength() > maxEvents || r.signals > maxSignals
}

func (r *run) continueAsNew(ctx workflow.Context, reports workflow.ReceiveChannel) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) && !r.reports.busy }); err != nil {
		return err
	}
	r.hear(ctx, reports)
	in := r.in
	in.Spec.Seeds, in.SeedList = Seeds{}, nil
	in.Resume = &RunResume{
		Phase: r.phase, Archive: r.archive, StartedAt: r.job.StartedAt, Suspended: r.paused,
		Seq: r.seq, Shard: r.shard, Finish: r.finish, Reports: r.reports.seq,
	}
	return workflow.NewContinueAsNewError(ctx, WorkflowCrawlRun, in)
}

// seal writes the closing statement and ends the run.
func (r *run) seal(ctx workflow.Context) (RunResult, error) {
	r.phase = PhaseSealing
	r.reports.changed = true
	result := RunResult{Archive: r.archive, Counts: r.shard.Counts}
	result.Verdict, result.Reason, result.Message = r.verdict()
	if r.seeded {
		var out SealOutput
		err := r.persist(ctx, func() bool { return false }, ActivitySeal, SealInput{
			Job: r.job, Archive: r.archive, Seqs: []int64{r.seq}, Verdict: result.Verdict, Reason: result.Reason,
		}, &out)
		if err != nil {
			return RunResult{}, err
		}
		result.Statement, result.Counts = out.Statement, out.Counts
		r.shard.Counts = out.Counts
		if !out.Balanced && !r.lost {
			result.Verdict, result.Reason, result.Message = VerdictFailed, ReasonBooksUnbalanced, out.Message
		}
	}
	result.FinishedAt = workflow.Now(ctx)
	r.result = &result
	r.phase = PhaseFinished
	r.reports.last(ctx, r.report())
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return RunResult{}, err
	}
	return result, nil
}
