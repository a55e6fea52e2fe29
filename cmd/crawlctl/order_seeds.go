package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	orders "crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/workers/dryrun"
	"crawlfleet.dev/crawlfleet/workers/frontier"
	"crawlfleet.dev/crawlfleet/workflows"
)

// gathered is an order with its seeds.
type gathered struct {
	dryrun.Order
	// warnings are what came of reading the sitemaps.
	warnings []dryrun.Warning
}

// gather reads the seeds of a job, also those in sitemaps unless no server is to be asked.
func (f *orderFlags) gather(ctx context.Context, m *manifests, job *v1alpha1.CrawlJob, cache *frontier.RobotsCache, progress *status) (*gathered, error) {
	spec := orders.Spec(&job.Spec)
	cache = cache.For(spec)
	g := &gathered{Order: dryrun.Order{Spec: spec, Robots: cache, Now: time.Now()}}
	r := frontier.SeedReader{Robots: cache, Delay: g.Spec.Politeness.Delay, MaxSitemaps: f.maxSitemaps}
	r.Tick = func() { progress.show("%d seeds, reading sitemaps", len(r.Seeds())) }
	r.Warn = func(message string, err error) { g.warn("SitemapPassedOver", message+": "+err.Error()) }
	if err := r.Lists(workflows.Seeds{URLs: g.Spec.Seeds.URLs}, nil); err != nil {
		return nil, fmt.Errorf("spec.seeds.urls: %w", err)
	}
	if err := m.lists(job, &r); err != nil {
		return nil, err
	}
	if g.Sitemaps = cache != nil || len(g.Spec.Seeds.Sitemaps) == 0 && !g.Spec.Seeds.RobotsSitemaps; !g.Sitemaps {
		g.warn("SitemapsNotRead", "sitemaps are not read (--no-robots): their pages are missing here, also from the scope")
	} else {
		for _, address := range g.Spec.Seeds.Sitemaps {
			if !g.sitemap(ctx, &r, address) {
				break
			}
		}
	}
	if g.Spec.Seeds.RobotsSitemaps && cache != nil {
		if err := r.FromRobots(ctx, g.Spec); err != nil {
			g.failed(ctx, err)
		}
	}
	g.Seeds = r.Seeds()
	return g, nil
}

// maxSitemapWarnings is how many sitemaps are named that cannot be read.
const maxSitemapWarnings = 10

func (g *gathered) warn(reason, message string) {
	if len(g.warnings) < maxSitemapWarnings {
		g.warnings = append(g.warnings, dryrun.Warning{Reason: reason, Message: message})
	}
}

// sitemap reads a sitemap that the order names, and those that it points to. It returns false
// when the time is over.
func (g *gathered) sitemap(ctx context.Context, r *frontier.SeedReader, address string) bool {
	return g.failed(ctx, r.Sitemaps(ctx, address))
}

// failed notes what came of reading sitemaps. It returns false when the time is over.
func (g *gathered) failed(ctx context.Context, err error) bool {
	var bad *frontier.SeedError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		g.warn("SitemapsLeftOut", "the time was over before all sitemaps were read (--timeout): their pages are missing here")
		return false
	case errors.As(err, &bad) && bad.Reason == workflows.ReasonInvalidSeeds:
		g.warnings = append(g.warnings, dryrun.Warning{Reason: string(bad.Reason), Message: bad.Message, Stops: true})
	default:
		g.warn("SitemapUnreachable", err.Error()+": the crawl would ask again")
	}
	return true
}
