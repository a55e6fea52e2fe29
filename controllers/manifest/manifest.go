// Package manifest writes resources that an API server holds as manifests that another one takes:
// without what the server set, and so that nothing happens there that nobody wants.
//
// It is pure: what it is given stays as it is.
package manifest

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// own is what names and annotations of the operator begin with.
const own = "crawlfleet.dev/"

// lastApplied is what kubectl remembers of itself.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// Clean is a resource as somebody could have written it: its own fields without status, and of its
// metadata names, labels and annotations.
func Clean(held *unstructured.Unstructured) *unstructured.Unstructured {
	clean := held.DeepCopy()
	delete(clean.Object, "status")
	delete(clean.Object, "metadata")
	clean.SetName(held.GetName())
	clean.SetNamespace(held.GetNamespace())
	clean.SetLabels(without(held.GetLabels(), func(string) bool { return false }))
	clean.SetAnnotations(without(held.GetAnnotations(), func(key string) bool { return key == lastApplied }))
	return clean
}

// without is a map without some of its keys; nil when none is left.
func without(all map[string]string, drop func(key string) bool) map[string]string {
	left := map[string]string{}
	for key, value := range all {
		if !drop(key) {
			left[key] = value
		}
	}
	if len(left) == 0 {
		return nil
	}
	return left
}

// Order is a CrawlJob as a new order for any cluster: in no namespace, and with nothing of its crawl.
// An order that was cancelled would be cancelled again: that is left out, and told.
func Order(held *unstructured.Unstructured) (order *unstructured.Unstructured, uncancelled bool, err error) {
	order = Clean(held)
	order.SetNamespace("")
	foreign := func(key string) bool { return strings.HasPrefix(key, own) }
	order.SetLabels(without(order.GetLabels(), foreign))
	order.SetAnnotations(without(order.GetAnnotations(), foreign))
	state, _, err := unstructured.NestedString(order.Object, "spec", "state")
	if err != nil {
		return nil, false, fmt.Errorf("spec.state: %w", err)
	}
	if uncancelled = state == string(v1alpha1.StateCancelled); uncancelled || state == string(v1alpha1.StateActive) {
		unstructured.RemoveNestedField(order.Object, "spec", "state") // Active is the default
	}
	return order, uncancelled, nil
}

// ErrLeaving is of a resource that is being deleted: it is not to be there again.
var ErrLeaving = errors.New("it is being deleted")

// Record is a CrawlJob for a backup. Restored, it goes on with the run that it has, and one that is
// over stays over: it is saved as Cancelled, so that nothing could begin, and finds in the archive how
// its run ended.
func Record(held *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	var job v1alpha1.CrawlJob
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(held.Object, &job); err != nil {
		return nil, fmt.Errorf("decode the CrawlJob: %w", err)
	}
	if !job.DeletionTimestamp.IsZero() {
		return nil, ErrLeaving
	}
	record := Clean(held)
	if job.Status.Run.WorkflowID != "" || job.Restored() {
		annotations := record.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[v1alpha1.AnnotationRun] = string(job.RunUID())
		record.SetAnnotations(annotations)
	}
	if meta.IsStatusConditionTrue(job.Status.Conditions, v1alpha1.ConditionFinished) {
		if err := unstructured.SetNestedField(record.Object, string(v1alpha1.StateCancelled), "spec", "state"); err != nil {
			return nil, fmt.Errorf("spec.state: %w", err)
		}
	}
	return record, nil
}
