package chaos

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/workflows"
)

func finished(job *v1alpha1.CrawlJob) bool {
	return harness.Condition(job, "Finished").Status == "True"
}

// suspend has the crawl rest for a while; one that ends before needs no rest.
func suspend(t *testing.T, c *crawl) {
	c.fleet.SetState(t, c.job.Name, v1alpha1.StateSuspended)
	job := c.fleet.WaitUntil(t, c.job.Name, "it is suspended", crawlTimeout, func(job *v1alpha1.CrawlJob) bool {
		r := harness.Condition(job, "Reconciling")
		return finished(job) || r.Status == "False" && r.Reason == "Suspended" && *job.Status.Counters.InProgress == 0
	})
	if finished(job) {
		return
	}
	loads := func() int { return len(c.srv.Log.Entries(sites.Filter{Navigate: true})) }
	before := loads()
	time.Sleep(4 * time.Second)
	if n := loads() - before; n > 0 {
		t.Errorf("%d pages were loaded while it was suspended", n)
	}
	c.fleet.SetState(t, c.job.Name, v1alpha1.StateActive)
}

// edit changes what may not be changed, and what may.
func edit(t *testing.T, c *crawl) {
	patch := func(p string) error {
		_, err := c.fleet.Kubectl(t.Context(), "", "patch", "crawl/"+c.job.Name, "--type=merge", "-p", p)
		return err
	}
	for spec, advice := range map[string]string{
		`{"limits":{"pages":3}}`:               "limits can only be raised",
		`{"politeness":{"delaySeconds":0}}`:    "create a new CrawlJob",
		`{"scope":{"include":["^http://x/"]}}`: "create a new CrawlJob",
	} {
		if err := patch(`{"spec":` + spec + `}`); err == nil || !strings.Contains(err.Error(), advice) {
			t.Errorf("a crawl under way was given %s, or it was not said what to do instead: %v", spec, err)
		}
	}
	err := patch(`{"spec":{"limits":{"pages":20000}}}`)
	if over := finished(c.fleet.Job(t, c.job.Name)); !over || err == nil || !strings.Contains(err.Error(), "once the crawl is over") {
		noError(t, err)
	}
	noError(t, patch(`{"metadata":{"labels":{"case":"edited"}}}`))
}

// pauseActivities pauses what the shards have workers do, as a person does who looks for the
// cause of a trouble.
func pauseActivities(t *testing.T, c *crawl) {
	job := c.fleet.Job(t, c.job.Name)
	pause := func(id, kind string) error {
		_, err := c.temporal.WorkflowService().PauseActivity(t.Context(), &workflowservice.PauseActivityRequest{
			Namespace: c.fleet.State().Temporal.Namespace, Execution: &common.WorkflowExecution{WorkflowId: id},
			Activity: &workflowservice.PauseActivityRequest_Type{Type: kind}, Reason: "a test",
		})
		return err
	}
	resume := func(id, kind string) error {
		_, err := c.temporal.WorkflowService().UnpauseActivity(t.Context(), &workflowservice.UnpauseActivityRequest{
			Namespace: c.fleet.State().Temporal.Namespace, Execution: &common.WorkflowExecution{WorkflowId: id},
			Activity: &workflowservice.UnpauseActivityRequest_Type{Type: kind},
		})
		return err
	}
	do := func(f func(id, kind string) error) {
		for shard := range c.job.Spec.Shards {
			for _, kind := range []string{workflows.ActivityCrawlBundle, workflows.ActivityPlan} {
				var none *serviceerror.NotFound // none of them is open just now
				if err := f(workflows.ShardWorkflowID(string(job.UID), int(shard)), kind); err != nil && !errors.As(err, &none) {
					t.Error(err)
				}
			}
		}
	}
	do(pause)
	time.Sleep(5 * time.Second)
	do(resume)
}

// remove deletes the order.
func remove(t *testing.T, c *crawl) {
	// Where the archive is must be known to look at it afterwards.
	c.job = c.fleet.WaitUntil(t, c.job.Name, "it is said where the archive is", crawlTimeout, func(job *v1alpha1.CrawlJob) bool {
		return job.Status.Archive != nil && job.Status.Archive.Prefix != ""
	})
	if _, err := c.fleet.Kubectl(t.Context(), "", "delete", "crawl/"+c.job.Name, "--timeout=110s"); err != nil {
		t.Fatal(err)
	}
}

// removed judges a crawl whose order was deleted: what was captured is sealed.
func removed(t *testing.T, c *crawl) {
	store, err := c.fleet.S3()
	if err != nil {
		t.Fatal(err)
	}
	run, err := harness.ReadRun(t.Context(), store, c.job.Status.Archive.Bucket, c.job.Status.Archive.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	s := readStatement(t, run)
	urls := run.URLs()
	if int64(len(urls)) != s.Counts.Archived {
		t.Errorf("%d pages are archived, the closing statement says %d", len(urls), s.Counts.Archived)
	}
	if len(slices.Compact(slices.Clone(urls))) != len(urls) {
		t.Errorf("a page is archived twice: %q", urls)
	}
	for _, u := range urls {
		if !c.pages()[u] {
			t.Errorf("archived %s, which is not of the sites", u)
		}
	}
	if s.Reason != string(workflows.ReasonCancelled) && s.Reason != string(workflows.ReasonCompleted) {
		t.Errorf("the crawl ended with %s: %s", s.Verdict, s.Reason)
	}
	if known := c.job.Status.Counters; known != nil && known.Archived != nil && *known.Archived > s.Counts.Archived {
		t.Errorf("%d pages are archived, %d were before the deletion", s.Counts.Archived, *known.Archived)
	}
	// The frontier is kept: it is what the books can be recounted from.
	kept := 0
	for o := range store.ListObjectsIter(t.Context(), c.fleet.State().S3.FrontierBucket, minio.ListObjectsOptions{Prefix: c.job.Status.Archive.Prefix, Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		kept++
	}
	if kept == 0 {
		t.Error("the frontier is gone")
	}
}
