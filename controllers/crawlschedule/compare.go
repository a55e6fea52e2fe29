package crawlschedule

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// sealed is a CrawlJob that later ones can be compared with: it is over, has a closing
// statement and archived pages. The zero value is none. What ended with nothing, as on a day
// on which the site was down, is passed over: everything would be new beside it.
func sealed(job *v1alpha1.CrawlJob) v1alpha1.SealedJob {
	status := job.Status
	if !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionSealed) || status.FinishedAt == nil ||
		status.Counters == nil || status.Counters.Archived == nil || *status.Counters.Archived == 0 {
		return v1alpha1.SealedJob{}
	}
	return v1alpha1.SealedJob{Name: job.Name, UID: string(job.UID), FinishedAt: status.FinishedAt}
}

// later is the one of two that ended last. Their times do not count: what is made up for
// shows a site as it was when that was done.
func later(a, b v1alpha1.SealedJob) v1alpha1.SealedJob {
	switch {
	case b.FinishedAt == nil:
		return a
	case a.FinishedAt == nil, a.FinishedAt.Before(b.FinishedAt):
		return b
	}
	return a
}

// lastSealed is the CrawlJob that the next one is compared with.
func lastSealed(s *v1alpha1.CrawlSchedule, jobs []Job) v1alpha1.SealedJob {
	last := s.Status.LastSealed
	for _, j := range jobs {
		last = later(last, j.Sealed)
	}
	return last
}

// compareWith has a CrawlJob compared with the last one of its schedule, unless the template
// names another. It reads past the cache: the one before may have ended just now.
func (f *Firings) compareWith(ctx context.Context, s *v1alpha1.CrawlSchedule, job *v1alpha1.CrawlJob) error {
	if job.Spec.CompareWith.Name != "" {
		return nil
	}
	var list v1alpha1.CrawlJobList
	if err := f.Reader.List(ctx, &list, client.InNamespace(s.Namespace), client.MatchingLabels{v1alpha1.LabelSchedule: s.Name}); err != nil {
		return fmt.Errorf("list CrawlJobs: %w", err)
	}
	last := s.Status.LastSealed
	for i := range list.Items {
		if metav1.IsControlledBy(&list.Items[i], s) {
			last = later(last, sealed(&list.Items[i]))
		}
	}
	job.Spec.CompareWith = v1alpha1.EarlierRun{Name: last.Name, UID: last.UID}
	return nil
}
