package load

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/workflows"
)

const docs = "../../docs"

// introduction goes before the tables: pages, hosts, shards, processors, planners, stand-ins, tabs, times of a page, links, kilobytes, delay.
const introduction = `# Load

Written by ` + "`make load`" + `; do not edit. One CrawlJob with ` + "`spec.shards: %[3]d`" + ` crawls a made-up web of %[1]d pages on %[2]d hosts. Of what works on it
all but the browsers is real, each a process of its own: Kubernetes API server with etcd, operator, Temporal (its four services in one process,
with one history shard, on SQLite without fsync), an S3 server (the Versity gateway on a folder), and workers: 1 for workflows, %[5]d to plan, %[6]d to
visit pages. The last have the product's crawler too, with its leases, claims, robots.txt, chunks and commits, but the %[7]d tabs of each
are timed stand-ins: a page takes %[8]v to %[9]v, %[10]v in the mean, and brings one document of %.0[12]f KB with some %[11]d links, %[15]d of them to other hosts, its text and its
DOM. A host has 1 to %[14]d pages, and is owed %[13]d s between two of them. The order names the first pages of every second host in a ConfigMap.

**All of it shares a machine with %[4]d processors**, and so does the test, which counts. So pages a second are what this machine
carries, and not what a fleet does. What holds elsewhere is what a page costs: processor time, actions, calls of the store, bytes.

At the end the archive was read and every WACZ file in it checked. It has the pages that a plain walk over the web finds, each once; the
books balance, and the closing statement has no problem to tell.
`

func (r *result) render(processors int) (string, error) {
	var b strings.Builder
	document := len(r.web.html(0, 0, r.web.to(0, 0)))
	mean := meanTime(r.web)
	fmt.Fprintf(&b, introduction, r.pages, r.web.hosts, r.shards, processors, r.planners, r.visitors, r.tabs, r.fastest, r.slowest, mean.Round(10*time.Millisecond),
		r.web.links+r.web.foreign+2, float64(document)/1000, r.delay, r.web.largest, r.web.foreign)
	r.renderSpeed(&b, processors)
	r.renderHistories(&b)
	r.renderActions(&b)
	r.renderLatencies(&b)
	r.renderStore(&b)
	r.renderProcesses(&b)
	chrome, err := chromeCost(filepath.Join(docs, "benchmarks.md"))
	if err != nil {
		return "", err
	}
	renderPaper(&b, r.costs(mean, chrome))
	return b.String(), nil
}

// meanTime is the mean time of a page.
func meanTime(w web) time.Duration {
	sum, n := time.Duration(0), 0
	for host := range min(w.hosts, 1000) {
		for page := range w.size(host) {
			sum += w.takes(host, page)
			n++
		}
	}
	return sum / time.Duration(n)
}

// done is how many pages were captured within the window.
func (r *result) done() float64 { return float64(r.to.tabs.Pages - r.from.tabs.Pages) }

// lasted is how long the window was, in seconds.
func (r *result) lasted() float64 { return r.to.at.Sub(r.from.at).Seconds() }

func (r *result) perSecond() float64 { return r.done() / r.lasted() }

func (r *result) renderSpeed(b *strings.Builder, processors int) {
	captured := r.samples[len(r.samples)-1].at
	for _, s := range r.samples {
		if s.tabs.Pages >= int64(r.pages) {
			captured = s.at
			break
		}
	}
	ours, tabs, waiting, most := 0.0, 0.0, 0.0, int64(0)
	for _, kind := range kinds {
		ours += r.to.cpu[kind] - r.from.cpu[kind]
	}
	within := 0
	for _, s := range r.samples {
		if !s.at.Before(r.from.at) && !s.at.After(r.to.at) {
			tabs, waiting, most = tabs+float64(s.tabs.Tabs), waiting+float64(s.tabs.Waiting), max(most, s.tabs.Tabs)
			within++
		}
	}
	all := r.to.all - r.from.all
	share := func(cpu float64) string { return fmt.Sprintf("%.0f %%", cpu/r.lasted()/float64(processors)*100) }
	fmt.Fprintf(b, "\n## Speed\n\nThe window is from %.0f %% to %.0f %% of the pages: before, hosts become known and bundles grow; after, the last hosts are waited\n"+
		"for, each with its delay. A page counts when its tab has captured it; it is committed at most half a minute later.\n\n", windowFrom*100, windowTo*100)
	table(b, "", "measured")
	row(b, "pages a second, in the window", "**%.0f**", r.perSecond())
	row(b, "the window", "%.0f pages in %.0f s", r.done(), r.lasted())
	row(b, "from the applied CrawlJob to the last page", "%v", captured.Sub(r.applied).Round(time.Second))
	row(b, "from there to the sealed run", "%v", r.finished.Sub(captured).Round(time.Second))
	row(b, "pages that were captured again, as their bundle was lost", "%d", r.samples[len(r.samples)-1].tabs.Pages-int64(r.pages))
	row(b, "tabs in use, mean and most", "%.0f and %d of %d", tabs/float64(max(within, 1)), most, r.visitors*r.tabs)
	row(b, "hosts that waited for a tab, in the mean", "%.0f", waiting/float64(max(within, 1)))
	row(b, "processors in use by all this", "%s", share(ours))
	row(b, "processors in use by others", "%s", share(max(0, all-ours)))
	b.WriteString("\nPages a second, minute by minute from the applied CrawlJob:")
	for _, n := range r.byMinute() {
		fmt.Fprintf(b, " %.0f", n)
	}
	b.WriteString(".\n")
}

