package frontier

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// Within a run the frontier sees to it that a host is in one bundle at most. Between runs,
// which know nothing of each other, claims do: objects whose keys say all there is to say.
//
//	fleet/claims/<run>.<bundle>.<attempt>.<nonce>.<seconds>/<host>.<host>...
//	fleet/rests/<host>.<until, in Unix seconds>
//
// A bundle puts a claim on its hosts and lists the claims of all others after that. Whose
// claim on the same host was there before is waited for, until it is gone. Of two bundles at
// least one sees the other's claim, because a store lists what was put before; and what was
// put before one's own is told by the store's clock alone. Claims that are too close in time to
// tell are decided by their names: the larger one is withdrawn and put anew.
//
// A claim stays until the last of its hosts has had its pause. What a dead worker leaves is
// removed by the attempt that follows, and counts for nothing when its seconds are over.
const (
	claimsPrefix = "fleet/claims/"
	restsPrefix  = "fleet/rests/"
	// sameTime is how close two claims are that the store's clock does not tell apart:
	// some stores list whole seconds, and some are many machines.
	sameTime = 2 * time.Second
	// claimSlack is what a claim lasts beyond its bundle's time and the longest page, and
	// what an old one of another run is given beyond its seconds.
	claimSlack = time.Minute
	claimGrace = 5 * time.Second
	// lookEvery is how often a bundle that waits looks whether it is its turn.
	lookEvery = 2 * time.Second
	// oldRest and oldClaim are how long ago the time of a rest or claim was when its object
	// is removed.
	oldRest  = 10 * time.Minute
	oldClaim = 10 * time.Minute
)

// hostTag stands for a politeness key in the names of claims. That two hosts may have the
// same one costs a wait.
func hostTag(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:5])
}

// claimKey is what the key of a claim says.
type claimKey struct {
	run, bundle string
	attempt     int
	nonce       string
	lasts       time.Duration
	hosts       []string
}

func (k claimKey) String() string {
	return fmt.Sprintf("%s%s.%s.%d.%s.%d/%s", claimsPrefix, k.run, k.bundle, k.attempt, k.nonce, int(k.lasts/time.Second), strings.Join(k.hosts, "."))
}

func parseClaim(key string) (k claimKey, ok bool) {
	rest, ok := strings.CutPrefix(key, claimsPrefix)
	name, hosts, both := strings.Cut(rest, "/")
	parts := strings.Split(name, ".")
	if !ok || !both || len(parts) != 5 {
		return k, false
	}
	attempt, err1 := strconv.Atoi(parts[2])
	seconds, err2 := strconv.Atoi(parts[4])
	if errors.Join(err1, err2) != nil || seconds < 0 {
		return k, false
	}
	return claimKey{
		run: parts[0], bundle: parts[1], attempt: attempt, nonce: parts[3],
		lasts: time.Duration(seconds) * time.Second, hosts: strings.Split(hosts, "."),
	}, true
}

// restKey says until when a host asked to be left alone. The frontier knows that time in
// milliseconds, rounded up: both have to come to the same name.
func restKey(host string, until time.Time) string {
	return fmt.Sprintf("%s%s.%d", restsPrefix, hostTag(host), until.Add(time.Millisecond-1).UnixMilli()/1000+1)
}

func parseRest(key string) (host string, until time.Time, ok bool) {
	rest, ok := strings.CutPrefix(key, restsPrefix)
	host, at, both := strings.Cut(rest, ".")
	seconds, err := strconv.ParseInt(at, 10, 64)
	return host, time.Unix(seconds, 0).UTC(), ok && both && err == nil
}

// claimed is a claim as the store lists it.
type claimed struct {
	claimKey
	key string
	put time.Time // by the store's clock
}

// claimStore is a store whose objects can be taken away.
type claimStore interface {
	blob.Store
	Remove(ctx context.Context, key blob.Key) error
}

