package dryrun

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/robots"
	"crawlfleet.dev/crawlfleet/internal/urls"
	workerfrontier "crawlfleet.dev/crawlfleet/workers/frontier"
)

// Assumptions are what a plan cannot know.
type Assumptions struct {
	// PageTime is how long a page takes to load and be captured, without the pause after it.
	PageTime time.Duration
	// Tabs is how many pages the fleet captures at once.
	Tabs int
	// MaxHosts is how many hosts are asked for their robots.txt.
	MaxHosts int
	// Examples is how many disallowed seeds of a site are listed.
	Examples int
}

// Report is the plan of a crawl.
type Report struct {
	// Runs is false when the order could not run; Warnings then say why.
	Runs bool `json:"runs"`
	// Seeds are the pages that are known; SitesTotal and HostsTotal count where they are.
	Seeds      int `json:"seeds"`
	SitesTotal int `json:"sitesTotal"`
	HostsTotal int `json:"hostsTotal"`
	// HostsAsked is how many were asked for their robots.txt.
	HostsAsked int `json:"hostsAsked"`
	Shards     int `json:"shards"`
	// Sites are in the order of what they take, the longest first.
	Sites    []Site    `json:"sites"`
	Pages    Pages     `json:"pages"`
	Duration Duration  `json:"duration"`
	Warnings []Warning `json:"warnings"`
}

// Site is a unit of politeness: one page at a time is loaded from it.
type Site struct {
	Site  string `json:"site"`
	Shard int    `json:"shard"`
	// Seeds is how many are known, Disallowed how many of them robots.txt forbids.
	Seeds      int `json:"seeds"`
	Disallowed int `json:"disallowed"`
	// Robots is the worst of its hosts: Unreachable, NotAsked, Disallowed (all seeds), or
	// Allowed.
	Robots Verdict `json:"robots"`
	Delay  Delay   `json:"delay"`
	// Seconds is how long the seeds that may be visited take.
	Seconds float64 `json:"seconds"`
	Hosts   []Host  `json:"hosts"`
	// Examples are disallowed seeds, each with the rule; not all when they are many.
	Examples []Example `json:"examples,omitempty"`
}

// Host is an origin of a site.
type Host struct {
	Origin     string `json:"origin"`
	Seeds      int    `json:"seeds"`
	Disallowed int    `json:"disallowed"`
	Robots     Robots `json:"robots"`
	Delay      Delay  `json:"delay"`
	seeds      []string
	rules      *robots.Rules
}

// Example is a seed that robots.txt forbids.
type Example struct {
	URL    string `json:"url"`
	Robots Robots `json:"robots"`
}

// Pages is how many pages are expected.
type Pages struct {
	// Known are those that can be said now: the seeds that may be visited.
	Known int64 `json:"known"`
	// AtMost is what bounds the crawl, 0 for no bound, and By the field that does.
	AtMost int64  `json:"atMost"`
	By     string `json:"by,omitempty"`
	// Exact is set when no link is followed, so that Known is all there will be.
	Exact bool `json:"exact"`
	// Why says it in words.
	Why string `json:"why"`
}

// Duration is how long the crawl is expected to take.
type Duration struct {
	// KnownSeconds is for the known pages, AtMostSeconds for as many as the limits allow.
	KnownSeconds  float64 `json:"knownSeconds"`
	AtMostSeconds float64 `json:"atMostSeconds"`
	// Decides is what KnownSeconds comes from: the site that takes longest, or "tabs".
	Decides string `json:"decides"`
	// Ends is what ends the crawl before AtMostSeconds, empty when nothing does.
	Ends string `json:"ends,omitempty"`
	// The assumptions.
	PageSeconds float64 `json:"pageSeconds"`
	Tabs        int     `json:"tabs"`
}

// Plan looks at a whole order. tick is called with each host that was asked. Its error is
// that of an order that no crawl could begin with.
func Plan(ctx context.Context, o Order, a Assumptions, tick func(asked, hosts int)) (*Report, error) {
	rules, err := o.rules()
	if err != nil {
		return nil, err
	}
	r := &Report{Runs: true, Seeds: len(o.Seeds), Shards: max(1, workerfrontier.ShardsFor(o.Spec, o.Seeds)), Sites: []Site{}, Warnings: []Warning{}}
	r.Sites = sites(o.Seeds, r.Shards)
	r.SitesTotal = len(r.Sites)
	for i := range r.Sites {
		r.HostsTotal += len(r.Sites[i].Hosts)
	}
	r.askAll(ctx, o, a, tick)
	for i := range r.Sites {
		r.Sites[i].sum(o, a)
	}
	slices.SortStableFunc(r.Sites, func(x, y Site) int {
		return cmp.Or(cmp.Compare(y.Seconds, x.Seconds), cmp.Compare(y.Seeds, x.Seeds), cmp.Compare(x.Site, y.Site))
	})
	r.expect(o)
	r.last(o, a)
	r.warn(o, rules)
	return r, nil
}

