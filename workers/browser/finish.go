package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// finish leaves the page, closes its record and puts everything together.
func (c *capture) finish(ctx context.Context, o Outcome) error {
	c.visit.Track.Enter(PhaseLeaving)
	if c.hung {
		o = c.blame(o)
		c.tab.abandon()
		// A renderer that does not give way may not end when it is asked to, either.
		c.stay.pool.retire(c.tab.chrome, CauseHung)
	}
	if c.restless || ctx.Err() != nil {
		c.tab.abandon()
	}
	c.leave()
	c.drain()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	exchanges, err := c.endRecord(end)
	c.tab.end()
	if err != nil && !recorder.DiskFull(err) {
		return fmt.Errorf("close the page's record: %w", err)
	}
	if err != nil {
		o = Outcome{State: Failed, Reason: ReasonDiskFull, Detail: err.Error()}
	}
	if c.page.Outcome.State == Failed { // an output found the disk full
		o = c.page.Outcome
	}
	c.page.Exchanges = exchanges
	c.acct.conclude(c.page)
	c.page.Limits = append(c.page.Limits, c.visit.cutOff(exchanges)...)
	c.page.Limits = append(c.page.Limits, withheld(c.page.Ledger)...)
	c.page.Outcome = c.judge(c.tunnelsFirst(o))
	c.page.Challenge = challengeOf(c.page)
	c.judgeLogin()
	c.page.Timings.Recorded = c.since()
	c.page.Ended = c.acct.now()
	return nil
}

// leave goes to an empty page, so that what the page sends when it is left is
// still its own, and nothing of it runs on into the next page. The page itself
// is made to go: it then has unloaded when the empty page is there, while a
// navigation from outside may swap the process and let it linger.
func (c *capture) leave() {
	c.acct.mu.Lock()
	c.acct.leaving = true
	c.acct.mu.Unlock()
	if c.tab.dead() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if c.acct.progress().navigating {
		// The way to a document that never came would go on.
		c.tab.session.post("Page.stopLoading", nil)
	}
	w, err := c.world(ctx)
	if err == nil {
		err = w.eval(ctx, "location.replace('about:blank')", nil)
	}
	if err == nil {
		select {
		case <-c.acct.left:
		case <-ctx.Done():
			err = ctx.Err()
		case <-c.tab.gone:
		}
	}
	if err != nil {
		c.tab.abandon()
	}
	c.acct.mu.Lock()
	c.tab.blank = c.acct.blank
	c.acct.mu.Unlock()
}

