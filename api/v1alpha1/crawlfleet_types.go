package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FleetName is what the CrawlFleet is called that counts.
const FleetName = "crawlfleet"

// CrawlFleet is one agency's instance. The one that counts is called crawlfleet and is in
// the operator's namespace: the API server and the operator judge each order by its policy, and
// the operator makes the pods that it asks for. Without it no order is taken.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=crawlfleets,scope=Namespaced,categories=crawling
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether the instance does all that it is to do"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why, or why not"
// +kubebuilder:printcolumn:name="Temporal",type=string,JSONPath=`.status.conditions[?(@.type=="TemporalReachable")].status`,description="Whether Temporal answers the operator"
// +kubebuilder:printcolumn:name="Store",type=string,JSONPath=`.status.conditions[?(@.type=="StoreReachable")].status`,description="Whether the store takes and gives what workers ask for"
// +kubebuilder:printcolumn:name="Browsers",type=integer,JSONPath=`.status.readyBrowsers`,description="Pods with browsers that are ready"
// +kubebuilder:printcolumn:name="Wanted",type=integer,JSONPath=`.status.desiredBrowsers`,description="Pods with browsers that there should be"
// +kubebuilder:printcolumn:name="Approvals",type=integer,JSONPath=`.spec.policy.approvals`,description="How many other people have to approve an order"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Purposes",type=string,JSONPath=`.spec.policy.purposes`,description="What crawls may be ordered for",priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
type CrawlFleet struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec says by which rules the instance works, and of what it is made.
	// +required
	Spec CrawlFleetSpec `json:"spec,omitzero"`

	// status is what the operator last learned about the instance.
	// +optional
	Status CrawlFleetStatus `json:"status,omitempty,omitzero"`
}

// CrawlFleetList is a list of CrawlFleets.
//
// +kubebuilder:object:root=true
type CrawlFleetList struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard list's metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the CrawlFleets.
	Items []CrawlFleet `json:"items"`
}

// CrawlFleetSpec says by which rules an instance works, and of what it is made. With a policy alone
// it runs no pods: workers are run by somebody else then.
//
// +kubebuilder:validation:XValidation:rule="!has(self.conductors) || has(self.temporal) && has(self.store)",message="conductors need to know where Temporal and the store are: give temporal and store"
// +kubebuilder:validation:XValidation:rule="!has(self.pools) || has(self.temporal) && has(self.store)",message="pools need to know where Temporal and the store are: give temporal and store"
// +kubebuilder:validation:XValidation:rule="!has(self.portal) || has(self.temporal) && has(self.store)",message="the portal needs to know where Temporal and the store are: give temporal and store"
// +kubebuilder:validation:XValidation:rule="!has(self.store) || has(self.temporal)",message="what is stored is ordered through Temporal: give temporal, too"
type CrawlFleetSpec struct {
	// policy is what every order is judged by, and every look at what came of one.
	// +required
	Policy Policy `json:"policy,omitzero"`

	// temporal says where Temporal is. When it is not given, the operator asks the one of its
	// flags.
	// +optional
	Temporal FleetTemporal `json:"temporal,omitempty,omitzero"`

	// store says where the store is. Together with temporal it has the operator make pods.
	// +optional
	Store FleetStore `json:"store,omitempty,omitzero"`

	// signing says by what it can be shown that what is stored is what was captured. When it is
	// not given, nothing is signed and no custody log is kept.
	// +optional
	Signing FleetSigning `json:"signing,omitempty,omitzero"`

	// payloads says by what the histories are encrypted that Temporal keeps. When it is not
	// given, Temporal can read them.
	// +optional
	Payloads FleetPayloads `json:"payloads,omitempty,omitzero"`

	// profiles says by whose keys the state of BrowserProfiles travels. When it is not given,
	// orders that name one are refused.
	// +optional
	Profiles FleetProfiles `json:"profiles,omitempty,omitzero"`

	// egress says how pods get to the sites that they visit. When it is not given, they do through
	// the fleet's own gateway, which leads to public addresses alone.
	// +optional
	Egress FleetEgress `json:"egress,omitempty,omitzero"`

	// hashList is a list of known illegal images, which are dropped before anything of them is
	// written. When it is not given, pictures are compared with nothing.
	// +optional
	HashList FleetHashList `json:"hashList,omitempty,omitzero"`

	// traces says where traces of crawls are sent. When it is not given, none are made.
	// +optional
	Traces FleetTraces `json:"traces,omitempty,omitzero"`

	// images are what pods are run from.
	// +optional
	Images FleetImages `json:"images,omitempty,omitzero"`

	// conductors are the pods that run workflows and plan what is visited next. They have no
	// browser.
	// +optional
	Conductors *FleetConductors `json:"conductors,omitempty"`

	// pools are the pods that visit pages, in groups of the same make.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Pools []FleetPool `json:"pools,omitempty"`

	// portal is where analysts find and see what was captured. When it is not given, the operator
	// runs none.
	// +optional
	Portal FleetPortal `json:"portal,omitempty,omitzero"`
}
