package load

import (
	"flag"
	"runtime"
	"testing"
	"time"
)

var (
	update   = flag.Bool("update", false, "write docs/load.md")
	minutes  = flag.Int("minutes", 10, "how long the crawl lasts at -rate")
	rate     = flag.Int("rate", 150, "pages a second that the web is made for: its pages are as many as these for the minutes")
	hosts    = flag.Int("hosts", 0, "hosts that the web has, about; 300 for each shard if 0, so that bundles of many hosts can be made")
	foreign  = flag.Int("foreign", 2, "links of a page to other hosts, most of which are in other shards")
	shards   = flag.Int("shards", 64, "spec.shards of the order")
	visitors = flag.Int("visitors", 2, "stand-ins for workers that visit pages")
	tabsFlag = flag.Int("tabs", 128, "tabs of each stand-in")
	planners = flag.Int("planners", 2, "workers that plan")
	delay    = flag.Int("delay", 2, "spec.politeness.delaySeconds of the order")
	fastest  = flag.Duration("fastest", 200*time.Millisecond, "the least time of a page")
	slowest  = flag.Duration("slowest", 2*time.Second, "the longest time of a page")
)

// BenchmarkLoad crawls a web that is as large as the flags say and writes what was measured.
func BenchmarkLoad(b *testing.B) {
	pages := *minutes * 60 * *rate
	onHosts := *hosts
	if onHosts == 0 {
		onHosts = min(300**shards, pages/2)
	}
	r := measure(b, setup{
		pages: pages, hosts: onHosts, foreign: *foreign, shards: int32(*shards), visitors: *visitors, tabs: *tabsFlag, planners: *planners, delay: int32(*delay),
		fastest: *fastest, slowest: *slowest, patience: time.Duration(6**minutes+10) * time.Minute,
	})
	b.ReportMetric(0, "ns/op") // the whole of it says nothing
	b.ReportMetric(r.perSecond(), "pages/s")
	text, err := r.render(runtime.NumCPU())
	if err != nil {
		b.Fatal(err)
	}
	b.Log(text)
	if *update && !b.Failed() {
		write(b, text)
	}
}
