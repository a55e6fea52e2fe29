package frontier

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// The bounds of one bundle's stay with a worker.
const (
	// timeBox is after how long no further page is begun.
	timeBox = 2 * time.Minute
	// poisonDeaths is how many attempts a page may be in progress in when they die.
	poisonDeaths = 2
	// StoreGrace is how long a worker that stops has, at least, to store what its pages brought.
	StoreGrace = 15 * time.Second
	// minFreeDisk is the free space in bytes below which no page is begun.
	minFreeDisk = 256 << 20
	// minFreeFiles is the same in files that the file system has room for.
	minFreeFiles = 1000
)

// CrawlBundle visits the pages of a bundle, one at a time on each host, and commits
// them chunk by chunk. What goes wrong with a page is its outcome. Whatever ends the
// bundle early, the pages that were not visited are simply not among the outcomes.
func (c *Crawler) CrawlBundle(ctx context.Context, in workflows.BundleInput) (out workflows.BundleOutput, err error) {
	info := activity.GetInfo(ctx)
	c.Metrics.begun(info.ScheduledTime, info.StartedTime) // both are Temporal's
	a := attempt{
		number: int(info.Attempt), token: info.TaskToken, stopping: activity.GetWorkerStopChannel(ctx),
		workflow: info.WorkflowExecution.ID, run: info.WorkflowExecution.RunID,
	}
	if info.Attempt > 1 && activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &a.before); err != nil {
			return out, fmt.Errorf("read the last heartbeat: %w", err)
		}
	}
	return c.crawl(ctx, a, in)
}

// attempt is what Temporal says of an attempt at a bundle.
type attempt struct {
	number int
	token  []byte
	// workflow and run are the IDs of what handed out the bundle.
	workflow, run string
	// before is the last accepted heartbeat of the attempt before this one.
	before workflows.BundleProgress
	// stopping is closed when the worker stops.
	stopping <-chan struct{}
}

