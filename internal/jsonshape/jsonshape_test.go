package jsonshape

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type part struct {
	To, Offset int64
}

func (p part) MarshalJSON() ([]byte, error) { return json.Marshal([2]int64{p.To, p.Offset}) }

func (p *part) UnmarshalJSON(data []byte) error {
	var list [2]int64
	err := json.Unmarshal(data, &list)
	*p = part{list[0], list[1]}
	return err
}

type sample struct {
	Name   string           `json:"name"`
	At     time.Time        `json:"at,omitzero"`
	Every  time.Duration    `json:"every,omitempty"`
	Counts map[string]int64 `json:"counts,omitempty"`
	Parts  []part           `json:"parts,omitempty"`
	Next   *sample          `json:"next,omitempty"`
	Raw    json.RawMessage  `json:"raw,omitempty"`
	secret string
}

func TestExample(t *testing.T) {
	t.Parallel()
	raw, err := Example(reflect.TypeFor[sample]())
	if err != nil {
		t.Fatal(err)
	}
	got, err := shape(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"name": "string", "at": "string", "every": "number", "counts": "object", "counts.s": "number", "parts": "list", "parts[]": "list", "parts[][]": "number",
		"raw": "object", "raw.raw": "number", "next": "object", "": "object",
	}
	for path := range got {
		if strings.HasPrefix(path, "next.") {
			delete(got, path)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_ = sample{secret: "is left out"}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	type of struct {
		Name string `json:"name"`
		Many []int  `json:"many,omitempty"`
	}
	today, err := Example(reflect.TypeFor[of]())
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		before        string
		added, broken string
	}{
		"Same":    {before: `{"name": "other", "many": [3, 4]}`},
		"New":     {before: `{"name": "s"}`, added: "many many[]"},
		"Removed": {before: `{"name": "s", "many": [1], "old": true}`, broken: "old was renamed or removed"},
		"Kind":    {before: `{"name": 1, "many": [1]}`, broken: "name is a JSON string now, it was a number"},
		"Nested":  {before: `{"name": "s", "many": [{"x": 1}]}`, broken: "many[] is a JSON number now, it was a object"},
		"Broken":  {before: `{"name"`, broken: "no JSON"},
	} {
		added, broken := compare([]byte(tc.before), today, reflect.TypeFor[of]())
		if got := strings.Join(added, " "); got != tc.added {
			t.Errorf("%s: new are %q, want %q", name, got, tc.added)
		}
		if got := strings.Join(broken, "; "); !strings.Contains(got, tc.broken) || tc.broken == "" && got != "" {
			t.Errorf("%s: broken is %q, want %q", name, got, tc.broken)
		}
	}
}