// claim is a bundle's right to its hosts among all runs of the fleet.
type claim struct {
	store claimStore
	mine  claimKey
	now   func() time.Time
	// ends is when the claim is over, by this machine's monotonic clock; put is when it
	// was put by the store's, and seen when that answered.
	ends, put, seen time.Time
	took            time.Duration // by the put
	// longest is how long a page may take with all that follows it.
	longest time.Duration
	// again is the pause before another try to give the claim back.
	again time.Duration

	mu       sync.Mutex
	looked   time.Time
	blockers map[string][]string  // by host, the keys of claims that are waited for
	rests    map[string]time.Time // by host
}

// newClaim prepares the claim of a bundle; nil for a run that shares no hosts with others.
func (b *bundleRun) newClaim() *claim {
	if b.in.Job.Spec.Politeness.Scope == workflows.PolitenessJob {
		return nil
	}
	pause := time.Duration(0)
	hosts := make([]string, 0, len(b.bundle.Hosts))
	for _, h := range b.bundle.Hosts {
		pause = max(pause, h.Delay)
		hosts = append(hosts, hostTag(h.Key))
	}
	longest := 2*b.in.Job.Spec.Browser.PageTimeout + 2*max(pause, frontier.MaxHostDelay)
	slices.Sort(hosts)
	return &claim{
		store: b.Buckets.Bucket(b.FrontierBucket), now: b.Now, longest: longest, again: lookEvery,
		mine: claimKey{run: b.in.Job.Run, bundle: b.bundle.ID, attempt: b.attempt, lasts: timeBox + longest + claimSlack, hosts: slices.Compact(hosts)},
	}
}

