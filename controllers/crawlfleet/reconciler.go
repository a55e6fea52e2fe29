// Package crawlfleet reconciles the CrawlFleet of an operator's own namespace: it makes the pods that
// the spec asks for and all that belongs to them, finds out whether Temporal and the store can be
// used, and tells in status how the instance stands.
//
// One visit observes, decides (pure; the objects come from package render), has the API server do
// what was decided by Server-Side Apply, removes what is not asked for any more, and writes the
// report (pure). How many pods a pool has is a [Scaler]'s matter, and which versions of conductors
// run is that of [Versions].
//
// The store is tried by a Job with the workers' image, credentials and network: the operator itself
// links no code for it, and need not reach it. Deleting a CrawlFleet removes what was made for it,
// and nothing that was stored.
package crawlfleet

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	apply "crawlfleet.dev/crawlfleet/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/render"
	"crawlfleet.dev/crawlfleet/internal/kube"
)

// visitTimeout bounds one visit.
const visitTimeout = 2 * time.Minute

// Reconciler makes what the CrawlFleet of a namespace asks for. Its fields must be set.
type Reconciler struct {
	// Client reads what was made from the cache, and writes.
	Client client.Client
	// Reader reads past the cache: the CrawlFleet, Jobs and pods as they are now, and whether
	// Secrets are there.
	Reader client.Reader
	// Namespace is that of the CrawlFleet that counts.
	Namespace string
	// Temporal finds out whether Temporal can be used.
	Temporal Prober
	// Wanted has the CrawlFleet visited when there is something for pools to do where there was
	// nothing.
	Wanted source.TypedSource[reconcile.Request]
	// Scaler says how many pods pools have, Versions which builds of the conductors run.
	Scaler   Scaler
	Versions Versions
	// Versioned has conductors told which build they are.
	Versioned bool
	// WorkerImage and PortalImage are those of pods, unless the CrawlFleet names others.
	WorkerImage, PortalImage string
	// Namespaces are those that orders are taken from, all without any.
	Namespaces []string
	// Events records events for people.
	Events events.EventRecorder
	// Now is the clock.
	Now func() time.Time
}

// What is only in the operator's own namespace is in a Role. The operator looks at Secrets by their
// names, for their metadata: it neither lists nor watches them. The finalizers are those of the owner
// of what it makes.
//
// +kubebuilder:rbac:namespace=crawlfleet-system,groups=crawlfleet.dev,resources=crawlfleets,verbs=get;list;watch
// +kubebuilder:rbac:namespace=crawlfleet-system,groups=crawlfleet.dev,resources=crawlfleets/status,verbs=get;patch
// +kubebuilder:rbac:namespace=crawlfleet-system,groups=crawlfleet.dev,resources=crawlfleets/finalizers,verbs=update
// +kubebuilder:rbac:namespace=crawlfleet-system,groups=apps,resources=deployments,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:namespace=crawlfleet-system,groups=batch,resources=jobs,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:namespace=crawlfleet-system,groups="",resources=services;serviceaccounts;persistentvolumeclaims,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:namespace=crawlfleet-system,groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:namespace=crawlfleet-system,groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:namespace=crawlfleet-system,groups="",resources=pods,verbs=get;list
// +kubebuilder:rbac:namespace=crawlfleet-system,groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager registers the reconciler: it is called when the CrawlFleet changes in spec, when
// something that it made changes, and when pools have something to do.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("crawlfleet").
		For(&v1alpha1.CrawlFleet{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&appsv1.Deployment{}).
		Owns(&batchv1.Job{}).
		Owns(&corev1.Service{}).
		Owns(&corev1.ServiceAccount{}).
		Owns(&corev1.PersistentVolumeClaim{}).
		Owns(&networkingv1.NetworkPolicy{}).
		Owns(&policyv1.PodDisruptionBudget{}).
		WatchesRawSource(r.Wanted).
		WithOptions(controller.Options{MaxConcurrentReconciles: 1, ReconciliationTimeout: visitTimeout}).
		Complete(r)
}

// Made are the kinds that the operator makes, all of them in its own namespace: no other need be
// watched for them.
func Made() []client.Object {
	return []client.Object{
		&appsv1.Deployment{}, &batchv1.Job{}, &corev1.Service{}, &corev1.ServiceAccount{}, &corev1.PersistentVolumeClaim{},
		&networkingv1.NetworkPolicy{}, &policyv1.PodDisruptionBudget{},
	}
}

