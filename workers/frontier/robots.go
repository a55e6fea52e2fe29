package frontier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/robots"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/workflows"
)

// For how long a robots.txt is used (RFC 9309 section 2.4: not more than 24 hours), and
// after how long one that could not be had is asked for again.
const (
	robotsFresh = 24 * time.Hour
	robotsRetry = 5 * time.Second
	// robotsTimeout bounds one fetch.
	robotsTimeout = 30 * time.Second
	// maxOrigins bounds the cache.
	maxOrigins = 10_000
)

// RobotsCache fetches the robots.txt of each origin and keeps it.
type RobotsCache struct {
	// Client goes through the guard and follows robots.MaxRedirects redirects.
	Client *http.Client
	// UserAgent is sent, Token is what rules are looked up for.
	UserAgent, Token string
	Now              func() time.Time

	mu      sync.Mutex
	origins map[string]*robotsEntry
}

// RobotsFailure says why a robots.txt could not be had. Its site is left alone for now.
type RobotsFailure struct {
	Reason workflows.Reason
	Detail string
}

// robotsEntry is what is known of an origin. Its lock is held while it is fetched, so
// that one request serves all who wait.
type robotsEntry struct {
	mu      sync.Mutex
	rules   *robots.Rules
	failure *RobotsFailure
	until   time.Time
}

// Rules returns the rules for the origin of a page.
func (c *RobotsCache) Rules(ctx context.Context, page string) (*robots.Rules, *RobotsFailure) {
	origin, err := urls.Origin(page)
	if err != nil {
		return nil, &RobotsFailure{Reason: workflows.ReasonInvalidURL, Detail: err.Error()}
	}
	e := c.entry(origin)
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := c.Now(); !now.Before(e.until) {
		e.rules, e.failure = c.fetch(ctx, origin)
		e.until = now.Add(robotsFresh)
		if e.failure != nil {
			e.until = now.Add(robotsRetry)
		}
		if ctx.Err() != nil { // it says nothing about the host
			e.until = now
		}
	}
	return e.rules, e.failure
}

func (c *RobotsCache) entry(origin string) *robotsEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.origins == nil || len(c.origins) >= maxOrigins {
		c.origins = map[string]*robotsEntry{}
	}
	e := c.origins[origin]
	if e == nil {
		e = &robotsEntry{}
		c.origins[origin] = e
	}
	return e
}

func (c *RobotsCache) fetch(ctx context.Context, origin string) (*robots.Rules, *RobotsFailure) {
	ctx, cancel := context.WithTimeout(ctx, robotsTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, origin+"/robots.txt", nil)
	if err != nil {
		return nil, &RobotsFailure{Reason: workflows.ReasonInvalidURL, Detail: err.Error()}
	}
	req.Header.Set("User-Agent", c.UserAgent)
	resp, err := c.Client.Do(req)
	if errors.Is(err, errTooManyRedirects) {
		return robots.AllowAll, nil // section 2.3.1.2: as if there were none
	}
	if err != nil {
		return nil, &RobotsFailure{Reason: workflows.Reason(netguard.Reason(err)), Detail: "robots.txt: " + whyNot(err)}
	}
	defer resp.Body.Close()
	if rules := robots.ForStatus(resp.StatusCode); rules == robots.DisallowAll {
		return nil, &RobotsFailure{Reason: workflows.ReasonRobotsUnreachable, Detail: fmt.Sprintf("robots.txt is answered with %s, so nothing may be visited for now", resp.Status)}
	} else if rules != nil {
		return rules, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, robots.MaxSize))
	if err != nil {
		return nil, &RobotsFailure{Reason: workflows.ReasonRobotsUnreachable, Detail: "robots.txt breaks off: " + err.Error()}
	}
	return robots.Parse(body, c.Token), nil
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
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        10 * time.Second,
		},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > robots.MaxRedirects {
				return errTooManyRedirects
			}
			return nil
		},
	}
}
