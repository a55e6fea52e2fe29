package crawljob

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/internal/kube"
	"crawlfleet.dev/crawlfleet/workflows"
)

// maxReasons is how many reasons a list in status can hold.
const maxReasons = 64

// report writes the status of a CrawlJob from what was observed, decided and
// done. It is pure.
func report(o Observation, d Decision, done Done) v1alpha1.CrawlJobStatus {
	status := *o.Job.Status.DeepCopy()
	standing := outcome(o.Job, d.Standing, done)
	if d.Observe {
		status.ObservedGeneration = o.Job.Generation
		for i := range status.Conditions {
			status.Conditions[i].ObservedGeneration = o.Job.Generation
		}
	}
	if standing.Mood == Unchanged {
		retained(&status, o, done)
		return status
	}
	status.ObservedGeneration = o.Job.Generation
	if ref := reference(o, done); ref != nil {
		status.Run.WorkflowID, status.Run.RunID = ref.WorkflowID, ref.RunID
		if done.Started != nil { // one that was found may be of before there was a period, and tells
			status.Run.ScreeningSeconds = new(int64(o.Job.Spec.Retention.ScreeningSeconds))
		}
		if status.StartedAt == nil && !ref.StartedAt.IsZero() {
			status.StartedAt = seconds(ref.StartedAt)
		}
	}
	if status.Run.WorkflowID != "" && status.Run.ScreeningSeconds == nil {
		status.Run.ScreeningSeconds = screening(o)
	}
	newest := o.Latest
	if done.Steered != nil && (newest == nil || done.Steered.Seq >= newest.Seq) {
		newest = done.Steered
	}
	follows(&status, &o.Job.Spec, cmp.Or(newest, told(o)), o.Now)
	if standing.Mood != Moves {
		status.PagesPerMinute, status.SecondsLeft = nil, nil
	}
	if result := standing.Result; result != nil {
		conclude(&status, &o.Job.Spec, result, o.Now)
	}
	status.Conditions = conditions(o, standing, accepted(o, done, newest))
	retained(&status, o, done)
	return status
}

// follows copies what a crawl reports of itself.
func follows(status *v1alpha1.CrawlJobStatus, o *v1alpha1.CrawlJobSpec, r *workflows.Report, now time.Time) {
	if r == nil {
		return
	}
	if status.StartedAt == nil && !r.StartedAt.IsZero() {
		status.StartedAt = seconds(r.StartedAt)
	}
	count(status, o, r.Counts)
	speed(status, o, r, now)
	if p := r.Profile; p != nil {
		status.Profile = &v1alpha1.UsedProfile{Name: p.Name, UID: p.UID, SHA256: p.SHA256}
	}
	if len(r.Approvals) > 0 {
		status.Approvals = make([]v1alpha1.CountedApproval, len(r.Approvals))
		for i, a := range r.Approvals {
			status.Approvals[i] = v1alpha1.CountedApproval{UID: a.UID, Approver: a.Approver, At: metav1.NewTime(a.At), Digest: a.Digest}
		}
	}
	if r.Archive.Prefix != "" {
		status.Archive = &v1alpha1.ArchiveReference{Bucket: r.Archive.Bucket, Prefix: r.Archive.Prefix}
	}
}

// outcome corrects how a crawl stands by what doing something about it showed.
func outcome(job *v1alpha1.CrawlJob, s Standing, done Done) Standing {
	switch {
	case done.Unattended != nil:
		return unattended(job, done.Unattended)
	case done.Refusal != nil:
		return Standing{Mood: Refused, Reason: done.Refusal.Reason, Message: done.Refusal.Message}
	case done.Unreachable != nil && s.Mood != Stalls:
		return unreachable(done.Unreachable)
	case done.Steered != nil && (s.Mood != Stalls || s.Reason == workflows.ReasonLoginExpired):
		return follow(done.Steered)
	default:
		return s
	}
}

