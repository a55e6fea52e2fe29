package bench

import (
	"fmt"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/dynamic"
)

// BenchmarkSigned measures what signatures, time stamps and the custody log cost a crawl: the same worker with and without
// them, in turn, each round the other way round, over as many pages of as many hosts as BenchmarkCrawl.
func BenchmarkSigned(b *testing.B) {
	srv, err := sites.Start(sites.Options{Handler: dynamic.New(dynamic.Options{Latency: latency})})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := srv.Close(); err != nil {
			b.Error(err)
		}
	})
	var resolve []string
	for i := range crawlHosts {
		resolve = append(resolve, fmt.Sprintf("h%d.test:80=%s", i, srv.Addr))
	}
	fleet := harness.Start(b, harness.Options{Workers: -1, Tabs: crawlTabs, Resolve: resolve, Unsigned: true})
	var workers []*harness.Process // without, with
	for _, flags := range [][]string{nil, fleet.SigningFlags()} {
		w := fleet.AddWorker(b, flags...)
		workers = append(workers, w)
		if err := w.Stop(); err != nil {
			b.Fatal(err)
		}
	}
	crawl := func(worker, round int) float64 {
		fleet.StartAgain(b, workers[worker])
		srv.Log.Reset()
		var urls []string
		for i := range *pages {
			urls = append(urls, fmt.Sprintf("http://h%d.test/page/%d", i*crawlHosts / *pages, 1+(2*round+worker)**pages+i))
		}
		job := newOrder(fmt.Sprintf("round-%d-%d", round, worker), urls...)
		fleet.Apply(b, job)
		fleet.WaitUntil(b, job.Name, "it has finished", 10*time.Minute, func(j *v1alpha1.CrawlJob) bool {
			return harness.Condition(j, "Succeeded").Status == "True"
		})
		if err := workers[worker].Stop(); err != nil {
			b.Fatal(err)
		}
		return rate(b, srv)
	}
	var ratios []float64
	for round := range *rounds {
		var rates [2]float64
		for i := range 2 {
			worker := (i + round) % 2
			rates[worker] = crawl(worker, round)
		}
		ratios = append(ratios, rates[1]/rates[0])
		b.Logf("%5.2f pages/s, signed %5.2f: %.3f", rates[0], rates[1], rates[1]/rates[0])
	}
	b.ReportMetric(0, "ns/op") // the whole of it says nothing
	b.ReportMetric(spreadOf(ratios).median, "signed/unsigned")
}
