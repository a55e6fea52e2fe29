package crawlfleet

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/render"
	"crawlfleet.dev/crawlfleet/internal/kube"
)

// releaser owns the number of a pool's pods for the moment between the operator and whoever scales the
// pool from then on: a field that nobody owns any more goes back to its default, which is one pod.
const releaser = client.FieldOwner("crawlfleet-operator-released")

// Done is what was done of a Decision.
type Done struct {
	// Applied are the objects that the API server took, Removed those that it removed.
	Applied render.Objects
	Removed []client.Object
	// Refused is why it did not take some object, nil when it took all.
	Refused *Problem
}

// do has the API server have what the decision says. An object that it refuses keeps none of the
// others from being made.
func (r *Reconciler) do(ctx context.Context, d *Decision) (Done, error) {
	var done Done
	for _, have := range d.Release {
		if err := r.release(ctx, have); err != nil {
			return done, err
		}
	}
	for _, o := range d.Apply {
		err := r.Client.Apply(ctx, o.Configuration, kube.FieldOwner, client.ForceOwnership)
		switch {
		case err == nil:
			done.Applied = append(done.Applied, o)
		case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
			if done.Refused == nil {
				done.Refused = &Problem{ReasonObjectRefused, fmt.Sprintf("The API server does not take %s %q: %v. Correct the CrawlFleet, or what refuses it.", o.Kind, o.Name, err)}
			}
		default:
			return done, fmt.Errorf("apply %s %q: %w", o.Kind, o.Name, err)
		}
	}
	remove := d.Trial.remove
	if done.Refused == nil { // else something is missing, and nothing that runs is taken away
		remove = slices.Concat(d.Remove, remove)
	}
	for _, object := range remove {
		gone, err := r.remove(ctx, object)
		if err != nil {
			return done, err
		}
		if gone {
			done.Removed = append(done.Removed, object)
		}
	}
	return done, nil
}

// remove deletes an object that was made for the fleet, unless it is gone or another one meanwhile.
func (r *Reconciler) remove(ctx context.Context, object client.Object) (bool, error) {
	uid := object.GetUID()
	err := r.Client.Delete(ctx, object, client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
		return false, fmt.Errorf("remove %s %q: %w", kindOf(object), object.GetName(), err)
	}
	return err == nil, nil
}

// release gives the number of a Deployment's pods away as it is.
func (r *Reconciler) release(ctx context.Context, d *appsv1.Deployment) error {
	as := appsapply.Deployment(d.Name, d.Namespace).WithSpec(appsapply.DeploymentSpec().WithReplicas(orOne(d.Spec.Replicas)))
	if err := r.Client.Apply(ctx, as, releaser, client.ForceOwnership); err != nil {
		return fmt.Errorf("release the replicas of Deployment %q: %w", d.Name, err)
	}
	return nil
}

// ownsReplicas tells whether the operator has said how many pods a Deployment has.
func ownsReplicas(d *appsv1.Deployment) bool {
	for _, m := range d.ManagedFields {
		if m.Manager == string(kube.FieldOwner) && m.Subresource == "" && m.FieldsV1 != nil && strings.Contains(m.FieldsV1.GetRawString(), `"f:replicas"`) {
			return true
		}
	}
	return false
}
