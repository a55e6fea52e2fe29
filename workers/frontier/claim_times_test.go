package frontier

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
)

// TestClaimTimes: who was first, as far as a store's clock tells, and whose time is over.
func TestClaimTimes(t *testing.T) {
	t.Parallel()
	put := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		after time.Duration // that the other claim was put
		lasts time.Duration
		order int
		late  bool
		over  bool
	}{
		"Before":       {after: -sameTime, lasts: time.Hour, order: -1},
		"JustBefore":   {after: -sameTime + 1, lasts: time.Hour},
		"JustAfter":    {after: sameTime - 1, lasts: time.Hour},
		"WhileItCame":  {after: sameTime, lasts: time.Hour, order: 1, late: true},
		"AsItCame":     {after: sameTime + 3*time.Second - 1, lasts: time.Hour, order: 1, late: true},
		"After":        {after: sameTime + 3*time.Second, lasts: time.Hour, order: 1},
		"Over":         {after: -time.Minute, lasts: time.Minute - claimGrace - time.Second, order: -1, over: true},
		"HardlyOver":   {after: -time.Minute, lasts: time.Minute, order: -1},
		"FromItsStart": {after: -10 * time.Minute, lasts: 20 * time.Minute, order: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &claim{put: put, seen: time.Now(), took: 3 * time.Second}
			other := claimed{claimKey: claimKey{lasts: tc.lasts}, put: put.Add(tc.after)}
			if order, late, over := c.order(other), c.late(other), c.over(other); order != tc.order || late != tc.late || over != tc.over {
				t.Errorf("order %d, late %v, over %v", order, late, over)
			}
		})
	}
	c := &claim{longest: time.Minute, ends: time.Now().Add(61 * time.Second)}
	if !c.lasts() {
		t.Error("there is time for a page")
	}
	if c.ends = time.Now().Add(59 * time.Second); c.lasts() {
		t.Error("a page may be loaded when the claim is over")
	}
}

// TestClaimsThatAreRemoved: of an earlier attempt at the same bundle, and those that were over
// long ago. Other bundles of the run, and a later attempt, may be at the host.
func TestClaimsThatAreRemoved(t *testing.T) {
	t.Parallel()
	r := newRig(t, &web{})
	bucket := r.planner.Store.Bucket("frontier")
	now := time.Now()
	mine := claimKey{run: "uid", bundle: "b2-0", attempt: 2, nonce: "n", lasts: time.Minute, hosts: []string{hostTag("a")}}
	c := &claim{store: bucket, mine: mine, put: now}
	for reason, tc := range map[string]struct {
		change func(*claimKey)
		put    time.Time
		gone   bool
	}{
		"the attempt before":         {func(k *claimKey) { k.attempt = 1 }, now.Add(-time.Minute), true},
		"a later attempt":            {func(k *claimKey) { k.attempt = 3 }, now.Add(-time.Minute), false},
		"another bundle":             {func(k *claimKey) { k.attempt, k.bundle = 1, "b1-0" }, now.Add(-time.Minute), false},
		"another run":                {func(k *claimKey) { k.attempt, k.run = 1, "uid2" }, now.Add(-time.Minute), false},
		"another run's, just over":   {func(k *claimKey) { k.run = "uid3" }, now.Add(-oldClaim), false},
		"another run's, long over":   {func(k *claimKey) { k.run = "uid4" }, now.Add(-oldClaim - 2*time.Minute), true},
		"its own bundle's long over": {func(k *claimKey) { k.bundle = "b0-0" }, now.Add(-oldClaim - 2*time.Minute), true},
	} {
		k := mine
		tc.change(&k)
		if err := put(t.Context(), bucket, k.String(), []byte("{}")); err != nil {
			t.Fatal(err)
		}
		err := c.clean(t.Context(), claimed{k, k.String(), tc.put})
		if gone := r.store.Object("/frontier/"+k.String()) == nil; err != nil || gone != tc.gone {
			t.Errorf("%s: gone %v, %v", reason, gone, err)
		}
	}
}

// TestRestsAreListed: the latest counts, and what is long over is removed.
func TestRestsAreListed(t *testing.T) {
	t.Parallel()
	r := newRig(t, &web{})
	bucket, now := r.planner.Store.Bucket("frontier"), time.Now()
	var rests []frontier.HostRest
	for _, in := range []time.Duration{-oldRest - 5*time.Second, -oldRest + 5*time.Second, time.Hour, time.Minute} {
		rests = append(rests, frontier.HostRest{Key: "a", Until: now.Add(in)})
	}
	if err := remember(t.Context(), bucket, rests); err != nil {
		t.Fatal(err)
	}
	c := &claim{store: bucket, now: func() time.Time { return now }}
	if _, err := c.list(t.Context()); err != nil {
		t.Fatal(err)
	}
	if until := c.rest("a"); until.Sub(now) < time.Hour || until.Sub(now) > time.Hour+time.Second {
		t.Errorf("it rests until %v from now", until.Sub(now))
	}
	left := r.store.Keys("/frontier/" + restsPrefix)
	if len(left) != 3 || slices.Contains(left, "/frontier/"+restKey("a", rests[0].Until)) {
		t.Errorf("left are %v", left)
	}
}

// forgetful is a store that does not list what was just put.
type forgetful struct{ *blob.Bucket }

func (forgetful) List(context.Context, string, func(blob.Info) bool) error { return nil }

// TestClaimThatIsNotListed: others do not see it either, so the store is of no use.
func TestClaimThatIsNotListed(t *testing.T) {
	t.Parallel()
	r := newRig(t, &web{})
	c := &claim{store: forgetful{r.planner.Store.Bucket("frontier")}, now: time.Now, mine: claimKey{run: "uid", bundle: "b", lasts: time.Minute, hosts: []string{hostTag("a")}}}
	if err := c.take(t.Context()); !errors.Is(err, blob.ErrUnfit) {
		t.Errorf("%v, want %v", err, blob.ErrUnfit)
	}
}

// TestTell: other runs hear of a host that asked to be left alone, for as long as it said or for
// a while.
func TestTell(t *testing.T) {
	t.Parallel()
	ended := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		outcome frontier.Outcome
		want    time.Duration
	}{
		"Fine":   {},
		"Failed": {outcome: frontier.Outcome{Reason: "PageTimeout"}},
		"Busy":   {outcome: frontier.Outcome{Reason: frontier.ReasonHostBusy}, want: firstRest},
		"Asked":  {outcome: frontier.Outcome{Reason: frontier.ReasonHostBusy, RetryAfter: time.Hour}, want: time.Hour},
		"Robots": {outcome: frontier.Outcome{Reason: "RobotsUnreachable", RetryAfter: time.Second}, want: firstRest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, &web{})
			v := &hostVisit{bundleRun: &bundleRun{Crawler: r.crawler, claim: &claim{store: r.planner.Store.Bucket("frontier")}}, host: frontier.BundleHost{Key: "a.test"}}
			tc.outcome.Ended = ended
			v.tell(t.Context(), tc.outcome)
			rests := r.store.Keys("/frontier/" + restsPrefix)
			if tc.want == 0 {
				if len(rests) != 0 {
					t.Errorf("rests %v", rests)
				}
				return
			}
			if len(rests) != 1 || strings.TrimPrefix(rests[0], "/frontier/") != restKey("a.test", ended.Add(tc.want)) {
				t.Errorf("rests %v, want one until %v", rests, ended.Add(tc.want))
			}
		})
	}
}
