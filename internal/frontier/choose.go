package frontier

import (
	"container/heap"
	"time"
)

// The size of bundles.
const (
	maxBundlePages = 40
	maxBundleHosts = 20
	maxHostPages   = 20
	// bundleTime is how long the pages of one host in a bundle should take, and
	// pageTime what a page takes beside the delay.
	bundleTime = 60 * time.Second
	pageTime   = time.Second
	// leastHorizon is how long before its time a host is handed out, at least: the bundle
	// waits, which holds no browser, and saves a step of the frontier.
	leastHorizon = 3 * time.Second
)

// horizon is how long before its time a host is handed out. A run of many shards, each of
// which steps more seldom, looks as far ahead as it is to the next step (workflows/gap.go).
func (s *State) horizon() time.Duration {
	return max(leastHorizon, time.Duration(s.manifest.Shards)*time.Second/8)
}

// fill is how many pages a bundle has at least, while there are hosts for it: one shard
// spreads what there is over the workers, many shards spread their bundles.
func (s *State) fill() int {
	return min(s.manifest.Shards, maxBundlePages/2)
}

// Bundle is a lease of pages to a worker. A host is in one open bundle at most.
type Bundle struct {
	Version int           `json:"version"`
	ID      string        `json:"id"`
	Hosts   []BundleHost  `json:"hosts"`
	Delay   time.Duration `json:"delay"`
}

// BundleHost are the pages of one host, to be visited one after another.
type BundleHost struct {
	Key string `json:"key"`
	// Ready is when the first page load may begin, Delay the pause from the end of
	// one to the start of the next.
	Ready time.Time     `json:"ready,omitzero"`
	Delay time.Duration `json:"delay"`
	Pages []BundlePage  `json:"pages"`
}

// BundlePage is one page to visit.
type BundlePage struct {
	FP    Fingerprint `json:"fp"`
	URL   string      `json:"url"`
	Depth int         `json:"depth"`
	Seed  string      `json:"seed,omitempty"`
	Via   Fingerprint `json:"via,omitempty"`
	Tries int         `json:"tries,omitempty"`
}

// Pages is the number of pages in a bundle.
func (b Bundle) Pages() int {
	n := 0
	for _, h := range b.Hosts {
		n += len(h.Pages)
	}
	return n
}

// delay is the pause that a host is owed: the job's, or the longer one that it asks
// for.
func (s *State) delay(h *host) time.Duration {
	return max(s.rules.spec.Delay, time.Duration(h.delay)*time.Millisecond)
}

// Limit returns the reason of the limit that is reached, empty for none. Pages that are
// being visited count as visited, so that no limit on pages is ever exceeded; when one
// of them is not, the limit is not reached any more. So it is final when nothing is
// leased; what is left then is to be dropped by Finish.
func (s *State) Limit() string {
	spec := s.rules.spec
	switch {
	case spec.Bytes > 0 && s.counts.Bytes >= spec.Bytes:
		return reasonByteLimit
	case s.bound() >= 0 && s.Used() >= s.bound():
		return reasonPageLimit
	}
	return ""
}

// Choose hands out at most slots bundles. It takes hosts that are due, or nearly, and in
// no open bundle: a bundle each while there are slots, several to a bundle when there
// are more hosts. prefix makes the names of the bundles unique.
func (s *State) Choose(now time.Time, slots int, prefix string) []Bundle {
	s.At(now)
	s.wake(now)
	if slots <= 0 || s.err != nil {
		return nil
	}
	until := millis(now.Add(s.horizon()))
	var hosts []*host
	for len(s.due) > 0 && s.due[0].ready <= until && len(hosts) < slots*maxBundleHosts {
		hosts = append(hosts, heap.Pop(&s.due).(*host))
	}
	defer func() {
		for _, h := range hosts {
			s.place(h)
		}
	}()
	left := hosts
	perBundle := min((len(hosts)+slots-1)/slots, maxBundleHosts)
	var bundles []Bundle
	for len(left) > 0 && len(bundles) < slots {
		b := Bundle{Version: 1, ID: prefix + "-" + itoa(len(bundles)), Delay: s.rules.spec.Delay}
		for pages := 0; len(left) > 0 && s.takes(len(b.Hosts), pages, perBundle); left = left[1:] {
			bh := s.lease(left[0], b.ID, maxBundlePages-pages)
			if len(bh.Pages) > 0 {
				b.Hosts = append(b.Hosts, bh)
				pages += len(bh.Pages)
			}
		}
		if len(b.Hosts) == 0 {
			break // the limit on pages is reached
		}
		bundles = append(bundles, b)
	}
	return bundles
}

