package frontier

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// moody is a store that fails one request in some, half of them after it did what it was
// asked.
type moody struct {
	mu  sync.Mutex
	r   *rand.Rand
	one int
	// failed counts requests that failed, stored those of them that were done.
	failed, stored int
	// holds is the object at a path.
	holds func(path string) []byte
}

func (m *moody) answer(w http.ResponseWriter, r *http.Request, stored func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !strings.HasPrefix(r.URL.Path, "/frontier/") || m.r.IntN(m.one) > 0 {
		return false
	}
	if r.Method == http.MethodPut && r.Header.Get("If-None-Match") == "" {
		return false // it is no object of a run
	}
	if r.Method == http.MethodPut && m.r.IntN(2) == 0 && m.holds(r.URL.Path) == nil {
		m.stored++
		stored()
	}
	m.failed++
	blobtest.Fail(w, http.StatusServiceUnavailable, "SlowDown")
	return true
}

// planBy lets a worker take a step, again and again while the store has trouble, as Temporal
// would.
func planBy(r *rig, p *Planner, in workflows.PlanInput) workflows.PlanOutput {
	r.t.Helper()
	for range 40 {
		out, err := activityOf(r, p.Plan, in)
		if err == nil {
			return out
		}
		if !strings.Contains(err.Error(), string(workflows.ReasonStoreUnreachable)) {
			r.t.Errorf("plan after %d: %v", in.Seq, err)
			return out
		}
	}
	r.t.Errorf("plan after %d: the store does not get better", in.Seq)
	return workflows.PlanOutput{}
}

// TestPlanAttempts has two workers take the steps of a crawl on a store that fails: attempts
// run side by side, answers are lost, old attempts come back, and the workflow is reset to
// an older point. Whoever takes a step again is told what was decided first.
func TestPlanAttempts(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tree(60, "a.test", "b.test", "c.test"))
			r.seed(planSeeds...)
			dice := rand.New(rand.NewPCG(seed, 1))
			store := &moody{r: rand.New(rand.NewPCG(seed, 2)), one: 20, holds: r.store.Object}
			r.store.Answer = store.answer
			other := &Planner{
				Store: r.planner.Store, ArchiveBucket: "archive", FrontierBucket: "frontier", Robots: r.planner.Robots, Logger: r.planner.Logger, Now: r.planner.Now,
			}
			workers := []*Planner{r.planner, other}
			a := &attempts{rig: r, dice: dice, workers: workers}
			a.crawl()
			r.store.Answer = nil
			a.check(store)
		})
	}
}

// TestPlanThatSeemedToFail: a worker does not hear that its manifest was stored, and another one
// takes the step again. When the first has its turn next, it goes on from what is stored.
func TestPlanThatSeemedToFail(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(6, "a.test"))
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	done := r.persist(ref)
	other := &Planner{
		Store: r.planner.Store, ArchiveBucket: "archive", FrontierBucket: "frontier", Robots: r.planner.Robots, Logger: r.planner.Logger, Now: r.planner.Now,
	}
	path := "/frontier/" + manifestKey(r.job, 0, r.seq+1)
	r.store.Answer = func(w http.ResponseWriter, req *http.Request, stored func()) bool {
		if req.URL.Path != path {
			return false
		}
		if req.Method == http.MethodPut && r.store.Object(path) == nil {
			stored()
		}
		blobtest.Fail(w, http.StatusServiceUnavailable, "SlowDown")
		return true
	}
	in := workflows.PlanInput{Job: r.job, Seq: r.seq, Slots: 1, Done: []workflows.BundleDone{done}}
	if out, err := activityOf(r, r.planner.Plan, in); err == nil || r.store.Object(path) == nil {
		t.Fatalf("%+v, %v: the answer was not lost", out, err)
	}
	r.store.Answer = nil
	out, err := activityOf(r, other.Plan, in)
	if err != nil || len(out.Applied) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	r.seq = out.Seq
	r.runFrom(r.persist(out.Bundles[0]))
	r.chain()
	if sealed := r.seal(); !sealed.Balanced || sealed.Counts.Archived != 6 {
		t.Errorf("sealed %+v", sealed)
	}
}

var planSeeds = []string{"http://a.test/0", "http://b.test/0", "http://c.test/0"}

