package v1alpha1

// Behaviors say what is done to a page once it has loaded. Each of them is bounded in
// time and number, and what it did is written into the page's record. None of them
// submits a form, follows a link, or accepts anything.
//
// +kubebuilder:validation:MinProperties=1
type Behaviors struct {
	// scroll goes down the page until nothing new comes.
	// +optional
	// +default="Enabled"
	Scroll Toggle `json:"scroll,omitempty"`

	// media plays video and audio, muted, so that it is fetched.
	// +optional
	// +default="Enabled"
	Media Toggle `json:"media,omitempty"`

	// expand opens what is folded up and clicks the buttons for more.
	// +optional
	// +default="Enabled"
	Expand Toggle `json:"expand,omitempty"`

	// consent closes dialogs about consent: it rejects, or else closes, and
	// leaves open what can only be accepted.
	// +optional
	// +default="Enabled"
	Consent Toggle `json:"consent,omitempty"`

	// scripts are behaviours for certain sites. On a page, the first one whose
	// hosts match is run, after all else.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +listMapKey=key
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Scripts []BehaviorScript `json:"scripts,omitempty"`
}

// BehaviorScript is a script for the pages of certain hosts. It lies in a ConfigMap in
// the namespace of the CrawlJob, which is read once, when the crawl starts.
type BehaviorScript struct {
	// name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of a ConfigMap: lower case letters, digits, dashes and dots"
	Name string `json:"name,omitempty"`

	// key of the entry in it: an expression for an async function in JavaScript,
	// of at most 64 KiB.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="must be a key of a ConfigMap: letters, digits, dashes, underscores and dots"
	Key string `json:"key,omitempty"`

	// hosts are the hosts whose pages the script is for: names such as
	// www.example.org, or *.example.org for that name and all below it.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Hosts []HostPattern `json:"hosts,omitempty"`
}

// HostPattern is the name of a host, or *. and a name for that and all below it.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:XValidation:rule="self.matches('^([*][.])?[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')",message="must be the name of a host in lower case, such as www.example.org, or *.example.org for that and all below it; no scheme, port or path"
type HostPattern string
