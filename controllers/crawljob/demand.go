package crawljob

import (
	"time"

	"crawlfleet.dev/crawlfleet/workflows"
)

// demandAge is how long a report tells what a run could have done: longer than any bundle is out,
// so that a run that says nothing meanwhile is not taken for one that is over. One that was ended
// from outside counts no longer.
const demandAge = 15 * time.Minute

// Demand is what browsers could do for all runs that have reported and are not over.
func (r *Reports) Demand() workflows.Demand {
	r.mu.Lock()
	defer r.mu.Unlock()
	var d workflows.Demand
	for _, latest := range r.runs {
		if latest.Report.Phase != workflows.PhaseFinished && r.now().Sub(latest.Received) < demandAge {
			d = d.Plus(latest.Report.Demand)
		}
	}
	return d
}
