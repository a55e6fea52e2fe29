package order

import (
	"testing"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// TestRobotsSitemaps: nobody who does not ask for it is given pages that were not ordered.
func TestRobotsSitemaps(t *testing.T) {
	t.Parallel()
	for toggle, want := range map[v1alpha1.Toggle]bool{"": false, v1alpha1.Disabled: false, v1alpha1.Enabled: true} {
		spec := Spec(&v1alpha1.CrawlJobSpec{Seeds: v1alpha1.Seeds{RobotsSitemaps: toggle}})
		if spec.Seeds.RobotsSitemaps != want {
			t.Errorf("robotsSitemaps %q: %v", toggle, spec.Seeds.RobotsSitemaps)
		}
	}
}
