package scale

import (
	"fmt"

	"crawlfleet.dev/crawlfleet/workflows"
)

// Demand is what is known of the work for browsers at a moment.
type Demand struct {
	// Demand is what the runs say: bundles that are out, the hosts in them, and hosts that would
	// be handed out next.
	workflows.Demand
	// Backlog is about how many bundles wait for a worker. Those that were cancelled are counted
	// until a worker asks for them.
	Backlog int
}

// Tabs is how many pages could be loaded at once. What the runs say may be some seconds old:
// bundles that wait are there already, whatever they say.
func (d Demand) Tabs() int {
	return max(d.Hosts+d.Ready, d.Bundles, d.Backlog)
}

// String says it to people.
func (d Demand) String() string {
	return fmt.Sprintf("%s could be loaded at once: %s in %s, %d waiting for a worker, and %s ready",
		count(d.Tabs(), "page"), count(d.Hosts, "host"), count(d.Bundles, "bundle"), d.Backlog, count(d.Ready, "host"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
