package frontier

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// The size of bundles.
const (
	maxBundlePages = 20
	maxBundleHosts = 20
	// bundleTime is how long the pages of one host in a bundle should take, and
	// pageTime what a page takes beside the delay.
	bundleTime = 60 * time.Second
	pageTime   = time.Second
)

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
func (s *State) delay(h *Host) time.Duration {
	return max(s.rules.spec.Delay, time.Duration(h.Delay)*time.Millisecond)
}

// Limit returns the reason of the limit that is reached, empty for none.
func (s *State) Limit() string {
	spec := s.rules.spec
	switch {
	case spec.Bytes > 0 && s.counts.Bytes >= spec.Bytes:
		return "ByteLimit"
	case spec.Pages > 0 && s.visited() >= spec.Pages:
		return "PageLimit"
	}
	return ""
}

// visited counts the pages that were visited or are being visited.
func (s *State) visited() int64 {
	n := s.counts.Archived + s.counts.Leased
	for _, f := range s.counts.Failed {
		n += f
	}
	return n
}

// Choose hands out at most slots bundles. It takes hosts that are due and in no open
// bundle: a bundle each while there are slots, several to a bundle when there are
// more hosts. prefix makes the names of the bundles unique.
func (s *State) Choose(now time.Time, slots int, prefix string) []Bundle {
	s.wake(now)
	hosts := s.due(now)
	if slots <= 0 || len(hosts) == 0 {
		return nil
	}
	perBundle := min((len(hosts)+slots-1)/slots, maxBundleHosts)
	var bundles []Bundle
	for len(hosts) > 0 && len(bundles) < slots {
		b := Bundle{Version: 1, ID: prefix + "-" + itoa(len(bundles)), Delay: s.rules.spec.Delay}
		for len(hosts) > 0 && len(b.Hosts) < perBundle && b.Pages() < 2*maxBundlePages {
			if bh, ok := s.leaseHost(hosts[0], b.ID); ok {
				b.Hosts = append(b.Hosts, bh)
			}
			hosts = hosts[1:]
		}
		if len(b.Hosts) == 0 {
			break // the limit on pages is reached
		}
		bundles = append(bundles, b)
	}
	return bundles
}

// wake puts delayed pages that are due back into the queue.
func (s *State) wake(now time.Time) {
	at := millis(now)
	for _, p := range s.delayed {
		if p.RetryAt <= at {
			s.move(p, Queued, "")
		}
	}
}

// due are the hosts that may be visited now, those first whose turn came first.
func (s *State) due(now time.Time) []*Host {
	at := millis(now)
	var hosts []*Host
	for key, q := range s.queues {
		if q.first() == nil {
			continue
		}
		if h := s.host(key); h.Bundle == "" && h.Ready <= at {
			hosts = append(hosts, h)
		}
	}
	slices.SortFunc(hosts, func(a, b *Host) int {
		return cmp.Or(cmp.Compare(a.Ready, b.Ready), cmp.Compare(s.queues[a.Key].first().Order, s.queues[b.Key].first().Order))
	})
	return hosts
}

// leaseHost takes the next pages of a host. The first bundle of a host has one page,
// so that its links are known soon; later ones grow.
func (s *State) leaseHost(h *Host, bundle string) (BundleHost, bool) {
	spec := s.rules.spec
	delay := s.delay(h)
	want := int64(min(maxBundlePages, int(bundleTime/(delay+pageTime))))
	want = max(1, min(want, h.Visited))
	if spec.Pages > 0 {
		want = min(want, spec.Pages-s.visited())
	}
	if spec.PagesPerHost > 0 {
		want = min(want, spec.PagesPerHost-h.Visited)
	}
	b := BundleHost{Key: h.Key, Delay: delay}
	if h.Ready > 0 {
		b.Ready = time.UnixMilli(h.Ready).UTC()
	}
	q := s.queues[h.Key]
	for int64(len(b.Pages)) < want {
		p := q.pop()
		if p == nil {
			break
		}
		s.move(p, Leased, "")
		p.Bundle = bundle
		s.leased[bundle] = append(s.leased[bundle], p)
		page := BundlePage{FP: p.FP, URL: p.URL, Depth: p.Depth, Via: p.Via, Tries: p.Tries}
		if p.Seed < len(spec.Seeds) {
			page.Seed = spec.Seeds[p.Seed]
		}
		b.Pages = append(b.Pages, page)
	}
	if spec.PagesPerHost > 0 && h.Visited+int64(len(b.Pages)) >= spec.PagesPerHost && len(b.Pages) == 0 {
		s.dropHost(q)
	}
	if len(b.Pages) == 0 {
		return b, false
	}
	h.Bundle = bundle
	s.dirtyHosts[h.Key] = true
	return b, true
}

// dropHost skips what is queued for a host whose limit is reached.
func (s *State) dropHost(q *queue) {
	for p := q.pop(); p != nil; p = q.pop() {
		s.move(p, Skipped, "HostLimit")
	}
}

// NextDue is when the next page that is queued or delayed may be visited, zero when
// there is none that waits for the clock alone.
func (s *State) NextDue() time.Time {
	var next int64
	earlier := func(at int64) {
		if next == 0 || at < next {
			next = at
		}
	}
	for key, q := range s.queues {
		if h := s.host(key); q.first() != nil && h.Bundle == "" {
			earlier(max(h.Ready, 1))
		}
	}
	for _, p := range s.delayed {
		if h := s.host(p.host); h.Bundle == "" {
			earlier(max(p.RetryAt, h.Ready))
		}
	}
	if next == 0 {
		return time.Time{}
	}
	return time.UnixMilli(next).UTC()
}

// queue holds the queued pages of a host in the order of their discovery. A page that
// got another status stays in it and is passed over.
type queue struct{ pages pageHeap }

func (q *queue) push(p *Page) { heap.Push(&q.pages, p) }

func (q *queue) first() *Page {
	for len(q.pages) > 0 && q.pages[0].Status != Queued {
		heap.Pop(&q.pages)
	}
	if len(q.pages) == 0 {
		return nil
	}
	return q.pages[0]
}

func (q *queue) pop() *Page {
	if q.first() == nil {
		return nil
	}
	return heap.Pop(&q.pages).(*Page)
}

// pageHeap implements heap.Interface.
type pageHeap []*Page

func (h pageHeap) Len() int           { return len(h) }
func (h pageHeap) Less(i, j int) bool { return h[i].Order < h[j].Order }
func (h pageHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *pageHeap) Push(x any)        { *h = append(*h, x.(*Page)) }
func (h *pageHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
