package load

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/workflows"
)

// costs is what a page costs, as measured, from which a fleet is sized.
type costs struct {
	shards int
	// cpu is in seconds for 1,000 pages, by kind of process; chrome that of Chrome and of the recorder.
	cpu    map[string]float64
	chrome float64
	// For 1,000 pages: actions, heartbeats, state transitions, calls of the store, PUTs among them, megabytes of
	// the frontier's objects.
	actions, beats, transitions, calls, puts, frontier float64
	// pages of a bundle, bundles of a plan.
	pages, bundles float64
	// plan is one plan's time of a processor in seconds, planCalls are its calls of the store.
	plan, planCalls float64
	// bundleTakes is the median time of a bundle.
	bundleTakes time.Duration
	// page is the mean time of a page, delay the pause after it.
	page, delay time.Duration
	// operator and kube are how much of a processor one order keeps them busy.
	operator, kube float64
}

func (r *result) costs(page time.Duration, chrome float64) costs {
	per := func(n float64) float64 { return n / r.done() * 1000 }
	whole := func(n int64) float64 { return float64(n) / float64(r.pages) * 1000 }
	h := r.histories
	c := costs{
		shards: int(r.shards), cpu: map[string]float64{}, chrome: chrome, page: page, delay: time.Duration(r.delay) * time.Second,
		actions: whole(h.actions()), beats: whole(r.samples[len(r.samples)-1].tabs.Beats), transitions: whole(h.transitions),
	}
	for _, kind := range kinds {
		c.cpu[kind] = per(r.to.cpu[kind] - r.from.cpu[kind])
	}
	for kind := range r.to.store {
		n := r.to.store[kind].minus(r.from.store[kind])
		c.calls += per(float64(n.all()))
		c.puts += per(float64(n.puts))
		c.frontier += per(float64(n.others)) / 1e6
	}
	plans, bundles := h.activities[workflows.ActivityPlan], h.activities[workflows.ActivityCrawlBundle]
	c.pages, c.bundles = float64(r.pages)/float64(bundles.count), float64(bundles.count)/float64(plans.count)
	ofPlan := c.pages * c.bundles / 1000
	c.plan, c.planCalls = c.cpu[kindPlan]*ofPlan, per(float64(r.to.store[kindPlan].minus(r.from.store[kindPlan]).all()))*ofPlan
	c.bundleTakes = quantile(bundles.worked, .5)
	c.operator = (r.to.cpu[kindOperator] - r.from.cpu[kindOperator]) / r.lasted()
	c.kube = (r.to.cpu[kindKube] - r.from.cpu[kindKube]) / r.lasted()
	return c
}

// Assumptions of the paper part.
const (
	target      = 10_000 // pages/s
	busy        = .6     // of a processor, so that one node of three may be lost
	node        = 8      // processors of a machine, and of a worker's pod
	mostPolls   = 1200   // of a frontend, a namespace and a kind of poll (Temporal's limit frontend.namespaceCount)
	polls       = 2      // of a worker and a kind of task (the SDK's default)
	transaction = .005   // seconds of a database
	storeCall   = .01    // seconds of the store, for a small object
	task        = .01    // seconds of a workflow task, of which a plan needs two
	pageBytes   = 1.5e6  // of a real page's records, compressed
	nodeBytes   = 1.25e9 // a second of a store node's network: 10 Gbit/s
	copies      = 1.5    // what erasure coding stores of each byte
	planSlots   = 8      // plans at once of a worker (cmd/worker)
	openBundles = 16     // of a shard (workflows)
	bundleHosts = 20     // of a bundle (internal/frontier)
	bundlePages = 20     // that bundles of many shards are filled up to (internal/frontier)
	orderShards = 64     // of an order at most (api/v1alpha1)
	listed      = 1000   // keys of one list call (S3)
)

// need is a line of the paper part.
type need struct{ what, count, how string }

// planTime is how long a plan takes on a machine that is not busy, in seconds.
func (c costs) planTime() float64 { return c.plan + c.planCalls*storeCall + 2*task }

// beat is the time from plan to plan of one of the most shards, in seconds (workflows/gap.go).
const beat = orderShards * 0.125

// pagesOfShard is what one shard can do in a second, by its hosts and by its plans, which follow one another on a beat.
func (c costs) pagesOfShard() (byHosts, byPlans float64) {
	return openBundles * bundleHosts / (c.page + c.delay).Seconds(), openBundles * bundlePages / max(c.planTime(), beat)
}