func reference(o Observation, done Done) *RunReference {
	switch {
	case done.Started != nil:
		return done.Started
	case o.Asked && o.Run.Known:
		return &o.Run.Reference
	case o.Run.Known && o.Job.Status.Run.WorkflowID == "":
		return &RunReference{WorkflowID: workflows.RunWorkflowID(string(o.Job.RunUID()))}
	default:
		return nil
	}
}

// conclude writes what only the end of a crawl tells.
func conclude(status *v1alpha1.CrawlJobStatus, o *v1alpha1.CrawlJobSpec, result *workflows.RunResult, now time.Time) {
	if status.FinishedAt == nil {
		at := now
		if !result.FinishedAt.IsZero() {
			at = result.FinishedAt
		}
		status.FinishedAt = seconds(at)
	}
	if status.Run.WorkflowID == "" {
		return // it never ran
	}
	if result.Reason != workflows.ReasonRunLost || result.Counts.Discovered > 0 { // those that were reported stay else
		count(status, o, result.Counts)
	}
	if result.Archive.Prefix != "" {
		status.Archive = &v1alpha1.ArchiveReference{
			Bucket: result.Archive.Bucket, Prefix: result.Archive.Prefix, Statement: result.Statement,
		}
	}
}

// conditions translates a standing into the six conditions.
func conditions(o Observation, s Standing, changed acceptance) []metav1.Condition {
	c := kube.NewConditions(o.Job.Status.Conditions, o.Job.Generation, o.Now)
	reason, message := string(s.Reason), s.Message

	accept(c, o, s, changed)
	switch {
	case s.Mood != Ended:
		c.Set(v1alpha1.ConditionSealed, metav1.ConditionFalse, reason, "The crawl is not over. What is archived so far is stored and complete.")
		c.Set(v1alpha1.ConditionSucceeded, metav1.ConditionUnknown, reason, message)
		c.Set(v1alpha1.ConditionFinished, metav1.ConditionFalse, reason, "The crawl is not over.")
	case s.Result.Statement != "":
		c.Set(v1alpha1.ConditionSealed, metav1.ConditionTrue, reason, "The closing statement is stored beside the snapshots.")
	default:
		c.Set(v1alpha1.ConditionSealed, metav1.ConditionFalse, reason, "There is no closing statement, because the crawl did not get as far as storing one.")
	}
	failed := false
	if s.Mood == Ended {
		verdict := metav1.ConditionFalse
		if s.Result.Verdict == workflows.VerdictSucceeded {
			verdict = metav1.ConditionTrue
		}
		failed = s.Result.Verdict == workflows.VerdictFailed
		c.Set(v1alpha1.ConditionSucceeded, verdict, reason, message)
		c.Set(v1alpha1.ConditionFinished, metav1.ConditionTrue, reason, "The crawl is over. Succeeded is its verdict.")
	}
	c.Set(v1alpha1.ConditionReconciling, truth(s.Mood == Moves || s.Mood == Waits), reason, moves(s))
	if failed || s.Mood == Stalls || s.Mood == Refused {
		c.Set(v1alpha1.ConditionStalled, metav1.ConditionTrue, reason, message)
	} else {
		c.Set(v1alpha1.ConditionStalled, metav1.ConditionFalse, reason, "Nothing keeps the crawl from what is asked of it.")
	}
	return c.List()
}

// accept states whether the order was taken. Once it was, that stays.
func accept(c *kube.Conditions, o Observation, s Standing, taken acceptance) {
	const kind = v1alpha1.ConditionAccepted
	began := o.Run.Known || o.Job.Status.Run.WorkflowID != ""
	switch {
	case meta.IsStatusConditionTrue(o.Job.Status.Conditions, kind):
		c.Set(kind, metav1.ConditionTrue, string(taken.reason), taken.message)
	case s.Mood == Waits || s.Mood == Refused:
		c.Set(kind, metav1.ConditionFalse, string(s.Reason), s.Message)
	case s.Mood == Ended && !began:
		c.Set(kind, metav1.ConditionFalse, string(s.Reason), s.Message)
	case s.Mood == Rests && !began:
		c.Set(kind, metav1.ConditionUnknown, string(s.Reason), "The order is looked at when the crawl is to start.")
	case s.Mood == Stalls && !began:
		c.Set(kind, metav1.ConditionUnknown, string(s.Reason), "The order was not looked at yet. "+s.Message)
	default:
		c.Set(kind, metav1.ConditionTrue, string(taken.reason), taken.message)
	}
}

