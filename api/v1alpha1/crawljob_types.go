package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CrawlJob is one order to crawl: it starts when its authorisation is valid,
// renders the pages in its scope, archives each of them as a snapshot, and ends
// with a verdict and a closing statement. The order is part of the
// evidence: state may be changed, limits be raised and seeds added, nothing else.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=crawljobs,scope=Namespaced,shortName=crawl,categories=crawling
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Succeeded")].reason`,description="Where the crawl is, or its verdict"
// +kubebuilder:printcolumn:name="Progress",type=string,JSONPath=`.status.progress`,description="Pages with a final outcome, of pages discovered"
// +kubebuilder:printcolumn:name="Archived",type=integer,JSONPath=`.status.counters.archived`,description="Pages stored and confirmed by the store"
// +kubebuilder:printcolumn:name="Failed",type=integer,JSONPath=`.status.counters.failed`,description="Pages given up, see status.failedByReason"
// +kubebuilder:printcolumn:name="Changed",type=integer,JSONPath=`.status.counters.changed`,priority=1,description="Archived pages that are not as the crawl has them that spec.compareWith names"
// +kubebuilder:printcolumn:name="New",type=integer,JSONPath=`.status.counters.new`,priority=1,description="Archived pages that the crawl has not that spec.compareWith names"
// +kubebuilder:printcolumn:name="Stalled",type=string,JSONPath=`.status.conditions[?(@.type=="Stalled")].status`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Succeeded")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.conditions) || !oldSelf.status.conditions.exists(c, c.type == 'Finished' && c.status == 'True') || self.spec.limits == oldSelf.spec.limits && (has(self.spec.seeds.urls) ? self.spec.seeds.urls : []) == (has(oldSelf.spec.seeds.urls) ? oldSelf.spec.seeds.urls : [])",fieldPath=".spec",reason=FieldValueForbidden,message="limits and seeds.urls cannot be changed once the crawl is over, because its archive is sealed: create a new CrawlJob for the rest"
type CrawlJob struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec is the order. Afterwards spec.state may be changed, limits be raised, and
	// addresses added to the end of seeds.urls; nothing else.
	// +required
	// +kubebuilder:validation:XValidation:rule="!has(oldSelf.seeds.urls) || has(self.seeds.urls) && (self.seeds.urls.join(' ') + ' ').startsWith(oldSelf.seeds.urls.join(' ') + ' ')",fieldPath=".seeds.urls",reason=FieldValueForbidden,message="seeds cannot be taken away, replaced or reordered once the CrawlJob exists, because the order is part of the evidence: add to the end of the list, or create a new CrawlJob"
	// +kubebuilder:validation:XValidation:rule="(has(self.seeds.sitemaps) ? self.seeds.sitemaps : []) == (has(oldSelf.seeds.sitemaps) ? oldSelf.seeds.sitemaps : []) && (has(self.seeds.configMaps) ? self.seeds.configMaps : []) == (has(oldSelf.seeds.configMaps) ? oldSelf.seeds.configMaps : []) && self.seeds.robotsSitemaps == oldSelf.seeds.robotsSitemaps",fieldPath=".seeds",reason=FieldValueForbidden,message="sitemaps, configMaps and robotsSitemaps cannot be changed once the CrawlJob exists, because they are read once: add addresses to the end of seeds.urls, or create a new CrawlJob"
	// +kubebuilder:validation:XValidation:rule="self.scope == oldSelf.scope",fieldPath=".scope",reason=FieldValueForbidden,message="scope cannot be changed once the CrawlJob exists, because the order is part of the evidence: create a new CrawlJob; only spec.state may change, limits be raised and seeds.urls be added to"
	// +kubebuilder:validation:XValidation:rule="self.limits.pages >= oldSelf.limits.pages && self.limits.megabytes >= oldSelf.limits.megabytes && self.limits.durationSeconds >= oldSelf.limits.durationSeconds",fieldPath=".limits",reason=FieldValueForbidden,message="limits can only be raised once the CrawlJob exists; to end a crawl early set spec.state to Cancelled"
	// +kubebuilder:validation:XValidation:rule="has(self.limits.pagesPerHost) == has(oldSelf.limits.pagesPerHost) && (!has(self.limits.pagesPerHost) || self.limits.pagesPerHost == oldSelf.limits.pagesPerHost) && has(self.limits.pagesPerPattern) == has(oldSelf.limits.pagesPerPattern) && (!has(self.limits.pagesPerPattern) || self.limits.pagesPerPattern == oldSelf.limits.pagesPerPattern)",fieldPath=".limits",reason=FieldValueForbidden,message="pagesPerHost and pagesPerPattern cannot be changed once the CrawlJob exists, because what it left out is not found again: create a new CrawlJob"
	// +kubebuilder:validation:XValidation:rule="self.politeness == oldSelf.politeness",fieldPath=".politeness",reason=FieldValueForbidden,message="politeness cannot be changed once the CrawlJob exists, because the order is part of the evidence: create a new CrawlJob; only spec.state may change, limits be raised and seeds.urls be added to"
	// +kubebuilder:validation:XValidation:rule="self.browser == oldSelf.browser",fieldPath=".browser",reason=FieldValueForbidden,message="browser cannot be changed once the CrawlJob exists, because the order is part of the evidence: create a new CrawlJob; only spec.state may change, limits be raised and seeds.urls be added to"
	// +kubebuilder:validation:XValidation:rule="self.capture == oldSelf.capture",fieldPath=".capture",reason=FieldValueForbidden,message="capture cannot be changed once the CrawlJob exists, because the order is part of the evidence: create a new CrawlJob; only spec.state may change, limits be raised and seeds.urls be added to"
	// +kubebuilder:validation:XValidation:rule="has(self.storage) == has(oldSelf.storage) && (!has(self.storage) || self.storage == oldSelf.storage)",fieldPath=".storage",reason=FieldValueForbidden,message="storage cannot be changed once the CrawlJob exists, because the order is part of the evidence: create a new CrawlJob; only spec.state may change, limits be raised and seeds.urls be added to"
	// +kubebuilder:validation:XValidation:rule="self.authorization == oldSelf.authorization",fieldPath=".authorization",reason=FieldValueForbidden,message="authorization cannot be changed once the CrawlJob exists, because the order is part of the evidence: create a new CrawlJob with the new authorisation; only spec.state may change, limits be raised and seeds.urls be added to"
	// +kubebuilder:validation:XValidation:rule="self.priority == oldSelf.priority",fieldPath=".priority",reason=FieldValueForbidden,message="priority cannot be changed once the CrawlJob exists: create a new CrawlJob; only spec.state may change, limits be raised and seeds.urls be added to"
	// +kubebuilder:validation:XValidation:rule="has(self.shards) == has(oldSelf.shards) && (!has(self.shards) || self.shards == oldSelf.shards)",fieldPath=".shards",reason=FieldValueForbidden,message="shards cannot be changed once the CrawlJob exists, because its queue is stored in that many parts: create a new CrawlJob; only spec.state may change, limits be raised and seeds.urls be added to"
	// +kubebuilder:validation:XValidation:rule="has(self.compareWith) == has(oldSelf.compareWith) && (!has(self.compareWith) || self.compareWith == oldSelf.compareWith)",fieldPath=".compareWith",reason=FieldValueForbidden,message="compareWith cannot be changed once the CrawlJob exists, because the order is part of the evidence: create a new CrawlJob; only spec.state may change, limits be raised and seeds.urls be added to"
	// +kubebuilder:validation:XValidation:rule="self.retention == oldSelf.retention",fieldPath=".retention",reason=FieldValueForbidden,message="retention cannot be changed once the CrawlJob exists, because the order is part of the evidence: tie captures to a case to keep them longer (crawlctl retention keep), or create a new CrawlJob"
	// +kubebuilder:validation:XValidation:rule="oldSelf.state != 'Cancelled' || self.state == 'Cancelled'",fieldPath=".state",reason=FieldValueForbidden,message="a cancelled CrawlJob stays cancelled: its archive is sealed; create a new CrawlJob to crawl again (use Suspended for a pause)"
	Spec CrawlJobSpec `json:"spec,omitzero"`

	// status is what the operator last learned about the crawl.
	// +optional
	Status CrawlJobStatus `json:"status,omitempty,omitzero"`
}

