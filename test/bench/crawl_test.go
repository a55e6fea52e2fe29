package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/dynamic"
)

// The crawl that is compared with crawlctl capture: pages of as many hosts, so that politeness,
// which crawlctl leaves to whoever lists the pages, is no bound.
const (
	crawlHosts = 12
	crawlTabs  = 2
	// crawlOpen is how many pages a worker with so many tabs has open at once: those that wait
	// for quiet take no tab. crawlctl capture is given as many.
	crawlOpen = 3 * crawlTabs
)

// BenchmarkCrawl measures what a crawl costs beside the capture of its pages: how long it takes
// from the applied CrawlJob to the first snapshot in the store, and how fast pages follow each
// other, in turn with crawlctl capture over as many pages at the same concurrency.
func BenchmarkCrawl(b *testing.B) {
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
	fleet := harness.Start(b, harness.Options{Tabs: crawlTabs, Resolve: resolve})
	list := func(round int) (urls []string) {
		for i := range *pages { // those of a host together, as a crawl visits them: Chrome keeps their process
			urls = append(urls, fmt.Sprintf("http://h%d.test/page/%d", i*crawlHosts / *pages, 1+round**pages+i))
		}
		return urls
	}
	var measured []crawlRound
	for round := range *rounds {
		r := crawlRound{first: firstSnapshot(b, fleet, fmt.Sprint("small-", round), list(3 * round)[0])}
		srv.Log.Reset()
		job := newOrder(fmt.Sprint("large-", round), list(3*round+1)...)
		fleet.Apply(b, job)
		fleet.WaitUntil(b, job.Name, "it has finished", 10*time.Minute, func(j *v1alpha1.CrawlJob) bool {
			return harness.Condition(j, "Succeeded").Status == "True"
		})
		r.crawled = rate(b, srv)
		srv.Log.Reset()
		capture(b, fleet, resolve, list(3*round+2))
		r.captured = rate(b, srv)
		measured = append(measured, r)
		b.Logf("first snapshot after %.2f s; %5.2f pages/s, crawlctl capture %5.2f", r.first, r.crawled, r.captured)
	}
	b.ReportMetric(0, "ns/op") // the whole of it says nothing
	b.ReportMetric(spreadOver(measured, crawlRound.toFirst).median, "s-to-first")
	b.ReportMetric(spreadOver(measured, crawlRound.ratio).median, "crawl/capture")
	if *update && !b.Failed() {
		writeCrawl(b, measured)
	}
}

// crawlRound is what one round has measured: seconds to the first snapshot of a small job, and
// pages a second of a larger one and of crawlctl capture.
type crawlRound struct{ first, crawled, captured float64 }

func (r crawlRound) toFirst() float64 { return r.first }
func (r crawlRound) ratio() float64   { return r.crawled / r.captured }

func spreadOver(rounds []crawlRound, figure func(crawlRound) float64) spread {
	var values []float64
	for _, r := range rounds {
		values = append(values, figure(r))
	}
	return spreadOf(values)
}

const crawlReport = `# Small crawls

Written by ` + "`make bench-crawl`" + `; do not edit. On one machine with %d processors: Kubernetes API server, Temporal, S3 server, operator, a worker
with %d tabs, and the site: the dynamic one of [benchmarks](benchmarks.md), under %d host names, without a pause between pages.

**To the first snapshot**, from the applied CrawlJob of one page to its WACZ file in the store: %s s.

**What the fleet costs beside the capture**: an order of %d pages, and as many through ` + "`crawlctl capture --concurrency %d`" + `, which is as many pages
open at once, in turn. Pages a second of the crawl are %s of those of crawlctl, as median (least–most) of the ratios in %d rounds.

What the two do is not the same in all: a crawl shows the pages of a host in one browser context after another, up to 20 in each, and has a
process for each; crawlctl takes the pages as they are listed, six at a time in one context, and has a process for a host in each of its tabs.
The API server, Temporal and the store share the processors with the browser here, which no fleet does.

| round | first snapshot, s | crawl, pages/s | crawlctl capture, pages/s | ratio |
| --- | --- | --- | --- | --- |
`

// writeCrawl makes docs/small-crawls.md.
func writeCrawl(b *testing.B, rounds []crawlRound) {
	b.Helper()
	var s strings.Builder
	fmt.Fprintf(&s, crawlReport, runtime.NumCPU(), crawlTabs, crawlHosts, spreadOver(rounds, crawlRound.toFirst), *pages, crawlOpen,
		spreadOver(rounds, crawlRound.ratio), len(rounds))
	for i, r := range rounds {
		fmt.Fprintf(&s, "| %d | %.2f | %.2f | %.2f | %.2f |\n", i+1, r.first, r.crawled, r.captured, r.ratio())
	}
	if err := os.WriteFile(filepath.Join("..", "..", "docs", "small-crawls.md"), []byte(s.String()), 0o644); err != nil {
		b.Fatal(err)
	}
}

// newOrder crawls a list of pages and nothing else, with the outputs of crawlctl capture.
func newOrder(name string, urls ...string) *v1alpha1.CrawlJob {
	job := harness.NewJob(name, urls...)
	job.Spec.Scope.Type = v1alpha1.ScopePage
	job.Spec.Capture.Screenshot = v1alpha1.ScreenshotViewport
	return job
}

// firstSnapshot crawls one page and tells how long it takes, in seconds, until its snapshot is
// in the store.
func firstSnapshot(b *testing.B, fleet *harness.Fleet, name, page string) float64 {
	b.Helper()
	store, err := fleet.S3()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	fleet.Apply(b, newOrder(name, page))
	for {
		for o := range store.ListObjectsIter(b.Context(), fleet.State().S3.ArchiveBucket, minio.ListObjectsOptions{Prefix: "default/" + name + "/", Recursive: true}) {
			if o.Err != nil {
				b.Fatal(o.Err)
			}
			if strings.HasSuffix(o.Key, ".wacz") {
				return time.Since(began).Seconds()
			}
		}
		if time.Since(began) > time.Minute {
			b.Fatalf("%s: no snapshot after a minute", name)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// capture captures pages with crawlctl.
func capture(b *testing.B, fleet *harness.Fleet, resolve, urls []string) {
	b.Helper()
	file := filepath.Join(b.TempDir(), "pages.txt")
	if err := os.WriteFile(file, []byte(strings.Join(urls, "\n")), 0o600); err != nil {
		b.Fatal(err)
	}
	args := []string{"capture", "--pages", file, "--concurrency", fmt.Sprint(crawlOpen), "--out", filepath.Join(b.TempDir(), "pages.wacz"), "--allow-private", "127.0.0.0/8"}
	for _, r := range resolve {
		args = append(args, "--resolve", r)
	}
	if out, err := exec.CommandContext(b.Context(), fleet.Binary(b, "crawlctl"), args...).CombinedOutput(); err != nil {
		b.Fatalf("crawlctl capture: %v\n%s", err, out)
	}
}

// rate is how many pages a second a site was asked for, from the first to the last.
func rate(b *testing.B, srv *sites.Server) float64 {
	b.Helper()
	entries := srv.Log.Entries(sites.Filter{Navigate: true})
	if len(entries) < *pages {
		b.Fatalf("%d of %d pages were loaded", len(entries), *pages)
	}
	return float64(len(entries)-1) / entries[len(entries)-1].Start.Sub(entries[0].Start).Seconds()
}
