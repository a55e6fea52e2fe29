package frontier

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The invariants of shared design that a simulation watches.
const (
	invBooks    = "every URL in exactly one status"
	invOutlinks = "every in-scope outlink of a committed chunk is seen"
	invOnce     = "one committed outcome per URL and visit"
	invReasons  = "every drop has a reason"
	invBundle   = "a host is in one open bundle at most"
	invPolite   = "zero politeness violations"
	invChain    = "manifests gap-free, hash chain verifies"
	invExists   = "every referenced object exists"
	invRefused  = "objects of refused attempts are never referenced"
	invDone     = "termination only when all is applied"
	invPause    = "pause stops page loads, resume loses nothing"
	invStarve   = "no host starves"
	invPoison   = "a poison page costs two attempts"
	invHistory  = "history under 10,240 events"
	invActions  = "the budget of Temporal actions"
	invCalls    = "the budget of store calls"
	invSet      = "the set of pages is that of a plain walk"
	invEnds     = "the crawl ends"
	invTwin     = "two states of one manifest decide the same"
)

// violation is an invariant that does not hold.
type violation struct{ invariant, detail string }

// monitor watches a crawl from outside. It keeps books of its own, by the numbers of pages
// and what workers say that they did, and compares them with each manifest.
type monitor struct {
	s          *sim
	violations []violation
	manifests  int
	largest    int // manifest, in bytes

	pages  []pageBits
	blamed map[int]bool // failed as poison
	tries  map[int]int  // of pages that did not come yet
	shards []*shardWatch
	hosts  []hostWatch
	acc    map[string]bool // results that an accepted heartbeat named

	// deadly counts the loads of poison pages, by bundle.
	deadly map[deadlyPage]int
	loads  int64
	// takers is how many shards may need an exchange yet.
	takers map[string]int
	inputs map[string]string // of bundles
}

type deadlyPage struct {
	task *bundleTask
	id   int
}

// pageBits is what the monitor knows of a page.
type pageBits uint8

const (
	pageSeen pageBits = 1 << iota
	pageArchived
	pageOver   // a final outcome that is not an archived page
	pageLeased // in an open bundle
)

// hostWatch is a host: when a page load ended last, the bundle that it is in, and since when
// it waits.
type hostWatch struct {
	ended   time.Time
	bundle  string
	open    int       // pages that are seen and not over, as far as is known from outside
	waiting time.Time // since when it waits for a bundle
	// rests is until when it may wait for a page that is to be tried again.
	rests time.Time
}

// shardWatch is the books of a shard.
type shardWatch struct {
	seq        int64
	hash       string
	kept       []keptManifest
	discovered int64
	archived   int64
	leased     int64
	strays     int64
	chunked    int64
	chunks     []string                 // their keys
	taken      []string                 // exchanges that the step took in
	bundles    map[string][]watchedPage // open ones
	// out are what the step under way found of others, sent what was sent and not taken in.
	out     map[int][]outNumber
	sent    map[int][]sentNumbers
	applied map[int]int64
	// turns are how many hosts were handed out by a time.
	turns  []turn
	paused time.Time
	// excused is until when politeness is not watched, after a reset.
	excused time.Time
}

type watchedPage struct {
	key Fingerprint
	id  int
}

type turn struct {
	at    time.Time
	count int
}

type outNumber struct {
	id    int
	moved bool
}

type sentNumbers struct {
	seq   int64
	key   string
	pages []outNumber
}

// keptManifest is one of the last manifests, and the bundles that its step took in.
type keptManifest struct {
	key      string
	segments []Segment
	bundles  []string
	others   []string
	at       time.Time
}

func newMonitor(s *sim) *monitor {
	w := &monitor{
		s: s, pages: make([]pageBits, s.web.addresses()), hosts: make([]hostWatch, s.web.hosts), blamed: map[int]bool{}, tries: map[int]int{},
		acc: map[string]bool{}, deadly: map[deadlyPage]int{}, takers: map[string]int{}, inputs: map[string]string{},
	}
	for range s.shards {
		w.shards = append(w.shards, &shardWatch{
			seq: -1, bundles: map[string][]watchedPage{}, out: map[int][]outNumber{}, sent: map[int][]sentNumbers{}, applied: map[int]int64{},
		})
	}
	return w
}

