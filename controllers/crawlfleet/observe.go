package crawlfleet

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/render"
)

// Observation is all that a decision rests on. It holds no content of a Secret.
type Observation struct {
	// Now is the time of the visit.
	Now time.Time
	// Fleet is the resource as the API server has it.
	Fleet *v1alpha1.CrawlFleet
	// Temporal says why Temporal cannot be used, nil when it can.
	Temporal *Problem
	// Worker and Portal are the images of pods, empty when nobody has named one.
	Worker, Portal string
	// Namespaces are those that orders are taken from.
	Namespaces []string
	// Stamps tell which Secret is there, and which one it is.
	Stamps map[v1alpha1.SecretName]string
	// Owned are the objects that were made for this fleet.
	Owned []client.Object
	// Desired says how many pods each pool should have that the operator scales.
	Desired map[string]Desired
	// Builds are those of the conductors that have to run; Unsettled is why that is not known.
	Builds    []Build
	Unsettled error
	// Probe is how the trial of the store stands.
	Probe Probe
	// Waits is why some pod does not become ready, empty when all are or nobody knows.
	Waits string
}

// Input is what the objects of the fleet are made of.
func (o *Observation) input(versioned bool) render.Input {
	in := render.Input{
		Fleet: o.Fleet, Worker: o.Worker, Portal: o.Portal, Build: render.BuildOf(o.Worker), Versioned: versioned,
		Replicas: map[string]int32{}, Stamps: o.Stamps, Namespaces: o.Namespaces,
	}
	for name, d := range o.Desired {
		in.Replicas[name] = d.Replicas
	}
	return in
}

// deployment is one that was made for the fleet, nil when there is none of that name.
func (o *Observation) deployment(name string) *appsv1.Deployment {
	for _, object := range o.Owned {
		if d, ok := object.(*appsv1.Deployment); ok && d.Name == name {
			return d
		}
	}
	return nil
}

// conductors are the Deployments of all builds.
func (o *Observation) conductors() []*appsv1.Deployment {
	var all []*appsv1.Deployment
	for _, object := range o.Owned {
		if d, ok := object.(*appsv1.Deployment); ok && d.Labels[render.LabelComponent] == render.Conductor {
			all = append(all, d)
		}
	}
	return all
}

// observe reads what there is to know. Its error is the API server's.
func (r *Reconciler) observe(ctx context.Context, fleet *v1alpha1.CrawlFleet) (*Observation, error) {
	o := &Observation{Now: r.Now(), Fleet: fleet, Temporal: r.Temporal.Probe(ctx), Desired: map[string]Desired{}}
	o.Worker, o.Portal, o.Namespaces = r.WorkerImage, r.PortalImage, r.Namespaces
	if image := fleet.Spec.Images.Worker; image != "" {
		o.Worker = string(image)
	}
	if image := fleet.Spec.Images.Portal; image != "" {
		o.Portal = string(image)
	}
	var err error
	if o.Owned, err = r.owned(ctx, fleet); err != nil {
		return nil, err
	}
	if o.Stamps, err = r.stamps(ctx, fleet); err != nil {
		return nil, err
	}
	if o.Probe, err = r.probe(ctx, o); err != nil {
		return nil, err
	}
	if !render.Runs(&fleet.Spec) {
		return o, nil
	}
	if err := r.scale(ctx, o); err != nil {
		return nil, err
	}
	if o.Waits, err = r.waits(ctx, o); err != nil {
		return nil, err
	}
	return o, nil
}

// kinds are lists of all kinds that the operator makes for a fleet, but Jobs.
func kinds() []client.ObjectList {
	return []client.ObjectList{
		&appsv1.DeploymentList{}, &corev1.ServiceList{}, &corev1.ServiceAccountList{}, &corev1.PersistentVolumeClaimList{},
		&networkingv1.NetworkPolicyList{}, &policyv1.PodDisruptionBudgetList{},
	}
}

// owned lists what was made for a fleet: it has its labels, and the fleet for its owner.
func (r *Reconciler) owned(ctx context.Context, fleet *v1alpha1.CrawlFleet) ([]client.Object, error) {
	var all []client.Object
	for _, list := range kinds() {
		if err := r.Client.List(ctx, list, client.InNamespace(fleet.Namespace), client.MatchingLabels(render.Owned(fleet.Namespace))); err != nil {
			return nil, fmt.Errorf("list %T: %w", list, err)
		}
		objects, err := meta.ExtractList(list)
		if err != nil {
			return nil, fmt.Errorf("list %T: %w", list, err)
		}
		for _, o := range objects {
			if object, ok := o.(client.Object); ok && metav1.IsControlledBy(object, fleet) {
				all = append(all, object)
			}
		}
	}
	return all, nil
}

