package frontier

import (
	"slices"
)

// end compares the end of a crawl with a plain walk, and every shard's books with what is
// stored.
func (w *monitor) end() {
	s := w.s
	got := make([]uint8, s.web.addresses())
	for i, b := range w.pages {
		if b&pageArchived != 0 {
			got[i]++
		}
	}
	for shard, sh := range w.shards {
		w.endShard(shard, sh, got)
	}
	want, count := s.web.walk(func(id int) bool { return w.blamed[id] })
	missing, extra, twice := 0, 0, 0
	for id, n := range got {
		switch {
		case want[id] && n == 0:
			missing++
		case !want[id] && n > 0:
			extra++
		case n > 1:
			twice++
		}
	}
	if missing+extra+twice > 0 {
		w.report(invSet, "of %d pages that a walk finds %d have no outcome, %d have two, and %d others have one", count, missing, twice, extra)
	}
	for id := range w.blamed {
		if s.web.kind(id) != poisonPage && s.faults.bundle == 0 {
			w.report(invPoison, "page %d is failed as poison", id)
		}
	}
	w.effort()
}

// endShard counts the outcomes of a shard's pages that were not archived.
func (w *monitor) endShard(shard int, sh *shardWatch, got []uint8) {
	s := w.s
	st, err := s.reopen(shard, sh.seq)
	if err == nil {
		err = st.Recount()
	}
	if err != nil {
		w.report(nameOf(err), "shard %d at the end: %v", shard, err)
		return
	}
	if c := st.Counts(); !st.Idle() || sh.leased > 0 || len(sh.bundles) > 0 {
		w.report(invDone, "shard %d at the end: %+v, %d bundles open", shard, c, len(sh.bundles))
	}
	for from, sent := range sh.sent {
		if len(sent) > 0 {
			w.report(invDone, "shard %d has not taken in exchange %d of shard %d", shard, sent[0].seq, from)
		}
	}
	byReason := map[string]int64{}
	err = st.Log(func(p Page) bool {
		if p.Reason == "" {
			w.report(invReasons, "page %s has status %q for no reason", p.URL, p.Status)
		}
		byReason[string(p.Status)+":"+p.Reason]++
		if id := s.web.id(p.URL); id >= 0 && s.web.url(id) == p.URL {
			got[id]++
		} else {
			w.report(invSet, "page %s is none of this web", p.URL)
		}
		return true
	})
	if err != nil {
		w.report(nameOf(err), "log of shard %d: %v", shard, err)
	}
	c := st.Counts()
	for status, books := range map[Status]map[string]int64{Failed: c.Failed, Skipped: c.Skipped} {
		for reason, n := range books {
			if byReason[string(status)+":"+reason] != n {
				w.report(invReasons, "shard %d: %d pages are dropped for %q, the log has %d", shard, n, reason, byReason[string(status)+":"+reason])
			}
		}
	}
	chunks := st.Chunks()
	if !s.large && !slices.EqualFunc(chunks, sh.chunks, func(c Chunk, key string) bool { return c.Key == key }) {
		w.report(invRefused, "shard %d names %d chunks, %d were committed", shard, len(chunks), len(sh.chunks))
	}
	pages := 0
	for _, c := range chunks {
		if _, ok := s.store.objects[c.Key]; !ok && !s.large {
			w.report(invExists, "chunk %q is not stored", c.Key)
		}
		pages += c.Pages
	}
	if int64(pages) != c.Archived {
		w.report(invOnce, "shard %d: %d pages are archived, the chunks hold %d", shard, c.Archived, pages)
	}
}

// effort compares what a crawl cost Temporal and the store with the budget.
func (w *monitor) effort() {
	s := w.s
	for _, f := range s.flows {
		if f.mostEvents >= 10_240 {
			w.report(invHistory, "shard %d had a history of %d events", f.shard, f.mostEvents)
		}
	}
	if s.budget.calls == 0 {
		return
	}
	if n := perThousand(s.actions.billed(), w.loads); n > s.budget.actions {
		w.report(invActions, "%d actions for 1,000 pages, and %d heartbeats", n, perThousand(s.actions.heartbeats, w.loads))
	}
	if n := perThousand(s.store.puts+s.store.gets+s.store.lists, w.loads); n > s.budget.calls {
		w.report(invCalls, "%d calls for 1,000 pages", n)
	}
}

func perThousand(n, pages int64) int64 { return n * 1000 / max(pages, 1) }

// billed are the actions of Temporal without heartbeats.
func (a simActions) billed() int64 {
	return a.plans + a.bundles + a.retries + a.signals + a.timers + a.runs
}

// discovered is how many pages are known.
func (w *monitor) discovered() (n int64) {
	for _, sh := range w.shards {
		n += sh.discovered
	}
	return n
}