// sites divides seeds by site and host.
func sites(seeds []string, shards int) []Site {
	bySite := map[string]map[string]*Host{}
	for _, s := range seeds {
		key, err1 := urls.PolitenessKey(s)
		origin, err2 := urls.Origin(s)
		if err1 != nil || err2 != nil { // seeds are canonical
			continue
		}
		hosts := bySite[key]
		if hosts == nil {
			hosts = map[string]*Host{}
			bySite[key] = hosts
		}
		h := hosts[origin]
		if h == nil {
			h = &Host{Origin: origin}
			hosts[origin] = h
		}
		h.Seeds++
		h.seeds = append(h.seeds, s)
	}
	out := make([]Site, 0, len(bySite))
	for _, key := range slices.Sorted(maps.Keys(bySite)) {
		s := Site{Site: key, Shard: frontier.ShardOf(key, shards)}
		for _, origin := range slices.Sorted(maps.Keys(bySite[key])) {
			s.Hosts = append(s.Hosts, *bySite[key][origin])
			s.Seeds += bySite[key][origin].Seeds
		}
		out = append(out, s)
	}
	return out
}

// atOnce is how many sites are asked at once; the hosts of a site are asked one after another.
const atOnce = 8

// askAll asks hosts for their robots.txt: those with the most seeds, when they are too many.
func (r *Report) askAll(ctx context.Context, o Order, a Assumptions, tick func(asked, hosts int)) {
	var hosts []*Host
	for i := range r.Sites {
		for j := range r.Sites[i].Hosts {
			hosts = append(hosts, &r.Sites[i].Hosts[j])
		}
	}
	slices.SortStableFunc(hosts, func(x, y *Host) int { return cmp.Compare(y.Seeds, x.Seeds) })
	asked := hosts[:min(len(hosts), a.MaxHosts)]
	for _, h := range hosts[len(asked):] {
		h.leave(o, fmt.Sprintf("only %d hosts are asked", a.MaxHosts))
	}
	var mu sync.Mutex
	done := 0
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i := range r.Sites {
		group.Go(func() error {
			for j := range r.Sites[i].Hosts {
				h := &r.Sites[i].Hosts[j]
				if h.Robots.Verdict != "" {
					continue
				}
				h.ask(ctx, o)
				mu.Lock()
				if done++; h.Robots.Verdict != NotAsked {
					r.HostsAsked++
				}
				tick(done, len(asked))
				mu.Unlock()
			}
			return nil
		})
	}
	_ = group.Wait() // none fails
}

// ask asks for the robots.txt of a host, unless the time is over.
func (h *Host) ask(ctx context.Context, o Order) {
	const over = "the time for the plan was over"
	if ctx.Err() != nil {
		h.leave(o, over)
		return
	}
	h.Robots, h.rules = o.ask(ctx, h.Origin+"/")
	h.Delay = o.delay(h.rules)
	if ctx.Err() != nil && h.Robots.Verdict == Unreachable { // which says nothing about the host
		h.leave(o, over)
	}
}

// leave leaves a host out.
func (h *Host) leave(o Order, why string) {
	h.Robots, h.Delay = Robots{Verdict: NotAsked, File: h.Origin + "/robots.txt", Detail: why}, o.delay(nil)
}

// sum adds up a site.
func (s *Site) sum(o Order, a Assumptions) {
	s.Robots, s.Delay = Allowed, o.delay(nil)
	for i := range s.Hosts {
		h := &s.Hosts[i]
		h.judge(s, a.Examples)
		s.Disallowed += h.Disallowed
		if h.Delay.Seconds > s.Delay.Seconds {
			s.Delay = h.Delay
		}
		if h.Robots.Verdict == Unreachable || h.Robots.Verdict == NotAsked && s.Robots != Unreachable {
			s.Robots = h.Robots.Verdict
		}
	}
	if s.Robots == Allowed && s.Disallowed == s.Seeds {
		s.Robots = Disallowed
	}
	s.Seconds = s.takes(float64(s.visited()), a.PageTime)
}

// judge holds the seeds of a host to its robots.txt.
func (h *Host) judge(s *Site, examples int) {
	if h.rules == nil {
		return
	}
	for _, seed := range h.seeds {
		u, err := urls.Split(seed)
		if err != nil { // seeds are canonical
			continue
		}
		d := Robots{File: h.Robots.File}
		d.judge(h.rules, u.Target)
		if d.Verdict != Disallowed {
			continue
		}
		h.Disallowed++
		if len(s.Examples) < examples {
			s.Examples = append(s.Examples, Example{seed, d})
		}
	}
}

// visited is how many seeds may be visited, as far as that is known.
func (s *Site) visited() int64 {
	n := 0
	for _, h := range s.Hosts {
		if h.Robots.Verdict != Unreachable {
			n += h.Seeds - h.Disallowed
		}
	}
	return int64(n)
}

// takes is how many seconds pages take on a site, one after another.
func (s *Site) takes(pages float64, pageTime time.Duration) float64 {
	if pages == 0 {
		return 0
	}
	return pages*pageTime.Seconds() + (pages-1)*s.Delay.Seconds // no pause after the last
}
