// Package crawljob reconciles CrawlJob resources: it hands each order to
// Temporal, passes on what spec.state asks for, and tells in status what came of
// it.
//
// One visit has four steps, each in a file of its own. Observe reads the
// resource, the newest report that its crawl has pushed, the ConfigMaps with
// seeds and, only after a start or a silence, Temporal itself. Decide is pure and
// says what is to be done and how the crawl stands. Do starts, steers and lets go.
// Report is pure again and writes the status, which is sent by one Server-Side
// Apply; events follow when that has succeeded.
//
// Progress comes by push: the crawl's workflow calls the activity ReportStatus,
// which Listener serves inside the operator and Reports keeps. Nothing is polled
// page by page, and Temporal's visibility store is never listed. When a crawl has
// been silent for a while, that one workflow is asked.
//
// Every step may be repeated: the workflow's id is derived from the UID of the
// resource, starting it twice is one start, and asking for a state that it is in
// changes nothing. So the operator may die at any moment.
package crawljob

import (
	"context"
	"fmt"
	"sync"
	"time"

	"filippo.io/age"
	"go.opentelemetry.io/otel/trace"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	apply "crawlfleet.dev/crawlfleet/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/kube"
	"crawlfleet.dev/crawlfleet/workflows"
)

// visitTimeout bounds one visit. Calls to Temporal have bounds of their own
// within it.
const visitTimeout = time.Minute

// Runs is what the reconciler needs of Temporal. Each method is safe to repeat.
type Runs interface {
	// Start starts the crawl of an order, or finds it started.
	Start(ctx context.Context, in workflows.RunInput) (RunReference, error)
	// Look asks for the state of one crawl. A crawl that there is not is a state,
	// not an error.
	Look(ctx context.Context, uid types.UID) (Run, error)
	// SetState asks a running crawl to be in a state and returns its answer.
	SetState(ctx context.Context, uid types.UID, state v1alpha1.State) (*workflows.Report, error)
	// End ends a running crawl for a reason other than a person's wish and returns its answer.
	End(ctx context.Context, uid types.UID, reason workflows.Reason) (*workflows.Report, error)
	// SetProfile gives a running crawl the state of a new log-in and returns its answer.
	SetProfile(ctx context.Context, uid types.UID, profile workflows.SealedProfile) (*workflows.Report, error)
	// Amend has a running crawl go by an order that was widened and returns its answer. The
	// error is a *Refusal when it will not take it, and ErrNotYet when it may later.
	Amend(ctx context.Context, uid types.UID, order workflows.Amend) (*workflows.Report, error)
	// Retain has the captures of a crawl looked after that could not see to it itself.
	Retain(ctx context.Context, in workflows.RetainInput) error
}

// Health tells whether Temporal can be reached.
type Health interface {
	// Err returns why Temporal cannot be reached, nil when it can or when that
	// is not known yet.
	Err() error
}

// Reconciler brings CrawlJobs and their crawls together. Its exported fields must be set.
type Reconciler struct {
	// Client reads CrawlJobs from the cache and writes them.
	Client client.Client
	// Reader reads past the cache: ConfigMaps and the Secrets of profiles, of which the operator may read
	// single ones and keeps none, and CrawlJobs before anything is done because one
	// is gone.
	Reader client.Reader
	// Recipients are whom stored browser state is encrypted to: the workers. Without any,
	// orders that name a profile are refused.
	Recipients []age.Recipient
	// FleetNamespace is where the CrawlFleet is whose policy orders are judged by.
	FleetNamespace string
	// Runs is Temporal.
	Runs Runs
	// Health tells whether Temporal can be reached.
	Health Health
	// Reports holds what crawls have pushed.
	Reports *Reports
	// Events records events for people.
	Events events.EventRecorder
	// Tracer makes the span that the trace of a crawl begins with; nil for none.
	Tracer trace.Tracer
	// Now is the clock.
	Now func() time.Time

	begin sync.Once
	began time.Time
}

//go:generate ../../bin/controller-gen rbac:roleName=crawlfleet-operator paths=../... output:rbac:dir=../../config/rbac