// stamps look whether the Secrets are there that pods need, and which ones they are, without asking
// for what is in them.
func (r *Reconciler) stamps(ctx context.Context, fleet *v1alpha1.CrawlFleet) (map[v1alpha1.SecretName]string, error) {
	stamps := map[v1alpha1.SecretName]string{}
	for _, name := range render.Secrets(&fleet.Spec) {
		var secret metav1.PartialObjectMetadata
		secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		err := r.Reader.Get(ctx, types.NamespacedName{Namespace: fleet.Namespace, Name: string(name)}, &secret)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for Secret %q: %w", name, err)
		}
		stamps[name] = string(secret.UID) + "/" + secret.ResourceVersion
	}
	return stamps, nil
}

// scale asks how many pods each pool should have.
func (r *Reconciler) scale(ctx context.Context, o *Observation) error {
	if len(o.Fleet.Spec.Pools) == 0 {
		return nil
	}
	var pools []PoolSize
	for i := range o.Fleet.Spec.Pools {
		p := PoolSize{Pool: &o.Fleet.Spec.Pools[i]}
		if d := o.deployment(render.PoolName(p.Pool.Name)); d != nil {
			p.Replicas, p.Ready = orOne(d.Spec.Replicas), d.Status.ReadyReplicas
		}
		pools = append(pools, p)
	}
	desired, err := r.Scaler.Desired(ctx, pools)
	if err != nil {
		return fmt.Errorf("scale the pools: %w", err)
	}
	for _, p := range pools {
		if p.Pool.Scaling.External() {
			continue
		}
		d, told := desired[p.Pool.Name]
		if !told {
			return fmt.Errorf("scale the pools: nothing is said about pool %q", p.Pool.Name)
		}
		o.Desired[p.Pool.Name] = d
	}
	return nil
}

// settle has crawls go over to the build that the fleet asks for.
func (r *Reconciler) settle(ctx context.Context, o *Observation) {
	if !render.Runs(&o.Fleet.Spec) || o.Worker == "" {
		return
	}
	var deployed []Deployed
	for _, d := range o.conductors() {
		deployed = append(deployed, Deployed{Build: d.Labels[render.LabelBuild], Ready: available(d)})
	}
	o.Builds, o.Unsettled = r.Versions.Settle(ctx, render.BuildOf(o.Worker), deployed)
}

// maxPods bounds how many pods are looked at to find out why one is not ready.
const maxPods = 200

// waits finds out why pods do not become ready, where some do not.
func (r *Reconciler) waits(ctx context.Context, o *Observation) (string, error) {
	waiting := false
	for _, object := range o.Owned {
		if d, ok := object.(*appsv1.Deployment); ok && d.Status.ReadyReplicas < orOne(d.Spec.Replicas) {
			waiting = true
		}
	}
	if !waiting {
		return "", nil
	}
	var pods corev1.PodList
	if err := r.Reader.List(ctx, &pods, client.InNamespace(o.Fleet.Namespace), client.MatchingLabels(render.Owned(o.Fleet.Namespace)), client.Limit(maxPods)); err != nil {
		return "", fmt.Errorf("list pods: %w", err)
	}
	for i := range pods.Items {
		if pods.Items[i].Labels[render.LabelComponent] == render.Probe {
			continue
		}
		if why := podWaits(&pods.Items[i]); why != "" {
			return fmt.Sprintf("Pod %s: %s.", pods.Items[i].Name, why), nil
		}
	}
	return "", nil
}

// podWaits is why a pod does not run, empty when it does or when it has just begun.
func podWaits(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason + ": " + c.Message
		}
	}
	for _, c := range pod.Status.ContainerStatuses {
		switch {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "ContainerCreating" && c.State.Waiting.Reason != "PodInitializing":
			why := c.State.Waiting.Reason
			if c.State.Waiting.Message != "" {
				why += ": " + c.State.Waiting.Message
			}
			return why
		case c.State.Terminated != nil && c.State.Terminated.ExitCode != 0:
			return fmt.Sprintf("its container ended with %d (%s)", c.State.Terminated.ExitCode, c.State.Terminated.Reason)
		}
	}
	return ""
}

// available tells whether pods of a Deployment work as it asks for now.
func available(d *appsv1.Deployment) bool {
	return d.Status.ObservedGeneration >= d.Generation && d.Status.ReadyReplicas > 0 && d.Status.UpdatedReplicas > 0
}

// orOne is a number of replicas, which is 1 by default.
func orOne(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}
