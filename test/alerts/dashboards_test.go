package alerts

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// panel is a part of a dashboard.
type panel struct {
	Type, Title string
	ID          int
	GridPos     struct{ X, Y, W, H int }
	Datasource  struct{ UID string }
	Targets     []struct {
		Expr, RefID string
		Datasource  struct{ UID string }
	}
}

// dashboard is what Grafana reads.
type dashboard struct {
	UID, Title string
	Templating struct {
		List []struct{ Name, Definition string }
	}
	Panels []panel
}

// dashboards reads all of them, by their file.
func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob(root + "config/dashboards/*.json")
	if err != nil || len(files) != 4 {
		t.Fatalf("%d dashboards, %v", len(files), err)
	}
	all := map[string]dashboard{}
	for _, file := range files {
		var d dashboard
		raw, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(raw, &d)
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[filepath.Base(file)] = d
	}
	return all
}

// queries have a duration where Grafana puts one in.
var intervals = strings.NewReplacer("$__rate_interval", "5m", "$__range", "3h")

// TestDashboards: each asks for what there is, of the fleet and the data source that were chosen, and shows it where
// nothing else is.
func TestDashboards(t *testing.T) {
	t.Parallel()
	metrics := known(t)
	uids, asked := map[string]bool{}, ""
	for name, d := range dashboards(t) {
		if d.UID == "" || uids[d.UID] || !strings.HasPrefix(d.Title, "Crawlfleet / ") {
			t.Errorf("%s has the uid %q and the title %q", name, d.UID, d.Title)
		}
		uids[d.UID] = true
		for _, v := range d.Templating.List {
			if of := regexp.MustCompile(`label_values\((\w+), namespace\)`).FindStringSubmatch(v.Definition); of != nil {
				if _, ok := find(of[1], metrics); !ok {
					t.Errorf("%s looks for namespaces of %s, which there is not", name, of[1])
				}
			}
		}
		placed(t, name, d.Panels)
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				asked += target.Expr
				queried(t, name+", "+p.Title, target.Expr, metrics)
				if p.Datasource.UID != "${datasource}" || target.Datasource.UID != "${datasource}" {
					t.Errorf("%s, %s asks a data source of its own", name, p.Title)
				}
			}
		}
	}
	for name := range metrics {
		if strings.HasPrefix(name, "crawlfleet_") && !strings.Contains(asked, name) {
			t.Errorf("no dashboard shows %s", name)
		}
	}
}

// queried checks one query.
func queried(t *testing.T, where, query string, metrics map[string]metric) {
	t.Helper()
	check(t, where, intervals.Replace(query), metrics)
	for _, m := range regexp.MustCompile(`\{[^}]*\}`).FindAllString(query, -1) {
		if !strings.Contains(m, `namespace=~"$namespace"`) {
			t.Errorf("%s: %s is of all fleets", where, m)
		}
	}
}

// placed finds panels that lie over each other, or beside the grid.
func placed(t *testing.T, name string, panels []panel) {
	t.Helper()
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range panels {
		if ids[p.ID] {
			t.Errorf("%s has two panels %d", name, p.ID)
		}
		ids[p.ID] = true
		at := p.GridPos
		if at.W < 1 || at.H < 1 || at.X < 0 || at.X+at.W > 24 {
			t.Errorf("%s: %q lies at %+v", name, p.Title, at)
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other, some := taken[[2]int{x, y}]; some {
					t.Fatalf("%s: %q lies over %q", name, p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// TestDashboardsAreInstalled: the kustomization has each, under the label by which Grafana's sidecar finds it.
func TestDashboardsAreInstalled(t *testing.T) {
	t.Parallel()
	var k struct {
		GeneratorOptions   struct{ Labels map[string]string }
		ConfigMapGenerator []struct {
			Name  string
			Files []string
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "config/dashboards/kustomization.yaml")), &k); err != nil {
		t.Fatal(err)
	}
	if k.GeneratorOptions.Labels["grafana_dashboard"] != "1" {
		t.Errorf("labels %v", k.GeneratorOptions.Labels)
	}
	var installed []string
	for _, g := range k.ConfigMapGenerator {
		installed = append(installed, g.Files...)
	}
	files, err := filepath.Glob(root + "config/dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.Contains(installed, filepath.Base(file)) {
			t.Errorf("the kustomization does not have %s", file)
		}
	}
}
