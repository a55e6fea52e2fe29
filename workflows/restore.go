package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"
)

// A run that is restored into a new cluster has what its buckets hold and nothing else: no history
// and no status. So it begins with a look there. One that has a closing statement is over, and
// that says how it ended; of one that is not over the newest manifest of the frontier is where it
// goes on, and what was handed out by then counts as lost: what it committed is found in the store.

// RestoreInput asks what the store has of a run.
type RestoreInput struct {
	Job Job `json:"job"`
	// Seeds are those that the order names itself. Some may have been added that the frontier
	// never heard of.
	Seeds Seeds `json:"seeds"`
}

// RestoreOutput says what the store has of a run. All is empty when it has nothing.
type RestoreOutput struct {
	// Sealed is set when the run is over.
	Sealed *SealedRun `json:"sealed,omitempty"`
	// Shards are how its shards stand, Seeding the number of its list of seeds.
	Shards  []RestoredShard `json:"shards,omitempty"`
	Seeding int64           `json:"seeding,omitempty"`
}

// SealedRun is what a closing statement says of its run.
type SealedRun struct {
	Verdict   Verdict   `json:"verdict"`
	Reason    Reason    `json:"reason"`
	Counts    Counts    `json:"counts"`
	Statement string    `json:"statement"`
	StartedAt time.Time `json:"startedAt"`
	SealedAt  time.Time `json:"sealedAt"`
}

// RestoredShard is how a shard stands in the store.
type RestoredShard struct {
	// Seq is its newest manifest.
	Seq    int64  `json:"seq"`
	Counts Counts `json:"counts"`
	// Open are the bundles that were out.
	Open []string `json:"open,omitempty"`
}

// restore looks what the store has of the run, whatever is asked of it: also one that is to end
// at once has to be sealed, and what it captured looked after.
func (r *run) restore(ctx workflow.Context) error {
	never := func() bool { return false }
	var place PreflightOutput
	if err := r.persist(ctx, step{name: ActivityPreflight, in: PreflightInput{Job: r.job}, out: &place, stop: never, hold: never}); err != nil {
		return err
	}
	r.archive = place.Archive
	var found RestoreOutput
	in := RestoreInput{Job: r.job, Seeds: r.in.Spec.Seeds}
	if err := r.persist(ctx, step{name: ActivityRestore, in: in, out: &found, stop: never, hold: never}); err != nil {
		return err
	}
	if r.in.State == StateCancelled {
		r.end(ReasonCancelled)
	}
	switch {
	case found.Sealed != nil:
		r.before = found.Sealed
		r.job.StartedAt = found.Sealed.StartedAt
		r.phase = PhaseSealing
	case len(found.Shards) > 0:
		return r.takeUp(ctx, found)
	}
	return nil
}

// takeUp goes on with the shards as the store has them.
func (r *run) takeUp(ctx workflow.Context, found RestoreOutput) error {
	stop := func() bool { return r.finish != "" }
	if err := r.storeProfile(ctx, stop, func() bool { return r.in.State == StateSuspended }); err != nil && r.giveUp(err) != nil {
		return err
	}
	r.seeded, r.job.Seeding = true, found.Seeding
	r.shards = nil
	for _, s := range found.Shards {
		m := &member{last: ShardReport{Seq: s.Seq, Counts: s.Counts}}
		for _, id := range s.Open {
			m.lost = append(m.lost, BundleDone{ID: id, Lost: true})
		}
		r.shards = append(r.shards, m)
	}
	r.phase = PhaseCrawling
	if len(r.shards) > 1 {
		// What they sent each other was under way in a history that is gone.
		r.lost, r.phase = true, PhaseSealing
	}
	r.reports.changed = true
	return nil
}

// sealedBefore is the end of a run that had a closing statement when it was restored: as that
// says, and its captures are looked after again.
func (r *run) sealedBefore(ctx workflow.Context) (RunResult, error) {
	result := RunResult{
		Verdict: r.before.Verdict, Reason: r.before.Reason, Archive: r.archive, Counts: r.before.Counts, Statement: r.before.Statement, FinishedAt: r.before.SealedAt,
		Message: fmt.Sprintf("the run was restored, and was over: it was sealed at %s; %s", r.before.SealedAt.UTC().Format(time.RFC3339), archivedOf(r.before.Counts)),
	}
	r.sealed, r.seeded = &r.before.Counts, true
	r.stampLater(ctx, StampInput{Archive: r.archive, Statement: r.before.Statement})
	return r.finishWith(ctx, result)
}
