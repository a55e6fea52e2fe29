package browser

import (
	"context"
	"time"
)

// behave scrolls and waits until the page has settled. A page that goes
// elsewhere meanwhile is followed.
func (c *capture) behave(ctx context.Context, o Outcome) Outcome {
	for range maxDocuments {
		before := c.acct.progress().documents
		if o.State == Archived {
			c.settle(ctx)
		}
		p := c.acct.progress()
		if ctx.Err() != nil || (p.documents == before && !p.navigating) {
			return o
		}
		var shown bool
		loading, cancel := context.WithTimeoutCause(ctx, c.visit.LoadTimeout, errLoadTime)
		o, shown = c.complete(loading)
		cancel()
		if !shown {
			return o
		}
	}
	return o
}

// settle applies the settle rule to the document that is there.
func (c *capture) settle(ctx context.Context) {
	c.visit.Track.Enter(PhaseSettling)
	quiet := quietScripted
	c.consented, c.leftOpen, c.alone, c.holds = false, false, false, false
	c.acct.setActing("")
	probe, ok := c.probe(ctx)
	if !ok {
		return
	}
	if !probe.Scripted {
		quiet = quietPlain
	}
	if probe.Refresh >= 0 && probe.Refresh <= 5 {
		quiet = max(quiet, time.Duration(probe.Refresh*float64(time.Second))+200*time.Millisecond)
	}
	if probe.Consent && !c.visit.NoConsent {
		c.consent(ctx, probe) // it may keep the page from being scrolled
	}
	if !c.visit.NoScroll && (probe.Scripted || probe.Lazy) {
		c.scroll(ctx, quiet)
	} else {
		c.quiet(ctx, quiet)
	}
	c.act(ctx, probe, quiet)
	c.page.Timings.Settled = c.since()
}

// quiet waits until nothing that matters has been in flight for d, or the page
// goes elsewhere. It reports whether the page has become quiet.
func (c *capture) quiet(ctx context.Context, d time.Duration) bool {
	elsewhere := false
	defer c.turn.lend(ctx, 0)()
	err := c.wait(ctx, maxSettle, func(p progress) bool {
		elsewhere = p.navigating
		return p.navigating || p.quiet >= d
	})
	if err != nil && ctx.Err() == nil {
		c.acct.limit("SettleTimeout", "requests went on for more than %s after the page had loaded", maxSettle)
	}
	return err == nil && !elsewhere
}
