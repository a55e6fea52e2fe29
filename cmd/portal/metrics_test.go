package main

import (
	"net"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"crawlfleet.dev/crawlfleet/portal"
	"crawlfleet.dev/crawlfleet/portal/access"
)

// known describes all metrics that a portal has.
func known() (all string) {
	r := newRegistry()
	portal.NewMetrics(r)
	r.MustRegister(portal.CatalogMetrics{Follow: still{}, Now: nil})
	descriptions := make(chan *prometheus.Desc, 1000)
	r.Describe(descriptions)
	close(descriptions)
	for d := range descriptions {
		all += d.String()
	}
	return all
}

// still is a follower that nobody asks.
type still struct{ portal.Follower }

// TestMetricsAreDocumented: each metric of ours is explained, and so is each reason.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`"(crawlfleet_[a-z_]+)"`).FindAllStringSubmatch(known(), -1)
	if len(names) < 10 {
		t.Fatalf("a portal has %q only", names)
	}
	for _, name := range names {
		if !strings.HasPrefix(name[1], "crawlfleet_portal_") || !strings.Contains(string(docs), "| `"+name[1]+"` |") {
			t.Errorf("docs/reference/metrics.md does not explain %s", name[1])
		}
	}
	_, reasons, _ := strings.Cut(string(docs), "### Reasons of refusals")
	for _, reason := range access.Reasons() {
		if !strings.Contains(reasons, "`"+reason+"`") {
			t.Errorf("docs/reference/metrics.md does not explain the reason %s", reason)
		}
	}
}

// TestAlertsNameMetrics: the alerts about portals speak of metrics that there are.
func TestAlertsNameMetrics(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../config/alerts/prometheusrule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`crawlfleet_portal_[a-z_]+`).FindAllString(string(raw), -1)
	if len(names) < 4 {
		t.Fatalf("the alerts name %q only", names)
	}
	all := known()
	for _, name := range names {
		if !strings.Contains(all, `"`+name+`"`) {
			t.Errorf("an alert speaks of %s, which no portal has", name)
		}
	}
	docs, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, alert := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(raw), -1) {
		if !strings.Contains(string(docs), "| `"+alert[1]+"` |") {
			t.Errorf("docs/reference/metrics.md does not explain the alert %s", alert[1])
		}
	}
}

func TestMetricsAddress(t *testing.T) {
	t.Parallel()
	if sites, err := (&options{}).metricsSite(newRegistry()); err != nil || len(sites) != 0 {
		t.Errorf("without an address: %d sites, %v", len(sites), err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := (&options{metrics: taken.Addr().String()}).metricsSite(newRegistry()); err == nil || !strings.Contains(err.Error(), "--metrics-address") {
		t.Errorf("an address that is taken: %v", err)
	}
}
