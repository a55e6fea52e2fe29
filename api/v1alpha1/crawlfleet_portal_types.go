package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
)

// FleetPortal is where analysts find and see what was captured.
//
// +kubebuilder:validation:XValidation:rule="self.externalURL.find('//[^:/]+') != self.replayURL.find('//[^:/]+')",fieldPath=".replayURL",message="archived pages must not be sent the portal's cookies: give replayURL another host name than externalURL"
// +kubebuilder:validation:XValidation:rule="!has(self.catalog) || self.catalog.type != 'PersistentVolumeClaim' || !has(self.replicas) || self.replicas < 2",fieldPath=".catalog",message="a catalog on a volume is of one portal: set replicas to 1, or catalog.type to EmptyDir"
// +kubebuilder:validation:XValidation:rule="!has(self.replicas) || self.replicas < 2 || has(self.sessionKeys) && has(self.replayKeys)",fieldPath=".replicas",message="what one portal seals has to be opened by the others: give sessionKeys and replayKeys, or set replicas to 1"
type FleetPortal struct {
	// externalURL is the portal's address as browsers know it.
	// +required
	ExternalURL WebAddress `json:"externalURL,omitempty"`

	// replayURL is the address that archived pages are replayed from, as browsers know it, such as
	// https://replay.example, or https://*.replay.example for an origin for each replay.
	// +required
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://([*][.])?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[1-9][0-9]{0,4})?/?$')",message="must be an http:// or https:// address without a path, such as https://replay.example or https://*.replay.example"
	ReplayURL string `json:"replayURL,omitempty"`

	// replicas is how many there are.
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=16
	Replicas *int32 `json:"replicas,omitempty"`

	// oidc is the OpenID Connect provider that people log in at.
	// +required
	OIDC PortalOIDC `json:"oidc,omitzero"`

	// sessionKeys are the secrets that sessions are sealed with. When they are not given, sessions
	// end with the pod that began them.
	// +optional
	SessionKeys SecretFile `json:"sessionKeys,omitempty,omitzero"`

	// replayKeys are the secrets that addresses of replays are sealed with. When they are not given,
	// those end with the pod that gave them.
	// +optional
	ReplayKeys SecretFile `json:"replayKeys,omitempty,omitzero"`

	// tlsSecret names a Secret of type kubernetes.io/tls with the portal's certificate. When it is
	// not given, https ends in front of the portal.
	// +optional
	TLSSecret SecretName `json:"tlsSecret,omitempty"`

	// sessionSeconds is how long a session lasts.
	// +optional
	// +default=28800
	// +kubebuilder:validation:Minimum=300
	// +kubebuilder:validation:Maximum=604800
	SessionSeconds int32 `json:"sessionSeconds,omitempty"`

	// sessionIdleSeconds is how long a session lasts that is not used.
	// +optional
	// +default=3600
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=604800
	SessionIdleSeconds int32 `json:"sessionIdleSeconds,omitempty"`

	// regions are the countries (ISO 3166-1) whose telephone numbers are known without their
	// country's code.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Regions []CountryCode `json:"regions,omitempty"`

	// catalog is where the portal keeps what it finds with. It is made anew from the archive when
	// it is lost.
	// +optional
	Catalog PortalCatalog `json:"catalog,omitempty,omitzero"`

	// trust says whose signatures and time stamps hold when something is verified.
	// +optional
	Trust PortalTrust `json:"trust,omitempty,omitzero"`

	// dossiers says who hands them over. When it is not given, none are made.
	// +optional
	Dossiers PortalDossiers `json:"dossiers,omitempty,omitzero"`

	PodPlacement `json:",inline"`
}

// CountryCode is a country.
//
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=2
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Z][A-Z]$')",message="must be a country's two capital letters (ISO 3166-1), such as NL"
type CountryCode string

