package frontier

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

// State is the frontier of one shard.
type State struct {
	rules *Rules
	pages map[Fingerprint]*Page
	hosts map[string]*Host
	// queues holds the queued pages of each host in order.
	queues map[string]*queue
	// leased holds the pages of each open bundle, delayed those that wait for a retry.
	leased  map[string][]*Page
	delayed map[Fingerprint]*Page
	counts  Counts
	order   int64
	// chunks are the archive's chunks, in the order in which they were told of.
	chunks []Chunk

	dirtyPages map[Fingerprint]bool
	dirtyHosts map[string]bool
	newChunks  int
	manifest   Manifest
}

// New is an empty frontier, before its first manifest.
func New(rules *Rules) *State {
	return &State{
		rules: rules, pages: map[Fingerprint]*Page{}, hosts: map[string]*Host{}, queues: map[string]*queue{},
		leased: map[string][]*Page{}, delayed: map[Fingerprint]*Page{},
		counts:     Counts{Failed: map[string]int64{}, Skipped: map[string]int64{}},
		dirtyPages: map[Fingerprint]bool{}, dirtyHosts: map[string]bool{},
		manifest: Manifest{Seq: -1},
	}
}

// Counts are the books as they stand.
func (s *State) Counts() Counts {
	c := s.counts
	c.Failed, c.Skipped = maps.Clone(c.Failed), maps.Clone(c.Skipped)
	return c
}

// Chunks are the archive's chunks that results told of, in order.
func (s *State) Chunks() []Chunk { return slices.Clone(s.chunks) }

// Seq is the number of the manifest that the state was opened from, -1 before the
// first.
func (s *State) Seq() int64 { return s.manifest.Seq }

// count adds n to the books where a page with that status is booked.
func (s *State) count(p *Page, n int64) {
	switch p.Status {
	case Queued:
		s.counts.Queued += n
	case Delayed:
		s.counts.Delayed += n
	case Leased:
		s.counts.Leased += n
	case Archived:
		s.counts.Archived += n
	case Failed:
		book(s.counts.Failed, p.Reason, n)
	case Skipped:
		book(s.counts.Skipped, p.Reason, n)
	}
}

func book(m map[string]int64, reason string, n int64) {
	if m[reason] += n; m[reason] == 0 {
		delete(m, reason)
	}
}

// move gives a page another status, and keeps books and queues.
func (s *State) move(p *Page, to Status, reason string) {
	s.count(p, -1)
	p.Status, p.Reason = to, reason
	s.count(p, 1)
	if to != Leased {
		p.Bundle = ""
	}
	if to == Delayed {
		s.delayed[p.FP] = p
	} else {
		p.RetryAt = 0
		delete(s.delayed, p.FP)
	}
	if to == Queued {
		s.queue(p.host).push(p)
	}
	s.dirtyPages[p.FP] = true
}

// insert brings in a page that was not known.
func (s *State) insert(p *Page) {
	p.host = hostOf(p.URL)
	p.Order = s.order
	s.order++
	s.pages[p.FP] = p
	s.counts.Discovered++
	s.count(p, 1)
	if p.Status == Queued {
		s.queue(p.host).push(p)
	}
	s.dirtyPages[p.FP] = true
}

func (s *State) queue(host string) *queue {
	q := s.queues[host]
	if q == nil {
		q = &queue{}
		s.queues[host] = q
	}
	return q
}

func (s *State) host(key string) *Host {
	h := s.hosts[key]
	if h == nil {
		h = &Host{Key: key}
		s.hosts[key] = h
	}
	return h
}

// Add brings in the seeds. A seed is in scope whatever the rules say; one that is
// known already is passed over.
func (s *State) Add(seeds []string) error {
	for i, u := range seeds {
		canonical, err := urls.Canonicalize(u)
		if err != nil {
			return fmt.Errorf("seed %d: %w", i+1, err)
		}
		fp := FingerprintOf(canonical)
		if s.pages[fp] == nil {
			s.insert(&Page{FP: fp, URL: canonical, Status: Queued, Seed: i})
		}
	}
	return nil
}

