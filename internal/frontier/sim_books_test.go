package frontier

import (
	"slices"
	"sort"
	"strings"
	"time"
)

// join and part keep count of the pages of a host that are to be visited.
func (w *monitor) join(id int) {
	h := &w.hosts[w.s.web.host(id)]
	if h.open++; h.open == 1 && h.bundle == "" {
		h.waiting = w.s.now
	}
}

func (w *monitor) part(id int) { w.hosts[w.s.web.host(id)].open-- }

// arrivals takes in what a step took in of other shards.
func (w *monitor) arrivals(sh *shardWatch, r *stepRecord) {
	for from, seq := range r.manifest.Applied {
		if seq < sh.applied[from] {
			w.report(invOutlinks, "shard %d has taken in exchange %d of shard %d, and before %d", r.shard, seq, from, sh.applied[from])
		}
		if seq == sh.applied[from] {
			continue
		}
		sent := sh.sent[from]
		for len(sent) > 0 && sent[0].seq <= seq {
			for _, o := range sent[0].pages {
				if o.moved {
					w.duplicate(sh, o.id)
				} else {
					w.see(sh, o.id)
				}
			}
			sh.taken = append(sh.taken, sent[0].key)
			sent = sent[1:]
		}
		sh.sent[from], sh.applied[from] = sent, seq
	}
}

// send notes what a step sent to other shards: all that it found of theirs.
func (w *monitor) send(sh *shardWatch, r *stepRecord) {
	parts := 0
	for to, pages := range sh.out {
		if len(pages) == 0 {
			continue
		}
		parts++
		if r.exchange == nil || !slices.ContainsFunc(r.exchange.Parts, func(p Part) bool { return p.To == to }) {
			w.report(invOutlinks, "shard %d found %d links of shard %d and did not send them", r.shard, len(pages), to)
			continue
		}
		other := w.shards[to]
		other.sent[r.shard] = append(other.sent[r.shard], sentNumbers{r.exchange.Seq, r.exchange.Key, pages})
	}
	clear(sh.out)
	if r.exchange == nil {
		return
	}
	w.takers[r.exchange.Key] = parts
	if len(r.exchange.Parts) != parts {
		w.report(invOutlinks, "shard %d sent %d parts, and found links of %d shards", r.shard, len(r.exchange.Parts), parts)
	}
	if _, ok := w.s.store.objects[r.exchange.Key]; !ok {
		w.report(invExists, "exchange %q is not stored", r.exchange.Key)
	}
}

// handOut takes in the bundles of a step.
func (w *monitor) handOut(sh *shardWatch, r *stepRecord) {
	for i, b := range r.bundles {
		if b.Pages() == 0 || b.Pages() > maxBundlePages || len(b.Hosts) > maxBundleHosts {
			w.report(invBundle, "bundle %s has %d pages on %d hosts", b.ID, b.Pages(), len(b.Hosts))
		}
		if _, again := sh.bundles[b.ID]; again {
			w.report(invBundle, "there are two bundles %s", b.ID)
		}
		w.inputs[b.ID] = r.inputs[i].Key
		for _, bh := range b.Hosts {
			w.handOutHost(sh, r.bundles[i].ID, bh)
		}
	}
}

func (w *monitor) handOutHost(sh *shardWatch, bundle string, bh BundleHost) {
	host := -1
	for _, p := range bh.Pages {
		id := w.s.web.id(p.URL)
		if id < 0 || w.pages[id]&pageSeen == 0 {
			w.report(invBooks, "%s is handed out and was never seen", p.URL)
			return
		}
		if p.Tries != w.tries[id] {
			w.report(invOnce, "page %d is handed out for the %d. time, and was tried %d times", id, p.Tries+1, w.tries[id])
		}
		if w.pages[id]&pageLeased != 0 {
			w.report(invBundle, "page %d is in two bundles", id)
		}
		if w.pages[id]&(pageArchived|pageOver) != 0 {
			w.report(invBooks, "page %d is handed out and has a final outcome", id)
		}
		w.pages[id] |= pageLeased
		sh.leased++
		sh.bundles[bundle] = append(sh.bundles[bundle], watchedPage{p.FP, id})
		host = w.s.web.host(id)
	}
	if host < 0 {
		return
	}
	h := &w.hosts[host]
	if h.bundle != "" {
		w.report(invBundle, "host %s is in the bundles %s and %s", bh.Key, h.bundle, bundle)
	}
	if bh.Delay < w.s.delay {
		w.report(invPolite, "host %s is to be visited every %v", bh.Key, bh.Delay)
	}
	if n := sh.since(w.ready(h, bh.Ready)); n > w.patience() {
		w.report(invStarve, "host %s waited while %d others had their turn, of %d hosts", bh.Key, n, len(w.hosts))
	}
	h.bundle, h.waiting = bundle, time.Time{}
	n := 1
	if last := len(sh.turns) - 1; last >= 0 {
		n += sh.turns[last].count
	}
	if len(sh.turns) == 1<<16 { // who waits for longer than half of them is told of before
		sh.turns = slices.Clone(sh.turns[1<<15:])
	}
	sh.turns = append(sh.turns, turn{w.s.now, n})
}

