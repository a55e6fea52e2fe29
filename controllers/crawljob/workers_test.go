package crawljob

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/render"
)

// TestMissingWorkersAreNamed follows the hint to the pods: what it selects is what the operator makes.
func TestMissingWorkersAreNamed(t *testing.T) {
	t.Parallel()
	said := missingWorkers(Observation{Job: jobWith(), Asked: true, Run: Run{Known: true, Idle: []string{"q"}}, Quiet: silence})
	_, after, found := strings.Cut(said, "get pods -l '")
	hint, _, closed := strings.Cut(after, "'")
	if !found || !closed {
		t.Fatalf("got %q, want a command that lists the pods", said)
	}
	selector, err := labels.Parse(hint)
	if err != nil {
		t.Fatal(err)
	}
	for _, component := range []string{render.Conductor, render.Browser, "worker"} {
		if !selector.Matches(labels.Set{render.LabelComponent: component}) {
			t.Errorf("%q leaves out the pods of %s", hint, component)
		}
	}
	if selector.Matches(labels.Set{render.LabelComponent: render.Portal}) {
		t.Errorf("%q selects the portal, which crawls nothing", hint)
	}
}
