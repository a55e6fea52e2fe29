package live

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/words"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func TestRate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason string
		seen   []sample // with seconds after noon
		want   float64
		known  bool
	}{
		{reason: "nothing was seen"},
		{reason: "once", seen: at(0, 5)},
		{reason: "for too short", seen: at(0, 5, 19, 9)},
		{reason: "for long enough", seen: at(0, 5, 20, 9), want: 12, known: true},
		{reason: "nothing was done", seen: at(0, 5, 60, 5), known: true},
		{reason: "steps even out", seen: at(0, 0, 10, 0, 20, 10, 30, 10, 60, 30), want: 30, known: true},
		{reason: "what is long ago does not count", seen: at(0, 0, 60, 6000, 120, 6001, 500, 6011), want: 10 / (380.0 / 60), known: true},
		{reason: "a pause of nobody looking", seen: at(0, 0, 3600, 60), want: 1, known: true},
		{reason: "the count began anew", seen: at(0, 500, 60, 3), known: false},
		{reason: "the clock went back", seen: at(60, 1, 0, 2), known: false},
	} {
		var s series
		for _, x := range tc.seen {
			s = s.add(x.at, x.done)
		}
		if got, known := s.perMinute(); got != tc.want || known != tc.known {
			t.Errorf("%s: %v %v, want %v %v", tc.reason, got, known, tc.want, tc.known)
		}
	}
	var s series
	for i := range 10_000 {
		s = s.add(noon.Add(time.Duration(i)*3*time.Second), int64(i))
	}
	if len(s) > 110 {
		t.Errorf("%d samples are kept", len(s))
	}
}

// at makes samples of pairs of seconds and counts.
func at(pairs ...int) (s []sample) {
	for i := 0; i < len(pairs); i += 2 {
		s = append(s, sample{noon.Add(time.Duration(pairs[i]) * time.Second), int64(pairs[i+1])})
	}
	return s
}

// TestEveryReasonHasAdvice: whatever can hold a job up or end it, people are told what to do, and where it is explained.
func TestEveryReasonHasAdvice(t *testing.T) {
	t.Parallel()
	quiet := map[string]bool{"Accepted": true, "Seeding": true, "Crawling": true, "Sealing": true, "Completed": true, "LimitReached": true, "Cancelled": true}
	all, ofRuns := reasons(t)
	if len(ofRuns) < 40 {
		t.Fatalf("%d reasons of runs cannot be all", len(ofRuns))
	}
	for _, word := range append(ofRuns, nextSteps(t)...) {
		if a, ok := adviceFor(word); quiet[word] == ok || ok && (a.Text == "" || a.Do == "") {
			t.Errorf("%s: advice %+v, quiet %v", word, a, quiet[word])
		}
	}
	docs, err := os.ReadFile("../../docs/reference/crawljob.md")
	if err != nil {
		t.Fatal(err)
	}
	for word, a := range advice {
		if !all[word] {
			t.Errorf("%s is no reason", word)
		}
		if !strings.Contains(string(docs), `<a id="`+word+`"></a>`) {
			t.Errorf("%s is not explained", word)
		}
		if !strings.HasSuffix(a.Text, ".") || !strings.HasSuffix(a.Do, ".") {
			t.Errorf("%s: %+v are no sentences", word, a)
		}
	}
}