// longestRest is the longest that a host rests in a simulated web: after failures.
const longestRest = 6 * time.Minute

// ready is when a host could be handed out at the latest.
func (w *monitor) ready(h *hostWatch, said time.Time) time.Time {
	if latest := h.waiting.Add(longestRest); said.After(latest) {
		said = latest
	}
	for _, t := range []time.Time{h.waiting, h.rests} {
		if t.After(said) {
			said = t
		}
	}
	return said
}

// since is how many hosts were handed out since a time.
func (sh *shardWatch) since(at time.Time) int {
	if len(sh.turns) == 0 {
		return 0
	}
	i := sort.Search(len(sh.turns), func(i int) bool { return sh.turns[i].at.After(at) })
	before := sh.turns[0].count - 1
	if i > 0 {
		before = sh.turns[i-1].count
	}
	return sh.turns[len(sh.turns)-1].count - before
}

// patience is how many others may have their turn while a host waits: each once, and
// those that are handed out with it.
func (w *monitor) patience() int { return len(w.hosts) + maxBundleHosts }

// starving looks for hosts that are never handed out.
func (w *monitor) starving(shard int, sh *shardWatch) {
	for host := range w.hosts {
		h := &w.hosts[host]
		if h.open == 0 || h.bundle != "" || h.waiting.IsZero() || w.s.web.mood(host) == deadHost {
			continue // (of a host that does not answer the frontier drops pages by itself)
		}
		if w.s.shards > 1 && ShardOf(string(appendHost(nil, host)), w.s.shards) != shard {
			continue
		}
		if n := sh.since(w.ready(h, h.waiting.Add(longestRest))); n > w.patience() {
			w.report(invStarve, "host %d waits while %d others had their turn, of %d hosts", host, n, len(w.hosts))
		}
	}
}

// compare compares a manifest's books with those of the monitor.
func (w *monitor) compare(sh *shardWatch, r *stepRecord) {
	c := &r.manifest.Counts
	if err := c.check(); err != nil {
		w.report(invBooks, "manifest %d of shard %d: %v", r.manifest.Seq, r.shard, err)
	}
	if c.Discovered != sh.discovered {
		w.report(invOutlinks, "manifest %d of shard %d has discovered %d pages, %d are known", r.manifest.Seq, r.shard, c.Discovered, sh.discovered)
	}
	if c.Archived != sh.archived {
		w.report(invOnce, "manifest %d of shard %d has %d archived pages, %d were committed", r.manifest.Seq, r.shard, c.Archived, sh.archived)
	}
	if c.Leased != sh.leased {
		w.report(invBooks, "manifest %d of shard %d has %d leased pages, %d are in bundles", r.manifest.Seq, r.shard, c.Leased, sh.leased)
	}
	if c.Chunks != sh.chunked {
		w.report(invOnce, "manifest %d of shard %d has %d chunks, %d were committed", r.manifest.Seq, r.shard, c.Chunks, sh.chunked)
	}
	if c.Ignored[reasonOutOfScope] != sh.strays || c.Ignored[reasonUnsupportedScheme] != sh.strays {
		w.report(invOutlinks, "manifest %d of shard %d has ignored %v, %d links lead out", r.manifest.Seq, r.shard, c.Ignored, sh.strays)
	}
	for _, books := range []map[string]int64{c.Failed, c.Skipped} {
		for reason, n := range books {
			if reason == "" || n < 0 || strings.TrimSpace(reason) != reason {
				w.report(invReasons, "manifest %d of shard %d drops %d pages for %q", r.manifest.Seq, r.shard, n, reason)
			}
		}
	}
	if r.manifest.Seq%64 == 63 {
		w.starving(r.shard, sh)
	}
}

// recount compares the books of a manifest with every row that is stored of it.
func (w *monitor) recount(shard int, seq int64) {
	st, err := w.s.reopen(shard, seq)
	if err == nil {
		st.sizes = w.s.sizes
		err = st.Recount()
	}
	if err != nil {
		w.report(nameOf(err), "recount manifest %d of shard %d: %v", seq, shard, err)
	}
}

