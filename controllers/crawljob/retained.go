package crawljob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/payload"
	"crawlfleet.dev/crawlfleet/workflows"
)

// ReportRetention is the activity by which a Retain tells how the captures of a crawl that is
// over are kept. Nobody keeps that for a CrawlJob that is gone.
func (l *Listener) ReportRetention(ctx context.Context, report workflows.RetentionReport) error {
	return l.Reports.TakeRetention(ctx, report)
}

// TakeRetention keeps a report until it is written into the status of its CrawlJob, which it
// has visited.
func (r *Reports) TakeRetention(ctx context.Context, report workflows.RetentionReport) error {
	uid := types.UID(report.Run)
	r.mu.Lock()
	if known, ok := r.retained[uid]; !ok || report.Seq >= known.Seq {
		r.retained[uid] = report
	}
	r.mu.Unlock()
	return r.Visit(ctx, types.NamespacedName{Namespace: report.Namespace, Name: report.Name})
}

// Retained returns what is to be written of a run, nil when there is nothing. Reports of
// others under its name are dropped: their CrawlJobs are gone.
func (r *Reports) Retained(name types.NamespacedName, uid types.UID) *workflows.RetentionReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	for other, report := range r.retained {
		if other != uid && report.Namespace == name.Namespace && report.Name == name.Name {
			delete(r.retained, other)
		}
	}
	if report, ok := r.retained[uid]; ok {
		return &report
	}
	return nil
}

// wrote drops a report that was written.
func (r *Reports) wrote(report *workflows.RetentionReport) {
	if report == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if uid := types.UID(report.Run); r.retained[uid].Seq == report.Seq {
		delete(r.retained, uid)
	}
}

// retained states what is left of the captures. It is pure.
func retained(status *v1alpha1.CrawlJobStatus, o Observation, done Done) {
	was := meta.FindStatusCondition(o.Job.Status.Conditions, v1alpha1.ConditionRetained)
	lock := v1alpha1.ObjectLock("")
	if o.Job.Status.Archive != nil {
		lock = o.Job.Status.Archive.ObjectLock
	}
	switch r := o.Retained; {
	case done.Unattended != nil:
		s := unattended(o.Job, done.Unattended)
		was = retainedNow(was, o.Now, metav1.ConditionUnknown, s.Reason, s.Message)
	case r != nil:
		was = retainedNow(was, o.Now, retainedStatus(r.Reason), r.Reason, r.Message)
		if r.ObjectLock != "" {
			lock = v1alpha1.ObjectLock(r.ObjectLock)
		}
	case done.Care != nil && unheard(o.Job):
		was = retainedNow(was, o.Now, metav1.ConditionUnknown, done.Care.Reason, done.Care.Message)
	}
	if was != nil { // it says of the order as it is now what it said of it before
		now := *was
		now.ObservedGeneration = status.ObservedGeneration
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionRetained)
		status.Conditions = append(status.Conditions, now)
	}
	if status.Archive != nil && lock != "" {
		status.Archive.ObjectLock = lock
	}
}

// retainedNow is the condition for a reason, which has been as it was since it was.
func retainedNow(was *metav1.Condition, at time.Time, status metav1.ConditionStatus, reason workflows.Reason, message string) *metav1.Condition {
	now := metav1.Condition{
		Type: v1alpha1.ConditionRetained, Status: status, Reason: string(reason), Message: sentences(message),
		LastTransitionTime: *seconds(at),
	}
	if was != nil && was.Status == now.Status {
		now.LastTransitionTime = was.LastTransitionTime
	}
	return &now
}

func retainedStatus(reason workflows.Reason) metav1.ConditionStatus {
	switch reason {
	case workflows.ReasonScreening, workflows.ReasonKept, workflows.ReasonHeld:
		return metav1.ConditionTrue
	case workflows.ReasonErased:
		return metav1.ConditionFalse
	}
	return metav1.ConditionUnknown
}

// announceRetained returns the event that a change of what is kept is worth, if any.
func announceRetained(job *v1alpha1.CrawlJob, now v1alpha1.CrawlJobStatus) []Event {
	before, after := both(job, now, v1alpha1.ConditionRetained)
	if after == nil || before != nil && before.Reason == after.Reason {
		return nil
	}
	kind := corev1.EventTypeNormal
	switch workflows.Reason(after.Reason) {
	case workflows.ReasonErased:
	case workflows.ReasonRetentionDrift, workflows.ReasonErasureBlocked, workflows.ReasonRunLost:
		kind = corev1.EventTypeWarning
	default:
		return nil
	}
	return []Event{{Type: kind, Reason: after.Reason, Action: "Retain", Note: after.Message}}
}

// forgot tells whether a crawl was begun that Temporal knows nothing of any more.
func forgot(o Observation) bool {
	return o.Asked && !o.Run.Known && o.Job.Status.Run.WorkflowID != ""
}

