package order

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// small is a spec with what canonical JSON has to do something about.
const small = `{"state": "Active", "scope": {"type": "Custom", "include": ["<é\u2028\u0001\"\\\\/>"]}, "limits": {"pages": 1000000000, "megabytes": 5},
	"seeds": {"configMaps": [{"name": "ads", "key": "urls"}]}}`

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var spec map[string]any
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	return spec
}

// TestDigestIsAsDocumented pins it by a text written out by hand, as another tool would
// compute it: docs/authorisation.md.
func TestDigestIsAsDocumented(t *testing.T) {
	t.Parallel()
	const list = "https://example.org/\n"
	want := Sum([]byte(`{"apiVersion":"crawlfleet.dev/v1alpha1","configMaps":{"ads/urls":"` + Sum([]byte(list)) + `"},` +
		`"spec":{"limits":{"megabytes":5,"pages":1000000000},"scope":{"include":["<é` + "\u2028" + `\u0001\"\\\\/>"],"type":"Custom"},"seeds":{"configMaps":[{"key":"urls","name":"ads"}]}}}`))
	got, err := Digest(parse(t, small), map[string]string{"ads/urls": list})
	if err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	// Of nothing but a spec, from a shell: printf '{"apiVersion":…,"configMaps":{},"spec":{"priority":3}}' | sha256sum
	const plain = "sha256:69f81ade739a8a97b4d9e590fb2c3d285be01d21af4ae2873707246bc2a35c99"
	if got, err := Digest(map[string]any{"priority": int64(3)}, nil); err != nil || got != plain {
		t.Errorf("%s, %v, want %s", got, err, plain)
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	const whole = `{"authorization": {"reference": "DPIA-1", "notAfter": "2035-01-01T00:00:00Z"}, "seeds": {"urls": ["https://example.org/", "https://example.net/"]},
		"scope": {"type": "Prefix", "depth": 3}, "limits": {"pages": 10}, "retention": {"screeningSeconds": 60}, "priority": 3, "state": "Active"}`
	texts := map[string]string{"ads/urls": "https://example.org/1", "own/click.js": "async () => {}"}
	for name, tc := range map[string]struct {
		reason string
		change func(spec map[string]any, texts map[string]string)
		same   bool
	}{
		"Nothing":   {"The same is the same.", func(map[string]any, map[string]string) {}, true},
		"Suspended": {"It may be suspended after it was approved.", func(s map[string]any, _ map[string]string) { s["state"] = "Suspended" }, true},
		"NoState":   {"", func(s map[string]any, _ map[string]string) { delete(s, "state") }, true},
		"Reference": {"It is approved under one.", func(s map[string]any, _ map[string]string) { inner(s, "authorization")["reference"] = "DPIA-2" }, false},
		"Until": {"For how long.", func(s map[string]any, _ map[string]string) {
			inner(s, "authorization")["notAfter"] = "2036-01-01T00:00:00Z"
		}, false},
		"Seeds": {"From where.", func(s map[string]any, _ map[string]string) {
			inner(s, "seeds")["urls"] = []any{"https://example.org/", "https://example.net/", "https://example.com/"}
		}, false},
		"Order": {"Lists are in an order.", func(s map[string]any, _ map[string]string) {
			inner(s, "seeds")["urls"] = []any{"https://example.net/", "https://example.org/"}
		}, false},
		"Scope":  {"How far.", func(s map[string]any, _ map[string]string) { delete(inner(s, "scope"), "depth") }, false},
		"Limits": {"How much.", func(s map[string]any, _ map[string]string) { inner(s, "limits")["pages"] = int64(11) }, false},
		"Kept":   {"How long it is kept.", func(s map[string]any, _ map[string]string) { inner(s, "retention")["screeningSeconds"] = int64(61) }, false},
		"Added":  {"What a later version adds is covered.", func(s map[string]any, _ map[string]string) { s["whatever"] = "x" }, false},
		"List":   {"What a list of seeds holds.", func(_ map[string]any, e map[string]string) { e["ads/urls"] += "\n" }, false},
		"Script": {"What a script does.", func(_ map[string]any, e map[string]string) { e["own/click.js"] = "async () => 1" }, false},
		"Swapped": {"Which is which.", func(_ map[string]any, e map[string]string) {
			e["ads/urls"], e["own/click.js"] = e["own/click.js"], e["ads/urls"]
		}, false},
		"Missing": {"That there is one.", func(_ map[string]any, e map[string]string) { delete(e, "own/click.js") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, err := Digest(parse(t, whole), texts)
			if err != nil {
				t.Fatal(err)
			}
			spec, changed := parse(t, whole), map[string]string{}
			for k, v := range texts {
				changed[k] = v
			}
			tc.change(spec, changed)
			state, given := spec["state"]
			after, err := Digest(spec, changed)
			if err != nil || (after == before) != tc.same {
				t.Errorf("%s\nbefore %s\nafter  %s, %v", tc.reason, before, after, err)
			}
			if now, still := spec["state"]; now != state || still != given {
				t.Error("it has changed the spec that it was given")
			}
		})
	}
}

func inner(spec map[string]any, field string) map[string]any {
	m, _ := spec[field].(map[string]any)
	return m
}

// TestDigestDoesNotDependOnTheOrderOfKeys: nor on white space, nor on how text is escaped.
func TestDigestDoesNotDependOnTheOrderOfKeys(t *testing.T) {
	t.Parallel()
	one, err := Digest(parse(t, `{"limits": {"pages": 10, "megabytes": 20}, "browser": {"engine": "Chromium"}, "basis": "é<"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Digest(parse(t, `{"basis":"\u00e9\u003c","browser":{"engine":"Chromium"},"limits":{"megabytes":20,"pages":10}}`), nil)
	if err != nil || one != other {
		t.Errorf("%s and %s, %v", one, other, err)
	}
}

func TestEntries(t *testing.T) {
	t.Parallel()
	var spec v1alpha1.CrawlJobSpec
	spec.Seeds.ConfigMaps = []v1alpha1.SeedConfigMap{{Name: "ads", Key: "urls"}, {Name: "ads", Key: "more"}}
	spec.Capture.Behaviors.Scripts = []v1alpha1.BehaviorScript{{Name: "own", Key: "click.js"}}
	want := []Entry{{"seeds.configMaps", "ads", "urls"}, {"seeds.configMaps", "ads", "more"}, {"capture.behaviors.scripts", "own", "click.js"}}
	if diff := cmp.Diff(want, Entries(&spec)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := want[2].String(); got != "own/click.js" {
		t.Errorf("it is called %s", got)
	}
}

// TestEveryFieldIsApproved: whatever is taken out of a whole order, it is another one, but for
// its state.
func TestEveryFieldIsApproved(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../config/samples/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, raw, _ = bytes.Cut(raw, []byte("\n---\n")) // the ConfigMap before it
	var job map[string]any
	if err := yaml.Unmarshal(raw, &job); err != nil {
		t.Fatal(err)
	}
	spec := job["spec"].(map[string]any)
	whole, err := Digest(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	var without func(path string, m map[string]any)
	without = func(path string, m map[string]any) {
		for _, field := range slices.Sorted(maps.Keys(m)) {
			value := m[field]
			delete(m, field)
			taken++
			if got, err := Digest(spec, nil); err != nil || (got == whole) != (path+field == "state") {
				t.Errorf("without %s it is %s, with it %s: %v", path+field, got, whole, err)
			}
			m[field] = value
			if below, ok := value.(map[string]any); ok {
				without(path+field+".", below)
			}
		}
	}
	without("", spec)
	if taken < 40 {
		t.Errorf("only %d fields were looked at", taken)
	}
}
