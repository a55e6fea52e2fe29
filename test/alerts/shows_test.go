package alerts

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
)

var toldIn = flag.String("told", "testdata", "the `folder` with what a fleet has told Prometheus")

// crawledMinutes is over how long what was recorded is spread.
const crawledMinutes = 90

// recorded is what a fleet has told Prometheus that has crawled (test/e2e and test/fleet, -record-metrics), as if it had
// taken an hour and a half for it: counters rise from 0 on.
func recorded(t *testing.T) storage.Queryable {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(*toldIn, "*.prom"))
	if err != nil || len(files) < 3 {
		t.Fatalf("recorded of %q, %v", files, err)
	}
	load := &strings.Builder{}
	load.WriteString("load 1m\n")
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		read := expfmt.NewTextParser(model.UTF8Validation)
		families, err := read.TextToMetricFamilies(f)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		_ = f.Close()
		program := strings.TrimSuffix(filepath.Base(file), ".prom")
		for name, family := range families {
			for _, m := range family.GetMetric() {
				write(load, name, program, m)
			}
		}
	}
	return promqltest.LoadedStorage(t, load.String())
}

// write tells of one metric as Prometheus would have it of a pod.
func write(load *strings.Builder, name, program string, m *dto.Metric) {
	labels := fmt.Sprintf("namespace=\"crawlfleet-system\",pod=\"%s-0\"", program)
	for _, l := range m.GetLabel() {
		labels += fmt.Sprintf(",%s=%q", l.GetName(), l.GetValue())
	}
	rising := func(name, labels string, v float64) {
		fmt.Fprintf(load, "  %s{%s} 0+%gx%d\n", name, labels, v/crawledMinutes, crawledMinutes)
	}
	switch {
	case m.GetHistogram() != nil:
		h := m.GetHistogram()
		for _, b := range h.GetBucket() {
			le := "+Inf"
			if !math.IsInf(b.GetUpperBound(), 1) {
				le = fmt.Sprint(b.GetUpperBound())
			}
			rising(name+"_bucket", labels+fmt.Sprintf(",le=%q", le), float64(b.GetCumulativeCount()))
		}
		rising(name+"_sum", labels, h.GetSampleSum())
		rising(name+"_count", labels, float64(h.GetSampleCount()))
	case m.GetCounter() != nil:
		rising(name, labels, m.GetCounter().GetValue())
	case m.GetGauge() != nil:
		fmt.Fprintf(load, "  %s{%s} %gx%d\n", name, labels, m.GetGauge().GetValue(), crawledMinutes)
	}
}

// TestDashboardsShowACrawl evaluates each panel over what a real fleet has told: wherever there is something of each
// metric that it asks for, it shows something.
func TestDashboardsShowACrawl(t *testing.T) {
	t.Parallel()
	told := recorded(t)
	engine := promqltest.NewTestEngine(t, false, 0, 1000000)
	at := time.Unix(0, 0).Add(crawledMinutes * time.Minute)
	some := func(query string) bool {
		q, err := engine.NewInstantQuery(t.Context(), told, nil, query, at)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		defer q.Close()
		result := q.Exec(t.Context())
		if result.Err != nil {
			t.Fatalf("%s: %v", query, result.Err)
		}
		found, err := result.Vector()
		return err == nil && len(found) > 0
	}
	shown, empty := 0, []string{}
	eachQuery(t, func(where, query string) {
		if some(query) {
			shown++
			return
		}
		empty = append(empty, where)
		if told := lacking(t, query, some); told == "" {
			t.Errorf("%s shows nothing, although there is something of each metric: %s", where, query)
		}
	})
	if len(empty) > shown/3 {
		t.Errorf("%d queries show something and %d nothing: %q", shown, len(empty), empty)
	}
	t.Logf("%d queries show something; nothing of that kind has happened for %q", shown, empty)
}

// lacking is a part of a query that nothing was told of, empty when there is none.
func lacking(t *testing.T, query string, some func(string) bool) (part string) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Fatal(err)
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok && !some(v.String()) {
			part = v.String()
		}
		return nil
	})
	return part
}

// eachQuery yields the queries of all panels, of the namespace of the test.
func eachQuery(t *testing.T, yield func(where, query string)) {
	t.Helper()
	fill := strings.NewReplacer("$__rate_interval", "5m", "$namespace", ".*")
	for name, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				yield(name+", "+p.Title+", "+target.RefID, fill.Replace(target.Expr))
			}
		}
	}
}

// TestNothingFiresForAHealthyFleet: no alert is about what a fleet tells that has crawled well.
func TestNothingFiresForAHealthyFleet(t *testing.T) {
	t.Parallel()
	told := recorded(t)
	engine := promqltest.NewTestEngine(t, false, 0, 1000000)
	for name, r := range rules(t) {
		q, err := engine.NewInstantQuery(t.Context(), told, nil, r.Expr, time.Unix(0, 0).Add(crawledMinutes*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		found, err := q.Exec(t.Context()).Vector()
		if err != nil || len(found) > 0 {
			t.Errorf("%s: %v, %v", name, found, err)
		}
		q.Close()
	}
}
