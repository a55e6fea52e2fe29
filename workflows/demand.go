package workflows

import "go.temporal.io/sdk/workflow"

// bundleHosts is how many hosts a bundle has at most (internal/frontier).
const bundleHosts = 20

// MaxReady is how many hosts a shard can have out at most.
const MaxReady = openBundles * bundleHosts

// Demand is what browsers could do for a shard, or for a run, if there were enough of them. A
// host is visited one page at a time, so each asks for one tab.
type Demand struct {
	// Bundles are those that were handed out and have not come back: with a worker, or waiting for
	// one. Hosts is how many hosts are in them.
	Bundles int `json:"bundles,omitempty"`
	Hosts   int `json:"hosts,omitempty"`
	// Ready is how many more could be visited now and would be handed out next.
	Ready int `json:"ready,omitempty"`
}

// Plus adds up what two ask for.
func (d Demand) Plus(o Demand) Demand {
	return Demand{Bundles: d.Bundles + o.Bundles, Hosts: d.Hosts + o.Hosts, Ready: d.Ready + o.Ready}
}

// demand is what browsers could do for the shard now.
func (s *shard) demand() Demand {
	d := Demand{Bundles: len(s.open)}
	for _, id := range workflow.DeterministicKeys(s.open) {
		d.Hosts += s.open[id].ref.Hosts
	}
	if !s.running() || s.in.Hold || s.trouble.visiting {
		return d
	}
	ready := s.ready
	for _, id := range workflow.DeterministicKeys(s.back) { // most of them have more to visit
		ready += s.back[id]
	}
	d.Ready = max(0, min(ready, MaxReady-d.Hosts))
	return d
}

// demand is what browsers could do for the run now.
func (r *run) demand() Demand {
	var d Demand
	for _, m := range r.shards {
		if !m.last.Done {
			d = d.Plus(m.last.Demand)
		}
	}
	return d
}
