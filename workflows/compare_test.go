package workflows

import (
	"encoding/json"
	"testing"
)

// TestVerdictTellsOfTheComparison: who waits for the verdict sees what has changed, if that
// was asked and came to anything.
func TestVerdictTellsOfTheComparison(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		with   *EarlierRun
		counts Compared
		want   string
	}{
		"Not":      {"Nothing was asked.", nil, Compared{}, "3 pages are archived, and nothing is left to visit"},
		"Nothing":  {"Nothing came of it.", &EarlierRun{Name: "before"}, Compared{}, "3 pages are archived, and nothing is left to visit"},
		"Compared": {"The numbers are in the message.", &EarlierRun{Name: "before"}, Compared{Unchanged: 2, New: 1}, "3 pages are archived (compared with before: 2 unchanged, 0 changed, 1 new), and nothing is left to visit"},
		"Part":     {"So is what is not known.", &EarlierRun{Name: "before"}, Compared{Changed: 1, NotCompared: 2}, "3 pages are archived (compared with before: 0 unchanged, 1 changed, 0 new, 2 not compared), and nothing is left to visit"},
	} {
		r := &run{seeded: true, shards: []*member{{last: ShardReport{Counts: Counts{Discovered: 3, Archived: 3, Compared: tc.counts}}}}}
		r.in.Spec.CompareWith = tc.with
		if _, _, message := r.verdict(); message != tc.want {
			t.Errorf("%s: %s: %q, want %q", name, tc.reason, message, tc.want)
		}
	}
}

// TestComparedPayload: payloads of runs that compare nothing are as they were, and books of
// several shards are added up.
func TestComparedPayload(t *testing.T) {
	t.Parallel()
	counts := Counts{Archived: 1}
	js, err := json.Marshal(struct {
		Counts Counts
		Spec   Spec
	}{counts, Spec{}})
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]map[string]any
	if err := json.Unmarshal(js, &back); err != nil {
		t.Fatal(err)
	}
	if _, ok := back["Counts"]["compared"]; ok || back["Spec"]["compareWith"] != nil {
		t.Errorf("%s", js)
	}
	counts.Compared = Compared{1, 2, 3, 4}
	if sum := counts.Plus(counts).Compared; sum != (Compared{2, 4, 6, 8}) {
		t.Errorf("%+v", sum)
	}
}
