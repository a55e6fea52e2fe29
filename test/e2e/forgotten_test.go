package e2e

import (
	"errors"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	temporal "go.temporal.io/sdk/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites/mesh"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestForgottenCrawlIsErased: while the operator is down Temporal forgets a crawl, and its CrawlJob is deleted. It is let go
// when the operator is back, and what was captured is erased all the same.
func TestForgottenCrawlIsErased(t *testing.T) {
	t.Parallel()
	m := mesh.New(mesh.Options{Hosts: 6, Pages: 50})
	_, fleet := startMesh(t, m, harness.Options{Tabs: 2})
	job := meshJob("forgotten", 1)
	job.Spec.Retention.ScreeningSeconds = 30
	fleet.Apply(t, job)
	begun := fleet.WaitUntil(t, "forgotten", "something is captured", crawlTimeout, func(job *v1alpha1.CrawlJob) bool {
		return job.Status.Archive != nil && job.Status.Counters != nil && job.Status.Counters.Chunks != nil && *job.Status.Counters.Chunks > 0
	})
	if got := begun.Status.Run.ScreeningSeconds; got == nil || *got != 30 {
		t.Errorf("the status says %v of the period that it was started with", got)
	}
	if err := fleet.Operator.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := fleet.Kubectl(t.Context(), "", "delete", "crawl/forgotten", "--wait=false"); err != nil {
		t.Fatal(err)
	}
	forget(t, fleet, begun.Status.Run.WorkflowID, workflows.ShardWorkflowID(string(begun.UID), 0))
	fleet.StartAgain(t, fleet.Operator)
	if _, err := fleet.Kubectl(t.Context(), "", "wait", "--for=delete", "crawl/forgotten", "--timeout=60s"); err != nil {
		t.Fatal(err)
	}
	s := shelf{t: t, fleet: fleet, prefix: begun.Status.Archive.Prefix}
	s.wait("all is erased", 5*time.Minute)
	s.waitProven(int(*begun.Status.Counters.Chunks))
}

// forget ends workflows from outside and has Temporal lose their histories, as it does when it has kept them long enough.
func forget(t *testing.T, fleet *harness.Fleet, ids ...string) {
	t.Helper()
	state := fleet.State().Temporal
	client, err := temporal.Dial(temporal.Options{HostPort: state.Address, Namespace: state.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var missing *serviceerror.NotFound
	for _, id := range ids {
		if err := client.TerminateWorkflow(t.Context(), id, "", "a test"); err != nil && !errors.As(err, &missing) {
			t.Fatal(err) // but for one that has just ended
		}
		_, err := client.WorkflowService().DeleteWorkflowExecution(t.Context(), &workflowservice.DeleteWorkflowExecutionRequest{
			Namespace: state.Namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(time.Minute); err == nil || !errors.As(err, &missing); time.Sleep(250 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Temporal still knows %s: %v", ids[0], err)
		}
		_, err = client.DescribeWorkflowExecution(t.Context(), ids[0], "")
	}
}
