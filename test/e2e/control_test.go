package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/board"
)

func archivedMoreThan(n int64) func(*v1alpha1.CrawlJob) bool {
	return func(job *v1alpha1.CrawlJob) bool {
		c := job.Status.Counters
		return c != nil && c.Archived != nil && *c.Archived > n
	}
}

// TestPeopleSteerACrawl suspends, resumes, cancels and deletes crawls with kubectl, and waits for the end of those that fail.
func TestPeopleSteerACrawl(t *testing.T) {
	t.Parallel()
	b := board.New(board.Options{Ads: 24})
	srv := serve(t, b)
	fleet := harness.Start(t, harness.Options{})
	navigations := func() int {
		n := 0
		for _, times := range sites.Summarize(srv.Log.Entries(sites.Filter{})).Navigations {
			n += times
		}
		return n
	}

	t.Run("SuspendAndResume", func(t *testing.T) {
		fleet.Apply(t, harness.NewJob("steered", srv.URL+"/"))
		fleet.WaitUntil(t, "steered", "some pages are archived", crawlTimeout, archivedMoreThan(0))
		fleet.SetState(t, "steered", "Suspended")
		rests := func(job *v1alpha1.CrawlJob) bool {
			c := harness.Condition(job, "Reconciling")
			return c.Status == "False" && c.Reason == "Suspended" && *job.Status.Counters.InProgress == 0
		}
		before := *fleet.WaitUntil(t, "steered", "it is suspended", crawlTimeout, rests).Status.Counters.Archived
		loaded := navigations()
		time.Sleep(3 * time.Second)
		if n := navigations(); n != loaded {
			t.Errorf("%d pages were loaded while it was suspended", n-loaded)
		}
		fleet.SetState(t, "steered", "Active")
		done := succeeded(t, fleet, "steered")
		if n := *done.Status.Counters.Archived; n <= before {
			t.Errorf("%d pages are archived, %d were when it was suspended", n, before)
		}
		fleet.SetState(t, "steered", "Suspended") // too late, and no reason to wait for ever
		fleet.WaitFor(t, "crawl/steered", "Finished", troubleTimeout)
		archivedExactly(t, fleet.ReadRun(t, "steered"), srv.URL, b.Account())
		loadedOnce(t, srv, b.Account())
	})
	t.Run("Widen", func(t *testing.T) {
		first, second := board.New(board.Options{Ads: 12}), board.New(board.Options{Ads: 12, Seed: 2})
		srv, other := serve(t, first), serve(t, second)
		job := harness.NewJob("widened", srv.URL+"/")
		job.Spec.Limits.Pages = 6
		fleet.Apply(t, job)
		fleet.WaitUntil(t, "widened", "some pages are archived", crawlTimeout, archivedMoreThan(0))
		fleet.SetState(t, "widened", "Suspended")
		patch := fmt.Sprintf(`{"spec":{"limits":{"pages":5000},"seeds":{"urls":[%q,%q]},"state":"Active"}}`, srv.URL+"/", other.URL+"/")
		if _, err := fleet.Kubectl(t.Context(), "", "patch", "crawl/widened", "--type=merge", "-p", patch); err != nil {
			t.Fatal(err)
		}
		succeeded(t, fleet, "widened")
		run := fleet.ReadRun(t, "widened")
		for site, account := range map[string]*sites.Account{srv.URL: first.Account(), other.URL: second.Account()} {
			for _, p := range account.Pages {
				if !slices.Contains(run.Paths(site), p) {
					t.Errorf("%s%s is missing; skipped %+v", site, p, fleet.Job(t, "widened").Status.SkippedByReason)
				}
			}
		}
	})
	t.Run("CancelAndDelete", func(t *testing.T) {
		fleet.Apply(t, harness.NewJob("cancelled", srv.URL+"/"))
		fleet.WaitUntil(t, "cancelled", "some pages are archived", crawlTimeout, archivedMoreThan(0))
		fleet.SetState(t, "cancelled", "Cancelled")
		fleet.WaitFor(t, "crawl/cancelled", "Finished", crawlTimeout)
		job := fleet.Job(t, "cancelled")
		if c := harness.Condition(job, "Succeeded"); c.Status != "False" || c.Reason != "Cancelled" {
			t.Errorf("Succeeded is %s: %s", c.Status, c.Reason)
		}
		if c := harness.Condition(job, "Sealed"); c.Status != "True" {
			t.Errorf("Sealed is %s: %s: %s", c.Status, c.Reason, c.Message)
		}
		run := fleet.ReadRun(t, "cancelled")
		if n := int64(len(run.Pages())); n == 0 || n != *job.Status.Counters.Archived {
			t.Errorf("the archive has %d pages, the status says %d", n, *job.Status.Counters.Archived)
		}
		c := job.Status.Counters
		if *c.Discovered != *c.Archived+*c.Failed+*c.Skipped {
			t.Errorf("the books do not balance: %+v", c)
		}

		if _, err := fleet.Kubectl(t.Context(), "", "delete", "crawl/cancelled", "--timeout=60s"); err != nil {
			t.Fatal(err)
		}
		client, err := fleet.S3()
		if err != nil {
			t.Fatal(err)
		}
		kept, err := harness.ReadRun(t.Context(), client, job.Status.Archive.Bucket, job.Status.Archive.Prefix)
		if err != nil {
			t.Fatal(err)
		}
		if len(kept.Pages()) != len(run.Pages()) || kept.Statement == nil {
			t.Errorf("after the deletion %d of %d pages are there", len(kept.Pages()), len(run.Pages()))
		}
	})
	t.Run("DeleteWhileItRuns", func(t *testing.T) {
		fleet.Apply(t, harness.NewJob("deleted", srv.URL+"/"))
		job := fleet.WaitUntil(t, "deleted", "some pages are archived", crawlTimeout, archivedMoreThan(0))
		if _, err := fleet.Kubectl(t.Context(), "", "delete", "crawl/deleted", "--timeout=110s"); err != nil {
			t.Fatal(err)
		}
		client, err := fleet.S3()
		if err != nil {
			t.Fatal(err)
		}
		kept, err := harness.ReadRun(t.Context(), client, job.Status.Archive.Bucket, job.Status.Archive.Prefix)
		if err != nil {
			t.Fatal(err)
		}
		if n := int64(len(kept.Pages())); n < *job.Status.Counters.Archived || kept.Statement == nil {
			t.Errorf("after the deletion %d pages are there and the statement %v, %d were archived before", n, kept.Statement != nil, *job.Status.Counters.Archived)
		}
	})
	t.Run("LimitOnPages", func(t *testing.T) {
		job := harness.NewJob("limited", srv.URL+"/")
		const pages = 7
		job.Spec.Limits.Pages = pages
		fleet.Apply(t, job)
		done := succeeded(t, fleet, "limited")
		if n := len(fleet.ReadRun(t, "limited").Pages()); n > pages || n == 0 {
			t.Errorf("%d pages are archived, the limit is %d: %+v", n, pages, done.Status.Counters)
		}
	})
	t.Run("Expired", func(t *testing.T) {
		job := harness.NewJob("expired", srv.URL+"/")
		job.Spec.Authorization.NotAfter = metav1.NewTime(time.Now().Add(-time.Hour))
		loaded := navigations()
		fleet.Apply(t, job)
		fleet.WaitFor(t, "crawl/expired", "Finished", troubleTimeout)
		if c := harness.Condition(fleet.Job(t, "expired"), "Succeeded"); c.Status != "False" || c.Reason != "AuthorizationExpired" {
			t.Errorf("Succeeded is %s: %s: %s", c.Status, c.Reason, c.Message)
		}
		if n := navigations(); n != loaded {
			t.Errorf("%d pages were loaded without a valid authorisation", n-loaded)
		}
	})
	t.Run("NothingArchived", func(t *testing.T) {
		fleet.Apply(t, harness.NewJob("nothing", srv.URL+b.Account().Disallowed[0]))
		fleet.WaitFor(t, "crawl/nothing", "Finished", troubleTimeout)
		job := fleet.Job(t, "nothing")
		if c := harness.Condition(job, "Succeeded"); c.Status != "False" || c.Reason != "NothingArchived" {
			t.Errorf("Succeeded is %s: %s: %s", c.Status, c.Reason, c.Message)
		}
		if r := job.Status.SkippedByReason; len(r) != 1 || r[0].Reason != "RobotsDisallowed" || r[0].Count != 1 {
			t.Errorf("skipped %v, want one that robots.txt disallows", r)
		}
	})
}
