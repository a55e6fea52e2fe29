package frontier

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/jsonshape"
)

var updateShapes = flag.Bool("update-shapes", false, "take what is new in what is stored into testdata/stored, and write a frontier there if there is none")

// TestStoredStaysReadable: what one build has put into the frontier bucket, another one goes on with.
func TestStoredStaysReadable(t *testing.T) {
	t.Parallel()
	stored := []any{Manifest{}, Bundle{}, Result{}, Exchange{}}
	jsonshape.Check(t, "testdata/stored", *updateShapes, stored...)
	jsonshape.Covers(t, ".", stored...)
}

// keptFrontier is a frontier as a build of before has stored it, and what it went on with.
type keptFrontier struct {
	Manifest Manifest          `json:"manifest"`
	Objects  map[string][]byte `json:"objects"`
	Counts   Counts            `json:"counts"`
	Next     []Bundle          `json:"next"`
}

const keptFile = "testdata/stored/frontier.json"

// keptSpec is its order, keptAt the time of its last step.
var (
	keptSpec = Spec{Scope: "Domain", Seeds: []string{"https://a.example/", "https://b.example/", "https://c.example/gone"}, Delay: time.Second}
	keptAt   = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
)

// TestKeptFrontierGoesOn opens a frontier that a build of before has stored, in segments of each
// kind, and takes the same step as that one did. When it fails, crawls that are under way cannot
// go on with this build, nor back to the one before: read what is stored in both ways, and write
// the new one a release later.
func TestKeptFrontierGoesOn(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(keptFile)
	if errors.Is(err, fs.ErrNotExist) && *updateShapes {
		raw = keep(t)
	} else if err != nil {
		t.Fatal(err)
	}
	var kept keptFrontier
	if err := json.Unmarshal(raw, &kept); err != nil {
		t.Fatal(err)
	}
	tables := kept.Manifest.Tables
	if len(tables.Seen)*len(tables.Queue)*len(tables.Hosts)*len(tables.Held)*len(tables.Chunks)*len(tables.Log)*len(kept.Manifest.Deltas) == 0 {
		t.Fatalf("it has not segments of each kind: %+v", kept.Manifest)
	}
	s := openKept(t, kept)
	if diff := cmp.Diff(counts(kept.Counts), counts(s.Counts())); diff != "" {
		t.Errorf("its books (-stored +now):\n%s", diff)
	}
	got, err := json.Marshal(s.Choose(keptAt.Add(time.Hour), 3, "next"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(kept.Next)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("its next bundles (-stored +now):\n%s", diff)
	}
}

func openKept(t *testing.T, kept keptFrontier) *State {
	t.Helper()
	raw, err := json.Marshal(kept.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	m, err := DecodeManifest(raw)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(mustRules(t, keptSpec), m, func(key string) ([]byte, error) {
		if data, ok := kept.Objects[key]; ok {
			return data, nil
		}
		return nil, fmt.Errorf("there is no object %s", key)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Recount(); err != nil {
		t.Fatal(err)
	}
	return s
}

// keep makes the frontier: one step whose rows are folded into tables, and one whose are not.
func keep(t *testing.T) []byte {
	t.Helper()
	kept := keptFrontier{Objects: map[string][]byte{}}
	s := newState(t, keptSpec)
	s.LoadWith(func(key string) ([]byte, error) { return kept.Objects[key], nil })
	for step := range 3 {
		now := keptAt.Add(time.Duration(step-2) * time.Minute)
		s.sizes.fold = []int{1 << 20, 0, 1 << 20}[step]
		for _, b := range s.Choose(now, 2, fmt.Sprintf("s%d", step)) {
			if step > 0 && b.Hosts[0].Key == "b.example" { // it stays out
				continue
			}
			if err := s.Apply(b.ID, []Result{broughtBack(b, step, now)}, now); err != nil {
				t.Fatal(err)
			}
		}
		m, objects, err := s.Seal("run", "nonce", "", fmt.Sprintf("k%d", step), nil)
		if err != nil {
			t.Fatal(err)
		}
		kept.Manifest, kept.Counts = m, s.Counts()
		for _, o := range objects {
			kept.Objects[o.Key] = o.Data
		}
	}
	kept.Next = openKept(t, kept).Choose(keptAt.Add(time.Hour), 3, "next")
	raw, err := json.MarshalIndent(kept, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keptFile, append(raw, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	return raw
}

// broughtBack is what a bundle brings back: pages with links, and some that fail or are tried again.
func broughtBack(b Bundle, step int, now time.Time) Result {
	r := Result{Bundle: b.ID, Chunk: &Chunk{Key: "chunks/" + b.ID + ".wacz"}}
	for _, h := range b.Hosts {
		for i, p := range h.Pages {
			o := Outcome{FP: p.FP, Status: Archived, Ended: now}
			for n := range 6 {
				o.Links = append(o.Links, fmt.Sprintf("https://%s/%d/%d/%d", h.Key, step, i, n))
			}
			switch {
			case p.URL == "https://c.example/gone":
				o = Outcome{FP: p.FP, Status: Failed, Reason: "DNSFailed", Ended: now}
			case i == 3:
				o = Outcome{FP: p.FP, Status: Failed, Reason: "TimedOut", Retry: true, Ended: now}
			}
			r.Outcomes = append(r.Outcomes, o)
		}
	}
	return r
}
