package frontier

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/robots"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// For how long a robots.txt is used (RFC 9309 section 2.4: not more than 24 hours), and
// after how long one that could not be had is asked for again.
const (
	robotsFresh = 24 * time.Hour
	robotsRetry = 5 * time.Second
	// robotsTimeout bounds one fetch.
	robotsTimeout = 30 * time.Second
	// maxOrigins bounds the cache, maxRobotsHead the head of an answer in bytes.
	maxOrigins    = 10_000
	maxRobotsHead = 64 << 10
)

// ProductToken is what robots.txt knows us by (RFC 9309 section 2.2.1).
const ProductToken = "crawlfleet"

// RobotsCache fetches the robots.txt of each origin and keeps it.
type RobotsCache struct {
	// Client goes through the guard and follows robots.MaxRedirects redirects.
	Client *http.Client
	// UserAgent is sent, Token is what rules are looked up for.
	UserAgent, Token string
	Now              func() time.Time
	// Recorder, when it is set, makes the requests instead of Client, for pages that are to
	// be archived.
	Recorder *RobotsRecorder
	// Egress is that of [Crawler].
	Egress Egress

	// acceptBad takes what comes from a server whose certificate does not verify.
	acceptBad bool

	mu      sync.Mutex
	origins map[string]*robotsEntry
	lenient *RobotsCache
}

// For is the cache for an order: one that records pages in spite of a bad certificate has
// their robots.txt in spite of it too.
func (c *RobotsCache) For(spec workflows.Spec) *RobotsCache {
	if c == nil || spec.Capture.BadCertificates != workflows.BadCertificatesRecord {
		return c
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lenient == nil {
		c.lenient = &RobotsCache{
			Client: lenient(c.Client), UserAgent: c.UserAgent, Token: c.Token, Now: c.Now, Recorder: c.Recorder, Egress: c.Egress, acceptBad: true,
		}
	}
	return c.lenient
}

// lenient is a client that does not verify certificates; one with a transport that is not
// NewClient's stays as it is.
func lenient(client *http.Client) *http.Client {
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		return client
	}
	transport = transport.Clone()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} //nolint:gosec // the order says so
	return &http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}
}

// RobotsFailure says why a robots.txt could not be had, or keeps us from a page.
type RobotsFailure struct {
	Reason workflows.Reason
	Detail string
	// RetryAfter is how long the server asks to be left alone, 0 when it does not say.
	RetryAfter time.Duration
}

// robotsEntry is what is known of an origin. Its lock is held while it is fetched, so
// that one request serves all who wait.
type robotsEntry struct {
	mu      sync.Mutex
	rules   *robots.Rules
	failure *RobotsFailure
	fetched time.Time
	until   time.Time
	tape    tape
}

// Rules returns the rules for the origin of a page.
func (c *RobotsCache) Rules(ctx context.Context, page string) (*robots.Rules, *RobotsFailure) {
	rules, failure, _ := c.rules(ctx, page)
	return rules, failure
}

// rules is Rules that also tells what was asked.
func (c *RobotsCache) rules(ctx context.Context, page string) (*robots.Rules, *RobotsFailure, browser.RobotsUse) {
	origin, err := urls.Origin(page)
	if err != nil {
		return nil, &RobotsFailure{Reason: workflows.ReasonInvalidURL, Detail: err.Error()}, browser.RobotsUse{}
	}
	e := c.entry(origin)
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := c.Now(); !now.Before(e.until) {
		e.tape.retire()
		e.rules, e.failure, e.tape = c.fetch(ctx, origin)
		e.fetched, e.until = now, now.Add(robotsFresh)
		if e.failure != nil { // which may have taken longer than the pause
			e.until = c.Now().Add(max(robotsRetry, e.failure.RetryAfter))
		}
		if ctx.Err() != nil || e.failure != nil && c.Egress.cut(ctx) != nil { // it says nothing about the host
			e.until = now
		}
	}
	return e.rules, e.failureAt(c.Now()), browser.RobotsUse{URL: origin + "/robots.txt", Fetched: e.fetched, Exchanges: e.tape.exchanges}
}

