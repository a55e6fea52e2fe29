package crawljob

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// maxPending is how many visits may wait to be queued before a report has to wait.
const maxPending = 1024

// Latest is the newest report of a run.
type Latest struct {
	Report   *workflows.Report
	Received time.Time
}

// Reports keeps the newest report of each run in memory and has its CrawlJob
// visited. An operator that starts knows none, and asks Temporal once per job
// instead. It is safe for concurrent use.
type Reports struct {
	now    func() time.Time
	visits chan event.GenericEvent
	// wanted has one event when there is something for browsers to do where there was nothing.
	wanted chan event.GenericEvent

	mu   sync.Mutex
	runs map[types.UID]Latest
	// retained are reports of runs that are over, until they are written.
	retained map[types.UID]workflows.RetentionReport
}

// NewReports makes an empty store that tells the time by now.
func NewReports(now func() time.Time) *Reports {
	return &Reports{
		now: now, visits: make(chan event.GenericEvent, maxPending), wanted: make(chan event.GenericEvent, 1),
		runs: map[types.UID]Latest{}, retained: map[types.UID]workflows.RetentionReport{},
	}
}

// Take keeps a report, unless a newer one of the same run is known, and has the
// CrawlJob visited. It blocks while too many visits wait.
func (r *Reports) Take(ctx context.Context, report workflows.Report) error {
	uid := types.UID(report.Run)
	r.mu.Lock()
	known, ok := r.runs[uid]
	newer := !ok || report.Seq >= known.Report.Seq
	if newer {
		had := ok && known.Report.Demand != workflows.Demand{}
		first := report.Demand != workflows.Demand{} && !had && r.demand() == workflows.Demand{}
		r.runs[uid] = Latest{Report: &report, Received: r.now()}
		if first {
			r.want()
		}
	}
	r.mu.Unlock()
	if !newer {
		return nil
	}
	return r.Visit(ctx, types.NamespacedName{Namespace: report.Namespace, Name: report.Name})
}

// Visit has a CrawlJob visited.
func (r *Reports) Visit(ctx context.Context, name types.NamespacedName) error {
	job := &v1alpha1.CrawlJob{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
	select {
	case r.visits <- event.GenericEvent{Object: job}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Latest returns the newest report of a run.
func (r *Reports) Latest(uid types.UID) (Latest, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	latest, ok := r.runs[uid]
	return latest, ok
}

// Others returns the runs that have reported under a name and are not over, but
// for the current one.
func (r *Reports) Others(name types.NamespacedName, current types.UID) []types.UID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var uids []types.UID
	for uid, latest := range r.runs {
		if uid == current || latest.Report.Namespace != name.Namespace || latest.Report.Name != name.Name {
			continue
		}
		if latest.Report.Phase == workflows.PhaseFinished {
			delete(r.runs, uid)
			continue
		}
		uids = append(uids, uid)
	}
	return uids
}

// Forget drops what is known of a run.
func (r *Reports) Forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.runs, uid)
}

// Source is what the controller watches to visit the CrawlJobs that have reported.
func (r *Reports) Source() source.TypedSource[reconcile.Request] {
	return source.Channel(r.visits, &handler.EnqueueRequestForObject{}, source.WithBufferSize[client.Object, reconcile.Request](maxPending))
}
