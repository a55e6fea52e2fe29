package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/workflows"
)

const (
	// uncommitted is how many pages one fault may cost to load again: a chunk.
	uncommitted = 20
	// settleTime is how long what is left over of a crawl may take to go.
	settleTime = 20 * time.Second
)

// statement is what the checks read of run.json.
type statement struct {
	Verdict  string           `json:"verdict"`
	Reason   string           `json:"reason"`
	Counts   workflows.Counts `json:"counts"`
	Problems []string         `json:"problems"`
}

// whole waits for the end of the crawl, which has to be that of an undisturbed one: the archive
// has every page that a plain walk finds, each once, and the books balance.
func whole(t *testing.T, c *crawl) {
	t.Helper()
	c.fleet.WaitFor(t, "crawl/"+c.job.Name, "Finished", crawlTimeout)
	c.job = c.fleet.Job(t, c.job.Name)
	if s := harness.Condition(c.job, "Succeeded"); s.Status != "True" || s.Reason != "Completed" {
		t.Errorf("Succeeded is %s: %s: %s", s.Status, s.Reason, s.Message)
	}
	want := slices.Sorted(maps.Keys(c.pages()))
	run := c.fleet.ReadRun(t, c.job.Name)
	if diff := cmp.Diff(want, run.URLs()); diff != "" {
		t.Errorf("pages (-walk +archive):\n%s", diff)
	}
	n := int64(len(want))
	switch k := c.job.Status.Counters; {
	case k == nil || k.Discovered == nil || k.Archived == nil || k.Failed == nil || k.Skipped == nil:
		t.Errorf("the status counts %+v", k)
	case *k.Archived != n || *k.Discovered != *k.Archived+*k.Failed+*k.Skipped:
		t.Errorf("the status counts %d discovered, %d archived, %d failed, %d skipped, want %d archived", *k.Discovered, *k.Archived, *k.Failed, *k.Skipped, n)
	}
	s := readStatement(t, run)
	if s.Verdict != string(workflows.VerdictSucceeded) || s.Counts.Archived != n {
		t.Errorf("the closing statement says %s: %s, and %d pages, want %d", s.Verdict, s.Reason, s.Counts.Archived, n)
	}
}

// readStatement reads the closing statement, whose books have to balance.
func readStatement(t *testing.T, run *harness.Run) statement {
	t.Helper()
	var s statement
	if run.Statement == nil {
		t.Fatal("there is no closing statement")
	}
	if err := json.Unmarshal(run.Statement, &s); err != nil {
		t.Fatal(err)
	}
	k := s.Counts
	sum := k.Archived
	for _, counts := range []map[workflows.Reason]int64{k.Failed, k.Skipped} {
		for _, n := range counts {
			sum += n
		}
	}
	if len(s.Problems) > 0 || sum != k.Discovered || k.Queued+k.Delayed+k.Leased != 0 {
		t.Errorf("the books of the closing statement do not balance: %+v %q", k, s.Problems)
	}
	return s
}

// checkVisits compares the sites' log with what each site is owed, and finds no page once the
// crawl has ended.
func (c *crawl) checkVisits(t *testing.T, ended time.Time) {
	t.Helper()
	entries := c.srv.Log.Entries(sites.Filter{})
	loads := 0
	for _, e := range entries {
		if !e.Navigate {
			continue
		}
		loads++
		if e.Start.After(ended) {
			t.Errorf("%s%s was asked for %v after the end of the crawl", e.Host, e.Path, e.Start.Sub(ended))
		}
	}
	for host, visits := range tooSoon(entries) {
		if len(visits) > c.frozen {
			t.Errorf("%s was visited too soon %d times, want at most %d:\n%s", host, len(visits), c.frozen, strings.Join(visits, "\n"))
		}
	}
	if again := loads - len(c.pages()); again > uncommitted {
		t.Errorf("%d pages were loaded again, want at most %d", again, uncommitted)
	}
}

