package bench

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/docs"
	"crawlfleet.dev/crawlfleet/test/sites/dynamic"
)

var (
	update   = flag.Bool("update", false, "write docs/benchmarks.md")
	rounds   = flag.Int("rounds", 5, "how often each variant runs")
	pages    = flag.Int("pages", 60, "pages a run")
	tabsFlag = flag.String("tabs", "1,2,4", "how many pages are worked on at once")
	variants = flag.String("variants", strings.Join([]string{variantBare, variantRelay, variantRecord, variantPicture, variantSettled, variantAll}, ","), "what is compared with "+variantBare)
	profile  = flag.String("profile", "", "file for a profile of the run's own processor time")
)

// latency is how long the dynamic site holds back each answer.
const latency = 20 * time.Millisecond

// result is all that was measured of a site with a number of tabs.
type result struct {
	site  string
	tabs  int
	times map[string][]timing // by variant, a round each
}

// BenchmarkCapture measures the variants in turn, round after round.
func BenchmarkCapture(b *testing.B) {
	fleet := harness.Start(b, harness.Options{Workers: -1, NoOperator: true})
	state := fleet.State()
	store := &blob.Config{Endpoint: state.S3.Endpoint, Region: state.S3.Region, CredentialsFile: state.S3.CredentialsFile}
	var results []result
	for _, site := range []string{"docs", "dynamic"} {
		urls := serveSite(b, site)
		for _, tabs := range strings.Split(*tabsFlag, ",") {
			n, err := strconv.Atoi(tabs)
			if err != nil {
				b.Fatalf("-tabs %s: %v", *tabsFlag, err)
			}
			b.Run(fmt.Sprintf("%s/tabs=%d", site, n), func(b *testing.B) {
				r := result{site: site, tabs: n, times: make(map[string][]timing)}
				for range *rounds {
					for _, v := range strings.Split(*variants, ",") {
						o := order{Variant: v, Tabs: n, URLs: urls(*pages), Store: store, Bucket: state.S3.ArchiveBucket, Profile: *profile}
						t, err := measureOnce(b.Context(), o)
						if err != nil {
							b.Fatal(err)
						}
						if t.Incomplete > 0 {
							b.Errorf("%s: %d of %d pages are not complete", v, t.Incomplete, t.Pages)
						}
						r.times[v] = append(r.times[v], t)
						b.Logf("%-8s %6.2f pages/s  own %5.1f  Chrome %6.1f ms a page", v, t.pagesPerSecond(),
							t.Own/float64(t.Pages)*1000, t.Chrome/float64(t.Pages)*1000)
					}
				}
				results = append(results, r)
				b.ReportMetric(0, "ns/op") // the whole of it says nothing
				for _, v := range strings.Split(*variants, ",")[1:] {
					b.ReportMetric(r.ratio(v, timing.pagesPerSecond).median, v+"/bare")
				}
			})
		}
	}
	if *update && !b.Failed() {
		write(b, results)
	}
}

// serveSite starts a site and returns what gives the addresses of some of its pages.
func serveSite(b *testing.B, name string) func(n int) []string {
	b.Helper()
	if name == "dynamic" {
		base := start(b, sites.Options{Handler: dynamic.New(dynamic.Options{Latency: latency})})
		var last atomic.Int64
		return func(n int) []string {
			urls := make([]string, n)
			for i := range urls {
				urls[i] = fmt.Sprintf("%s/page/%d", base, last.Add(1))
			}
			return urls
		}
	}
	root, err := docs.FindRoot()
	if err != nil {
		b.Fatal(err)
	}
	site, err := docs.New(docs.Options{Root: root})
	if err != nil {
		b.Fatal(err)
	}
	account, err := docs.Walk(root)
	if err != nil {
		b.Fatal(err)
	}
	paths := account.Pages
	base := start(b, sites.Options{Handler: site})
	return func(n int) []string { // the same ones each time, from all over the manual
		urls := make([]string, n)
		for i := range urls {
			urls[i] = base + paths[i*len(paths)/n]
		}
		return urls
	}
}

func start(b *testing.B, o sites.Options) string {
	b.Helper()
	srv, err := sites.Start(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := srv.Close(); err != nil {
			b.Error(err)
		}
	})
	return srv.URL
}

// spread is the middle and the ends of what the rounds gave.
type spread struct{ min, median, max float64 }

func spreadOf(values []float64) spread {
	slices.Sort(values)
	n := len(values)
	return spread{values[0], (values[(n-1)/2] + values[n/2]) / 2, values[n-1]}
}

// ratio compares a variant with the bare loop of the same round.
func (r result) ratio(variant string, of func(timing) float64) spread {
	values := make([]float64, len(r.times[variant]))
	for i, t := range r.times[variant] {
		values[i] = of(t) / of(r.times[variantBare][i])
	}
	return spreadOf(values)
}

// figure is what the rounds of a variant gave.
func (r result) figure(variant string, of func(timing) float64) spread {
	values := make([]float64, len(r.times[variant]))
	for i, t := range r.times[variant] {
		values[i] = of(t)
	}
	return spreadOf(values)
}
