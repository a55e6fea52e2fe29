package v1alpha1

// Images says whether pictures are taken.
//
// +enum
// +kubebuilder:validation:Enum=Keep;Off
type Images string

// Whether pictures are taken.
const (
	// ImagesKeep takes the pictures of pages.
	ImagesKeep Images = "Keep"
	// ImagesOff leaves them out: they are not asked for, or dropped before anything of
	// them is written. Screenshots show none.
	ImagesOff Images = "Off"
)

// ScriptPosts says to whom the scripts of pages may send what is more than a question:
// POST, PUT and the like. Forms are never submitted.
//
// +enum
// +kubebuilder:validation:Enum=Any;SameSite;None
type ScriptPosts string

// To whom scripts may send something.
const (
	// ScriptPostsAny lets scripts send what they want where they want.
	ScriptPostsAny ScriptPosts = "Any"
	// ScriptPostsSameSite lets scripts send to the site of the page, which is its
	// registrable domain, and to nobody else.
	ScriptPostsSameSite ScriptPosts = "SameSite"
	// ScriptPostsNone lets scripts send nothing.
	ScriptPostsNone ScriptPosts = "None"
)