// PortalOIDC is the OpenID Connect provider that people log in at. Names and groups are read from
// tokens as by the API server's flags, so that one RoleBinding serves kubectl and the portal.
type PortalOIDC struct {
	// issuer is the provider's address.
	// +required
	Issuer WebAddress `json:"issuer,omitempty"`

	// clientID is the portal's name at it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClientID string `json:"clientID,omitempty"`

	// clientSecret is the portal's secret at it. When it is not given, the portal is a public client.
	// +optional
	ClientSecret SecretFile `json:"clientSecret,omitempty,omitzero"`

	// caSecret names a Secret whose ca.crt has the authorities (PEM) that the provider's certificate
	// must come from, in place of the system's.
	// +optional
	CASecret SecretName `json:"caSecret,omitempty"`

	// usernameClaim is the claim with the user name.
	// +optional
	// +default="sub"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	UsernameClaim string `json:"usernameClaim,omitempty"`

	// usernamePrefix is put before the user name: the issuer and # when it is not given, unless the
	// claim is email; nothing when it is a dash.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	UsernamePrefix string `json:"usernamePrefix,omitempty"`

	// groupsClaim is the claim with the groups. When it is not given, nobody has any.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	GroupsClaim string `json:"groupsClaim,omitempty"`

	// groupsPrefix is put before each group.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	GroupsPrefix string `json:"groupsPrefix,omitempty"`
}

// PortalCatalog is where the portal keeps what it finds with.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.storageClassName) || self.type == 'PersistentVolumeClaim'",fieldPath=".storageClassName",message="storageClassName is about volumes: set type to PersistentVolumeClaim"
type PortalCatalog struct {
	// type says whether it outlives the pod.
	// +optional
	// +default="EmptyDir"
	Type CatalogType `json:"type,omitempty"`

	// size is how much room it has.
	// +optional
	// +default="10Gi"
	Size *resource.Quantity `json:"size,omitempty"`

	// storageClassName is the StorageClass of the volume, the cluster's own when it is not given.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of a StorageClass: lower case letters, digits, dashes and dots"
	StorageClassName string `json:"storageClassName,omitempty"`
}

// CatalogType says whether a catalog outlives the pod that made it.
//
// +enum
// +kubebuilder:validation:Enum=EmptyDir;PersistentVolumeClaim
type CatalogType string

// Whether a catalog outlives the pod.
const (
	// CatalogEmptyDir goes with the pod; the next one makes it anew from the archive.
	CatalogEmptyDir CatalogType = "EmptyDir"
	// CatalogVolume is on a volume, for archives of which that takes too long.
	CatalogVolume CatalogType = "PersistentVolumeClaim"
)

// PortalTrust says whose signatures and time stamps hold when something is verified.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="has(self.domains) == has(self.domainRoots)",message="domains and domainRoots need each other: a domain signs by a certificate that ends at a root"
type PortalTrust struct {
	// keys are fingerprints of the keys that may sign, each sha256: and the hash.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Keys []KeyFingerprint `json:"keys,omitempty"`

	// domains are those that may sign.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Domains []HostName `json:"domains,omitempty"`

	// domainRoots is a file with the roots (PEM) of the domains' certificates.
	// +optional
	DomainRoots SecretFile `json:"domainRoots,omitempty,omitzero"`

	// stampRoots is a file with the roots (PEM) of time-stamp authorities. When it is not given,
	// signing's count.
	// +optional
	StampRoots SecretFile `json:"stampRoots,omitempty,omitzero"`
}

// KeyFingerprint is the fingerprint of a public key.
//
// +kubebuilder:validation:MinLength=71
// +kubebuilder:validation:MaxLength=71
// +kubebuilder:validation:XValidation:rule="self.matches('^sha256:[0-9a-f]{64}$')",message="must be sha256: and 64 hex digits, as crawlctl keys show tells it"
type KeyFingerprint string

// PortalDossiers says who hands dossiers over, and by what that can be shown.
//
// +kubebuilder:validation:XValidation:rule="!has(self.stampAuthorities) || has(self.signKey)",fieldPath=".stampAuthorities",message="it is the signature that is stamped: give signKey, too"
type PortalDossiers struct {
	// organization is who hands them over.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Organization string `json:"organization,omitempty"`

	// signKey is the private key (PEM) that dossiers are signed with. When it is not given, they are
	// not signed.
	// +optional
	SignKey SecretFile `json:"signKey,omitempty,omitzero"`

	// stampAuthorities stamp the signatures.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	StampAuthorities []WebAddress `json:"stampAuthorities,omitempty"`
}
