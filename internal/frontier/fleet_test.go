package frontier

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// web is a synthetic web: what a page links to, and where it redirects, follows from
// its address.
type web struct {
	seed         uint64
	hosts, pages int
	fanout       int
}

func (w web) url(host, page int) string {
	return fmt.Sprintf("https://h%d.example/p/%d", host, page)
}

func (w web) dice(u string, salt int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %d", w.seed, u, salt)
	return rand.New(rand.NewPCG(h.Sum64(), w.seed))
}

// final is where a page leads: to itself, or now and then to another, which may be one
// that is linked too.
func (w web) final(u string) string {
	r := w.dice(u, 1)
	if r.IntN(8) > 0 {
		return u
	}
	to := w.url(r.IntN(w.hosts), r.IntN(w.pages+w.pages/4))
	if w.dice(to, 1).IntN(8) == 0 {
		return u // no chains
	}
	return to
}

func (w web) links(u string) []string {
	r := w.dice(w.final(u), 2)
	var links []string
	for range r.IntN(w.fanout) {
		links = append(links, w.url(r.IntN(w.hosts), r.IntN(w.pages)))
	}
	return links
}

// fleet is the little that a crawl with limits needs around a frontier, and one whose objects
// get damaged; for all that can go wrong otherwise see sim. It feeds two states the same: one that lives on, and one that is read back
// from the store before each step. They must never differ in a byte.
type fleet struct {
	t     testing.TB
	web   web
	rules *Rules
	r     *rand.Rand
	sizes sizes

	now          time.Time
	store        map[string][]byte
	live, opened *State
	parent       string
	step         int

	open  []visit
	late  []visit // of workers that were taken for dead
	ended map[string]time.Time
	loads int
	fates map[string]string
}

// visit is a bundle that is out.
type visit struct {
	id      string
	results []Result
	end     time.Time
}

func newFleet(t testing.TB, w web, spec Spec, r *rand.Rand, sizes sizes) *fleet {
	t.Helper()
	f := &fleet{
		t: t, web: w, rules: mustRules(t, spec), r: r, sizes: sizes, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
		store: map[string][]byte{}, ended: map[string]time.Time{}, fates: map[string]string{},
	}
	f.live, f.opened = New(f.rules), New(f.rules)
	f.live.LoadWith(f.fetch)
	f.both(func(s *State) error { return s.Add(f.rules.spec.Seeds) })
	f.seal()
	f.step++
	return f
}

func (f *fleet) both(do func(*State) error) {
	f.t.Helper()
	for name, s := range map[string]*State{"live": f.live, "opened": f.opened} {
		if err := do(s); err != nil {
			f.t.Fatalf("step %d, %s: %v", f.step, name, err)
		}
	}
}

// run crawls until nothing is left.
func (f *fleet) run() {
	f.t.Helper()
	for ; !f.live.Idle(); f.step++ {
		if f.step > 100_000 {
			f.t.Fatalf("the crawl does not end: %+v", f.live.Counts())
		}
		f.collect()
		f.plan()
		f.seal()
		f.wait()
	}
}

// wait moves the clock to what happens next.
func (f *fleet) wait() {
	f.t.Helper()
	f.both(func(s *State) error {
		if got, want := s.NextDue(), dueOfAll(s); !got.Equal(want) {
			return fmt.Errorf("the next is due at %s, by all pages at %s", got, want)
		}
		return nil
	})
	next := f.live.NextDue()
	if f.live.Limit() != "" || len(f.open) >= 4 {
		next = time.Time{}
	}
	for _, v := range f.open {
		if next.IsZero() || v.end.Before(next) {
			next = v.end
		}
	}
	if next.After(f.now) {
		f.now = next
	}
}

// dueOfAll is NextDue by a look at every page that is held.
func dueOfAll(s *State) time.Time {
	var next []int64
	ahead := s.horizon().Milliseconds()
	for _, h := range s.hosts {
		if h.bundle == "" && h.queued() > 0 {
			next = append(next, max(h.ready-ahead, 1))
		}
	}
	for _, p := range s.held {
		if h := s.host(p.host); p.Status == Delayed && h.bundle == "" {
			next = append(next, max(p.RetryAt, h.ready-ahead))
		}
	}
	if len(next) == 0 {
		return time.Time{}
	}
	return time.UnixMilli(slices.Min(next)).UTC()
}

// collect takes in bundles whose time has come.
func (f *fleet) collect() {
	for i := len(f.open) - 1; i >= 0; i-- {
		v := f.open[i]
		if v.end.After(f.now) {
			continue
		}
		f.open = slices.Delete(f.open, i, i+1)
		results := v.results
		if f.r.IntN(8) == 0 { // the worker died; what it did after is told late, and is of no account
			results = results[:f.r.IntN(len(results)+1)]
			f.late = append(f.late, v)
		}
		f.both(func(s *State) error { return s.Apply(v.id, results, f.now) })
		for _, r := range results {
			for _, o := range r.Outcomes {
				if o.Status == Archived {
					f.fates[string(o.FP)] += "a"
				}
			}
		}
		if f.r.IntN(4) == 0 { // told twice
			f.both(func(s *State) error { return s.Apply(v.id, results, f.now) })
		}
	}
	if len(f.late) > 0 && f.r.IntN(5) == 0 {
		v := f.late[0]
		f.late = f.late[1:]
		f.both(func(s *State) error { return s.Apply(v.id, v.results, f.now) })
	}
}

