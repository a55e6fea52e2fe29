package frontier

import (
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/workflows"
)

// restored looks what the store of a rig has of its run, as another cluster's planner does.
func (r *rig) restored(seeds ...string) workflows.RestoreOutput {
	r.t.Helper()
	p := &Planner{Store: r.planner.Store, ArchiveBucket: "archive", FrontierBucket: "frontier", Logger: r.planner.Logger, Now: r.planner.Now}
	out, err := activityOf(r, p.Restore, workflows.RestoreInput{Job: r.job, Seeds: workflows.Seeds{URLs: seeds}})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// TestRestore: a run whose history is gone goes on where the store has it, loads no page again that
// was committed, and ends as it would have.
func TestRestore(t *testing.T) {
	t.Parallel()
	w := tree(40, "a.example", "b.example")
	r := newRig(t, w)
	seeds := []string{"http://a.example/0", "http://b.example/0"}
	if out := r.restored(seeds...); out.Sealed != nil || len(out.Shards) > 0 {
		t.Errorf("there is nothing yet, and found is %+v", out)
	}
	r.seed(seeds...)
	first := r.plan(4)
	done := r.persist(first.Bundles[0])
	plan := r.plan(4, done)
	if len(plan.Bundles) == 0 {
		t.Fatal("no bundle is out")
	}
	// Of the bundles that are out one has committed all that it was given, and one nothing.
	committed := r.persist(plan.Bundles[0])
	if len(committed.Results) == 0 {
		t.Fatal("nothing was committed")
	}

	out := r.restored(seeds...)
	var open []string
	for _, b := range slices.Concat(first.Bundles[1:], plan.Bundles) {
		open = append(open, b.ID)
	}
	slices.Sort(open)
	if out.Sealed != nil || len(out.Shards) != 1 || out.Seeding != 0 || out.Shards[0].Seq != plan.Seq || !slices.Equal(out.Shards[0].Open, open) ||
		out.Shards[0].Counts.Discovered != plan.Counts.Discovered {
		t.Fatalf("found is %+v, want manifest %d with %v out, and the books %+v", out, plan.Seq, open, plan.Counts)
	}

	r.seq = out.Shards[0].Seq
	var lost []workflows.BundleDone
	for _, id := range out.Shards[0].Open {
		lost = append(lost, workflows.BundleDone{ID: id, Lost: true})
	}
	r.plan(0, lost...)
	if last := r.run(4); last.Counts.Archived != int64(len(w.reachable(seeds...))) {
		t.Errorf("archived are %d pages, want %d", last.Counts.Archived, len(w.reachable(seeds...)))
	}
	if n := w.repeated(); n != 0 {
		t.Errorf("%d pages were loaded again that had been committed", n)
	}
	sealed := r.seal()
	if !sealed.Balanced {
		t.Errorf("the books do not balance: %s", sealed.Message)
	}

	got := r.restored(seeds...)
	if got.Sealed == nil || got.Sealed.Statement != sealed.Statement || got.Sealed.Verdict != workflows.VerdictSucceeded || got.Sealed.Counts.Archived != sealed.Counts.Archived {
		t.Errorf("found is %+v, want what %s says", got.Sealed, sealed.Statement)
	}
}

// TestRestoreWithMoreSeeds: what was added to the order after the frontier was saved is visited, too.
func TestRestoreWithMoreSeeds(t *testing.T) {
	t.Parallel()
	w := tree(3, "a.example", "b.example")
	r := newRig(t, w)
	r.seed("http://a.example/0")
	for range 2 { // an attempt after the first finds what that stored
		out := r.restored("http://a.example/0", "http://c.example/")
		if out.Seeding != 1 || len(out.Shards) != 1 || out.Shards[0].Counts.Discovered != 2 {
			t.Errorf("found is %+v, want list 1 with one page more", out)
		}
	}
}

// TestRestoreOfAnother: a statement of another run under this one's name is no reason to believe it.
func TestRestoreOfAnother(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(1, "a.example", "b.example"))
	r.seed("http://a.example/0")
	r.run(1)
	r.seal()
	data, err := get(t.Context(), r.planner.Store.Bucket("archive"), r.archive.Prefix+"run.json", maxStatement)
	if err != nil {
		t.Fatal(err)
	}
	other := r.job
	other.Name = "copied"
	if err := put(t.Context(), r.planner.Store.Bucket("archive"), "ns/copied/another/run.json", data); err != nil {
		t.Fatal(err)
	}
	other.Run = "another"
	_, err = activityOf(r, r.planner.Restore, workflows.RestoreInput{Job: other})
	if err == nil || !strings.Contains(err.Error(), `the statement of run "uid", and not of "another"`) {
		t.Errorf("error %v, want that it is another's", err)
	}
}
