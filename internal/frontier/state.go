package frontier

import (
	"cmp"
	"container/heap"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"crawlfleet.dev/crawlfleet/internal/urls"
)

// State is the frontier of one shard. It is not safe for concurrent use.
//
// Some of its tables are fetched when they are needed. When that does not succeed, or a
// table is damaged, the state keeps the first error: Apply, Check and Seal return it, so
// that no manifest is written of a step that was cut short. A state with an error is to
// be thrown away and opened again.
type State struct {
	rules    *Rules
	load     func(key string) ([]byte, error)
	codec    codec
	sizes    sizes
	manifest Manifest
	err      error
	now      time.Time // the latest time that was passed in

	counts Counts
	order  int64
	// visited counts the pages with a final outcome of a visit.
	visited int64
	// reasons are pairs of status and reason, by their place in fates.
	reasons []string

	seen  seen
	queue queueTable
	hosts map[string]*host
	// due are the hosts with something to visit that are in no bundle.
	due placedHeap[*host]
	// owners are the politeness keys of hosts that were met before.
	owners owners
	// held are the pages that were handed out and are not done, leased those in each
	// open bundle.
	held   map[fp]*Page
	leased map[string][]*Page
	// later are the held pages that are put aside.
	later placedHeap[*Page]
	// chunks are the archive's chunks, in the order in which they were told of.
	chunks []Chunk
	// logged counts the rows of the log, log holds those that are in no run yet.
	logged int64
	log    []row

	// out is what the other shards are to learn, by shard, sending the object of it.
	// exchanged counts those objects. sent is, by receiver, the last that had a part
	// for it, applied, by sender, the last that was taken in.
	out       map[int]*outbox
	sending   []Object
	exchanged int64
	sent      map[int]int64
	applied   map[int]int64
	// asked are the hosts that asked to be left alone, since Rests was called.
	asked []*host
	// allowance is how many pages the run lets this shard visit; negative is no bound.
	allowance int64

	// changed are the rows that changed since the manifest, unfolded those that
	// changed since the tables were last folded.
	changed  changes
	unfolded changes
	// checked are the pages in the queues of all hosts when Check looked last.
	checked int64
}

// changes are rows by their keys. Of seen and queue rows only those since the manifest
// are noted: what is in no run yet is kept apart by the tables themselves.
type changes struct {
	seen   map[fp]bool
	queued []queuedAt
	hosts  map[string]bool
	held   map[fp]bool
	chunks int
	log    int
}

type queuedAt struct {
	host  string
	order int64
}

func newChanges() changes {
	return changes{seen: map[fp]bool{}, hosts: map[string]bool{}, held: map[fp]bool{}}
}

// host is the row of a politeness key.
type host struct {
	key string
	// ready is when its next page load may begin, in Unix milliseconds: the end of
	// the last one, and the delay.
	ready int64
	// delay is what the host itself asks for (robots.txt), in milliseconds.
	delay int64
	// since is the order of its first page.
	since int64
	// read is how far its queue is read: the next page has that order or a greater.
	// stored is how many pages of it are still in the queue.
	read, stored int64
	// visited counts pages with a final outcome of a visit, failures visits in a row
	// that did not reach the host; detail says what went wrong the last time.
	visited  int64
	failures int
	detail   string
	// outage is the host name that was not reached the last time, lost are those
	// that are given up. One politeness key may have many names, and some be dead.
	outage outage
	lost   []lostName
	// moved are the places, as the scope has them, that seeds were redirected to.
	moved []string
	// patterns count pages that differ in little; see trapped.
	patterns map[uint64]int64
	// wait is why it rests, when that comes from outside of the run.
	wait string
	// bundle is the open bundle that the host is in; it is in one at most.
	bundle string

	// returned are the pages that were handed out before and are to be again.
	returned pageHeap
	place    int // in the heap of hosts, -1 when it is not there
	// checked are the pages in its queue when Check looked last.
	checked int64
}