// attempts is a crawl whose steps are taken by more than one worker.
type attempts struct {
	*rig
	dice    *rand.Rand
	workers []*Planner
	taken   []workflows.PlanInput
	told    []workflows.PlanOutput
	resets  int
	twice   int
}

func (a *attempts) crawl() {
	a.t.Helper()
	in := workflows.PlanInput{Job: a.job, Slots: 2}
	for range 400 {
		out := a.step(in)
		if a.t.Failed() {
			return
		}
		if out.Idle {
			a.seq = out.Seq
			return
		}
		next := workflows.PlanInput{Job: a.job, Slots: 2, Seq: out.Seq}
		for _, ref := range out.Bundles {
			next.Done = append(next.Done, a.persist(ref))
		}
		if n := len(a.taken); n > 4 && a.dice.IntN(12) == 0 { // back to an older point, with what was known then
			a.resets++
			back := n - 1 - a.dice.IntN(4)
			next = a.taken[back]
			a.taken, a.told = a.taken[:back], a.told[:back]
		}
		in = next
	}
	a.t.Error("the crawl does not end")
}

// step takes a step, in one of the ways in which Temporal has it taken.
func (a *attempts) step(in workflows.PlanInput) workflows.PlanOutput {
	a.t.Helper()
	first, second := a.workers[a.dice.IntN(2)], a.workers[a.dice.IntN(2)]
	var out workflows.PlanOutput
	switch a.dice.IntN(4) {
	case 0: // two attempts side by side
		a.twice++
		outs := make([]workflows.PlanOutput, 2)
		var wg sync.WaitGroup
		for i, p := range a.workers {
			wg.Go(func() { outs[i] = planBy(a.rig, p, in) })
		}
		wg.Wait()
		if diff := cmp.Diff(outs[0], outs[1]); diff != "" {
			a.t.Errorf("two attempts after manifest %d decide otherwise:\n%s", in.Seq, diff)
		}
		out = outs[0]
	case 1: // the answer of the first is lost
		a.twice++
		out = planBy(a.rig, first, in)
		if diff := cmp.Diff(out, planBy(a.rig, second, in)); diff != "" {
			a.t.Errorf("the second attempt after manifest %d decides otherwise:\n%s", in.Seq, diff)
		}
	default:
		out = planBy(a.rig, first, in)
	}
	if n := len(a.taken); n > 0 && a.dice.IntN(5) == 0 { // an old attempt wakes up
		i := a.dice.IntN(n)
		if diff := cmp.Diff(a.told[i], planBy(a.rig, second, a.taken[i])); diff != "" {
			a.t.Errorf("an old attempt after manifest %d decides otherwise:\n%s", a.taken[i].Seq, diff)
		}
	}
	a.taken, a.told = append(a.taken, in), append(a.told, out)
	return out
}

// check compares the end with a plain walk, and reads every manifest.
func (a *attempts) check(store *moody) {
	a.t.Helper()
	a.chain()
	sealed := a.seal()
	want := int64(len(a.web.reachable(planSeeds...)))
	if !sealed.Balanced || sealed.Counts.Archived != want || sealed.Counts.Discovered != want {
		told, err := json.Marshal(sealed)
		a.t.Errorf("sealed %s, want %d archived; %v", told, want, errors.Join(err))
	}
	if store.failed == 0 || a.twice == 0 {
		a.t.Errorf("%d requests failed, %d steps were taken twice: the test shows nothing", store.failed, a.twice)
	}
	a.t.Logf("%d manifests, %d requests failed, %d of them done, %d steps taken twice, %d resets", a.seq, store.failed, store.stored, a.twice, a.resets)
}

// chain reads every manifest, and looks whether what it names is stored.
func (r *rig) chain() {
	r.t.Helper()
	parent := ""
	for seq := range r.seq + 1 {
		m, hash, err := readManifest(r.t.Context(), r.planner.Store.Bucket("frontier"), r.job, 0, seq)
		if err != nil || m.Parent != parent || m.Seq != seq {
			r.t.Fatalf("manifest %d after %q: %+v, %v", seq, parent, m, err)
		}
		parent = hash
		for _, seg := range m.Segments() {
			if frontier.Hash(r.store.Object("/frontier/"+seg.Key)) != seg.SHA256 {
				r.t.Errorf("manifest %d names %q, which is not stored so", seq, seg.Key)
			}
		}
	}
}
