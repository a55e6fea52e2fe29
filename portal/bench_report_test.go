package portal

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// goal is how long 95 of 100 pages may take.
const goal = 100 * time.Millisecond

// spread are percentiles.
type spread struct{ p50, p95, p99, most time.Duration }

func took(s sample) time.Duration { return s.took }
func work(s sample) time.Duration { return s.worked }

func spreadOf(samples []sample, of func(sample) time.Duration) spread {
	if len(samples) == 0 {
		return spread{}
	}
	d := make([]time.Duration, len(samples))
	for i, s := range samples {
		d[i] = of(s)
	}
	slices.Sort(d)
	at := func(p int) time.Duration { return d[min(len(d)-1, len(d)*p/100)] }
	return spread{at(50), at(95), at(99), at(100)}
}

// millis writes a time as in the tables.
func millis(d time.Duration) string {
	ms := float64(d.Microseconds()) / 1000
	if ms < 10 {
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

func (s spread) cells() string {
	return fmt.Sprintf("%s | %s | %s", millis(s.p50), millis(s.p95), millis(s.p99))
}

// machine is what a measurement ran on.
type machine struct {
	at         time.Time
	load       string // averages of 1, 5 and 15 minutes
	model, ram string
}

// look looks at the machine. What Linux does not tell stays empty.
func look() machine {
	m := machine{at: time.Now().UTC()}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.load = strings.Join(strings.Fields(string(b))[:3], ", ")
	}
	m.model = line("/proc/cpuinfo", "model name")
	if kb, err := strconv.Atoi(strings.TrimSuffix(line("/proc/meminfo", "MemTotal"), " kB")); err == nil {
		m.ram = fmt.Sprintf("%.0f GB", float64(kb)/1e6)
	}
	return m
}

// line is what a file says of a name.
func line(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for l := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// write makes docs/portal-benchmark.md of what was measured.
func (m *measurement) write(tb testing.TB) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join("..", "docs", "portal-benchmark.md"), []byte(m.document()), 0o644); err != nil {
		tb.Fatal(err)
	}
}

const benchIntroduction = `# Searches in the portal

Written by ` + "`make bench-portal`" + `; do not edit. How long people and programs wait for a search, and what it costs, in an archive of
**%d captures** in chunks of %d: pages of 150 to 450 words in five languages whose words come as often as in real ones (Zipf), of 200 large
sites and %d small ones over two years, in five namespaces (` + "`portal/catalog/catalogtest`" + `). Who asks sees all, two or one of the namespaces, in turn.

Each kind of query is asked in three ways: of the catalog itself, as a program does (%s), and as a browser does (%s), which is
what an analyst waits for: rights, search, the choices of the filters, HTML. The portal is asked within the process, without a network. The three take
turns, %d rounds, with queries of their own, so that none finds in memory what another has just read.

A machine with %d processors (%s) and %s of memory, %s/%s, %s; %s to %s. Its load averages were %s at the beginning
and %s at the end.%s

"Clock" is what somebody waited for on this machine, with all that ran on it. "CPU" is for how long processors worked for this process meanwhile: what it takes on a machine
that does nothing else and has the file in memory. All times are in milliseconds.

`

// document is docs/portal-benchmark.md.
func (m *measurement) document() string {
	var s strings.Builder
	beside := ""
	if *benchBeside != "" {
		beside = " Beside it: " + *benchBeside + "."
	}
	fmt.Fprintf(&s, benchIntroduction, m.archive.Captures, m.archive.PerChunk, m.archive.Captures/100+1, "`"+apiWay+"`", "`GET /`", *benchRounds,
		runtime.NumCPU(), m.began.model, m.began.ram, runtime.GOOS, runtime.GOARCH, runtime.Version(),
		m.began.at.Format("2006-01-02 15:04"), m.ended.at.Format("2006-01-02 15:04 MST"), m.began.load, m.ended.load, beside)
	m.verdict(&s)
	m.table(&s)
	m.changes(&s)
	fmt.Fprint(&s, benchRepeat)
	return s.String()
}

