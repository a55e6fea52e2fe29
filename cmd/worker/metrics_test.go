package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/yaml"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/telemetry/temporal"
	"crawlfleet.dev/crawlfleet/workers/frontier"
	"crawlfleet.dev/crawlfleet/workers/notary"
	"crawlfleet.dev/crawlfleet/workers/retention"
)

func TestMetricsAreServed(t *testing.T) {
	t.Parallel()
	if stop, err := serveMetrics("", newRegistry()); err != nil {
		t.Error(err)
	} else {
		stop()
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := serveMetrics(taken.Addr().String(), newRegistry()); err == nil || !strings.Contains(err.Error(), "--metrics-address") {
		t.Errorf("an address that is taken: %v", err)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	r := newRegistry()
	frontier.NewMetrics(r).Replaced("Stuck")
	stop, err := serveMetrics(taken.Addr().String(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, "http://"+taken.Addr().String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`crawlfleet_browser_replacements_total{cause="Stuck"} 1`, "process_resident_memory_bytes ", "go_goroutines "} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// known describes all metrics that a worker has.
func known() (all string) {
	r := newRegistry()
	frontier.NewMetrics(r)
	retention.NewMetrics(r)
	notary.NewMetrics(r)
	blob.NewMetrics(r)
	temporal.NewMetrics(r)
	descriptions := make(chan *prometheus.Desc, 1000)
	r.Describe(descriptions)
	close(descriptions)
	for d := range descriptions {
		all += d.String()
	}
	return all
}

// Each metric of ours is explained.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	all := known()
	names := regexp.MustCompile(`"((?:crawlfleet|temporal)_[a-z_]+)"`).FindAllStringSubmatch(all, -1)
	if len(names) < 10 {
		t.Fatalf("a worker has %q only", names)
	}
	for _, name := range names {
		if !strings.Contains(string(docs), "| `"+name[1]+"` |") {
			t.Errorf("docs/reference/metrics.md does not explain %s", name[1])
		}
	}
	for _, section := range []string{"Of a worker", "Of Temporal"} {
		_, text, _ := strings.Cut(string(docs), "\n## "+section+"\n")
		text, _, _ = strings.Cut(text, "\n## ")
		rows := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(text, -1)
		if len(rows) < 10 {
			t.Errorf("%q explains %q only", section, rows)
		}
		for _, row := range rows {
			if !strings.Contains(all, `"`+row[1]+`"`) {
				t.Errorf("%q explains %s, which no worker has", section, row[1])
			}
		}
	}
}

// others are the metrics of other programs.
var others = regexp.MustCompile(`^crawlfleet_(portal|gateway|crawljob|crawlschedule|queue|temporal_up)`)

// The alerts speak of metrics that there are.
func TestAlertsNameMetrics(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../config/alerts/prometheusrule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	known := known()
	names := regexp.MustCompile(`crawlfleet_[a-z_]+`).FindAllString(string(raw), -1)
	if len(names) < 4 {
		t.Fatalf("the alerts name %q only", names)
	}
	for _, name := range names {
		if others.MatchString(name) {
			continue // cmd/portal and test/alerts have a test of these
		}
		if !strings.Contains(known, `"`+strings.TrimSuffix(name, "_bucket")+`"`) {
			t.Errorf("an alert speaks of %s, which no worker has", name)
		}
	}
}

// TestNoTimeStampsWaits: one stamp that is owed for some minutes alerts nobody, an outage does after an
// hour, and goes on to while stamps are asked for every six hours. What came within a window
// ends what was owed in it, so that both are as long.
func TestNoTimeStampsWaits(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../config/alerts/prometheusrule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Spec struct {
			Groups []struct {
				Rules []struct{ Alert, Expr, For string }
			}
		}
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	for _, r := range file.Spec.Groups[0].Rules {
		if r.Alert != "CrawlfleetNoTimeStamps" {
			continue
		}
		var windows []string
		for _, m := range regexp.MustCompile(`\[(\w+)\]`).FindAllStringSubmatch(r.Expr, -1) {
			windows = append(windows, m[1])
		}
		if got := strings.Join(windows, " "); got != "1h 1h 7h 7h" || r.For != "30m" {
			t.Errorf("it looks at %s, for %q", got, r.For)
		}
		return
	}
	t.Error("there is no such alert")
}
