package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
)

// FleetImages are what pods are run from.
//
// +kubebuilder:validation:MinProperties=1
type FleetImages struct {
	// worker is that of conductors and browsers. When it is not given, it is the one that the
	// operator was installed with.
	// +optional
	Worker ImageName `json:"worker,omitempty"`

	// portal is that of the portal. When it is not given, it is the one that the operator was
	// installed with.
	// +optional
	Portal ImageName `json:"portal,omitempty"`

	// pullPolicy says when nodes fetch images.
	// +optional
	// +default="IfNotPresent"
	PullPolicy PullPolicy `json:"pullPolicy,omitempty"`

	// pullSecrets name Secrets by which nodes get into the registry.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	PullSecrets []SecretName `json:"pullSecrets,omitempty"`
}

// ImageName names an image, best by its digest.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=512
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-zA-Z0-9][a-zA-Z0-9._/:@-]*$')",message="must be the name of an image, such as registry.example/crawlfleet/worker@sha256:..."
type ImageName string

// PullPolicy says when nodes fetch an image.
//
// +enum
// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
type PullPolicy string

// When nodes fetch an image.
const (
	// PullAlways asks the registry each time that a pod starts.
	PullAlways PullPolicy = "Always"
	// PullIfNotPresent fetches an image that the node has not.
	PullIfNotPresent PullPolicy = "IfNotPresent"
	// PullNever fetches none: nodes have them.
	PullNever PullPolicy = "Never"
)

// PodPlacement says how much pods get, and on which nodes they run.
type PodPlacement struct {
	// resources are what each pod asks for and may use at most. When they are not given, they are
	// those of docs/reference/crawlfleet.md.
	// +optional
	Resources PodResources `json:"resources,omitempty,omitzero"`

	// nodeSelector are the labels of nodes that the pods may run on.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// tolerations are the taints of nodes that the pods may run on in spite of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Tolerations []Toleration `json:"tolerations,omitempty"` //nolint:kubeapilinter // an operator of Exists alone is a toleration, as in pods

	// priorityClassName is the PriorityClass of the pods.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of a PriorityClass: lower case letters, digits, dashes and dots"
	PriorityClassName string `json:"priorityClassName,omitempty"`
}

// PodResources are what a pod asks for and may use at most.
//
// +kubebuilder:validation:MinProperties=1
type PodResources struct {
	// requests are what a node must have to spare for the pod.
	// +optional
	Requests ResourceAmounts `json:"requests,omitempty,omitzero"`

	// limits are what the pod may use at most.
	// +optional
	Limits ResourceAmounts `json:"limits,omitempty,omitzero"`
}

