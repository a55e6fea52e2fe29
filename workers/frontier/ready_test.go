package frontier

import (
	"fmt"
	"testing"

	"crawlfleet.dev/crawlfleet/workflows"
)

// TestMaxReady: what a shard may say that browsers could do for it is what it hands out at most. (The
// workflows know how many bundles are out, the queue how many hosts a bundle has.)
func TestMaxReady(t *testing.T) {
	t.Parallel()
	const slots, more = 16, 7
	r := newRig(t, &web{})
	r.job.Spec.Shards = 1
	var seeds []string
	for i := range workflows.MaxReady + more {
		seeds = append(seeds, fmt.Sprintf("http://h%d.test/", i))
	}
	r.seed(seeds...)
	out := r.plan(slots)
	hosts := 0
	for _, b := range out.Bundles {
		hosts += b.Hosts
	}
	if hosts != workflows.MaxReady || out.Ready != more {
		t.Errorf("%d bundles with %d hosts, and %d ready: want %d hosts, and %d ready", len(out.Bundles), hosts, out.Ready, workflows.MaxReady, more)
	}
}
