package v1alpha1

// EarlierRun names a crawl whose pages those of another are compared with.
type EarlierRun struct {
	// name of the CrawlJob, in the same namespace. It must be sealed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of a CrawlJob: lower case letters, digits, dashes and dots"
	Name string `json:"name,omitempty"`

	// uid of the CrawlJob. With it the CrawlJob may have been deleted, as long as
	// its snapshots are where this order stores its own. CrawlSchedules give it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][A-Za-z0-9-]*$`
	UID string `json:"uid,omitempty"`
}
