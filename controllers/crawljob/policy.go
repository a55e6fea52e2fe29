package crawljob

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// The API server judges orders too (config/policy). What it judges by the order alone is judged
// here again, as approvals come later. That an approval is in its author's own name only the
// policies vouch for: without them whoever may create approvals may do so in any name.

// maxApprovals is how many approvals the status can hold, which is more than a policy can want.
const maxApprovals = 64

// judge judges an order that has not begun by the policy of the fleet: it returns how many
// approvals it wants, and how the order stands when it may not begin with any. Its error is the
// API server's.
func (r *Reconciler) judge(ctx context.Context, job *v1alpha1.CrawlJob) (wanted int, _ *Standing, _ error) {
	policy, err := r.policy(ctx)
	if err != nil {
		return 0, nil, err
	}
	purpose := job.Spec.Authorization.Purpose
	switch {
	case policy == nil:
		return 0, &Standing{Mood: Refused, Reason: workflows.ReasonFleetMissing, Message: fmt.Sprintf(
			"There is no CrawlFleet %q in namespace %q, so nobody has said what may be crawled for. Create it, as config/default/fleet.yaml does; the crawl starts by itself then.",
			v1alpha1.FleetName, r.FleetNamespace)}, nil
	case !slices.Contains(policy.Purposes, v1alpha1.Purpose(purpose)):
		return 0, &Standing{Mood: Refused, Reason: workflows.ReasonPurposeNotAllowed, Message: fmt.Sprintf(
			"The purpose %s is none that this fleet crawls for: it must be one of %s (CrawlFleet %s/%s). Create a new CrawlJob for one of these, or have the CrawlFleet changed; the crawl starts by itself then.",
			purpose, purposes(policy), r.FleetNamespace, v1alpha1.FleetName)}, nil
	}
	return int(deref(policy.Approvals)), nil, nil
}

// policy is that of the fleet, nil when there is no CrawlFleet.
func (r *Reconciler) policy(ctx context.Context) (*v1alpha1.Policy, error) {
	var fleet v1alpha1.CrawlFleet
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: r.FleetNamespace, Name: v1alpha1.FleetName}, &fleet)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the CrawlFleet: %w", err)
	}
	return &fleet.Spec.Policy, nil
}

func purposes(p *v1alpha1.Policy) string {
	words := make([]string, len(p.Purposes))
	for i, purpose := range p.Purposes {
		words[i] = string(purpose)
	}
	return strings.Join(words, ", ")
}

// withdrawn tells whether approvals that a crawl began with were taken away, so that fewer
// are left than the fleet wants. Its error is the API server's.
func (r *Reconciler) withdrawn(ctx context.Context, job *v1alpha1.CrawlJob, began []workflows.Approval) (bool, error) {
	for _, reader := range []client.Reader{r.Client, r.Reader} { // the cache may be late
		left, err := remaining(ctx, reader, job, began)
		if err != nil || left == len(began) {
			return false, err
		}
		policy, err := r.policy(ctx)
		if err != nil || policy != nil && left >= int(deref(policy.Approvals)) {
			return false, err
		}
	}
	return true, nil
}

// remaining is how many approvals are still there.
func remaining(ctx context.Context, reader client.Reader, job *v1alpha1.CrawlJob, began []workflows.Approval) (int, error) {
	var list v1alpha1.CrawlApprovalList
	if err := reader.List(ctx, &list, client.InNamespace(job.Namespace)); err != nil {
		return 0, fmt.Errorf("list CrawlApprovals: %w", err)
	}
	n := 0
	for _, a := range began {
		if slices.ContainsFunc(list.Items, func(b v1alpha1.CrawlApproval) bool { return string(b.UID) == a.UID && b.DeletionTimestamp == nil }) {
			n++
		}
	}
	return n, nil
}

// approved has the CrawlJob visited that an approval is of.
func approved(_ context.Context, o client.Object) []reconcile.Request {
	a, ok := o.(*v1alpha1.CrawlApproval)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: a.Namespace, Name: a.Spec.CrawlJob.Name}}}
}

// undecided has the CrawlJobs visited that have not begun, when the policy of the fleet has
// changed.
func (r *Reconciler) undecided(ctx context.Context, o client.Object) []reconcile.Request {
	if o.GetNamespace() != r.FleetNamespace || o.GetName() != v1alpha1.FleetName {
		return nil
	}
	var list v1alpha1.CrawlJobList
	if err := r.Client.List(ctx, &list); err != nil {
		return nil // those that are refused are looked at again by themselves
	}
	var all []reconcile.Request
	for i := range list.Items {
		if job := &list.Items[i]; !finished(job) && job.Status.Run.WorkflowID == "" {
			all = append(all, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(job)})
		}
	}
	return all
}

func deref(n *int32) int32 {
	if n == nil {
		return 0
	}
	return *n
}
