package charts

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestProbesArePatient: on a busy node an answer may take longer than the second that Kubernetes allows when nobody says
// otherwise, and a pod that is well would be ended for it.
func TestProbesArePatient(t *testing.T) {
	t.Parallel()
	all := template(t, "crawlfleet", "north", profile("single-node")...)
	pods := 0
	for _, o := range all {
		if kind := o.GetKind(); kind != "Deployment" && kind != "StatefulSet" {
			continue
		}
		pods++
		for _, c := range podOf(t, o).Containers {
			if c.LivenessProbe == nil {
				t.Errorf("%s: container %s has no liveness probe", key(o), c.Name)
			}
			for name, probe := range map[string]*corev1.Probe{"liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
				if probe != nil && probe.TimeoutSeconds < 5 {
					t.Errorf("%s: the %s probe of container %s waits for %d seconds (0 is Kubernetes' own 1), want 5 at least", key(o), name, c.Name, probe.TimeoutSeconds)
				}
			}
		}
	}
	if pods < 3 {
		t.Errorf("got %d workloads, want the operator, the services and the portal", pods)
	}
}
