package v1alpha1

import "time"

// PoolScaling says how many pods a pool has.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="self.mode != 'External' || !has(self.min) && !has(self.max) && !has(self.scaleInDelaySeconds)",message="with mode External somebody else says how many pods there are: leave out min, max and scaleInDelaySeconds"
// +kubebuilder:validation:XValidation:rule="!has(self.max) || self.max >= (has(self.min) ? self.min : 1)",fieldPath=".max",message="max must be at least min, which is 1 when it is not given"
type PoolScaling struct {
	// mode says who decides how many pods there are.
	// +optional
	// +default="Operator"
	Mode ScalingMode `json:"mode,omitempty"`

	// min is how many pods there are at least, 1 when it is not given. With 0 there are none while
	// nothing is to be visited.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Min *int32 `json:"min,omitempty"`

	// max is how many pods there are at most. When it is not given, it is min, or 1 where that is 0.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Max int32 `json:"max,omitempty"`

	// scaleInDelaySeconds is how long fewer pods must have been enough before there are fewer, 300
	// when it is not given.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	ScaleInDelaySeconds *int32 `json:"scaleInDelaySeconds,omitempty"`
}

// ScalingMode says who decides how many pods a pool has.
//
// +enum
// +kubebuilder:validation:Enum=Operator;External
type ScalingMode string

// Who decides how many pods a pool has.
const (
	// ScalingOperator has the operator decide, by what is to be visited.
	ScalingOperator ScalingMode = "Operator"
	// ScalingExternal leaves it to somebody else, such as KEDA or a HorizontalPodAutoscaler.
	ScalingExternal ScalingMode = "External"
)

// defaultScaleInDelay is how long fewer pods must have been enough, by default.
const defaultScaleInDelay = 5 * time.Minute

// External tells whether somebody else decides how many pods there are.
func (s PoolScaling) External() bool { return s.Mode == ScalingExternal }

// Bounds are how many pods there are at least and at most.
func (s PoolScaling) Bounds() (least, most int32) {
	least = 1
	if s.Min != nil {
		least = *s.Min
	}
	if s.Max > 0 {
		return least, max(least, s.Max)
	}
	return least, max(least, 1)
}

// ScaleInDelay is how long fewer pods must have been enough before there are fewer.
func (s PoolScaling) ScaleInDelay() time.Duration {
	if s.ScaleInDelaySeconds == nil {
		return defaultScaleInDelay
	}
	return time.Duration(*s.ScaleInDelaySeconds) * time.Second
}
