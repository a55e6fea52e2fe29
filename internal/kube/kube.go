// Package kube holds the few things that every reconciler of the project needs
// on top of controller-runtime: conditions that keep the time of their last
// transition (Conditions), the move from a typed status to the apply
// configuration that Server-Side Apply wants (ApplyConfiguration, ApplyStatus),
// finalizers (ChangeFinalizer), and the checks of kstatus, by which tools such as kubectl, Argo CD and Flux judge a resource
// (CheckStatus).
//
// It knows no resource kind.
package kube

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FieldOwner is the name under which the operator owns fields (Server-Side
// Apply).
const FieldOwner = client.FieldOwner("crawlfleet-operator")

// ApplyConfiguration turns a typed value into its apply configuration, for
// example a FooStatus into a FooStatusApplyConfiguration. What the typed value
// leaves out of its JSON form is left out of the configuration too, so the types
// must write a zero that has a meaning (as a pointer) and omit one that has none.
func ApplyConfiguration[T any](from any) (*T, error) {
	raw, err := json.Marshal(from)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", from, err)
	}
	to := new(T)
	if err := json.Unmarshal(raw, to); err != nil {
		return nil, fmt.Errorf("decode %T as %T: %w", from, to, err)
	}
	return to, nil
}

// ApplyStatus writes the status that a resource should have when it says something
// else than the one that it has. T is the status's apply configuration, which
// configure puts into that of the resource. That the resource is gone is no error.
func ApplyStatus[T any](ctx context.Context, c client.Client, has, should any, configure func(*T) runtime.ApplyConfiguration) error {
	if equality.Semantic.DeepEqual(has, should) {
		return nil
	}
	configuration, err := ApplyConfiguration[T](should)
	if err != nil {
		return err
	}
	err = c.Status().Apply(ctx, configure(configuration), FieldOwner, client.ForceOwnership)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write status: %w", err)
	}
	return nil
}

// The condition types that kstatus reads
// (https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus).
const (
	reconciling = "Reconciling"
	stalled     = "Stalled"
)

// CheckStatus returns what is wrong with the conditions of a resource in the
// eyes of kstatus and of the API conventions, nil when nothing is: each type
// occurs once, has a reason and the generation that was observed, and nothing is
// Reconciling and Stalled at the same time.
func CheckStatus(conditions []metav1.Condition, generation, observed int64) []error {
	var errs []error
	if observed != generation {
		errs = append(errs, fmt.Errorf("status speaks about generation %d, not %d", observed, generation))
	}
	seen := map[string]bool{}
	for _, c := range conditions {
		if seen[c.Type] {
			errs = append(errs, fmt.Errorf("condition %s is there twice", c.Type))
		}
		seen[c.Type] = true
		if c.ObservedGeneration != generation {
			errs = append(errs, fmt.Errorf("condition %s speaks about generation %d, not %d", c.Type, c.ObservedGeneration, generation))
		}
		if c.Reason == "" {
			errs = append(errs, fmt.Errorf("condition %s has no reason", c.Type))
		}
		if c.LastTransitionTime.IsZero() {
			errs = append(errs, fmt.Errorf("condition %s has no time of transition", c.Type))
		}
	}
	if meta.IsStatusConditionTrue(conditions, reconciling) && meta.IsStatusConditionTrue(conditions, stalled) {
		errs = append(errs, fmt.Errorf("both %s and %s are True", reconciling, stalled))
	}
	return errs
}