// rest keeps the host from being asked before a time. Rows hold milliseconds: what is
// between two of them counts as the later one, for a pause is never cut short.
func (h *host) rest(until time.Time) {
	h.ready = max(h.ready, millis(until.Add(time.Millisecond-time.Nanosecond)))
}

// outage is a host name that is not reached: since when, in Unix milliseconds, and how
// many visits in a row.
type outage struct {
	name   string
	since  int64
	visits int
}

// lostName is a host name that is given up, and why.
type lostName struct{ name, reason string }

// queued is how many pages of a host wait to be handed out.
func (h *host) queued() int64 { return h.stored + int64(len(h.returned)) }

// New is the empty frontier of a run with one shard, before its first manifest.
func New(rules *Rules) *State { return NewShard(rules, 0, 1) }

// NewShard is the empty frontier of one of the shards of a run, before its first manifest.
func NewShard(rules *Rules, shard, shards int) *State {
	codec, err := newCodec()
	first, end := slots(shard, shards)
	return &State{
		rules: rules, codec: codec, sizes: standardSizes(), err: err,
		load: func(key string) ([]byte, error) {
			return nil, fmt.Errorf("segment %q: a new frontier has nothing to load with, see LoadWith", key)
		},
		counts: Counts{Failed: map[string]int64{}, Skipped: map[string]int64{}, Ignored: map[string]int64{}},
		seen:   seen{recent: map[fp]fate{}}, queue: queueTable{recent: map[string][]entry{}},
		hosts: map[string]*host{}, owners: owners{}, held: map[fp]*Page{}, leased: map[string][]*Page{},
		changed: newChanges(), unfolded: newChanges(),
		out: map[int]*outbox{}, sent: map[int]int64{}, applied: map[int]int64{}, allowance: -1,
		manifest: Manifest{Seq: -1, Shard: shard, Shards: shards, FirstSlot: first, EndSlot: end, Spec: rules.hash},
	}
}

// LoadWith sets the function that fetches segments: for a state that is kept from one
// step to the next, because a function belongs to its step, and for one that New made.
func (s *State) LoadWith(load func(key string) ([]byte, error)) { s.load = load }

// fail keeps the first error.
func (s *State) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// What rows take in memory, roughly, in bytes: with the maps and texts that they are in.
const (
	hostMemory  = 400
	heldMemory  = 400
	chunkMemory = 400
	entryMemory = 150
	ownerMemory = 150
	freshMemory = 64
	blockMemory = 160 << 10
	codecMemory = 200 << 10
)

// Memory is about how many bytes the state holds with its rules, for who keeps some of them.
// The tables of all URLs are counted as far as they were fetched.
func (s *State) Memory() int64 {
	n := codecMemory + s.rules.memory + len(s.hosts)*hostMemory + len(s.held)*heldMemory + len(s.chunks)*chunkMemory + (s.queue.rows+len(s.log))*entryMemory +
		len(s.owners)*ownerMemory + len(s.seen.recent)*freshMemory + len(s.queue.blocks.blocks)*blockMemory
	for _, r := range s.seen.runs {
		n += cap(r.rows)
	}
	for _, r := range s.queue.runs {
		if r.seg != nil {
			n += len(r.seg.data) + len(r.hosts)*freshMemory
		}
	}
	return int64(n)
}

// At notes the time of a step; Apply and Choose do so by themselves.
func (s *State) At(now time.Time) {
	if now.After(s.now) {
		s.now = now
	}
}

// Counts are the books as they stand.
func (s *State) Counts() Counts {
	c := s.counts
	c.Failed, c.Skipped, c.Ignored = maps.Clone(c.Failed), maps.Clone(c.Skipped), maps.Clone(c.Ignored)
	return c
}

// Chunks are the archive's chunks that results told of, in order.
func (s *State) Chunks() []Chunk { return slices.Clone(s.chunks) }

// Open are the names of the bundles that are out, in order.
func (s *State) Open() []string { return slices.Sorted(maps.Keys(s.leased)) }

// Sent and Applied are the exchange's vectors: by receiver the last exchange that had
// something for it, by sender the last that was taken in; 0 is none.
func (s *State) Sent() []int64 { return s.vector(s.sent) }

