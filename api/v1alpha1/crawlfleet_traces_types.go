package v1alpha1

// FleetTraces says where traces of crawls are sent by OpenTelemetry's protocol.
type FleetTraces struct {
	// endpoint is the collector's address.
	// +required
	Endpoint WebAddress `json:"endpoint,omitempty"`

	// protocol is the one that it is sent by.
	// +optional
	// +default="HTTP"
	Protocol TraceProtocol `json:"protocol,omitempty"`

	// sampledPercent is how many crawls of a hundred are traced, each of them whole.
	// +optional
	// +default=100
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	SampledPercent int32 `json:"sampledPercent,omitempty"`

	// network says where the collector is in the network, where its address does not tell.
	// +optional
	Network NetworkHint `json:"network,omitempty,omitzero"`
}

// TraceProtocol is a form of OpenTelemetry's protocol.
//
// +enum
// +kubebuilder:validation:Enum=HTTP;GRPC
type TraceProtocol string

// The forms of OpenTelemetry's protocol.
const (
	// TraceHTTP is protobuf over HTTP.
	TraceHTTP TraceProtocol = "HTTP"
	// TraceGRPC is gRPC.
	TraceGRPC TraceProtocol = "GRPC"
)
