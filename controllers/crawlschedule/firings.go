package crawlschedule

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/kube"
	"crawlfleet.dev/crawlfleet/workflows"
)

// maxPending is how many visits may wait to be queued before a firing has to wait.
const maxPending = 1024

// Outcome is what the last firing of a schedule came to.
type Outcome struct {
	// ScheduledFor is its time.
	ScheduledFor time.Time
	// Reason and Message say why no CrawlJob was created; empty when one was.
	Reason  workflows.Reason
	Message string
	// Failed is set when it is tried again: it is not passed over.
	Failed bool
}

// Firings serves the activities of CrawlFiring: it creates CrawlJobs and tells how they are.
// Make it with NewFirings, and set its fields. It is safe for concurrent use.
type Firings struct {
	// Client writes CrawlJobs.
	Client client.Client
	// Reader reads past the cache: what a firing is told ends it.
	Reader client.Reader
	// Schedules takes a Schedule out of Temporal whose CrawlSchedule is gone.
	Schedules Schedules
	// Events records events for people.
	Events events.EventRecorder
	// Now is the clock.
	Now func() time.Time

	visits   chan event.GenericEvent
	mu       sync.Mutex
	outcomes map[types.UID]Outcome
}

// NewFirings makes one that knows of no firing yet.
func NewFirings() *Firings {
	return &Firings{visits: make(chan event.GenericEvent, maxPending), outcomes: map[types.UID]Outcome{}}
}

// Register makes the workflow and its activities known to a worker.
func (f *Firings) Register(r worker.Registry) {
	workflows.RegisterFiring(r)
	r.RegisterActivityWithOptions(f.Fire, activity.RegisterOptions{Name: workflows.ActivityFireCrawlJob})
	r.RegisterActivityWithOptions(f.Follow, activity.RegisterOptions{Name: workflows.ActivityFollowCrawlJob})
}

// Source is what the controller watches to visit the schedules that have fired.
func (f *Firings) Source() source.TypedSource[reconcile.Request] {
	return source.Channel(f.visits, &handler.EnqueueRequestForObject{}, source.WithBufferSize[client.Object, reconcile.Request](maxPending))
}

// Outcome is what the last firing of a schedule came to, false when none is known of.
func (f *Firings) Outcome(uid types.UID) (Outcome, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, ok := f.outcomes[uid]
	return o, ok
}

// Forget drops what is known of a schedule.
func (f *Firings) Forget(uid types.UID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.outcomes, uid)
}

