package frontier

import (
	"container/heap"
	"slices"
	"strings"
	"testing"
	"time"
)

// breakable is a crawl that is checked at every step, in which nothing goes wrong by itself.
func breakable() simConfig {
	return simConfig{
		web: simWeb{seed: 5, pages: 800, hosts: 24, skew: 1, fanout: 4}, shards: 1, delay: time.Second, recount: 1,
		sizes: sizes{fold: 100, deltas: 4, merge: 200, runs: 4},
	}
}

// once makes something happen one time, when it can: do tells whether it did.
func once(do func(st *State) bool) func(*State) {
	done := false
	return func(st *State) { done = done || do(st) }
}

// firstHost is the host, by its name, for which is holds.
func firstHost(st *State, is func(h *host) bool) *host {
	var found *host
	for _, h := range st.hosts {
		if is(h) && (found == nil || h.key < found.key) {
			found = h
		}
	}
	return found
}

// onlyLink is a page with a link to one that nothing else leads to.
func onlyLink(w *simWeb) (page, link int) {
	from := map[int][]int{}
	seen, _ := w.walk(func(int) bool { return false })
	for id := range w.pages {
		if !seen[id] || !w.simple(id) {
			continue
		}
		if f := w.final(id); f != id {
			from[f] = append(from[f], -1)
		}
		for _, l := range w.links(id, nil) {
			from[l] = append(from[l], id)
		}
	}
	for id := simSeeds; id < w.pages; id++ {
		if len(from[id]) == 1 && from[id][0] >= 0 && from[id][0] != id && w.kind(id) != trapPage {
			return from[id][0], id
		}
	}
	panic("there is none")
}

