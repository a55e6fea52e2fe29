package frontier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	now := r.Robots.Now()
	held, isHeld := r.patience.held(now, site, own)
	if isHeld && (m.ordered() || r.waits+held.until.Sub(now) > maxWaits) {
		again := unreachable(m, held.what, nil)
		again.status, again.until = held.status, held.until
		return again
	}
	at := r.patience.turn(site, now, r.Delay)
	if isHeld && held.until.After(at) {
		r.waits += held.until.Sub(now)
		at = held.until
	}
	if err := r.wait(ctx, at.Sub(now)); err != nil {
		return err
	}
	delay, err := r.one(ctx, m)
	now = r.Robots.Now()
	r.patience.rest(site, now, now.Add(max(r.Delay, delay)))
	return r.heed(ctx, m, site, own, err)
}

// heed notes what came of asking for a sitemap. A host that asks to be left alone is, and so is
// a sitemap of the order that cannot be had; one that is gone ends the order.
func (r *SeedReader) heed(ctx context.Context, m *siteMap, site, own string, err error) error {
	if err == nil || errors.Is(err, sitemap.ErrTooLarge) {
		r.patience.forget(site, own)
		return err
	}
	var e *SeedError
	if ctx.Err() != nil || !errors.As(err, &e) || e.Reason != workflows.ReasonSeedUnreachable {
		return err
	}
	now := r.Robots.Now()
	switch {
	case e.busy() && (m.ordered() || e.retryAfter > 0):
		e.until = r.patience.hold(site, now, e, m.ordered()).until
	case m.ordered():
		h := r.patience.hold(own, now, e, true)
		e.until = h.until
		if e.status == http.StatusGone || e.missing() && h.tries >= missingTries {
			r.patience.forget(own)
			return badSeeds(fmt.Errorf("%s is not there: it %s", m, e.what))
		}
	}
	return err
}
