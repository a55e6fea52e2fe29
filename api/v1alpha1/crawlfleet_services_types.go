package v1alpha1

// SecretName is the name of a Secret in the namespace of the CrawlFleet. What is in it reaches pods
// as files; the operator does not look at it.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of a Secret: lower case letters, digits, dashes and dots"
type SecretName string

// SecretKey is the key of something in a Secret, which is what its file is called in pods.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-][A-Za-z0-9._-]*$')",message="must be a key of a Secret, such as key.pem: letters, digits, dashes, underscores and dots, and no dot at the beginning"
type SecretKey string

// SecretFile names one file in a Secret.
type SecretFile struct {
	// secretName names a Secret in the namespace of the CrawlFleet.
	// +required
	SecretName SecretName `json:"secretName,omitempty"`

	// key is under which the file is in it.
	// +required
	Key SecretKey `json:"key,omitempty"`
}

// HostPort is where a service listens: host:port, with an IPv6 address in brackets.
//
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=260
// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[[][0-9A-Fa-f:.]+[]]):[1-9][0-9]{0,4}$') && int(self.substring(self.lastIndexOf(':') + 1)) < 65536",message="must be host:port without a scheme, such as temporal-frontend.temporal.svc:7233"
type HostPort string

// CIDR is a range of IP addresses.
//
// +kubebuilder:validation:MinLength=4
// +kubebuilder:validation:MaxLength=49
// +kubebuilder:validation:XValidation:rule="isCIDR(self) && cidr(self) == cidr(self).masked()",message="must be a range of addresses such as 192.0.2.0/24 or 2001:db8::/32, without bits behind the prefix"
type CIDR string

// NetworkHint says where a service is in the network, for the NetworkPolicies, where its address
// does not tell: they know no names.
//
// +kubebuilder:validation:MinProperties=1
type NetworkHint struct {
	// cidrs are the ranges of its addresses. Without them a name that ends in .svc or in
	// .svc.cluster.local stands for the pods of its namespace, and any other name for the public
	// addresses.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	CIDRs []CIDR `json:"cidrs,omitempty"`

	// port is the one that its pods listen on, where that is not the port of its address: a
	// Service may have another one than what is behind it.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
}

// FleetTemporal says where Temporal is, and how one gets in.
type FleetTemporal struct {
	// address is where its frontend listens.
	// +required
	Address HostPort `json:"address,omitempty"`

	// namespace is the Temporal namespace, of this instance alone.
	// +optional
	// +default="crawlfleet"
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9._-]*$')",message="must be the name of a Temporal namespace: letters, digits, dashes, underscores and dots"
	Namespace string `json:"namespace,omitempty"`

	// tls has it asked over TLS. When it is not given, it is asked without, unless there is an
	// apiKey. An empty one takes the certificate from the authorities of the system.
	// +optional
	TLS *TemporalTLS `json:"tls,omitempty"`

	// apiKey is the key that it is asked with, over TLS.
	// +optional
	APIKey SecretFile `json:"apiKey,omitempty,omitzero"`

	// network says where it is in the network, where its address does not tell.
	// +optional
	Network NetworkHint `json:"network,omitempty,omitzero"`
}

// TemporalTLS says whose certificates count between Temporal and those who ask it.
type TemporalTLS struct {
	// caSecret names a Secret whose ca.crt has the authorities (PEM) that Temporal's certificate
	// must come from, in place of the system's.
	// +optional
	CASecret SecretName `json:"caSecret,omitempty"`

	// secretName names a Secret of type kubernetes.io/tls whose tls.crt and tls.key are the
	// certificate that is shown to Temporal.
	// +optional
	SecretName SecretName `json:"secretName,omitempty"`

	// serverName is the name that Temporal's certificate must have, in place of the address's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be a host name, such as temporal.example.org"
	ServerName string `json:"serverName,omitempty"`
}

// FleetStore says where the S3-compatible store is, and how one gets in.
//
// +kubebuilder:validation:XValidation:rule="self.archiveBucket != self.frontierBucket",message="archiveBucket and frontierBucket must be two buckets: what is archived is kept, and queues are not"
type FleetStore struct {
	// endpoint is its address.
	// +required
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[[][0-9A-Fa-f:.]+[]])(:[1-9][0-9]{0,4})?$')",message="must be http://host:port or https://host, without a path and without credentials"
	Endpoint string `json:"endpoint,omitempty"`

	// region is the store's region.
	// +optional
	// +default="us-east-1"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9-]+$')",message="must be the name of a region, such as us-east-1"
	Region string `json:"region,omitempty"`

	// archiveBucket is the bucket of the snapshots, for orders that name none.
	// +optional
	// +default="crawlfleet-archive"
	ArchiveBucket BucketName `json:"archiveBucket,omitempty"`

	// frontierBucket is the bucket of the queues.
	// +optional
	// +default="crawlfleet-frontier"
	FrontierBucket BucketName `json:"frontierBucket,omitempty"`

	// credentialsSecret names a Secret whose key credentials is a credentials file as AWS has it.
	// +required
	CredentialsSecret SecretName `json:"credentialsSecret,omitempty"`

	// browserCredentialsSecret names one for the pods with browsers, with narrower rights. When it
	// is not given, they have those of credentialsSecret.
	// +optional
	BrowserCredentialsSecret SecretName `json:"browserCredentialsSecret,omitempty"`

	// portalCredentialsSecret names one for the portal, with narrower rights. When it is not given,
	// it has those of credentialsSecret.
	// +optional
	PortalCredentialsSecret SecretName `json:"portalCredentialsSecret,omitempty"`

	// network says where it is in the network, where its endpoint does not tell.
	// +optional
	Network NetworkHint `json:"network,omitempty,omitzero"`
}

// BucketName is the name of a bucket.
//
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9][a-z0-9.-]*[a-z0-9]$')",message="must be the name of a bucket: lower case letters, digits, dashes and dots"
type BucketName string
