package retention

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
)

// TestErasuresAreCounted: a look by what it found, an object once it is gone, and what is missing
// although nobody erased it.
func TestErasuresAreCounted(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{})
	registry := prometheus.NewRegistry()
	r.keeper.Metrics = NewMetrics(registry)
	r.erase()
	r.server.Remove("/archive/" + prefix + "chunks/1.wacz")
	r.erase()
	r.pass(screening)
	r.erase()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			if n := m.GetCounter().GetValue(); n != 0 {
				got[name] = n
			}
		}
	}
	gone := float64(0)
	for _, p := range r.proofs() {
		gone += float64(len(p.Objects))
	}
	want := map[string]float64{"crawlfleet_retention_looks_total Screening": 1, "crawlfleet_retention_looks_total RetentionDrift": 2, "crawlfleet_erased_objects_total": gone}
	if diff := cmp.Diff(want, got); gone == 0 || diff != "" {
		t.Errorf("%v were erased (-want +got):\n%s", gone, diff)
	}
}
