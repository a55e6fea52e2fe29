package frontier

import (
	"context"
	"errors"
	"slices"

	"crawlfleet.dev/crawlfleet/internal/sitemap"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/workflows"
)

// resume lets the next attempt begin with the sitemap that ended the one before.
func (r *SeedReader) resume() {
	if r.unread != nil {
		r.queue = slices.Insert(r.queue, 0, r.unread)
	}
	r.unread, r.named, r.waits = nil, 0, 0
}

// inTurn reads a sitemap when its site may be asked. One that the order names is not asked for
// while it is left alone: that is trouble that people are to know of.
func (r *SeedReader) inTurn(ctx context.Context, m *siteMap) error {
	if r.patience == nil {
		r.patience = &patience{}
	}
	site, _ := urls.PolitenessKey(m.address) // what is no address fails below
	own := r.run + " " + m.address
	if err := r.turn(ctx, m, site, own); err != nil {
		return err
	}
	delay, err := r.one(ctx, m)
	now := r.Robots.Now()
	r.patience.rest(site, now, now.Add(max(r.Delay, delay)))
	var e *SeedError
	if errors.As(err, &e) && e.Reason == workflows.ReasonSeedUnreachable {
		if cut := r.cutOff(ctx); cut != nil {
			return cut
		}
	}
	return r.heed(ctx, m, site, own, err)
}

// cutOff says that no site can be reached, whichever it is: then a sitemap that does not come is not
// passed over, and its site is not left alone for it.
func (r *SeedReader) cutOff(ctx context.Context) error {
	why := r.Robots.Egress.cut(ctx)
	if why == nil {
		return nil
	}
	return &SeedError{Reason: workflows.ReasonEgressUnreachable, Message: why.Error(), Err: why}
}

// turn waits until a site may be asked, and looks again then: others ask it too, and may have
// been told to leave it alone.
func (r *SeedReader) turn(ctx context.Context, m *siteMap, site, own string) error {
	for {
		if err := r.unheld(ctx, m, site, own); err != nil {
			return err
		}
		now := r.Robots.Now()
		if err := r.wait(ctx, r.patience.turn(site, now, r.Delay).Sub(now)); err != nil {
			return err
		}
		if _, key := r.patience.held(r.Robots.Now(), site, own); key == "" {
			return nil
		}
	}
}

// unheld waits until a sitemap is not left alone any more, if that is not its order's trouble.
func (r *SeedReader) unheld(ctx context.Context, m *siteMap, site, own string) error {
	now := r.Robots.Now()
	held, key := r.patience.held(now, site, own)
	pause := held.until.Sub(now)
	switch {
	case key == "":
		return nil
	case m.ordered() || r.waits+pause > maxWaits:
		return leftAlone(m, held, key == own)
	}
	r.waits += pause
	return r.wait(ctx, pause)
}

// leftAlone says why a sitemap is not asked for now: for what it answered itself, or another
// one of its host.
func leftAlone(m *siteMap, held heldOff, own bool) *SeedError {
	what := held.what
	if !own {
		what = "is not asked for yet: another one of its host " + what
	}
	e := unreachable(m, what, nil)
	e.status, e.until = held.status, held.until
	return e
}

// heed notes what came of asking for a sitemap. A host that asks to be left alone is, and so is
// a sitemap of the order that cannot be had; one that is gone ends the order.
func (r *SeedReader) heed(ctx context.Context, m *siteMap, site, own string, err error) error {
	now := r.Robots.Now()
	if err == nil || errors.Is(err, sitemap.ErrTooLarge) {
		r.patience.forget(now, site, own)
		return err
	}
	var e *SeedError
	if ctx.Err() != nil || !errors.As(err, &e) || e.Reason != workflows.ReasonSeedUnreachable {
		return err
	}
	if e.busy() && (m.ordered() || e.retryAfter > 0) { // others of the site may have more luck then
		r.patience.hold(site, now, e, false)
	}
	if m.ordered() {
		h := r.patience.hold(own, now, e, true)
		e.until = h.until
		if why := e.hopeless(h.tries); why != "" {
			return badSeeds(errors.New(m.String() + " " + why + e.what))
		}
	}
	return err
}
