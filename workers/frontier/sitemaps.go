package frontier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/sitemap"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// The bounds of the sitemaps of one order.
const (
	maxSitemaps     = 1000
	maxSitemapDepth = 5
	sitemapTimeout  = 5 * time.Minute
	// maxWaits is for how long an attempt waits in all for hosts that ask for it with a
	// sitemap that the order does not name itself.
	maxWaits = 10 * time.Minute
	// hopelessTries is how often a sitemap of the order is not found, or is none, until that
	// is believed.
	hopelessTries = 3
)

// siteMaps are the sitemaps that are to be read, and those that they point to.
type siteMaps struct {
	queue []*siteMap
	known map[string]bool
	cut   int // sitemaps that were too many
	named int // sitemaps that the order names
	// waits is how long was waited for hosts that asked for it.
	waits time.Duration
	// unread is the one that ended the reading.
	unread *siteMap
}

type siteMap struct {
	address string
	depth   int
	// namedBy is the site whose robots.txt names it, which vouches for what it says of that
	// site (sitemaps.org, "Sitemaps & Cross Submits"); empty for one that is ordered.
	namedBy string
	// scope is what takes pages of a sitemap that nobody ordered; nil takes them all.
	scope *frontier.Rules
	// place is that in seeds.sitemaps of one that the order names.
	place   string
	retried bool
}

// ordered tells whether the order itself names the sitemap: there is no crawl without it.
func (m *siteMap) ordered() bool { return m.place != "" }

// String names it without its address, which may hold what logs and histories must not.
func (m *siteMap) String() string {
	u, _ := urls.Split(m.address) // what is no address is not asked for
	if m.ordered() {
		return fmt.Sprintf("the sitemap %s on %s", m.place, u.Host)
	}
	return "the sitemap on " + u.Host
}

func (r *SeedReader) push(m *siteMap) {
	limit := r.MaxSitemaps
	if limit <= 0 {
		limit = maxSitemaps
	}
	switch {
	case r.known[m.address] || m.depth > maxSitemapDepth:
	case len(r.known) >= limit:
		r.cut++
	default:
		if r.known == nil {
			r.known = map[string]bool{}
		}
		r.known[m.address] = true
		r.queue = append(r.queue, m)
	}
}

// Sitemaps gathers the seeds that sitemaps name, and the sitemaps that those point to. It is
// as polite as a visit: one at a time, with the job's delay between two of a site, and where
// robots.txt allows it. Its error is a *SeedError, or that of ctx; what was gathered until then is kept.
func (r *SeedReader) Sitemaps(ctx context.Context, addresses ...string) error {
	for _, address := range addresses {
		r.push(&siteMap{address: address, place: fmt.Sprintf("seeds.sitemaps[%d]", r.named)})
		r.named++
	}
	return r.readQueue(ctx)
}

func (r *SeedReader) readQueue(ctx context.Context) error {
	for len(r.queue) > 0 {
		next := r.queue[0]
		r.queue = r.queue[1:]
		err := r.inTurn(ctx, next)
		var failed *SeedError
		switch {
		case err == nil:
		case errors.Is(err, sitemap.ErrTooLarge):
			r.warn("what follows in a sitemap is passed over", err)
		case errors.Is(err, errTooManySeeds):
			return badSeeds(err)
		case next.ordered() || ctx.Err() != nil || errors.As(err, &failed) && failed.Reason == workflows.ReasonEgressUnreachable:
			r.unread = next
			return err
		case errors.As(err, &failed) && failed.busy() && !next.retried:
			next.retried = true
			r.queue = append(r.queue, next)
		default: // one of many that an index names does not keep the others
			r.warn("a sitemap is passed over", err)
		}
	}
	if r.cut > 0 {
		r.warn("sitemaps are passed over", fmt.Errorf("%d can be read, there are %d more", len(r.known), r.cut))
		r.cut = 0
	}
	return nil
}

func (r *SeedReader) warn(message string, err error) {
	if r.Warn != nil {
		r.Warn(message, err)
	}
}

func (r *SeedReader) tick() {
	if r.Tick != nil {
		r.Tick()
	}
}

