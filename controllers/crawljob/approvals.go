package crawljob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/workflows"
)

// readOrder reads an order past the cache. It returns the order with its newest spec and its newest
// annotations, of which one says who gave it and which change without another generation; and
// the spec as the API server holds it, of which approvals have the digest. Its error is the API
// server's, a conflict when the cache has another order.
func (r *Reconciler) readOrder(ctx context.Context, cached *v1alpha1.CrawlJob) (*v1alpha1.CrawlJob, map[string]any, error) {
	read, spec, err := order.Read(ctx, r.Reader, client.ObjectKeyFromObject(cached))
	if err != nil {
		return nil, nil, fmt.Errorf("read CrawlJob past the cache: %w", err)
	}
	if read.UID != cached.UID || read.Generation != cached.Generation {
		return nil, nil, apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("crawljobs").GroupResource(), cached.Name, errors.New("the cache is late"))
	}
	job := cached.DeepCopy()
	job.Spec, job.Annotations = read.Spec, read.Annotations
	return job, spec, nil
}

// observeApprovals counts the approvals of what would be started. Its error is the API server's.
func (r *Reconciler) observeApprovals(ctx context.Context, o *Observation, wanted int, spec map[string]any, texts texts) error {
	digest, err := order.Digest(spec, texts)
	if err != nil {
		return err
	}
	var list v1alpha1.CrawlApprovalList
	if err := r.Client.List(ctx, &list, client.InNamespace(o.Job.Namespace)); err != nil {
		return fmt.Errorf("list CrawlApprovals: %w", err)
	}
	counted, rest := approvalsOf(o.Job, digest, list.Items)
	if len(counted) >= wanted {
		o.Approvals = counted[:min(len(counted), maxApprovals)]
		return nil
	}
	o.Outdated = rest.outdated > 0
	o.Judged = &Standing{Mood: Waits, Reason: workflows.ReasonApprovalMissing, Message: missing(o.Job, len(counted), wanted, rest)}
	return nil
}

// uncounted are the approvals of an order that do not count, by why not.
type uncounted struct {
	// own are by who has ordered it, or has approved it already.
	own int
	// outdated are of what the order, or what it refers to, was before.
	outdated int
	// blind do not say what they are of: they were given before approvals did.
	blind int
}

// approvalsOf are the approvals of an order that count, the oldest first: one of each person
// that did not order it, of what has this digest.
func approvalsOf(job *v1alpha1.CrawlJob, digest string, all []v1alpha1.CrawlApproval) (counted []workflows.Approval, rest uncounted) {
	people := map[string]bool{job.Spec.Authorization.RequestedBy: true, job.Annotations[v1alpha1.AnnotationOrderedBy]: true}
	late := func(a v1alpha1.CrawlApproval) int { // whoever has approved it again has nothing left to do
		if a.Spec.CrawlJob.Digest == digest {
			return 0
		}
		return 1
	}
	slices.SortFunc(all, func(a, b v1alpha1.CrawlApproval) int {
		return cmp.Or(late(a)-late(b), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
	})
	for i := range all {
		a := &all[i]
		switch of := a.Spec.CrawlJob; {
		case of.UID != string(job.UID) || a.DeletionTimestamp != nil:
		case people[a.Spec.Approver]:
			rest.own++
		case of.Digest == "":
			rest.blind++
		case of.Digest != digest:
			rest.outdated++
		default:
			people[a.Spec.Approver] = true
			counted = append(counted, workflows.Approval{UID: string(a.UID), Approver: a.Spec.Approver, At: a.CreationTimestamp.UTC(), Digest: digest})
		}
	}
	return counted, rest
}

// missing says what an order waits for, without a name: it becomes an event.
func missing(job *v1alpha1.CrawlJob, counted, wanted int, rest uncounted) string {
	text := fmt.Sprintf("%d of the %d approvals that this fleet wants are there. Each is given by another person, who did not order the crawl: crawlctl approve %s -n %s. The crawl starts by itself then.",
		counted, wanted, job.Name, job.Namespace)
	if rest.outdated > 0 {
		text += fmt.Sprintf(" CrawlApprovals that do not count, because the order, or what is in the ConfigMaps that it names, has changed since: %d. Read it and approve it again with crawlctl approve, or put back what was approved.", rest.outdated)
	}
	if rest.blind > 0 {
		text += fmt.Sprintf(" CrawlApprovals that do not count, because they have no digest of what they are of: %d. Approve it again with crawlctl approve.", rest.blind)
	}
	if rest.own > 0 {
		text += fmt.Sprintf(" (CrawlApprovals that do not count, because their approver has ordered the crawl or has approved it already: %d.)", rest.own)
	}
	return text
}
