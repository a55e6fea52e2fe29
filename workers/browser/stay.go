package browser

import (
	"context"
	"errors"
	"fmt"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// Stay is one visit to one host: a tab in a browser context of its own, behind
// a recorder session of its own. It captures one page at a time. With
// StayOptions.FreshPages both are each page's own.
type Stay struct {
	pool    *Pool
	opts    StayOptions
	session *recorder.Session
	chrome  *chrome
	tab     *tab
	used    bool               // a page was captured
	refused []recorder.Refusal // by sessions that have been given up
	closed  bool
}

// Stay takes a tab in a fresh browser context. It blocks until one is free. The
// context bounds the wait alone; close the stay to give the tab back.
func (p *Pool) Stay(ctx context.Context, opts StayOptions) (*Stay, error) {
	if opts.Viewport.Width <= 0 || opts.Viewport.Height <= 0 {
		opts.Viewport = DefaultViewport
	}
	if err := p.slot(ctx); err != nil {
		return nil, err
	}
	s := &Stay{pool: p, opts: opts}
	var err error
	if s.session, err = s.record(ctx); err != nil {
		<-p.slots
		return nil, err
	}
	if err := s.ensure(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// record opens a recorder session.
func (s *Stay) record(ctx context.Context) (*recorder.Session, error) {
	open := s.pool.opts.Recorder.NewSession
	if s.opts.Recorder == RecorderBrowser {
		open = s.pool.opts.Recorder.NewOpaqueSession
	}
	session, err := open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open a recorder session: %w", err)
	}
	return session, nil
}

// ensure makes the tab where there is none: at the start, and after a crash. A
// context whose Chrome lives keeps its state; a new Chrome starts afresh.
func (s *Stay) ensure(ctx context.Context) error {
	if s.chrome != nil {
		_ = s.chrome.lookOver() // one that has ended makes the tab a dead one
	}
	if s.tab != nil && !s.tab.dead() {
		return nil
	}
	s.discard()
	for try := 0; ; try++ {
		c, err := s.pool.acquire(ctx, s.opts.Engine)
		if err != nil {
			return err
		}
		s.chrome = c
		s.tab, err = c.open(ctx, s.opts, "http://"+s.session.Addr())
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			s.pool.retire(c, CauseStuck) // the next try takes another
		}
		s.discard()
		if ctx.Err() != nil || try == 2 {
			return fmt.Errorf("open a tab: %w", err)
		}
	}
}

// slot waits until a stay may be opened.
func (p *Pool) slot(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-p.closed:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("wait for a free tab: %w", context.Cause(ctx))
	}
}

// Wanted reports whether somebody waits until a stay is closed.
func (p *Pool) Wanted() bool { return p.waiting.Load() > 0 }

// begin makes ready for a page: a fresh tab in a fresh context where the stay promises one
// to every page, and where there is none.
func (s *Stay) begin(ctx context.Context) error {
	if s.opts.FreshPages && s.used {
		if err := s.renew(ctx); err != nil {
			return err
		}
	}
	s.used = true
	return s.ensure(ctx)
}

// renew gives up all that a site could know a visitor by: the context, and the recorder's
// session too, which keeps connections to origins and what TLS takes up again.
func (s *Stay) renew(ctx context.Context) error {
	s.discard()
	next, err := s.record(ctx)
	if err != nil {
		return err // the old session is closed with the stay
	}
	old := s.session
	s.session = next
	err = old.Close()
	s.refused = append(s.refused, old.TakeRefused()...)
	if err != nil {
		return fmt.Errorf("close the recorder session: %w", err)
	}
	return nil
}

// takeRefused are the requests that were let nowhere since it was last asked.
func (s *Stay) takeRefused() []recorder.Refusal {
	list := append(s.refused, s.session.TakeRefused()...)
	s.refused = nil
	return list
}

// tellRefused tells of what no page can tell: the requests after the last one.
func (s *Stay) tellRefused() {
	n := 0
	kinds := map[string]int{} // no hosts: a log is not the archive
	for _, r := range s.takeRefused() {
		n += r.Count
		kinds[r.Method+" "+r.Why] += r.Count
	}
	if n == 0 {
		return
	}
	s.pool.log.Info("requests after the last page of a stay were let nowhere", "count", n, "kinds", kinds)
	if s.pool.opts.Refused != nil {
		s.pool.opts.Refused(n)
	}
}

// discard gives up the tab and its context.
func (s *Stay) discard() {
	if s.tab != nil {
		s.tab.close()
		s.tab = nil
	}
	if s.chrome != nil {
		s.pool.release(s.chrome)
		s.chrome = nil
	}
}

// ClearCache empties the HTTP cache of the stay and takes away the service workers with what they
// have stored, so that what the next pages share is fetched, and recorded, again. A stay
// that goes on into a new chunk calls it in between: every chunk then stands alone.
func (s *Stay) ClearCache(ctx context.Context) error {
	if s.tab == nil || s.tab.dead() {
		return nil // the next tab starts with an empty one
	}
	if err := s.tab.session.Call(ctx, "Network.clearBrowserCache", nil, nil); err != nil && !s.tab.dead() {
		return fmt.Errorf("clear the cache: %w", err)
	}
	err := s.tab.session.Call(ctx, "Storage.clearDataForOrigin", map[string]any{"origin": "*", "storageTypes": "service_workers,cache_storage"}, nil)
	if err != nil && !s.tab.dead() {
		return fmt.Errorf("take the service workers away: %w", err)
	}
	return nil
}

// Close gives the tab back. The context's cookies, storage and cache are gone
// with it.
func (s *Stay) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.discard()
	err := s.session.Close()
	s.tellRefused()
	<-s.pool.slots
	if err != nil {
		return fmt.Errorf("close the recorder session: %w", err)
	}
	return nil
}
