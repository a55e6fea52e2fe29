package crawljob

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/payload"
	"crawlfleet.dev/crawlfleet/workflows"
)

const (
	// silence is how long a crawl may say nothing before Temporal is asked about
	// it. A running crawl reports every ten seconds at least while it counts.
	silence = 30 * time.Second
	// again is when something is looked at again that somebody must mend.
	again = 15 * time.Second
	// seldom is when something is looked at again that nobody has mended for long.
	seldom = 5 * time.Minute
	// soon is when something is looked at again that will be over at once.
	soon = time.Second
	// releaseAfter bounds the time that a deleted CrawlJob waits for its crawl to
	// be sealed, while there is an operator.
	releaseAfter = 2 * time.Minute
)

// Mood says how a crawl stands, in the terms of the conditions.
type Mood int

// The moods.
const (
	// Unchanged leaves the status as it is.
	Unchanged Mood = iota
	// Waits is an order that starts by itself later.
	Waits
	// Refused is an order that cannot be taken until somebody mends something.
	Refused
	// Moves is a crawl under way.
	Moves
	// Rests is a crawl that is where spec.state wants it, and is not over.
	Rests
	// Stalls is a crawl that something outside keeps from moving.
	Stalls
	// Ended is a crawl with a verdict.
	Ended
)

// Standing is what a visit found out about a crawl.
type Standing struct {
	Mood    Mood
	Reason  workflows.Reason
	Message string
	// Result is the verdict of an Ended crawl.
	Result *workflows.RunResult
}

// Decision is what is to be done about a CrawlJob, and how it stands.
type Decision struct {
	// Finalize puts the finalizer on, before anything else.
	Finalize bool
	// Release takes the finalizer off: nothing is left to wait for.
	Release bool
	// Observe marks the status of a finished crawl as true of the newest spec too, which
	// can change nothing any more: kubectl wait does not believe a status that is older.
	Observe bool
	// Start starts the crawl.
	Start bool
	// Steer asks the crawl to be in this state, when it is not empty.
	Steer v1alpha1.State
	// End ends the crawl for this reason, when it is not empty.
	End workflows.Reason
	// Renew gives the crawl the state of a new log-in.
	Renew bool
	// Amend has the crawl go by the order as it is now: it was widened.
	Amend bool
	// Standing is how the crawl stands, before anything was done.
	Standing Standing
	// Again is when to look again, if nothing happens before. Zero is never.
	Again time.Duration
}

// decide says what to do about what was observed. It is pure: the same
// observation gives the same decision.
func decide(o Observation) Decision {
	switch {
	case !o.Job.DeletionTimestamp.IsZero():
		return decideDeletion(o)
	case finished(o.Job) && o.Job.Status.ObservedGeneration < o.Job.Generation:
		return Decision{Observe: true, Again: soon}
	case finished(o.Job):
		return Decision{Release: controllerutil.ContainsFinalizer(o.Job, v1alpha1.Finalizer)}
	case o.Run.Ended != nil:
		return Decision{Standing: ended(o.Run.Ended), Again: soon}
	case o.Unreachable != nil:
		return Decision{Standing: unreachable(o.Unreachable), Again: again}
	case o.Run.Known:
		return decideRunning(o)
	case forgot(o):
		return Decision{Standing: forgotten(o.Job.Status.Run.WorkflowID), Again: soon}
	default:
		return decideStart(o)
	}
}

