package frontier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"go.temporal.io/sdk/activity"

	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/sitemap"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/workflows"
)

// The bounds of the sitemaps of one order.
const (
	maxSitemaps     = 1000
	maxSitemapDepth = 5
	sitemapTimeout  = 5 * time.Minute
)

// siteMaps gathers the seeds that the sitemaps of an order name, and the sitemaps that
// those point to. It is as polite as a visit: one at a time, with the job's delay, and
// where robots.txt allows it.
type siteMaps struct {
	*Planner
	in    workflows.SeedInput
	to    *collector
	queue []siteMap
	seen  map[string]bool
	cut   int // sitemaps that were too many
}

type siteMap struct {
	address string
	depth   int
}

func (s *siteMaps) push(m siteMap) {
	switch {
	case s.seen[m.address] || m.depth > maxSitemapDepth:
	case len(s.seen) == maxSitemaps:
		s.cut++
	default:
		s.seen[m.address] = true
		s.queue = append(s.queue, m)
	}
}

func (s *siteMaps) read(ctx context.Context) error {
	for _, address := range s.in.Seeds.Sitemaps {
		s.push(siteMap{address: address})
	}
	pause := time.Duration(0)
	for len(s.queue) > 0 {
		next := s.queue[0]
		s.queue = s.queue[1:]
		if err := wait(ctx, pause); err != nil {
			return err
		}
		delay, err := s.one(ctx, next)
		pause = max(s.in.Job.Spec.Politeness.Delay, delay)
		switch {
		case err == nil:
		case errors.Is(err, sitemap.ErrTooLarge):
			s.warn("what follows in a sitemap is passed over", err)
		case errors.Is(err, errTooManySeeds):
			return invalidSeeds(err)
		case next.depth > 0 && ctx.Err() == nil: // one of many that an index names does not keep the others
			s.warn("a sitemap of an index is passed over", err)
		default:
			return err
		}
	}
	if s.cut > 0 {
		s.warn("sitemaps are passed over", fmt.Errorf("an order may have %d, there are %d more", maxSitemaps, s.cut))
	}
	return nil
}

func (s *siteMaps) warn(message string, err error) {
	s.Logger.Warn(message, "run", s.in.Job.Run, "error", err)
}

// wait lets a time pass, and tells meanwhile that the activity lives.
func wait(ctx context.Context, d time.Duration) error {
	activity.RecordHeartbeat(ctx)
	for left := d; left > 0; left -= workflows.HeartbeatEvery {
		select {
		case <-time.After(min(left, workflows.HeartbeatEvery)):
			activity.RecordHeartbeat(ctx)
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

var errTooManySeeds = fmt.Errorf("the sitemaps name more than %d pages", maxSeedCount)

// one reads a sitemap. It returns the pause that the host asks for.
func (s *siteMaps) one(ctx context.Context, m siteMap) (delay time.Duration, err error) {
	u, err := url.Parse(m.address)
	if err != nil {
		return 0, invalidSeeds(fmt.Errorf("sitemap: %w", err))
	}
	rules, failure := s.Robots.Rules(ctx, m.address)
	switch {
	case failure != nil:
		return 0, workflows.NewTrouble(workflows.ReasonSeedUnreachable, fmt.Sprintf("the sitemap on %s cannot be loaded: %s", u.Host, failure.Detail), nil)
	case !rules.Allowed(u.RequestURI()):
		return 0, invalidSeeds(fmt.Errorf("the robots.txt of %s does not allow a sitemap to be loaded that the order names", u.Host))
	}
	var tooMany error
	err = s.fetch(ctx, m.address, func(kind sitemap.Kind, address string) bool {
		activity.RecordHeartbeat(ctx)
		switch {
		case !sameOwner(m.address, address): // a sitemap speaks for its own site alone (sitemaps.org, "Sitemap file location")
		case kind == sitemap.Sitemap:
			s.push(siteMap{address, m.depth + 1})
		case len(s.to.seeds) == maxSeedCount:
			tooMany = errTooManySeeds
			return false
		default:
			_ = s.to.add(address) // an entry that is no address is no seed
		}
		return true
	})
	if tooMany != nil {
		return 0, tooMany
	}
	return rules.Delay, err
}

// sameOwner tells whether two addresses are of one registrable domain.
func sameOwner(a, b string) bool {
	ua, err1 := url.Parse(a)
	ub, err2 := url.Parse(b)
	return errors.Join(err1, err2) == nil && urls.RegistrableHost(ua.Host) == urls.RegistrableHost(ub.Host)
}

// fetch loads a sitemap through the guard.
func (s *siteMaps) fetch(ctx context.Context, address string, visit func(sitemap.Kind, string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, sitemapTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return invalidSeeds(fmt.Errorf("sitemap: %w", err))
	}
	req.Header.Set("User-Agent", s.Robots.UserAgent)
	resp, err := s.Robots.Client.Do(req)
	if err != nil {
		return workflows.NewTrouble(workflows.ReasonSeedUnreachable, fmt.Sprintf("the sitemap on %s cannot be loaded (%s)", req.URL.Host, whyNot(err)), err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return workflows.NewTrouble(workflows.ReasonSeedUnreachable, fmt.Sprintf("the sitemap on %s answers %s", req.URL.Host, resp.Status), nil)
	}
	err = sitemap.Read(resp.Body, visit)
	if err == nil || errors.Is(err, sitemap.ErrTooLarge) {
		return err
	}
	return workflows.NewTrouble(workflows.ReasonSeedUnreachable, fmt.Sprintf("the sitemap on %s is damaged: %v", req.URL.Host, err), err)
}

// whyNot is the reason of a request that failed, without the address that it was for.
func whyNot(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return netguard.Reason(err) + ": " + err.Error()
}
