package workflows

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"

	"crawlfleet.dev/crawlfleet/internal/frontier"
)

// shardWorld is the store and the sites of a run of several shards: each page of a host
// links to the next one, and to the first page of two other hosts. The frontier is the real
// one.
type shardWorld struct {
	t            *testing.T
	shards       int
	hosts, pages int

	mu      sync.Mutex
	rules   *frontier.Rules
	states  []*frontier.State
	objects map[string][]byte
	bundles map[string]frontier.Bundle
	results map[string]frontier.Result
	loads   map[string]int
	most    int64 // pages that were visited or being visited at once, of all shards
	seqs    []int64
	reports []Report
}

func (w *shardWorld) url(host, page int) string {
	return fmt.Sprintf("https://h%d.example/%d", host, page)
}

func (w *shardWorld) links(u string) (links []string) {
	var host, page int
	if _, err := fmt.Sscanf(u, "https://h%d.example/%d", &host, &page); err != nil {
		w.t.Error(err)
	}
	if page+1 < w.pages {
		links = append(links, w.url(host, page+1))
	}
	return append(links, w.url((host+1)%w.hosts, 0), w.url((host*3+page)%w.hosts, 0))
}

func (w *shardWorld) seed(context.Context, SeedInput) (SeedOutput, error) {
	spec := frontier.Spec{Scope: "Custom", Include: []string{"example/"}, Seeds: []string{w.url(0, 0)}}
	var err error
	if w.rules, err = frontier.NewRules(spec); err != nil {
		return SeedOutput{}, err
	}
	w.objects, w.bundles, w.results, w.loads = map[string][]byte{}, map[string]frontier.Bundle{}, map[string]frontier.Result{}, map[string]int{}
	for i := range w.shards {
		s := frontier.NewShard(w.rules, i, w.shards)
		s.LoadWith(w.load)
		if err := s.Add(spec.Seeds); err != nil {
			return SeedOutput{}, err
		}
		w.states = append(w.states, s)
		if err := w.seal(i, ""); err != nil {
			return SeedOutput{}, err
		}
	}
	return SeedOutput{Counts: Counts{Discovered: 1, Queued: 1}, Shards: w.shards}, nil
}

func (w *shardWorld) load(key string) ([]byte, error) { return w.objects[key], nil }

func (w *shardWorld) seal(shard int, exchange string) error {
	s := w.states[shard]
	_, objects, err := s.Seal("uid", "n", "", fmt.Sprintf("q/%d/%d", shard, s.Seq()), nil)
	for _, o := range objects {
		w.objects[o.Key] = o.Data
	}
	return err
}

func (w *shardWorld) plan(_ context.Context, in PlanInput) (out PlanOutput, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.states[in.Shard]
	if in.Seq != s.Seq() {
		return out, fmt.Errorf("plan continues from %d, the shard is at %d", in.Seq, s.Seq())
	}
	s.Allow(-1)
	if in.Allowance != nil {
		s.Allow(*in.Allowance)
	}
	for _, d := range in.Inbox {
		if _, err := s.Receive(d.From, d.Seq, w.objects[d.Key][d.Offset:d.Offset+d.Length]); err != nil {
			return out, err
		}
	}
	now := time.Now()
	for _, d := range in.Done {
		var results []frontier.Result
		for _, key := range d.Results {
			results = append(results, w.results[key])
		}
		if err := s.Apply(d.ID, results, now); err != nil {
			return out, err
		}
		out.Applied = append(out.Applied, d.ID)
	}
	if in.Finish != "" {
		s.Finish(string(in.Finish))
	}
	limit := s.Limit()
	c := s.Counts()
	out.Hungry = limit != "" && c.Queued+c.Delayed > 0
	if limit == "" && in.Finish == "" {
		for _, b := range s.Choose(now.Add(time.Hour), in.Slots, fmt.Sprintf("s%d-%d", in.Shard, s.Seq())) {
			w.bundles[b.ID] = b
			out.Bundles = append(out.Bundles, BundleRef{ID: b.ID, Key: b.ID, Pages: b.Pages()})
		}
	}
	key := fmt.Sprintf("x/%d/%d", in.Shard, s.Seq())
	if e := s.Send(key); e != nil {
		out.Exchange = &Exchange{From: in.Shard, Seq: e.Seq, Key: e.Key}
		for _, p := range e.Parts {
			out.Exchange.Parts = append(out.Exchange.Parts, ExchangePart{p.To, p.Offset, p.Length})
		}
	}
	out.Sent, out.TakenIn, out.Used = s.Sent(), s.Applied(), s.Used()
	if err := w.seal(in.Shard, key); err != nil {
		return out, err
	}
	c = s.Counts()
	out.Seq, out.Idle = s.Seq(), s.Idle()
	out.Counts = Counts{
		Discovered: c.Discovered, Queued: c.Queued, Leased: c.Leased, Archived: c.Archived, Skipped: map[Reason]int64{}, Bytes: c.Bytes,
	}
	for reason, n := range c.Skipped {
		out.Counts.Skipped[Reason(reason)] = n
	}
	var used int64
	for _, s := range w.states {
		used += s.Used()
	}
	w.most = max(w.most, used)
	return out, nil
}

func (w *shardWorld) bundle(_ context.Context, in BundleInput) (BundleOutput, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := frontier.Result{Bundle: in.Bundle.ID, Chunk: &frontier.Chunk{Key: in.Bundle.ID, Size: 100}}
	for _, h := range w.bundles[in.Bundle.ID].Hosts {
		for _, p := range h.Pages {
			w.loads[p.URL]++
			r.Outcomes = append(r.Outcomes, frontier.Outcome{FP: p.FP, Status: frontier.Archived, Links: w.links(p.URL), Ended: time.Now()})
			r.Chunk.Pages++
		}
	}
	w.results[in.Bundle.ID] = r
	return BundleOutput{Results: []string{in.Bundle.ID}}, nil
}

