package crawlfleet

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/scale"
	"crawlfleet.dev/crawlfleet/workflows"
)

// asks is a demand for so many tabs.
type asks int

func (n asks) Demand(context.Context) (scale.Demand, error) {
	return scale.Demand{Demand: workflows.Demand{Bundles: int(n), Hosts: int(n)}}, nil
}

// TestByDemand: pools are told apart as their resource says, and somebody else's do their part.
func TestByDemand(t *testing.T) {
	t.Parallel()
	none := int32(0)
	pool := func(name string, scaling v1alpha1.PoolScaling) *v1alpha1.FleetPool {
		return &v1alpha1.FleetPool{Name: name, Tabs: 4, Scaling: scaling}
	}
	pools := []PoolSize{
		{Pool: pool("keda", v1alpha1.PoolScaling{Mode: v1alpha1.ScalingExternal}), Replicas: 1, Ready: 1},
		{Pool: pool("spot", v1alpha1.PoolScaling{Min: &none, Max: 2})},
		{Pool: pool("steady", v1alpha1.PoolScaling{})},
		{Pool: pool("rest", v1alpha1.PoolScaling{Min: &none, Max: 3, ScaleInDelaySeconds: &none}), Replicas: 3, Ready: 3},
	}
	s := ByDemand{&scale.Scaler{Source: asks(14), Now: time.Now}}
	got, err := s.Desired(t.Context(), pools)
	if err != nil {
		t.Fatal(err)
	}
	replicas := map[string]int32{}
	for name, d := range got {
		replicas[name] = d.Replicas
		if d.Message == "" || d.Again <= 0 || d.Again > scale.LookEvery {
			t.Errorf("pool %s: %+v", name, d)
		}
	}
	if diff := cmp.Diff(map[string]int32{"spot": 2, "steady": 1, "rest": 0}, replicas); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