// byMinute are the pages a second of each minute.
func (r *result) byMinute() (rates []float64) {
	at, pages := r.applied, int64(0)
	for _, s := range r.samples {
		if d := s.at.Sub(at); d >= time.Minute {
			rates = append(rates, float64(s.tabs.Pages-pages)/d.Seconds())
			at, pages = s.at, s.tabs.Pages
		}
	}
	return rates
}

// workflowKinds are those whose histories are read.
var workflowKinds = []string{workflows.WorkflowCrawlRun, workflows.WorkflowFrontierShard}

func (r *result) renderHistories(b *strings.Builder) {
	b.WriteString("\n## Histories\n\nTemporal warns of histories with more than 10,240 events, and suggests to continue as new at 4,096 events or 4 MiB;\n" +
		"it warns of payloads of 512 KiB and refuses those of 2 MiB.\n\n")
	table(b, "workflow", "histories", "of them by continuing as new", "largest: events", "KiB", "largest event", "KiB")
	for _, kind := range workflowKinds {
		first := int64(1)
		if kind == workflows.WorkflowFrontierShard {
			first = int64(r.shards)
		}
		n, l, e := r.histories.runs[kind], r.histories.largest[kind], r.histories.heaviest[kind]
		row(b, "`"+kind+"`", "%d | %d | %d | %d | %s | %d", n, n-first, l.events, l.bytes>>10, e.kind, e.bytes>>10)
	}
	b.WriteString("\n")
	for _, kind := range workflowKinds {
		var failures []string
		for _, cause := range slices.Sorted(maps.Keys(r.histories.tasksOf(kind).causes)) {
			failures = append(failures, fmt.Sprintf("%s %d", cause, r.histories.tasksOf(kind).causes[cause]))
		}
		if failures == nil {
			failures = []string{"none"}
		}
		fmt.Fprintf(b, "Of `%s`, workflow tasks that failed or timed out: %s. What its histories are made of: %s.\n\n", kind, strings.Join(failures, ", "), heaviest(r.histories.weights[kind]))
	}
}

// heaviest names the types of events that most of histories is made of.
func heaviest(weights map[string]int) string {
	types := slices.SortedFunc(maps.Keys(weights), func(a, b string) int { return weights[b] - weights[a] })
	sum := 0
	for _, n := range weights {
		sum += n
	}
	var parts []string
	for _, name := range types[:min(len(types), 3)] {
		parts = append(parts, fmt.Sprintf("%s %.0f %%", name, float64(weights[name])/float64(sum)*100))
	}
	return strings.Join(parts, ", ")
}

func (r *result) renderActions(b *strings.Builder) {
	h := r.histories
	b.WriteString("## Actions\n\nOf the whole run, counted in its histories. The design's budget is 150 for 1,000 pages. What an action brings is decided by the\n" +
		"hosts that are due: a bundle has at most 20 of them, and of many shards it takes more than its part until it has 20 pages.\n\n")
	table(b, "action", "number", "per 1,000 pages")
	line := func(what string, n int64) { row(b, what, "%d | %.1f", n, float64(n)/float64(r.pages)*1000) }
	retries, failed := int64(0), int64(0)
	for _, kind := range slices.Sorted(maps.Keys(h.activities)) {
		line("`"+kind+"`", h.activities[kind].count)
		retries += h.activities[kind].retries
		failed += h.activities[kind].failed
	}
	line("retries of activities", retries)
	line("timers", h.timers)
	line("signals", h.signals)
	line("updates", h.updates)
	started := int64(0)
	for _, n := range h.runs {
		started += n
	}
	line("workflows started or continued as new", started)
	line("**all actions**", h.actions())
	line("beside: heartbeats of bundles", r.samples[len(r.samples)-1].tabs.Beats)
	line("beside: workflow tasks", h.tasksOf(workflows.WorkflowCrawlRun).count+h.tasksOf(workflows.WorkflowFrontierShard).count)
	line("beside: events", h.events)
	line("beside: state transitions, each a transaction of the database", h.transitions)
	fmt.Fprintf(b, "\n%d activities failed for good, and %d heartbeats were not accepted.\n", failed, r.samples[len(r.samples)-1].tabs.Refused)
}

