package portal

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"html"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/catalog/catalogtest"
	"crawlfleet.dev/crawlfleet/portal/follow"
)

var (
	benchCaptures = flag.Int("captures", 20000, "how many captures the archive of the benchmark has")
	benchCatalog  = flag.String("catalog", "", "file of the benchmark's catalog, which is kept and used again; a temporary one when it is empty")
	benchRounds   = flag.Int("rounds", 100, "how often the benchmark asks each kind of query in each way")
	benchBeside   = flag.String("beside", "", "what else ran on the machine, for docs/portal-benchmark.md")
)

// BenchmarkPortal measures how long people and programs wait for a search, and what it costs.
func BenchmarkPortal(b *testing.B) {
	for b.Loop() {
		m := newMeasurement(b, *benchCaptures, *benchCatalog)
		m.build(b)
		m.search(b, *benchRounds)
		m.change(b, 20)
		m.end()
		if *update && !b.Failed() {
			m.write(b)
		}
		b.ReportMetric(float64(spreadOf(m.all(pageWay), took).p95.Microseconds())/1000, "p95-ms")
	}
}

// TestBenchmark runs the benchmark with a small archive.
func TestBenchmark(t *testing.T) {
	t.Parallel()
	m := newMeasurement(t, 400, "")
	m.build(t)
	m.search(t, 1)
	m.change(t, 2)
	m.end()
	for _, way := range ways {
		if n := len(m.all(way)); n < len(m.kinds) {
			t.Errorf("%s was asked %d times, of %d kinds", way, n, len(m.kinds))
		}
	}
	wantAll(t, "the document", m.document(), "| Phrase |", "400 captures", "| a search of everything meanwhile |")
}

// The ways in which a search is asked for.
const (
	catalogWay = "the catalog itself"
	apiWay     = "GET /api/v1/snapshots"
	pageWay    = "GET / (the page)"
)

var ways = []string{catalogWay, apiWay, pageWay}

// Kinds of queries that follow from another one.
const (
	nextPage   = "NextPage"
	deepCursor = "DeepCursor"
)

// sample is what one query took: on the clock, and of processors.
type sample struct{ took, worked time.Duration }

// measurement is a portal over a large catalog and what was measured with it.
type measurement struct {
	catalog *catalog.Catalog
	archive *catalogtest.Archive
	handler http.Handler
	path    string
	makers  map[string]func(*rand.Rand) catalog.Query
	// kinds are the names of makers, and of what follows from them.
	kinds   []string
	samples map[string]map[string][]sample // by way and kind

	began, ended machine
	// filled and filling are how many captures were added and how long that took.
	filled  int
	filling sample
	// added, removed are chunks; meanwhile are searches that went on beside the removals.
	added, removed, meanwhile []sample
}

// newMeasurement opens a catalog in the file of that path and puts a portal before it.
func newMeasurement(tb testing.TB, captures int, path string) *measurement {
	tb.Helper()
	m := &measurement{archive: catalogtest.New(captures), path: cmp.Or(path, filepath.Join(tb.TempDir(), "catalog.sqlite")), began: look()}
	contacts := catalog.Contacts{Regions: []string{"BE", "DE", "GB", "NL"}}
	var err error
	if m.catalog, err = catalog.Open(tb.Context(), m.path, contacts.MadeWith()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := m.catalog.Close(); err != nil {
			tb.Error(err)
		}
	})
	m.catalog.Identifiers = contacts
	m.makers, m.samples = m.archive.Kinds(), map[string]map[string][]sample{}
	m.kinds = append(slices.Sorted(maps.Keys(m.makers)), nextPage, deepCursor)
	f := newFixture(tb)
	f.server.Catalog, f.server.Follow, f.server.AnyHost = m.catalog, still{}, true
	f.gated(tb, first{}, access.Policy{})
	m.handler = f.handler
	return m
}

// still is a follower that has nothing to do.
type still struct{}

func (still) Progress() follow.Progress { return follow.Progress{Listed: time.Now()} }

func (still) Problems() []follow.Problem { return nil }

// first lets people find in as many namespaces as their name says.
type first struct{}

func (first) May(_ context.Context, p access.Person, _ access.Right, namespace string) (bool, error) {
	n, err := strconv.Atoi(p.Name)
	return slices.Contains(catalogtest.Namespaces[:n], namespace), err
}