// decideDeletion cancels the crawl and waits until it is sealed, but not for ever.
func decideDeletion(o Observation) Decision {
	if !controllerutil.ContainsFinalizer(o.Job, v1alpha1.Finalizer) {
		return Decision{}
	}
	asked := o.Unreachable == nil
	if finished(o.Job) || o.Run.Ended != nil || (asked && !o.Run.Known) {
		return Decision{Release: true}
	}
	since := o.Job.DeletionTimestamp.Time
	if o.Began.After(since) {
		since = o.Began
	}
	if left := since.Add(releaseAfter).Sub(o.Now); left <= 0 && (asked || !waits(o.Job)) {
		return Decision{Release: true, Standing: Standing{
			Mood:   Stalls,
			Reason: workflows.ReasonSealing,
			Message: fmt.Sprintf("Let go %s after the deletion was seen, before the crawl was sealed. What was captured is stored and kept; the crawl is cancelled as soon as it reports again, and erased what nobody needs when its time is over. If Temporal has lost the crawl, nobody does that: see docs/retention.md#who-looks.",
				releaseAfter),
		}}
	}
	d := Decision{Again: 5 * time.Second}
	if o.Unreachable != nil {
		d.Standing = unreachable(o.Unreachable)
		return d
	}
	d.Steer = v1alpha1.StateCancelled
	d.Standing = Standing{
		Mood:    Moves,
		Reason:  workflows.ReasonSealing,
		Message: "The CrawlJob is being deleted: its crawl is cancelled and what was captured is sealed. The archive is kept.",
	}
	return d
}

// decideStart takes an order that has no crawl yet, or says why not.
func decideStart(o Observation) Decision {
	order := o.Job.Spec
	switch authorization := order.Authorization; {
	case o.Job.Restored() && (order.State == v1alpha1.StateCancelled || !o.Now.Before(authorization.NotAfter.Time)):
		// What it has in the store says how it ended, or is sealed.
		return Decision{Finalize: true, Start: true, Again: silence, Standing: Standing{Mood: Moves, Reason: workflows.ReasonSealing,
			Message: "The order was restored and no page of it is to be visited any more. How its run ended is read from the archive; one that was not over is sealed."}}
	case order.State == v1alpha1.StateCancelled:
		return Decision{Standing: neverRan(workflows.VerdictCancelled, workflows.ReasonCancelled,
			"The order was cancelled before the crawl began. Nothing was captured.")}
	case !o.Now.Before(authorization.NotAfter.Time):
		return Decision{Standing: neverRan(workflows.VerdictFailed, workflows.ReasonAuthorizationExpired, fmt.Sprintf(
			"The authorisation ended at %s, before the crawl began. Nothing was captured. Create a new CrawlJob with an authorisation that is still valid.",
			stamp(authorization.NotAfter.Time)))}
	case o.Judged != nil:
		d := Decision{Standing: *o.Judged, Again: again}
		if o.Judged.Mood == Waits {
			d.Again = min(authorization.NotAfter.Sub(o.Now)+soon, patience(o))
		}
		return d
	case authorization.NotBefore != nil && o.Now.Before(authorization.NotBefore.Time):
		return Decision{
			Standing: Standing{Mood: Waits, Reason: workflows.ReasonAuthorizationNotYetValid, Message: fmt.Sprintf(
				"The authorisation begins at %s. The crawl starts by itself then.", stamp(authorization.NotBefore.Time))},
			Again: min(authorization.NotBefore.Sub(o.Now)+soon, time.Hour),
		}
	case o.Refusal != nil:
		return Decision{Standing: Standing{Mood: Refused, Reason: o.Refusal.Reason, Message: o.Refusal.Message}, Again: again}
	case order.State == v1alpha1.StateSuspended:
		message := "The crawl has not begun. Set spec.state to Active to start it."
		if o.Job.Restored() {
			message = "The crawl was restored. Set spec.state to Active, and it goes on where it was."
		}
		return Decision{Standing: Standing{Mood: Rests, Reason: workflows.ReasonSuspended, Message: message},
			Again: min(authorization.NotAfter.Sub(o.Now)+soon, time.Hour),
		}
	default:
		return Decision{
			Finalize: true,
			Start:    true,
			Standing: Standing{Mood: Moves, Reason: workflows.ReasonSeeding, Message: "The crawl was handed to the workers."},
			Again:    silence,
		}
	}
}

// patience is when to look again at an order that waits for approvals. An event says that there is
// one more, but none that a ConfigMap is again what was approved: for that it is looked at when it
// has waited twice as long, within bounds.
func patience(o Observation) time.Duration {
	if !o.Outdated {
		return time.Hour
	}
	pause := again
	if was := meta.FindStatusCondition(o.Job.Status.Conditions, v1alpha1.ConditionAccepted); was != nil {
		for waited := o.Now.Sub(was.LastTransitionTime.Time); pause < waited && pause < seldom; {
			pause *= 2
		}
	}
	return min(pause, seldom)
}