// CrawlJobList is a list of CrawlJobs.
//
// +kubebuilder:object:root=true
type CrawlJobList struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard list's metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the CrawlJobs.
	Items []CrawlJob `json:"items"`
}

// CrawlJobSpec is an order to crawl. That it cannot be changed is a rule of
// CrawlJob, not of the type: the order that a CrawlSchedule gives again and again
// may be changed for the next time.
//
// +kubebuilder:validation:XValidation:rule="!has(self.seeds.robotsSitemaps) || self.seeds.robotsSitemaps != 'Enabled' || !(self.scope.type in ['Page', 'PageLinks'])",fieldPath=".seeds.robotsSitemaps",message="robotsSitemaps has no meaning with scope type Page or PageLinks, which take no page of a sitemap that is not a seed: leave it out, name the sitemaps in seeds.sitemaps, or choose Prefix, Host, Domain or Custom"
type CrawlJobSpec struct {
	// authorization says who ordered this crawl, for what purpose, on which
	// legal basis and until when. Without a valid one nothing is fetched, and it
	// is written into every capture.
	// +required
	Authorization Authorization `json:"authorization,omitzero"`

	// seeds are the pages to start from.
	// +required
	Seeds Seeds `json:"seeds,omitzero"` //nolint:kubeapilinter // a rule with a message that helps says that it may not be empty

	// scope says which of the pages that are linked from the seeds are
	// crawled too.
	// +optional
	// +default={"type":"Prefix"}
	Scope Scope `json:"scope,omitempty,omitzero"`

	// limits end the crawl, or leave single pages out, before everything in
	// scope was visited. What a limit left out is counted as skipped, with the
	// limit as the reason.
	// +optional
	// +default={"pages":10000,"megabytes":10000,"durationSeconds":86400}
	Limits Limits `json:"limits,omitempty,omitzero"`

	// politeness says how gently sites are visited. Whatever it says, one page
	// at a time is loaded from a site, and robots.txt and Retry-After are
	// obeyed.
	// +optional
	// +default={"delaySeconds":2}
	Politeness Politeness `json:"politeness,omitempty,omitzero"`

	// browser says how pages are rendered.
	// +optional
	// +default={"pageTimeoutSeconds":60}
	Browser Browser `json:"browser,omitempty,omitzero"`

	// capture says what is kept of a page beside the recorded traffic, which is
	// always kept, and within which limits.
	// +optional
	// +default={"screenshot":"FullPage","text":"Enabled"}
	Capture Capture `json:"capture,omitempty,omitzero"`

	// storage says where in the store the snapshots are put. When it is not
	// given, the workers' archive bucket is used.
	// +optional
	Storage *Storage `json:"storage,omitempty"`

	// priority orders jobs that wait for the same workers: 1 is served first,
	// 5 last.
	// +optional
	// +default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	Priority int32 `json:"priority,omitempty"`

	// shards is how many parts the crawl's queue is kept in, each a workflow of
	// its own. When it is not given, the limits and the number of hosts decide:
	// one part for each 100,000 pages, so that the ordinary crawl has one.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	Shards int32 `json:"shards,omitempty"`

	// compareWith names an earlier crawl of the same namespace that this one comes back
	// after: of each page it is told whether it is as it was. Every page is
	// captured whole all the same. A CrawlSchedule names its last crawl by itself.
	// +optional
	CompareWith EarlierRun `json:"compareWith,omitempty,omitzero"`

	// retention says how long what was captured is kept that no case needs.
	// +optional
	// +default={"screeningSeconds":259200}
	Retention Retention `json:"retention,omitempty,omitzero"`

	// state is what the crawl should be doing. Active crawls, Suspended stops
	// loading pages until it is Active again, Cancelled ends the crawl for good. What was captured is kept and
	// sealed in every case.
	// +optional
	// +default="Active"
	State State `json:"state,omitempty"`
}

