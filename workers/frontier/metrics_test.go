package frontier

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestArchivedBeginsAtZero: the first pages that a worker archives are a rise, which the alert CrawlfleetNothingArchived
// asks for.
func TestArchivedBeginsAtZero(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	NewMetrics(r)
	err := testutil.GatherAndCompare(r, strings.NewReader(`
# HELP crawlfleet_pages_total Outcomes of pages that were committed, one for each visit.
# TYPE crawlfleet_pages_total counter
crawlfleet_pages_total{outcome="Archived",reason=""} 0
`), "crawlfleet_pages_total")
	if err != nil {
		t.Error(err)
	}
}
