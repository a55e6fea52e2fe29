package frontier

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// The flags of TestSimulationLarge: make sim-large sets them.
var (
	largeURLs = flag.Int("urls", 20_000, "how many addresses TestSimulationLarge crawls")
	largeDoc  = flag.String("write", "", "the page that TestSimulationLarge writes its table into")
)

// largeCrawl is one crawl by 64 shards, with the tables of production and the faults of a
// fleet on a bad day.
func largeCrawl(urls int) simConfig {
	return simConfig{
		web:    simWeb{seed: 1, pages: urls, hosts: max(urls/100, 200), skew: 2, fanout: 2, poison: 100_000},
		shards: MaxShards, delay: time.Second, sizes: standardSizes(), large: true,
		faults: simFaults{store: 5000, plan: 500, bundle: 200, signal: 50, drain: time.Hour},
	}
}

// TestSimulationLarge crawls a web of any size with 64 shards in one process. Memory holds
// what the frontiers need, and a byte for each address: objects that nothing names any more
// are dropped, what pages bring is counted and not kept.
func TestSimulationLarge(t *testing.T) {
	if *largeDoc == "" {
		t.Parallel()
	}
	c := largeCrawl(*largeURLs)
	c.tick = progressOf(time.Now())
	s := newSim(c)
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	s.store.weighed = func(value any) int {
		data, err := json.Marshal(value)
		if err != nil {
			t.Error(err)
		}
		return len(pack.EncodeAll(data, nil))
	}
	began, before := time.Now(), processor()
	s.crawl()
	s.check(t)
	row := largeRow(s, time.Since(began), processor()-before)
	t.Log(row)
	if t.Failed() || *largeDoc == "" {
		return
	}
	if err := writeLarge(*largeDoc, row); err != nil {
		t.Fatal(err)
	}
}

// progressOf prints how far a crawl is, and how long it will take yet.
func progressOf(began time.Time) func(*sim) {
	last := began
	return func(s *sim) {
		if time.Since(last) < 10*time.Second {
			return
		}
		last = time.Now()
		var done int64
		for _, sh := range s.watch.shards {
			done += sh.archived
		}
		share := float64(done) / float64(s.web.pages)
		left := time.Duration(float64(time.Since(began)) * (1 - share) / max(share, 1e-6))
		fmt.Printf("%d of some %d pages, %d manifests, %v of virtual time; about %v left\n",
			done, s.web.pages, s.watch.manifests, s.now.Sub(s.start).Round(time.Second), left.Round(time.Second))
	}
}

// processor is the time that the process has had of the processors.
func processor() time.Duration {
	u := usage()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func usage() (u syscall.Rusage) {
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it does not fail for oneself
	return u
}

// largeHead is the head of the table.
const largeHead = "| URLs | wall time | CPU | peak memory | written | puts | gets | actions per 1,000 pages | heartbeats | store calls | largest manifest | largest object |\n" +
	"| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"

func largeRow(s *sim, wall, cpu time.Duration) string {
	w := s.watch
	return fmt.Sprintf("| %d | %v | %v | %.1f GiB | %.2f GiB | %d | %d | %d | %d | %d | %.0f KiB | %.1f MiB |\n",
		w.discovered(), wall.Round(time.Second), cpu.Round(time.Second), float64(usage().Maxrss)/(1<<20), float64(s.store.bytes)/(1<<30), s.store.puts, s.store.gets,
		perThousand(s.actions.billed(), w.loads), perThousand(s.actions.heartbeats, w.loads), perThousand(s.store.puts+s.store.gets+s.store.lists, w.loads),
		float64(w.largest)/(1<<10), float64(s.store.largest)/(1<<20))
}

const largeIntro = `# The frontier at scale

Written by ` + "`make sim-large`" + `; do not edit. One process crawls a synthetic web with 64 shards: the frontier is the product's, Temporal, the store, the
workers and the web are models (` + "`internal/frontier/sim_*_test.go`" + `), and the clock is virtual. Now and then a worker dies, stands still or loses its way to
the server, a plan's answer is lost, a request to the store fails before or after it was done, a signal is lost or comes twice. Each manifest
is compared with books that are kept beside, the end with a plain breadth-first walk and with every row that is stored.

` + "`make sim-large SIM_URLS=10000000`" + ` adds or replaces the row of a size. Wall time depends on what else the machine does, CPU less so; both, and the memory,
include the models and the comparison. Written are the frontier's own objects: of those that hold JSON one in 64 is weighed. Actions are
activities, their retries, timers, signals and continued runs; heartbeats are what bundles send every 15 seconds and with each commit.

The design's budget is 150 actions and 300 store calls for 1,000 pages. 64 shards are above it where each has little to do: most of what is counted
comes from the last tenth of the pages, which are on few hosts, and from the parts of exchanges, of which each of the others reads its own ([ADR 18](adr/0018-steps-are-gathered.md)). A shard by itself takes some 80 and 390.

`

// writeLarge puts a row into the table, in place of one of about the same size.
func writeLarge(path, row string) error {
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	rows := []string{row}
	for line := range strings.Lines(string(old)) {
		if n := largeSize(line); n > 0 && len(strconv.Itoa(n)) != len(strconv.Itoa(largeSize(row))) {
			rows = append(rows, line)
		}
	}
	slices.SortFunc(rows, func(a, b string) int { return largeSize(a) - largeSize(b) })
	return os.WriteFile(path, []byte(largeIntro+largeHead+strings.Join(rows, "")), 0o644)
}

// largeSize is the number of URLs of a row, 0 of what is none.
func largeSize(line string) int {
	_, rest, _ := strings.Cut(line, "| ")
	number, _, _ := strings.Cut(rest, " |")
	n, err := strconv.Atoi(number)
	if err != nil {
		return 0
	}
	return n
}