// fleet is what a fleet would consist of.
func (c costs) fleet() []need {
	k := float64(target) / 1000
	processors := func(cpu float64) float64 { return k * cpu / busy }
	count := func(x float64) string { return strconv.Itoa(int(math.Ceil(x))) }
	visiting := processors(c.chrome + c.cpu[kindVisit])
	workers := math.Ceil(visiting / node)
	byHosts, byPlans := c.pagesOfShard()
	shards := math.Ceil(target / min(byHosts, byPlans))
	jobs := math.Ceil(shards / orderShards)
	plans := target / (c.pages * c.bundles)
	planners := max(processors(c.cpu[kindPlan])/node, plans*c.planTime()/busy/planSlots, 2)
	temporal := processors(c.cpu[kindTemporal])
	frontends := max(temporal/4/node, (workers+planners)*polls/mostPolls, 3)
	transitions := k * c.transitions
	stores := max(processors(c.cpu[kindStore])/node, target*pageBytes*copies/nodeBytes, 3)
	return []need{
		{"workers that visit", count(workers), fmt.Sprintf("%.0f + %.1f CPU s per 1,000 pages for Chrome with the recorder, and for the rest: %.0f processors", c.chrome, c.cpu[kindVisit], visiting)},
		{"tabs in all", count(target * c.page.Seconds()), fmt.Sprintf("pages in the making, at %.1f s each as here; real pages take longer, and tabs in proportion", c.page.Seconds())},
		{"shards", count(shards), fmt.Sprintf("at most %.0f pages/s each: %d bundles of %d hosts, a page in %.1f s; at most %.0f by its plans: %d bundles of %d pages, %.0f s from one to the next, of which it takes %.2f s with %.0f calls of the store", byHosts, openBundles, bundleHosts, (c.page + c.delay).Seconds(), byPlans, openBundles, bundlePages, beat, c.planTime(), c.planCalls)},
		{"orders", count(jobs), fmt.Sprintf("at least: an order has at most %d shards", orderShards)},
		{"workers that plan", count(planners), fmt.Sprintf("%.0f plans/s, %.1f CPU s per 1,000 pages, %d at once in a worker; 2 at least", plans, c.cpu[kindPlan], planSlots)},
		{"workers for workflows", count(max(processors(c.cpu[kindRun])/node, 2)), fmt.Sprintf("%.1f CPU s per 1,000 pages; 2 at least", c.cpu[kindRun])},
		{"Temporal: frontends", count(frontends), fmt.Sprintf("a quarter of its %.1f CPU s per 1,000 pages; %.0f long polls of workers, %d a frontend; 3 at least", c.cpu[kindTemporal], (workers+planners)*polls, mostPolls)},
		{"Temporal: history", count(max(temporal/2/node, 3)), "half of it; 3 at least"},
		{"Temporal: matching", count(max(temporal/4/node, 3)), "a quarter of it; 3 at least"},
		{"Temporal: history shards", strconv.Itoa(powerOfTwo(2 * transitions * transaction)), fmt.Sprintf("%.0f transactions/s, of %v each, one after another in a shard, twice as many to spare; it cannot be changed later", transitions, time.Duration(transaction*float64(time.Second)))},
		{"store nodes", count(stores), fmt.Sprintf("%.0f calls/s, %.0f of them PUTs, %.1f CPU s per 1,000 pages; %.1f GB/s with %.0f %% more for erasure coding, %.2f GB/s a node; 3 at least", k*c.calls, k*c.puts, c.cpu[kindStore], target*pageBytes/1e9, (copies-1)*100, nodeBytes/1e9)},
		{"operators", "2", fmt.Sprintf("one leads: %.3f of a processor for one order, so %.2f for %s", c.operator, c.operator*jobs, count(jobs))},
		{"Kubernetes API servers", "3", fmt.Sprintf("what a cluster has: %.2f of a processor here, most of it for being there", c.kube)},
	}
}

// powerOfTwo is the least power of two that is no less, from 512 on.
func powerOfTwo(x float64) int {
	n := 512
	for float64(n) < x {
		n *= 2
	}
	return n
}

// paper goes before the table: pages a second, processors of a node, share of them in use, kilobytes.
const paper = `
## %[1]d pages a second, on paper

What a page costs above times %[1]d a second, on machines with %[2]d processors that are %[3]d %% in use, so that one of three may be lost. **Nothing of
this was tried.** Taken from elsewhere or assumed are:

- What Chrome takes is from [benchmarks](benchmarks.md), the larger of the two sites at most tabs. Pages of the Web differ by a factor of ten.
- A page of the Web is taken for %.1[4]f MB in the archive. The stand-in's are a hundredth of it, so the store's CPU for bytes is missing here.
- How Temporal's CPU is shared out among its services was not measured: they are one process here. With a database of its own, that
  needs machines beside, and Temporal some CPU less: here SQLite is part of it.
- A call of the store is taken for %[5]d ms, a workflow task for %[6]d ms: what they take here is mostly waiting for a processor.
- That costs stay what they are at this size. Those of claims do not, see below.

`

