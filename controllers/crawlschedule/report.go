package crawlschedule

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/kube"
	"crawlfleet.dev/crawlfleet/workflows"
)

const (
	// maxActive is how many CrawlJobs status.active can name.
	maxActive = 100
	// maxSkipMessage is the length in bytes of status.lastSkipped.message.
	maxSkipMessage = 1024
	// reasonRunning is that of a CrawlJob that is not over.
	reasonRunning = "Running"
)

// report writes the status of a CrawlSchedule from what was observed, decided and done. It
// is pure.
func report(o Observation, d Decision, done Done) v1alpha1.CrawlScheduleStatus {
	status := *o.Schedule.Status.DeepCopy()
	status.ObservedGeneration = o.Schedule.Generation
	standing := outcome(o, d.Standing, done)
	c := kube.NewConditions(o.Schedule.Status.Conditions, o.Schedule.Generation, o.Now)
	c.Set(v1alpha1.ConditionReady, standing.Status, string(standing.Reason), standing.Message)
	status.Conditions = c.List()
	status.Schedule = summary(o.Schedule)
	times(&status, o, done)
	status.Active = active(o)
	lastJob(&status, o)
	status.LastSealed = lastSealed(o.Schedule, o.Jobs)
	if s := o.Outcome; s != nil && !s.Failed && s.Reason != "" {
		status.LastSkipped = &v1alpha1.SkippedFiring{
			ScheduledFor: seconds(s.ScheduledFor), Reason: string(s.Reason), Message: kube.Clip(s.Message, maxSkipMessage),
		}
	}
	if b := done.Backfilled; b != nil {
		status.Backfill = v1alpha1.FiredBackfill{Name: b.Name, From: seconds(b.From.Time), To: seconds(b.To.Time), FiredAt: seconds(o.Now)}
	}
	return status
}

// times copies what Temporal knows.
func times(status *v1alpha1.CrawlScheduleStatus, o Observation, done Done) {
	if done.Put {
		status.ScheduleID = workflows.ScheduleID(string(o.Schedule.UID))
	}
	if !o.Seen.Known {
		return
	}
	status.ScheduleID = workflows.ScheduleID(string(o.Schedule.UID))
	status.NextFiringTime = seconds(o.Seen.Next)
	if o.Schedule.Spec.State == v1alpha1.ScheduleSuspended {
		status.NextFiringTime = nil
	}
	if !o.Seen.Last.IsZero() {
		status.LastFiringTime = seconds(o.Seen.Last)
	}
	status.Firings = &v1alpha1.FiringCounts{Fired: new(o.Seen.Fired), Overlapped: new(o.Seen.Overlapped), Missed: new(o.Seen.Missed)}
}

// outcome corrects how a schedule stands by what doing something about it showed.
func outcome(o Observation, s Standing, done Done) Standing {
	switch {
	case done.Refused != nil:
		return Standing{metav1.ConditionFalse, ReasonInvalidSchedule, "Temporal does not take the schedule: " + done.Refused.Message +
			". Change spec.schedule or spec.timeZone. " + asBefore(o)}
	case done.Unreachable != nil:
		return unreachable(done.Unreachable)
	case done.TooLong != nil:
		s.Message += " " + done.TooLong.Message
		return s
	default:
		return s
	}
}

// active names the CrawlJobs that are not over.
func active(o Observation) []v1alpha1.ScheduledJob {
	var list []v1alpha1.ScheduledJob
	for _, j := range o.Jobs {
		if !j.Finished && len(list) < maxActive {
			list = append(list, v1alpha1.ScheduledJob{Name: j.Name, ScheduledFor: seconds(j.ScheduledFor)})
		}
	}
	slices.Reverse(list)
	return list
}

// lastJob tells of the CrawlJob of the latest time.
func lastJob(status *v1alpha1.CrawlScheduleStatus, o Observation) {
	if len(o.Jobs) == 0 {
		return
	}
	j, last := o.Jobs[0], status.LastJob
	if last.ScheduledFor != nil && last.ScheduledFor.After(j.ScheduledFor) {
		return // it is gone, and this is one of before
	}
	status.LastJob = v1alpha1.LastJob{Name: j.Name, ScheduledFor: seconds(j.ScheduledFor), Succeeded: metav1.ConditionUnknown, Reason: reasonRunning}
	if j.Finished {
		status.LastJob.Succeeded, status.LastJob.Reason = j.Succeeded, j.Reason
	}
}

func seconds(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	s := metav1.NewTime(t.UTC().Truncate(time.Second))
	return &s
}

// changed reports whether a new status is worth an event.
func changed(s *v1alpha1.CrawlSchedule, now v1alpha1.CrawlScheduleStatus) *metav1.Condition {
	before := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
	after := meta.FindStatusCondition(now.Conditions, v1alpha1.ConditionReady)
	if after == nil || (before != nil && before.Status == after.Status && before.Reason == after.Reason) {
		return nil
	}
	return after
}