// tell keeps an outcome and has the schedule visited.
func (f *Firings) tell(ctx context.Context, s *v1alpha1.CrawlSchedule, o Outcome) error {
	f.mu.Lock()
	f.outcomes[s.UID] = o
	f.mu.Unlock()
	visit := &v1alpha1.CrawlSchedule{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name}}
	select {
	case f.visits <- event.GenericEvent{Object: visit}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Fire is the activity that creates the CrawlJob of a firing, unless there is a reason not
// to. It may be repeated: the name is made of the time.
func (f *Firings) Fire(ctx context.Context, in workflows.Firing) (workflows.FiringState, error) {
	s, err := f.schedule(ctx, in)
	if err != nil {
		return workflows.FiringState{}, err
	}
	if s == nil {
		if err := f.Schedules.Remove(ctx, types.UID(in.Schedule)); err != nil {
			return workflows.FiringState{}, err
		}
		return gone(), nil
	}
	job := newJob(s, in.ScheduledFor)
	var there v1alpha1.CrawlJob
	err = f.Reader.Get(ctx, client.ObjectKeyFromObject(job), &there)
	switch {
	case err == nil && isFor(&there, s, in.ScheduledFor):
		return standing(&there), f.tell(ctx, s, Outcome{ScheduledFor: in.ScheduledFor})
	case err == nil:
		return f.skip(ctx, s, in, ReasonNameTaken, fmt.Sprintf(
			"CrawlJob %q is there already, and was not created by this schedule for this time. Delete it, or give the schedule another name.", job.Name))
	case !apierrors.IsNotFound(err):
		return workflows.FiringState{}, fmt.Errorf("look for the CrawlJob: %w", err)
	}
	if reason, message := f.forbids(s); reason != "" {
		return f.skip(ctx, s, in, reason, message)
	}
	if err := f.compareWith(ctx, s, job); err != nil {
		return workflows.FiringState{}, err
	}
	err = f.Client.Create(ctx, job, kube.FieldOwner)
	if apierrors.IsInvalid(err) && !kube.Unjudged(err) {
		return f.skip(ctx, s, in, ReasonFiringFailed, fmt.Sprintf("The API server refuses the CrawlJob: %v. Change spec.jobTemplate.", err))
	}
	if err != nil {
		failed := Outcome{ScheduledFor: in.ScheduledFor, Reason: ReasonFiringFailed, Failed: true, Message: fmt.Sprintf(
			"The CrawlJob for %s cannot be created: %v. It is tried again until it can.", stamp(in.ScheduledFor), err)}
		if told := f.tell(ctx, s, failed); told != nil {
			return workflows.FiringState{}, told
		}
		return workflows.FiringState{}, fmt.Errorf("create CrawlJob %q: %w", job.Name, err)
	}
	f.Events.Eventf(s, job, corev1.EventTypeNormal, string(ReasonFired), "Create", "CrawlJob %s was created for %s.", job.Name, stamp(in.ScheduledFor))
	log.FromContext(ctx).Info("created a CrawlJob", "namespace", s.Namespace, "schedule", s.Name, "crawlJob", job.Name)
	return workflows.FiringState{Job: job.Name}, f.tell(ctx, s, Outcome{ScheduledFor: in.ScheduledFor})
}

// skip passes a time over and says why.
func (f *Firings) skip(ctx context.Context, s *v1alpha1.CrawlSchedule, in workflows.Firing, reason workflows.Reason, message string) (workflows.FiringState, error) {
	f.Events.Eventf(s, nil, corev1.EventTypeWarning, string(reason), "Skip", "No CrawlJob was created for %s. %s", stamp(in.ScheduledFor), message)
	o := Outcome{ScheduledFor: in.ScheduledFor, Reason: reason, Message: message}
	return workflows.FiringState{Over: true, Reason: reason, Message: message}, f.tell(ctx, s, o)
}

// forbids says why a schedule creates no CrawlJob now, empty when nothing speaks against it.
func (f *Firings) forbids(s *v1alpha1.CrawlSchedule) (workflows.Reason, string) {
	now, authorization := f.Now(), s.Spec.JobTemplate.Spec.Authorization
	switch {
	case s.Spec.State == v1alpha1.ScheduleSuspended:
		return workflows.ReasonSuspended, "The schedule is suspended. To crawl for this time nevertheless, set spec.state to Active and ask for a backfill."
	case !now.Before(authorization.NotAfter.Time):
		return workflows.ReasonAuthorizationExpired, expiredMessage(authorization)
	case authorization.NotBefore != nil && now.Before(authorization.NotBefore.Time):
		return workflows.ReasonAuthorizationNotYetValid, fmt.Sprintf("The authorisation begins at %s.", stamp(authorization.NotBefore.Time))
	default:
		return "", ""
	}
}

// Follow is the activity that tells how the CrawlJob of a firing is, and cancels it when the
// firing is cancelled.
func (f *Firings) Follow(ctx context.Context, in workflows.Firing) (workflows.FiringState, error) {
	s, err := f.schedule(ctx, in)
	if err != nil {
		return workflows.FiringState{}, err
	}
	if s == nil {
		return gone(), nil
	}
	var job v1alpha1.CrawlJob
	err = f.Reader.Get(ctx, types.NamespacedName{Namespace: in.Namespace, Name: jobName(in.Name, in.ScheduledFor)}, &job)
	switch {
	case apierrors.IsNotFound(err), err == nil && !isFor(&job, s, in.ScheduledFor):
		return workflows.FiringState{Over: true, Reason: ReasonJobDeleted, Message: "The CrawlJob was deleted. What it archived is kept."}, nil
	case err != nil:
		return workflows.FiringState{}, fmt.Errorf("read the CrawlJob: %w", err)
	}
	if in.Cancel && !finished(&job) && job.Spec.State != v1alpha1.StateCancelled {
		before := job.DeepCopy()
		job.Spec.State = v1alpha1.StateCancelled
		if err := f.Client.Patch(ctx, &job, client.MergeFrom(before), kube.FieldOwner); err != nil {
			return workflows.FiringState{}, fmt.Errorf("cancel CrawlJob %q: %w", job.Name, err)
		}
		f.Events.Eventf(s, &job, corev1.EventTypeNormal, string(workflows.ReasonCancelled), "Cancel", "CrawlJob %s is cancelled: the next time has come, or its firing was cancelled in Temporal.", job.Name)
	}
	return standing(&job), nil
}

// schedule reads the CrawlSchedule of a firing; nil when it is gone, or about to be.
func (f *Firings) schedule(ctx context.Context, in workflows.Firing) (*v1alpha1.CrawlSchedule, error) {
	var s v1alpha1.CrawlSchedule
	err := f.Reader.Get(ctx, types.NamespacedName{Namespace: in.Namespace, Name: in.Name}, &s)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read the CrawlSchedule: %w", err)
	}
	if err != nil || string(s.UID) != in.Schedule || !s.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	return &s, nil
}

