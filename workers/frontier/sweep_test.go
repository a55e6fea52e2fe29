package frontier

import (
	"slices"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// sweepLater sweeps the first shard of a rig as if some time had passed.
func sweepLater(t *testing.T, r *rig, age time.Duration, unread ...string) workflows.SweepOutput {
	t.Helper()
	r.later(age)
	out, err := activityOf(r, r.planner.Sweep, workflows.SweepInput{Job: r.job, Seq: r.seq, Unread: unread})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// later has some time pass for everyone.
func (r *rig) later(age time.Duration) {
	now := func() time.Time { return time.Now().Add(age) }
	r.planner.Now, r.crawler.Now = now, now
}

// TestSweep removes what a crawl does not need any more and nothing else: it goes on to the
// same end, and the books balance.
func TestSweep(t *testing.T) {
	w := tree(60, "a.test")
	r := newRig(t, w)
	r.job.Spec.Authorization.NotAfter = time.Now().Add(100 * workflows.SweepAge)
	r.seed("http://a.test/0")
	var done []workflows.BundleDone
	for range 40 { // some of the crawl, and as many manifests as are swept at all
		out := r.plan(1, done...)
		done = nil
		for _, ref := range out.Bundles {
			done = append(done, r.persist(ref))
		}
		if w.count("http://a.test/20") > 0 && len(done) > 0 {
			break
		}
	}
	for range keptManifests + 5 {
		r.plan(0)
	}
	if len(done) == 0 {
		t.Fatal("no bundle is open: the test shows nothing")
	}
	all := r.store.Keys("/frontier/")
	archived := r.store.Keys("/archive/")
	results := func(keys []string) int {
		return len(slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return !strings.Contains(k, "/r/") }))
	}

	if out := sweepLater(t, r, workflows.SweepAge-time.Hour); out.Objects != 0 {
		t.Errorf("%d objects were removed that are too young", out.Objects)
	}
	// The time of the last manifest counts, not that of the sweep: what is newer may be needed.
	if out := sweepLater(t, r, 10*workflows.SweepAge); out.Objects != 0 {
		t.Errorf("%d objects were removed that are newer than the manifest allows", out.Objects)
	}
	r.plan(0) // at that time
	out := sweepLater(t, r, 10*workflows.SweepAge)
	left := r.store.Keys("/frontier/")
	if out.Objects == 0 || out.Bytes == 0 || len(left) != len(all)+1-out.Objects {
		t.Errorf("removed %+v of %d objects, %d are left", out, len(all), len(left))
	}
	kinds := map[string]int{}
	for _, key := range left {
		if _, in, ok := strings.Cut(key, "/s/0/"); ok {
			kinds[in[:1]]++
		}
	}
	if kinds["m"] != keptManifests+1 || kinds["b"] != 1 || results(left) != results(all) || results(all) == 0 {
		t.Errorf("left are %v; want the first and the last %d manifests, the open bundle, and all results", kinds, keptManifests)
	}
	if got := r.store.Keys("/archive/"); !slices.Equal(got, archived) {
		t.Errorf("the archive had %d objects and has %d", len(archived), len(got))
	}

	r.planner.states = stateCache{} // everything is read back
	r.plan(0, done...)
	r.run(2)
	if w.repeated() > 0 || len(w.loads) != 60 {
		t.Errorf("%d pages were loaded, %d of them again", len(w.loads), w.repeated())
	}
	if sealed := r.seal(); !sealed.Balanced || sealed.Counts.Archived != 60 {
		t.Errorf("sealed: %+v", sealed)
	}
}

// TestSweepKeepsExchanges that somebody has not taken in.
func TestSweepKeepsExchanges(t *testing.T) {
	w := tree(2, "h0.example", "h1.example", "h2.example", "h3.example", "h4.example", "h5.example")
	r := newRig(t, w)
	r.job.Spec.Scope = workflows.Scope{Type: "Custom", Include: []string{"example/"}}
	r.job.Spec.Shards = 2
	r.seed("http://h0.example/0", "http://h1.example/0", "http://h2.example/0", "http://h3.example/0")
	var keys []string
	var done []workflows.BundleDone
	for range 3 {
		out, err := activityOf(r, r.planner.Plan, workflows.PlanInput{Job: r.job, Shards: 2, Seq: r.seq, Slots: 1, Done: done})
		if err != nil {
			t.Fatal(err)
		}
		r.seq, done = out.Seq, nil
		if out.Exchange != nil {
			keys = append(keys, out.Exchange.Key)
		}
		for _, ref := range out.Bundles {
			done = append(done, r.persist(ref))
		}
	}
	if len(keys) < 2 {
		t.Fatalf("%d exchanges: the test shows nothing", len(keys))
	}
	r.later(2 * workflows.SweepAge)
	out, err := activityOf(r, r.planner.Plan, workflows.PlanInput{Job: r.job, Shards: 2, Seq: r.seq})
	if err != nil {
		t.Fatal(err)
	}
	r.seq = out.Seq
	sweepLater(t, r, 2*workflows.SweepAge, keys[1])
	left := r.store.Keys("/frontier/" + exchangeBase(r.job, 0) + "/")
	if !slices.Contains(left, "/frontier/"+keys[1]) || slices.Contains(left, "/frontier/"+keys[0]) {
		t.Errorf("left are %v, want %s and not %s", left, keys[1], keys[0])
	}
}

// TestSweepKeepsWhatManifestsNeed: each of the manifests that are kept can be read back, the
// older ones too, whose tables were put together anew since.
func TestSweepKeepsWhatManifestsNeed(t *testing.T) {
	r := newRig(t, tree(60, "a.test"))
	r.job.Spec.Authorization.NotAfter = time.Now().Add(100 * workflows.SweepAge)
	r.seed("http://a.test/0")
	step := func() {
		out := r.plan(1)
		for _, ref := range out.Bundles {
			r.plan(0, workflows.BundleDone{ID: ref.ID}) // lost, so that there is something to write
		}
	}
	for range 2 * keptManifests {
		step()
	}
	r.later(2 * workflows.SweepAge)
	step()
	if out := sweepLater(t, r, 4*workflows.SweepAge); out.Objects == 0 {
		t.Fatal("nothing was removed: the test shows nothing")
	}
	store := r.planner.Store.Bucket(r.planner.FrontierBucket)
	rules, _, err := r.planner.rules(t.Context(), store, r.job)
	if err != nil {
		t.Fatal(err)
	}
	var first, last []frontier.Segment
	for seq := r.seq - keptManifests + 1; seq <= r.seq; seq++ {
		m, _, err := readManifest(t.Context(), store, r.job, 0, seq)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = m.Segments()
		}
		last = m.Segments()
		s, err := frontier.Open(rules, m, func(key string) ([]byte, error) { return get(t.Context(), store, key, maxSegment) })
		if err == nil {
			err = s.Recount()
		}
		if err != nil {
			t.Errorf("manifest %d: %v", seq, err)
		}
	}
	if !slices.ContainsFunc(first, func(s frontier.Segment) bool { return !slices.Contains(last, s) }) {
		t.Error("the last manifest needs all that the first one does: the test shows nothing")
	}
}
