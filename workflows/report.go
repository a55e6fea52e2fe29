package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"
)

// reporter pushes what changed to the operator, one report at a time.
type reporter struct {
	seq     int64
	changed bool
	busy    bool
	stopped bool
}

// start sends reports while the run lives: soon after a change, and not more often
// than on the beat.
func (p *reporter) start(ctx workflow.Context, current func() Report) {
	p.changed = true
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			if err := workflow.Await(ctx, func() bool { return p.changed || p.stopped }); err != nil || p.stopped {
				return
			}
			p.changed, p.busy = false, true
			p.send(ctx, current())
			p.busy = false
			_, _ = workflow.AwaitWithTimeout(ctx, time.Second, func() bool { return p.stopped })
		}
	})
}

// send gives a report up when the operator does not take it: the next one is newer,
// and the operator asks when it comes back.
func (p *reporter) send(ctx workflow.Context, r Report) {
	p.seq++
	r.Seq, r.At = p.seq, workflow.Now(ctx)
	_ = workflow.ExecuteActivity(reportContext(ctx), ActivityReportStatus, r).Get(ctx, nil) // see above
}

// last sends the final report, after any that is still on its way.
func (p *reporter) last(ctx workflow.Context, r Report) {
	p.stopped = true
	if err := workflow.Await(ctx, func() bool { return !p.busy }); err != nil {
		return
	}
	p.send(ctx, r)
}

// report is how the run stands now.
func (r *run) report() Report {
	rep := Report{
		Run: r.in.Run, Namespace: r.in.Namespace, Name: r.in.Name, Seq: r.reports.seq,
		Phase: r.phase, State: r.in.State, Counts: r.counts(), Archive: r.archive, StartedAt: r.job.StartedAt, Profile: r.job.Profile,
		Approvals: r.job.Spec.Authorization.Approvals, Generation: r.accepted(), InvalidSeeds: r.invalidSeeds(),
		Retention: &r.job.Spec.Retention,
	}
	if r.phase == PhaseCrawling && r.in.State == StateActive {
		rep.PagesPerSecond = r.speed.perSecond()
		rep.EndsBy, _ = r.nextEnd()
	}
	if r.result == nil {
		rep.Demand = r.demand()
	}
	trouble, stalled, profile := r.trouble, r.trouble != nil, r.job.Profile
	if trouble == nil && r.phase == PhaseCrawling {
		in := r.hindered()
		trouble, stalled, profile = in.Trouble, in.Trouble != nil, in.Profile
	}
	switch {
	case r.result != nil:
		rep.Reason, rep.Message, rep.Result = r.result.Reason, r.result.Message, r.result
		return rep
	case trouble != nil:
		rep.Reason, rep.Message, rep.NextStep, rep.Stalled = trouble.Reason, trouble.Message, trouble.NextStep, stalled
		if trouble.Reason == ReasonLoginExpired {
			rep.Profile = profile // of which that is said: a newer one may be on its way
		}
		return rep
	}
	rep.Reason, rep.Message = r.where()
	if rep.Reason == ReasonSuspended {
		rep.Phase = PhaseSuspended
	}
	return rep
}

// where says in which phase the run is when nothing is wrong.
func (r *run) where() (Reason, string) {
	switch {
	case r.phase == PhaseSealing:
		return ReasonSealing, "the closing statement is being made"
	case r.finish != "":
		return ReasonSealing, "the crawl is ending; what was captured is being stored"
	case r.early:
		return ReasonAuthorizationNotYetValid, "the authorisation begins at " + r.job.Spec.Authorization.NotBefore.UTC().Format(time.RFC3339) + "; the crawl starts by itself then"
	case r.in.State == StateSuspended && (r.phase == PhaseSeeding || r.suspended()):
		return ReasonSuspended, "no page is being loaded; set spec.state to Active to go on"
	case r.in.State == StateSuspended:
		return ReasonSuspended, "the pages that are being loaded are finished first"
	case r.phase == PhaseSeeding:
		return ReasonSeeding, "the store is checked and the seeds are read"
	}
	c := r.counts()
	return ReasonCrawling, fmt.Sprintf("%d of %d discovered pages are archived", c.Archived, c.Discovered)
}

// verdict is how the run ended, in a word and a sentence.
func (r *run) verdict() (Verdict, Reason, string) {
	c, limit := r.counts(), r.limitReached()
	archived := archivedOf(c) + r.compared(c.Compared)
	switch {
	case r.finish == ReasonCancelled:
		return VerdictCancelled, ReasonCancelled, "the crawl was cancelled; " + archived
	case r.lost:
		return VerdictFailed, ReasonRunLost, "the workflow of the crawl's shard was ended from outside; " + archived
	case r.finish == ReasonAuthorizationExpired:
		return VerdictFailed, ReasonAuthorizationExpired, "the authorisation ended before the crawl was done; " + archived
	case r.finish == ReasonApprovalWithdrawn:
		return VerdictFailed, ReasonApprovalWithdrawn, "an approval was withdrawn before the crawl was done; " + archived
	case !r.seeded:
		message := "the crawl could not begin"
		if r.trouble != nil {
			message = r.trouble.Message
		}
		return VerdictFailed, r.finish, message
	case c.Archived == 0:
		return VerdictFailed, ReasonNothingArchived, "no page could be archived: " + sums(c.Failed, c.Skipped) + exceptions(c.Failed)
	case r.finish == ReasonDurationLimit:
		return VerdictSucceeded, ReasonLimitReached, archived + "; the limit on duration ended the crawl"
	case limit != "":
		return VerdictSucceeded, ReasonLimitReached, fmt.Sprintf("%s; the crawl was ended by %s", archived, limit)
	}
	return VerdictSucceeded, ReasonCompleted, archived + ", and nothing is left to visit"
}

// archivedOf says how many pages are archived, and whether all of them whole.
func archivedOf(c Counts) string {
	switch {
	case c.Archived == 1 && c.Incomplete == 1:
		return "1 page is archived, and incomplete"
	case c.Archived == 1:
		return "1 page is archived"
	case c.Incomplete > 0:
		return fmt.Sprintf("%d pages are archived, %d of them incomplete", c.Archived, c.Incomplete)
	}
	return fmt.Sprintf("%d pages are archived", c.Archived)
}

// exceptions says where exceptions are made for addresses that are not visited.
func exceptions(failed map[Reason]int64) string {
	if failed[ReasonAddressBlocked] == 0 {
		return ""
	}
	return "; addresses that are not public are visited where the CrawlFleet's spec.egress.allowPrivate has them"
}

// sums lists counts by reason.
func sums(groups ...map[Reason]int64) string {
	text := ""
	for _, g := range groups {
		for _, reason := range workflow.DeterministicKeys(g) {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%d %s", g[reason], reason)
		}
	}
	if text == "" {
		return "no page was found"
	}
	return text
}
