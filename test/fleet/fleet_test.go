package fleet

import "testing"

// TestFleet is one test, since a cluster and a fleet take minutes to start; each step goes on from what the one before has
// left, and none is tried after one that failed.
func TestFleet(t *testing.T) {
	b := newBed(t)
	for _, step := range []struct {
		name string
		do   func(*bed, *testing.T)
	}{
		{"the cluster starts", (*bed).start},
		{"the fleet is installed", (*bed).install},
		{"its pods are confined", (*bed).confined},
		{"the first crawl", (*bed).firstCrawl},
		{"the portal shows it", (*bed).portal},
		{"the pool follows a crawl", (*bed).scaling},
		{"a browser's pod is evicted", (*bed).eviction},
		{"the worker is upgraded", (*bed).upgrade},
		{"network policies hold", (*bed).policies},
		{"what was captured outlives the release", (*bed).uninstall},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.do(b, t) }) {
			b.explain(t)
			return
		}
	}
}
