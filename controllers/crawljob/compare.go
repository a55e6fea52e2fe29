package crawljob

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// readEarlier finds the run that an order compares its pages with; nil when it names none.
// Its error is a *Refusal when there is none that could be compared with.
func (r *Reconciler) readEarlier(ctx context.Context, job *v1alpha1.CrawlJob) (*workflows.EarlierRun, error) {
	named := job.Spec.CompareWith
	if named.Name == "" {
		return nil, nil
	}
	var earlier v1alpha1.CrawlJob
	err := r.Reader.Get(ctx, types.NamespacedName{Namespace: job.Namespace, Name: named.Name}, &earlier)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("read CrawlJob %q: %w", named.Name, err)
	}
	there := err == nil && (named.UID == "" || named.UID == string(earlier.RunUID()))
	switch {
	case named.Name == job.Name && named.UID == "" || named.UID == string(job.RunUID()):
		return nil, &Refusal{workflows.ReasonEarlierRunNotFound, "compareWith names the CrawlJob itself: a crawl can be compared with an earlier one alone. Create a new CrawlJob that names another, or none."}
	case !there && named.UID != "": // it was deleted; what it archived is kept
		return &workflows.EarlierRun{Run: named.UID, Name: named.Name}, nil
	case !there:
		return nil, &Refusal{workflows.ReasonEarlierRunNotFound, fmt.Sprintf(
			"compareWith names CrawlJob %q, which is not in namespace %q. If it was deleted, create a new CrawlJob with compareWith.uid; its snapshots are kept.", named.Name, job.Namespace)}
	}
	if a := earlier.Status.Archive; a != nil && a.Statement != "" {
		return &workflows.EarlierRun{
			Run: string(earlier.RunUID()), Name: earlier.Name, Archive: workflows.Archive{Bucket: a.Bucket, Prefix: a.Prefix},
		}, nil
	}
	next := "The crawl starts by itself once that is sealed."
	if finished(&earlier) {
		next = "It is over and will never be. Create a new CrawlJob that names another, or none."
	}
	return nil, &Refusal{workflows.ReasonEarlierRunNotSealed, fmt.Sprintf(
		"compareWith names CrawlJob %q, which has no closing statement, so its snapshots are not complete. %s", named.Name, next)}
}