// +kubebuilder:rbac:groups=crawlfleet.dev,resources=crawljobs,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=crawlfleet.dev,resources=crawljobs/status,verbs=get;patch
// +kubebuilder:rbac:groups=crawlfleet.dev,resources=crawljobs/finalizers,verbs=update
// +kubebuilder:rbac:groups=crawlfleet.dev,resources=crawlapprovals,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager registers the reconciler: it is called when a CrawlJob changes
// in spec or metadata, when its crawl has reported, when it is approved, and when the policy
// of the fleet changes.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			return e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
		},
	})
	return ctrl.NewControllerManagedBy(mgr).
		Named("crawljob").
		For(&v1alpha1.CrawlJob{}, builder.WithPredicates(changed)).
		Watches(&v1alpha1.CrawlApproval{}, handler.EnqueueRequestsFromMapFunc(approved)).
		Watches(&v1alpha1.CrawlFleet{}, handler.EnqueueRequestsFromMapFunc(r.undecided)).
		WatchesRawSource(r.Reports.Source()).
		WithOptions(controller.Options{MaxConcurrentReconciles: 8, ReconciliationTimeout: visitTimeout}).
		Complete(r)
}

// Reconcile visits one CrawlJob.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var job v1alpha1.CrawlJob
	err := r.Client.Get(ctx, req.NamespacedName, &job)
	if apierrors.IsNotFound(err) {
		r.Reports.Retained(req.NamespacedName, "") // nobody wants to know any more
		return ctrl.Result{}, r.cancelOrphans(ctx, req.NamespacedName, "")
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("read CrawlJob: %w", err)
	}
	if err := r.cancelOrphans(ctx, req.NamespacedName, job.RunUID()); err != nil {
		return ctrl.Result{}, err
	}

	seen, err := r.observe(ctx, &job)
	if apierrors.IsConflict(err) { // the cache is late
		return ctrl.Result{RequeueAfter: soon}, nil
	}
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
	if decision.Release && done.Unattended == nil { // the resource is gone, and its status with it, or it is over
		if seen.Retained != nil && job.DeletionTimestamp.IsZero() {
			return ctrl.Result{RequeueAfter: soon}, nil
		}
		return ctrl.Result{}, nil
	}
	status := report(seen, decision, done)
	if err := r.write(ctx, &job, status); err != nil {
		return ctrl.Result{}, err
	}
	r.Reports.wrote(seen.Retained)
	for _, e := range announce(&job, status) {
		r.Events.Eventf(&job, nil, e.Type, e.Reason, e.Action, "%s", e.Note)
	}
	return ctrl.Result{RequeueAfter: requeue(decision, done)}, nil
}

// since is when the operator made its first visit.
func (r *Reconciler) since() time.Time {
	r.begin.Do(func() { r.began = r.Now() })
	return r.began
}

// write applies the status, when it says something new.
func (r *Reconciler) write(ctx context.Context, job *v1alpha1.CrawlJob, status v1alpha1.CrawlJobStatus) error {
	return kube.ApplyStatus(ctx, r.Client, job.Status, status, func(s *apply.CrawlJobStatusApplyConfiguration) runtime.ApplyConfiguration {
		return apply.CrawlJob(job.Name, job.Namespace).WithUID(job.UID).WithStatus(s)
	})
}

// cancelOrphans cancels crawls that still report although their CrawlJob is gone:
// it was let go before its crawl could be reached. What they captured is sealed and
// kept.
func (r *Reconciler) cancelOrphans(ctx context.Context, name types.NamespacedName, current types.UID) error {
	orphans := r.Reports.Others(name, current)
	if len(orphans) == 0 {
		return nil
	}
	var job v1alpha1.CrawlJob
	err := r.Reader.Get(ctx, name, &job)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("make sure that the CrawlJob is gone: %w", err)
	}
	for _, uid := range orphans {
		if err == nil && job.RunUID() == uid {
			continue // the cache was late
		}
		if _, err := r.Runs.SetState(ctx, uid, v1alpha1.StateCancelled); err != nil {
			return fmt.Errorf("cancel the crawl of a deleted CrawlJob: %w", err)
		}
		log.FromContext(ctx).Info("cancelled the crawl of a deleted CrawlJob", "uid", uid)
		r.Reports.Forget(uid)
	}
	return nil
}

// Event is something that people are told once.
type Event struct {
	// Type is Normal or Warning.
	Type string
	// Reason is a word of package workflows.
	Reason string
	// Action is what the operator did.
	Action string
	// Note is the sentence to read.
	Note string
}