// Reconcile visits one CrawlFleet. What was made for one that is deleted is collected by the cluster.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if req.Namespace != r.Namespace {
		return ctrl.Result{}, nil // another operator's
	}
	var fleet v1alpha1.CrawlFleet
	if err := r.Reader.Get(ctx, req.NamespacedName, &fleet); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("read CrawlFleet: %w", err)
	}
	if !fleet.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	if fleet.Name != v1alpha1.FleetName {
		return ctrl.Result{}, r.write(ctx, &fleet, notTheFleet(&fleet, r.Now()))
	}
	o, err := r.observe(ctx, &fleet)
	if err != nil {
		return ctrl.Result{}, err
	}
	r.settle(ctx, o)
	d := decide(o, r.Versioned)
	done, err := r.do(ctx, &d)
	if err != nil {
		return ctrl.Result{}, err
	}
	status := report(o, &d, done.Refused)
	if err := r.write(ctx, &fleet, status); err != nil {
		return ctrl.Result{}, err
	}
	r.tell(o, &done, &status)
	return ctrl.Result{RequeueAfter: d.Again}, nil
}

// notTheFleet is the status of a CrawlFleet that does not count.
func notTheFleet(fleet *v1alpha1.CrawlFleet, now time.Time) v1alpha1.CrawlFleetStatus {
	c := kube.NewConditions(fleet.Status.Conditions, fleet.Generation, now)
	message := fmt.Sprintf("The CrawlFleet that counts is called %s: nothing is judged by this one, and it has no pods. Delete it.", v1alpha1.FleetName)
	c.Set(v1alpha1.ConditionReady, metav1.ConditionFalse, string(ReasonNotTheFleet), message)
	c.Set(v1alpha1.ConditionReconciling, metav1.ConditionFalse, string(ReasonNotTheFleet), message)
	c.Set(v1alpha1.ConditionStalled, metav1.ConditionTrue, string(ReasonNotTheFleet), message)
	return v1alpha1.CrawlFleetStatus{Conditions: c.List(), ObservedGeneration: fleet.Generation}
}

// write applies the status, when it says something new.
func (r *Reconciler) write(ctx context.Context, fleet *v1alpha1.CrawlFleet, status v1alpha1.CrawlFleetStatus) error {
	return kube.ApplyStatus(ctx, r.Client, fleet.Status, status, func(s *apply.CrawlFleetStatusApplyConfiguration) runtime.ApplyConfiguration {
		return apply.CrawlFleet(fleet.Name, fleet.Namespace).WithUID(fleet.UID).WithStatus(s)
	})
}

// tell records what has changed, for people.
func (r *Reconciler) tell(o *Observation, done *Done, status *v1alpha1.CrawlFleetStatus) {
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionTemporalReachable, v1alpha1.ConditionStoreReachable} {
		before, now := conditionOf(o.Fleet, kind), conditionOf(&v1alpha1.CrawlFleet{Status: *status}, kind)
		if before.Status == now.Status && before.Reason == now.Reason {
			continue
		}
		severity := corev1.EventTypeNormal
		if now.Status == metav1.ConditionFalse && now.Reason != string(ReasonRollingOut) {
			severity = corev1.EventTypeWarning
		}
		r.Events.Eventf(o.Fleet, nil, severity, now.Reason, kind, "%s", now.Message)
	}
	for i := range o.Fleet.Spec.Pools {
		name := o.Fleet.Spec.Pools[i].Name
		have, desired := o.deployment(render.PoolName(name)), o.Desired[name]
		scaled := done.Applied.Has("Deployment", render.PoolName(name)) && !o.Fleet.Spec.Pools[i].Scaling.External()
		if have == nil || !scaled || orOne(have.Spec.Replicas) == desired.Replicas {
			continue
		}
		r.Events.Eventf(o.Fleet, have, corev1.EventTypeNormal, string(ReasonScaled), "Scale", "Pool %s goes from %d to %d pods: %s.", name, orOne(have.Spec.Replicas), desired.Replicas, desired.Message)
	}
	for _, object := range done.Removed {
		if kind := kindOf(object); kind != "Job" {
			r.Events.Eventf(o.Fleet, object, corev1.EventTypeNormal, string(ReasonRemoved), "Remove", "%s %s is not asked for any more.", kind, object.GetName())
		}
	}
}
