package crawlschedule

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

const (
	// again is when something is looked at again that somebody must mend.
	again = 15 * time.Second
	// soon is when something is looked at again that will be over at once.
	soon = time.Second
	// lookAgain is the longest time between two visits.
	lookAgain = 5 * time.Minute
	// releaseAfter bounds the time that a deleted CrawlSchedule waits for Temporal.
	releaseAfter = 2 * time.Minute
)

// Job is what is to be known of a CrawlJob of a schedule.
type Job struct {
	Name string
	UID  types.UID
	// ScheduledFor is the time that it was created for.
	ScheduledFor time.Time
	// Finished is set when it is over, Leaving when it is being deleted.
	Finished bool
	Leaving  bool
	// Succeeded and Reason are its verdict, Unknown and where it is before.
	Succeeded metav1.ConditionStatus
	Reason    string
	// Sealed names it when later ones can be compared with it.
	Sealed v1alpha1.SealedJob
}

// Observation is all that a decision and a status rest on.
type Observation struct {
	// Now is the time of the visit.
	Now time.Time
	// Schedule is the resource as the cache has it.
	Schedule *v1alpha1.CrawlSchedule
	// Jobs are its CrawlJobs, the latest first.
	Jobs []Job
	// Told are those whose firing was told of their end.
	Told map[types.UID]bool
	// Outcome is what the last firing came to, nil when none is known of.
	Outcome *Outcome
	// Zone is why the time zone is not known here; nil when it is.
	Zone error
	// Seen is what Temporal knows, Unreachable why it could not be asked.
	Seen        Seen
	Unreachable error
}

// Standing is how a schedule stands, in the terms of Ready.
type Standing struct {
	Status  metav1.ConditionStatus
	Reason  workflows.Reason
	Message string
}

// Decision is what is to be done about a CrawlSchedule, and how it stands.
type Decision struct {
	// Finalize puts the finalizer on, before anything else.
	Finalize bool
	// Remove takes the Schedule out of Temporal, Release the finalizer off after that.
	Remove  bool
	Release bool
	// Put makes the Schedule as planned.
	Put *Plan
	// Backfill asks for a backfill.
	Backfill *v1alpha1.Backfill
	// Tell are the times whose firings are told that their CrawlJob is over or gone.
	Tell []Told
	// Prune are the CrawlJobs that history limits leave no room for.
	Prune []Job
	// Standing is how the schedule stands, before anything was done.
	Standing Standing
	// Again is when to look again, if nothing happens before. Zero is never.
	Again time.Duration
}

// Told is a firing that is told, and the CrawlJob that it is told of; empty for one that is
// gone.
type Told struct {
	ScheduledFor time.Time
	Job          types.UID
}

// decide says what to do about what was observed. It is pure.
func decide(o Observation) Decision {
	if !o.Schedule.DeletionTimestamp.IsZero() {
		return decideDeletion(o)
	}
	d := Decision{Finalize: true, Prune: prune(o), Again: lookAgain}
	switch {
	case o.Zone != nil:
		d.Standing = Standing{metav1.ConditionFalse, ReasonInvalidTimeZone, fmt.Sprintf(
			"spec.timeZone: %v. Give a name of the IANA time zone database, such as Europe/Vienna. %s", o.Zone, asBefore(o))}
		d.Tell = tell(o)
		return d
	case o.Unreachable != nil:
		d.Standing, d.Again = unreachable(o.Unreachable), again
		return d
	}
	d.Tell = tell(o)
	p := plan(o.Schedule)
	if !o.Seen.as(p) {
		d.Put, d.Again = &p, soon
	}
	var held string
	if d.Backfill, held = backfill(o); d.Backfill != nil {
		d.Again = soon
	}
	d.Standing = stand(o)
	if held != "" {
		d.Standing.Message += " " + held
	}
	d.Again = min(d.Again, untilChange(o))
	if lastSealed(o.Schedule, o.Jobs).UID != o.Schedule.Status.LastSealed.UID { // prune may have waited for that
		d.Again = soon
	}
	return d
}

// decideDeletion takes the Schedule out of Temporal, but does not wait for ever: a Schedule
// that is left over removes itself when it fires. CrawlJobs belong to the garbage collector.
func decideDeletion(o Observation) Decision {
	if !controllerutil.ContainsFinalizer(o.Schedule, v1alpha1.ScheduleFinalizer) {
		return Decision{}
	}
	if o.Unreachable == nil {
		d := Decision{Remove: true, Release: true}
		for _, j := range o.Jobs {
			if !o.Told[j.UID] {
				d.Tell = append(d.Tell, Told{ScheduledFor: j.ScheduledFor, Job: j.UID})
			}
		}
		return d
	}
	if o.Now.Sub(o.Schedule.DeletionTimestamp.Time) >= releaseAfter {
		return Decision{Release: true, Standing: unreachable(o.Unreachable)}
	}
	return Decision{Standing: unreachable(o.Unreachable), Again: 5 * time.Second}
}

// tell lists the firings that wait for something that has come.
func tell(o Observation) []Told {
	var list []Told
	there := map[string]bool{}
	for _, j := range o.Jobs {
		there[j.Name] = true
		if j.Finished && !o.Told[j.UID] {
			list = append(list, Told{ScheduledFor: j.ScheduledFor, Job: j.UID})
		}
	}
	for _, a := range o.Schedule.Status.Active {
		if !there[a.Name] && a.ScheduledFor != nil {
			list = append(list, Told{ScheduledFor: a.ScheduledFor.Time})
		}
	}
	return list
}

