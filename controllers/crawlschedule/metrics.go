package crawlschedule

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// listTimeout bounds the look into the cache.
const listTimeout = 5 * time.Second

// Metrics tell how the CrawlSchedules are, whenever somebody asks: all operators of a fleet tell the same. They name
// no schedule, see docs/reference/metrics.md.
type Metrics struct {
	// Client lists CrawlSchedules from the cache.
	Client client.Reader
}

// What is told of CrawlSchedules.
var (
	schedulesDesc = prometheus.NewDesc("crawlfleet_crawlschedules", "CrawlSchedules, by the reason of their condition Ready and by whether it holds.", []string{"reason", "ready"}, nil)
	firingsDesc   = prometheus.NewDesc("crawlfleet_crawlschedule_firings", "Times of the CrawlSchedules that there are, by what became of them.", []string{"outcome"}, nil)
)

// Describe implements prometheus.Collector.
func (Metrics) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- schedulesDesc
	descriptions <- firingsDesc
}

// Collect implements prometheus.Collector. Without a cache that is filled nothing is told.
func (m Metrics) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), listTimeout)
	defer cancel()
	var list v1alpha1.CrawlScheduleList
	if err := m.Client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	schedules := map[[2]string]int{}
	firings := map[string]int64{"Fired": 0, "Overlapped": 0, "Missed": 0}
	for i := range list.Items {
		status := &list.Items[i].Status
		key := [2]string{"", "Unknown"} // one that nobody has looked at
		if c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady); c != nil {
			key = [2]string{c.Reason, string(c.Status)}
		}
		schedules[key]++
		if n := status.Firings; n != nil {
			for outcome, count := range map[string]*int64{"Fired": n.Fired, "Overlapped": n.Overlapped, "Missed": n.Missed} {
				if count != nil {
					firings[outcome] += *count
				}
			}
		}
	}
	for key, n := range schedules {
		metrics <- prometheus.MustNewConstMetric(schedulesDesc, prometheus.GaugeValue, float64(n), key[0], key[1])
	}
	for outcome, n := range firings {
		metrics <- prometheus.MustNewConstMetric(firingsDesc, prometheus.GaugeValue, float64(n), outcome)
	}
}
