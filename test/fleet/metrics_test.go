package fleet

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var recordFlag = flag.String("record-metrics", "", "the `folder` to write down in what the fleet tells Prometheus while it crawls, for the dashboards (../alerts, -told)")

// ours are the lines of metrics that the dashboards ask for.
var ours = regexp.MustCompile(`(?m)^(# (HELP|TYPE) )?(crawlfleet|temporal|controller_runtime|process)_.*\n`)

// record writes down what each part of the fleet tells Prometheus, by way of the API server.
func (b *bed) record(t *testing.T) {
	t.Helper()
	told := map[string]string{}
	for component, port := range map[string]string{"operator": "8080", "conductor": "8082", "browser": "8082", "gateway": "8082", "portal-local": "8082"} {
		await(t, "a "+component+" tells of itself", func(ctx context.Context) (bool, string) {
			told[component] = ""
			for _, p := range b.pods(ctx, t, fleetSpace, "app.kubernetes.io/component="+component) {
				text, err := b.client.CoreV1().Pods(fleetSpace).ProxyGet("http", p.Name, port, "metrics", nil).DoRaw(ctx)
				if err != nil || !ready(&p) {
					return false, fmt.Sprintf("%s: %v", p.Name, err)
				}
				if component == "browser" && !strings.Contains(string(text), "crawlfleet_page_phase_seconds_count") {
					continue // it has not had a page yet
				}
				told[component] = strings.Join(ours.FindAllString(string(text), -1), "")
			}
			return told[component] != "", "none has anything to tell"
		})
	}
	if *recordFlag == "" {
		return
	}
	for component, text := range told {
		if err := os.WriteFile(filepath.Join(*recordFlag, component+".prom"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
