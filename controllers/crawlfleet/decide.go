package crawlfleet

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/render"
)

// lookAgain is when a fleet is visited again at the latest: the operator may not watch Secrets, and
// asks Temporal by itself.
const lookAgain = time.Minute

// settleAgain is when one is whose crawls are going over to another build: nobody tells when Temporal
// has seen the new one ask for work, or the old one is drained.
const settleAgain = 10 * time.Second

// Decision is what to do about a fleet.
type Decision struct {
	// Apply is what there has to be.
	Apply render.Objects
	// Remove is what there has to be no more, but for what the trial of the store leaves.
	Remove []client.Object
	// Release are Deployments whose number of pods is somebody else's from now on.
	Release []*appsv1.Deployment
	// Trial is what is done about the store.
	Trial trial
	// Again is when to look again.
	Again time.Duration
}

// decide finds out what to do. It is pure.
func decide(o *Observation, versioned bool) Decision {
	d := Decision{Again: lookAgain}
	if !render.Runs(&o.Fleet.Spec) {
		d.Remove = slices.Concat(o.Owned, o.Probe.Others)
		return d
	}
	if o.imageMissing() != "" {
		return d // what runs goes on
	}
	in := o.input(versioned)
	d.Apply = render.Fleet(in)
	d.Trial = try(o)
	if d.Trial.start {
		d.Apply = append(d.Apply, render.StoreProbe(in))
	}
	d.Remove = o.unwanted(d.Apply)
	d.Again = min(d.Again, d.Trial.again)
	if len(o.Builds) > 1 || len(o.Builds) == 1 && o.Builds[0].State != v1alpha1.BuildCurrent {
		d.Again = min(d.Again, settleAgain)
	}
	for i := range o.Fleet.Spec.Pools {
		pool := &o.Fleet.Spec.Pools[i]
		if have := o.deployment(render.PoolName(pool.Name)); have != nil && pool.Scaling.External() && ownsReplicas(have) {
			d.Release = append(d.Release, have)
		}
		if again := o.Desired[pool.Name].Again; again > 0 {
			d.Again = min(d.Again, again)
		}
	}
	return d
}

// imageMissing is the component whose image nobody has named, empty when all are.
func (o *Observation) imageMissing() string {
	switch {
	case !render.Runs(&o.Fleet.Spec):
		return ""
	case o.Worker == "":
		return "worker"
	case o.Portal == "" && render.HasPortal(&o.Fleet.Spec):
		return "portal"
	}
	return ""
}

// unwanted is what was made for the fleet and is not asked for any more. Conductors stay while a
// crawl may need them.
func (o *Observation) unwanted(wanted render.Objects) []client.Object {
	var all []client.Object
	for _, object := range o.Owned {
		if !wanted.Has(kindOf(object), object.GetName()) && !o.needed(object) {
			all = append(all, object)
		}
	}
	return all
}

// needed tells whether an object is of a build of the conductors that has to run.
func (o *Observation) needed(object client.Object) bool {
	if _, ok := object.(*appsv1.Deployment); !ok || object.GetLabels()[render.LabelComponent] != render.Conductor {
		return false
	}
	return o.Unsettled != nil || slices.ContainsFunc(o.Builds, func(b Build) bool { return b.ID == object.GetLabels()[render.LabelBuild] })
}

// kindOf is the kind of an object that was read: lists do not tell it.
func kindOf(object client.Object) string {
	switch object.(type) {
	case *appsv1.Deployment:
		return "Deployment"
	case *corev1.Service:
		return "Service"
	case *corev1.ServiceAccount:
		return "ServiceAccount"
	case *corev1.PersistentVolumeClaim:
		return "PersistentVolumeClaim"
	case *networkingv1.NetworkPolicy:
		return "NetworkPolicy"
	case *policyv1.PodDisruptionBudget:
		return "PodDisruptionBudget"
	}
	return "Job"
}