// reasons are the words of the vocabulary, and those of the first block, which are of runs.
func reasons(t *testing.T) (all map[string]bool, ofRuns []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../workflows/reasons.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all = map[string]bool{}
	blocks := 0
	for _, d := range file.Decls {
		block, ok := d.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST {
			continue
		}
		blocks++
		for _, s := range block.Specs {
			word, err := strconv.Unquote(s.(*ast.ValueSpec).Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all[word] = true
			if blocks == 1 {
				ofRuns = append(ofRuns, word)
			}
		}
	}
	return all, ofRuns
}

// nextSteps are the words for which the workflows know a next step.
func nextSteps(t *testing.T) (words []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../workflows/trouble.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if pair, ok := n.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok && strings.HasPrefix(key.Name, "Reason") && key.Name != "Reason" {
				words = append(words, strings.TrimPrefix(key.Name, "Reason"))
			}
		}
		return true
	})
	if len(words) < 15 {
		t.Fatalf("%d next steps cannot be all", len(words))
	}
	return words
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason string
		job    Job
		hosts  []Host
		want   []string
	}{
		{reason: "it runs", job: Job{State: Running, Reason: "Crawling"}},
		{reason: "it has just been ordered", job: Job{State: Waiting, Reason: "Seeding"}},
		{reason: "it waits", job: Job{State: Waiting, Reason: "ApprovalMissing", Message: "1 of 2"}, want: []string{"ApprovalMissing"}},
		{reason: "it is paused", job: Job{State: Suspended, Reason: "Suspended"}, want: []string{"Suspended"}},
		{reason: "it failed", job: Job{State: Failed, Reason: "NothingArchived"}, want: []string{"NothingArchived"}},
		{reason: "a word of a newer operator", job: Job{State: Stalled, Reason: "Tomorrow", Message: "what it is"}, want: []string{"Tomorrow"}},
		{reason: "it succeeded", job: Job{State: Succeeded, Reason: "LimitReached"}},
		{
			reason: "some hosts are away", job: Job{State: Running, Reason: "Crawling"}, want: []string{"HostUnreachable"},
			hosts: []Host{{Host: "a.example", Failures: 3, Queued: 4}, {Host: "b.example", Failures: 9}, {Host: "c.example", Failures: 1, Queued: 5}, {Host: "d.example", Failures: 5, Queued: 5, Reason: "HostShared"}},
		},
	} {
		var got []string
		for _, p := range append(problemsOf(tc.job), hostProblems(tc.hosts)...) {
			got = append(got, p.Reason)
			if p.Text == "" || p.Do == "" || p.Doc != "docs/reference/crawljob.md#"+p.Reason || p.Message != tc.job.Message {
				t.Errorf("%s: %+v", tc.reason, p)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
		}
	}
	many := make([]Host, hostsNamed+2)
	for i := range many {
		many[i] = Host{Host: "a.example", Failures: 3, Queued: 2}
	}
	if p := hostProblems(many)[0]; !strings.HasSuffix(p.Text, " and 2 more.") || p.In(words.English) != p.Text || !strings.HasPrefix(p.In(words.Dutch), "24 pagina’s wachten op hosts") {
		t.Errorf("%s\n%s", p.Text, p.In(words.Dutch))
	}
	if p := hostProblems([]Host{{Host: "a.example", Failures: 3, Queued: 4}}); !strings.HasPrefix(p[0].Text, "4 pages") || !strings.Contains(p[0].Text, "a.example") {
		t.Errorf("the problem is %+v", p)
	}
}

