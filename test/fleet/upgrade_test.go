package fleet

import (
	"context"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// upgrade has another worker take over in the middle of a crawl, by the guide's commands. (It is the same program; what
// makes a version of it is the name of its image.)
func (b *bed) upgrade(t *testing.T) {
	const next = "next"
	if out, err := b.cluster(t.Context(), "exec", "--", "ctr", "--namespace", "k8s.io", "images", "tag",
		"docker.io/crawlfleet/worker:dev", "docker.io/crawlfleet/worker:"+next); err != nil {
		t.Fatalf("name the next image: %v\n%s", err, out)
	}
	old := b.conductors(t.Context(), t)
	if len(old) != 1 || old[0].State != v1alpha1.BuildCurrent {
		t.Fatalf("before the upgrade there are the conductors %+v, want one that is current", old)
	}
	c := b.order(t, "upgraded", 20)
	c.middle(t, 5)
	b.set(t, next)
	b.follow(t, "Upgrade")
	await(t, "the new version takes over", func(ctx context.Context) (bool, string) {
		for _, now := range b.conductors(ctx, t) {
			if now.Build != old[0].Build && now.State == v1alpha1.BuildCurrent {
				return true, ""
			}
		}
		return false, fmt.Sprintf("the conductors are %+v", b.conductors(ctx, t))
	})
	c.underWay(t)
	name := "crawlfleet-conductor-" + old[0].Build
	await(t, name+" is removed", func(ctx context.Context) (bool, string) {
		all, err := b.client.AppsV1().Deployments(fleetSpace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err.Error()
		}
		for _, d := range all.Items {
			if d.Name == name {
				return false, fmt.Sprintf("the conductors are %+v", b.conductors(ctx, t))
			}
		}
		return true, ""
	})
	c.whole(t)
	for _, p := range b.pods(t.Context(), t, fleetSpace, "app.kubernetes.io/component=conductor") {
		if image := p.Spec.Containers[0].Image; !strings.HasSuffix(image, ":"+next) && p.DeletionTimestamp == nil {
			t.Errorf("%s still runs %s", p.Name, image)
		}
	}
	b.waitReady(t)
}

// conductors are the versions that the fleet says there are.
func (b *bed) conductors(ctx context.Context, t *testing.T) []v1alpha1.ConductorStatus {
	t.Helper()
	fleet := &v1alpha1.CrawlFleet{}
	b.object(ctx, t, "crawlfleets", fleetSpace, "crawlfleet", fleet)
	return fleet.Status.Conductors
}
