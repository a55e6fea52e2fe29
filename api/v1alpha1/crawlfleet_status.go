package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The conditions of a CrawlFleet, beside Ready, which is True while the instance does all that its
// spec asks for, Reconciling and Stalled. docs/reference/crawlfleet.md says for each of their
// reasons what to do.
const (
	// ConditionTemporalReachable tells whether Temporal answers the operator.
	ConditionTemporalReachable = "TemporalReachable"

	// ConditionStoreReachable tells whether the store takes and gives what workers ask for, tried by
	// a pod as theirs.
	ConditionStoreReachable = "StoreReachable"
)

// CrawlFleetStatus is what the operator last learned about an instance.
//
// +kubebuilder:validation:MinProperties=1
type CrawlFleetStatus struct {
	// conditions are Ready, TemporalReachable, StoreReachable, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that status speaks about.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000000000000
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// readyBrowsers is how many pods with browsers are ready, in all pools.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReadyBrowsers *int32 `json:"readyBrowsers,omitempty"`

	// desiredBrowsers is how many of them there should be.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DesiredBrowsers *int32 `json:"desiredBrowsers,omitempty"`

	// pools are how the pools stand.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Pools []PoolStatus `json:"pools,omitempty"`

	// conductors are the versions of conductors that there are, the newest first.
	// +optional
	// +listType=map
	// +listMapKey=build
	// +kubebuilder:validation:MaxItems=64
	Conductors []ConductorStatus `json:"conductors,omitempty"`

	// storeProbe is the last time that the store was tried.
	// +optional
	StoreProbe StoreProbe `json:"storeProbe,omitempty,omitzero"`
}

// PoolStatus is how a pool stands.
type PoolStatus struct {
	// name is the pool's.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`

	// desired is how many pods there should be.
	// +required
	// +kubebuilder:validation:Minimum=0
	Desired *int32 `json:"desired,omitempty"`

	// replicas is how many pods there are.
	// +required
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// readyReplicas is how many of them are ready.
	// +required
	// +kubebuilder:validation:Minimum=0
	ReadyReplicas *int32 `json:"readyReplicas,omitempty"`

	// message says why there should be that many.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// ConductorStatus is how one version of the conductors stands.
type ConductorStatus struct {
	// build is the version.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Build string `json:"build,omitempty"`

	// state says what it is for.
	// +required
	State BuildState `json:"state,omitempty"`

	// replicas is how many pods there are of it.
	// +required
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// ready is how many of them are ready.
	// +required
	// +kubebuilder:validation:Minimum=0
	Ready *int32 `json:"ready,omitempty"`
}

// BuildState says what a version of conductors is for.
//
// +enum
// +kubebuilder:validation:Enum=Starting;Current;Draining;Drained
type BuildState string

// What a version of conductors is for.
const (
	// BuildStarting is one that is to become the current one once its pods are ready.
	BuildStarting BuildState = "Starting"
	// BuildCurrent is the one that crawls begin with.
	BuildCurrent BuildState = "Current"
	// BuildDraining is one that crawls still run with that began with it.
	BuildDraining BuildState = "Draining"
	// BuildDrained is one that no crawl runs with any more: its pods are removed.
	BuildDrained BuildState = "Drained"
)

// StoreProbe is a time that the store was tried.
type StoreProbe struct {
	// finishedAt is when the pod that tried it ended.
	// +required
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`

	// settings is a hash of all that the store was tried with.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Settings string `json:"settings,omitempty"`
}