// report notes that an invariant does not hold.
func (w *monitor) report(invariant, format string, args ...any) {
	if len(w.violations) < 20 {
		detail := fmt.Sprintf(format, args...)
		w.violations = append(w.violations, violation{invariant, fmt.Sprintf("after %v: %s", w.s.now.Sub(w.s.start), detail)})
	}
}

func (w *monitor) broken() bool { return len(w.violations) > 0 }

// nameOf is the invariant that an error of the frontier speaks of.
func nameOf(err error) string {
	switch {
	case errors.Is(err, errSimNotFound):
		return invExists
	case errors.Is(err, ErrManifest):
		return invChain
	case errors.Is(err, errTwin):
		return invTwin
	}
	return invBooks
}

// stored is called with each object that is stored.
func (w *monitor) stored(key string, o simObject) {
	if w.s.hooks.stored != nil {
		w.s.hooks.stored(key)
	}
	switch v := o.value.(type) {
	case *stepRecord:
		w.manifest(v, o.data)
	case *Result:
		w.s.store.results[v.Bundle] = append(w.s.store.results[v.Bundle], key)
	}
}

func (w *monitor) accepted(key string) { w.acc[key] = true }

// manifest takes in a step whose manifest was stored, and compares the books.
func (w *monitor) manifest(r *stepRecord, data []byte) {
	if w.broken() {
		return
	}
	w.manifests++
	w.largest = max(w.largest, len(data))
	sh, m := w.shards[r.shard], &r.manifest
	w.chain(sh, r, data)
	w.references(sh, m)
	w.arrivals(sh, r)
	if m.Seq == 0 {
		for id := range simSeeds {
			if w.owner(id) == r.shard {
				w.see(sh, id)
			}
		}
	}
	for _, b := range r.applied {
		w.apply(sh, r.shard, b)
	}
	w.handOut(sh, r)
	w.send(sh, r)
	w.compare(sh, r)
	w.forget(sh, r)
	if w.s.chance(w.s.recount) && !w.broken() {
		w.recount(r.shard, m.Seq)
	}
}

func (w *monitor) owner(id int) int {
	if w.s.shards == 1 {
		return 0
	}
	return ShardOf(string(appendHost(nil, w.s.web.host(id))), w.s.shards)
}

// chain: manifests are numbered without a gap, and each names the one before.
func (w *monitor) chain(sh *shardWatch, r *stepRecord, data []byte) {
	m := &r.manifest
	if m.Seq != sh.seq+1 || m.Parent != sh.hash || m.Shard != r.shard {
		w.report(invChain, "shard %d: manifest %d with parent %q after manifest %d with hash %q", m.Shard, m.Seq, m.Parent, sh.seq, sh.hash)
	}
	if r.hash != Hash(data) {
		w.report(invChain, "manifest %d has another hash than its writer believes", m.Seq)
	}
	sh.seq, sh.hash = m.Seq, Hash(data)
}

// references: what a manifest names is there, and is what it says.
func (w *monitor) references(sh *shardWatch, m *Manifest) {
	known := map[string]bool{}
	if n := len(sh.kept); n > 0 {
		for _, seg := range sh.kept[n-1].segments {
			known[seg.Key] = true
		}
	}
	for _, seg := range m.Segments() {
		o, ok := w.s.store.objects[seg.Key]
		if !ok {
			w.report(invExists, "manifest %d names %q, which is not stored", m.Seq, seg.Key)
		} else if !known[seg.Key] && Hash(o.data) != seg.SHA256 {
			w.report(invExists, "manifest %d names %q with another content", m.Seq, seg.Key)
		}
	}
}

// see notes that a shard knows a page.
func (w *monitor) see(sh *shardWatch, id int) {
	if w.pages[id]&pageSeen != 0 {
		return
	}
	w.pages[id] |= pageSeen
	sh.discovered++
	if w.s.web.kind(id) == trapPage {
		w.pages[id] |= pageOver
		return
	}
	w.join(id)
}

