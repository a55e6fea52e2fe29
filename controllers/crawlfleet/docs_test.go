package crawlfleet

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"crawlfleet.dev/crawlfleet/workflows"
)

const page = "../../docs/reference/crawlfleet.md"

// TestReasonsAreDocumented asserts that each reason can be looked up, and that none is explained that
// there is not.
func TestReasonsAreDocumented(t *testing.T) {
	t.Parallel()
	text := read(t, page)
	var known []string
	for _, found := range regexp.MustCompile(`workflows\.Reason = "(\w+)"`).FindAllStringSubmatch(read(t, "reasons.go"), -1) {
		known = append(known, found[1])
	}
	for _, r := range []workflows.Reason{
		workflows.ReasonSecretNotFound, workflows.ReasonTemporalUnreachable, workflows.ReasonStoreUnreachable, workflows.ReasonStoreDenied,
		workflows.ReasonBucketMissing, workflows.ReasonStoreFull, workflows.ReasonClocksDiffer, workflows.ReasonStoreUnfit,
	} {
		known = append(known, string(r))
	}
	for _, r := range known {
		if !strings.Contains(text, `| <a id="`+r+`"></a>`+"`"+r+"` |") {
			t.Errorf("%s does not explain %s", page, r)
		}
	}
	for part := range strings.SplitSeq(text, `<a id="`) {
		if word, _, ok := strings.Cut(part, `"></a>`); ok && !slices.Contains(known, word) {
			t.Errorf("%s explains %s, which is no reason", page, word)
		}
	}
	for _, file := range []string{"probe.go", "temporal.go", "report.go"} {
		for _, used := range regexp.MustCompile(`workflows\.Reason([A-Z]\w+)`).FindAllStringSubmatch(read(t, file), -1) {
			if !slices.Contains(known, used[1]) {
				t.Errorf("%s: %s is a reason that this test does not know", file, used[1])
			}
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// placement are the parts of a fleet that say in the same words where their pods run.
var placement = regexp.MustCompile(`^(egress\.gateway|conductors|pools\[\]|portal)\.(resources|nodeSelector|tolerations|priorityClassName)`)

// TestFieldsAreDocumented compares the page with the schema: each field of the spec is in a table, and
// no other.
func TestFieldsAreDocumented(t *testing.T) {
	t.Parallel()
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal([]byte(read(t, "../../config/crd/bases/crawlfleet.dev_crawlfleets.yaml")), &definition); err != nil {
		t.Fatal(err)
	}
	fields := map[string]bool{}
	spec := definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	walk(&spec, "", fields)
	documented := map[string]bool{}
	for line := range strings.Lines(read(t, page)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cell, _, _ := strings.Cut(line[1:], "|")
		for _, f := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			documented[f[1]] = true
		}
	}
	if len(fields) < 80 {
		t.Fatalf("the schema has only %d fields", len(fields))
	}
	for f := range fields {
		if !documented[f] {
			t.Errorf("%s does not explain %s", page, f)
		}
	}
	for f := range documented {
		if strings.Contains(f, ".") && !strings.Contains(f, " ") && !fields[f] && f != "temporal.tls" {
			t.Errorf("%s explains %s, which is no field", page, f)
		}
	}
}

// walk notes the fields that hold a value. Those of placement are noted once.
func walk(s *apiextensionsv1.JSONSchemaProps, at string, fields map[string]bool) {
	if s.Items != nil && len(s.Items.Schema.Properties) > 0 {
		walk(s.Items.Schema, at+"[]", fields)
		return
	}
	if len(s.Properties) == 0 {
		if placement.MatchString(at) {
			at = at[len(placement.FindStringSubmatch(at)[1])+1:]
		}
		fields[at] = true
		return
	}
	for name, p := range s.Properties {
		walk(&p, strings.TrimPrefix(at+"."+name, "."), fields)
	}
}
