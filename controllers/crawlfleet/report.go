package crawlfleet

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/render"
	"crawlfleet.dev/crawlfleet/internal/kube"
	"crawlfleet.dev/crawlfleet/workflows"
)

// verdict is how a fleet stands as a whole.
type verdict struct {
	ready metav1.ConditionStatus
	// moving says that it becomes what it should be by itself, stalled that it does not.
	moving, stalled bool
	reason          workflows.Reason
	message         string
}

// report writes the status of a CrawlFleet. It is pure. refused is what the API server did not take.
func report(o *Observation, d *Decision, refused *Problem) v1alpha1.CrawlFleetStatus {
	status := v1alpha1.CrawlFleetStatus{ObservedGeneration: o.Fleet.Generation}
	c := kube.NewConditions(o.Fleet.Status.Conditions, o.Fleet.Generation, o.Now)
	v := judge(o, d, refused)
	c.Set(v1alpha1.ConditionReady, v.ready, string(v.reason), v.message)
	if p := o.Temporal; p != nil {
		c.Set(v1alpha1.ConditionTemporalReachable, metav1.ConditionFalse, string(p.Reason), p.Message)
	} else {
		c.Set(v1alpha1.ConditionTemporalReachable, metav1.ConditionTrue, string(ReasonAnswering), "Temporal answers, and knows the namespace.")
	}
	if render.Runs(&o.Fleet.Spec) && d.Trial.reason != "" {
		t := d.Trial
		if t.kept {
			c.Keep(v1alpha1.ConditionStoreReachable, string(t.reason), t.message)
		} else {
			c.Set(v1alpha1.ConditionStoreReachable, t.status, string(t.reason), t.message)
		}
		status.StoreProbe = t.probe
	} else {
		c.Set(v1alpha1.ConditionStoreReachable, metav1.ConditionUnknown, string(v.reason), "The operator has no pod try the store.")
	}
	c.Set(v1alpha1.ConditionReconciling, truth(v.moving), string(v.reason), v.message)
	c.Set(v1alpha1.ConditionStalled, truth(v.stalled), string(v.reason), v.message)
	status.Conditions = c.List()
	if render.Runs(&o.Fleet.Spec) {
		status.Pools, status.Conductors = poolsOf(o), conductorsOf(o)
		count(&status)
	}
	return status
}

func truth(yes bool) metav1.ConditionStatus {
	if yes {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}

// judge finds the first thing that keeps a fleet from doing what it is to do.
func judge(o *Observation, d *Decision, refused *Problem) verdict {
	stalled := func(reason workflows.Reason, message string) verdict {
		return verdict{metav1.ConditionFalse, false, true, reason, message}
	}
	runs := render.Runs(&o.Fleet.Spec)
	switch component := o.imageMissing(); {
	case refused != nil:
		return stalled(refused.Reason, refused.Message)
	case component != "":
		return stalled(ReasonImageMissing, fmt.Sprintf("Nobody has named the image of the %s. Give spec.images.%s, or the operator $CRAWLFLEET_IMAGE_%s.", component, component, strings.ToUpper(component)))
	}
	if missing := o.missing(); len(missing) > 0 {
		return stalled(workflows.ReasonSecretNotFound, fmt.Sprintf("Pods wait for Secrets that are not in namespace %q: %s. Create them, or correct the CrawlFleet.", o.Fleet.Namespace, strings.Join(missing, ", ")))
	}
	if o.Temporal != nil {
		return stalled(o.Temporal.Reason, o.Temporal.Message)
	}
	if !runs {
		return verdict{metav1.ConditionTrue, false, false, ReasonPolicyOnly, "Orders are judged by its policy. It names no store, so the operator runs no pods: somebody else runs the workers."}
	}
	if t := d.Trial; t.status == metav1.ConditionFalse {
		return stalled(t.reason, t.message)
	} else if t.kept && standing(o.Fleet, v1alpha1.ConditionStoreReachable) == metav1.ConditionFalse {
		before := conditionOf(o.Fleet, v1alpha1.ConditionStoreReachable)
		return stalled(workflows.Reason(before.Reason), before.Message)
	}
	return judgePods(o)
}

func conditionOf(fleet *v1alpha1.CrawlFleet, kind string) metav1.Condition {
	for _, c := range fleet.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return metav1.Condition{}
}

// part is one Deployment, and how many pods of it there have to be for the fleet to be ready.
type part struct {
	name         string
	needed, asks int32
	deployment   *appsv1.Deployment
}

// parts are all Deployments that the fleet asks for.
func parts(o *Observation) []part {
	conductors := int32(2)
	if c := o.Fleet.Spec.Conductors; c != nil && c.Replicas > 0 {
		conductors = c.Replicas
	}
	all := []part{{"conductors", 1, conductors, o.deployment(render.ConductorName(render.BuildOf(o.Worker)))}}
	if render.HasGateway(&o.Fleet.Spec) {
		all = append(all, part{"the gateway", 1, render.GatewayReplicas(&o.Fleet.Spec), o.deployment(render.GatewayName)})
	}
	for i := range o.Fleet.Spec.Pools {
		pool := &o.Fleet.Spec.Pools[i]
		have := o.deployment(render.PoolName(pool.Name))
		asks := o.Desired[pool.Name].Replicas
		least := int32(1)
		if pool.Scaling.External() {
			asks = 1
			if have != nil {
				asks = orOne(have.Spec.Replicas)
			}
		} else {
			least, _ = pool.Scaling.Bounds()
		}
		// What is scaled out is under way, not missing, also from none at all, unless it has had its time.
		if least == 0 && have != nil && stuck(have) {
			least = 1
		}
		all = append(all, part{fmt.Sprintf("pool %q", pool.Name), min(asks, least), asks, have})
	}
	if render.HasPortal(&o.Fleet.Spec) {
		n := orOne(o.Fleet.Spec.Portal.Replicas)
		all = append(all, part{"the portal", min(n, 1), n, o.deployment(render.PortalName)})
	}
	return all
}

// judgePods tells whether the pods are ready that there should be.
func judgePods(o *Observation) verdict {
	v := verdict{ready: metav1.ConditionTrue, reason: ReasonRunning}
	var short, under, ready []string
	for _, p := range parts(o) {
		has := int32(0)
		current := false
		if d := p.deployment; d != nil {
			has, current = d.Status.ReadyReplicas, d.Status.ObservedGeneration >= d.Generation
			v.stalled = v.stalled || stuck(d)
		}
		line := fmt.Sprintf("%s: %d of %d pods ready", p.name, has, p.asks)
		switch {
		case has < p.needed:
			short = append(short, line)
		case has < p.asks || !current || p.deployment.Status.UpdatedReplicas < p.asks:
			under = append(under, line)
		default:
			ready = append(ready, line)
		}
	}
	starting := slices.ContainsFunc(o.Builds, func(b Build) bool { return b.State == v1alpha1.BuildStarting })
	v.moving = len(short)+len(under) > 0 || starting
	switch {
	case len(short) > 0 && v.stalled:
		v.ready, v.moving, v.reason = metav1.ConditionFalse, false, ReasonPodsNotReady
		v.message = sentence(short) + " " + waitsOr(o, "They do not become ready: kubectl logs tells why.")
	case len(short) > 0:
		v.ready, v.reason = metav1.ConditionFalse, ReasonRollingOut
		v.message = strings.TrimSpace(sentence(short) + " " + o.Waits)
	case o.Unsettled != nil:
		v.stalled = false
		v.reason, v.message = ReasonVersionsUnknown, fmt.Sprintf("%s Which versions of the conductors crawls need is not known, so all stay: %v.", sentence(append(under, ready...)), o.Unsettled)
	default:
		v.stalled = v.stalled && !v.moving
		v.message = strings.TrimSpace(sentence(append(under, ready...)) + " " + o.Waits)
		if len(o.Fleet.Spec.Pools) == 0 {
			v.message += " It has no pools: somebody else runs the workers that visit pages, or none are visited."
		}
	}
	return v
}

func waitsOr(o *Observation, otherwise string) string {
	if o.Waits != "" {
		return o.Waits
	}
	return otherwise
}

func sentence(parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	s := strings.Join(parts, "; ") + "."
	return strings.ToUpper(s[:1]) + s[1:]
}

// stuck tells whether a Deployment has given up waiting for its pods.
func stuck(d *appsv1.Deployment) bool {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse {
			return true
		}
	}
	return false
}