// unsealed tells whether a crawl was ended from outside, before it was sealed.
func unsealed(ended *workflows.RunResult) bool {
	return ended != nil && ended.Reason == workflows.ReasonRunLost && ended.Statement == ""
}

// lost tells whether a crawl ended without having had its captures looked after, as far as can
// be told: one that Temporal has forgotten may have seen to it before, and then that is found.
func lost(o Observation, d Decision) bool {
	if finished(o.Job) || !o.Job.DeletionTimestamp.IsZero() && !d.Release {
		return false
	}
	return archive(o) != nil && (forgot(o) || unsealed(o.Run.Ended))
}

// archive is where the captures of a crawl are, nil when nothing was stored as far as is known.
func archive(o Observation) *workflows.Archive {
	if a := o.Job.Status.Archive; a != nil {
		return &workflows.Archive{Bucket: a.Bucket, Prefix: a.Prefix}
	}
	if r := told(o); r != nil && r.Archive.Prefix != "" {
		return &r.Archive
	}
	return nil
}

// told is the newest that a crawl has told of itself, nil when that is not known.
func told(o Observation) *workflows.Report { return cmp.Or(o.Latest, o.Lost) }

// screening is the period that a crawl was started with, in seconds, nil while that is not
// known. One that was found says it itself; of one that was lost before it could nobody knows
// whether it had one, and what is not known erases nothing.
func screening(o Observation) *int64 {
	switch recorded, r := o.Job.Status.Run.ScreeningSeconds, told(o); {
	case recorded != nil:
		return recorded
	case r != nil && r.Retention != nil:
		return new(int64(r.Retention.Screening / time.Second))
	}
	return nil
}

// unattended is how a crawl stands that was lost, and that nobody could be had to look after.
func unattended(job *v1alpha1.CrawlJob, err error) Standing {
	reason, check := workflows.ReasonTemporalUnreachable, "Check that Temporal runs"
	if errors.Is(err, payload.ErrKeys) {
		reason, check = workflows.ReasonPayloadKeysUnreadable, "Put the operator's --payload-keys right"
	}
	return Standing{Mood: Stalls, Reason: reason, Message: fmt.Sprintf(
		"Nobody looks after what was captured yet, so nothing of it is erased: the crawl was lost, and the workflow that would cannot be started: %v. %s. It is tried again by itself, and the CrawlJob stays until then, also when it is deleted. "+
			`Or take its finalizer off by hand, and nobody erases what it captured (docs/retention.md#who-looks): kubectl -n %s patch crawljob %s --type=merge -p '{"metadata":{"finalizers":null}}'`,
		err, check, job.Namespace, job.Name)}
}

// waits tells whether a CrawlJob is kept until somebody looks after its captures.
func waits(job *v1alpha1.CrawlJob) bool {
	was := meta.FindStatusCondition(job.Status.Conditions, v1alpha1.ConditionRetained)
	return was != nil && (was.Reason == string(workflows.ReasonTemporalUnreachable) || was.Reason == string(workflows.ReasonPayloadKeysUnreadable))
}

// unheard tells whether nobody who looks after the captures of a crawl has told of them yet.
func unheard(job *v1alpha1.CrawlJob) bool {
	return meta.FindStatusCondition(job.Status.Conditions, v1alpha1.ConditionRetained) == nil || waits(job)
}

// longest is the longest period that a Retain can count, in seconds.
const longest = math.MaxInt64 / int64(time.Second)

// Care is how the captures of a crawl that was lost are looked after. What is left of them is not
// known yet.
type Care struct {
	Reason  workflows.Reason
	Message string
}

// lookAfter has the captures of a crawl looked after that was lost. What is in the order now
// takes nothing from the period that it was started with.
func (r *Reconciler) lookAfter(ctx context.Context, o Observation) (*Care, error) {
	period := screening(o)
	if period == nil {
		return &Care{workflows.ReasonRunLost, "Nobody looks after what was captured, and nothing of it is erased: the crawl was lost before it could tell which screening period it has, if any. Start what looks after it by hand: docs/retention.md#who-looks."}, nil
	}
	if *period <= 0 { // it began before there was one, and nothing of it is erased
		return nil, nil
	}
	err := r.Runs.Retain(ctx, workflows.RetainInput{
		FormatVersion: workflows.FormatVersion, Run: string(o.Job.RunUID()), Namespace: o.Job.Namespace, Name: o.Job.Name, Archive: *archive(o),
		Retention: workflows.Retention{Screening: time.Duration(min(*period, longest)) * time.Second}, EndedAt: o.Now,
	})
	if err != nil {
		return nil, err
	}
	return &Care{workflows.ReasonScreening, "The crawl was lost, and the workflow was started that looks after what it captured. It has not told yet what is there."}, nil
}