// decideRunning steers a crawl to what spec.state asks for, and follows what it
// reports.
func decideRunning(o Observation) Decision {
	d := Decision{Finalize: true, Again: max(silence-o.Quiet, soon)}
	if o.Quiet >= silence {
		d.Again = again
	}
	if o.Withdrawn && o.Latest.State != workflows.StateCancelled {
		d.End = workflows.ReasonApprovalWithdrawn
	}
	if missing := missingWorkers(o); missing != "" {
		d.Standing = Standing{Mood: Stalls, Reason: workflows.ReasonWaitingForWorkers, Message: missing}
		d.Steer = steer(o)
		return d
	}
	d.Steer = steer(o)
	d.Renew = o.Profile != nil && o.Latest != nil && (o.Latest.Profile == nil || o.Latest.Profile.SHA256 != o.Profile.SHA256)
	d.Amend = widened(o)
	d.Standing = settle(o.Job, o.Latest, follow(o.Latest))
	return d
}

// widened tells whether the crawl goes by an order of before, and can still be told.
func widened(o Observation) bool {
	r := o.Latest
	return r != nil && !notWidened(o.Job) && r.Generation > 0 && r.Generation < o.Job.Generation && r.State != workflows.StateCancelled &&
		(r.Phase == workflows.PhaseCrawling || r.Phase == workflows.PhaseSuspended)
}

// notWidened tells whether the crawl has refused the order as it is now: that is not tried
// again until it is changed again.
func notWidened(job *v1alpha1.CrawlJob) bool {
	was := meta.FindStatusCondition(job.Status.Conditions, v1alpha1.ConditionAccepted)
	return was != nil && was.Reason == string(workflows.ReasonOrderNotWidened) && was.ObservedGeneration == job.Generation
}

// steer returns the state to ask the crawl for, empty when it is in it or cannot
// be told apart.
func steer(o Observation) v1alpha1.State {
	want := o.Job.Spec.State
	if o.Latest == nil {
		// It has been started with the state that the order had, and has not said
		// anything since.
		if want == v1alpha1.StateActive {
			return ""
		}
		return want
	}
	if o.Latest.State == workflows.StateCancelled || v1alpha1.State(o.Latest.State) == want {
		return ""
	}
	return want
}

// follow turns the newest report of a running crawl into how it stands.
func follow(r *workflows.Report) Standing {
	if r == nil {
		return Standing{Mood: Moves, Reason: workflows.ReasonSeeding, Message: "The crawl was handed to the workers."}
	}
	s := Standing{Mood: Moves, Reason: r.Reason, Message: sentences(r.Message, r.NextStep)}
	if s.Reason == "" {
		s.Reason = workflows.Reason(r.Phase)
	}
	switch {
	case r.Stalled:
		s.Mood = Stalls
	case r.Phase == workflows.PhaseSuspended:
		s.Mood = Rests
	}
	return s
}

// settle keeps a crawl stalled that has begun to try again, until something has come
// of it: each try would else take the stall away for a second.
func settle(job *v1alpha1.CrawlJob, r *workflows.Report, s Standing) Standing {
	was := meta.FindStatusCondition(job.Status.Conditions, v1alpha1.ConditionStalled)
	if r == nil || s.Mood != Moves || was == nil || was.Status != metav1.ConditionTrue || progressed(job.Status.Counters, r.Counts) {
		return s
	}
	switch reason := workflows.Reason(was.Reason); {
	case r.Phase != workflows.PhaseSeeding && r.Phase != workflows.PhaseCrawling, r.State != workflows.StateActive:
		return s
	case reason == workflows.ReasonWaitingForWorkers, reason == workflows.ReasonTemporalUnreachable, reason == workflows.ReasonPayloadKeysUnreadable, reason == workflows.ReasonConfigMapMissing,
		reason == workflows.ReasonFleetMissing, reason == workflows.ReasonPurposeNotAllowed,
		reason == workflows.ReasonInvalidScript, reason == workflows.ReasonEarlierRunNotFound, reason == workflows.ReasonEarlierRunNotSealed:
		return s // not the crawl's own: that it reports is the end of it
	case reason == workflows.ReasonLoginExpired && renewed(job.Status.Profile, r.Profile):
		return s
	default:
		return Standing{Mood: Stalls, Reason: reason, Message: was.Message}
	}
}