// take puts the claim and finds out whose turn comes before.
func (c *claim) take(ctx context.Context) error {
	for {
		c.mine.nonce = nonce()
		began := time.Now()
		c.ends = began.Add(c.mine.lasts)
		if err := put(ctx, c.store, c.mine.String(), []byte("{}")); err != nil {
			return fmt.Errorf("claim the hosts of a bundle: %w", err)
		}
		c.seen = time.Now()
		c.took = c.seen.Sub(began)
		again, err := c.first(ctx)
		if err != nil || !again {
			return err
		}
		if err := c.remove(ctx, c.mine.String()); err != nil {
			return err
		}
		select {
		case <-time.After(sameTime/4 + rand.N(sameTime/2)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// first looks at all claims for the first time. It tells whether this one is to be withdrawn
// and put again.
func (c *claim) first(ctx context.Context) (again bool, err error) {
	all, err := c.list(ctx)
	if err != nil {
		return false, err
	}
	mine := slices.IndexFunc(all, func(o claimed) bool { return o.key == c.mine.String() })
	if mine < 0 {
		return false, fmt.Errorf("%w: it does not list what was just put", blob.ErrUnfit)
	}
	c.put = all[mine].put
	blockers := map[string][]string{}
	for _, other := range all {
		if other.run == c.mine.run || c.over(other) {
			if err := c.clean(ctx, other); err != nil {
				return false, err
			}
			continue
		}
		shared := slices.DeleteFunc(slices.Clone(other.hosts), func(host string) bool { return !slices.Contains(c.mine.hosts, host) })
		order := c.order(other)
		if len(shared) == 0 || order > 0 && !c.late(other) {
			continue
		}
		if order == 0 && c.mine.String() > other.key || c.late(other) {
			return true, nil
		}
		for _, host := range shared {
			blockers[host] = append(blockers[host], other.key)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blockers = blockers
	return false, nil
}

// clean removes what the dead left: a claim of an earlier attempt at the same bundle, whose
// lease is over, and those of other runs whose time was over long ago.
func (c *claim) clean(ctx context.Context, other claimed) error {
	earlier := other.run == c.mine.run && other.bundle == c.mine.bundle && other.attempt < c.mine.attempt
	old := c.put.Sub(other.put.Add(other.lasts)) > oldClaim
	if !earlier && !old {
		return nil
	}
	return c.remove(ctx, other.key)
}

// order is negative when another claim was put before this one, positive when it was put
// after it, and 0 when that cannot be told.
func (c *claim) order(other claimed) int {
	if d := other.put.Sub(c.put); d > -sameTime && d < sameTime {
		return 0
	}
	return cmp.Compare(other.put.UnixNano(), c.put.UnixNano())
}

// late tells whether another claim may have been put before this one could be seen, although it
// is the later one by the store's clock: a store may tell when a request came, and show its
// object when it is done.
func (c *claim) late(other claimed) bool {
	d := other.put.Sub(c.put)
	return d >= sameTime && d < sameTime+c.took
}

// over tells whether the time of another claim is over, by the store's clock. What it may
// be off by makes a claim last longer.
func (c *claim) over(other claimed) bool {
	storesNow := c.put.Add(time.Since(c.seen))
	return storesNow.After(other.put.Add(other.lasts + claimGrace))
}

// list reads all claims, and what is told of hosts that want to be left alone.
func (c *claim) list(ctx context.Context) (all []claimed, err error) {
	rests, now := map[string]time.Time{}, c.now()
	var old []blob.Key
	err = c.store.List(ctx, "fleet/", func(o blob.Info) bool {
		if k, ok := parseClaim(string(o.Key)); ok {
			all = append(all, claimed{k, string(o.Key), o.Modified})
		} else if host, until, ok := parseRest(string(o.Key)); ok {
			if until.After(rests[host]) {
				rests[host] = until
			}
			if now.Sub(until) > oldRest {
				old = append(old, o.Key)
			}
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("look at the claims of others: %w", err)
	}
	for _, key := range old[:min(len(old), 10)] { // each who looks removes some
		if err := c.store.Remove(ctx, key); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rests, c.looked = rests, time.Now()
	return all, nil
}

// turn tells whether it is the bundle's turn at a host. It looks again when it has not for
// a while.
func (c *claim) turn(ctx context.Context, host string) (bool, error) {
	host = hostTag(host)
	c.mu.Lock()
	waits, due := len(c.blockers[host]) > 0, time.Since(c.looked) >= lookEvery
	c.mu.Unlock()
	if !waits || !due {
		return !waits, nil
	}
	all, err := c.list(ctx)
	if err != nil {
		return false, err
	}
	there := map[string]bool{}
	for _, o := range all {
		there[o.key] = !c.over(o)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for host, keys := range c.blockers {
		c.blockers[host] = slices.DeleteFunc(keys, func(key string) bool { return !there[key] })
	}
	return len(c.blockers[host]) == 0, nil
}

// rest is until when a host asked to be left alone, by what any run was told; zero for a
// host that did not.
func (c *claim) rest(host string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rests[hostTag(host)]
}

// lasts tells whether a page that is begun now ends while the claim still holds.
func (c *claim) lasts() bool { return c == nil || time.Now().Add(c.longest).Before(c.ends) }

// release gives the hosts back once they have had their pause. It returns at once; what is
// under way then is waited for by done.
func (c *claim) release(ctx context.Context, ready time.Time, done *sync.WaitGroup) {
	if c == nil {
		return
	}
	ctx = context.WithoutCancel(ctx) // the bundle is over by then
	pause := min(ready.Sub(c.now()), time.Until(c.ends))
	done.Go(func() {
		time.Sleep(pause)
		for {
			err := c.removeWithin(ctx, beatTimeout)
			if err == nil || !time.Now().Add(c.again).Before(c.ends) {
				return // its time is over by itself
			}
			time.Sleep(c.again)
		}
	})
}

func (c *claim) removeWithin(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return c.remove(ctx, c.mine.String())
}

func (c *claim) remove(ctx context.Context, name string) error {
	key, err := blob.NewKey(name)
	if err != nil {
		return err
	}
	return withdraw(ctx, c.store, key)
}

func withdraw(ctx context.Context, store claimStore, key blob.Key) error {
	if err := store.Remove(ctx, key); err != nil && !errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("withdraw a claim: %w", err)
	}
	return nil
}

// remember tells all runs that hosts asked to be left alone.
func remember(ctx context.Context, store blob.Store, rests []frontier.HostRest) error {
	for _, r := range rests {
		// That it is there already is as good: the name says all.
		if err := put(ctx, store, restKey(r.Key, r.Until), []byte("{}")); err != nil {
			return fmt.Errorf("note that a host asked to be left alone: %w", err)
		}
	}
	return nil
}
