package frontier

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// web is a synthetic web: which pages a page links to follows from its address.
type web struct {
	seed         uint64
	hosts, pages int
}

func (w web) url(host, page int) string {
	return fmt.Sprintf("https://h%d.example/p/%d", host, page)
}

func (w web) links(u string) []string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", w.seed, u)
	r := rand.New(rand.NewPCG(h.Sum64(), w.seed))
	var links []string
	for range r.IntN(8) {
		links = append(links, w.url(r.IntN(w.hosts), r.IntN(w.pages)))
	}
	return append(links, "mailto:someone@example.org", u+"#part")
}

// bfs walks the web without any of the frontier's means.
func (w web) bfs(seeds []string) map[string]bool {
	seen := map[string]bool{}
	todo := slices.Clone(seeds)
	for len(todo) > 0 {
		u := todo[0]
		todo = todo[1:]
		if seen[u] {
			continue
		}
		seen[u] = true
		links := w.links(u)
		todo = append(todo, links[:len(links)-2]...)
	}
	return seen
}

func mustRules(t testing.TB, s Spec) *Rules {
	t.Helper()
	r, err := NewRules(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// crawl runs a frontier against a web under a virtual clock: bundles come back in any
// order, some are lost, some pages fail first, and after every step the state is read
// back from what was stored.
func crawl(t testing.TB, w web, spec Spec, r *rand.Rand) (archived map[string]int, last *State) {
	t.Helper()
	store := map[string][]byte{}
	load := func(key string) ([]byte, error) { return store[key], nil }
	rules := mustRules(t, spec)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	archived = map[string]int{}
	lastLoad := map[string]time.Time{}
	var open []Bundle
	s := New(rules)
	if err := s.Add(spec.Seeds); err != nil {
		t.Fatal(err)
	}
	parent := ""
	for step := 0; ; step++ {
		if step > 20000 {
			t.Fatal("the crawl does not end")
		}
		for len(open) > 0 && r.IntN(3) > 0 {
			i := r.IntN(len(open))
			b := open[i]
			open = slices.Delete(open, i, i+1)
			results, end := visit(t, w, b, now, r, archived, lastLoad)
			now = end
			for range 1 + r.IntN(2) { // told twice now and then
				if err := s.Apply(b.ID, results, now); err != nil {
					t.Fatal(err)
				}
			}
		}
		limit := s.Limit()
		if limit != "" && s.Counts().Leased == 0 {
			s.Finish(limit)
		}
		if limit == "" {
			open = append(open, s.Choose(now, 4-len(open), fmt.Sprint(step))...)
		}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		m, objects, err := s.Seal("run", fmt.Sprint(step), parent, fmt.Sprintf("seg/%d", step), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			store[o.Key] = o.Data
		}
		stored, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		parent = Hash(stored)
		again, err := Open(rules, m, load)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.Chunks(), again.Chunks()); diff != "" {
			t.Fatalf("chunks that were read back differ:\n%s", diff)
		}
		if diff := cmp.Diff(s.Counts(), again.Counts()); diff != "" {
			t.Fatalf("what was read back differs:\n%s", diff)
		}
		s = again
		if s.Idle() {
			return archived, s
		}
		if next := s.NextDue(); len(open) == 0 && next.After(now) {
			now = next
		}
	}
}

func visit(t testing.TB, w web, b Bundle, now time.Time, r *rand.Rand, archived map[string]int, lastLoad map[string]time.Time) ([]Result, time.Time) {
	t.Helper()
	result := Result{Version: 1, Bundle: b.ID, Chunk: &Chunk{Key: b.ID, Size: 10}}
	for _, h := range b.Hosts {
		if now.Before(h.Ready) {
			now = h.Ready
		}
		for i, p := range h.Pages {
			if r.IntN(10) == 0 {
				break // the worker was stopped here
			}
			if i > 0 {
				now = now.Add(h.Delay)
			}
			if last, ok := lastLoad[h.Key]; ok && now.Sub(last) < h.Delay {
				t.Fatalf("host %s is visited after %v", h.Key, now.Sub(last))
			}
			now = now.Add(time.Duration(r.IntN(900)) * time.Millisecond)
			lastLoad[h.Key] = now
			if p.Tries < 2 && r.IntN(10) == 0 {
				result.Outcomes = append(result.Outcomes, Outcome{FP: p.FP, Status: Failed, Reason: "DNSFailed", Retry: true, Ended: now})
				continue
			}
			archived[p.URL]++
			result.Outcomes = append(result.Outcomes, Outcome{FP: p.FP, Status: Archived, Ended: now, Links: w.links(p.URL)})
		}
	}
	return []Result{result}, now
}

func TestEveryPageOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := web{seed: seed, hosts: 5, pages: 40}
			seeds := []string{w.url(0, 0), w.url(1, 1)}
			spec := Spec{Scope: "Custom", Include: []string{`^https://h\d+\.example/`}, Seeds: seeds, Delay: 2 * time.Second}
			got, s := crawl(t, w, spec, rand.New(rand.NewPCG(seed, 1)))
			want := w.bfs(seeds)
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
				t.Errorf("pages (-want +got):\n%s", diff)
			}
			for u, n := range got {
				if n != 1 {
					t.Errorf("%s was archived %d times", u, n)
				}
			}
			if c := s.Counts(); c.Archived != int64(len(want)) || c.Discovered != c.Archived {
				t.Errorf("books: %+v, want %d pages", c, len(want))
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	w := web{seed: 7, hosts: 5, pages: 40}
	base := Spec{Scope: "Custom", Include: []string{`^https://h\d+\.example/`}, Seeds: []string{w.url(0, 0), w.url(1, 1)}}
	cases := map[string]struct {
		change func(*Spec)
		check  func(c Counts) bool
	}{
		"Pages":   {func(s *Spec) { s.Pages = 17 }, func(c Counts) bool { return c.Archived == 17 && c.Skipped["PageLimit"] > 0 }},
		"PerHost": {func(s *Spec) { s.PagesPerHost = 3 }, func(c Counts) bool { return c.Archived == 15 && c.Skipped["HostLimit"] > 0 }},
		"Bytes":   {func(s *Spec) { s.Bytes = 45 }, func(c Counts) bool { return c.Bytes >= 45 && c.Skipped["ByteLimit"] > 0 }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := base
			tc.change(&spec)
			_, s := crawl(t, w, spec, rand.New(rand.NewPCG(1, 1)))
			if c := s.Counts(); !tc.check(c) {
				t.Errorf("books: %+v", c)
			}
		})
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	depth := 1
	cases := map[string]struct {
		reason string
		spec   Spec
		from   Page
		url    string
		want   Decision
	}{
		"Page":          {"the seeds alone", Spec{Scope: "Page"}, Page{}, "https://a.example/x", Decision{}},
		"PageLinks":     {"what a seed links to, wherever", Spec{Scope: "PageLinks"}, Page{}, "https://other.example/", Decision{In: true}},
		"PageLinksDeep": {"and nothing further", Spec{Scope: "PageLinks"}, Page{Depth: 1}, "https://other.example/", Decision{}},
		"Prefix":        {"below the seed's folder", Spec{Scope: "Prefix"}, Page{}, "https://a.example/dir/y?q=1", Decision{In: true}},
		"PrefixBeside":  {"not beside it", Spec{Scope: "Prefix"}, Page{}, "https://a.example/direct", Decision{}},
		"Host":          {"the whole host", Spec{Scope: "Host"}, Page{}, "https://a.example/", Decision{In: true}},
		"HostOther":     {"no subdomain", Spec{Scope: "Host"}, Page{}, "https://www.a.example/", Decision{}},
		"Domain":        {"subdomains too", Spec{Scope: "Domain"}, Page{}, "https://www.a.example/", Decision{In: true}},
		"Custom":        {"a pattern", Spec{Scope: "Custom", Include: []string{"^https://b"}}, Page{}, "https://b.example/", Decision{In: true}},
		"Exclude":       {"an exclusion wins", Spec{Scope: "Host", Exclude: []string{"/x$"}}, Page{}, "https://a.example/x", Decision{}},
		"Depth":         {"not deeper", Spec{Scope: "Host", Depth: &depth}, Page{Depth: 1}, "https://a.example/y", Decision{}},
		"Hop":           {"one beyond the scope", Spec{Scope: "Host", ExtraHops: 1}, Page{}, "https://b.example/", Decision{In: true, Hops: 1}},
		"HopTwice":      {"but not two", Spec{Scope: "Host", ExtraHops: 1}, Page{Hops: 1}, "https://c.example/", Decision{}},
		"TrapRepeat":    {"a path that repeats itself", Spec{Scope: "Host"}, Page{}, "https://a.example/x/x/x/x/", Decision{In: true, Trap: "TrapRepeatedSegment"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.spec.Seeds = []string{"https://a.example/dir/page"}
			got := mustRules(t, tc.spec).Decide(tc.url, tc.from)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestRedirectIsNotFetchedAgain(t *testing.T) {
	t.Parallel()
	spec := Spec{Scope: "Host", Seeds: []string{"https://a.example/old", "https://a.example/new"}}
	s := New(mustRules(t, spec))
	if err := s.Add(spec.Seeds); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1000, 0)
	b := s.Choose(now, 1, "x")[0]
	fp := b.Hosts[0].Pages[0].FP
	err := s.Apply(b.ID, []Result{{Bundle: b.ID, Outcomes: []Outcome{{FP: fp, Status: Archived, Final: "https://a.example/new", Ended: now}}}}, now)
	if err != nil {
		t.Fatal(err)
	}
	want := Counts{Discovered: 2, Archived: 1, Failed: map[string]int64{}, Skipped: map[string]int64{"Duplicate": 1}}
	if diff := cmp.Diff(want, s.Counts()); diff != "" {
		t.Errorf("books (-want +got):\n%s", diff)
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	spec := Spec{Scope: "Page", Seeds: []string{"https://a.example/"}}
	s := New(mustRules(t, spec))
	if err := s.Add(spec.Seeds); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1000, 0)
	for try := range len(retries) + 1 {
		b := s.Choose(now, 1, fmt.Sprint(try))
		if len(b) != 1 {
			t.Fatalf("try %d: no bundle", try)
		}
		o := Outcome{FP: b[0].Hosts[0].Pages[0].FP, Status: Failed, Reason: "DNSFailed", Detail: "no such host", Retry: true, Ended: now}
		if err := s.Apply(b[0].ID, []Result{{Bundle: b[0].ID, Outcomes: []Outcome{o}}}, now); err != nil {
			t.Fatal(err)
		}
		if try == len(retries) {
			break
		}
		if _, detail, ok := s.Delayed(); !ok || detail != "no such host" {
			t.Errorf("try %d: delayed %v, %q", try, ok, detail)
		}
		if got := s.Choose(now, 1, "early"); len(got) != 0 {
			t.Errorf("try %d: handed out at once", try)
		}
		now = s.NextDue()
	}
	if c := s.Counts(); c.Failed["DNSFailed"] != 1 || !s.Idle() {
		t.Errorf("after the last try: %+v", c)
	}
}

func FuzzDecodeSegment(f *testing.F) {
	p := &Page{FP: FingerprintOf("https://a.example/"), URL: "https://a.example/", Status: Queued}
	good, err := encodeSegment([]row{{Page: p}, {Host: &Host{Key: "a.example"}}, {Chunk: &Chunk{Key: "k"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, data []byte) {
		_ = decodeSegment(data, func(row) error { return nil }) // it must come back, with or without an error
	})
}

// BenchmarkPlan is one step of a frontier of 100,000 pages: 16 bundles back, 16 out.
func BenchmarkPlan(b *testing.B) {
	spec := Spec{Scope: "Host", Seeds: []string{"https://a.example/"}}
	for i := range 100_000 {
		spec.Seeds = append(spec.Seeds, fmt.Sprintf("https://h%d.example/%d", i%500, i))
	}
	s := New(mustRules(b, spec))
	if err := s.Add(spec.Seeds); err != nil {
		b.Fatal(err)
	}
	now := time.Unix(1000, 0)
	open := s.Choose(now, 16, "first")
	if _, _, err := s.Seal("run", "n", "", "k", nil); err != nil {
		b.Fatal(err)
	}
	var written int64
	for i := 0; b.Loop(); i++ {
		now = now.Add(time.Second)
		for _, bundle := range open {
			r := Result{Bundle: bundle.ID}
			for _, h := range bundle.Hosts {
				for _, p := range h.Pages {
					r.Outcomes = append(r.Outcomes, Outcome{FP: p.FP, Status: Archived, Ended: now})
				}
			}
			if err := s.Apply(bundle.ID, []Result{r}, now); err != nil {
				b.Fatal(err)
			}
		}
		open = s.Choose(now, 16, fmt.Sprint(i))
		_, objects, err := s.Seal("run", "n", "", "k", nil)
		if err != nil {
			b.Fatal(err)
		}
		for _, o := range objects {
			written += int64(len(o.Data))
		}
	}
	b.ReportMetric(float64(written)/float64(b.N), "B/plan")
}
