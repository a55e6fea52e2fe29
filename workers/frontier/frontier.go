// Package frontier holds the activities of a crawl: what workers do when a workflow
// asks. The queue itself is the pure package internal/frontier; here are the store it
// lies in, the lease of a bundle, the visits of its pages, and the commit of what they
// brought.
//
//   - Preflight asks whether the store can be used.
//   - StoreProfile puts the sealed state of a log-in where bundles find it.
//   - Seed brings the seeds into the first manifest.
//   - Amend brings in seeds that are added later.
//   - Plan takes in results, hands out bundles and writes the next manifest.
//   - CrawlBundle visits the pages of a bundle and commits them chunk by chunk.
//   - Sweep removes what the frontier of a long crawl does not need any more.
//   - Seal recounts a run from what is stored and writes its closing statement.
//
// A page counts as archived only when its chunk is stored, the store has confirmed its
// checksum, and an accepted heartbeat of the bundle names its result.
package frontier

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/workers/archive"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workers/notary"
	"crawlfleet.dev/crawlfleet/workflows"
)

// Buckets opens the buckets of a store.
type Buckets interface {
	Bucket(name string) *blob.Bucket
}

// Planner does the steps of the frontier that need no browser.
type Planner struct {
	// Store opens the buckets; ArchiveBucket is the one of jobs that name none,
	// FrontierBucket holds the queues.
	Store                         Buckets
	ArchiveBucket, FrontierBucket string
	// Robots decides which sitemaps may be loaded, and lends the client for it.
	Robots *RobotsCache
	// Notary vouches for what is stored; nil for nobody.
	Notary *notary.Notary
	// Dir is for files of a moment, the system's folder when it is empty.
	Dir    string
	Logger *slog.Logger
	// Now is the clock.
	Now func() time.Time

	states   stateCache
	seedings seedings
	vouching vouching
}

// Register makes the planner's activities known to a worker.
func (p *Planner) Register(r worker.ActivityRegistry) {
	r.RegisterActivityWithOptions(p.Preflight, activity.RegisterOptions{Name: workflows.ActivityPreflight})
	r.RegisterActivityWithOptions(p.StoreProfile, activity.RegisterOptions{Name: workflows.ActivityStoreProfile})
	r.RegisterActivityWithOptions(p.Restore, activity.RegisterOptions{Name: workflows.ActivityRestore})
	r.RegisterActivityWithOptions(p.Seed, activity.RegisterOptions{Name: workflows.ActivitySeed})
	r.RegisterActivityWithOptions(p.Amend, activity.RegisterOptions{Name: workflows.ActivityAmend})
	r.RegisterActivityWithOptions(p.Plan, activity.RegisterOptions{Name: workflows.ActivityPlan})
	r.RegisterActivityWithOptions(p.Sweep, activity.RegisterOptions{Name: workflows.ActivitySweep})
	r.RegisterActivityWithOptions(p.Seal, activity.RegisterOptions{Name: workflows.ActivitySeal})
	r.RegisterActivityWithOptions(p.Stamp, activity.RegisterOptions{Name: workflows.ActivityStamp})
}

// Heartbeater records the heartbeat of an activity and returns when the server has
// accepted it, or refused. client.Client is one.
type Heartbeater interface {
	RecordActivityHeartbeat(ctx context.Context, taskToken []byte, details ...any) error
}

// Tabs lends browser tabs. It blocks until one is free.
type Tabs interface {
	Tab(ctx context.Context, options browser.StayOptions) (Tab, error)
	// Wanted reports whether somebody waits for a tab.
	Wanted() bool
}

// Tab captures one page at a time. *browser.Stay is one.
type Tab interface {
	Capture(ctx context.Context, visit browser.Visit) (*browser.Page, error)
	ClearCache(ctx context.Context) error
	Close() error
}

// Pool lends the tabs of a pool of browsers.
type Pool struct{ *browser.Pool }

// Tab implements Tabs.
func (p Pool) Tab(ctx context.Context, options browser.StayOptions) (Tab, error) {
	stay, err := p.Stay(ctx, options)
	if err != nil {
		return nil, err
	}
	return stay, nil
}

