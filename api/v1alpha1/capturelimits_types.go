package v1alpha1

// CaptureLimits bound how much of a page is kept. What they cut off is marked in the
// records (WARC-Truncated: length) and in the page's own record, and the page counts
// as incomplete.
//
// +kubebuilder:validation:MinProperties=1
type CaptureLimits struct {
	// bodyMegabytes is how much of one request's or response's body is kept, in
	// units of 1,000,000 bytes.
	// +optional
	// +default=1000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4000
	BodyMegabytes int32 `json:"bodyMegabytes,omitempty"`

	// pageMegabytes is how much of all bodies of a page together is kept, in
	// units of 1,000,000 bytes. A page is stored in one piece, so the maximum is
	// what a store takes in one request.
	// +optional
	// +default=2000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4000
	PageMegabytes int32 `json:"pageMegabytes,omitempty"`
}

// BadCertificates says what becomes of pages and their parts whose server shows a
// certificate that does not verify: expired, of another host, of an unknown authority.
//
// +enum
// +kubebuilder:validation:Enum=Refuse;Record
type BadCertificates string

// What becomes of them.
const (
	// BadCertificatesRefuse takes nothing from such a server. What is wrong with
	// its certificate is recorded.
	BadCertificatesRefuse BadCertificates = "Refuse"
	// BadCertificatesRecord goes on, and records what is wrong beside what came.
	BadCertificatesRecord BadCertificates = "Record"
)
