package frontier

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	w := web{seed: 7, hosts: 5, pages: 40, fanout: 8}
	base := Spec{Scope: "Custom", Include: []string{`^https://h\d+\.example/`}, Seeds: []string{w.url(0, 0), w.url(1, 1)}}
	cases := map[string]struct {
		change func(*Spec)
		check  func(c Counts) bool
	}{
		"Pages": {func(s *Spec) { s.Pages = 17 }, func(c Counts) bool {
			return c.Archived == 17 && c.Skipped["PageLimit"] > 0
		}},
		"PerHost": {func(s *Spec) { s.PagesPerHost = 3 }, func(c Counts) bool {
			return c.Archived == 15 && c.Skipped["HostLimit"] > 0
		}},
		"Bytes": {func(s *Spec) { s.Bytes = 45 }, func(c Counts) bool {
			return c.Bytes >= 45 && c.Skipped["ByteLimit"] > 0
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := base
			tc.change(&spec)
			f := newFleet(t, w, spec, rand.New(rand.NewPCG(1, 1)), sizes{fold: 40, deltas: 3, merge: 100, runs: 3})
			f.run()
			if c := f.live.Counts(); !tc.check(c) {
				t.Errorf("books: %+v", c)
			}
			if err := f.opened.Recount(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDamage changes what is stored: it must be told, never crawled on.
func TestDamage(t *testing.T) {
	t.Parallel()
	w := web{seed: 3, hosts: 5, pages: 40, fanout: 8}
	spec := Spec{Scope: "Custom", Include: []string{`^https://h\d+\.example/`}, Seeds: []string{w.url(0, 0)}}
	f := newFleet(t, w, spec, rand.New(rand.NewPCG(1, 1)), sizes{fold: 40, deltas: 3, merge: 100, runs: 3})
	for ; f.step < 12; f.step++ {
		f.collect()
		f.plan()
		f.seal()
		f.wait()
	}
	m := f.live.manifest
	if len(m.Tables.Seen) == 0 || len(m.Tables.Queue) == 0 || len(m.Tables.Hosts) == 0 {
		t.Fatalf("the crawl is too small to test with: %+v", m.Tables)
	}
	for _, seg := range m.Segments() {
		for name, change := range map[string]func([]byte) []byte{
			"Changed": func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b },
			"Cut":     func(b []byte) []byte { return b[:len(b)/2] },
			"Gone":    func([]byte) []byte { return nil },
			"Forged":  func(b []byte) []byte { return forge(t, b) },
		} {
			s, err := Open(f.rules, m, func(key string) ([]byte, error) {
				if key != seg.Key {
					return f.store[key], nil
				}
				if data := change(f.store[key]); data != nil {
					return data, nil
				}
				return nil, errors.New("not found")
			})
			if err == nil {
				err = s.Log(func(Page) bool { return true })
			}
			if err == nil {
				_ = s.Choose(f.now.Add(time.Hour), 4, "x")
				s.Finish("Cancelled")
				err = cmp.Or(s.Check(), s.Recount())
				if _, _, sealed := s.Seal("run", "n", "", "k", nil); sealed == nil && err != nil {
					t.Errorf("%s, %s: sealed all the same", seg.Key, name)
				}
			}
			if err == nil {
				t.Errorf("%s, %s: not noticed", seg.Key, name)
			}
		}
	}
	wrong := m
	wrong.Counts.Archived++
	if _, err := Open(f.rules, wrong, func(key string) ([]byte, error) { return f.store[key], nil }); !errors.Is(err, ErrBooks) {
		t.Errorf("a manifest with wrong books: %v", err)
	}
}

// forge makes a sound segment of another content.
func forge(t *testing.T, data []byte) []byte {
	t.Helper()
	c := mustCodec(t)
	kind := segmentKind(data[headerSize-1])
	rows, err := readSegment(c, data, kind)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if v := bytes.Clone(rows[i].value); len(v) > 0 {
			v[len(v)-1] ^= 1
			rows[i].value = v
			break
		}
	}
	return makeSegment(t, c, kind, rows)
}

// TestPageLimitIsNeverExceeded: what is out counts.
func TestPageLimitIsNeverExceeded(t *testing.T) {
	t.Parallel()
	var seeds []string
	for i := range 300 {
		seeds = append(seeds, fmt.Sprintf("https://h%d.example/%d", i%30, i))
	}
	for limit := range int64(40) {
		s := newState(t, Spec{Scope: "Host", Seeds: seeds, Pages: limit + 1})
		now := time.Unix(1000, 0)
		for step := 0; s.Limit() == ""; step++ {
			var out []Bundle
			for i := range 3 { // bundles are handed out while others are out
				out = append(out, s.Choose(now, 2, fmt.Sprintf("%d-%d", step, i))...)
			}
			for _, b := range out {
				archive(t, s, b, now)
			}
		}
		if c := s.Counts(); c.Archived != limit+1 {
			t.Errorf("%d pages are archived, the limit is %d", c.Archived, limit+1)
		}
	}
}
