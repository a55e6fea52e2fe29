package frontier

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestClaimKeys: what a key says is read back, and nothing else is taken for one.
func TestClaimKeys(t *testing.T) {
	k := claimKey{run: "0a-1b", bundle: "s3b17-2", attempt: 4, nonce: "ff", lasts: 7 * time.Minute, hosts: []string{hostTag("a.example"), hostTag("b.example")}}
	if got, ok := parseClaim(k.String()); !ok || fmt.Sprint(got) != fmt.Sprint(k) {
		t.Errorf("%q is read as %+v, %v", k, got, ok)
	}
	many := claimKey{run: strings.Repeat("f", 36), bundle: "s63b123456789-19", attempt: 6, nonce: nonce(), lasts: 3 * time.Hour}
	for i := range 20 {
		many.hosts = append(many.hosts, hostTag(fmt.Sprint(i)))
	}
	if _, err := blob.NewKey(many.String()); err != nil {
		t.Errorf("the claim of a large bundle: %v", err)
	}
	for _, key := range []string{"", "fleet/claims/", "fleet/claims/a.b.1.n.10", "fleet/claims/a.b.x.n.10/h", "fleet/claims/a.b.1.n.-1/h", "ns/claims/a.b.1.n.10/h"} {
		if got, ok := parseClaim(key); ok {
			t.Errorf("%q is read as %+v", key, got)
		}
	}
	until := time.Date(2030, 1, 2, 3, 4, 5, 600, time.UTC)
	if host, at, ok := parseRest(restKey("a.example", until)); !ok || host != hostTag("a.example") || at.Before(until) || at.Sub(until) > time.Second {
		t.Errorf("the rest is read as %q, %v, %v", host, at, ok)
	}
	for _, key := range []string{"", "fleet/rests/", "fleet/rests/x", "fleet/rests/x.y"} {
		if _, _, ok := parseRest(key); ok {
			t.Errorf("%q is read as a rest", key)
		}
	}
}

// coarse is a store that is slow, and lists the times of objects in whole seconds.
type coarse struct {
	*blob.Bucket
}

func (c coarse) List(ctx context.Context, prefix string, yield func(blob.Info) bool) error {
	time.Sleep(rand.N(30 * time.Millisecond))
	return c.Bucket.List(ctx, prefix, func(o blob.Info) bool {
		o.Modified = o.Modified.Truncate(time.Second)
		return yield(o)
	})
}

func (c coarse) Put(ctx context.Context, key blob.Key, content blob.Content) (blob.Info, error) {
	time.Sleep(rand.N(30 * time.Millisecond))
	return c.Bucket.Put(ctx, key, content)
}

