package kube

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// ChangeFinalizer changes a finalizer of an object, unless somebody else changed the object
// in between. change is controllerutil.AddFinalizer or controllerutil.RemoveFinalizer.
func ChangeFinalizer(ctx context.Context, c client.Client, o client.Object, finalizer string, change func(client.Object, string) bool) error {
	before := o.DeepCopyObject().(client.Object) //nolint:forcetypeassert // the copy of one is one
	if !change(o, finalizer) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	err := c.Patch(ctx, o, patch, FieldOwner)
	if apierrors.IsNotFound(err) && !controllerutil.ContainsFinalizer(o, finalizer) {
		return nil // it is gone, as it was to be
	}
	if err != nil {
		return fmt.Errorf("change the finalizer: %w", err)
	}
	return nil
}
