package alerts

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// root is the folder of the repository.
const root = "../../"

func read(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(root + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// metric is what the documentation says of a metric. Tests of each program see to it that it has just these.
type metric struct{ kind, labels string }

// foreign are the metrics of the libraries that the programs are made of.
var foreign = map[string]metric{
	"up":                                          {"gauge", ""},
	"process_resident_memory_bytes":               {"gauge", ""},
	"process_cpu_seconds_total":                   {"counter", ""},
	"process_open_fds":                            {"gauge", ""},
	"go_goroutines":                               {"gauge", ""},
	"controller_runtime_reconcile_total":          {"counter", "`controller` `result`"},
	"controller_runtime_reconcile_errors_total":   {"counter", "`controller`"},
	"controller_runtime_reconcile_time_seconds":   {"histogram", "`controller`"},
	"workqueue_depth":                             {"gauge", "`name` `controller`"},
	"workqueue_longest_running_processor_seconds": {"gauge", "`name` `controller`"},
}

// known reads all metrics that the programs export.
func known(t *testing.T) map[string]metric {
	t.Helper()
	all := map[string]metric{}
	for name, m := range foreign {
		all[name] = m
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (counter|gauge|histogram) \\|\\s*([^|]*?)\\s*\\|")
	for _, m := range row.FindAllStringSubmatch(read(t, "docs/reference/metrics.md"), -1) {
		all[m[1]] = metric{m[2], m[3]}
	}
	if len(all) < 60 {
		t.Fatalf("the documentation explains %d metrics only", len(all))
	}
	return all
}

// always are the labels that Prometheus itself gives.
var always = map[string]bool{"le": true, "instance": true, "job": true, "namespace": true, "pod": true, "__name__": true}

// check finds what is wrong with a query: what does not parse, a metric that there is not, a label that it has not, a
// counter whose rise nobody looks at.
func check(t *testing.T, where, query string, all map[string]metric) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	used := map[string]bool{}
	parser.Inspect(expr, func(n parser.Node, path []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			m, ok := find(n.Name, all)
			if !ok {
				t.Errorf("%s: no program has %s", where, n.Name)
				return nil
			}
			used[m.labels] = true
			matchers(t, where, n, m)
			if _, ranged := parent(path).(*parser.MatrixSelector); (m.kind == "counter" || n.Name != base(n.Name)) && !ranged {
				t.Errorf("%s: %s only rises: ask for its rate or increase", where, n.Name)
			}
		case *parser.AggregateExpr:
			for _, l := range n.Grouping {
				if !always[l] && !strings.Contains(labelsOf(n, all), "`"+l+"`") {
					t.Errorf("%s: nothing there has the label %s", where, l)
				}
			}
		}
		return nil
	})
}

func parent(path []parser.Node) parser.Node {
	if len(path) == 0 {
		return nil
	}
	return path[len(path)-1]
}

func matchers(t *testing.T, where string, n *parser.VectorSelector, m metric) {
	t.Helper()
	for _, l := range n.LabelMatchers {
		if always[l.Name] || strings.Contains(m.labels, "`"+l.Name+"`") {
			continue
		}
		t.Errorf("%s: %s has no label %s", where, n.Name, l.Name)
	}
	for _, l := range n.LabelMatchers {
		if l.Type == labels.MatchEqual && l.Value == "" {
			t.Errorf("%s: %s=\"\" matches what has no such label, too", where, l.Name)
		}
	}
}

// labelsOf are the labels of all metrics below a node.
func labelsOf(n parser.Node, all map[string]metric) (text string) {
	parser.Inspect(n, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			m, _ := find(v.Name, all)
			text += m.labels
		}
		return nil
	})
	return text
}

// base is the metric of a series: a histogram has three.
func base(name string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if b, cut := strings.CutSuffix(name, suffix); cut {
			return b
		}
	}
	return name
}

func find(name string, all map[string]metric) (metric, bool) {
	if m, ok := all[name]; ok && m.kind != "histogram" {
		return m, true
	}
	m, ok := all[base(name)]
	return m, ok && m.kind == "histogram" && base(name) != name
}