// TestClaimsTakeTurns has many runs take bundles of a few hosts at once, of a store that does
// not tell seconds apart: a host has one visitor at a time, and everyone gets a turn.
func TestClaimsTakeTurns(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	client, err := blob.NewClient(blob.Config{Endpoint: server.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	hosts := []string{"a", "b", "c", "d"}
	var inside [4]atomic.Int32
	var wg sync.WaitGroup
	for run := range 8 {
		wg.Go(func() {
			for turn := range 2 {
				mine := []int{run % 4, (run + 1 + turn) % 4}
				c := &claim{store: coarse{client.Bucket("frontier")}, now: time.Now, longest: time.Second, mine: claimKey{
					run: fmt.Sprint("run", run), bundle: fmt.Sprint("b", turn), attempt: 1, lasts: 5 * time.Minute,
					hosts: []string{hostTag(hosts[mine[0]]), hostTag(hosts[mine[1]])},
				}}
				if err := c.take(t.Context()); err != nil {
					t.Error(err)
					return
				}
				for _, h := range mine {
					for {
						ok, err := c.turn(t.Context(), hosts[h])
						if err != nil {
							t.Error(err)
							return
						}
						if ok {
							break
						}
						time.Sleep(50 * time.Millisecond)
					}
					if n := inside[h].Add(1); n != 1 {
						t.Errorf("host %s has %d visitors", hosts[h], n)
					}
					time.Sleep(100 * time.Millisecond)
					inside[h].Add(-1)
				}
				var done sync.WaitGroup
				c.release(t.Context(), time.Now(), &done)
				done.Wait()
			}
		})
	}
	wg.Wait()
	if left := server.Keys("/frontier/" + claimsPrefix); len(left) > 0 {
		t.Errorf("claims are left: %v", left)
	}
}

// other is a rig for another run in the same fleet.
func (r *rig) other(run string) *rig {
	o := *r
	o.job.Run, o.job.Name, o.seq = run, run, 0
	o.leases = &leases{newest: map[string]int{}, last: map[string]workflows.BundleProgress{}}
	o.planner = &Planner{Store: r.planner.Store, ArchiveBucket: "archive", FrontierBucket: "frontier", Robots: r.planner.Robots, Logger: r.planner.Logger, Now: time.Now}
	c := r.crawler
	o.crawler = &Crawler{Buckets: c.Buckets, FrontierBucket: c.FrontierBucket, Tabs: c.Tabs, Heartbeats: o.leases, Dir: r.t.TempDir(), Patience: c.Patience, Logger: c.Logger, Now: c.Now, Robots: c.Robots}
	return &o
}

// two crawls the same hosts with two runs at once.
func two(t *testing.T, scope string) *web {
	const delay = 40 * time.Millisecond
	w := tree(6, "a.example", "b.example")
	w.visit = func(context.Context, *browser.Page) error { time.Sleep(20 * time.Millisecond); return nil }
	one := newRig(t, w)
	one.job.Spec.Politeness = workflows.Politeness{Delay: delay, Scope: scope}
	another := one.other("uid2")
	one.seed("http://a.example/0", "http://b.example/0")
	another.seed("http://a.example/0", "http://b.example/0")
	var wg sync.WaitGroup
	for _, r := range []*rig{one, another} {
		wg.Go(func() {
			if out := r.run(3); out.Counts.Archived != 12 {
				t.Errorf("%s: %+v", r.job.Run, out.Counts)
			}
			r.crawler.Wait(time.Minute)
		})
	}
	wg.Wait()
	if left := one.store.Keys("/frontier/" + claimsPrefix); len(left) > 0 {
		t.Errorf("claims are left: %v", left)
	}
	return w
}

// TestRunsShareHosts: two runs on the same hosts are one visitor to them.
func TestRunsShareHosts(t *testing.T) {
	t.Parallel()
	w := two(t, "Fleet")
	if len(w.rude) > 0 {
		t.Errorf("hosts had two page loads at once: %v", w.rude)
	}
	if shortest := slices.Min(w.pauses); shortest < 40*time.Millisecond {
		t.Errorf("a pause of %v", shortest)
	}
}

// TestRunsThatDoNotShare: without it the site sees both, which is how TestRunsShareHosts would
// fail.
func TestRunsThatDoNotShare(t *testing.T) {
	t.Parallel()
	if w := two(t, workflows.PolitenessJob); len(w.rude) == 0 && slices.Min(w.pauses) >= 40*time.Millisecond {
		t.Error("the site cannot tell two runs from one")
	}
}

// TestRestsAreRemembered: what a host asked of one run counts for the next, and the run says
// what it waits for.
func TestRestsAreRemembered(t *testing.T) {
	t.Parallel()
	w := tree(3, "a.example", "b.example")
	w.visit = func(_ context.Context, p *browser.Page) error {
		if hostIn(p.URL) == "a.example" {
			p.Status, p.Outcome.RetryAfter = 429, 20*time.Minute
		}
		return nil
	}
	one := newRig(t, w)
	another := one.other("uid2")
	one.seed("http://a.example/0")
	out := one.plan(1)
	visited := one.persist(out.Bundles[0])
	if rests := one.store.Keys("/frontier/" + restsPrefix); len(rests) != 1 {
		t.Fatalf("rests before the claim is given back: %v", rests)
	}
	one.plan(1, visited)
	if rests := one.store.Keys("/frontier/" + restsPrefix); len(rests) != 1 {
		t.Fatalf("rests %v", rests)
	}
	another.seed("http://a.example/0")
	out = another.plan(1)
	done, err := another.crawl(t.Context(), out.Bundles[0])
	if err != nil || len(done.Rests) != 1 || done.Rests[0].Reason != workflows.ReasonHostBusy || len(done.Results) != 0 {
		t.Fatalf("the bundle: %+v, error %v", done, err)
	}
	out = another.plan(1, workflows.BundleDone{ID: out.Bundles[0].ID, Results: done.Results, Rests: done.Rests})
	if len(out.Bundles) > 0 || out.Waiting == nil || out.Waiting.Reason != workflows.ReasonHostBusy || out.DueIn < 15*time.Minute {
		t.Errorf("the plan: %+v, waiting %+v", out, out.Waiting)
	}
	if n := w.count("http://a.example/0"); n != 1 {
		t.Errorf("the page was loaded %d times", n)
	}
}

// TestGrowingRestsAreRemembered: a host that asks again and again, and does not say for how long, is
// left alone by other runs for as long as by this one.
func TestGrowingRestsAreRemembered(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.example")
	w.visit = func(_ context.Context, p *browser.Page) error { p.Status = 429; return nil }
	r := newRig(t, w)
	r.seed("http://a.example/0")
	out := r.plan(1)
	var age time.Duration
	for range 3 {
		now := r.planner.Now()
		out = r.plan(1, r.persist(out.Bundles[0]))
		var latest time.Time
		for _, key := range r.store.Keys("/frontier/" + restsPrefix) {
			_, until, _ := parseRest(strings.TrimPrefix(key, "/frontier/"))
			latest = later(latest, until)
		}
		if latest.Before(now.Add(out.DueIn)) {
			t.Errorf("others leave it alone for %s, this run for %s", latest.Sub(now), out.DueIn)
		}
		age += max(out.DueIn, firstRest+2*time.Second) // which this run keeps too
		r.later(age)
		out = r.plan(1)
	}
}

// TestClaimsOfTheDead: an attempt ends the claim of the one before it, and what a dead worker
// of another run left counts only for its time.
func TestClaimsOfTheDead(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.example")
	r := newRig(t, w)
	r.seed("http://a.example/0")
	ref := r.plan(1).Bundles[0]
	bucket := r.crawler.Buckets.Bucket("frontier")
	mine := claimKey{run: r.job.Run, bundle: ref.ID, attempt: 1, nonce: "dead", lasts: time.Hour, hosts: []string{hostTag("a.example")}}
	over := claimKey{run: "gone", bundle: "b1-0", attempt: 1, nonce: "dead", lasts: 0, hosts: mine.hosts}
	for _, k := range []claimKey{mine, over} {
		if err := put(t.Context(), bucket, k.String(), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(claimGrace + 100*time.Millisecond) // the store's clock is a real one
	r.leases.lease(ref.ID)                        // of the attempt that died
	if _, err := r.crawl(t.Context(), ref); err != nil || w.count("http://a.example/0") != 1 {
		t.Errorf("error %v, loads %v", err, w.loads)
	}
	r.crawler.Wait(time.Minute)
	if left := r.store.Keys("/frontier/" + claimsPrefix); len(left) != 1 || !strings.Contains(left[0], "/gone.") {
		t.Errorf("claims %v", left)
	}
}

// TestClaimsOfARunThatEnded: a worker was killed in the last pause of a run. No attempt follows, so
// the run itself gives the hosts back at its end, and the other runs wait out the pause.
func TestClaimsOfARunThatEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(1, "a.example", "b.example"))
	r.job.Spec.Politeness = workflows.Politeness{Delay: 30 * time.Second, Scope: workflows.PolitenessJob} // only the dead claim below
	r.seed("http://a.example/0", "http://b.example/0")
	ref := r.plan(1).Bundles[0]
	done := r.persist(ref)
	r.job.Spec.Politeness.Scope = "Fleet"
	if out := r.plan(1, done); !out.Idle {
		t.Fatalf("the plan: %+v", out)
	}
	bucket := r.crawler.Buckets.Bucket("frontier")
	dead := claimKey{run: r.job.Run, bundle: ref.ID, attempt: 1, nonce: "dead", lasts: time.Hour, hosts: []string{hostTag("a.example")}}
	other := dead
	other.run = "uid2"
	for _, k := range []claimKey{dead, other} {
		if err := put(t.Context(), bucket, k.String(), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // an attempt that died at the last moment is followed by another
		r.seal()
	}
	if left := r.store.Keys("/frontier/" + claimsPrefix); len(left) != 1 || !strings.Contains(left[0], "/uid2.") {
		t.Errorf("claims %v", left)
	}
	rests := r.store.Keys("/frontier/" + restsPrefix)
	if len(rests) != 1 { // b was given back already
		t.Fatalf("rests %v", rests)
	}
	host, until, ok := parseRest(strings.TrimPrefix(rests[0], "/frontier/"))
	if wait := time.Until(until); !ok || host != hostTag("a.example") || wait < 20*time.Second || wait > 32*time.Second {
		t.Errorf("%s rests %v", host, wait)
	}
}

// TestClaimsOfAnOpenBundle: the shard of a bundle was ended from outside, and its worker may still
// be at the hosts.
func TestClaimsOfAnOpenBundle(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(1, "a.example"))
	r.seed("http://a.example/0")
	ref := r.plan(1).Bundles[0]
	mine := claimKey{run: r.job.Run, bundle: ref.ID, attempt: 1, nonce: "alive", lasts: time.Hour, hosts: []string{hostTag("a.example")}}
	if err := put(t.Context(), r.crawler.Buckets.Bucket("frontier"), mine.String(), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	r.seal()
	if left := r.store.Keys("/frontier/" + claimsPrefix); len(left) != 1 {
		t.Errorf("claims %v", left)
	}
}

// TestHindranceOfOthers: a crawl that waits for another says so, also after the frontier was read
// back.
func TestHindranceOfOthers(t *testing.T) {
	r := newRig(t, tree(1, "a.example"))
	r.seed("http://a.example/0")
	out := r.plan(1)
	rest := workflows.HostRest{Key: "a.example", Until: time.Now().Add(time.Minute), Reason: frontier.ReasonHostShared, Detail: "another job is visiting it"}
	out = r.plan(1, workflows.BundleDone{ID: out.Bundles[0].ID, Rests: []workflows.HostRest{rest}})
	if out.Waiting == nil || out.Waiting.Reason != workflows.ReasonHostShared || !strings.Contains(out.Waiting.Message, "a.example") {
		t.Errorf("waiting: %+v", out.Waiting)
	}
	r.planner.states = stateCache{}
	if out = r.plan(1); out.Waiting == nil || out.Waiting.Reason != workflows.ReasonHostShared {
		t.Errorf("read back: %+v", out.Waiting)
	}
}
