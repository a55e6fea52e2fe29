// Package render turns the spec of a CrawlFleet into the objects that it asks for: ServiceAccounts,
// Deployments, Services, PodDisruptionBudgets, NetworkPolicies, the claim of the portal's volume, and
// the Job that tries the store.
//
// It is pure: the same [Input] gives the same [Objects], as apply configurations that name every
// field that the operator is to own and no other. The golden files in testdata are read as
// manifests.
//
// Pods run as no root, with a read-only root file system, without capabilities and without a right
// that the kernel would give for more, as the standard "restricted" of Pod Security asks; those with
// browsers only lack a seccomp profile unless the pool names one, because Chromium's sandbox needs
// user namespaces, which the runtime's default profile forbids. No pod but the portal's has a token
// of the cluster.
package render

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// The labels of what the operator makes.
const (
	LabelName      = "app.kubernetes.io/name"
	LabelInstance  = "app.kubernetes.io/instance"
	LabelComponent = "app.kubernetes.io/component"
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// LabelPool is on what belongs to a pool, LabelBuild on what belongs to a version of the
	// conductors.
	LabelPool  = "crawlfleet.dev/pool"
	LabelBuild = "crawlfleet.dev/build"
)

// The values of the labels.
const (
	Name      = "crawlfleet"
	ManagedBy = "crawlfleet-operator"
)

// The components of a fleet that have pods.
const (
	Conductor = "conductor"
	Browser   = "browser"
	Gateway   = "gateway"
	Portal    = "portal"
	Probe     = "store-probe"
)

// AnnotationSecrets has a hash of the Secrets that the pods of a template read only when they start:
// another one has them replaced.
const AnnotationSecrets = "crawlfleet.dev/secrets"

// Input is what objects are made of.
type Input struct {
	// Fleet is the CrawlFleet. Its spec has temporal and store.
	Fleet *v1alpha1.CrawlFleet
	// Worker and Portal are the images of pods.
	Worker, Portal string
	// Namespaces are those that orders are taken from, and so the jobs that the portal may see; all
	// without any.
	Namespaces []string
	// Build is the version of the conductors that the fleet asks for. With Versioned they are told.
	Build     string
	Versioned bool
	// Replicas says for each pool how many pods it has. A pool that is not in it has as many as
	// somebody else says.
	Replicas map[string]int32
	// Stamps tell for each Secret which one it is now: a word that changes when it does. One that
	// is not there has none.
	Stamps map[v1alpha1.SecretName]string
}

// Objects are apply configurations by what they are.
type Objects []Object

// Object is one object that there has to be.
type Object struct {
	// Kind and Name tell it apart in its namespace.
	Kind, Name string
	// Configuration is what is applied.
	Configuration runtime.ApplyConfiguration
}

// Has tells whether there is an object of that kind and name.
func (o Objects) Has(kind, name string) bool {
	return slices.ContainsFunc(o, func(have Object) bool { return have.Kind == kind && have.Name == name })
}

// Runs tells whether a fleet asks for pods.
func Runs(spec *v1alpha1.CrawlFleetSpec) bool {
	return spec.Temporal.Address != "" && spec.Store.Endpoint != ""
}

// HasGateway tells whether a fleet that asks for pods has some through which all visits go.
func HasGateway(spec *v1alpha1.CrawlFleetSpec) bool { return spec.Egress.Proxy == "" }

// HasPortal tells whether a fleet asks for a portal.
func HasPortal(spec *v1alpha1.CrawlFleetSpec) bool { return spec.Portal.ExternalURL != "" }

// Fleet renders all but the Job that tries the store, in the order in which it is applied: who may
// reach what first.
func Fleet(in Input) Objects {
	if !Runs(&in.Fleet.Spec) {
		return nil
	}
	r := renderer{in}
	objects := r.networkPolicies()
	if HasGateway(&in.Fleet.Spec) { // before those who need it
		objects = append(objects, r.gateway()...)
	}
	objects = append(objects, r.serviceAccount(Conductor), r.serviceAccount(Browser), r.conductors(), r.conductorBudget())
	for i := range in.Fleet.Spec.Pools {
		objects = append(objects, r.pool(&in.Fleet.Spec.Pools[i])...)
	}
	if HasPortal(&in.Fleet.Spec) {
		objects = append(objects, r.portal()...)
	}
	return objects
}

// renderer has what all functions need.
type renderer struct{ Input }

func (r *renderer) spec() *v1alpha1.CrawlFleetSpec { return &r.Fleet.Spec }

// meta is the metadata of an object of a component: whose it is and what it belongs to. The fleet's
// deletion has it collected.
func (r *renderer) meta(name, component string, more map[string]string) *metaapply.ObjectMetaApplyConfiguration {
	return metaapply.ObjectMeta().WithName(name).WithNamespace(r.Fleet.Namespace).
		WithLabels(r.labels(component)).WithLabels(more).
		WithOwnerReferences(metaapply.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("CrawlFleet").
			WithName(r.Fleet.Name).WithUID(r.Fleet.UID).WithController(true).WithBlockOwnerDeletion(true))
}

// labels are those of an object of a component; the empty component is the fleet as a whole.
func (r *renderer) labels(component string) map[string]string {
	labels := Selector(r.Fleet.Namespace, component)
	labels[LabelManagedBy] = ManagedBy
	return labels
}

// Selector are the labels by which the pods of a component are found.
func Selector(namespace, component string) map[string]string {
	labels := map[string]string{LabelName: Name, LabelInstance: namespace}
	if component != "" {
		labels[LabelComponent] = component
	}
	return labels
}

// Owned are the labels of all that the operator made for a fleet.
func Owned(namespace string) map[string]string {
	return map[string]string{LabelName: Name, LabelInstance: namespace, LabelManagedBy: ManagedBy}
}

// BuildOf names the version of the conductors by the image that they run.
func BuildOf(image string) string { return digest(image)[:12] }

// ConductorName is what the Deployment of a version of the conductors is called.
func ConductorName(build string) string { return "crawlfleet-conductor-" + build }

// PoolName is what the Deployment of a pool is called.
func PoolName(pool string) string { return "crawlfleet-browser-" + pool }

// What the objects of the gateway and of the portal are called.
const (
	GatewayName = "crawlfleet-gateway"
	PortalName  = "crawlfleet-portal"
)

// digest is the SHA-256 of words, in hex.
func digest(words ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return hex.EncodeToString(sum[:])
}
