package frontier

import (
	"container/heap"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/internal/visits"
)

// Chunk is a stored chunk that a result speaks of.
type Chunk struct {
	Key    string `json:"key"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Pages  int    `json:"pages"`
	// Incomplete is how many of Pages have something missing; nil where a program wrote it
	// that did not count them.
	Incomplete *int `json:"incomplete,omitempty"`
	// Compared is how many of Pages were compared with an earlier run, by how they are; nil
	// where a program wrote it that compares nothing.
	Compared *visits.Counts `json:"compared,omitempty"`
	// Told is set once who took the chunk in has told the custody log of it. No closing statement
	// says so: the log does.
	Told bool `json:"told,omitempty"`
}

// Outcome is what became of one page of a bundle.
type Outcome struct {
	FP Fingerprint `json:"fp"`
	// Status is Archived, Failed or Skipped; a page that a bundle brings no outcome
	// for goes back into the queue. Reason is empty for an archived page, or
	// ReasonHostBusy.
	Status Status `json:"status"`
	Reason string `json:"reason,omitempty"`
	// Incomplete is set for an archived page of which something is missing.
	Incomplete bool `json:"incomplete,omitempty"`
	// Compared says how an archived page is beside the visit of an earlier run, empty when
	// there is none to compare with. Visit is what a later run compares its own with.
	Compared visits.Verdict `json:"compared,omitempty"`
	Visit    *visits.Visit  `json:"visit,omitempty"`
	// Detail says in words what happened; it holds no page content.
	Detail string `json:"detail,omitempty"`
	// Final is the address that the page was at in the end.
	Final string `json:"final,omitempty"`
	// Retry is set when another try is worth it.
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
	// Captured is when the chunk was closed, Stored when the store had confirmed it, where whoever
	// takes the result in has to tell the custody log of it; nil where the log knows already.
	Captured *time.Time `json:"captured,omitempty"`
	Stored   *time.Time `json:"stored,omitempty"`
}

// MaxTries is how often a page is visited that does not come.
const MaxTries = 5

// retries are the pauses before a page is tried again; after the last it has failed.
// They are also how long a host rests that was not reached, once, twice, and so on.
var retries = [MaxTries - 1]time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute}

const (
	// A host name is given up when it was not reached that often in a row, and for
	// that long.
	maxOutageVisits = 8
	maxOutage       = 30 * time.Minute
	maxLost         = 64
	// maxMoved bounds how many places of a host seeds may be redirected to.
	maxMoved = 64
	// maxRetryAfter and MaxHostDelay bound how long a host can keep a crawl waiting. A day
	// is what other runs are told too, and what the browser reads of a header at most.
	maxRetryAfter = 24 * time.Hour
	// MaxHostDelay is the longest pause between two page loads that robots.txt may ask for.
	MaxHostDelay = time.Minute
	// maxReason and maxDetail bound texts that results bring, in bytes.
	maxReason = 64
	maxDetail = 512
)

// unreached are the reasons that speak of a host rather than of a page.
var unreached = []string{"DNSFailed", "ConnectFailed", "ConnectionReset", "TLSFailed", "RobotsUnreachable", reasonPageTimeout, ReasonHostBusy}

// reasonPageTimeout is the reason of a page that did not come within its time.
const reasonPageTimeout = "PageTimeout"

// ReasonHostBusy is the reason of a visit that the host answered by asking for patience.
// The last of MaxTries visits is archived with it: the answer is the page then.
const ReasonHostBusy = "HostBusy"

// Apply takes in what a bundle brought back and closes it: pages without an outcome
// go back into the queue. Applying a bundle again changes nothing, whether the whole of
// it or a part.
func (s *State) Apply(bundle string, results []Result, now time.Time) error {
	s.At(now)
	for _, r := range results {
		if r.Bundle != bundle {
			return fmt.Errorf("result of bundle %q among those of %q", r.Bundle, bundle)
		}
		counted := false
		for _, o := range r.Outcomes {
			settled, err := s.settle(bundle, o, now)
			if err != nil {
				return fmt.Errorf("bundle %q: %w", bundle, err)
			}
			counted = counted || settled
		}
		if counted && r.Chunk != nil {
			s.counts.Bytes += r.Chunk.Size
			s.counts.Chunks++
			s.chunks = append(s.chunks, *r.Chunk)
			s.changed.chunks++
			s.unfolded.chunks++
		}
	}
	s.release(bundle, now)
	return s.err
}

// settle books the outcome of a page, unless it was booked before.
func (s *State) settle(bundle string, o Outcome, now time.Time) (bool, error) {
	key, ok := o.FP.raw()
	if !ok {
		return false, fmt.Errorf("%q is no fingerprint", o.FP)
	}
	if !o.Status.Terminal() || len(o.Reason) > maxReason || o.Status != Archived && o.Reason == "" || !o.Compared.Valid() {
		return false, fmt.Errorf("the outcome %q, %q is none", o.Status, o.Reason)
	}
	p := s.held[key]
	if p == nil || p.Status != Leased || p.Bundle != bundle {
		if _, known := s.fate(key); !known && s.err == nil {
			return false, fmt.Errorf("it brings back a page that is not known: %s", o.FP)
		}
		return false, s.err
	}
	h := s.host(p.host)
	h.wait = ""
	s.rest(h, o, now)
	if o.Asks() {
		s.asked = append(s.asked, h)
	}
	if o.missed(p.URL) {
		s.missed(p, h, o, now)
	} else if o.Status != Archived && o.Retry && p.Tries < len(retries) {
		s.retry(p, o.Reason, now.Add(retries[p.Tries]))
	} else {
		s.conclude(p, h, o)
	}
	s.touch(h)
	return true, s.err
}

// Asks tells whether a host asked for patience.
func (o Outcome) Asks() bool { return o.Reason == ReasonHostBusy || o.RetryAfter > 0 }

// Leave tells whether a visit is to be the last of its stay at a host: the host is to rest
// before it is asked for another page. It asked for patience, also where a redirect led, or it
// was not reached; a page that takes too long may do so alone.
func (o Outcome) Leave(requested string) bool {
	return o.Asks() || o.Reason != reasonPageTimeout && o.missed(requested)
}

// missed tells whether a visit did not reach the host of the page that was asked for. When it
// ended on another host, what went wrong there says nothing about this one.
func (o Outcome) missed(requested string) bool {
	if !slices.Contains(unreached, o.Reason) {
		return false
	}
	final, err := urls.Canonicalize(o.Final)
	return o.Final == "" || err != nil || hostname(final) == hostname(requested)
}

// conclude books a final outcome.
func (s *State) conclude(p *Page, h *host, o Outcome) {
	if o.Status != Skipped {
		h.visited++
		s.visited++
	}
	if o.Status != Archived {
		s.move(p, o.Status, o.Reason)
	} else {
		if o.Reason == "" {
			h.reached(hostname(p.URL))
		}
		if o.Incomplete {
			s.counts.Incomplete++
		}
		s.counts.Compared.Add(o.Compared)
		s.move(p, Archived, "")
		s.follow(p, o)
	}
	if s.full(h) {
		s.drop(h, reasonHostLimit)
	}
}

// rest sets when the next page load from a host may begin.
func (s *State) rest(h *host, o Outcome, now time.Time) {
	ended := o.Ended
	if ended.IsZero() || ended.After(now) {
		ended = now
	}
	if o.Delay > 0 {
		h.delay = min(o.Delay, MaxHostDelay).Milliseconds()
	}
	if o.Status != Skipped || o.Final != "" { // what has a final place was asked for
		h.rest(ended.Add(s.delay(h)))
	}
	if o.RetryAfter > 0 {
		h.rest(ended.Add(min(o.RetryAfter, maxRetryAfter)))
	}
}

// missed books a visit that did not reach its host. The host rests, the longer the more
// often in a row, because what could not be reached for one page can hardly be reached
// for the others.
func (s *State) missed(p *Page, h *host, o Outcome, now time.Time) {
	h.failures++
	h.detail = o.Detail[:min(len(o.Detail), maxDetail)]
	pause := retries[min(h.failures, len(retries))-1]
	h.rest(now.Add(pause))
	name := hostname(p.URL)
	if h.outage.name != name {
		h.outage = outage{name: name, since: millis(now)}
	}
	h.outage.visits++
	over := h.outage.visits >= maxOutageVisits && millis(now)-h.outage.since >= maxOutage.Milliseconds()
	if over {
		h.lost = append(h.lost, lostName{name, o.Reason})
		h.lost = h.lost[max(0, len(h.lost)-maxLost):]
		h.outage = outage{}
	}
	if o.Retry && p.Tries < len(retries) && !over {
		s.retry(p, o.Reason, now.Add(max(pause, retries[p.Tries])))
		return
	}
	s.conclude(p, h, o)
}

// reached ends what missed counts of a host name.
func (h *host) reached(name string) {
	h.failures, h.detail = 0, ""
	if h.outage.name == name {
		h.outage = outage{}
	}
}

// lostTo is the reason for which a page is not visited: its host name is given up.
func (h *host) lostTo(p *Page) string {
	if len(h.lost) == 0 {
		return ""
	}
	name := hostname(p.URL)
	for _, l := range h.lost {
		if l.name == name {
			return l.reason
		}
	}
	return ""
}

// hostname is the host, with its port, of a canonical URL.
func hostname(canonical string) string {
	_, rest, _ := strings.Cut(canonical, "://")
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// retry puts a page aside.
func (s *State) retry(p *Page, reason string, at time.Time) {
	p.Tries++
	s.move(p, Delayed, reason)
	p.RetryAt = millis(at)
	heap.Push(&s.later, p)
}

// follow brings in what an archived page links to, and the address that it was
// redirected to.
func (s *State) follow(p *Page, o Outcome) {
	if o.Final != "" && o.Final != p.URL {
		if final, err := urls.Canonicalize(o.Final); err == nil && final != p.URL {
			s.redirected(p, final)
			s.widen(p, final)
		}
	}
	for _, link := range o.Links {
		if s.err != nil {
			return
		}
		canonical, err := urls.Canonicalize(link)
		if err != nil {
			s.counts.Ignored[whyInvalid(err)]++
			continue
		}
		link := &Page{URL: canonical, Depth: p.Depth + 1, Hops: p.Hops, Seed: p.Seed, Via: p.FP}
		if !s.foreign(linkFound, link) {
			s.enter(link)
		}
	}
}

// enter brings in a link to a page of this shard, when it is new and belongs to the
// crawl. Its hops are those of the page that it was found on.
func (s *State) enter(p *Page) {
	if _, known := s.fate(fpOf(p.URL)); known || s.err != nil {
		return
	}
	d := s.decide(p.URL, p.Depth, p.Hops)
	p.Hops = d.Hops
	switch {
	case d.In:
		if p.Status, p.Reason = Queued, s.trapped(p); p.Reason != "" {
			p.Status = Skipped
		}
	case d.Trap():
		p.Status, p.Reason = Skipped, d.Reason
	default:
		s.counts.Ignored[d.Reason]++
		return
	}
	s.insert(p)
}

// widen takes into the scope where a seed has moved to, as from example.org to
// www.example.org: the site calls itself so. It has to be of the same owner, because that
// is who the order names.
func (s *State) widen(seed *Page, final string) {
	if seed.Depth > 0 || s.hostOf(final) != seed.host {
		return
	}
	place := s.rules.place(final)
	h := s.host(seed.host)
	if place == "" || s.rules.places[place] != "" || slices.Contains(h.moved, place) || len(h.moved) >= maxMoved {
		return
	}
	h.moved = append(h.moved, place)
	s.touch(h)
}

// decide judges a link by the rules, and by where seeds have moved to.
func (s *State) decide(u string, depth, hops int) Decision {
	var moved []string
	if h := s.hosts[s.hostOf(u)]; h != nil {
		moved = h.moved
	}
	return s.rules.Decide(u, depth, hops, moved)
}

// whyInvalid is the reason for which an address is none that can be visited.
func whyInvalid(err error) string {
	var e *urls.Error
	if errors.As(err, &e) && e.Reason == urls.ReasonScheme {
		return reasonUnsupportedScheme
	}
	return reasonInvalidURL
}

// redirected marks the address that a redirect led to: its content has just been
// archived, so it is not fetched again.
func (s *State) redirected(from *Page, final string) {
	p := &Page{URL: final, Depth: from.Depth, Hops: from.Hops, Seed: from.Seed, Via: from.FP}
	if !s.foreign(linkMoved, p) {
		s.duplicate(p)
	}
}

// duplicate marks a page as one that was archived under another address.
func (s *State) duplicate(p *Page) {
	key, final := fpOf(p.URL), p.URL
	f, known := s.fate(key)
	if s.err != nil || known && f != fateOpen {
		return
	}
	p.Status, p.Reason = Skipped, reasonDuplicate
	if !known {
		s.insert(p)
		return
	}
	h := s.host(s.hostOf(final))
	if held := s.held[key]; held != nil {
		if held.Status == Leased {
			return // it is being visited just now
		}
		if i := slices.Index(h.returned, held); i >= 0 {
			heap.Remove(&h.returned, i)
		}
		s.move(held, Skipped, reasonDuplicate)
		s.touch(h)
		return
	}
	p.key, p.FP, p.host, p.Status = key, key.hex(), h.key, Queued
	h.stored--
	s.move(p, Skipped, reasonDuplicate)
	s.touch(h)
}

// release gives back what a bundle still holds. When its last page load from a host
// ended is not known then: it may have been just now.
func (s *State) release(bundle string, now time.Time) {
	for _, p := range s.leased[bundle] {
		h := s.host(p.host)
		if p.Status == Leased && p.Bundle == bundle {
			h.rest(now.Add(s.delay(h)))
			s.move(p, Queued, "")
		}
		if h.bundle == bundle {
			h.bundle = ""
			s.touch(h)
		}
	}
	delete(s.leased, bundle)
}
