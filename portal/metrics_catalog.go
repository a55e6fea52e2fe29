package portal

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// CatalogMetrics tell Prometheus how far the catalog is in step with the archive, as it is when that
// asks (docs/reference/metrics.md).
type CatalogMetrics struct {
	Follow Follower
	// Began is when following began.
	Began time.Time
	Now   func() time.Time
}

var (
	catalogChunks   = gauge("chunks", "Files of the archive that the catalog knows, those with a problem as well.")
	catalogWaiting  = gauge("waiting_chunks", "Files that were listed and are not read yet.")
	catalogProblems = gauge("problems", "Files of the archive that something is wrong with.")
	catalogListed   = gauge("listed_age_seconds", "Time since all of the archive was listed last; since the portal began while it never was.")
	catalogFailing  = gauge("failing_seconds", "Time since looks at the archive fail, 0 while they do not.")
	catalogNewest   = gauge("newest_age_seconds", "Age of the newest file of the archive that the catalog has; missing while it has none.")
)

func gauge(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("crawlfleet_portal_catalog_"+name, help, nil, nil)
}

// Describe implements prometheus.Collector.
func (CatalogMetrics) Describe(d chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{catalogChunks, catalogWaiting, catalogProblems, catalogListed, catalogFailing, catalogNewest} {
		d <- desc
	}
}

// Collect implements prometheus.Collector.
func (c CatalogMetrics) Collect(metrics chan<- prometheus.Metric) {
	p, now := c.Follow.Progress(), c.Now()
	tell := func(d *prometheus.Desc, value float64) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	}
	since := func(t time.Time) float64 { return max(0, now.Sub(t).Seconds()) } // the store's clock may be ahead
	tell(catalogChunks, float64(p.Known))
	tell(catalogWaiting, float64(p.Waiting))
	tell(catalogProblems, float64(p.Problems))
	listed := p.Listed
	if listed.IsZero() {
		listed = c.Began
	}
	tell(catalogListed, since(listed))
	failing := 0.0
	if p.Error != "" {
		failing = since(p.Since)
	}
	tell(catalogFailing, failing)
	if !p.Newest.IsZero() {
		tell(catalogNewest, since(p.Newest))
	}
}
