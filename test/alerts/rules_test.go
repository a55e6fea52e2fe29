package alerts

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/prometheus/common/model"
	"sigs.k8s.io/yaml"
)

// rule is an alert.
type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

// pending is how long its condition has to hold.
func (r rule) pending(t *testing.T) time.Duration {
	t.Helper()
	if r.For == "" {
		return 0
	}
	d, err := model.ParseDuration(r.For)
	if err != nil {
		t.Fatalf("%s: %v", r.Alert, err)
	}
	return time.Duration(d)
}

func rules(t *testing.T) map[string]rule {
	t.Helper()
	var file struct {
		Kind string
		Spec struct {
			Groups []struct {
				Name  string
				Rules []rule
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "config/alerts/prometheusrule.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	all := map[string]rule{}
	for _, g := range file.Spec.Groups {
		for _, r := range g.Rules {
			if _, twice := all[r.Alert]; twice || r.Alert == "" {
				t.Errorf("there are two alerts %q", r.Alert)
			}
			all[r.Alert] = r
		}
	}
	if len(all) < 25 {
		t.Fatalf("there are %d alerts only", len(all))
	}
	return all
}

// TestRules: each alert asks for what there is, says what happened, and leads to what to do about it.
func TestRules(t *testing.T) {
	t.Parallel()
	metrics, runbook, reference := known(t), read(t, "docs/runbook.md"), read(t, "docs/reference/metrics.md")
	all := rules(t)
	for name, r := range all {
		check(t, name, r.Expr, metrics)
		r.pending(t)
		// Several fleets may be in one cluster: that one is well says nothing of another.
		if summed := regexp.MustCompile(`\b(sum|max|min|count|group)( by \((\w+)[^)]*\))?\s*\(`).FindAllStringSubmatch(r.Expr, -1); slices.ContainsFunc(summed, func(m []string) bool { return m[3] != "namespace" }) {
			t.Errorf("%s sums up fleets: %s", name, r.Expr)
		}
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has the severity %q", name, s)
		}
		if want := "https://crawlfleet.dev/docs/runbook.md#" + name; r.Annotations["runbook_url"] != want {
			t.Errorf("%s leads to %s, want %s", name, r.Annotations["runbook_url"], want)
		}
		if !strings.Contains(runbook, `### <a id="`+name+`"></a>`) {
			t.Errorf("docs/runbook.md has no entry for %s", name)
		}
		if !strings.Contains(reference, "| `"+name+"` | "+r.Labels["severity"]+" |") {
			t.Errorf("docs/reference/metrics.md does not explain %s, or has another severity", name)
		}
		for kind, text := range r.Annotations {
			said(t, name+", "+kind, text, r.Expr)
		}
	}
	for _, m := range regexp.MustCompile(`### <a id="(Crawlfleet\w+)"></a>`).FindAllStringSubmatch(runbook, -1) {
		if _, ok := all[m[1]]; !ok {
			t.Errorf("docs/runbook.md has an entry for %s, which is no alert", m[1])
		}
	}
}

// said finds an annotation that cannot be filled in.
func said(t *testing.T, where, text, expr string) {
	t.Helper()
	parsed, err := template.New("").Parse(`{{$labels := .}}{{$value := 1}}` + text)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	if err := parsed.Execute(&strings.Builder{}, map[string]string{}); err != nil {
		t.Errorf("%s: %v", where, err)
	}
	for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(text, -1) {
		if !regexp.MustCompile(`by \([^)]*\b` + m[1] + `\b`).MatchString(expr) {
			t.Errorf("%s speaks of the label %s, which is summed up", where, m[1])
		}
	}
}