// duplicate notes that the content of a page was archived under another address.
func (w *monitor) duplicate(sh *shardWatch, id int) {
	switch {
	case w.pages[id]&pageSeen == 0:
		w.pages[id] |= pageSeen | pageOver
		sh.discovered++
	case w.pages[id]&(pageArchived|pageOver|pageLeased) == 0:
		w.pages[id] |= pageOver
		w.part(id)
	}
}

// find notes a link, or where a redirect led, of a page that a shard archived.
func (w *monitor) find(sh *shardWatch, shard int, o outNumber) {
	owner := w.owner(o.id)
	switch {
	case owner != shard:
		sh.out[owner] = append(sh.out[owner], o)
	case o.moved:
		w.duplicate(sh, o.id)
	default:
		w.see(sh, o.id)
	}
}

// apply takes in the outcomes of a bundle.
func (w *monitor) apply(sh *shardWatch, shard int, b appliedBundle) {
	pages, open := sh.bundles[b.id]
	if open {
		w.chainOf(b)
	}
	for i, r := range b.results {
		counted := false
		for _, o := range r.Outcomes {
			counted = w.settle(sh, shard, b.id, o) || counted
		}
		if counted && r.Chunk != nil {
			sh.chunked++
			if !w.s.large {
				sh.chunks = append(sh.chunks, r.Chunk.Key)
			}
			if r.Chunk.Key != "chunks/"+b.keys[i] {
				w.report(invRefused, "result %q tells of chunk %q", b.keys[i], r.Chunk.Key)
			}
		}
	}
	for _, p := range pages {
		if w.pages[p.id]&pageLeased != 0 {
			w.pages[p.id] &^= pageLeased
			sh.leased--
		}
		if h := &w.hosts[w.s.web.host(p.id)]; h.bundle == b.id {
			h.bundle = ""
			h.waiting = w.s.now
		}
	}
	delete(sh.bundles, b.id)
}

// chainOf: the results that are taken in of a bundle are those that its attempts committed.
// Where Temporal cannot say which those are, they are the newest attempt's, and of no other.
func (w *monitor) chainOf(b appliedBundle) {
	for i, key := range b.keys {
		r := b.results[i]
		if !slices.Equal(r.Before, b.keys[:i]) || r.Number != i {
			w.report(invRefused, "result %q follows %q, not %q", key, r.Before, b.keys[:i])
		}
		last := b.lost && i == len(b.keys)-1
		if !w.acc[key] && !last {
			w.report(invRefused, "result %q was taken in, and no accepted heartbeat names it", key)
		}
	}
}

// settle takes in an outcome, when its page is in the bundle.
func (w *monitor) settle(sh *shardWatch, shard int, bundle string, o Outcome) bool {
	id, ok := w.leasedPage(sh, bundle, o.FP)
	if !ok {
		return false
	}
	w.pages[id] &^= pageLeased
	sh.leased--
	switch {
	case o.Status == Archived && o.Reason == "":
		if w.pages[id]&(pageArchived|pageOver) != 0 {
			w.report(invOnce, "page %d is archived again", id)
		}
		w.pages[id] |= pageArchived
		sh.archived++
		w.part(id)
		w.follow(sh, shard, id)
	case o.Reason == reasonPoison:
		w.blamed[id] = true
		fallthrough
	case o.Status != Archived && !o.Retry, w.tries[id] == MaxTries-1:
		w.pages[id] |= pageOver
		w.part(id)
	default:
		w.tries[id]++
		w.hosts[w.s.web.host(id)].rests = w.s.now.Add(longestRest)
	}
	return true
}

func (w *monitor) follow(sh *shardWatch, shard, id int) {
	if f := w.s.web.final(id); f != id {
		w.find(sh, shard, outNumber{f, true})
	}
	var buffer [16]int
	for _, l := range w.s.web.links(id, buffer[:0]) {
		w.find(sh, shard, outNumber{l, false})
	}
	if w.s.web.strays(id) {
		sh.strays++
	}
}

// leasedPage is the page of an open bundle with a fingerprint.
func (w *monitor) leasedPage(sh *shardWatch, bundle string, key Fingerprint) (int, bool) {
	for _, p := range sh.bundles[bundle] {
		if p.key == key {
			return p.id, w.pages[p.id]&pageLeased != 0
		}
	}
	return 0, false
}
