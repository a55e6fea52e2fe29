package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// introduction goes before the tables.
const introduction = `# Benchmarks

Written by ` + "`make bench-capture`" + `; do not edit. %d rounds of %d pages on a machine with %d processors. All variants of a round run one after
another, each as a process of its own with a Chrome of its own; the sites and the store are other processes. Pages a second are medians of the
rounds. **Ratios are those within a round**, as median (least–most): they mean something on a busy machine, pages a second do not.

| variant | does |
| --- | --- |
| bare | the limit: navigate, wait for the load event, next, with no more of the DevTools protocol than that takes |
| relay | the bare loop through a proxy that passes bytes on and does nothing else: what any proxy costs |
| record | the bare loop through the recorder, which writes each page down |
| picture | the bare loop, and a screenshot of the window after each load event: what drawing a page costs by itself |
| settled | what the fleet does with a page but for derived outputs: waits until it is quiet, scrolls, checks the ledger against the record |
| all | the same with screenshot, text, DOM and links, written into WACZ files that the store has confirmed |

"tabs" is how many pages are worked on at once. The bare loop has as many tabs; a capture has three times as many open, of which those
that wait for quiet are not worked on.
`

// write makes docs/benchmarks.md of the results.
func write(b *testing.B, results []result) {
	b.Helper()
	var s strings.Builder
	fmt.Fprintf(&s, introduction, *rounds, *pages, runtime.NumCPU())
	names := map[string]string{
		"docs":    "Static documentation: Python's manual from Debian's python3-doc",
		"dynamic": fmt.Sprintf("A dynamic site: 25 resources a page, each answer held back for %d ms", latency.Milliseconds()),
	}
	site := ""
	for _, r := range results {
		if r.site != site {
			site = r.site
			fmt.Fprintf(&s, "\n## %s\n\n", names[site])
			fmt.Fprintln(&s, "| tabs | variant | pages/s | of bare | CPU ms a page | of bare | own share of CPU |")
			fmt.Fprintln(&s, "| --- | --- | --- | --- | --- | --- | --- |")
		}
		for _, v := range strings.Split(*variants, ",") {
			r.row(&s, v)
		}
	}
	path := filepath.Join("..", "..", "docs", "benchmarks.md")
	if err := os.WriteFile(path, []byte(s.String()), 0o644); err != nil {
		b.Fatal(err)
	}
}

func (r result) row(s *strings.Builder, v string) {
	share := r.figure(v, func(t timing) float64 { return t.Own / (t.Own + t.Chrome) })
	speed, cost := "1", "1"
	if v != variantBare {
		speed, cost = r.ratio(v, timing.pagesPerSecond).String(), r.ratio(v, timing.cpu).String()
	}
	fmt.Fprintf(s, "| %d | %s | %.1f | %s | %.0f | %s | %.0f %% |\n", r.tabs, v,
		r.figure(v, timing.pagesPerSecond).median, speed, r.figure(v, timing.cpu).median*1000, cost, share.median*100)
}

func (s spread) String() string { return fmt.Sprintf("**%.2f** (%.2f–%.2f)", s.median, s.min, s.max) }
