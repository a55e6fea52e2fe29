// Package crawlschedule reconciles CrawlSchedule resources with Temporal Schedules, and
// creates CrawlJobs when those fire.
//
// One visit has the steps of package crawljob: observe reads the resource, its CrawlJobs and
// the Schedule in Temporal; decide is pure; do makes the Schedule as planned, asks for
// backfills, tells firings of CrawlJobs that are over and deletes those that history limits
// leave no room for; report is pure and writes the status.
//
// A Schedule that fires starts the workflow CrawlFiring on the operator's own task queue,
// whose activities are those of Firings. The workflow lasts as long as the CrawlJob, which is
// what Temporal's overlap policies need. It asks about the CrawlJob when a visit tells it to,
// and every five minutes besides, so that it ends whatever the operator has missed.
package crawlschedule

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	apply "crawlfleet.dev/crawlfleet/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/kube"
)

// visitTimeout bounds one visit.
const visitTimeout = time.Minute

// Schedules is what the reconciler needs of Temporal. Each method is safe to repeat.
type Schedules interface {
	// Look describes the Schedule of a CrawlSchedule. That there is none is no error.
	Look(ctx context.Context, uid types.UID) (Seen, error)
	// Put makes it as planned. Its error is a *Refused when that cannot be.
	Put(ctx context.Context, p Plan) error
	// Remove takes it away.
	Remove(ctx context.Context, uid types.UID) error
	// Backfill has it fire for a range. Its error is a *Refused when that has too many times.
	Backfill(ctx context.Context, uid types.UID, b v1alpha1.Backfill) error
	// Tell tells the firing for a time that its CrawlJob has changed.
	Tell(ctx context.Context, uid types.UID, at time.Time) error
}

// Health tells whether Temporal can be reached.
type Health interface {
	// Err returns why Temporal cannot be reached, nil when it can or when that is not known
	// yet.
	Err() error
}

// Reconciler brings CrawlSchedules and Temporal Schedules together. Its exported fields must
// be set.
type Reconciler struct {
	// Client reads CrawlSchedules and CrawlJobs from the cache and writes them.
	Client client.Client
	// Schedules is Temporal, Health tells whether it can be reached.
	Schedules Schedules
	Health    Health
	// Firings tells what firings came to.
	Firings *Firings
	// Events records events for people.
	Events events.EventRecorder
	// Now is the clock.
	Now func() time.Time

	mu   sync.Mutex
	told map[types.UID]bool // CrawlJobs whose firing knows that they are over
}

// +kubebuilder:rbac:groups=crawlfleet.dev,resources=crawlschedules,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=crawlfleet.dev,resources=crawlschedules/status,verbs=get;patch
// +kubebuilder:rbac:groups=crawlfleet.dev,resources=crawlschedules/finalizers,verbs=update
// +kubebuilder:rbac:groups=crawlfleet.dev,resources=crawljobs,verbs=get;list;watch;create;patch;delete;orderforothers;vouch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager registers the reconciler: it is called when a CrawlSchedule changes in
// spec or is deleted, when it fires, and when one of its CrawlJobs comes, ends or goes.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			return e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
		},
	})
	ended := predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok1 := e.ObjectOld.(*v1alpha1.CrawlJob)
			after, ok2 := e.ObjectNew.(*v1alpha1.CrawlJob)
			return ok1 && ok2 && finished(before) != finished(after)
		},
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("crawlschedule").
		For(&v1alpha1.CrawlSchedule{}, builder.WithPredicates(changed)).
		Owns(&v1alpha1.CrawlJob{}, builder.WithPredicates(ended)).
		WatchesRawSource(r.Firings.Source()).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4, ReconciliationTimeout: visitTimeout}).
		Complete(r)
}