// maxPoolMessage is how many characters the message of a pool may have.
const maxPoolMessage = 1024

// poolsOf are how the pools stand.
func poolsOf(o *Observation) []v1alpha1.PoolStatus {
	var all []v1alpha1.PoolStatus
	for i := range o.Fleet.Spec.Pools {
		pool := &o.Fleet.Spec.Pools[i]
		have := o.deployment(render.PoolName(pool.Name))
		desired := o.Desired[pool.Name]
		s := v1alpha1.PoolStatus{Name: pool.Name, Desired: &desired.Replicas, Replicas: new(int32), ReadyReplicas: new(int32), Message: kube.Clip(desired.Message, maxPoolMessage)}
		if pool.Scaling.External() {
			s.Message = "somebody else says how many"
			*s.Desired = 1
		}
		if have != nil {
			*s.Replicas, *s.ReadyReplicas = have.Status.Replicas, have.Status.ReadyReplicas
			if pool.Scaling.External() {
				*s.Desired = orOne(have.Spec.Replicas)
			}
		}
		all = append(all, s)
	}
	return all
}

// count sums pools up.
func count(s *v1alpha1.CrawlFleetStatus) {
	s.ReadyBrowsers, s.DesiredBrowsers = new(int32), new(int32)
	for _, p := range s.Pools {
		*s.ReadyBrowsers += *p.ReadyReplicas
		*s.DesiredBrowsers += *p.Desired
	}
}

// maxConductors is how many versions the status lists.
const maxConductors = 64

// conductorsOf are how the versions of the conductors stand: those that have to run, and those that
// are about to be removed.
func conductorsOf(o *Observation) []v1alpha1.ConductorStatus {
	var all []v1alpha1.ConductorStatus
	add := func(id string, state v1alpha1.BuildState) {
		s := v1alpha1.ConductorStatus{Build: id, State: state, Replicas: new(int32), Ready: new(int32)}
		if d := o.deployment(render.ConductorName(id)); d != nil {
			*s.Replicas, *s.Ready = d.Status.Replicas, d.Status.ReadyReplicas
		}
		if len(all) < maxConductors {
			all = append(all, s)
		}
	}
	for _, b := range o.Builds {
		add(b.ID, b.State)
	}
	for _, d := range o.conductors() {
		id := d.Labels[render.LabelBuild]
		if slices.ContainsFunc(o.Builds, func(b Build) bool { return b.ID == id }) {
			continue
		}
		state := v1alpha1.BuildDrained
		if o.Unsettled != nil {
			state = stateBefore(o.Fleet, id)
		}
		add(id, state)
	}
	return all
}

// stateBefore is what a version was for last.
func stateBefore(fleet *v1alpha1.CrawlFleet, id string) v1alpha1.BuildState {
	for _, c := range fleet.Status.Conductors {
		if c.Build == id {
			return c.State
		}
	}
	return v1alpha1.BuildStarting
}