func TestWaits(t *testing.T) {
	t.Parallel()
	soon, later := noon.Add(time.Minute), noon.Add(time.Hour)
	hosts := []Host{
		{Host: "pause.example", Queued: 3, NextDue: soon},
		{Host: "pause2.example", Queued: 4, NextDue: later},
		{Host: "once.example", Queued: 1, NextDue: later, Failures: 1},
		{Host: "away.example", Queued: 1, Delayed: 1, NextDue: later, Failures: 2},
		{Host: "busy.example", Delayed: 5, NextDue: later, Failures: 4, Reason: "HostBusy"},
		{Host: "visited.example", Queued: 9, NextDue: later, InFlight: 1},
		{Host: "due.example", Queued: 9, NextDue: noon},
		{Host: "done.example", Visited: 9, NextDue: later},
	}
	want := []Wait{
		{Reason: Politeness, Hosts: []string{"pause.example", "pause2.example", "once.example"}, HostCount: 3, Pages: 8, Until: soon},
		{Reason: "HostBusy", Hosts: []string{"busy.example"}, HostCount: 1, Pages: 5, Until: later},
		{Reason: "HostUnreachable", Hosts: []string{"away.example"}, HostCount: 1, Pages: 2, Until: later},
	}
	if diff := cmp.Diff(want, waitsOf(hosts, noon)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	many := make([]Host, MaxHosts+50)
	for i := range many {
		many[i] = Host{Host: strconv.Itoa(i), Queued: int64(i)}
	}
	if got := busiest(many); len(got) != MaxHosts || got[0].Queued != MaxHosts+49 {
		t.Errorf("%d hosts, the first with %d pages", len(got), got[0].Queued)
	}
}

// source is where a board's jobs come from.
type source struct {
	mu            sync.Mutex
	jobs          []Job
	detail        Detail
	listed, asked int
	err           error
}

func (s *source) Jobs(context.Context) ([]Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed++
	return append([]Job(nil), s.jobs...), s.err
}

func (s *source) Detail(context.Context, Job) Detail {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.detail
}

func (s *source) Recent(_ context.Context, run catalog.Run, limit int) ([]catalog.Capture, error) {
	return []catalog.Capture{{ID: catalog.ID(run.UID), Run: run}}, s.err
}

func newBoard(t *testing.T) (*Board, *source, *time.Time) {
	t.Helper()
	now := noon
	s := &source{jobs: []Job{
		{Namespace: "one", Name: "old", UID: "1", State: Succeeded, Created: noon.Add(-time.Hour)},
		{Namespace: "one", Name: "runs", UID: "2", State: Running, Reason: "Crawling", Created: noon.Add(-2 * time.Hour), Counters: Counters{Archived: 10}},
		{Namespace: "one", Name: "stalls", UID: "3", State: Stalled, Reason: "StoreFull", Created: noon},
		{Namespace: "two", Name: "runs", UID: "4", State: Running, Reason: "Crawling", Created: noon},
	}}
	return &Board{Jobs: s, Details: s, Captures: s, Now: func() time.Time { return now }, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}, s, &now
}

func TestBoardLists(t *testing.T) {
	t.Parallel()
	b, s, now := newBoard(t)
	jobs, err := b.List(t.Context(), []string{"one"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, j := range jobs {
		names = append(names, j.Namespace+"/"+j.Name)
	}
	if diff := cmp.Diff([]string{"one/stalls", "one/runs", "one/old"}, names); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if jobs[0].Problems[0].Reason != "StoreFull" || jobs[1].PagesPerMinute != nil {
		t.Errorf("the jobs are %+v", jobs)
	}
	if none, err := b.List(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("who may see nothing sees %v, %v", none, err)
	}
	if s.listed != 1 {
		t.Errorf("the jobs were asked for %d times", s.listed)
	}
	*now = now.Add(30 * time.Second)
	s.jobs[1].Counters.Archived = 25
	if jobs, err = b.List(t.Context(), []string{"one"}); err != nil || jobs[1].PagesPerMinute == nil || *jobs[1].PagesPerMinute != 30 {
		t.Errorf("after 30 s: %+v, %v", jobs, err)
	}
	*now = now.Add(30 * time.Second)
	s.err = errors.New("the cluster is away")
	if _, err := b.List(t.Context(), []string{"one"}); !errors.Is(err, s.err) {
		t.Errorf("a cluster that is away: %v", err)
	}
}

func TestBoardLooksUp(t *testing.T) {
	t.Parallel()
	b, s, now := newBoard(t)
	s.detail = Detail{Hosts: []Host{{Host: "a.example", Queued: 2, Failures: 3, NextDue: noon.Add(time.Minute)}}, UnderWay: []Page{{URL: "https://b.example/", Phase: "Loading"}}}
	for range 2 {
		j, err := b.Job(t.Context(), []string{"one"}, "one", "runs")
		if err != nil {
			t.Fatal(err)
		}
		if j.HostCount != 1 || len(j.UnderWay) != 1 || j.Waiting[0].Reason != "HostUnreachable" || j.Problems[0].Reason != "HostUnreachable" || j.Recent[0].UID != "2" {
			t.Errorf("the job is %+v", j)
		}
		if len(j.Problems) != 1 {
			t.Errorf("problems come again and again: %+v", j.Problems)
		}
	}
	if s.asked != 1 {
		t.Errorf("details were asked for %d times", s.asked)
	}
	*now = now.Add(keep)
	if _, err := b.Job(t.Context(), []string{"one"}, "one", "runs"); err != nil || s.asked != 2 {
		t.Errorf("details were asked for %d times, %v", s.asked, err)
	}
	if j, err := b.Job(t.Context(), []string{"one"}, "one", "old"); err != nil || s.asked != 2 || len(j.Missing) != 0 {
		t.Errorf("a job that is over: asked %d times, %+v, %v", s.asked, j, err)
	}
	for _, of := range [][2]string{{"two", "runs"}, {"one", "nobody"}} {
		if _, err := b.Job(t.Context(), []string{"one"}, of[0], of[1]); !errors.Is(err, ErrNoJob) {
			t.Errorf("%v: %v", of, err)
		}
	}
	b.Details, b.Captures = nil, nil
	*now = now.Add(keep)
	if j, err := b.Job(t.Context(), []string{"one"}, "one", "runs"); err != nil || len(j.Missing) != 1 {
		t.Errorf("without a source: %+v, %v", j, err)
	}
}

func TestBoardIsSafe(t *testing.T) {
	t.Parallel()
	b, _, _ := newBoard(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := b.Job(t.Context(), []string{"one"}, "one", "runs"); err != nil {
				t.Error(err)
			}
			if _, err := b.List(t.Context(), []string{"one", "two"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