// ResourceAmounts are amounts of what nodes have.
//
// +kubebuilder:validation:MinProperties=1
type ResourceAmounts struct {
	// cpu is how many processors.
	// +optional
	CPU *resource.Quantity `json:"cpu,omitempty"`

	// memory is how many bytes of memory.
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`

	// ephemeral-storage is how many bytes of the node's disk.
	// +optional
	EphemeralStorage *resource.Quantity `json:"ephemeral-storage,omitempty"` //nolint:kubeapilinter // pods have it by this name
}

// Toleration is a taint of nodes that pods run on in spite of it, as pods have it.
//
// +kubebuilder:validation:XValidation:rule="has(self.key) || self.operator == 'Exists'",message="without a key it is every taint, which operator: Exists says"
// +kubebuilder:validation:XValidation:rule="self.operator != 'Exists' || !has(self.value)",message="operator Exists takes every value: leave value out, or use Equal"
// +kubebuilder:validation:XValidation:rule="!has(self.tolerationSeconds) || has(self.effect) && self.effect == 'NoExecute'",message="tolerationSeconds is about the effect NoExecute"
type Toleration struct {
	// key is the taint's key, every one when it is not given.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	Key string `json:"key,omitempty"`

	// operator says whether the value counts.
	// +optional
	// +default="Equal"
	Operator TolerationOperator `json:"operator,omitempty"`

	// value is the taint's value.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Value string `json:"value,omitempty"`

	// effect is what the taint does, everything when it is not given.
	// +optional
	Effect TaintEffect `json:"effect,omitempty"`

	// tolerationSeconds is how long a pod stays on a node that got the taint, for good when it is
	// not given.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	TolerationSeconds *int32 `json:"tolerationSeconds,omitempty"`
}

// TolerationOperator says whether the value of a taint counts.
//
// +enum
// +kubebuilder:validation:Enum=Equal;Exists
type TolerationOperator string

// TaintEffect is what a taint does to pods.
//
// +enum
// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute
type TaintEffect string

// FleetConductors are the pods that run workflows and plan what is visited next.
//
// +kubebuilder:validation:MinProperties=1
type FleetConductors struct {
	// replicas is how many there are of a version.
	// +optional
	// +default=2
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	Replicas int32 `json:"replicas,omitempty"`

	// scratch is how much each may write to its node's disk.
	// +optional
	// +default="4Gi"
	Scratch *resource.Quantity `json:"scratch,omitempty"`

	PodPlacement `json:",inline"`
}

// FleetGateway are the pods through which workers get to the sites that they visit.
//
// +kubebuilder:validation:MinProperties=1
type FleetGateway struct {
	// replicas is how many there are.
	// +optional
	// +default=2
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	Replicas int32 `json:"replicas,omitempty"`

	// tunnels is how many connections to sites each may have at once.
	// +optional
	// +default=8192
	// +kubebuilder:validation:Minimum=16
	// +kubebuilder:validation:Maximum=1000000
	Tunnels int32 `json:"tunnels,omitempty"`

	PodPlacement `json:",inline"`
}

// FleetPool are pods of the same make that visit pages.
type FleetPool struct {
	// name tells the pool from others.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="must be one word of lower case letters, digits and dashes, such as browsers"
	Name string `json:"name,omitempty"`

	// scaling says how many pods there are. When it is not given, there is one.
	// +optional
	Scaling PoolScaling `json:"scaling,omitempty,omitzero"`

	// tabs is how many pages a pod loads at once.
	// +optional
	// +default=4
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	Tabs int32 `json:"tabs,omitempty"`

	// capacity says what kind of nodes the pods run on. On Spot nodes, which clouds take away at
	// short notice, pods tolerate the taints of such nodes, end in time, and are spread thin.
	// +optional
	// +default="OnDemand"
	Capacity NodeCapacity `json:"capacity,omitempty"`

	// seccompProfile is what the kernel lets the pods do. Chromium shuts itself in with user
	// namespaces, which the runtime's default profile forbids.
	// +optional
	SeccompProfile SeccompProfile `json:"seccompProfile,omitempty,omitzero"`

	// scratch is how much each pod may write to its node's disk.
	// +optional
	// +default="18Gi"
	Scratch *resource.Quantity `json:"scratch,omitempty"`

	// sharedMemory is how much memory the renderers of a pod share. It counts against the pod's
	// limit of memory.
	// +optional
	// +default="1Gi"
	SharedMemory *resource.Quantity `json:"sharedMemory,omitempty"`

	PodPlacement `json:",inline"`
}

// NodeCapacity says how nodes are paid for, which is how long they stay.
//
// +enum
// +kubebuilder:validation:Enum=OnDemand;Spot
type NodeCapacity string

// The kinds of nodes.
const (
	// CapacityOnDemand are nodes that stay.
	CapacityOnDemand NodeCapacity = "OnDemand"
	// CapacitySpot are nodes that are taken away at short notice.
	CapacitySpot NodeCapacity = "Spot"
)

// SeccompProfile is what the kernel lets pods with browsers do.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="(self.type == 'Localhost') == has(self.localhostProfile)",message="localhostProfile names the file of type Localhost, and of no other"
type SeccompProfile struct {
	// type says where the profile comes from. Unconfined is none, so that the browser's own sandbox
	// holds, which is the stronger of the two; the standard restricted of Pod Security forbids it.
	// +optional
	// +default="Unconfined"
	Type SeccompType `json:"type,omitempty"`

	// localhostProfile is the file on the nodes, below the kubelet's folder of profiles.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$')",message="must be a relative path, such as crawlfleet/chromium.json"
	LocalhostProfile string `json:"localhostProfile,omitempty"`
}

// SeccompType says where a seccomp profile comes from.
//
// +enum
// +kubebuilder:validation:Enum=Unconfined;Localhost
type SeccompType string

// Where a seccomp profile comes from.
const (
	// SeccompUnconfined is no profile.
	SeccompUnconfined SeccompType = "Unconfined"
	// SeccompLocalhost is a file on the nodes.
	SeccompLocalhost SeccompType = "Localhost"
)
