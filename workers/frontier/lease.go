package frontier

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// leaseGuard is how long before the server's time-out a lease counts as over, and
// beatTimeout bounds one heartbeat.
const (
	leaseGuard  = 10 * time.Second
	beatTimeout = 10 * time.Second
)

// errLeaseLost ends an attempt whose bundle belongs to another one now, or may.
var errLeaseLost = errors.New("the lease of the bundle is lost")

// lease is a worker's right to a bundle. It lasts from the sending of each heartbeat
// that the server accepted, by this machine's monotonic clock; the server refuses the
// heartbeats of an old attempt. (The SDK's own heartbeats are batched and tell nothing
// of their acceptance, so they are no lease.)
type lease struct {
	beats  Heartbeater
	token  []byte
	logger *slog.Logger
	lose   context.CancelCauseFunc

	sending sync.Mutex // one heartbeat at a time, so that the newest is the last

	mu       sync.Mutex
	progress workflows.BundleProgress
	tracks   map[int]*browser.Tracker
	until    time.Time
	why      string
	yield    chan struct{}
}

func newLease(beats Heartbeater, token []byte, progress workflows.BundleProgress, logger *slog.Logger, lose context.CancelCauseFunc) *lease {
	return &lease{
		beats: beats, token: token, progress: progress, logger: logger, lose: lose, yield: make(chan struct{}), tracks: map[int]*browser.Tracker{},
		until: time.Now().Add(workflows.HeartbeatTimeout - leaseGuard),
	}
}

// beat sends a heartbeat and returns nil when it was accepted.
func (l *lease) beat(ctx context.Context) error {
	l.sending.Lock()
	defer l.sending.Unlock()
	l.mu.Lock()
	progress := l.progress
	progress.Results = slices.Clone(progress.Results)
	progress.InProgress = slices.Clone(progress.InProgress)
	progress.Deaths = maps.Clone(progress.Deaths)
	progress.Pages = l.pages()
	l.mu.Unlock()
	sent := time.Now()
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	err := l.beats.RecordActivityHeartbeat(ctx, l.token, progress)
	var gone *serviceerror.NotFound
	switch {
	case err == nil:
	case temporal.IsCanceledError(err), errors.Is(err, activity.ErrActivityPaused), errors.Is(err, activity.ErrActivityReset):
		l.ask("the workflow asked for it") // the heartbeat itself was accepted
	case errors.As(err, &gone):
		l.lose(errLeaseLost)
		return errLeaseLost
	default:
		return err
	}
	l.mu.Lock()
	l.until = sent.Add(workflows.HeartbeatTimeout - leaseGuard)
	l.mu.Unlock()
	return nil
}

// insist sends heartbeats until one is accepted or the lease is over.
func (l *lease) insist(ctx context.Context) error {
	for {
		err := l.beat(ctx)
		if err == nil || errors.Is(err, errLeaseLost) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

// keep renews the lease until ctx ends, and gives it up when that cannot be done.
func (l *lease) keep(ctx context.Context) {
	next := time.NewTicker(workflows.HeartbeatEvery)
	defer next.Stop()
	watch := time.NewTicker(time.Second)
	defer watch.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			if err := l.beat(ctx); err != nil && ctx.Err() == nil {
				l.logger.Warn("heartbeat was not accepted", "error", err)
			}
		case <-watch.C:
			if !l.live() {
				l.lose(errLeaseLost)
				return
			}
		}
	}
}

func (l *lease) live() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.until)
}

// ask makes the bundle come to an end early; the first reason counts.
func (l *lease) ask(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == "" {
		l.why = why
		close(l.yield)
	}
}

// asked is the reason to come to an end, empty for none.
func (l *lease) asked() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// begin and end note which pages are being loaded, for the attempt after this one.
func (l *lease) begin(index int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress.InProgress = append(l.progress.InProgress, index)
}

func (l *lease) end(index int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.progress.InProgress, index); i >= 0 {
		l.progress.InProgress = slices.Delete(l.progress.InProgress, i, i+1)
	}
}

// follow shows in heartbeats where a page is, until the returned function is called.
func (l *lease) follow(index int, track *browser.Tracker) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tracks[index] = track
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.tracks, index)
	}
}

// pages says where the pages are that are being visited. The caller holds the lock.
func (l *lease) pages() []workflows.PageProgress {
	var out []workflows.PageProgress
	for _, index := range slices.Sorted(maps.Keys(l.tracks)) {
		at := l.tracks[index].Standing()
		if at.Phase == "" {
			continue // it has just been begun
		}
		out = append(out, workflows.PageProgress{
			Index: index, Phase: string(at.Phase), Since: at.Since.UTC(), Active: at.Active.UTC(),
		})
	}
	return out
}

// storing shows in heartbeats that pages are being committed; 0 that none are.
func (l *lease) storing(pages int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress.Storing, l.progress.StoringSince = pages, time.Time{}
	if pages > 0 {
		l.progress.StoringSince = time.Now().UTC()
	}
}

// committed are the keys of the results so far.
func (l *lease) committed() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.progress.Results)
}

func (l *lease) add(result string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress.Results = append(l.progress.Results, result)
}

// drop takes back a result whose heartbeat was not accepted.
func (l *lease) drop(result string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress.Results = slices.DeleteFunc(l.progress.Results, func(s string) bool { return s == result })
}