// plan hands out bundles, as far as limits let it.
func (f *fleet) plan() {
	f.t.Helper()
	limit := f.live.Limit()
	if limit != "" {
		if f.live.Counts().Leased == 0 {
			f.both(func(s *State) error { s.Finish(limit); return nil })
		}
		return
	}
	slots, prefix := 4-len(f.open), fmt.Sprintf("b%d", f.step)
	bundles := f.live.Choose(f.now, slots, prefix)
	if diff := cmp.Diff(bundles, f.opened.Choose(f.now, slots, prefix)); diff != "" {
		f.t.Fatalf("step %d: the state that was read back chooses otherwise:\n%s", f.step, diff)
	}
	hosts := map[string]bool{}
	for _, b := range bundles {
		if b.Pages() == 0 || b.Pages() > maxBundlePages || len(b.Hosts) > maxBundleHosts {
			f.t.Fatalf("bundle of %d pages on %d hosts", b.Pages(), len(b.Hosts))
		}
		for _, h := range b.Hosts {
			if hosts[h.Key] {
				f.t.Fatalf("host %s is in two bundles", h.Key)
			}
			hosts[h.Key] = true
		}
		f.open = append(f.open, f.visit(b))
	}
}

// visit lets a worker visit a bundle. It stops somewhere now and then.
func (f *fleet) visit(b Bundle) visit {
	f.t.Helper()
	v := visit{id: b.ID, end: f.now}
	for _, h := range b.Hosts {
		at := f.now
		if at.Before(h.Ready) {
			at = h.Ready
		}
		for i, p := range h.Pages {
			if f.r.IntN(15) == 0 {
				break
			}
			if i > 0 {
				at = at.Add(h.Delay)
			}
			if last, ok := f.ended[h.Key]; ok && at.Sub(last) < h.Delay {
				f.t.Fatalf("host %s is visited %v after the last time, not %v", h.Key, at.Sub(last), h.Delay)
			}
			at = at.Add(time.Duration(f.r.IntN(900)) * time.Millisecond)
			f.ended[h.Key] = at
			f.loads++
			if n := len(v.results); n == 0 || len(v.results[n-1].Outcomes) == 3 {
				v.results = append(v.results, Result{Bundle: b.ID, Number: n, Chunk: &Chunk{Key: fmt.Sprintf("%s-%d", b.ID, n), Size: 10}})
			}
			r := &v.results[len(v.results)-1]
			r.Outcomes = append(r.Outcomes, f.load(p, at))
			if r.Outcomes[len(r.Outcomes)-1].Status == Archived {
				r.Chunk.Pages++
			}
		}
		if at.After(v.end) {
			v.end = at
		}
	}
	return v
}

func (f *fleet) load(p BundlePage, at time.Time) Outcome {
	switch r := f.web.dice(p.URL, 10+p.Tries); {
	case p.Tries < 2 && r.IntN(12) == 0:
		return Outcome{FP: p.FP, Status: Failed, Reason: "ConnectFailed", Retry: true, Ended: at}
	case p.Tries < 2 && r.IntN(12) == 0:
		return Outcome{FP: p.FP, Status: Failed, Reason: "BrowserCrashed", Retry: true, Ended: at}
	}
	links := append(f.web.links(p.URL), "mailto:someone@example.org", "https://elsewhere.example/", p.URL+"#part")
	return Outcome{FP: p.FP, Status: Archived, Ended: at, Final: f.web.final(p.URL), Links: links}
}

// seal stores the step and compares the two states.
func (f *fleet) seal() {
	f.t.Helper()
	key := fmt.Sprintf("seg/%d", f.step)
	var stored []byte
	for i, s := range []*State{f.live, f.opened} {
		s.sizes = f.sizes
		m, objects, err := s.Seal("run", "nonce", f.parent, key, nil)
		if err != nil {
			f.t.Fatalf("step %d: %v", f.step, err)
		}
		data, err := json.Marshal(m)
		if err != nil {
			f.t.Fatal(err)
		}
		if i == 0 {
			stored = data
			for _, o := range objects {
				f.store[o.Key] = o.Data
			}
			continue
		}
		if !bytes.Equal(stored, data) {
			f.t.Fatalf("step %d: the manifest of the state that was read back differs:\n%s\n%s", f.step, stored, data)
		}
		for _, o := range objects {
			if !bytes.Equal(o.Data, f.store[o.Key]) {
				f.t.Fatalf("step %d: segment %s differs", f.step, o.Key)
			}
		}
	}
	f.parent = Hash(stored)
	m, err := DecodeManifest(stored)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, seg := range m.Segments() {
		if f.store[seg.Key] == nil {
			f.t.Fatalf("step %d: the manifest names %s, which is not stored", f.step, seg.Key)
		}
	}
	f.opened = f.reopen(m)
	if f.step%10 == 0 {
		if err := f.reopen(m).Recount(); err != nil {
			f.t.Fatalf("step %d: %v", f.step, err)
		}
	}
}

func (f *fleet) reopen(m Manifest) *State {
	f.t.Helper()
	s, err := Open(f.rules, m, f.fetch)
	if err != nil {
		f.t.Fatalf("step %d: %v", f.step, err)
	}
	return s
}

func (f *fleet) fetch(key string) ([]byte, error) {
	if data, ok := f.store[key]; ok {
		return data, nil
	}
	return nil, errors.New("not found")
}

func mustRules(t testing.TB, s Spec) *Rules {
	t.Helper()
	r, err := NewRules(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
