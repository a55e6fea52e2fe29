package v1alpha1

// Recorder says who takes down what pages load over TLS.
//
// +enum
// +kubebuilder:validation:Enum=Wire;Browser
type Recorder string

// Who takes down what pages load over TLS.
const (
	// RecorderWire is the recording proxy, which ends the browser's TLS and starts its
	// own towards the site: the bytes on the wire are stored.
	RecorderWire Recorder = "Wire"
	// RecorderBrowser is the browser, whose TLS goes through to the site unopened: bodies
	// are stored as it decoded them, and heads as it tells them. It is for sites that
	// refuse every TLS client but a browser's own.
	RecorderBrowser Recorder = "Browser"
)