// Applied is described at Sent.
func (s *State) Applied() []int64 { return s.vector(s.applied) }

// vector is nil for a run of one shard.
func (s *State) vector(by map[int]int64) []int64 {
	if s.manifest.Shards == 1 {
		return nil
	}
	v := make([]int64, s.manifest.Shards)
	for i, n := range by {
		v[i] = n
	}
	return v
}

// Allow bounds how many pages this shard may visit: its part of what the order allows.
// It is for runs of several shards; a negative number is no bound.
func (s *State) Allow(pages int64) { s.allowance = pages }

// Used is how many pages count against what the order, or Allow, allows.
func (s *State) Used() int64 { return s.visited + s.counts.Leased }

// bound is how many pages the shard may visit, negative for no bound.
func (s *State) bound() int64 {
	switch pages := s.rules.spec.Pages; {
	case s.manifest.Shards > 1:
		return s.allowance
	case pages > 0:
		return pages
	}
	return -1
}

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
		s.counts.Failed[p.Reason] += n
	case Skipped:
		s.counts.Skipped[p.Reason] += n
	}
}

// move gives a page that was queued or held another status, and keeps books and tables.
func (s *State) move(p *Page, to Status, reason string) {
	if p.Status == Delayed {
		heap.Remove(&s.later, p.place)
	}
	s.count(p, -1)
	p.Status, p.Reason = to, reason
	s.count(p, 1)
	if to != Leased {
		p.Bundle = ""
	}
	if to != Delayed {
		p.RetryAt = 0
	}
	if to.Terminal() {
		s.end(p)
		return
	}
	s.held[p.key] = p
	s.noteHeld(p)
	if to == Queued {
		h := s.host(p.host)
		heap.Push(&h.returned, p)
		s.touch(h)
	}
}

// end notes a final status.
func (s *State) end(p *Page) {
	s.mark(p.key, s.fateOf(p.Status, p.Reason))
	if s.held[p.key] != nil {
		delete(s.held, p.key)
		s.noteHeld(p)
	}
	if p.Status != Archived {
		s.log = append(s.log, logRow(s.logged, p))
		s.logged++
		s.changed.log++
	}
}

func (s *State) noteHeld(p *Page) {
	s.changed.held[p.key] = true
	s.unfolded.held[p.key] = true
}

// insert brings in a page that was not known.
func (s *State) insert(p *Page) {
	p.key = fpOf(p.URL)
	p.FP = p.key.hex()
	p.host = s.hostOf(p.URL)
	p.Order = s.order
	s.order++
	s.counts.Discovered++
	if h := s.hosts[p.host]; h != nil && p.Status == Queued && s.full(h) {
		p.Status, p.Reason = Skipped, reasonHostLimit
	}
	s.count(p, 1)
	if p.Status != Queued {
		s.end(p)
		return
	}
	s.mark(p.key, fateOpen)
	h := s.host(p.host)
	if h.queued() == 0 { // it joins those that wait behind them, so that none starves
		h.ready = max(h.ready, millis(s.now))
	}
	s.push(h, p)
	s.touch(h)
}

func (s *State) host(key string) *host {
	h := s.hosts[key]
	if h == nil {
		h = &host{key: key, since: s.order, place: -1}
		s.hosts[key] = h
	}
	return h
}

// full tells whether a host has had all the visits that the order allows.
func (s *State) full(h *host) bool {
	limit := s.rules.spec.PagesPerHost
	return limit > 0 && h.visited >= limit
}

// touch notes that a host changed, and places it.
func (s *State) touch(h *host) {
	s.changed.hosts[h.key] = true
	s.unfolded.hosts[h.key] = true
	s.place(h)
}

// place gives a host its place among those that wait, or none.
func (s *State) place(h *host) {
	waits := h.bundle == "" && h.queued() > 0
	switch {
	case waits && h.place < 0:
		heap.Push(&s.due, h)
	case waits:
		heap.Fix(&s.due, h.place)
	case h.place >= 0:
		heap.Remove(&s.due, h.place)
	}
}