const benchRepeat = `
## Again

` + "`make bench-portal`" + ` takes about an hour on such a machine and 5 GB in the folder for temporary files. ` + "`CAPTURES=100000`" + ` measures a smaller archive,
` + "`CATALOG=file`" + ` keeps the catalog for another run, which then measures no filling, ` + "`ROUNDS=20`" + ` asks less, and ` + "`BESIDE='...'`" + ` says here what else ran on the machine.
`

// verdict tells whether the goal is kept.
func (m *measurement) verdict(s *strings.Builder) {
	page, kept := spreadOf(m.all(pageWay), took), "**kept**"
	if page.p95 >= goal {
		kept = "**missed**"
	}
	fmt.Fprintf(s, "**The goal**, that of the pages of this mix 95 of 100 are there within %s ms, is %s: %s ms.\n\n", millis(goal), kept, millis(page.p95))
	fmt.Fprintln(s, "| all kinds | n | clock p50 | p95 | p99 | CPU p50 | p95 | p99 |")
	fmt.Fprintln(s, "| --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, way := range ways {
		all := m.all(way)
		fmt.Fprintf(s, "| %s | %d | %s | %s |\n", way, len(all), spreadOf(all, took).cells(), spreadOf(all, work).cells())
	}
}

// table has a row for each kind of query.
func (m *measurement) table(s *strings.Builder) {
	fmt.Fprint(s, "\n## By kind of query\n\nThe page, and beside it the 95th percentile of the other two.\n\n")
	fmt.Fprintln(s, "| kind | n | clock p50 | p95 | p99 | CPU p50 | p95 | p99 | API clock p95 | catalog clock p95 | catalog CPU p95 |")
	fmt.Fprintln(s, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, kind := range m.kinds {
		page := m.samples[pageWay][kind]
		if len(page) == 0 {
			continue
		}
		itself := m.samples[catalogWay][kind]
		fmt.Fprintf(s, "| %s | %d | %s | %s | %s | %s | %s |\n", kind, len(page), spreadOf(page, took).cells(), spreadOf(page, work).cells(),
			millis(spreadOf(m.samples[apiWay][kind], took).p95), millis(spreadOf(itself, took).p95), millis(spreadOf(itself, work).p95))
	}
	fmt.Fprint(s, "\nWhat the kinds are, `portal/catalog/catalogtest/mix.go` says. NextPage and DeepCursor are the second and a far page of any of them.\n")
}

// changes tells of the file and what changes it.
func (m *measurement) changes(s *strings.Builder) {
	fmt.Fprint(s, "\n## Filling and removing\n\n")
	if info, err := os.Stat(m.path); err == nil {
		fmt.Fprintf(s, "The file has %.2f GB, %.1f KB a capture.", float64(info.Size())/1e9, float64(info.Size())/1e3/float64(m.archive.Captures))
	}
	if m.filled > 0 {
		n := float64(m.filled)
		fmt.Fprintf(s, " %d captures were added in %s by one connection that writes: **%.0f a second** on the clock, %.0f a second of a processor. What reads them from the archive comes on top.",
			m.filled, m.filling.took.Round(time.Second), n/m.filling.took.Seconds(), n/m.filling.worked.Seconds())
	}
	fmt.Fprint(s, "\n\nThen chunks from all over the archive were removed, with all that was in the file of them, and added again, while somebody searched:\n\n")
	fmt.Fprintln(s, "| | n | clock p50 | p95 | most | CPU p50 | p95 |")
	fmt.Fprintln(s, "| --- | --- | --- | --- | --- | --- | --- |")
	for _, r := range []struct {
		what    string
		samples []sample
	}{{fmt.Sprintf("a chunk of %d is removed", m.archive.PerChunk), m.removed}, {"it is added", m.added}, {"a search of everything meanwhile", m.meanwhile}} {
		clock, cpu := spreadOf(r.samples, took), spreadOf(r.samples, work)
		used := millis(cpu.p50) + " | " + millis(cpu.p95)
		if cpu.most == 0 {
			used = " | "
		}
		fmt.Fprintf(s, "| %s | %d | %s | %s | %s | %s |\n", r.what, len(r.samples), millis(clock.p50), millis(clock.p95), millis(clock.most), used)
	}
}