// renewed tells whether a crawl has another log-in than a status speaks of.
func renewed(was *v1alpha1.UsedProfile, now *workflows.ProfileRef) bool {
	return was != nil && now != nil && was.SHA256 != now.SHA256
}

// progressed tells whether pages or chunks were added to what a status counts.
func progressed(before *v1alpha1.Counters, now workflows.Counts) bool {
	var was v1alpha1.Counters
	if before != nil {
		was = *before
	}
	settled := now.Archived + total(now.Failed) + total(now.Skipped)
	return settled != count64(was.Archived)+count64(was.Failed)+count64(was.Skipped) ||
		now.Chunks != count64(was.Chunks) || (now.Discovered > 0) != (count64(was.Discovered) > 0)
}

func count64(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

// workerPods selects the pods that do the work of crawls: those that the operator makes of a CrawlFleet, and those of
// config/worker.
const workerPods = "app.kubernetes.io/component in (conductor,browser,worker)"

// missingWorkers says which workers a silent crawl lacks, empty when none.
func missingWorkers(o Observation) string {
	if o.Quiet < silence || !o.Asked || (o.Run.Answer != nil && len(o.Run.Idle) == 0) {
		return ""
	}
	where := "the task queues of the crawl"
	if len(o.Run.Idle) > 0 {
		where = "task queue " + strings.Join(o.Run.Idle, " and ")
	}
	return fmt.Sprintf("No worker answers on %s, so nothing is crawled. Start workers, or see why they cannot reach Temporal: kubectl -n crawlfleet-system get pods -l '%s'. The crawl goes on by itself then.", where, workerPods)
}

func unreachable(err error) Standing {
	if errors.Is(err, payload.ErrKeys) {
		return Standing{Mood: Stalls, Reason: workflows.ReasonPayloadKeysUnreadable, Message: fmt.Sprintf(
			"Nothing is sent to Temporal that cannot be encrypted: %v. Put the operator's --payload-keys right. The crawl goes on by itself then; nothing that was captured is lost.", err)}
	}
	return Standing{Mood: Stalls, Reason: workflows.ReasonTemporalUnreachable, Message: fmt.Sprintf(
		"Temporal does not answer: %v. Check that it runs, and the operator's --temporal-address and --temporal-namespace. The crawl goes on by itself once Temporal answers; nothing that was captured is lost.", err)}
}

func ended(result *workflows.RunResult) Standing {
	return Standing{Mood: Ended, Reason: result.Reason, Message: sentences(result.Message), Result: result}
}

// forgotten is a crawl that was begun and that Temporal knows nothing of any more. It is
// not begun again: its pages would be visited twice, and what it stored be nobody's.
func forgotten(id string) Standing {
	return ended(&workflows.RunResult{
		Verdict: workflows.VerdictFailed,
		Reason:  workflows.ReasonRunLost,
		Message: fmt.Sprintf("Temporal does not know workflow %s any more, so it was not sealed. What was archived is stored and complete. See whether Temporal was restored or keeps histories too shortly; create a new CrawlJob to crawl again.", id),
	})
}

func neverRan(verdict workflows.Verdict, reason workflows.Reason, message string) Standing {
	return ended(&workflows.RunResult{Verdict: verdict, Reason: reason, Message: message})
}

func finished(job *v1alpha1.CrawlJob) bool {
	return meta.IsStatusConditionTrue(job.Status.Conditions, v1alpha1.ConditionFinished)
}

// sentences writes what happened, and what to do about it, as people write: each
// part begins with a capital and ends with a stop.
func sentences(parts ...string) string {
	var all []string
	for _, part := range parts {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		first, size := utf8.DecodeRuneInString(part)
		part = string(unicode.ToUpper(first)) + part[size:]
		if !strings.ContainsAny(part[len(part)-1:], ".!?") {
			part += "."
		}
		all = append(all, part)
	}
	return strings.Join(all, " ")
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