// wait lets a time pass, and tells meanwhile that somebody lives.
func (r *SeedReader) wait(ctx context.Context, d time.Duration) error {
	r.tick()
	for left := d; left > 0 && ctx.Err() == nil; left -= workflows.HeartbeatEvery {
		select {
		case <-time.After(min(left, workflows.HeartbeatEvery)):
			r.tick()
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

var errTooManySeeds = fmt.Errorf("the sitemaps name more than %d pages", maxSeedCount)

// one reads a sitemap. It returns the pause that the host asks for.
func (r *SeedReader) one(ctx context.Context, m *siteMap) (delay time.Duration, err error) {
	u, err := urls.Split(m.address)
	if err != nil {
		return 0, badSeeds(errors.New("sitemap: " + whyInvalid(err)))
	}
	rules, failure := r.Robots.Rules(ctx, m.address)
	switch {
	case failure != nil:
		return 0, unreachable(m, "cannot be loaded: "+failure.Detail, nil)
	case !rules.Allowed(u.Target):
		return 0, badSeeds(fmt.Errorf("the robots.txt of %s does not allow a sitemap to be loaded that the order names", u.Host))
	}
	var tooMany error
	err = r.fetch(ctx, m, func(kind sitemap.Kind, address string) bool {
		r.tick()
		address, err := urls.Resolve(m.address, address) // feeds may name a page from where they are
		switch {
		case err != nil: // an entry that is no address is no seed
		case !m.speaksFor(address):
		case kind == sitemap.Sitemap:
			r.push(&siteMap{address: address, depth: m.depth + 1, namedBy: m.namedBy, scope: m.scope})
		case m.scope != nil && !takes(m.scope, address):
		case len(r.seeds) == maxSeedCount:
			tooMany = errTooManySeeds
			return false
		default:
			_ = r.Add(address) // it is canonical
		}
		return true
	})
	if tooMany != nil {
		return 0, tooMany
	}
	return rules.Delay, err
}

// maxRobotsHosts bounds how many hosts are asked for the sitemaps that they name.
const maxRobotsHosts = 1000

// FromRobots reads the sitemaps that the robots.txt of each host of the seeds names, and takes
// the pages of them that are in the scope of the order: nobody ordered the others. A host or
// sitemap that cannot be had is passed over.
func (r *SeedReader) FromRobots(ctx context.Context, spec workflows.Spec) error {
	rules, err := frontier.NewRules(SpecOf(spec, r.seeds))
	if err != nil {
		return badSeeds(err)
	}
	asked := map[string]bool{}
	for _, seed := range r.seeds {
		origin, err := urls.Origin(seed)
		if err != nil || asked[origin] { // seeds are canonical
			continue
		}
		if len(asked) == maxRobotsHosts {
			r.warn("the sitemaps of further hosts are passed over", fmt.Errorf("%d hosts are asked", maxRobotsHosts))
			break
		}
		asked[origin] = true
		r.tick()
		robots, failure := r.Robots.Rules(ctx, seed)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if failure != nil {
			if cut := r.cutOff(ctx); cut != nil {
				return cut
			}
			r.warn("the sitemaps of a host are passed over", errors.New(origin+": "+failure.Detail))
			continue
		}
		for _, address := range robots.Sitemaps {
			if address, err := urls.Resolve(origin+"/robots.txt", address); err == nil {
				r.push(&siteMap{address: address, namedBy: origin, scope: rules})
			}
		}
	}
	return r.readQueue(ctx)
}

// takes tells whether a page is in a scope without a hop beyond it.
func takes(rules *frontier.Rules, canonical string) bool {
	d := rules.Decide(canonical, 1, 0, nil)
	return d.In && d.Hops == 0
}

// unreachable says that a sitemap may be there another time.
func unreachable(m *siteMap, what string, err error) *SeedError {
	return &SeedError{Reason: workflows.ReasonSeedUnreachable, Message: m.String() + " " + what, Err: err, what: what}
}

// speaksFor tells whether what the sitemap says of an address counts: it speaks for its own
// site (sitemaps.org, "Sitemap file location"), and for the one that names it.
func (m *siteMap) speaksFor(address string) bool {
	return sameOwner(m.address, address) || m.namedBy != "" && sameOwner(m.namedBy, address)
}

// sameOwner tells whether two addresses are of one registrable domain.
func sameOwner(a, b string) bool {
	ua, err1 := urls.Split(a)
	ub, err2 := urls.Split(b)
	return errors.Join(err1, err2) == nil && urls.RegistrableHost(ua.Host) == urls.RegistrableHost(ub.Host)
}

// fetch loads a sitemap through the guard.
func (r *SeedReader) fetch(ctx context.Context, m *siteMap, visit func(sitemap.Kind, string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, sitemapTimeout)
	defer cancel()
	req, err := newRequest(ctx, m.address)
	if err != nil {
		return badSeeds(errors.New("sitemap: " + whyInvalid(err)))
	}
	req.Header.Set("User-Agent", r.Robots.UserAgent)
	resp, err := r.Robots.Client.Do(req)
	if err != nil {
		return unreachable(m, "cannot be loaded ("+whyNot(err)+")", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		e := unreachable(m, "is answered with "+resp.Status, nil)
		e.status, e.retryAfter = resp.StatusCode, browser.RetryAfter(resp.Header.Get("Retry-After"), r.Robots.Now())
		return e
	}
	body := &wire{r: resp.Body}
	err = sitemap.Read(body, visit)
	switch {
	case err == nil || errors.Is(err, sitemap.ErrTooLarge):
		return err
	case body.err != nil:
		return unreachable(m, "cannot be loaded ("+whyNot(body.err)+")", err)
	}
	e := unreachable(m, "is damaged: "+err.Error(), err)
	e.damaged = true
	return e
}

// wire knows whether it broke.
type wire struct {
	r   io.Reader
	err error
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// newRequest asks for an address as it is written. net/http refuses one with a "%" that starts
// no escape, which servers and browsers have: that goes past it.
func newRequest(ctx context.Context, address string) (*http.Request, error) {
	if req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil); err == nil {
		return req, nil
	}
	u, err := urls.Split(address)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.Scheme+"://"+u.Host+"/", nil)
	if err != nil {
		return nil, err
	}
	req.URL.Opaque = u.Target
	return req, nil
}

// whyNot is the reason of a request that failed, without the address that it was for.
func whyNot(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return netguard.Reason(err) + ": " + err.Error()
}
