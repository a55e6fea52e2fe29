package frontier

import (
	"context"
	"fmt"
	"slices"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// lastOfRun is how the hosts of a run stand at its end.
type lastOfRun struct {
	open   []string // bundles that have no outcome: their shard was ended from outside
	pauses []frontier.HostRest
}

// handBack removes the claims that a run leaves at its end: of a worker that was killed while a
// host had its last pause no attempt follows that would. What is left of a pause is told to
// all runs as a rest before.
func handBack(ctx context.Context, store claimStore, job workflows.Job, last lastOfRun) error {
	if job.Spec.Politeness.Scope == workflows.PolitenessJob {
		return nil
	}
	var left []blob.Key
	claimed := map[string]bool{}
	err := store.List(ctx, claimsPrefix+job.Run+".", func(o blob.Info) bool {
		k, ok := parseClaim(string(o.Key))
		if !ok || slices.Contains(last.open, k.bundle) {
			return true
		}
		left = append(left, o.Key)
		for _, host := range k.hosts {
			claimed[host] = true
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("look for claims that are left: %w", err)
	}
	pauses := slices.DeleteFunc(slices.Clone(last.pauses), func(p frontier.HostRest) bool { return !claimed[hostTag(p.Key)] })
	if err := remember(ctx, store, pauses); err != nil {
		return err
	}
	for _, key := range left {
		if err := withdraw(ctx, store, key); err != nil {
			return err
		}
	}
	return nil
}