func (w *shardWorld) sealRun(_ context.Context, in SealInput) (SealOutput, error) {
	w.seqs = in.Seqs
	var sum Counts
	for _, s := range w.states {
		c := s.Counts()
		skipped := map[Reason]int64{}
		for reason, n := range c.Skipped {
			skipped[Reason(reason)] = n
		}
		sum = sum.Plus(Counts{Discovered: c.Discovered, Queued: c.Queued, Leased: c.Leased, Archived: c.Archived, Skipped: skipped})
	}
	return SealOutput{Statement: "run.json", Counts: sum, Balanced: true}, nil
}

func (w *shardWorld) activities() map[string]any {
	return map[string]any{
		ActivityPreflight: func(context.Context, PreflightInput) (PreflightOutput, error) {
			return PreflightOutput{Archive: Archive{Bucket: "archive", Prefix: "ns/name/uid/"}}, nil
		},
		ActivitySeed: w.seed, ActivityPlan: w.plan, ActivityCrawlBundle: w.bundle, ActivitySeal: w.sealRun,
		ActivityReportStatus: func(_ context.Context, r Report) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.reports = append(w.reports, r)
			return nil
		},
	}
}

func (w *shardWorld) env(t *testing.T) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	env.SetStartWorkflowOptions(startOptions("uid"))
	Register(env)
	for name, f := range w.activities() {
		env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
	env.SetTestTimeout(time.Minute)
	return env
}

// reachable is what a plain walk finds.
func (w *shardWorld) reachable() []string {
	seen := map[string]bool{}
	for todo := []string{w.url(0, 0)}; len(todo) > 0; todo = todo[1:] {
		if !seen[todo[0]] {
			seen[todo[0]] = true
			todo = append(todo, w.links(todo[0])...)
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// TestShardedRun crawls many hosts with several shards, from the order to the statement.
func TestShardedRun(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{2, 4, 16} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			t.Parallel()
			w := &shardWorld{t: t, shards: shards, hosts: 40, pages: 6}
			env := w.env(t)
			env.ExecuteWorkflow(WorkflowCrawlRun, order())
			got := finish(t, env)
			want := w.reachable()
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(w.loads))); diff != "" {
				t.Errorf("pages (-walk +crawl):\n%s", diff)
			}
			for u, n := range w.loads {
				if n != 1 {
					t.Errorf("%s was loaded %d times", u, n)
				}
			}
			if got.Reason != ReasonCompleted || got.Counts.Archived != int64(len(want)) || len(w.seqs) != shards {
				t.Errorf("%+v of %d shards, want %d archived", got, len(w.seqs), len(want))
			}
			for i, s := range w.states {
				if w.seqs[i] != s.Seq() {
					t.Errorf("shard %d is sealed at %d, and is at %d", i, w.seqs[i], s.Seq())
				}
			}
		})
	}
}

// TestShardedPageLimit never has more pages visited than the order allows, and in the end
// as many, however they are spread over the shards.
func TestShardedPageLimit(t *testing.T) {
	t.Parallel()
	for _, limit := range []int64{1, 3, 17, 100, 239, 240, 1000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			w := &shardWorld{t: t, shards: 4, hosts: 40, pages: 6}
			env := w.env(t)
			in := order()
			in.Spec.Limits.Pages = limit
			env.ExecuteWorkflow(WorkflowCrawlRun, in)
			got := finish(t, env)
			all := int64(len(w.reachable()))
			want := min(limit, all)
			reason := ReasonLimitReached
			if limit >= all {
				reason = ReasonCompleted
			}
			if got.Counts.Archived != want || w.most > limit || got.Reason != reason {
				t.Errorf("%d archived, at most %d at once, %s; want %d, and %s", got.Counts.Archived, w.most, got.Reason, want, reason)
			}
			if rest := got.Counts.Queued + got.Counts.Leased; rest != 0 || got.Counts.Discovered != got.Counts.Archived+got.Counts.Skipped[ReasonPageLimit] {
				t.Errorf("books: %+v", got.Counts)
			}
		})
	}
}

// TestShardedByteLimit ends all shards when they have stored enough together.
func TestShardedByteLimit(t *testing.T) {
	t.Parallel()
	w := &shardWorld{t: t, shards: 4, hosts: 200, pages: 20}
	env := w.env(t)
	in := order()
	in.Spec.Limits.Bytes = 2000
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	got := finish(t, env)
	if got.Reason != ReasonLimitReached || got.Counts.Skipped[ReasonByteLimit] == 0 || got.Counts.Archived == 0 {
		t.Errorf("%+v", got)
	}
}

// TestShardedCancel keeps what was captured, and drops the rest in every shard.
func TestShardedCancel(t *testing.T) {
	t.Parallel()
	w := &shardWorld{t: t, shards: 4, hosts: 200, pages: 20}
	env := w.env(t)
	in := order()
	in.State = StateSuspended
	env.RegisterDelayedCallback(func() { update(env, StateActive, func(Report, error) {}) }, time.Minute)
	env.RegisterDelayedCallback(func() { update(env, StateCancelled, func(Report, error) {}) }, time.Minute+100*time.Millisecond)
	env.ExecuteWorkflow(WorkflowCrawlRun, in)
	got := finish(t, env)
	if got.Verdict != VerdictCancelled || got.Counts.Queued+got.Counts.Leased != 0 {
		t.Errorf("%+v", got)
	}
}
