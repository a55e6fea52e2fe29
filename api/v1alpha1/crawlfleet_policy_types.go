package v1alpha1

// Policy is what every order of an instance is judged by, and every look at what came of one.
type Policy struct {
	// purposes are what crawls may be ordered for. An order for anything else is refused.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Purposes []Purpose `json:"purposes,omitempty"`

	// approvals is how many people have to approve an order before its crawl begins, each
	// with a CrawlApproval, and none of them who ordered it. With 0 none is needed.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=5
	Approvals *int32 `json:"approvals,omitempty"`

	// access says what people have to say before they see or take what was captured, in the
	// portal. When it is not given, nobody is asked.
	// +optional
	Access AccessPolicy `json:"access,omitempty,omitzero"`
}

// AccessPolicy says what people have to say before they see or take what was captured. It is
// written down in the custody log with what they do.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="self.case != 'Required' || self.purposeFor != 'Never'",fieldPath=".case",message="case is asked for together with the purpose: set purposeFor to Export, Copy or Look, or remove case"
type AccessPolicy struct {
	// purposeFor is from which deed on a person has to say what they look for, which is one of
	// the policy's purposes: Look is before a snapshot is seen, Copy before a file is downloaded,
	// Export before a case is handed over. Each includes the next.
	// +optional
	// +default="Never"
	PurposeFor Deed `json:"purposeFor,omitempty"`

	// case says whether the case has to be named, too, wherever a purpose is asked for.
	// +optional
	// +default="Optional"
	Case Need `json:"case,omitempty"`
}

// Deed is something that people do with what was captured.
//
// +enum
// +kubebuilder:validation:Enum=Never;Export;Copy;Look
type Deed string

// The deeds, from none to all of them.
const (
	// DeedNever is no deed at all.
	DeedNever Deed = "Never"
	// DeedExport is that a case is handed over.
	DeedExport Deed = "Export"
	// DeedCopy is that a file is downloaded.
	DeedCopy Deed = "Copy"
	// DeedLook is that a snapshot is seen.
	DeedLook Deed = "Look"
)

// Need says whether something has to be given.
//
// +enum
// +kubebuilder:validation:Enum=Optional;Required
type Need string

// Whether something has to be given.
const (
	// NeedOptional lets people leave it out.
	NeedOptional Need = "Optional"
	// NeedRequired refuses to go on without it.
	NeedRequired Need = "Required"
)

// Purpose is what a crawl is done for, as one word.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9-]*$')",message="purpose must be one word of letters, digits and dashes that begins with a letter, such as VictimIdentification"
type Purpose string
