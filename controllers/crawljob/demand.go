package crawljob

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

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
	return r.demand()
}

func (r *Reports) demand() workflows.Demand {
	var d workflows.Demand
	for _, latest := range r.runs {
		if latest.Report.Phase != workflows.PhaseFinished && r.now().Sub(latest.Received) < demandAge {
			d = d.Plus(latest.Report.Demand)
		}
	}
	return d
}

// want tells that there is something for browsers to do. Whoever has not heard of the time before hears
// of both at once.
func (r *Reports) want() {
	select {
	case r.wanted <- event.GenericEvent{}:
	default:
	}
}

// Wanted is what a controller watches to visit the resource of a name as soon as there is something for
// browsers to do where there was nothing: pods that there are none of are not worth a wait.
func (r *Reports) Wanted(name types.NamespacedName) source.TypedSource[reconcile.Request] {
	return source.Channel(r.wanted, handler.Funcs{
		GenericFunc: func(_ context.Context, _ event.GenericEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			q.Add(reconcile.Request{NamespacedName: name})
		},
	})
}
