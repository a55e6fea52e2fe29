package v1alpha1

// FleetSigning says by what it can be shown that what is stored is what was captured.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="has(self.secretName) || has(self.custody)",message="signing must have a secretName (with the key that signs), or custody, or be left out"
// +kubebuilder:validation:XValidation:rule="has(self.secretName) || !has(self.certificate) && !has(self.stampAuthorities) && !has(self.stampRoots)",message="certificate, stampAuthorities and stampRoots are about signatures: give secretName, too"
// +kubebuilder:validation:XValidation:rule="!has(self.certificate) || has(self.stampAuthorities)",fieldPath=".certificate",message="the signature of a domain has a time stamp: give stampAuthorities, too"
type FleetSigning struct {
	// secretName names a Secret with the key that signs.
	// +optional
	SecretName SecretName `json:"secretName,omitempty"`

	// key is where in it the private key (PEM) is. What is stored is never stored unsigned.
	// +optional
	// +default="key.pem"
	Key SecretKey `json:"key,omitempty"`

	// certificate is where in it the chain of certificates (PEM) is that belongs to the key. With
	// it signatures are those of a domain.
	// +optional
	Certificate SecretKey `json:"certificate,omitempty"`

	// stampAuthorities are those (RFC 3161) whose stamps signatures get.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	StampAuthorities []WebAddress `json:"stampAuthorities,omitempty"`

	// stampRoots is where in the Secret the certificates (PEM) are that the authorities' chains
	// must end at. When it is not given, the chains are not judged.
	// +optional
	StampRoots SecretKey `json:"stampRoots,omitempty"`

	// custody says by what the custody log is signed. When it is not given, none is kept.
	// +optional
	Custody FleetCustody `json:"custody,omitempty,omitzero"`
}

// WebAddress is the address of something that is asked over HTTP.
//
// +kubebuilder:validation:MinLength=8
// +kubebuilder:validation:MaxLength=512
// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https'] && size(url(self).getHostname()) > 0 && !self.contains('@')",message="must be an http:// or https:// address, without credentials"
type WebAddress string

// FleetCustody says by what the custody log is signed.
type FleetCustody struct {
	// secretName names a Secret with the log's key.
	// +required
	SecretName SecretName `json:"secretName,omitempty"`

	// key is where in it the private key is, as crawlctl audit keys create writes it.
	// +optional
	// +default="custody.key"
	Key SecretKey `json:"key,omitempty"`

	// verifiers is where in it the public keys are, one a line, that the log was signed with
	// before, or will be.
	// +optional
	Verifiers SecretKey `json:"verifiers,omitempty"`
}

// FleetPayloads says by what the histories are encrypted that Temporal keeps. The operator is given
// the same keys by its flag.
type FleetPayloads struct {
	// secretName names a Secret with the keys, under the key keys.
	// +required
	SecretName SecretName `json:"secretName,omitempty"`

	// encryption says whether pods wait until the keys are there. Optional lets Temporal read what
	// it is sent until then.
	// +optional
	// +default="Required"
	Encryption Need `json:"encryption,omitempty"`
}

// FleetProfiles says by whose keys the state of BrowserProfiles travels.
type FleetProfiles struct {
	// recipients are the public keys that the operator encrypts state to, as age-keygen -y writes
	// them.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Recipients []AgeRecipient `json:"recipients,omitempty"`

	// identitySecret names a Secret with the private key, under the key identity. Pods with browsers
	// alone have it.
	// +required
	IdentitySecret SecretName `json:"identitySecret,omitempty"`
}

// AgeRecipient is a public key of age.
//
// +kubebuilder:validation:MinLength=62
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule="self.matches('^age1[a-z0-9]+$')",message="must be a public key of age, which begins with age1: age-keygen -y IDENTITY tells it"
type AgeRecipient string

// FleetEgress says how pods get to the sites that they visit: through the fleet's own gateway, or
// another proxy.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.gateway) || !has(self.proxy)",fieldPath=".gateway",message="all visits go through proxy, and there is no gateway then: leave one out"
// +kubebuilder:validation:XValidation:rule="has(self.proxy) || !has(self.proxyCASecret) && !has(self.proxyCredentialsSecret) && !has(self.proxyNetwork)",message="proxyCASecret, proxyCredentialsSecret and proxyNetwork are about a proxy: give proxy, too"
// +kubebuilder:validation:XValidation:rule="!has(self.proxyCASecret) || self.proxy.startsWith('https://')",fieldPath=".proxyCASecret",message="proxyCASecret is for a proxy that is asked over TLS, such as https://proxy.example:3129"
// +kubebuilder:validation:XValidation:rule="!has(self.nameServer) || !has(self.proxy) || !self.proxy.startsWith('socks5h://')",fieldPath=".nameServer",message="nameServer is asked nothing when a socks5h proxy resolves the names: use socks5, or leave one out"
type FleetEgress struct {
	// gateway are the pods through which all visits go: workers reach nothing else of the Internet but
	// time-stamp authorities. There are some unless there is a proxy.
	// +optional
	Gateway *FleetGateway `json:"gateway,omitempty"`

	// proxy is one that all visits go through in place of the gateway.
	// +optional
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^(https?|socks5h?)://([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[[][0-9A-Fa-f:.]+[]]):[1-9][0-9]{0,4}$')",message="must be http://, https://, socks5:// or socks5h://, a host and a port, such as socks5://proxy.example:1080; user name and password are in proxyCredentialsSecret"
	Proxy string `json:"proxy,omitempty"`

	// proxyCASecret names a Secret whose ca.crt has the authorities (PEM) that the certificate of
	// an https:// proxy must come from, in place of the system's.
	// +optional
	ProxyCASecret SecretName `json:"proxyCASecret,omitempty"`

	// proxyCredentialsSecret names a Secret of type kubernetes.io/basic-auth whose username and
	// password the proxy is asked with. What has a meaning in addresses is written as %XX in it.
	// +optional
	ProxyCredentialsSecret SecretName `json:"proxyCredentialsSecret,omitempty"`

	// proxyNetwork says where the proxy is in the network, where its address does not tell.
	// +optional
	ProxyNetwork NetworkHint `json:"proxyNetwork,omitempty,omitzero"`

	// nameServer is the address, with a port or without, of the name server that is asked for the
	// hosts of visits, in place of those of the cluster.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=60
	// +kubebuilder:validation:XValidation:rule="isIP(self) || self.matches('^([0-9.]+|[[][0-9A-Fa-f:.]+[]]):[1-9][0-9]{0,4}$')",message="must be an address, with a port or without, such as 192.0.2.53 or [2001:db8::53]:5353"
	NameServer string `json:"nameServer,omitempty"`

	// allowPrivate are ranges that may be visited although they are not public, such as a site of
	// one's own. Everything in them can be captured that pages lead to.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	AllowPrivate []CIDR `json:"allowPrivate,omitempty"`
}