func gone() workflows.FiringState {
	return workflows.FiringState{Over: true, Reason: ReasonScheduleDeleted, Message: "The CrawlSchedule was deleted."}
}

// newJob is the CrawlJob of a schedule for a time.
func newJob(s *v1alpha1.CrawlSchedule, at time.Time) *v1alpha1.CrawlJob {
	t := s.Spec.JobTemplate.DeepCopy()
	job := &v1alpha1.CrawlJob{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: jobName(s.Name, at),
			Labels: map[string]string{}, Annotations: map[string]string{},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(s, v1alpha1.GroupVersion.WithKind("CrawlSchedule"))},
		},
		Spec: t.Spec,
	}
	for k, v := range t.Metadata.Labels {
		job.Labels[k] = string(v)
	}
	for k, v := range t.Metadata.Annotations {
		job.Annotations[k] = string(v)
	}
	job.Labels[v1alpha1.LabelSchedule] = s.Name
	job.Annotations[v1alpha1.AnnotationScheduledFor] = stamp(at)
	delete(job.Annotations, v1alpha1.AnnotationOrderedBy) // the API server vouches for that of the schedule alone
	if who := s.Annotations[v1alpha1.AnnotationOrderedBy]; who != "" {
		job.Annotations[v1alpha1.AnnotationOrderedBy] = who
	}
	return job
}

// isFor tells whether a CrawlJob is that of a schedule for a time.
func isFor(job *v1alpha1.CrawlJob, s *v1alpha1.CrawlSchedule, at time.Time) bool {
	return metav1.IsControlledBy(job, s) && job.Annotations[v1alpha1.AnnotationScheduledFor] == stamp(at)
}

// standing tells how a CrawlJob is.
func standing(job *v1alpha1.CrawlJob) workflows.FiringState {
	state := workflows.FiringState{Job: job.Name, Over: finished(job)}
	if c := meta.FindStatusCondition(job.Status.Conditions, v1alpha1.ConditionSucceeded); c != nil && state.Over {
		state.Reason, state.Message = workflows.Reason(c.Reason), c.Message
	}
	return state
}

func finished(job *v1alpha1.CrawlJob) bool {
	return meta.IsStatusConditionTrue(job.Status.Conditions, v1alpha1.ConditionFinished)
}

func expiredMessage(a v1alpha1.Authorization) string {
	return fmt.Sprintf("The authorisation ended at %s, so nothing is crawled. Put one that is still valid into spec.jobTemplate.spec.authorization.", stamp(a.NotAfter.Time))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
