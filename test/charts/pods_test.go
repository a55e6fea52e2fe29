package charts

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// podOf is the pod that a workload makes. A field that pods do not have fails the test.
func podOf(t *testing.T, workload *unstructured.Unstructured) corev1.PodSpec {
	t.Helper()
	if workload == nil {
		t.Fatal("there is no such workload")
	}
	spec, ok, err := unstructured.NestedMap(workload.Object, "spec", "template", "spec")
	if err != nil || !ok {
		t.Fatalf("%s has no pods: %v", key(workload), err)
	}
	var pod corev1.PodSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(spec, &pod, true); err != nil {
		t.Fatalf("%s: %v", key(workload), err)
	}
	return pod
}

// env is a variable of the first container.
func env(pod corev1.PodSpec, name string) string {
	for _, e := range pod.Containers[0].Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}
