package fleet

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func (b *bed) valuesFile() string { return filepath.Join(b.work, "values.json") }

// set has Helm install the fleet with a tag of the worker's image, where not the chart's, and with other values than the
// guide's: less of everything, a pool that shrinks soon, the profile that lets Chromium's sandbox be, and the sites, which may
// be visited although their address is private, and whose names one server alone knows.
func (b *bed) set(t *testing.T, worker string) {
	t.Helper()
	site := b.siteAddress(t)
	type object = map[string]any
	text, err := json.Marshal(object{
		"services": object{"storage": object{"size": "2Gi"}, "resources": object{"requests": object{"cpu": "100m", "memory": "512Mi"}}},
		"images":   object{"worker": object{"tag": worker}},
		"fleet": object{
			"egress": object{"allowPrivate": []string{site + "/32"}, "nameServer": site},
			"pools": []object{{
				"name": "browsers", "tabs": 2,
				"scaling":        object{"min": 0, "max": 2, "scaleInDelaySeconds": 20},
				"seccompProfile": object{"type": "Localhost", "localhostProfile": "crawlfleet/chromium.json"},
				"resources": object{
					"requests": object{"cpu": "100m", "memory": "512Mi", "ephemeral-storage": "1Gi"},
					"limits":   object{"memory": "3Gi", "ephemeral-storage": "20Gi"},
				},
			}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.valuesFile(), text, 0o644); err != nil {
		t.Fatal(err)
	}
}
