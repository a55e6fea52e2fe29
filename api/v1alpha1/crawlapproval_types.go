package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CrawlApproval is one person's approval of one CrawlJob. The API server vouches for who
// that was: it takes none in another's name. It cannot be changed; to delete it is to
// withdraw it. `crawlctl approve` makes one.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=crawlapprovals,scope=Namespaced,categories=crawling
// +kubebuilder:printcolumn:name="CrawlJob",type=string,JSONPath=`.spec.crawlJob.name`,description="The order that is approved"
// +kubebuilder:printcolumn:name="Approver",type=string,JSONPath=`.spec.approver`,description="Who approves it"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Comment",type=string,JSONPath=`.spec.comment`,priority=1
type CrawlApproval struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec says who approves what.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an approval cannot be changed, because it is part of the evidence: delete it to withdraw it, and create another one"
	Spec CrawlApprovalSpec `json:"spec,omitzero"`
}

// CrawlApprovalList is a list of CrawlApprovals.
//
// +kubebuilder:object:root=true
type CrawlApprovalList struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard list's metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the CrawlApprovals.
	Items []CrawlApproval `json:"items"`
}

// CrawlApprovalSpec says who approves what.
type CrawlApprovalSpec struct {
	// crawlJob is the order that is approved.
	// +required
	CrawlJob ApprovedJob `json:"crawlJob,omitzero"`

	// approver is the user name of the person who approves, as the API server knows it
	// (kubectl auth whoami). It must be that of whoever creates the approval.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Approver string `json:"approver,omitempty"`

	// comment is what the person has to say about it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Comment string `json:"comment,omitempty"`
}

// ApprovedJob names a CrawlJob in the namespace of the approval.
type ApprovedJob struct {
	// name of the CrawlJob.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of a CrawlJob: lower case letters, digits, dashes and dots"
	Name string `json:"name,omitempty"`

	// uid of the CrawlJob, so that no other order of that name is approved with it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	UID string `json:"uid,omitempty"`

	// digest is of what is approved: the order, but for its state, and what the ConfigMaps hold
	// that it names, as docs/authorisation.md says. When one of them is another when the crawl
	// is to begin, the approval does not count.
	// +required
	// +kubebuilder:validation:MinLength=71
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:XValidation:rule="self.matches('^sha256:[0-9a-f]{64}$')",message="must be the digest that crawlctl approve writes: sha256: and 64 hexadecimal digits in lower case"
	Digest string `json:"digest,omitempty"`
}

// CountedApproval is an approval that a crawl began with.
type CountedApproval struct {
	// uid of the CrawlApproval.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	UID string `json:"uid,omitempty"`

	// approver is who gave it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Approver string `json:"approver,omitempty"`

	// at is when, by the clock of the API server.
	// +required
	At metav1.Time `json:"at,omitempty,omitzero"` //nolint:kubeapilinter // a time cannot be empty but by being absent

	// digest is of what was approved, and begun. Crawls that began before approvals had one
	// have none.
	// +optional
	// +kubebuilder:validation:MinLength=71
	// +kubebuilder:validation:MaxLength=71
	Digest string `json:"digest,omitempty"`
}

// AnnotationOrderedBy names, on a CrawlJob or CrawlSchedule, who has created it, where that
// is not who requested it. The API server takes no other name than that of whoever creates
// it, and the operator copies it from a CrawlSchedule to its CrawlJobs.
const AnnotationOrderedBy = "crawlfleet.dev/ordered-by"
