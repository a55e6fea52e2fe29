// Package browserprofile reconciles BrowserProfile resources: it reads the stored browser
// state that each names, and tells in status whether crawls can use it, when it ends, and
// whether a crawl has found its log-in to be over. It never tells what is in it.
//
// One visit observes (the resource, its Secret, the CrawlJobs that use it), decides and
// writes the report; the last two are pure. Secrets are neither watched nor listed: the
// operator gets single ones, in namespaces where somebody has granted it, and looks again
// every minute. A BrowserProfile whose annotations change is looked at at once, which is
// how crawlctl profile create tells of new state.
package browserprofile

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
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
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	apply "crawlfleet.dev/crawlfleet/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/kube"
	"crawlfleet.dev/crawlfleet/workflows"
)

// visitTimeout bounds one visit.
const visitTimeout = time.Minute

// Reconciler judges BrowserProfiles. Its fields must be set.
type Reconciler struct {
	// Client reads BrowserProfiles and CrawlJobs from the cache and writes status.
	Client client.Client
	// Reader reads past the cache: Secrets.
	Reader client.Reader
	// Events records events for people.
	Events events.EventRecorder
	// Now is the clock.
	Now func() time.Time
}

// +kubebuilder:rbac:groups=crawlfleet.dev,resources=browserprofiles,verbs=get;list;watch
// +kubebuilder:rbac:groups=crawlfleet.dev,resources=browserprofiles/status,verbs=get;patch
// +kubebuilder:rbac:groups=crawlfleet.dev,resources=crawljobs,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager registers the reconciler: it is called when a BrowserProfile changes in
// spec or annotations, and when a CrawlJob begins with one or finds its log-in over.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	used := predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok1 := e.ObjectOld.(*v1alpha1.CrawlJob)
			after, ok2 := e.ObjectNew.(*v1alpha1.CrawlJob)
			return ok1 && ok2 && !equality.Semantic.DeepEqual(useOf(before), useOf(after))
		},
		DeleteFunc: func(event.DeleteEvent) bool { return false },
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("browserprofile").
		For(&v1alpha1.BrowserProfile{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		Watches(&v1alpha1.CrawlJob{}, handler.EnqueueRequestsFromMapFunc(profileOf), builder.WithPredicates(used)).
		WithOptions(controller.Options{MaxConcurrentReconciles: 2, ReconciliationTimeout: visitTimeout}).
		Complete(r)
}

// profileOf is the BrowserProfile that a CrawlJob names.
func profileOf(_ context.Context, object client.Object) []reconcile.Request {
	job, ok := object.(*v1alpha1.CrawlJob)
	if !ok || job.Spec.Browser.Profile.Name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: job.Namespace, Name: job.Spec.Browser.Profile.Name}}}
}

// Reconcile visits one BrowserProfile.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var p v1alpha1.BrowserProfile
	if err := r.Client.Get(ctx, req.NamespacedName, &p); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("read BrowserProfile: %w", err)
	}
	seen, err := r.observe(ctx, &p)
	if err != nil {
		return ctrl.Result{}, err
	}
	decision := decide(seen)
	if err := r.write(ctx, &p, report(seen, decision)); err != nil {
		return ctrl.Result{}, err
	}
	if changed(&p, decision) {
		kind := corev1.EventTypeNormal
		if decision.Status != metav1.ConditionTrue {
			kind = corev1.EventTypeWarning
		}
		r.Events.Eventf(&p, nil, kind, string(decision.Reason), "Read", "%s", decision.Message)
	}
	return ctrl.Result{RequeueAfter: decision.Again}, nil
}

// observe reads what there is to know. Its error is the API server's.
func (r *Reconciler) observe(ctx context.Context, p *v1alpha1.BrowserProfile) (Observation, error) {
	o := Observation{Now: r.Now(), Profile: p}
	var jobs v1alpha1.CrawlJobList
	if err := r.Client.List(ctx, &jobs, client.InNamespace(p.Namespace)); err != nil {
		return o, fmt.Errorf("list CrawlJobs: %w", err)
	}
	for i := range jobs.Items {
		if u := useOf(&jobs.Items[i]); u != nil && jobs.Items[i].Spec.Browser.Profile.Name == p.Name {
			o.Uses = append(o.Uses, *u)
		}
	}
	state, err := Read(ctx, r.Reader, p)
	if errors.As(err, &o.Problem) {
		return o, nil
	}
	if err != nil {
		return o, err
	}
	o.SHA256, o.Summary, o.Hosts = state.SHA256, state.State.Summary(o.Now), state.Hosts
	return o, nil
}

// useOf is what a CrawlJob says of its profile, nil when it has begun with none.
func useOf(job *v1alpha1.CrawlJob) *Use {
	if job.Spec.Browser.Profile.Name == "" || job.Status.Profile == nil {
		return nil
	}
	u := &Use{CrawlJob: job.Name, StartedAt: job.Status.StartedAt, SHA256: job.Status.Profile.SHA256}
	stalled := meta.FindStatusCondition(job.Status.Conditions, v1alpha1.ConditionStalled)
	if stalled != nil && stalled.Status == metav1.ConditionTrue && stalled.Reason == string(workflows.ReasonLoginExpired) {
		u.Expired = &stalled.LastTransitionTime
	}
	return u
}

// write applies the status, when it says something new.
func (r *Reconciler) write(ctx context.Context, p *v1alpha1.BrowserProfile, status v1alpha1.BrowserProfileStatus) error {
	return kube.ApplyStatus(ctx, r.Client, p.Status, status, func(s *apply.BrowserProfileStatusApplyConfiguration) runtime.ApplyConfiguration {
		return apply.BrowserProfile(p.Name, p.Namespace).WithUID(p.UID).WithStatus(s)
	})
}
