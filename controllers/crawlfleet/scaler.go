package crawlfleet

import (
	"context"

	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/scale"
)

// ByDemand is a Scaler that goes by what there is to visit.
type ByDemand struct{ *scale.Scaler }

var _ Scaler = ByDemand{}

// Desired implements Scaler.
func (d ByDemand) Desired(ctx context.Context, pools []PoolSize) (map[string]Desired, error) {
	list := make([]scale.Pool, 0, len(pools))
	for _, p := range pools {
		least, most := p.Pool.Scaling.Bounds()
		list = append(list, scale.Pool{
			Name: p.Pool.Name, Min: least, Max: most, Tabs: p.Pool.Tabs, Delay: p.Pool.Scaling.ScaleInDelay(), External: p.Pool.Scaling.External(),
			Replicas: p.Replicas, Ready: p.Ready,
		})
	}
	targets, err := d.Scaler.Desired(ctx, list)
	if err != nil {
		return nil, err
	}
	desired := make(map[string]Desired, len(targets))
	for name, t := range targets {
		desired[name] = Desired{Replicas: t.Replicas, Message: t.Message, Again: t.Again}
	}
	return desired, nil
}