// Crawler visits bundles.
type Crawler struct {
	// Buckets opens the buckets of the store.
	Buckets        Buckets
	FrontierBucket string
	// Tabs are the browsers'.
	Tabs Tabs
	// Heartbeats keep the lease of a bundle.
	Heartbeats Heartbeater
	// IdentityFile holds the secret keys that open the profiles of jobs, as age-keygen
	// writes them. It is read when there is a profile to open; empty opens none.
	IdentityFile string
	// Robots decides what may be visited.
	Robots *RobotsCache
	// Egress tells a site that does not come from a way that is not there.
	Egress Egress
	// Dir is for scratch files.
	Dir string
	// Metrics count, unless nil.
	Metrics *Metrics
	// Patience is how long a commit waits for a store that has trouble before the
	// bundle ends with what was committed before.
	Patience time.Duration
	// StopTime is how long the worker takes to stop at most. But for the last StoreGrace of
	// it, pages that were begun go on loading: one that is cut off is loaded again.
	StopTime time.Duration
	// Info and Provenance are what every chunk says about the software that made it.
	Info       archive.Info
	Provenance archive.Provenance
	// Notary signs what is stored; nil for nobody. Who vouches for it, and tells the custody log, is the Planner.
	Notary *notary.Notary
	// Clock is compared with the machine's own for each chunk, nil for none.
	Clock  *Clock
	Logger *slog.Logger
	Now    func() time.Time

	// suspects is held by a page that was being loaded when an attempt died.
	suspects sync.Mutex
	// background is what outlives a bundle: claims that are given back after a pause.
	background sync.WaitGroup
	indexes    indexes
}

// Wait returns when the claims of bundles that ended are given back, or after a time: what
// is left of them then is over by itself.
func (c *Crawler) Wait(patience time.Duration) { waitFor(&c.background, patience) }

// Register makes the crawler's activity known to a worker.
func (c *Crawler) Register(r worker.ActivityRegistry) {
	r.RegisterActivityWithOptions(c.CrawlBundle, activity.RegisterOptions{Name: workflows.ActivityCrawlBundle})
}

// troubles are the kinds of store errors, and what they are called.
var troubles = []struct {
	kind    error
	reason  workflows.Reason
	message string
}{
	{blob.ErrUnreachable, workflows.ReasonStoreUnreachable, "the store does not answer"},
	{blob.ErrDenied, workflows.ReasonStoreDenied, "the store refuses the workers' credentials"},
	{blob.ErrClock, workflows.ReasonClocksDiffer, "the clocks of a worker and of the store differ"},
	{blob.ErrNoBucket, workflows.ReasonBucketMissing, "a bucket does not exist"},
	{blob.ErrUnfit, workflows.ReasonStoreUnfit, "the store cannot be used"},
	{frontier.ErrBooks, workflows.ReasonBooksUnbalanced, "the frontier's books do not balance"},
	{blob.ErrFull, workflows.ReasonStoreFull, "the store is full"},
	{browser.ErrNoEngine, workflows.ReasonEngineMissing, "the browser that the job asks for is not installed on a worker"},
	{archive.ErrUnsigned, workflows.ReasonSigningFailed, "a worker cannot sign what was captured"},
	{notary.ErrUnlogged, workflows.ReasonCustodyFailed, "a worker cannot write the custody log"},
}

// storeError gives a store's error the type by which a workflow knows it; others stay
// as they are.
func storeError(err error) error {
	if err == nil {
		return nil
	}
	for _, t := range troubles {
		if errors.Is(err, t.kind) {
			return workflows.NewTrouble(t.reason, t.message+": "+err.Error(), err)
		}
	}
	return err
}

// troubleOf tells what an error means for the run, nil when it is none that help from
// outside ends.
func troubleOf(err error) *workflows.Waiting {
	switch {
	case recorder.DiskFull(err):
		return workflows.TroubleWith(workflows.ReasonDiskFull, "the disk of a worker is full")
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EIO):
		return workflows.TroubleWith(workflows.ReasonDiskUnwritable, "the disk of a worker cannot be written to")
	}
	var sealed *sealedError
	if errors.As(err, &sealed) {
		return workflows.TroubleWith(workflows.ReasonProfileSealed, sealed.Error())
	}
	for _, t := range troubles {
		if errors.Is(err, t.kind) {
			return workflows.TroubleWith(t.reason, t.message+detail(err))
		}
	}
	return nil
}

// detail is what an error tells besides its kind where that says what to mend.
func detail(err error) string {
	if errors.Is(err, archive.ErrUnsigned) || errors.Is(err, notary.ErrUnlogged) {
		return ": " + err.Error()
	}
	return ""
}