// keptManifests is how many manifests the store keeps, and what they name: as many as the
// fleet's own sweep.
const keptManifests = 20

// keptFor is how long they are kept where a shard may be reset: attempts at old bundles begin
// anew then.
const keptFor = 40 * time.Minute

// forget removes what nothing can need any more, so that memory is bounded: what is still
// asked for was removed too early.
func (w *monitor) forget(sh *shardWatch, r *stepRecord) {
	k := keptManifest{at: r.at, key: manifestKey(r.shard, r.manifest.Seq), segments: r.manifest.Segments()}
	for _, b := range r.applied {
		k.bundles = append(k.bundles, b.id)
	}
	k.others, sh.taken = sh.taken, nil
	sh.kept = append(sh.kept, k)
	for len(sh.kept) > keptManifests && (w.s.large || r.at.Sub(sh.kept[0].at) > keptFor) {
		w.drop(sh, r)
	}
}

// drop forgets the oldest manifest.
func (w *monitor) drop(sh *shardWatch, r *stepRecord) {
	st := w.s.store
	old, next := sh.kept[0], sh.kept[1]
	sh.kept = sh.kept[1:]
	// An attempt that stood still for minutes must find its place taken (the fleet's sweep
	// leaves everything for three days).
	seq := r.manifest.Seq - int64(len(sh.kept))
	o := st.objects[old.key]
	st.objects[old.key] = simObject{value: &stepRecord{manifest: Manifest{Output: o.value.(*stepRecord).manifest.Output}}}
	st.remove(manifestKey(r.shard, seq-1000))
	for _, seg := range old.segments {
		if !slices.ContainsFunc(next.segments, func(s Segment) bool { return s.Key == seg.Key }) {
			st.remove(seg.Key)
		}
	}
	for _, key := range old.others {
		if w.takers[key]--; w.takers[key] == 0 {
			delete(w.takers, key)
			st.remove(key)
		}
	}
	for _, bundle := range old.bundles {
		st.remove(w.inputs[bundle])
		delete(w.inputs, bundle)
		for _, key := range st.results[bundle] {
			st.remove(key)
			delete(w.acc, key)
		}
		delete(st.results, bundle)
	}
}

// loaded takes in the page loads of an attempt that ended at a time.
func (w *monitor) loaded(a *bundleAttempt, at time.Time) {
	f := a.task.flow
	for _, l := range a.loads {
		if l.given != "" || !l.start.Before(at) {
			continue
		}
		w.loads++
		h := &w.hosts[l.host]
		delay := max(w.s.delay, w.s.web.asks(l.host))
		if l.start.Before(h.ended.Add(delay)) && !h.ended.IsZero() && l.start.After(w.shards[f.shard].excused) {
			w.report(invPolite, "bundle %s, attempt %d: host %d is asked %v after the last time, not %v", a.task.ref.ID, a.number, l.host, l.start.Sub(h.ended), delay)
		}
		end := l.end
		if end.After(at) {
			end = at
		}
		if end.After(h.ended) {
			h.ended = end
		}
		most := simBeat + 3*time.Second
		if !a.silent.IsZero() { // it does not hear of the pause, and stops when its lease lapses
			most = simLease
		}
		if since := w.shards[f.shard].paused; !since.IsZero() && l.start.After(since.Add(most)) {
			w.report(invPause, "page %d is loaded %v after the pause began", l.id, l.start.Sub(since))
		}
		if w.s.web.kind(l.id) == poisonPage {
			key := deadlyPage{a.task, l.id}
			if w.deadly[key]++; w.deadly[key] > simPoisonDeaths+1 { // the first may not have been told of
				w.report(invPoison, "page %d is loaded for the %d. time in a bundle", l.id, w.deadly[key])
			}
		}
	}
}

// replaying notes that a shard was taken back, or has come as far again: a reset takes back
// the workflow, not the workers, and what was handed out is handed out again. Meanwhile two
// attempts may visit a host, which a person who resets a workflow has to know.
func (w *monitor) replaying(shard int, on bool) {
	sh := w.shards[shard]
	if on {
		sh.excused = w.s.now.Add(365 * 24 * time.Hour)
	} else {
		sh.excused = w.s.now.Add(simBeat + simHeartbeat + w.s.delay)
	}
}

func (w *monitor) paused(shard int, on bool) {
	sh := w.shards[shard]
	if sh.paused = (time.Time{}); on {
		sh.paused = w.s.now
	}
}