// build fills the catalog as far as it is not filled.
func (m *measurement) build(tb testing.TB) {
	tb.Helper()
	var err error
	m.filling = clocked(tb, func() {
		began := time.Now()
		m.filled, err = m.archive.Fill(tb.Context(), m.catalog, func(added int) {
			fmt.Fprintf(os.Stderr, "%d captures, %.0f/s\n", added, float64(added)/time.Since(began).Seconds())
		})
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// search asks all kinds of queries, of people who see all, two or one of the namespaces. Each way
// has queries of its own: none finds in memory what another one has read. They take turns, as
// other programs slow down now one and now another.
func (m *measurement) search(tb testing.TB, rounds int) {
	tb.Helper()
	random := map[string]*rand.Rand{}
	for i, way := range ways {
		m.samples[way], random[way] = map[string][]sample{}, rand.New(rand.NewPCG(7, uint64(i)))
	}
	for round := range rounds {
		for _, kind := range slices.Sorted(maps.Keys(m.makers)) {
			for i := range ways {
				way := ways[(round+i)%len(ways)]
				q := m.makers[kind](random[way])
				q.Namespaces = catalogtest.Namespaces[:[]int{5, 2, 1}[round%3]]
				m.follow(tb, way, q, m.ask(tb, way, kind, q), round)
			}
		}
	}
}

// follow asks for the page after the first one, and now and then for a page far behind.
func (m *measurement) follow(tb testing.TB, way string, q catalog.Query, next string, round int) {
	tb.Helper()
	if next == "" {
		return
	}
	q.Cursor = next
	next = m.ask(tb, way, nextPage, q)
	if next == "" || round%4 > 0 {
		return
	}
	for range 20 { // not measured
		q.Cursor = next
		result, err := m.catalog.Search(tb.Context(), q)
		if err != nil {
			tb.Fatal(err)
		}
		if result.Next == "" {
			break
		}
		next = result.Next
	}
	m.ask(tb, way, deepCursor, q)
}

// ask asks once, takes down what it took and returns the cursor of the next page.
func (m *measurement) ask(tb testing.TB, way, kind string, q catalog.Query) (next string) {
	tb.Helper()
	var s sample
	switch way {
	case catalogWay:
		var result catalog.Result
		var err error
		s = clocked(tb, func() { result, err = m.catalog.Search(tb.Context(), q) })
		if err != nil {
			tb.Fatalf("%s: %+v: %v", kind, q, err)
		}
		next = result.Next
	case apiWay:
		var answer *httptest.ResponseRecorder
		answer, s = m.get(tb, "/api/v1/snapshots", "application/json", q)
		var result catalog.Result
		if err := json.Unmarshal(answer.Body.Bytes(), &result); err != nil {
			tb.Fatal(err)
		}
		next = result.Next
	case pageWay:
		var answer *httptest.ResponseRecorder
		answer, s = m.get(tb, "/", "text/html", q)
		if found := more.FindSubmatch(answer.Body.Bytes()); found != nil {
			v, err := url.ParseQuery(html.UnescapeString(string(found[1])))
			if err != nil {
				tb.Fatal(err)
			}
			next = v.Get("cursor")
		}
	}
	m.samples[way][kind] = append(m.samples[way][kind], s)
	return next
}

// more is the link to the next page.
var more = regexp.MustCompile(`<a class="more" href="\?([^"]*)"`)

// get asks the portal, without a network between.
func (m *measurement) get(tb testing.TB, path, accept string, q catalog.Query) (*httptest.ResponseRecorder, sample) {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, path+"?"+form(q).Encode(), nil)
	r.Header.Set("Accept", accept)
	r.Header.Set("Authorization", fmt.Sprint("Bearer ", len(q.Namespaces)))
	answer := httptest.NewRecorder()
	s := clocked(tb, func() { m.handler.ServeHTTP(answer, r) })
	if answer.Code != http.StatusOK {
		tb.Fatalf("GET %s: %d %s", r.URL, answer.Code, answer.Body)
	}
	return answer, s
}

// form writes a query as a browser sends it.
func form(q catalog.Query) url.Values {
	v := url.Values{}
	for name, value := range map[string]string{
		"q": q.Text, "job": q.Job, "run": q.Run, "host": q.Host, "url": q.URL, "status": q.Status, "language": q.Language,
		"kind": string(q.Kind), "cursor": q.Cursor,
	} {
		v.Set(name, value)
	}
	if q.Oldest {
		v.Set("order", "oldest")
	}
	if !q.From.IsZero() {
		v.Set("from", q.From.Format(time.RFC3339))
		v.Set("until", q.To.Format(time.RFC3339))
	}
	return v
}

// change removes chunks from all over the archive and adds them again, while somebody searches.
func (m *measurement) change(tb testing.TB, chunks int) {
	tb.Helper()
	ctx, stop := context.WithCancel(tb.Context())
	defer stop()
	searched := make(chan error, 1)
	go func() {
		q := catalog.Query{Namespaces: catalogtest.Namespaces}
		for {
			began := time.Now()
			_, err := m.catalog.Search(ctx, q)
			if ctx.Err() != nil || err != nil {
				searched <- err
				return
			}
			m.meanwhile = append(m.meanwhile, sample{took: time.Since(began)})
			time.Sleep(50 * time.Millisecond) // people read what they found
		}
	}()
	r := rand.New(rand.NewPCG(7, 9))
	for range chunks {
		chunk, entries, hosts := m.archive.Chunk(r.IntN(m.archive.Chunks()))
		var err error
		m.removed = append(m.removed, clocked(tb, func() { err = m.catalog.Remove(tb.Context(), chunk.Key) }))
		if err != nil {
			tb.Fatal(err)
		}
		m.added = append(m.added, clocked(tb, func() { err = m.catalog.Add(tb.Context(), chunk, entries, hosts) }))
		if err != nil {
			tb.Fatal(err)
		}
	}
	stop()
	if err := <-searched; err != nil && ctx.Err() == nil {
		tb.Fatal(err)
	}
}

// end takes down how the machine is at the end.
func (m *measurement) end() { m.ended = look() }

// all are the samples of a way.
func (m *measurement) all(way string) []sample {
	return slices.Concat(slices.Collect(maps.Values(m.samples[way]))...)
}

// clocked does something and tells what it took.
func clocked(tb testing.TB, do func()) sample {
	tb.Helper()
	began, busy := time.Now(), worked(tb)
	do()
	return sample{time.Since(began), worked(tb) - busy}
}

// worked is how long processors have worked for this process: what a query costs on a machine that
// has nothing else to do.
func worked(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
