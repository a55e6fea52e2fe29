package manifest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

const uid = "0b0e3c1e-0000-4000-8000-000000000001"

// held is a CrawlJob as an API server holds it, changed by a function.
func held(t *testing.T, change func(o *unstructured.Unstructured)) *unstructured.Unstructured {
	t.Helper()
	var o unstructured.Unstructured
	err := yaml.Unmarshal([]byte(`
apiVersion: crawlfleet.dev/v1alpha1
kind: CrawlJob
metadata:
  name: board
  namespace: research
  uid: `+uid+`
  resourceVersion: "17"
  generation: 2
  creationTimestamp: "2026-05-04T12:00:00Z"
  finalizers: [crawlfleet.dev/crawl]
  ownerReferences: [{apiVersion: crawlfleet.dev/v1alpha1, kind: CrawlSchedule, name: nightly, uid: u}]
  labels: {team: north, crawlfleet.dev/schedule: nightly}
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: "{}"
    crawlfleet.dev/ordered-by: desk
    note: kept
  managedFields: [{manager: kubectl}]
spec:
  authorization: {requestedBy: ann@agency.example}
  seeds: {urls: ["https://example.org/"]}
  state: Active
  unknown: {to: this program}
status:
  run: {workflowID: crawl-`+uid+`}
  counters: {archived: 3}
`), &o.Object)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&o)
	}
	return &o
}

func set(t *testing.T, o *unstructured.Unstructured, value any, fields ...string) {
	t.Helper()
	if err := unstructured.SetNestedField(o.Object, value, fields...); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, manifest string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := yaml.Unmarshal([]byte(manifest), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOrder(t *testing.T) {
	t.Parallel()
	given := held(t, nil)
	before := given.DeepCopy()
	got, uncancelled, err := Order(given)
	if err != nil || uncancelled {
		t.Fatal(uncancelled, err)
	}
	want := read(t, `
apiVersion: crawlfleet.dev/v1alpha1
kind: CrawlJob
metadata:
  name: board
  labels: {team: north}
  annotations: {note: kept}
spec:
  authorization: {requestedBy: ann@agency.example}
  seeds: {urls: ["https://example.org/"]}
  unknown: {to: this program}
`)
	if diff := cmp.Diff(want, got.Object); diff != "" {
		t.Errorf("the order differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before.Object, given.Object); diff != "" {
		t.Errorf("what was given has changed:\n%s", diff)
	}
}

func TestOrderThatWasCancelled(t *testing.T) {
	t.Parallel()
	got, uncancelled, err := Order(held(t, func(o *unstructured.Unstructured) { set(t, o, "Cancelled", "spec", "state") }))
	if err != nil || !uncancelled {
		t.Fatal(uncancelled, err)
	}
	if state, there, _ := unstructured.NestedString(got.Object, "spec", "state"); there {
		t.Errorf("the order has state %q", state)
	}
	got, _, err = Order(held(t, func(o *unstructured.Unstructured) { set(t, o, "Suspended", "spec", "state") }))
	if err != nil {
		t.Fatal(err)
	}
	if state, _, _ := unstructured.NestedString(got.Object, "spec", "state"); state != "Suspended" {
		t.Errorf("the order has state %q, want Suspended", state)
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	finished := []any{map[string]any{"type": "Finished", "status": "True"}}
	tests := map[string]struct {
		reason string
		change func(o *unstructured.Unstructured)
		state  string
		run    string
	}{
		"running": {
			reason: "What runs goes on as the run that it is.",
			state:  "Active", run: uid,
		},
		"suspended": {
			reason: "What rests goes on resting.",
			change: func(o *unstructured.Unstructured) { set(t, o, "Suspended", "spec", "state") },
			state:  "Suspended", run: uid,
		},
		"finished": {
			reason: "What is over cannot begin again, and is known by its run.",
			change: func(o *unstructured.Unstructured) { set(t, o, finished, "status", "conditions") },
			state:  "Cancelled", run: uid,
		},
		"finished without a run": {
			reason: "An order that ended before its crawl began has no run, and never will.",
			change: func(o *unstructured.Unstructured) {
				set(t, o, finished, "status", "conditions")
				unstructured.RemoveNestedField(o.Object, "status", "run")
			},
			state: "Cancelled",
		},
		"not begun": {
			reason: "An order that waits begins when it may.",
			change: func(o *unstructured.Unstructured) { unstructured.RemoveNestedField(o.Object, "status") },
			state:  "Active",
		},
		"restored": {
			reason: "A record of a record names the first run.",
			change: func(o *unstructured.Unstructured) {
				set(t, o, "first", "metadata", "annotations", v1alpha1.AnnotationRun)
			},
			state: "Active", run: "first",
		},
		"restored and not seen by an operator": {
			reason: "A backup of what was just restored is as good as the one before.",
			change: func(o *unstructured.Unstructured) {
				set(t, o, "first", "metadata", "annotations", v1alpha1.AnnotationRun)
				unstructured.RemoveNestedField(o.Object, "status")
			},
			state: "Active", run: "first",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Record(held(t, tc.change))
			if err != nil {
				t.Fatal(err)
			}
			state, _, _ := unstructured.NestedString(got.Object, "spec", "state")
			if state != tc.state || got.GetAnnotations()[v1alpha1.AnnotationRun] != tc.run {
				t.Errorf("%s: state %q of run %q, want %q of %q", tc.reason, state, got.GetAnnotations()[v1alpha1.AnnotationRun], tc.state, tc.run)
			}
			if got.GetNamespace() != "research" || got.GetAnnotations()[v1alpha1.AnnotationOrderedBy] != "desk" || got.GetLabels()[v1alpha1.LabelSchedule] != "nightly" {
				t.Errorf("%s: it lacks namespace, who ordered it, or its schedule: %v", tc.reason, got.Object["metadata"])
			}
			if len(got.GetOwnerReferences())+len(got.GetFinalizers()) > 0 || got.GetUID() != "" || got.Object["status"] != nil {
				t.Errorf("%s: it has what the API server set: %v", tc.reason, got.Object)
			}
		})
	}
}

func TestRecordOfWhatIsLeaving(t *testing.T) {
	t.Parallel()
	_, err := Record(held(t, func(o *unstructured.Unstructured) { set(t, o, "2026-05-04T12:00:00Z", "metadata", "deletionTimestamp") }))
	if !errors.Is(err, ErrLeaving) {
		t.Errorf("error %v, want %v", err, ErrLeaving)
	}
}
