package frontier

import (
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/workflows"
)

// amend has the order widened.
func (r *rig) amend(generation int64, seeds ...string) (workflows.AmendOutput, error) {
	out, err := activityOf(r, r.planner.Amend, workflows.AmendInput{Job: r.job, Seeding: generation, Seeds: seeds})
	if err == nil {
		r.job.Generation, r.job.Seeding = generation, generation
	}
	return out, err
}

// TestSeedsAreAdded: seeds that are added bring their places into the scope, one that is known
// changes nothing, and the state that a planner keeps is not used with another order.
func TestSeedsAreAdded(t *testing.T) {
	t.Parallel()
	w := tree(4, "a.example", "b.example", "c.example")
	r := newRig(t, w)
	r.job.Spec.Limits.Pages = 3
	r.seed("http://a.example/0")
	out := r.plan(1)
	done := r.persist(out.Bundles[0])
	for range 2 { // another attempt changes nothing
		if _, err := r.amend(2, "http://a.example/0", "http://b.example/0"); err != nil {
			t.Fatal(err)
		}
	}
	r.job.Spec.Limits.Pages = 100
	before := r.seq
	out = r.plan(0, done)
	if out.Counts.Queued != 3 { // two links of a, and the seed b
		t.Errorf("queued: %+v", out.Counts)
	}
	r.planner.states = stateCache{} // a worker that knows nothing takes the step again
	r.seq = before
	if again := r.plan(0, done); again.Counts.Queued != 3 || again.Seq != out.Seq {
		t.Errorf("again: %+v", again)
	}
	if out = r.run(2); out.Counts.Archived != 8 || out.Limit != "" {
		t.Errorf("in the end: %+v", out)
	}
	if _, err := r.amend(3, "http://a.example/0", "http://b.example/0", "http://c.example/0"); err != nil {
		t.Fatal(err)
	}
	if out = r.run(2); out.Counts.Archived != 12 {
		t.Errorf("after another: %+v", out)
	}
	if sealed := r.seal(); !sealed.Balanced || sealed.Counts.Archived != 12 {
		t.Errorf("sealed: %+v", sealed)
	}
	if got := r.store.Keys("/frontier/ns/name/uid/seeds"); !slices.Equal(got, []string{"/frontier/ns/name/uid/seeds", "/frontier/ns/name/uid/seeds-2", "/frontier/ns/name/uid/seeds-3"}) {
		t.Errorf("lists of seeds: %v", got)
	}
}

// TestSeedThatIsNone: addresses that cannot be visited are named, not repeated, and the others
// are visited: nobody could take those out of an order.
func TestSeedThatIsNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(1, "a.example", "b.example"))
	r.seed("http://a.example/0")
	bad := "http://c.example:99999/"
	out, err := r.amend(2, "http://a.example/0", bad, bad, "http://b.example/0", "gopher://c.example/", bad, bad)
	want := []string{"seed 2 has the port", "seed 3 has", "seed 5 has the scheme", "and 2 more"}
	for _, part := range want {
		if err != nil || !strings.Contains(out.Invalid, part) {
			t.Fatalf("%+v, error %v, want to hear %q", out, err, part)
		}
	}
	if strings.Contains(out.Invalid, "c.example") {
		t.Errorf("an address is repeated: %q", out.Invalid)
	}
	if again, err := r.amend(2, "http://a.example/0", bad); err != nil || !strings.HasPrefix(again.Invalid, "seed 2 ") {
		t.Errorf("another attempt: %+v, error %v", again, err)
	}
	if out := r.run(1); out.Counts.Archived != 2 {
		t.Errorf("%+v", out.Counts)
	}
}