// acceptance is what is said of an order that was taken.
type acceptance struct {
	reason  workflows.Reason
	message string
}

// accepted says whether all of an order was taken, also of what it was widened by since.
func accepted(o Observation, done Done, newest *workflows.Report) acceptance {
	was := meta.FindStatusCondition(o.Job.Status.Conditions, v1alpha1.ConditionAccepted)
	unheard := newest == nil && was != nil && was.Reason == string(workflows.ReasonInvalidSeeds)
	switch {
	case done.NotWidened != nil:
		return acceptance{done.NotWidened.Reason, sentences("The order was changed, but its crawl goes on as it was: " + done.NotWidened.Message)}
	case notWidened(o.Job) || unheard:
		return acceptance{workflows.Reason(was.Reason), was.Message}
	case newest != nil && newest.InvalidSeeds != "":
		return acceptance{workflows.ReasonInvalidSeeds, sentences(
			"The order was taken, but for what cannot be visited in spec.seeds.urls: "+newest.InvalidSeeds,
			"Add it to the end of the list as it should be: what is there cannot be changed")}
	}
	return acceptance{workflows.ReasonAccepted, fmt.Sprintf(
		"The order was taken. Its authorisation ends at %s.", stamp(o.Job.Spec.Authorization.NotAfter.Time))}
}

func moves(s Standing) string {
	switch s.Mood {
	case Moves:
		return "The crawl is under way."
	case Waits:
		return s.Message
	case Rests:
		return "The crawl rests, as it was asked to."
	case Ended:
		return "The crawl is over."
	default:
		return "The crawl does not move: see Stalled."
	}
}

func truth(b bool) metav1.ConditionStatus {
	if b {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}

// count copies the counters of a report.
func count(status *v1alpha1.CrawlJobStatus, o *v1alpha1.CrawlJobSpec, c workflows.Counts) {
	failed, skipped := total(c.Failed), total(c.Skipped)
	status.Counters = &v1alpha1.Counters{
		Discovered: new(c.Discovered),
		Queued:     new(c.Queued + c.Delayed),
		InProgress: new(c.Leased),
		Archived:   new(c.Archived),
		Incomplete: new(c.Incomplete),
		Failed:     new(failed),
		Skipped:    new(skipped),
		Bytes:      new(c.Bytes),
		Chunks:     new(c.Chunks),
	}
	if o.CompareWith.Name != "" {
		n := status.Counters
		n.Unchanged, n.Changed, n.New, n.NotCompared = new(c.Compared.Unchanged), new(c.Compared.Changed), new(c.Compared.New), new(c.Compared.NotCompared)
	}
	status.FailedByReason = byReason(c.Failed)
	status.SkippedByReason = byReason(c.Skipped)
	status.Progress = fmt.Sprintf("%d/%d", c.Archived+failed+skipped, c.Discovered)
}

func total(byReason map[workflows.Reason]int64) int64 {
	var sum int64
	for _, n := range byReason {
		sum += n
	}
	return sum
}

// byReason lists reasons with the most frequent first.
func byReason(counts map[workflows.Reason]int64) []v1alpha1.ReasonCount {
	var list []v1alpha1.ReasonCount
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		if counts[reason] > 0 {
			list = append(list, v1alpha1.ReasonCount{Reason: string(reason), Count: counts[reason]})
		}
	}
	slices.SortStableFunc(list, func(a, b v1alpha1.ReasonCount) int { return cmp.Compare(b.Count, a.Count) })
	return list[:min(len(list), maxReasons)]
}