// prune lists the CrawlJobs beyond the history limits, the oldest first.
func prune(o Observation) []Job {
	spec := o.Schedule.Spec
	last := lastSealed(o.Schedule, o.Jobs)
	left := map[bool]int{true: limit(spec.SuccessfulJobsHistoryLimit), false: limit(spec.FailedJobsHistoryLimit)}
	var list []Job
	for _, j := range o.Jobs {
		if !j.Finished || j.Leaving {
			continue
		}
		succeeded := j.Succeeded == metav1.ConditionTrue
		left[succeeded]--
		if left[succeeded] >= 0 || string(j.UID) == last.UID && o.Schedule.Status.LastSealed.UID != last.UID {
			continue // the status must name it before it goes
		}
		list = append(list, j)
	}
	slices.Reverse(list)
	return list
}

// limit is a history limit; the API server fills in the default.
func limit(n *int32) int {
	if n == nil {
		return 10
	}
	return int(*n)
}

// backfill returns the request that is to be made now, or why it has to wait.
func backfill(o Observation) (*v1alpha1.Backfill, string) {
	b, done := o.Schedule.Spec.Backfill, o.Schedule.Status.Backfill
	switch {
	case b.Name == "":
		return nil, ""
	case b.Name == done.Name && b.From.Equal(done.From) && b.To.Equal(done.To):
		return nil, ""
	case b.Name == done.Name:
		return nil, fmt.Sprintf("Backfill %q was done for another range: give this one another name.", b.Name)
	case o.Schedule.Spec.State == v1alpha1.ScheduleSuspended:
		return nil, fmt.Sprintf("Backfill %q waits until spec.state is Active.", b.Name)
	case o.Now.Before(b.To.Time):
		return nil, fmt.Sprintf("Backfill %q waits until %s, when its range has passed.", b.Name, stamp(b.To.Time))
	case !o.Now.Before(o.Schedule.Spec.JobTemplate.Spec.Authorization.NotAfter.Time):
		return nil, fmt.Sprintf("Backfill %q waits for a valid authorisation.", b.Name)
	case !o.Seen.as(plan(o.Schedule)):
		return nil, "" // once Temporal has the times that it is about
	}
	return &b, ""
}

// stand says how a schedule stands that Temporal has, or is about to be given.
func stand(o Observation) Standing {
	spec := o.Schedule.Spec
	authorization := spec.JobTemplate.Spec.Authorization
	switch {
	case !o.Now.Before(authorization.NotAfter.Time):
		return Standing{metav1.ConditionFalse, workflows.ReasonAuthorizationExpired, expiredMessage(authorization)}
	case spec.State == v1alpha1.ScheduleSuspended:
		return Standing{metav1.ConditionTrue, workflows.ReasonSuspended, "No CrawlJob is created. Set spec.state to Active to go on."}
	case o.Outcome != nil && o.Outcome.Failed:
		return Standing{metav1.ConditionFalse, ReasonFiringFailed, o.Outcome.Message}
	case authorization.NotBefore != nil && o.Now.Before(authorization.NotBefore.Time):
		return Standing{metav1.ConditionTrue, workflows.ReasonAuthorizationNotYetValid, fmt.Sprintf(
			"The authorisation begins at %s. Times before are passed over.", stamp(authorization.NotBefore.Time))}
	case o.Seen.as(plan(o.Schedule)) && o.Seen.Next.IsZero():
		return Standing{metav1.ConditionFalse, ReasonNoFurtherTime, noFurtherTime(o)}
	default:
		return Standing{metav1.ConditionTrue, ReasonScheduled, fmt.Sprintf("A CrawlJob is created at each time: %s.", summary(o.Schedule))}
	}
}

func noFurtherTime(o Observation) string {
	end := o.Schedule.Spec.EndingAt
	if end != nil && !o.Now.Before(end.Time) {
		return fmt.Sprintf("The schedule ended at %s. Change spec.endingAt to go on, or delete the schedule.", stamp(end.Time))
	}
	return "No time is left before spec.endingAt and the end of the authorisation. Check spec.schedule: in cron, a day must match both of its fields."
}

// untilChange is when time alone changes how a schedule stands: it fires, or is about to be
// allowed to, or is no longer.
func untilChange(o Observation) time.Duration {
	next := lookAgain
	spec := o.Schedule.Spec
	times := []time.Time{o.Seen.Next.Add(2 * soon), spec.JobTemplate.Spec.Authorization.NotAfter.Time}
	for _, t := range []*metav1.Time{spec.JobTemplate.Spec.Authorization.NotBefore, spec.EndingAt} {
		if t != nil {
			times = append(times, t.Time)
		}
	}
	if spec.Backfill.Name != o.Schedule.Status.Backfill.Name {
		times = append(times, spec.Backfill.To.Time)
	}
	for _, t := range times {
		if t.After(o.Now) {
			next = min(next, max(t.Sub(o.Now), soon))
		}
	}
	return next
}

func unreachable(err error) Standing {
	return Standing{metav1.ConditionFalse, workflows.ReasonTemporalUnreachable, fmt.Sprintf(
		"Temporal does not answer: %v. Check that it runs, and the operator's --temporal-address and --temporal-namespace. Times that pass meanwhile are made up for within spec.catchUpWindowSeconds.", err)}
}

// asBefore says what happens while the newest spec cannot be used.
func asBefore(o Observation) string {
	if o.Schedule.Status.ScheduleID == "" {
		return "Nothing is crawled until then."
	}
	return "Until then crawls begin as before the change."
}
