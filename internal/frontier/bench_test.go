package frontier

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// large is a frontier of n queued pages on n/200 hosts, and what is stored of it.
func large(b *testing.B, n int) (*Rules, *State, Manifest, map[string][]byte) {
	b.Helper()
	rules := mustRules(b, Spec{Scope: "Custom", Include: []string{"."}})
	s := New(rules)
	store := map[string][]byte{}
	s.LoadWith(func(key string) ([]byte, error) { return store[key], nil })
	seeds := make([]string, n)
	for i := range seeds {
		seeds[i] = fmt.Sprintf("https://www.site-%d.example/advertisements/item/%d?view=full", i%(n/200), i)
	}
	if err := s.Add(seeds); err != nil {
		b.Fatal(err)
	}
	m, objects, err := s.Seal("run", "n", "", "first", nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, o := range objects {
		store[o.Key] = o.Data
	}
	return rules, s, m, store
}

// BenchmarkPlan is one step of a frontier of 100,000 pages: a bundle of 40 pages comes
// back, each with 50 links of which 5 are new, and another one goes out.
func BenchmarkPlan(b *testing.B) {
	_, s, _, store := large(b, 100_000)
	r := rand.New(rand.NewPCG(1, 1))
	now := time.Unix(1000, 0)
	var written, most, objectCount int
	next := 1_000_000
	for i := 0; b.Loop(); i++ {
		now = now.Add(time.Second)
		for _, bundle := range s.Choose(now, 1, fmt.Sprint(i)) {
			result := Result{Bundle: bundle.ID}
			for _, h := range bundle.Hosts {
				for _, p := range h.Pages {
					o := Outcome{FP: p.FP, Status: Archived, Ended: now}
					for k := range 50 {
						n := r.IntN(100_000)
						if k < 5 {
							next++
							n = next
						}
						o.Links = append(o.Links, fmt.Sprintf("https://www.site-%d.example/advertisements/item/%d?view=full", n%500, n))
					}
					result.Outcomes = append(result.Outcomes, o)
				}
			}
			if err := s.Apply(bundle.ID, []Result{result}, now); err != nil {
				b.Fatal(err)
			}
		}
		_, objects, err := s.Seal("run", "n", "", fmt.Sprintf("k%d", i), nil)
		if err != nil {
			b.Fatal(err)
		}
		size := 0
		for _, o := range objects {
			store[o.Key] = o.Data
			size += len(o.Data)
		}
		written += size
		objectCount += len(objects)
		most = max(most, size)
	}
	b.ReportMetric(float64(written)/float64(b.N), "B/plan")
	b.ReportMetric(float64(most), "B/plan-most")
	b.ReportMetric(float64(objectCount)/float64(b.N), "objects/plan")
}

// BenchmarkOpen reads a frontier of 100,000 pages back and hands out a bundle.
func BenchmarkOpen(b *testing.B) {
	rules, _, m, store := large(b, 100_000)
	read := 0
	for b.Loop() {
		s, err := Open(rules, m, func(key string) ([]byte, error) { read += len(store[key]); return store[key], nil })
		if err != nil {
			b.Fatal(err)
		}
		if len(s.Choose(time.Unix(1000, 0), 16, "x")) != 16 || s.Check() != nil {
			b.Fatal("no bundles")
		}
	}
	b.ReportMetric(float64(read)/float64(b.N), "B/open")
}

// BenchmarkSeed takes in 100,000 seeds and stores them.
func BenchmarkSeed(b *testing.B) {
	for b.Loop() {
		_, _, m, store := large(b, 100_000)
		size := 0
		for _, seg := range m.Segments() {
			size += len(store[seg.Key])
		}
		b.ReportMetric(float64(size), "B")
	}
}