// Add brings in the seeds that the shard owns. A seed is in scope whatever the rules say; one that is
// known already is passed over.
func (s *State) Add(seeds []string) error {
	for i, u := range seeds {
		canonical, err := urls.Canonicalize(u)
		if err != nil {
			return fmt.Errorf("seed %d: %w", i+1, err)
		}
		if s.ownerOf(canonical) != s.manifest.Shard {
			continue
		}
		if _, known := s.fate(fpOf(canonical)); !known && s.err == nil {
			s.insert(&Page{URL: canonical, Status: Queued, Seed: i})
		}
	}
	return s.err
}

// Finish drops all that was not visited, for a reason. Leased pages stay: they are
// planned in when their bundle comes back.
func (s *State) Finish(reason string) {
	for _, p := range s.inOrder(s.held) {
		if p.Status == Delayed {
			s.move(p, Skipped, reason)
		}
	}
	if s.counts.Queued == 0 {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(s.hosts)) {
		s.drop(s.hosts[key], reason)
	}
}

// drop ends all pages that are queued for a host.
func (s *State) drop(h *host, reason string) {
	if h.queued() == 0 {
		return
	}
	for h.queued() > 0 && s.err == nil {
		pages := s.take(h, 1000)
		if len(pages) == 0 {
			s.failQueue(h)
		}
		for _, p := range pages {
			s.move(p, Skipped, reason)
		}
	}
	s.touch(h)
}

// failQueue notes that pages which should be in the queue of a host are not there.
func (s *State) failQueue(h *host) {
	s.fail(fmt.Errorf("%w: host %q has %d pages in the queue that are not there", ErrBooks, h.key, h.queued()))
}

// take takes up to n pages from what is queued for a host, those first that came back.
func (s *State) take(h *host, n int) []*Page {
	var pages []*Page
	for len(h.returned) > 0 && len(pages) < n {
		pages = append(pages, heap.Pop(&h.returned).(*Page))
	}
	if len(pages) < n && h.stored > 0 {
		pages = append(pages, s.pull(h, n-len(pages))...)
	}
	return pages
}

// inOrder are held pages in the order of their discovery, so that what is done with
// them does not depend on chance.
func (s *State) inOrder(held map[fp]*Page) []*Page {
	return slices.SortedFunc(maps.Values(held), func(a, b *Page) int { return cmp.Compare(a.Order, b.Order) })
}

// Idle tells whether nothing is left to do.
func (s *State) Idle() bool {
	return s.counts.Queued == 0 && s.counts.Delayed == 0 && s.counts.Leased == 0
}

// Hindrance is why nothing can be visited now.
type Hindrance struct {
	// Host is the name and port of the host, Reason why its page was put aside, empty when
	// none was, and Detail what the last failure was.
	Host, Reason, Detail string
	// Seed is set when it is about a seed.
	Seed bool
	// Next is when it is tried again.
	Next time.Time
	// Try is the number of that visit, of MaxTries; 0 where it is about a host and not a page.
	Try int
}

// Hindered tells what keeps a crawl from moving: no page is being visited, and all that is
// left failed before or is on hosts that were not reached the last time. It is false when
// there is anything else to do.
func (s *State) Hindered() (Hindrance, bool) {
	if s.counts.Leased > 0 || s.Idle() {
		return Hindrance{}, false
	}
	var resting *host
	for _, h := range s.due {
		if h.failures == 0 && h.wait == "" {
			return Hindrance{}, false
		}
		if resting == nil || h.ready < resting.ready {
			resting = h
		}
	}
	if len(s.later) == 0 {
		return Hindrance{Host: cmp.Or(resting.outage.name, resting.key), Reason: resting.wait, Detail: resting.detail, Next: s.NextDue()}, true
	}
	next := s.later[0]
	return Hindrance{
		Host: hostname(next.URL), Reason: next.Reason, Detail: s.host(next.host).detail, Seed: next.Depth == 0, Next: s.NextDue(),
		Try: next.Tries + 1,
	}, true
}

func itoa(n int) string { return strconv.Itoa(n) }