// TestInvariantsAreWatched breaks each invariant on purpose. A simulation that does not
// notice would prove nothing.
func TestInvariantsAreWatched(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		invariant string
		shatter   func(c *simConfig, s **sim)
	}{
		"HostInTwoBundles": {invBundle, func(c *simConfig, _ **sim) {
			c.hooks.turn = once(func(st *State) bool {
				h := firstHost(st, func(h *host) bool { return h.bundle != "" && h.queued() > 0 })
				if h == nil {
					return false
				}
				h.bundle = ""
				st.touch(h)
				return true
			})
		}},
		"BundleTwice": {invBundle, func(c *simConfig, _ **sim) {
			c.hooks.bundles = func(b []Bundle) []Bundle {
				if len(b) > 1 {
					b[1].Hosts = append(b[1].Hosts, b[0].Hosts[0])
				}
				return b
			}
		}},
		"OutlinkForgotten": {invOutlinks, func(c *simConfig, _ **sim) {
			page, link := onlyLink(&c.web)
			c.hooks.outcome = func(id int, o *Outcome) {
				if id == page {
					o.Links = slices.DeleteFunc(o.Links, func(l string) bool { return l == c.web.url(link) })
				}
			}
		}},
		"OutlinksNotSent": {invOutlinks, func(c *simConfig, _ **sim) {
			c.shards = 2
			c.hooks.turn = once(func(st *State) bool { n := len(st.out); clear(st.out); return n > 0 })
		}},
		"ExchangePassedOver": {invOutlinks, func(c *simConfig, _ **sim) {
			c.shards = 2
			c.hooks.turn = once(func(st *State) bool {
				other := 1 - st.manifest.Shard
				if st.applied[other] == 0 || st.Seq() < 9 {
					return false
				}
				st.applied[other]++
				return true
			})
		}},
		"ExchangeTwice": {invOutlinks, func(c *simConfig, _ **sim) {
			c.shards = 2
			c.hooks.turn = once(func(st *State) bool {
				other := 1 - st.manifest.Shard
				if st.applied[other] < 2 || st.Seq() < 9 {
					return false
				}
				st.applied[other]--
				return true
			})
		}},
		"OutcomeTwice": {invOnce, func(c *simConfig, _ **sim) {
			c.hooks.state = once(func(st *State) bool {
				st.counts.Archived++
				st.counts.Discovered++
				return true
			})
		}},
		"ChunkTwice": {invOnce, func(c *simConfig, _ **sim) {
			c.hooks.state = once(func(st *State) bool {
				if len(st.chunks) == 0 {
					return false
				}
				st.chunks = append(st.chunks, st.chunks[0])
				st.counts.Chunks++
				st.changed.chunks++
				st.unfolded.chunks++
				return true
			})
		}},
		"ArchivedPageAgain": {invBooks, func(c *simConfig, s **sim) {
			c.hooks.turn = once(func(st *State) bool {
				id := slices.IndexFunc((*s).watch.pages, func(b pageBits) bool { return b&pageArchived != 0 })
				if id < 0 {
					return false
				}
				p := &Page{URL: (*s).web.url(id), Status: Queued}
				st.insert(p)
				st.order--
				st.counts.Discovered--
				st.counts.Archived--
				return true
			})
		}},
		"PageLost": {invBooks, func(c *simConfig, _ **sim) {
			c.hooks.state = once(func(st *State) bool {
				h := firstHost(st, func(h *host) bool { return h.stored > 0 && h.bundle == "" })
				if h == nil {
					return false
				}
				h.stored--
				st.counts.Queued--
				st.counts.Failed["Invented"]++
				st.touch(h)
				return true
			})
		}},
		"BooksDoNotAddUp": {invBooks, func(c *simConfig, _ **sim) {
			c.hooks.manifest = func(m *Manifest) { m.Counts.Discovered += m.Seq / 5 }
		}},
		"DroppedForNoReason": {invReasons, func(c *simConfig, _ **sim) {
			c.hooks.state = once(func(st *State) bool {
				h := firstHost(st, func(h *host) bool { return h.stored > 0 && h.bundle == "" })
				if h == nil {
					return false
				}
				st.drop(h, " ")
				return true
			})
		}},
		"ManifestLeftOut": {invChain, func(c *simConfig, _ **sim) {
			c.hooks.manifest = func(m *Manifest) {
				if m.Seq == 7 {
					m.Seq = 8
				}
			}
		}},
		"OtherParent": {invChain, func(c *simConfig, _ **sim) {
			c.hooks.manifest = func(m *Manifest) {
				if m.Seq == 7 {
					m.Parent = Hash(nil)
				}
			}
		}},
		"SegmentMissing": {invExists, func(c *simConfig, s **sim) {
			c.hooks.stored = func(key string) {
				if strings.HasPrefix(key, "0/q/9-") {
					(*s).store.remove(key)
				}
			}
		}},
		"SegmentDiffers": {invExists, func(c *simConfig, _ **sim) {
			c.hooks.manifest = func(m *Manifest) {
				if len(m.Deltas) == 3 {
					m.Deltas = slices.Clone(m.Deltas)
					m.Deltas[2].SHA256 = Hash(nil)
				}
			}
		}},
		"BundleMissing": {invExists, func(c *simConfig, s **sim) {
			c.hooks.stored = func(key string) {
				if strings.HasPrefix(key, "0/b/s0b5-") {
					(*s).store.remove(key)
				}
			}
		}},
		"ResultMissing": {invExists, func(c *simConfig, s **sim) {
			c.hooks.stored = func(key string) {
				if strings.HasPrefix(key, "0/r/s0b5-") {
					(*s).store.remove(key)
				}
			}
		}},
		"ChunkMissing": {invExists, func(c *simConfig, s **sim) {
			c.hooks.stored = func(key string) {
				if strings.HasPrefix(key, "chunks/0/r/s0b5-") {
					(*s).store.remove(key)
				}
			}
		}},
		"ExchangeMissing": {invExists, func(c *simConfig, s **sim) {
			c.shards = 2
			c.hooks.stored = func(key string) {
				if strings.HasPrefix(key, "x/") {
					(*s).store.remove(key)
				}
			}
		}},
		"RefusedAttempt": {invRefused, func(c *simConfig, s **sim) {
			c.faults.bundle = 2
			c.hooks.results = func(bundle string, keys []string) []string {
				for _, key := range (*s).store.results[bundle] {
					r := (*s).store.objects[key].value.(*Result)
					if !(*s).watch.acc[key] && len(keys) > 0 {
						return append(slices.Clone(r.Before), key)
					}
				}
				return keys
			}
		}},
		"TwoAttemptsTogether": {invRefused, func(c *simConfig, s **sim) {
			c.faults.bundle = 2
			c.hooks.results = func(bundle string, _ []string) []string { return (*s).store.results[bundle] }
		}},
		"EndsTooEarly": {invDone, func(c *simConfig, s **sim) {
			c.shards = 2
			c.hooks.over = func() bool { return (*s).watch.manifests > 30 }
		}},
		"DoesNotEnd": {invEnds, func(c *simConfig, _ **sim) {
			c.hooks.state = func(st *State) {
				for len(st.due) > 0 {
					heap.Pop(&st.due)
				}
			}
		}},
		"HostStarves": {invStarve, func(c *simConfig, _ **sim) {
			c.web.pages = 12_000
			c.delay, c.recount = 0, 0
			c.hooks.turn = func(st *State) {
				h := st.hosts["h3.example"]
				if h != nil && h.bundle == "" && h.visited > 0 {
					h.ready = millis(st.now.Add(time.Hour))
					st.touch(h)
				}
			}
		}},
		"NoPause": {invPolite, func(c *simConfig, _ **sim) { c.hooks.ignored.rest = true }},
		"NoPauseAsked": {invPolite, func(c *simConfig, _ **sim) {
			c.hooks.bundles = func(list []Bundle) []Bundle {
				for i := range list {
					list[i].Hosts[0].Delay = 0
				}
				return list
			}
		}},
		"BundlesTooSoon": {invPolite, func(c *simConfig, _ **sim) {
			c.hooks.turn = func(st *State) {
				for _, h := range st.hosts {
					h.ready = 0
				}
				heap.Init(&st.due)
			}
		}},
		"PauseNotObeyed": {invPause, func(c *simConfig, _ **sim) {
			c.delay, c.faults.pause, c.hooks.ignored.pause = 5*time.Second, 20*time.Second, true
		}},
		"PoisonNotBlamed": {invPoison, func(c *simConfig, _ **sim) {
			c.web.poison, c.hooks.ignored.blame = 100, true
		}},
		"NeighbourBlamed": {invPoison, func(c *simConfig, _ **sim) {
			c.web.poison, c.faults.bundle, c.hooks.ignored.quarantine = 40, 0, true
		}},
		"HistoryTooLong": {invHistory, func(c *simConfig, _ **sim) {
			c.web.pages, c.recount, c.hooks.ignored.renew = 6000, 0, true
		}},
		"TooManyActions": {invActions, func(c *simConfig, _ **sim) {
			c.hooks.turn = func(st *State) { // bundles never grow
				for _, h := range st.hosts {
					h.failures = 1
				}
			}
		}},
		"TooManyCalls": {invCalls, func(c *simConfig, _ **sim) { c.hooks.ignored.pack = true }},
		"PageNotVisited": {invSet, func(c *simConfig, _ **sim) {
			c.hooks.outcome = func(id int, o *Outcome) {
				if id < 20 && id >= simSeeds {
					*o = Outcome{FP: o.FP, Status: Failed, Reason: "Invented", Ended: o.Ended}
				}
			}
		}},
		"TwoMinds": {invTwin, func(c *simConfig, _ **sim) {
			c.twin = 1
			n := int64(0)
			c.hooks.turn = func(st *State) {
				if h := firstHost(st, func(h *host) bool { return h.place >= 0 }); h != nil {
					n++
					h.ready += n
					st.touch(h)
				}
			}
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := breakable()
			c.budget = smallBudget
			var s *sim
			tc.shatter(&c, &s)
			s = newSim(c)
			s.crawl()
			var others []violation
			for _, v := range s.watch.violations {
				if v.invariant == tc.invariant {
					t.Logf("%s: %s", v.invariant, v.detail)
					return
				}
				others = append(others, v)
			}
			t.Errorf("%q was broken, and not reported; reported were %q", tc.invariant, others)
		})
	}
}

// smallBudget is what 1,000 pages of so small a crawl may cost: its bundles are small too.
var smallBudget = simBudget{actions: 1200, calls: 3500}

// TestUnbroken is the crawl of TestInvariantsAreWatched with nothing broken.
func TestUnbroken(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{1, 2} {
		c := breakable()
		c.shards, c.twin = shards, 1
		if shards == 1 {
			c.budget = smallBudget
		}
		s := newSim(c)
		s.crawl()
		s.check(t)
		t.Logf("%d shards, %d pages: for 1,000 pages %d actions, %d heartbeats, %d store calls", shards, s.watch.loads,
			perThousand(s.actions.billed(), s.watch.loads), perThousand(s.actions.heartbeats, s.watch.loads), perThousand(s.store.puts+s.store.gets, s.watch.loads))
	}
}
