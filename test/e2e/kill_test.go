package e2e

import (
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/board"
)

// uncommitted is how many pages a kill may cost to fetch again: one chunk.
const uncommitted = 20

// TestKilledInTheMiddle kills each part in the middle of a crawl (kill -9), starts it again, and expects the same archive.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason string
		kill   func(*testing.T, *harness.Fleet)
	}{
		{"worker", func(t *testing.T, f *harness.Fleet) { again(t, f, f.Workers[0]) }},
		{"operator", func(t *testing.T, f *harness.Fleet) { again(t, f, f.Operator) }},
		{"devstack", func(t *testing.T, f *harness.Fleet) {
			if err := f.Stack.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := f.StartStack(t.Context()); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			b := board.New(board.Options{})
			srv := serve(t, b)
			fleet := harness.Start(t, harness.Options{})
			fleet.Apply(t, harness.NewJob("killed", srv.URL+"/"))
			pages := len(b.Pages())
			fleet.WaitUntil(t, "killed", "a third of the pages is archived", crawlTimeout, func(job *v1alpha1.CrawlJob) bool {
				c := job.Status.Counters
				return c != nil && c.Archived != nil && *c.Archived > int64(pages/3)
			})
			tc.kill(t, fleet)
			succeeded(t, fleet, "killed")
			archivedExactly(t, fleet.ReadRun(t, "killed"), srv.URL, b.Account())

			summary := sites.Summarize(srv.Log.Entries(sites.Filter{}))
			more := 0
			for _, n := range summary.Navigations {
				more += n - 1
			}
			if more > uncommitted+len(b.Account().Redirects) {
				t.Errorf("%d pages were loaded again, want at most %d", more, uncommitted)
			}
			if n := summary.MaxPagesInFlight[srv.Addr]; n > 1 {
				t.Errorf("%d pages of the site were loaded at once", n)
			}
		})
	}
}

// again kills a process and starts it a moment later.
func again(t *testing.T, f *harness.Fleet, p *harness.Process) {
	t.Helper()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	f.StartAgain(t, p)
}
