package kube

import "strings"

// Unjudged tells whether the API server refuses a resource only because it cannot judge it yet, in the
// words of k8s.io/apiserver's pkg/admission/plugin/policy: one that has just started knows a
// ValidatingAdmissionPolicy before it has found the kind of its parameters, for half a minute at most,
// or the parameters are not there. It answers as if the resource were invalid.
func Unjudged(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "failed to configure policy") || strings.Contains(err.Error(), "failed to configure binding"))
}