// speed copies the speed of a report, and how long the crawl will take at it.
func speed(status *v1alpha1.CrawlJobStatus, o *v1alpha1.CrawlJobSpec, r *workflows.Report, now time.Time) {
	status.PagesPerMinute, status.SecondsLeft = nil, nil
	if r.PagesPerSecond <= 0 {
		return
	}
	status.PagesPerMinute = new(int32(min(math.Round(r.PagesPerSecond*60), math.MaxInt32)))
	left := float64(r.Counts.Leased+toVisit(order.Spec(o).Limits, r.Counts)) / r.PagesPerSecond
	if !r.EndsBy.IsZero() {
		if !r.At.IsZero() {
			now = r.At // so that the same report says the same later
		}
		left = min(left, max(0, r.EndsBy.Sub(now).Seconds()))
	}
	status.SecondsLeft = new(int64(math.Round(left)))
}

// toVisit is how many of the pages that wait will be visited: a limit may end the crawl before
// the last one.
func toVisit(l workflows.Limits, c workflows.Counts) int64 {
	waiting := c.Queued + c.Delayed
	if l.Pages > 0 {
		waiting = min(waiting, l.Pages-c.Archived-total(c.Failed)-c.Leased)
	}
	if l.Bytes > 0 && c.Bytes > 0 && c.Archived > 0 {
		perPage := float64(c.Bytes) / float64(c.Archived)
		waiting = int64(min(float64(waiting), float64(l.Bytes-c.Bytes)/perPage))
	}
	return max(0, waiting)
}

func seconds(t time.Time) *metav1.Time {
	s := metav1.NewTime(t.UTC().Truncate(time.Second))
	return &s
}

// announce returns the events that a new status is worth: one when the crawl
// arrives somewhere else, one when it stalls, one when it does not take all of a wider order.
func announce(job *v1alpha1.CrawlJob, now v1alpha1.CrawlJobStatus) []Event {
	all := announceRetained(job, now)
	if before, after := both(job, now, v1alpha1.ConditionAccepted); after != nil && partly(after) && (before == nil || before.Message != after.Message) {
		all = append(all, Event{Type: corev1.EventTypeWarning, Reason: after.Reason, Action: "Amend", Note: after.Message})
	}
	before, after := both(job, now, v1alpha1.ConditionSucceeded)
	if after == nil || (before != nil && before.Reason == after.Reason && before.Status == after.Status) {
		return all
	}
	kind, action := corev1.EventTypeNormal, "Crawl"
	if meta.IsStatusConditionTrue(now.Conditions, v1alpha1.ConditionStalled) {
		kind = corev1.EventTypeWarning
	}
	if meta.IsStatusConditionTrue(now.Conditions, v1alpha1.ConditionFinished) {
		action = "Finish"
	}
	return append(all, Event{Type: kind, Reason: after.Reason, Action: action, Note: goesOn(job, now) + after.Message})
}

// goesOn says what is over that kept a crawl from moving, empty when nothing did.
func goesOn(job *v1alpha1.CrawlJob, now v1alpha1.CrawlJobStatus) string {
	before, after := both(job, now, v1alpha1.ConditionStalled)
	if before == nil || after == nil || before.Status != metav1.ConditionTrue || after.Status == metav1.ConditionTrue {
		return ""
	}
	lasted := after.LastTransitionTime.Sub(before.LastTransitionTime.Time).Round(time.Second)
	return fmt.Sprintf("%s is over after %s. ", before.Reason, lasted)
}

// both returns a condition as it was, and as it is now.
func both(job *v1alpha1.CrawlJob, now v1alpha1.CrawlJobStatus, kind string) (before, after *metav1.Condition) {
	return meta.FindStatusCondition(job.Status.Conditions, kind), meta.FindStatusCondition(now.Conditions, kind)
}

// partly tells whether an order was taken, but not all of it.
func partly(c *metav1.Condition) bool {
	return c.Status == metav1.ConditionTrue && c.Reason != string(workflows.ReasonAccepted)
}