// drain waits for the last bytes of what the page asked for when it was left.
func (c *capture) drain() {
	began := time.Now()
	least := max(5*time.Millisecond, 3*c.roundTrip())
	for time.Since(began) < drainTimeout {
		c.acct.mu.Lock()
		sent := c.acct.sent
		c.acct.mu.Unlock()
		// What was sent last takes a moment to reach the recorder.
		arriving := time.Since(began) < least || (sent > 0 && time.Since(began) < 50*time.Millisecond)
		if !arriving && c.stay.session.InFlight().Open == 0 && !c.acct.intercept.busy(time.Since(began)) {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// roundTrip asks Chrome's network service for something and says how long that took:
// what the page sent before it went is on its way by then, and a busy machine shows.
func (c *capture) roundTrip() time.Duration {
	if c.tab.dead() {
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	began := time.Now()
	err := c.tab.session.Call(ctx, "Network.getCookies", map[string]any{"urls": []string{"http://nothing.invalid/"}}, nil)
	if err != nil {
		return 0 // there is nothing to wait for
	}
	return time.Since(began)
}

// conclude writes the account into a page.
func (a *account) conclude(p *Page) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.document
	p.FinalURL = d.url
	if p.FinalURL == "" || !networked(p.FinalURL) {
		p.FinalURL = p.URL
		if n := len(a.redirects); n > 0 {
			p.FinalURL = a.redirects[n-1].To
		}
	}
	p.Status, p.MIME, p.Redirects, p.document = d.status, d.mime, a.redirects, a.shown
	p.Timings.Response = sinceOrZero(a.started, d.response)
	p.Timings.DOMContent = sinceOrZero(a.started, d.domContent)
	p.Timings.Load = sinceOrZero(a.started, d.load)
	for _, w := range a.windows {
		p.Links = append(p.Links, Link{URL: clip(w, maxURL), Kind: LinkWindow})
	}
	if a.away != "" {
		p.Links = append(p.Links, Link{URL: clip(a.away, maxURL), Kind: LinkAway})
	}
	for _, id := range a.order {
		p.Frames = append(p.Frames, *a.frames[id])
	}
	if a.dropped > 0 {
		a.limits = append(a.limits, Limit{Name: LimitLedger, Detail: fmt.Sprintf("%d requests were left out of the ledger", a.dropped)})
	}
	p.Actions, p.Limits = a.actions, a.limits
	p.Ledger = make([]Line, len(a.lines))
	for i, l := range a.lines {
		p.Ledger[i] = *l
	}
	if l := p.shown(); l != nil && d.request != a.shown {
		// What the page asked for since led nowhere: a download, or an answer without content.
		p.Status, p.MIME = l.Status, l.MIME
	}
	for i := range p.Exchanges {
		if r := p.Exchanges[i].Response; r != nil {
			p.Bytes += r.Body.Size
		}
	}
	p.Ledger, p.Completeness = match(p.Ledger, p.Exchanges, a.refused, p.Started)
}

func sinceOrZero(from, to time.Time) time.Duration {
	if to.IsZero() {
		return 0
	}
	return to.Sub(from)
}

// judge gives what the recorder knows about the main document the last word.
func (c *capture) judge(o Outcome) Outcome {
	for i := range c.page.Exchanges {
		if e := &c.page.Exchanges[i]; e.Failure == ReasonDiskFull {
			return Outcome{State: Failed, Reason: ReasonDiskFull, Detail: e.Detail}
		}
	}
	main := c.page.MainExchange()
	if main != nil && (main.Withheld() || main.Failure == ReasonImagesOff) {
		c.page.disown()
		return Outcome{State: Failed, Reason: main.Failure, Detail: main.Detail}
	}
	if o.State == Failed && o.Reason != ReasonConnectFailed && o.Reason != ReasonAborted {
		// A page that was given up takes its open exchanges down with it.
		return o
	}
	if main == nil {
		return o
	}
	if why := c.unshown(o); why != "" && main.Whole() {
		c.page.Limits = append(c.page.Limits, Limit{Name: "Document", Detail: "the browser could not show what came: " + why})
		o = Outcome{State: Archived}
	}
	if main.Substituted {
		c.page.disown()
		return Outcome{State: Failed, Reason: reasonOf(main.Failure), Detail: main.Detail}
	}
	if r := main.Response; r != nil && (main.Failure != "" || r.Body.Truncated != "") {
		c.page.Limits = append(c.page.Limits, Limit{Name: "Document", Detail: strings.TrimSpace("the document broke off: " + main.Failure + " " + r.Body.Truncated)})
	}
	if c.page.Busy() {
		o.RetryAfter = RetryAfter(c.acct.document.retryAfter, c.page.Started)
	}
	return o
}

// unshown is the net error for which the browser has not shown a document, or not
// the whole of it.
func (c *capture) unshown(o Outcome) string {
	if o.Reason == ReasonConnectFailed {
		return o.Detail
	}
	if c.acct.document.failure == "net::ERR_ABORTED" {
		return "" // a file, or an answer without content
	}
	return strings.TrimPrefix(c.acct.document.failure, "net::")
}

// disown takes away what was made of the recorder's own answer, which the browser showed
// because nothing of the page was received: it would stand in the archive as the site's.
func (p *Page) disown() {
	p.Title, p.Status, p.MIME, p.Links = "", 0, "", nil
	p.TextFile, p.DOMFile, p.ScreenshotFile = "", "", ""
	p.ScreenshotWidth, p.ScreenshotHeight = 0, 0
}

// Busy reports whether the server answered by asking for patience: with 429 (RFC
// 6585 section 4) or 503 (RFC 9110 section 15.6.4).
func (p *Page) Busy() bool {
	return p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable
}

// shown is the ledger's line of the document that is shown in the end, nil when there is
// none.
func (p *Page) shown() *Line {
	for i := len(p.Ledger) - 1; i >= 0 && p.document != ""; i-- {
		if p.Ledger[i].RequestID == p.document {
			return &p.Ledger[i]
		}
	}
	return nil
}

// DocumentLine is the ledger's line of the document that is shown in the end. Where none is
// shown it is that of the last one that was asked for, of those that have an exchange if there
// are any; nil when none was ever asked for.
func (p *Page) DocumentLine() *Line {
	if l := p.shown(); l != nil {
		return l
	}
	var last *Line
	for i := range p.Ledger {
		l := &p.Ledger[i]
		if l.Type != "Document" || len(p.Frames) == 0 || l.FrameID != p.Frames[0].ID {
			continue
		}
		if last == nil || last.Exchange == 0 || l.Exchange != 0 {
			last = l
		}
	}
	return last
}

// MainExchange is the exchange of DocumentLine. It is nil when there is none: the document
// came from the cache, or nothing was ever asked for.
func (p *Page) MainExchange() *recorder.Exchange {
	l := p.DocumentLine()
	if l == nil {
		return nil
	}
	for i := range p.Exchanges {
		if p.Exchanges[i].ID == l.Exchange {
			return &p.Exchanges[i]
		}
	}
	return nil
}

// reasonOf maps what the recorder says of a failed exchange to a page's reason.
func reasonOf(failure string) string {
	switch failure {
	case ReasonDNSFailed, ReasonConnectFailed, ReasonTLSFailed, ReasonConnectionReset, ReasonPageTimeout,
		ReasonAddressBlocked, ReasonNavigationBlocked, ReasonDiskFull, ReasonAborted, ReasonKnownIllegalImage, ReasonImageNotJudged, ReasonImagesOff:
		return failure
	case recorder.ReasonInvalidResponse:
		return ReasonConnectionReset
	}
	return ReasonConnectFailed
}

// netFailure maps a net error of Chrome's to a page's reason. Most failures of
// the network are the recorder's to tell: this is for what it never saw.
func netFailure(text string) Outcome {
	o := Outcome{State: Failed, Reason: ReasonConnectFailed, Detail: strings.TrimPrefix(text, "net::")}
	switch {
	case text == "net::ERR_NAME_NOT_RESOLVED":
		o.Reason = ReasonDNSFailed
	case text == "net::ERR_TOO_MANY_REDIRECTS":
		o.Reason = ReasonTooManyRedirects
	case text == "net::ERR_CONNECTION_RESET", text == "net::ERR_EMPTY_RESPONSE", text == "net::ERR_CONNECTION_CLOSED",
		text == "net::ERR_CONTENT_LENGTH_MISMATCH", text == "net::ERR_INCOMPLETE_CHUNKED_ENCODING":
		o.Reason = ReasonConnectionReset
	case strings.HasPrefix(text, "net::ERR_CERT"), strings.HasPrefix(text, "net::ERR_SSL"), strings.HasPrefix(text, "net::ERR_BAD_SSL"),
		text == "net::ERR_ALPN_NEGOTIATION_FAILED":
		o.Reason = ReasonTLSFailed
	case text == "net::ERR_TIMED_OUT", text == "net::ERR_CONNECTION_TIMED_OUT":
		o.Reason = ReasonPageTimeout
	case strings.HasPrefix(text, "net::ERR_BLOCKED"), text == "net::ERR_UNSAFE_PORT", text == "net::ERR_UNKNOWN_URL_SCHEME",
		text == "net::ERR_UNSAFE_REDIRECT", text == "net::ERR_INVALID_REDIRECT", text == "net::ERR_DISALLOWED_URL_SCHEME":
		o.Reason = ReasonNavigationBlocked
	case text == "net::ERR_ABORTED":
		o.Reason = ReasonAborted
	}
	return o
}

// maxRetryAfter bounds how long a server can ask to be left alone.
const maxRetryAfter = 24 * time.Hour

// RetryAfter reads a Retry-After header: seconds or a date (RFC 9110, 10.2.3). It is a day at
// most, and 0 for a value that says nothing.
func RetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if s, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(s, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(value); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