// tooSoon are the pages, by host, that were asked for before the delay had passed since the end
// of all that was asked for with the page before.
func tooSoon(entries []sites.Entry) map[string][]string {
	found := map[string][]string{}
	last := map[string]sites.Entry{}
	quiet := map[string]time.Time{}
	for _, e := range entries {
		if e.Path == "/robots.txt" {
			continue // it is no part of a page
		}
		before, ok := last[e.Host]
		if pause := e.Start.Sub(quiet[e.Host]); ok && e.Navigate && pause < delay {
			found[e.Host] = append(found[e.Host], fmt.Sprintf("%s was asked for %v after %s, at %s", e.Path, pause, before.Path, e.Start.UTC().Format(time.RFC3339Nano)))
		}
		if e.Navigate {
			last[e.Host] = e
		}
		for _, at := range []time.Time{e.Start, e.End} { // one that is open has no end
			if at.After(quiet[e.Host]) {
				quiet[e.Host] = at
			}
		}
	}
	return found
}

// checkLeftovers waits until nothing is left of a crawl: no workflow that runs, no claim on a host,
// no open chunk or spooled body, no folder of a dead worker, no Chrome without a worker, no profile without a Chrome.
func (c *crawl) checkLeftovers(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(settleTime)
	for {
		left := c.leftovers(t)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("left over %v after the end:\n%s", settleTime, strings.Join(left, "\n"))
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (c *crawl) leftovers(t *testing.T) []string {
	t.Helper()
	left := append(c.runningWorkflows(t), c.claims(t)...)
	alive := map[int]bool{}
	for i, p := range c.fleet.Workers {
		alive[p.PID()] = p.Running()
		homes := glob(t, filepath.Join(c.folder(i), "worker-*.lock"))
		if len(homes) > 1 {
			left = append(left, homes...)
		}
		for _, pattern := range []string{"worker-*/bundle-*", "worker-*/page-*", "worker-*/exchanges-*"} {
			left = append(left, glob(t, filepath.Join(c.folder(i), pattern))...)
		}
	}
	browsers, err := harness.Browsers(c.disk)
	if err != nil {
		t.Fatal(err)
	}
	profiles := map[string]bool{}
	for _, b := range browsers {
		profiles[b.Profile] = true
		if b.PID == 0 || !alive[b.Parent] {
			left = append(left, fmt.Sprintf("Chrome %d of process %d with helpers %v in %s", b.PID, b.Parent, b.Helpers, b.Profile))
		}
	}
	for _, profile := range glob(t, filepath.Join(c.disk, "*/worker-*/chrome/cf-chrome-*/*")) {
		if !profiles[profile] {
			left = append(left, profile)
		}
	}
	return left
}

// runningWorkflows are those of the crawl that have not ended.
func (c *crawl) runningWorkflows(t *testing.T) []string {
	t.Helper()
	uid := string(c.job.UID)
	if uid == "" {
		t.Fatal("the UID of the job is not known")
	}
	ids := []string{workflows.RunWorkflowID(uid)}
	for shard := range c.job.Spec.Shards {
		ids = append(ids, workflows.ShardWorkflowID(uid, int(shard)))
	}
	var running []string
	for _, id := range ids {
		answer, err := c.temporal.DescribeWorkflowExecution(t.Context(), id, "")
		var none *serviceerror.NotFound
		switch {
		case err != nil && !errors.As(err, &none):
			t.Fatal(err)
		case err == nil && answer.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
			running = append(running, "workflow "+id)
		}
	}
	return running
}

// claims are those of the crawl on hosts, which other crawls would wait for.
func (c *crawl) claims(t *testing.T) []string {
	t.Helper()
	store, err := c.fleet.S3()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	prefix := "fleet/claims/" + string(c.job.UID) + "."
	for o := range store.ListObjectsIter(t.Context(), c.fleet.State().S3.FrontierBucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		found = append(found, "claim "+o.Key)
	}
	return found
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