func renderPaper(b *strings.Builder, c costs) {
	fmt.Fprintf(b, paper, target, node, int(busy*100), pageBytes/1e6, int(storeCall*1000), int(task*1000))
	table(b, "process", "number", "how")
	for _, n := range c.fleet() {
		row(b, n.what, "%s | %s", n.count, n.how)
	}
	bundles := target / c.pages
	claims := bundles * c.bundleTakes.Seconds()
	lists := math.Ceil(claims / listed)
	fmt.Fprintf(b, `
What does not grow in proportion: each bundle lists the claims of all others. At %d pages a second there would be %.0f bundles a second, each open
for %.0f s, so %.0f claims: a list takes %.0f calls, all of them %.0f calls and %.0f keys a second. With `+"`politeness.scope: Job`"+` there are none.
`, target, bundles, c.bundleTakes.Seconds(), claims, lists, bundles*lists, bundles*claims)
}

// chromeRow is a row of docs/benchmarks.md: tabs, pages/s, of bare, CPU ms a page, of bare, own share.
var chromeRow = regexp.MustCompile(`(?m)^\| (\d+) \| all \| [^|]+ \| [^|]+ \| (\d+) \|`)

// chromeCost is what Chrome and the recorder take for 1,000 pages, in seconds of CPU, by the benchmarks of capture.
func chromeCost(file string) (float64, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return chromeCostIn(string(raw))
}

func chromeCostIn(text string) (most float64, err error) {
	tabs := 0
	for _, m := range chromeRow.FindAllStringSubmatch(text, -1) {
		n, err1 := strconv.Atoi(m[1])
		ms, err2 := strconv.ParseFloat(m[2], 64)
		if err1 != nil || err2 != nil {
			continue
		}
		if n > tabs {
			tabs, most = n, 0
		}
		if n == tabs {
			most = max(most, ms)
		}
	}
	if most == 0 {
		return 0, fmt.Errorf("there is no row of all outputs in the benchmarks")
	}
	return most, nil // ms a page are s for 1,000
}

func TestChromeCost(t *testing.T) {
	got, err := chromeCostIn("| 2 | all | 2.2 | **0.26** (0.22–0.27) | 755 | **3.38** | 6 % |\n| 4 | all | 2.3 | **0.28** | 814 | x | 6 % |\n" +
		"| 4 | bare | 2.3 | **0.28** | 990 | x | 6 % |\n| 4 | all | 2.6 | **0.49** | 704 | x | 9 % |\n")
	if err != nil || got != 814 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := chromeCostIn("nothing"); err == nil {
		t.Error("of nothing there is a cost")
	}
	if n, err := chromeCost(docs + "/benchmarks.md"); err != nil || n < 100 {
		t.Errorf("the benchmarks tell of %v s for 1,000 pages, %v", n, err)
	}
}

// What is computed on paper, of costs that are easy to reckon with: a shard hands out 16 bundles of 20 pages every 8 s,
// so 40 pages/s, and an order has 64 of them.
func TestFleetOnPaper(t *testing.T) {
	c := costs{
		chrome: 480, cpu: map[string]float64{kindVisit: 0, kindPlan: 9.6, kindRun: 4.8, kindTemporal: 48, kindStore: 4.8},
		transitions: 1000, pages: 20, bundles: 2, plan: .04, planCalls: 14, page: time.Second, delay: time.Second,
	}
	want := map[string]string{
		"workers that visit": "1000", "tabs in all": "10000", "shards": "250", "orders": "4", "workers that plan": "20", "workers for workflows": "10",
		"Temporal: frontends": "25", "Temporal: history": "50", "Temporal: matching": "25", "Temporal: history shards": "512", "store nodes": "18",
	}
	got := map[string]string{}
	for _, n := range c.fleet() {
		got[n.what] = n.count
	}
	for what, count := range want {
		if got[what] != count {
			t.Errorf("%s: %s, want %s", what, got[what], count)
		}
	}
	if n := powerOfTwo(513); n != 1024 {
		t.Errorf("the power of two of 513 is %d", n)
	}
}
