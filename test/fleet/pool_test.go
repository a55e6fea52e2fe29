package fleet

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// browsers are the pods of the pool that are not ending.
func (b *bed) browsers(ctx context.Context, t *testing.T) (running []corev1.Pod) {
	t.Helper()
	for _, p := range b.pods(ctx, t, fleetSpace, "app.kubernetes.io/component=browser") {
		if p.DeletionTimestamp == nil {
			running = append(running, p)
		}
	}
	return running
}

// count waits until the pool has so many browsers. (That they are ready, too, is not waited for: how long that takes beside the
// crawl depends on the machine.)
func (b *bed) count(t *testing.T, want int) {
	t.Helper()
	await(t, fmt.Sprintf("the pool has %d browsers", want), func(ctx context.Context) (bool, string) {
		n := len(b.browsers(ctx, t))
		return n == want, fmt.Sprintf("%d", n)
	})
}

// scaling has all sites crawled at once, which is work for two browsers, from none and to none.
func (b *bed) scaling(t *testing.T) {
	b.count(t, 0)
	c := b.order(t, "whole", 4)
	b.count(t, 2)
	c.underWay(t)
	c.whole(t)
	b.count(t, 0)
}

// eviction takes browsers from the node in the middle of a crawl, as kubectl drain does.
func (b *bed) eviction(t *testing.T) {
	c := b.order(t, "evicted", 8)
	c.middle(t, 5)
	b.record(t)
	pod := b.loaded(t)
	await(t, pod.Name+" may be evicted", func(ctx context.Context) (bool, string) {
		err := b.client.PolicyV1().Evictions(fleetSpace).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: fleetSpace}})
		if err != nil && !apierrors.IsTooManyRequests(err) { // as long as its budget does not allow it
			t.Fatal(err)
		}
		return err == nil, fmt.Sprint(err)
	})
	c.underWay(t)
	await(t, pod.Name+" is gone", func(ctx context.Context) (bool, string) {
		for _, p := range b.pods(ctx, t, fleetSpace, "app.kubernetes.io/component=browser") {
			if p.UID == pod.UID {
				return false, "it is ending"
			}
		}
		return true, ""
	})
	c.whole(t)
}

// loaded waits for a browser that is ready.
func (b *bed) loaded(t *testing.T) (pod corev1.Pod) {
	t.Helper()
	await(t, "a browser is ready", func(ctx context.Context) (bool, string) {
		for _, pod = range b.browsers(ctx, t) {
			if ready(&pod) {
				return true, ""
			}
		}
		return false, "none is"
	})
	return pod
}