// takes tells whether a bundle of so many hosts and pages takes another host.
func (s *State) takes(hosts, pages, perBundle int) bool {
	return pages < maxBundlePages && (hosts < perBundle || hosts < maxBundleHosts && pages < s.fill())
}

// wake puts delayed pages that are due back into the queue.
func (s *State) wake(now time.Time) {
	at := millis(now)
	for len(s.later) > 0 && s.later[0].RetryAt <= at {
		s.move(s.later[0], Queued, "")
	}
}

// share is how many pages of a host a bundle takes, room at most: the fewer bundles, the
// fewer browser contexts and chunks. Until a page of the host was visited it is one, so that
// its links are known soon, unless the crawl follows none. A host that was not reached is
// tried with one page too.
func (s *State) share(h *host, room int) int {
	spec := s.rules.spec
	n := int64(min(maxHostPages, room, int(bundleTime/(s.delay(h)+pageTime))))
	if n = max(1, n); h.failures > 0 || h.visited == 0 && s.rules.follows() {
		n = 1
	}
	if s.bound() >= 0 {
		n = min(n, s.bound()-s.Used())
	}
	if spec.PagesPerHost > 0 {
		n = min(n, spec.PagesPerHost-h.visited)
	}
	return int(n)
}

// lease takes the next pages of a host into a bundle.
func (s *State) lease(h *host, bundle string, room int) BundleHost {
	b := BundleHost{Key: h.key, Delay: s.delay(h)}
	if h.ready > 0 {
		b.Ready = time.UnixMilli(h.ready).UTC()
	}
	if s.full(h) {
		s.drop(h, reasonHostLimit)
		return b
	}
	n := s.share(h, room)
	for len(b.Pages) < n && h.queued() > 0 && s.err == nil {
		pages := s.take(h, n-len(b.Pages))
		if len(pages) == 0 {
			s.failQueue(h)
		}
		for _, p := range pages {
			if reason := h.lostTo(p); reason != "" {
				s.move(p, Failed, reason)
				continue
			}
			s.move(p, Leased, "")
			p.Bundle = bundle
			s.leased[bundle] = append(s.leased[bundle], p)
			b.Pages = append(b.Pages, s.bundlePage(p))
		}
		s.touch(h)
	}
	if len(b.Pages) > 0 {
		h.bundle = bundle
		s.touch(h)
	}
	return b
}

// Ready counts the hosts that could be visited now and are in no bundle, up to most: what a step
// had no slots for.
func (s *State) Ready(now time.Time, most int) int {
	if s.bound() >= 0 {
		most = int(min(int64(most), s.bound()-s.Used()))
	}
	at, n := millis(now), 0
	s.due.walk(func(h *host) bool {
		if h.ready > at || n >= most {
			return false
		}
		n++
		return true
	})
	return n
}

func (s *State) bundlePage(p *Page) BundlePage {
	page := BundlePage{FP: p.FP, URL: p.URL, Depth: p.Depth, Via: p.Via, Tries: p.Tries}
	if seeds := s.rules.spec.Seeds; p.Seed < len(seeds) {
		page.Seed = seeds[p.Seed]
	}
	return page
}

// NextDue is when the next page that is queued or delayed may be handed out, zero when
// there is none that waits for the clock alone.
func (s *State) NextDue() time.Time {
	var next int64
	ahead := s.horizon().Milliseconds()
	earlier := func(at int64) {
		if next == 0 || at < next {
			next = at
		}
	}
	if len(s.due) > 0 {
		earlier(max(s.due[0].ready-ahead, 1))
	}
	s.later.walk(func(p *Page) bool {
		if next > 0 && p.RetryAt >= next {
			return false
		}
		if h := s.host(p.host); h.bundle == "" {
			earlier(max(p.RetryAt, h.ready-ahead))
		}
		return true
	})
	if next == 0 {
		return time.Time{}
	}
	return time.UnixMilli(next).UTC()
}
