package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BrowserProfile is browser state (cookies and web storage) that a person's
// log-in left behind, kept in a Secret. A CrawlJob that names it visits the
// profile's hosts with that state: it reads what a member reads. The state is
// used read-only: what a crawl changes never flows back, and no crawl logs in by
// itself. `crawlctl profile create` makes one.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=browserprofiles,scope=Namespaced,categories=crawling
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether crawls can use it"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why, or why not"
// +kubebuilder:printcolumn:name="Cookies",type=integer,JSONPath=`.status.state.cookies`,description="Cookies of its hosts"
// +kubebuilder:printcolumn:name="Expires",type=date,JSONPath=`.status.state.earliestExpiry`,priority=1
// +kubebuilder:printcolumn:name="Used",type=date,JSONPath=`.status.lastUsed`,description="When a crawl last began with it"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
type BrowserProfile struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec says where the state is and what it is for.
	// +required
	Spec BrowserProfileSpec `json:"spec,omitzero"`

	// status is what the operator last learned about the state. It holds no value
	// of it.
	// +optional
	Status BrowserProfileStatus `json:"status,omitempty,omitzero"`
}

// BrowserProfileList is a list of BrowserProfiles.
//
// +kubebuilder:object:root=true
type BrowserProfileList struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard list's metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the BrowserProfiles.
	Items []BrowserProfile `json:"items"`
}

// BrowserProfileSpec says where stored browser state is and what it is for.
type BrowserProfileSpec struct {
	// secretRef names the Secret that holds the state.
	// +required
	SecretRef ProfileSecret `json:"secretRef,omitzero"`

	// hosts are the hosts that the state is for, each with its subdomains. Pages
	// of other hosts are visited without it, and what of the state is for other
	// hosts is left out. When it is not given, they are those that the state itself
	// names.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Hosts []HostName `json:"hosts,omitempty"`

	// loginCheck says by what one sees that a page is shown to a visitor who is not
	// logged in. When it is not given, nobody notices that the log-in has expired.
	// +optional
	LoginCheck *LoginCheck `json:"loginCheck,omitempty"`
}

// ProfileSecret names the Secret that holds stored browser state, under the key
// state.json.
type ProfileSecret struct {
	// name of a Secret in the namespace of the BrowserProfile.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of a Secret: lower case letters, digits, dashes and dots"
	Name string `json:"name,omitempty"`
}

// HostName is a host, without scheme, port and path.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?([.][a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$')",message="must be a host in lower case such as members.example.org, without https://, port and path; names with other letters in their xn-- form; it stands for its subdomains too"
type HostName string

// LoginCheck tells pages that are shown to a visitor who is logged in from others.
//
// +kubebuilder:validation:XValidation:rule="has(self.loggedOut) || has(self.loggedIn)",message="give loggedOut (what the log-in page looks like) or loggedIn (what every page of a member shows), or leave loginCheck out"
type LoginCheck struct {
	// loggedOut is what shows that the log-in is over; one of its signs is enough.
	// +optional
	LoggedOut *LoggedOut `json:"loggedOut,omitempty"`

	// loggedIn is what every page shows as long as the log-in holds; one of its
	// signs is enough. Files, error pages and pages of other hosts need not show it.
	// +optional
	LoggedIn *LoggedIn `json:"loggedIn,omitempty"`
}

// LoggedOut are signs that the log-in is over.
//
// +kubebuilder:validation:XValidation:rule="has(self.urlPattern) || has(self.selector) || has(self.text)",message="loggedOut must have a urlPattern, a selector or a text"
type LoggedOut struct {
	// urlPattern matches the address of the log-in page, to which visitors are led
	// that are not logged in. A page whose own address matches is never judged.
	// +optional
	URLPattern Pattern `json:"urlPattern,omitempty"`

	// selector is a CSS selector of an element, such as form#login.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Selector string `json:"selector,omitempty"`

	// text is something that the page shows, in upper and lower case as it stands there.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Text string `json:"text,omitempty"`
}

// LoggedIn are signs that the log-in holds.
//
// +kubebuilder:validation:XValidation:rule="has(self.selector) || has(self.text)",message="loggedIn must have a selector or a text"
type LoggedIn struct {
	// selector is a CSS selector of an element, such as a.logout.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Selector string `json:"selector,omitempty"`

	// text is something that the page shows, in upper and lower case as it stands there.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Text string `json:"text,omitempty"`
}

// BrowserProfileStatus is what the operator last learned about a BrowserProfile.
//
// +kubebuilder:validation:MinProperties=1
type BrowserProfileStatus struct {
	// conditions has one: Ready, which tells whether crawls can use the state.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that this status speaks
	// about.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000000000000
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// state says what the Secret holds, without any value.
	// +optional
	State *ProfileState `json:"state,omitempty"`

	// lastUsed is when a CrawlJob last began with this profile.
	// +optional
	LastUsed *metav1.Time `json:"lastUsed,omitempty"`

	// expired is the last log-in that a crawl found to be over.
	// +optional
	Expired *ExpiredLogin `json:"expired,omitempty"`
}

// ProfileState sums stored browser state up, as far as it is for the profile's
// hosts.
type ProfileState struct {
	// sha256 is the checksum of state.json in hex, by which records name the state
	// that a page was visited with.
	// +optional
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256,omitempty"`

	// cookies counts the cookies.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Cookies *int32 `json:"cookies,omitempty"`

	// expiredCookies counts those of them whose date has passed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	ExpiredCookies *int32 `json:"expiredCookies,omitempty"`

	// origins counts the origins with web storage.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Origins *int32 `json:"origins,omitempty"`

	// earliestExpiry is when the next of the cookies ends. A site may end a log-in
	// earlier.
	// +optional
	EarliestExpiry *metav1.Time `json:"earliestExpiry,omitempty"`
}

// ExpiredLogin says which state a crawl found to be over.
type ExpiredLogin struct {
	// sha256 is the checksum of that state.
	// +optional
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256,omitempty"`

	// crawlJob is the name of the CrawlJob that found it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	CrawlJob string `json:"crawlJob,omitempty"`

	// foundAt is when that was.
	// +optional
	FoundAt *metav1.Time `json:"foundAt,omitempty"`
}

// ProfileReference names a BrowserProfile in the namespace of the CrawlJob.
type ProfileReference struct {
	// name of the BrowserProfile.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of a BrowserProfile: lower case letters, digits, dashes and dots"
	Name string `json:"name,omitempty"`
}

// UsedProfile says with which stored state a crawl visits pages.
type UsedProfile struct {
	// name of the BrowserProfile.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// uid of the BrowserProfile.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	UID string `json:"uid,omitempty"`

	// sha256 is the checksum of its state.json in hex.
	// +optional
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256,omitempty"`
}

// ConditionReady tells whether crawls can use a BrowserProfile. Its reasons are in
// docs/reference/browserprofile.md.
const ConditionReady = "Ready"