func (c *Crawler) crawl(ctx context.Context, a attempt, in workflows.BundleInput) (out workflows.BundleOutput, err error) {
	progress := resume(a.before)
	progress.Bundle = in.Bundle.Key
	var scripts []browser.Script
	var state *profile.Profile
	bundle, done, err := c.load(ctx, in, progress)
	if err == nil {
		scripts, err = readScripts(ctx, c.Buckets.Bucket(c.FrontierBucket), in.Job)
	}
	if err == nil {
		state, err = c.openProfile(ctx, in.Job)
	}
	dir := ""
	if err == nil {
		if dir, err = os.MkdirTemp(c.Dir, "bundle-"); err != nil {
			err = fmt.Errorf("make a folder for the bundle: %w", err)
		}
	}
	if err != nil {
		if out.Trouble = troubleOf(err); out.Trouble == nil {
			return out, err
		}
		out.Results = progress.Results
		return out, nil
	}
	defer func() {
		if left := os.RemoveAll(dir); out.Trouble == nil { // else it is told: a disk that is read-only keeps the folder
			err = errors.Join(err, left)
		}
	}()
	exclude, err := frontier.NewExclude(in.Job.Spec.Scope.Exclude)
	if err != nil {
		return out, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := newLease(c.Heartbeats, a.token, progress, c.Logger, cancel)
	if err := l.insist(ctx); err != nil {
		return out, err
	}
	b := &bundleRun{
		Crawler: c, in: in, bundle: bundle, lease: l, of: a, attempt: a.number, dir: dir, done: done, deaths: progress.Deaths,
		exclude: exclude, scripts: scripts, profile: state, started: time.Now(), finals: map[frontier.Fingerprint]bool{},
	}
	b.committer = committer{run: b, nonce: nonce(), number: len(progress.Results)}
	var background sync.WaitGroup
	background.Go(func() { l.keep(ctx) })
	visits, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	background.Go(func() { b.watch(ctx, a.stopping, cut) })
	err = b.visitAll(ctx, visits)
	if trouble := troubleOf(err); trouble != nil && b.troubled() == nil {
		b.setTrouble(trouble)
	}
	// What was captured is committed also when the bundle ends early, but not when it
	// belongs to someone else by now.
	if ctx.Err() == nil {
		err = errors.Join(err, b.commit(ctx))
	} else {
		err = errors.Join(err, context.Cause(ctx))
	}
	if err != nil && l.live() { // the next attempt should not take the pages for deadly
		_ = l.beat(ctx)
	}
	cancel(nil)
	background.Wait()
	b.abandon()
	b.claim.release(ctx, b.rested, &c.background)
	out = workflows.BundleOutput{Results: l.committed(), Yielded: l.asked(), Stopped: l.asked() == errStopping.Error(), Trouble: b.troubled(), Rests: b.rests}
	if out.Trouble != nil && l.live() {
		err = nil // it is told with the result
	}
	return out, err
}

// load reads the bundle, and which of its pages have a committed outcome already. It fails when
// pages would be loaded in vain, because they could not be signed.
func (c *Crawler) load(ctx context.Context, in workflows.BundleInput, progress workflows.BundleProgress) (frontier.Bundle, map[frontier.Fingerprint]bool, error) {
	store := c.Buckets.Bucket(c.FrontierBucket)
	var bundle frontier.Bundle
	if err := c.Notary.Check(); err != nil {
		return bundle, nil, err
	}
	if err := getPacked(ctx, store, in.Bundle.Key, maxResult, &bundle); err != nil {
		return bundle, nil, err
	}
	done, err := visited(ctx, store, progress.Results)
	return bundle, done, err
}

// resume goes on from what the attempt before this one committed, and from what it died
// of.
func resume(p workflows.BundleProgress) workflows.BundleProgress {
	p.Deaths = maps.Clone(p.Deaths)
	if p.Deaths == nil {
		p.Deaths = map[int]int{}
	}
	for _, i := range p.InProgress {
		p.Deaths[i]++
	}
	p.InProgress, p.Pages = nil, nil
	p.Storing, p.StoringSince = 0, time.Time{}
	return p
}

// visited are the pages whose outcome is committed already.
func visited(ctx context.Context, store blob.Store, results []string) (map[frontier.Fingerprint]bool, error) {
	done := map[frontier.Fingerprint]bool{}
	for _, key := range results {
		var r frontier.Result
		if err := getPacked(ctx, store, key, maxResult, &r); err != nil {
			return nil, fmt.Errorf("read what is committed: %w", err)
		}
		for _, o := range r.Outcomes {
			done[o.FP] = true
		}
	}
	return done, nil
}

// bundleRun is one attempt at a bundle.
type bundleRun struct {
	*Crawler
	committer
	in      workflows.BundleInput
	bundle  frontier.Bundle
	lease   *lease
	of      attempt
	attempt int
	dir     string
	done    map[frontier.Fingerprint]bool
	deaths  map[int]int
	exclude frontier.Exclude
	scripts []browser.Script
	profile *profile.Profile // nil for none
	started time.Time        // monotonic

	claim  *claim // nil for none
	restMu sync.Mutex
	rests  []workflows.HostRest
	rested time.Time // when the last of the hosts has had its pause

	// company is held by pages while they are loaded, and locked by one that has to be alone.
	company sync.RWMutex

	finalsMu sync.Mutex
	finals   map[frontier.Fingerprint]bool // addresses that redirects led to
}

// errStopping cuts pages off that are still being loaded when the worker has to end.
var errStopping = errors.New("the worker stops")

// watch makes the bundle end early when the worker stops: no page is begun any more, and
// after a while those that are being loaded are given up.
func (b *bundleRun) watch(ctx context.Context, stopping <-chan struct{}, cut context.CancelCauseFunc) {
	select {
	case <-stopping:
	case <-ctx.Done():
		return
	}
	b.lease.ask(errStopping.Error())
	select {
	case <-time.After(max(0, b.StopTime-StoreGrace)):
		cut(errStopping)
	case <-ctx.Done():
	}
}

// visitAll visits the hosts of the bundle side by side. The end of visits cuts pages off,
// that of ctx also what is being stored.
func (b *bundleRun) visitAll(ctx, visits context.Context) error {
	if b.claim = b.newClaim(); b.claim != nil {
		if err := b.claim.take(ctx); err != nil {
			return err
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, len(b.bundle.Hosts))
	first := 0
	for i, h := range b.bundle.Hosts {
		start := first
		wg.Go(func() { errs[i] = b.visitHost(ctx, visits, h, start) })
		first += len(h.Pages)
	}
	wg.Wait()
	return errors.Join(errs...)
}

// stopReason says why no further page may be begun, empty when one may.
func (b *bundleRun) stopReason(ctx context.Context) string {
	now := b.Now()
	authorization := b.in.Job.Spec.Authorization
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx).Error()
	case b.lease.asked() != "":
		return b.lease.asked()
	case b.troubled() != nil:
		return b.troubled().Message
	case !authorization.NotAfter.IsZero() && !now.Before(authorization.NotAfter), now.Before(authorization.NotBefore):
		return "the authorisation is not valid now"
	case !b.in.Deadline.IsZero() && !now.Before(b.in.Deadline):
		return "the limit on duration is reached"
	case time.Since(b.started) > timeBox:
		return "the bundle's time is over"
	}
	if scarce := scarceDisk(b.dir); scarce != "" {
		b.setTrouble(workflows.TroubleWith(workflows.ReasonDiskFull, scarce))
		return scarce
	}
	if b.cutOff(ctx) {
		return b.troubled().Message
	}
	return ""
}

// cutOff reports whether no site can be reached, whichever it is. What did not come then is no
// outcome of a page.
func (b *bundleRun) cutOff(ctx context.Context) bool {
	why := b.Egress.cut(ctx)
	if why == nil {
		return false
	}
	b.setTrouble(workflows.TroubleWith(workflows.ReasonEgressUnreachable, why.Error()))
	return true
}

// pause waits until a time and reports whether it has come: the bundle may have to end
// first.
func (b *bundleRun) pause(ctx context.Context, until time.Time) bool {
	wait := until.Sub(b.Now())
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-b.lease.yield:
	case <-ctx.Done():
	}
	return false
}