// Chunk is a stored chunk that a result speaks of.
type Chunk struct {
	Key    string `json:"key"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Pages  int    `json:"pages"`
}

// Outcome is what became of one page of a bundle.
type Outcome struct {
	FP Fingerprint `json:"fp"`
	// Status is Archived, Failed or Skipped; a page that a bundle brings no outcome
	// for goes back into the queue.
	Status Status `json:"status"`
	Reason string `json:"reason,omitempty"`
	// Detail says in words what happened; it holds no page content.
	Detail string `json:"detail,omitempty"`
	// Final is the address that the page was at in the end.
	Final string `json:"final,omitempty"`
	// Retry is set when a failed visit is worth another try.
	Retry bool `json:"retry,omitempty"`
	// Ended is when the page load ended, RetryAfter how long the server asked to be
	// left alone.
	Ended      time.Time     `json:"ended,omitzero"`
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
	// Delay is what robots.txt asks for between two page loads.
	Delay time.Duration `json:"delay,omitempty"`
	// Links are the addresses of the pages that it links to.
	Links []string `json:"links,omitempty"`
	// Leads are mailto: and tel: links: they are not visited, but kept.
	Leads []string `json:"leads,omitempty"`
}

// Result is what one committed chunk of a bundle brought back.
type Result struct {
	Version int    `json:"version"`
	Bundle  string `json:"bundle"`
	// Attempt and Number say which attempt wrote it and its place; Before are the
	// keys of the results before it.
	Attempt int      `json:"attempt"`
	Number  int      `json:"number"`
	Before  []string `json:"before,omitempty"`
	// Chunk is nil when no page of the result was archived.
	Chunk    *Chunk    `json:"chunk,omitempty"`
	Outcomes []Outcome `json:"outcomes"`
}

// retries are the pauses before a page is tried again; after the last it has failed.
var retries = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute}

// maxRetryAfter bounds how long a host can keep a crawl waiting.
const maxRetryAfter = time.Hour

// Apply takes in what a bundle brought back and closes it: pages without an outcome
// go back into the queue. Applying a bundle again changes nothing.
func (s *State) Apply(bundle string, results []Result, now time.Time) error {
	for _, r := range results {
		if r.Bundle != bundle {
			return fmt.Errorf("result of bundle %q among those of %q", r.Bundle, bundle)
		}
		counted := false
		for _, o := range r.Outcomes {
			p := s.pages[o.FP]
			if p == nil {
				return fmt.Errorf("bundle %q brings back a page that is not known: %s", bundle, o.FP)
			}
			if p.Status != Leased || p.Bundle != bundle {
				continue // applied before
			}
			s.settle(p, o, now)
			counted = true
		}
		if counted && r.Chunk != nil {
			s.counts.Bytes += r.Chunk.Size
			s.counts.Chunks++
			s.chunks = append(s.chunks, *r.Chunk)
			s.newChunks++
		}
	}
	s.release(bundle)
	return nil
}

// settle books the outcome of a page.
func (s *State) settle(p *Page, o Outcome, now time.Time) {
	h := s.host(p.host)
	s.dirtyHosts[h.Key] = true
	ended := o.Ended
	if ended.IsZero() || ended.After(now) {
		ended = now
	}
	if o.Delay > 0 {
		h.Delay = o.Delay.Milliseconds()
	}
	if o.Status != Skipped {
		h.Ready = max(h.Ready, millis(ended.Add(s.delay(h))))
	}
	if o.RetryAfter > 0 {
		h.Ready = max(h.Ready, millis(ended.Add(min(o.RetryAfter, maxRetryAfter))))
	}
	if o.Status == Failed && o.Retry && p.Tries < len(retries) {
		s.retryLater(p, h, o, now)
		return
	}
	if o.Status != Skipped {
		h.Visited++
	}
	h.Failures, h.Detail = 0, ""
	s.move(p, o.Status, o.Reason)
	if o.Status == Archived {
		p.Reason = ""
		s.follow(p, o)
	}
}

// retryLater puts a page aside. The host rests as long, because what could not be
// reached for one page cannot be reached for the others.
func (s *State) retryLater(p *Page, h *Host, o Outcome, now time.Time) {
	at := millis(now.Add(retries[p.Tries]))
	p.Tries++
	s.move(p, Delayed, o.Reason)
	p.RetryAt = at
	h.Failures++
	h.Detail = o.Detail
	h.Ready = max(h.Ready, at)
}

// follow brings in what an archived page links to, and the address that it was
// redirected to.
func (s *State) follow(p *Page, o Outcome) {
	if final, err := urls.Canonicalize(o.Final); o.Final != "" && err == nil && final != p.URL {
		s.redirected(p, final)
	}
	for _, link := range o.Links {
		canonical, err := urls.Canonicalize(link)
		if err != nil {
			continue // not a page: mailto, javascript, or no address at all
		}
		fp := FingerprintOf(canonical)
		if s.pages[fp] != nil {
			continue
		}
		d := s.rules.Decide(canonical, *p)
		if !d.In {
			continue
		}
		next := &Page{FP: fp, URL: canonical, Status: Queued, Depth: p.Depth + 1, Hops: d.Hops, Seed: p.Seed, Via: p.FP}
		if d.Trap != "" {
			next.Status, next.Reason = Skipped, d.Trap
		}
		s.insert(next)
	}
}

// redirected marks the address that a redirect led to: its content has just been
// archived, so it is not fetched again.
func (s *State) redirected(p *Page, final string) {
	fp := FingerprintOf(final)
	known := s.pages[fp]
	switch {
	case known == nil:
		s.insert(&Page{FP: fp, URL: final, Status: Skipped, Reason: "Duplicate", Depth: p.Depth, Hops: p.Hops, Seed: p.Seed, Via: p.FP})
	case known.Status == Queued || known.Status == Delayed:
		s.move(known, Skipped, "Duplicate")
	}
}

// release gives back what a bundle still holds.
func (s *State) release(bundle string) {
	for _, p := range s.leased[bundle] {
		if h := s.host(p.host); h.Bundle == bundle {
			h.Bundle = ""
			s.dirtyHosts[h.Key] = true
		}
		if p.Status == Leased && p.Bundle == bundle {
			s.move(p, Queued, "")
		}
	}
	delete(s.leased, bundle)
}

// Finish drops all that was not visited, for a reason. Leased pages stay: they are
// planned in when their bundle comes back.
func (s *State) Finish(reason string) {
	for _, p := range s.pages {
		if p.Status == Queued || p.Status == Delayed {
			s.move(p, Skipped, reason)
		}
	}
	s.queues = map[string]*queue{}
}

// Idle tells whether nothing is left to do.
func (s *State) Idle() bool {
	return s.counts.Queued == 0 && s.counts.Delayed == 0 && s.counts.Leased == 0
}

// Delayed returns one of the pages that are to be tried again, the next one due, with
// what its host's last failure was; false when there is none.
func (s *State) Delayed() (p Page, detail string, ok bool) {
	var next *Page
	for _, q := range s.delayed {
		if next == nil || q.RetryAt < next.RetryAt || q.RetryAt == next.RetryAt && q.Order < next.Order {
			next = q
		}
	}
	if next == nil {
		return Page{}, "", false
	}
	return *next, s.host(next.host).Detail, true
}

// ErrBooks means that the books do not balance.
var ErrBooks = errors.New("the books do not balance")

// Check recounts every page and compares it with the books.
func (s *State) Check() error {
	recount := New(s.rules)
	for _, p := range s.pages {
		recount.counts.Discovered++
		recount.count(p, 1)
	}
	recount.counts.Bytes, recount.counts.Chunks = s.counts.Bytes, s.counts.Chunks
	a, b := s.counts, recount.counts
	if a.Discovered != b.Discovered || a.Queued != b.Queued || a.Delayed != b.Delayed || a.Leased != b.Leased ||
		a.Archived != b.Archived || !maps.Equal(a.Failed, b.Failed) || !maps.Equal(a.Skipped, b.Skipped) {
		return fmt.Errorf("%w: counted %+v, booked %+v", ErrBooks, b, a)
	}
	sum := a.Queued + a.Delayed + a.Leased + a.Archived
	for _, m := range []map[string]int64{a.Failed, a.Skipped} {
		for _, n := range m {
			sum += n
		}
	}
	if sum != a.Discovered {
		return fmt.Errorf("%w: %d discovered, %d accounted for", ErrBooks, a.Discovered, sum)
	}
	return nil
}
