package scale

import (
	"context"
	"sync"
	"time"
)

// Source tells what there is to do.
type Source interface {
	Demand(ctx context.Context) (Demand, error)
}

// Scaler decides again and again. It is safe for concurrent use; its zero value needs a Source and
// Now.
type Scaler struct {
	// Source is asked for the demand, once for each decision.
	Source Source
	// Now is the clock.
	Now func() time.Time
	// Metrics, unless nil, show what was decided.
	Metrics *Metrics

	mu    sync.Mutex
	state State
}

// Desired tells how many pods each pool is to have, but for those that are External, and after how
// long to ask again (Target.Again). The pools are in the order in which they are filled; all of a fleet
// have to be named. A demand that is not known is no error: the targets say so. An error is that the
// pools make no sense.
func (s *Scaler) Desired(ctx context.Context, pools []Pool) (map[string]Target, error) {
	if err := check(pools); err != nil {
		return nil, err
	}
	demand, unknown := s.Source.Demand(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	known := &demand
	if unknown != nil {
		known = nil
	}
	var d Decision
	d, s.state = Decide(s.Now(), pools, s.state, known)
	if unknown != nil {
		for name, t := range d.Targets {
			t.Message += " (" + unknown.Error() + ")"
			d.Targets[name] = t
		}
	}
	s.Metrics.show(pools, known, d.Targets)
	return d.Targets, nil
}
