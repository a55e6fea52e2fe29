package frontier

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/visits"
)

// TestComparedIsBooked: how pages are beside an earlier run is in the books and in the rows
// of the chunks, also of a state that is read back, whether the rows are in a delta or folded.
func TestComparedIsBooked(t *testing.T) {
	t.Parallel()
	for name, fold := range map[string]int{"Delta": 100, "Folded": 0} {
		seeds := []string{"https://a.example/", "https://a.example/1", "https://a.example/2", "https://a.example/3"}
		s := newState(t, Spec{Scope: "Page", Seeds: seeds})
		s.sizes.fold = fold
		now := time.Unix(1000, 0)
		want := visits.Counts{Unchanged: 1, New: 1, NotCompared: 1}
		verdicts := []visits.Verdict{visits.Unchanged, "", visits.New, visits.NotCompared}
		for len(verdicts) > 0 {
			b := s.Choose(now, 1, "x")
			r := Result{Bundle: b[0].ID}
			for _, h := range b[0].Hosts {
				for _, p := range h.Pages {
					r.Outcomes = append(r.Outcomes, Outcome{FP: p.FP, Status: Archived, Ended: now, Compared: verdicts[0]})
					verdicts = verdicts[1:]
				}
			}
			r.Chunk = &Chunk{Key: b[0].ID, Size: 1, SHA256: "s", Pages: len(r.Outcomes), Incomplete: new(0), Compared: &want}
			if err := s.Apply(b[0].ID, []Result{r, r}, now); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Minute)
		}
		m, objects, err := s.Seal("uid", "n", "", "k", nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Open(s.rules, m, func(key string) ([]byte, error) {
			i := slices.IndexFunc(objects, func(o Object) bool { return o.Key == key })
			return objects[i].Data, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range []*State{s, again} {
			if got.Counts().Compared != want || got.Counts().Archived != 4 {
				t.Errorf("%s: %+v, want %+v", name, got.Counts(), want)
			}
			for _, c := range got.Chunks() {
				if diff := cmp.Diff(&want, c.Compared); diff != "" {
					t.Errorf("%s: chunk (-want +got):\n%s", name, diff)
				}
			}
		}
	}
}

// TestComparedBooksBalance: no more pages are compared than are archived, and none in a way
// that is none.
func TestComparedBooksBalance(t *testing.T) {
	t.Parallel()
	c := Counts{Discovered: 2, Archived: 2, Compared: visits.Counts{Unchanged: 1, Changed: 1, New: 1}}
	if err := c.check(); !errors.Is(err, ErrBooks) {
		t.Errorf("three of two pages are compared: %v", err)
	}
	s := newState(t, Spec{Scope: "Page", Seeds: []string{"https://a.example/"}})
	b := s.Choose(time.Unix(1000, 0), 1, "x")[0]
	r := Result{Bundle: b.ID, Outcomes: []Outcome{{FP: b.Hosts[0].Pages[0].FP, Status: Archived, Compared: "Gone"}}}
	if err := s.Apply(b.ID, []Result{r}, time.Unix(1001, 0)); err == nil {
		t.Error("a verdict that is none is taken")
	}
	m, _, err := newState(t, Spec{Scope: "Page", Seeds: []string{"https://a.example/"}}).Seal("uid", "n", "", "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Counts.Compared.New = -1
	if err := m.check(); !errors.Is(err, ErrManifest) {
		t.Errorf("a count is negative: %v", err)
	}
}