func (r *result) renderLatencies(b *strings.Builder) {
	b.WriteString("\n## Latencies\n\nFrom scheduled to started, and from started to done, in milliseconds by the server's clock, of what was scheduled within the window and had one attempt.\n" +
		"A `CrawlBundle` takes as long as its hosts' pages and the pauses between them.\n\n")
	table(b, "step", "number", "waits: median", "95 %", "99 %", "takes: median", "95 %", "99 %")
	line := func(name string, s *steps) {
		if s == nil {
			return
		}
		fmt.Fprintf(b, "| %s | %d |", name, len(s.waited))
		for _, list := range [][]time.Duration{s.waited, s.worked} {
			for _, q := range []float64{.5, .95, .99} {
				fmt.Fprintf(b, " %d |", quantile(list, q).Milliseconds())
			}
		}
		b.WriteString("\n")
	}
	for _, kind := range []string{workflows.ActivityPlan, workflows.ActivityCrawlBundle, workflows.ActivityReportStatus} {
		line("`"+kind+"`", r.histories.activities[kind])
	}
	for _, kind := range workflowKinds {
		line("workflow task of `"+kind+"`", r.histories.tasks[kind])
	}
	plans, bundles := r.histories.activities[workflows.ActivityPlan], r.histories.activities[workflows.ActivityCrawlBundle]
	fmt.Fprintf(b, "\nIn the mean of the whole run a bundle was handed out with %.1f pages of %.1f hosts and visited %.1f of them; a plan handed out %.1f bundles.\n",
		float64(r.histories.handed)/float64(bundles.count), float64(r.histories.handedHosts)/float64(bundles.count), float64(r.pages)/float64(bundles.count), float64(bundles.count)/float64(plans.count))
}

func (r *result) renderStore(b *strings.Builder) {
	b.WriteString("\n## Calls of the store\n\nIn the window, per 1,000 pages, as they passed gateways before the store. The design's budget is 300.\n\n")
	table(b, "by", "PUT", "GET", "HEAD", "list", "DELETE", "**all**", "MB written: chunks", "other")
	sum := calls{}
	line := func(by string, c calls) {
		per := func(n int64) float64 { return float64(n) / r.done() * 1000 }
		row(b, by, "%.0f | %.0f | %.0f | %.0f | %.0f | **%.0f** | %.2f | %.2f", per(c.puts), per(c.gets), per(c.heads), per(c.lists), per(c.deletes), per(c.all()), per(c.chunks)/1e6, per(c.others)/1e6)
	}
	for _, kind := range []string{kindVisit, kindPlan} {
		c := r.to.store[kind].minus(r.from.store[kind])
		line(kind, c)
		sum = sum.plus(c)
	}
	line("all", sum)
}

func (r *result) renderProcesses(b *strings.Builder) {
	b.WriteString("\n## Processes\n\nProcessor time in the window; memory is the largest resident size of one such process in the whole run.\n\n")
	table(b, "process", "number", "CPU s per 1,000 pages", "share", "peak memory MiB")
	all := 0.0
	for _, kind := range kinds {
		all += r.to.cpu[kind] - r.from.cpu[kind]
	}
	for _, kind := range kinds {
		n := map[string]int{kindVisit: r.visitors, kindPlan: r.planners}[kind]
		cpu := r.to.cpu[kind] - r.from.cpu[kind]
		row(b, kind, "%d | %.2f | %.0f %% | %d", max(n, 1), cpu/r.done()*1000, cpu/all*100, r.peaks[kind]>>20)
	}
	row(b, "all", " | **%.2f** | | ", all/r.done()*1000)
}

// table begins a table.
func table(b *strings.Builder, columns ...string) {
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
}

func row(b *strings.Builder, name, format string, values ...any) {
	fmt.Fprintf(b, "| %s | "+format+" |\n", append([]any{name}, values...)...)
}

func write(t testing.TB, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(docs, "load.md"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
