package crawljob

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// RunReference names the workflow that does a crawl.
type RunReference struct {
	// WorkflowID is derived from the UID of the CrawlJob.
	WorkflowID string
	// RunID is that of the first execution in the chain.
	RunID string
	// StartedAt is when that began.
	StartedAt time.Time
}

// Run is what Temporal knows of a crawl.
type Run struct {
	// Known is whether there is such a workflow.
	Known bool
	// Reference names it.
	Reference RunReference
	// Answer is what the workflow itself said when it was asked; nil when no
	// worker was there to answer for it. One that has a verdict is not asked.
	Answer *workflows.Report
	// Idle are the task queues that no worker polls.
	Idle []string
	// Ended is the verdict, nil while it runs.
	Ended *workflows.RunResult
}

// Observation is all that a decision and a status rest on.
type Observation struct {
	// Now is the time of the visit.
	Now time.Time
	// Began is when the operator made its first visit to any.
	Began time.Time
	// Job is the resource as the cache has it; where approvals are counted, with what those are
	// compared with as the API server has it (readOrder).
	Job *v1alpha1.CrawlJob
	// Latest is the newest report known, nil when there is none.
	Latest *workflows.Report
	// Lost is the newest report of a workflow that Temporal does not know any more.
	Lost *workflows.Report
	// Quiet is how long the crawl has said nothing.
	Quiet time.Duration
	// Asked is whether Temporal was asked in this visit, and answered.
	Asked bool
	// Run is what it said. Without being asked it holds what is known anyway.
	Run Run
	// Unreachable is why Temporal could not be asked.
	Unreachable error
	// Approvals are those that count, and Judged how the order stands when the policy of the
	// fleet does not let it begin; both are read when the crawl may start.
	Approvals []workflows.Approval
	Judged    *Standing
	// Outdated is set when approvals do not count because what they are of has changed.
	Outdated bool
	// Withdrawn is set when too few are left of the approvals that the crawl began with.
	Withdrawn bool
	// Seeds are the contents of ConfigMaps, read when the crawl may start.
	Seeds SeedList
	// Scripts are those of capture.behaviors, read with the seeds.
	Scripts ScriptList
	// Profile is the sealed state of the profile that the order names, read when the crawl
	// may start, and while it waits for a new log-in.
	Profile *workflows.SealedProfile
	// Earlier is the run that the order compares its pages with, read with the seeds.
	Earlier *workflows.EarlierRun
	// Retained is what is to be written of its captures once it is over, nil for nothing new.
	Retained *workflows.RetentionReport
	// Refusal says what is wrong with them.
	Refusal *Refusal
}

// observe reads what there is to know. Its error is the API server's; a Temporal
// that does not answer is part of the observation.
func (r *Reconciler) observe(ctx context.Context, job *v1alpha1.CrawlJob) (Observation, error) {
	o := Observation{Now: r.Now(), Began: r.since(), Job: job, Retained: r.Reports.Retained(client.ObjectKeyFromObject(job), job.RunUID())}
	if finished(job) {
		r.Reports.Forget(job.RunUID())
		return o, nil
	}
	if latest, ok := r.Reports.Latest(job.RunUID()); ok {
		o.Latest, o.Run.Known, o.Run.Ended = latest.Report, true, latest.Report.Result
		o.Quiet = o.Now.Sub(latest.Received)
	} else if job.Status.StartedAt != nil {
		o.Quiet = o.Now.Sub(job.Status.StartedAt.Time)
	}
	if o.Run.Ended == nil {
		r.ask(ctx, &o)
	}
	if running(o) && len(o.Latest.Approvals) > 0 {
		var err error
		if o.Withdrawn, err = r.withdrawn(ctx, job, o.Latest.Approvals); err != nil {
			return o, err
		}
	}
	if expired(o) {
		err := r.observeProfile(ctx, &o)
		return o, err
	}
	if o.Unreachable != nil || o.Run.Known || !job.DeletionTimestamp.IsZero() || job.Spec.State != v1alpha1.StateActive {
		return o, nil
	}
	return r.observeStart(ctx, o)
}

// observeStart reads what a crawl that may start needs.
func (r *Reconciler) observeStart(ctx context.Context, o Observation) (Observation, error) {
	wanted, standing, err := r.judge(ctx, o.Job)
	if err != nil || standing != nil {
		o.Judged = standing
		return o, err
	}
	var held map[string]any
	if wanted > 0 {
		if o.Job, held, err = r.readOrder(ctx, o.Job); err != nil {
			return o, err
		}
	}
	texts, err := readTexts(ctx, r.Reader, o.Job)
	if err == nil {
		o.Seeds, err = packSeeds(o.Job, texts)
	}
	if err == nil {
		o.Scripts, err = packScripts(o.Job, texts)
	}
	if err == nil && wanted > 0 { // else nobody asked for approvals, and an order that began with any cannot be widened
		err = r.observeApprovals(ctx, &o, wanted, held, texts)
	}
	if err == nil && o.Judged == nil {
		o.Earlier, err = r.readEarlier(ctx, o.Job)
	}
	if errors.As(err, &o.Refusal) {
		return o, nil
	}
	if err != nil || o.Judged != nil {
		return o, err
	}
	err = r.observeProfile(ctx, &o)
	return o, err
}

// running tells whether a crawl is under way that has reported.
func running(o Observation) bool {
	return o.Unreachable == nil && o.Run.Known && o.Run.Ended == nil && o.Latest != nil && o.Job.DeletionTimestamp.IsZero()
}

// expired tells whether a crawl waits for a new log-in.
func expired(o Observation) bool {
	return running(o) && o.Latest.Reason == workflows.ReasonLoginExpired && o.Job.Spec.State == v1alpha1.StateActive
}

// observeProfile reads and seals the profile that the order names. Its error is the API
// server's.
func (r *Reconciler) observeProfile(ctx context.Context, o *Observation) error {
	sealed, err := r.readProfile(ctx, o.Job)
	if errors.As(err, &o.Refusal) {
		return nil
	}
	o.Profile = sealed
	return err
}

// ask asks Temporal about the crawl when there is a reason to: nothing was heard of
// it since the operator began, it has been silent, or it is over without a verdict.
func (r *Reconciler) ask(ctx context.Context, o *Observation) {
	if err := r.Health.Err(); err != nil {
		o.Unreachable = err
		return
	}
	if o.Latest != nil && o.Latest.Phase != workflows.PhaseFinished && o.Quiet < silence {
		return
	}
	run, err := r.Runs.Look(ctx, o.Job.RunUID())
	if err != nil {
		o.Unreachable = err
		return
	}
	o.Asked, o.Run = true, run
	if !run.Known {
		o.Latest, o.Lost = nil, o.Latest
		return
	}
	if run.Answer != nil && (o.Latest == nil || run.Answer.Seq >= o.Latest.Seq) {
		o.Latest = run.Answer
	}
	if started := run.Reference.StartedAt; !started.IsZero() && o.Job.Status.StartedAt == nil {
		o.Quiet = min(o.Quiet, o.Now.Sub(started))
	}
}
