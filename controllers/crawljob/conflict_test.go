package crawljob

import (
	"context"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// TestConflictIsNoError: that somebody else was faster is nothing that a log should call an
// error. It is looked at again.
func TestConflictIsNoError(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith())
	faster := true
	watched, ok := s.Client.(client.WithWatch)
	if !ok {
		t.Fatal("the client cannot be wrapped")
	}
	s.Client = interceptor.NewClient(watched, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if faster {
				return apierrors.NewConflict(schema.GroupResource{Resource: "crawljobs"}, o.GetName(), nil)
			}
			return c.Patch(ctx, o, p, opts...)
		},
	})
	result, err := s.Reconcile(t.Context(), ctrl.Request{NamespacedName: name})
	if err != nil || result.RequeueAfter != soon || s.writes > 0 {
		t.Errorf("%+v, %v, %d writes; want another visit soon", result, err, s.writes)
	}
	faster = false
	if s.visit(); !controllerutil.ContainsFinalizer(s.job(), v1alpha1.Finalizer) {
		t.Error("the next visit does not do it")
	}
}