// Reconcile visits one CrawlSchedule.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var s v1alpha1.CrawlSchedule
	if err := r.Client.Get(ctx, req.NamespacedName, &s); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("read CrawlSchedule: %w", err)
	}
	seen, err := r.observe(ctx, &s)
	if err != nil {
		return ctrl.Result{}, err
	}
	decision := decide(seen)
	done, err := r.do(ctx, seen, decision)
	if apierrors.IsConflict(err) { // somebody was faster, and what that changed is about to be seen
		return ctrl.Result{RequeueAfter: soon}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if !s.DeletionTimestamp.IsZero() {
		return ctrl.Result{RequeueAfter: requeue(decision, done)}, nil
	}
	status := report(seen, decision, done)
	if err := r.write(ctx, &s, status); err != nil {
		return ctrl.Result{}, err
	}
	r.announce(&s, status, done)
	return ctrl.Result{RequeueAfter: requeue(decision, done)}, nil
}

// observe reads what there is to know. Its error is the API server's.
func (r *Reconciler) observe(ctx context.Context, s *v1alpha1.CrawlSchedule) (Observation, error) {
	o := Observation{Now: r.Now(), Schedule: s, Told: map[types.UID]bool{}}
	var jobs v1alpha1.CrawlJobList
	if err := r.Client.List(ctx, &jobs, client.InNamespace(s.Namespace), client.MatchingLabels{v1alpha1.LabelSchedule: s.Name}); err != nil {
		return o, fmt.Errorf("list CrawlJobs: %w", err)
	}
	r.mu.Lock()
	for i := range jobs.Items {
		if job := &jobs.Items[i]; metav1.IsControlledBy(job, s) {
			o.Jobs = append(o.Jobs, jobOf(job))
			o.Told[job.UID] = r.told[job.UID]
		}
	}
	r.mu.Unlock()
	slices.SortFunc(o.Jobs, func(a, b Job) int {
		return cmp.Or(b.ScheduledFor.Compare(a.ScheduledFor), cmp.Compare(a.Name, b.Name))
	})
	if outcome, ok := r.Firings.Outcome(s.UID); ok {
		o.Outcome = &outcome
	}
	_, o.Zone = time.LoadLocation(s.Spec.TimeZone)
	if o.Unreachable = r.Health.Err(); o.Unreachable == nil {
		o.Seen, o.Unreachable = r.Schedules.Look(ctx, s.UID)
	}
	return o, nil
}

// jobOf is what is to be known of a CrawlJob.
func jobOf(job *v1alpha1.CrawlJob) Job {
	j := Job{Name: job.Name, UID: job.UID, Finished: finished(job), Leaving: !job.DeletionTimestamp.IsZero(), Succeeded: metav1.ConditionUnknown}
	at, err := time.Parse(time.RFC3339, job.Annotations[v1alpha1.AnnotationScheduledFor])
	if err != nil {
		at = job.CreationTimestamp.Time // somebody has changed it
	}
	j.ScheduledFor = at.UTC()
	if c := meta.FindStatusCondition(job.Status.Conditions, v1alpha1.ConditionSucceeded); c != nil {
		j.Succeeded, j.Reason = c.Status, c.Reason
	}
	j.Sealed = sealed(job)
	return j
}

// write applies the status, when it says something new.
func (r *Reconciler) write(ctx context.Context, s *v1alpha1.CrawlSchedule, status v1alpha1.CrawlScheduleStatus) error {
	return kube.ApplyStatus(ctx, r.Client, s.Status, status, func(a *apply.CrawlScheduleStatusApplyConfiguration) runtime.ApplyConfiguration {
		return apply.CrawlSchedule(s.Name, s.Namespace).WithUID(s.UID).WithStatus(a)
	})
}

// announce tells people what is new.
func (r *Reconciler) announce(s *v1alpha1.CrawlSchedule, status v1alpha1.CrawlScheduleStatus, done Done) {
	if c := changed(s, status); c != nil {
		kind := corev1.EventTypeNormal
		if c.Status != metav1.ConditionTrue {
			kind = corev1.EventTypeWarning
		}
		r.Events.Eventf(s, nil, kind, c.Reason, "Schedule", "%s", c.Message)
	}
	if b := done.Backfilled; b != nil {
		r.Events.Eventf(s, nil, corev1.EventTypeNormal, string(ReasonBackfilled), "Backfill",
			"Backfill %s: the times from %s to %s are crawled one after another.", b.Name, stamp(b.From.Time), stamp(b.To.Time))
	}
}
