package v1alpha1

// FleetHashList is a list of hashes of known illegal images: what is in it is dropped in memory,
// before anything of it is written. Its form is in docs/refusals.md.
//
// +kubebuilder:validation:XValidation:rule="has(self.secretName) != has(self.claimName)",message="give secretName for a short list (a Secret has 1 MiB at most), or claimName for one on a volume"
type FleetHashList struct {
	// secretName names a Secret with the list.
	// +optional
	SecretName SecretName `json:"secretName,omitempty"`

	// claimName names a PersistentVolumeClaim with the list, which all pods with browsers can mount
	// to read.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of a PersistentVolumeClaim: lower case letters, digits, dashes and dots"
	ClaimName string `json:"claimName,omitempty"`

	// file is the file in it.
	// +required
	File SecretKey `json:"file,omitempty"`

	// pictureMegabytes is the size of a picture, in units of 1,000,000 bytes, up to which it is held
	// to be compared. Eight times as much is held at once, and counts against the memory of a pod.
	// Larger ones are dropped.
	// +optional
	// +default=64
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=512
	PictureMegabytes int32 `json:"pictureMegabytes,omitempty"`
}
