package frontier

import (
	"encoding/json"
	"fmt"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestStepsAreSmall: a step of a busy shard of the largest run, which takes in what all bundles
// brought, sends to all shards and hands out all bundles again, stays within the budget that
// the queue has in a history.
func TestStepsAreSmall(t *testing.T) {
	t.Parallel()
	const (
		bundles = 16    // that a shard has out at once
		budget  = 20000 // bytes of an answer
	)
	var hosts []string
	for i := 0; len(hosts) < 4*bundles*20; i++ {
		if h := fmt.Sprintf("a-host-with-a-name-of-some-length-%d.example", i); frontier.ShardOf(h, frontier.MaxShards) == 1 {
			hosts = append(hosts, h)
		}
	}
	w := &web{links: map[string][]string{}}
	var seeds []string
	for i, h := range hosts {
		seeds = append(seeds, "http://"+h+"/0")
		for n := range 8 {
			w.links[seeds[i]] = append(w.links[seeds[i]], fmt.Sprintf("http://%s/%d", h, n), fmt.Sprintf("http://other-%d-%d.example/", i, n))
		}
	}
	r := newRig(t, w)
	r.job.Spec.Scope = workflows.Scope{Type: "Custom", Include: []string{`\.example/`}}
	r.job.Spec.Shards = frontier.MaxShards
	r.seed(seeds...)

	in := workflows.PlanInput{Job: r.job, Shard: 1, Shards: frontier.MaxShards, Slots: bundles}
	for step := range 2 {
		out, err := activityOf(r, r.planner.Plan, in)
		if err != nil || len(out.Bundles) != bundles {
			t.Fatalf("step %d: %d bundles, %v", step, len(out.Bundles), err)
		}
		answer, err := json.Marshal(out)
		if err != nil || len(answer) > budget {
			t.Errorf("the answer of step %d is %d bytes, want %d at most: %v", step, len(answer), budget, err)
		}
		t.Logf("step %d: %d bytes", step, len(answer))
		if step == 1 && (out.Exchange == nil || len(out.Exchange.Parts) < frontier.MaxShards-1 || len(out.Applied) != bundles) {
			t.Errorf("it took in %d bundles and sent %+v: that is not the largest step", len(out.Applied), out.Exchange)
		}
		in.Seq, in.Done = out.Seq, nil
		for _, ref := range out.Bundles {
			lease := r.input(ref)
			lease.Shard = 1
			got, err := r.crawler.crawl(t.Context(), r.leases.lease(ref.ID), lease)
			if err != nil {
				t.Fatal(err)
			}
			in.Done = append(in.Done, workflows.BundleDone{ID: ref.ID, Results: got.Results})
		}
	}
}
