package crawljob

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// listTimeout bounds the look into the cache.
const listTimeout = 5 * time.Second

// Metrics tell how many CrawlJobs there are and how they stand, whenever somebody asks: all operators of a fleet tell the
// same. They name no job, see docs/reference/metrics.md.
type Metrics struct {
	// Client lists CrawlJobs from the cache.
	Client client.Reader
	// Now is the clock.
	Now func() time.Time
}

// What is told of CrawlJobs.
var (
	jobsDesc    = prometheus.NewDesc("crawlfleet_crawljobs", "CrawlJobs, by the reason of their condition Succeeded and by whether they are over.", []string{"reason", "finished"}, nil)
	stalledDesc = prometheus.NewDesc("crawlfleet_crawljobs_stalled", "CrawlJobs that are not over and do not move, by the reason of their condition Stalled.", []string{"reason"}, nil)
	sinceDesc   = prometheus.NewDesc("crawlfleet_crawljob_stalled_seconds", "Time since the first of them stalled, by reason.", []string{"reason"}, nil)
	pagesDesc   = prometheus.NewDesc("crawlfleet_crawljob_pages", "Pages of the CrawlJobs that are not over, by where they are.", []string{"state"}, nil)
)

// Describe implements prometheus.Collector.
func (Metrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{jobsDesc, stalledDesc, sinceDesc, pagesDesc} {
		descriptions <- d
	}
}

// tally are the sums over all CrawlJobs.
type tally struct {
	jobs            map[[2]string]int
	stalled         map[string]int
	since           map[string]time.Duration
	queued, leased  int64
	archived, other int64
}

// Collect implements prometheus.Collector. Without a cache that is filled nothing is told.
func (m Metrics) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), listTimeout)
	defer cancel()
	var list v1alpha1.CrawlJobList
	if err := m.Client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	sum := tally{jobs: map[[2]string]int{}, stalled: map[string]int{}, since: map[string]time.Duration{}}
	for i := range list.Items {
		sum.add(&list.Items[i], m.Now())
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for key, n := range sum.jobs {
		gauge(jobsDesc, float64(n), key[0], key[1])
	}
	for reason, n := range sum.stalled {
		gauge(stalledDesc, float64(n), reason)
		gauge(sinceDesc, sum.since[reason].Seconds(), reason)
	}
	for state, n := range map[string]int64{"Queued": sum.queued, "InProgress": sum.leased, "Archived": sum.archived, "FailedOrSkipped": sum.other} {
		gauge(pagesDesc, float64(n), state)
	}
}

// add takes one CrawlJob in. One that the operator has not visited yet has no conditions.
func (t *tally) add(job *v1alpha1.CrawlJob, now time.Time) {
	reason, over := "", finished(job)
	if c := meta.FindStatusCondition(job.Status.Conditions, v1alpha1.ConditionSucceeded); c != nil {
		reason = c.Reason
	}
	t.jobs[[2]string{reason, map[bool]string{true: "true", false: "false"}[over]}]++
	if over {
		return
	}
	if c := meta.FindStatusCondition(job.Status.Conditions, v1alpha1.ConditionStalled); c != nil && c.Status == metav1.ConditionTrue {
		t.stalled[c.Reason]++
		t.since[c.Reason] = max(t.since[c.Reason], now.Sub(c.LastTransitionTime.Time))
	}
	if n := job.Status.Counters; n != nil {
		t.queued, t.leased = t.queued+count64(n.Queued), t.leased+count64(n.InProgress)
		t.archived, t.other = t.archived+count64(n.Archived), t.other+count64(n.Failed)+count64(n.Skipped)
	}
}
