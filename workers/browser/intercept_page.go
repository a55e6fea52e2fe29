package browser

import (
	"context"
	"fmt"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// certificateTimeout bounds the question for an origin's certificate.
const certificateTimeout = 5 * time.Second

// intercept has a target's requests paused when they have been answered.
func (t *tab) intercept(s *session) {
	s.post("Fetch.enable", map[string]any{"patterns": t.fetchPatterns()})
	if t.acceptBad {
		s.post("Security.setIgnoreCertificateErrors", map[string]any{"ignore": true})
	}
}

// endRecord ends the page's record and returns all exchanges: with the recorder's own
// those that the browser took down.
func (c *capture) endRecord(ctx context.Context) ([]recorder.Exchange, error) {
	c.page.Refused = c.stay.takeRefused()
	k := c.acct.intercept
	if k == nil {
		return c.stay.session.End(ctx)
	}
	k.stop()
	k.missing()
	list := k.exchanges()
	wire, tunnels, err := c.stay.session.EndPage(ctx)
	c.page.Tunnels = tunnels
	all := merge(wire, list, newConnections(tunnels, k.chainOf, c.stay.pool.opts.Recorder.Verify))
	if err == nil && k.diskErr != nil {
		err = fmt.Errorf("%s: %w", recorder.DiskDetail(k.diskErr), k.diskErr)
	}
	return all, err
}

// tunnelsFirst gives what the recorder knows of a tunnel that failed the last word on why
// there is no document: the browser only knows that its proxy hung up.
func (c *capture) tunnelsFirst(o Outcome) Outcome {
	if c.acct.intercept == nil || o.State != Failed {
		return o
	}
	main := c.page.MainExchange()
	if main == nil || main.Account == nil || main.Response != nil || main.Failure == "" || main.Failure == ReasonAborted {
		return o
	}
	return Outcome{State: Failed, Reason: reasonOf(main.Failure), Detail: main.Detail}
}