// State is what a crawl should be doing.
//
// +enum
// +kubebuilder:validation:Enum=Active;Suspended;Cancelled
type State string

// The states that a crawl can be asked for.
const (
	// StateActive lets the crawl run.
	StateActive State = "Active"
	// StateSuspended stops it from loading pages, until it is Active again.
	StateSuspended State = "Suspended"
	// StateCancelled ends it for good and seals what was captured.
	StateCancelled State = "Cancelled"
)

// Authorization says who ordered a crawl, for what, on which basis and until
// when.
//
// +kubebuilder:validation:XValidation:rule="!has(self.notBefore) || self.notBefore < self.notAfter",fieldPath=".notAfter",message="notAfter must be later than notBefore"
type Authorization struct {
	// reference is the number of the case, court order or data protection
	// impact assessment under which this crawl is done.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.trim().size() > 0",message="reference must not be blank: give the number of the case or of the impact assessment"
	Reference string `json:"reference,omitempty"` //nolint:kubeapilinter // it names a case, not a resource

	// purpose is what the crawl is done for, as one word, such as
	// VictimIdentification.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9-]*$')",message="purpose must be one word of letters, digits and dashes that begins with a letter, such as VictimIdentification"
	Purpose string `json:"purpose,omitempty"`

	// basis is the legal basis, in words.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.trim().size() > 0",message="basis must not be blank: name the law, consent or order that this crawl rests on"
	Basis string `json:"basis,omitempty"`

	// requestedBy names the person or office that ordered the crawl.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.trim().size() > 0",message="requestedBy must not be blank: name the person or office that ordered this crawl"
	RequestedBy string `json:"requestedBy,omitempty"`

	// notBefore is when the authorisation begins. A crawl that is ordered
	// earlier waits for it. When it is not given, it begins at once. As in RFC
	// 3339, with capital letters: 2035-01-01T00:00:00Z.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	NotBefore *metav1.Time `json:"notBefore,omitempty"`

	// notAfter is when the authorisation ends. From then on no page is loaded,
	// and what was captured is sealed. As in RFC 3339, with capital letters:
	// 2035-12-31T23:59:59Z.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	NotAfter metav1.Time `json:"notAfter,omitempty,omitzero"` //nolint:kubeapilinter // a time cannot be empty but by being absent
}