// failureAt is the failure with what is left of the pause that the server asks for.
func (e *robotsEntry) failureAt(now time.Time) *RobotsFailure {
	if e.failure == nil || e.failure.RetryAfter == 0 {
		return e.failure
	}
	left := *e.failure
	left.RetryAfter = max(0, e.until.Sub(now))
	return &left
}

func (c *RobotsCache) entry(origin string) *robotsEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.origins == nil || len(c.origins) >= maxOrigins {
		for _, e := range c.origins {
			go func() { // one may be fetched just now
				e.mu.Lock()
				defer e.mu.Unlock()
				e.tape.retire()
			}()
		}
		c.origins = map[string]*robotsEntry{}
	}
	e := c.origins[origin]
	if e == nil {
		e = &robotsEntry{}
		c.origins[origin] = e
	}
	return e
}

func (c *RobotsCache) fetch(ctx context.Context, origin string) (*robots.Rules, *RobotsFailure, tape) {
	ctx, cancel := context.WithTimeout(ctx, robotsTimeout)
	defer cancel()
	ask := func(client *http.Client) (*robots.Rules, *RobotsFailure) { return c.ask(ctx, client, origin) }
	if c.Recorder == nil {
		rules, failure := ask(c.Client)
		return rules, failure, tape{}
	}
	rules, failure, t, err := c.Recorder.fetch(ctx, c.acceptBad, ask)
	if err != nil { // of this machine: the site is left alone as long as it lasts
		failure = robotsFailed(string(workflows.ReasonRobotsUnreachable), err.Error())
	}
	return rules, failure, t
}

func robotsFailed(reason, detail string) *RobotsFailure {
	return &RobotsFailure{Reason: workflows.Reason(reason), Detail: "robots.txt: " + detail}
}

func (c *RobotsCache) ask(ctx context.Context, client *http.Client, origin string) (*robots.Rules, *RobotsFailure) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, origin+"/robots.txt", nil)
	if err != nil {
		return nil, &RobotsFailure{Reason: workflows.ReasonInvalidURL, Detail: err.Error()}
	}
	req.Header.Set("User-Agent", c.UserAgent)
	resp, err := client.Do(req)
	if errors.Is(err, errTooManyRedirects) {
		return robots.AllowAll, nil // section 2.3.1.2: as if there were none
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, &RobotsFailure{Reason: workflows.ReasonRobotsUnreachable, Detail: "robots.txt is not answered in time, so nothing may be visited for now"}
	}
	if err != nil {
		return nil, robotsFailed(reasonFor(err), whyNot(err))
	}
	defer resp.Body.Close()
	if rules := robots.ForStatus(resp.StatusCode); rules == robots.DisallowAll {
		return nil, &RobotsFailure{
			Reason: workflows.ReasonRobotsUnreachable, Detail: fmt.Sprintf("robots.txt is answered with %s, so nothing may be visited for now", resp.Status),
			RetryAfter: browser.RetryAfter(resp.Header.Get("Retry-After"), c.Now()),
		}
	} else if rules != nil {
		return rules, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, robots.MaxSize))
	if err != nil {
		return nil, &RobotsFailure{Reason: workflows.ReasonRobotsUnreachable, Detail: "robots.txt breaks off: " + err.Error()}
	}
	return robots.Parse(body, c.Token), nil
}

// reasonFor is the word for what kept a request from being answered.
func reasonFor(err error) string {
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) {
		return browser.ReasonTLSFailed
	}
	return netguard.Reason(err)
}

var errTooManyRedirects = errors.New("too many redirects")

// NewClient makes the HTTP client for robots.txt and sitemaps. It connects through the
// guard alone.
func NewClient(guard *netguard.Dialer) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            guard.DialContext,
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  20 * time.Second,
			MaxResponseHeaderBytes: maxRobotsHead,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        10 * time.Second,
		},
		CheckRedirect: followRobots,
	}
}

// followRobots follows redirects as far as section 2.3.1.2 says.
func followRobots(_ *http.Request, via []*http.Request) error {
	if len(via) > robots.MaxRedirects {
		return errTooManyRedirects
	}
	return nil
}
