package v1alpha1

// Retention says how long what was captured is kept that no case needs.
//
// +kubebuilder:validation:MinProperties=1
type Retention struct {
	// screeningSeconds is how long captures are there to be looked through, from
	// the seal of the crawl on. What nobody has tied to a case by then is erased,
	// with a proof of erasure; what is under a legal hold is not.
	// +optional
	// +default=259200
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=316224000
	ScreeningSeconds int32 `json:"screeningSeconds,omitempty"`
}

// ObjectLock is what a bucket can do to keep objects from being removed.
//
// +enum
// +kubebuilder:validation:Enum=Unavailable;Governance
type ObjectLock string

// What a bucket can do.
const (
	// ObjectLockUnavailable: the bucket has no Object Lock. That nothing is erased
	// too soon rests on the workers, and on who else may write to the bucket.
	ObjectLockUnavailable ObjectLock = "Unavailable"
	// ObjectLockGovernance: snapshots are locked in governance mode as long as they
	// are to be kept, and under the store's legal hold while they are held.
	ObjectLockGovernance ObjectLock = "Governance"
)
