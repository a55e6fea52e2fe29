package scale

import (
	"fmt"
	"time"

	"crawlfleet.dev/crawlfleet/workflows"
)

// Demand is what is known of the work for browsers at a moment.
type Demand struct {
	// Demand is what the runs say: bundles that are out, the hosts in them, and hosts that would
	// be handed out next.
	workflows.Demand
	// Backlog is about how many bundles wait for a worker, BacklogAge how long the first of them has
	// waited. A backlog that was cancelled is counted until a worker asks for it.
	Backlog    int
	BacklogAge time.Duration
	// Added and Dispatched are how many bundles a second were handed out, and taken by workers, over
	// the last half a minute.
	Added, Dispatched float64
	// Pollers is how many workers have asked for bundles of late. One that has as many as it takes
	// does not ask.
	Pollers int
}

// Tabs is how many pages could be loaded at once. What the runs say may be some seconds old:
// bundles that wait are there already, whatever they say.
func (d Demand) Tabs() int {
	tabs := max(d.Hosts+d.Ready, d.Bundles, d.Backlog)
	if tabs == 0 && d.Added > 0 {
		return 1 // a run is about to report
	}
	return tabs
}

// String says it to people.
func (d Demand) String() string {
	return fmt.Sprintf("%d pages could be loaded at once: %d hosts are in %d bundles, %d of which wait for a worker, and %d more are ready",
		d.Tabs(), d.Hosts, d.Bundles, d.Backlog, d.Ready)
}
