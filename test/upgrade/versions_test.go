package upgrade

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"go.temporal.io/api/deployment/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/versions"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/workflows"
)

// patience bounds each step, on a busy machine.
const patience = 2 * time.Minute

// dial connects to the Temporal of a fleet.
func dial(t *testing.T, fleet *harness.Fleet) client.Client {
	t.Helper()
	s := fleet.State().Temporal
	c, err := client.Dial(client.Options{HostPort: s.Address, Namespace: s.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// eventually waits until something holds, and returns what was seen then.
func eventually(t *testing.T, temporal *versions.Temporal, what string, holds func(*versions.State) bool) *versions.State {
	t.Helper()
	began := time.Now()
	for {
		s, err := temporal.Observe(t.Context())
		if err == nil && holds(s) {
			t.Logf("%s after %.1f s", what, time.Since(began).Seconds())
			return s
		}
		if time.Since(began) > patience {
			t.Fatalf("not within %v: %s; Temporal says %+v, %v", patience, what, s, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// is tells whether a version has a status.
func is(build string, status versions.Status) func(*versions.State) bool {
	return func(s *versions.State) bool {
		return slices.ContainsFunc(s.Versions, func(v versions.Version) bool { return v.Build == build && v.Status == status })
	}
}

// TestVersions goes through the life of two versions with a workflow that is pinned to the first
// one, and does nothing but wait.
func TestVersions(t *testing.T) {
	t.Parallel()
	fleet := harness.Start(t, harness.Options{NoOperator: true, Workers: -1, Unsigned: true})
	c := dial(t, fleet)
	temporal := &versions.Temporal{Client: c, Namespace: fleet.State().Temporal.Namespace}
	if s, err := temporal.Observe(t.Context()); err != nil || len(s.Versions) > 0 {
		t.Fatalf("before there is any: %+v, %v", s, err)
	}
	if err := temporal.MakeCurrent(t.Context(), "a"); !errors.Is(err, versions.ErrNoWorkers) {
		t.Errorf("a build that nobody works for became current: %v", err)
	}
	a := work(t, c, "a")
	eventually(t, temporal, "a is polled", func(s *versions.State) bool { return is("a", versions.Inactive)(s) && s.Versions[0].Polled })
	current(t, temporal, "a")
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "waits", TaskQueue: workflows.TaskQueueRun}, "waits")
	if err != nil {
		t.Fatal(err)
	}

	work(t, c, "b")
	eventually(t, temporal, "b is polled", func(s *versions.State) bool { return len(s.Versions) == 2 })
	plan := versions.Decide(versions.Input{Desired: "b", Deployments: deployments("a", "b"), Temporal: observe(t, temporal), Now: time.Now()})
	if plan.MakeCurrent != "b" || len(plan.Remove) > 0 {
		t.Fatalf("the plan is %+v", plan)
	}
	current(t, temporal, "b")
	s := eventually(t, temporal, "a is draining with a workflow", func(s *versions.State) bool {
		return is("a", versions.Draining)(s) && slices.ContainsFunc(s.Versions, func(v versions.Version) bool { return v.Open == 1 })
	})
	plan = versions.Decide(versions.Input{Desired: "b", Deployments: deployments("a", "b"), Temporal: s, Now: time.Now()})
	if len(plan.Remove) > 0 || !slices.Equal(plan.Wake, []string{"a"}) {
		t.Fatalf("the plan is %+v", plan)
	}
	if err := temporal.Forget(t.Context(), "a"); !errors.Is(err, versions.ErrInUse) {
		t.Errorf("a version with a workflow was forgotten: %v", err)
	}

	if n, err := temporal.Wake(t.Context(), "a", 10); err != nil || n != 1 {
		t.Fatalf("woke %d, %v", n, err)
	}
	s = eventually(t, temporal, "a is drained", is("a", versions.Drained))
	plan = versions.Decide(versions.Input{Desired: "b", Deployments: deployments("a", "b"), Temporal: s, Now: time.Now().Add(time.Hour)})
	if !slices.Equal(plan.Remove, []string{"a"}) {
		t.Fatalf("the plan is %+v", plan)
	}
	description, err := c.DescribeWorkflowExecution(t.Context(), run.GetID(), "")
	if err != nil || description.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion().GetBuildId() != "b" {
		t.Errorf("the workflow is at %+v, %v", description.GetWorkflowExecutionInfo(), err)
	}
	a.Stop()
	if err := temporal.Forget(t.Context(), "a"); !errors.Is(err, versions.ErrInUse) {
		t.Errorf("a version whose worker has just stopped: %v", err)
	}
	forget(t, c, temporal)
}

// forget has a version forgotten that no worker ever asked for work for, and one that is not there.
func forget(t *testing.T, c client.Client, temporal *versions.Temporal) {
	t.Helper()
	_, err := c.WorkflowService().CreateWorkerDeploymentVersion(t.Context(), &workflowservice.CreateWorkerDeploymentVersionRequest{
		Namespace: temporal.Namespace, RequestId: "test",
		DeploymentVersion: &deployment.WorkerDeploymentVersion{DeploymentName: workflows.Deployment, BuildId: "c"},
	})
	if err != nil {
		t.Fatal(err)
	}
	known := func(s *versions.State) bool { return is("c", versions.Inactive)(s) }
	eventually(t, temporal, "c is known", known)
	for range 2 {
		if err := temporal.Forget(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, temporal, "c is forgotten", func(s *versions.State) bool { return !known(s) })
}

func observe(t *testing.T, temporal *versions.Temporal) *versions.State {
	t.Helper()
	s, err := temporal.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// current makes a build current, twice: the second time changes nothing.
func current(t *testing.T, temporal *versions.Temporal, build string) {
	t.Helper()
	for range 2 {
		if err := temporal.MakeCurrent(t.Context(), build); err != nil {
			t.Fatal(err)
		}
	}
	if s := observe(t, temporal); !is(build, versions.Current)(s) {
		t.Fatalf("%s is not current: %+v", build, s)
	}
}

func deployments(builds ...string) (list []versions.Deployment) {
	for _, b := range builds {
		list = append(list, versions.Deployment{Build: b, Ready: true})
	}
	return list
}

// work polls for workflows as a build.
func work(t *testing.T, c client.Client, build string) worker.Worker {
	t.Helper()
	w := worker.New(c, workflows.TaskQueueRun, worker.Options{DeploymentOptions: worker.DeploymentOptions{
		UseVersioning: true, Version: worker.WorkerDeploymentVersion{DeploymentName: workflows.Deployment, BuildID: build},
		DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
	}})
	w.RegisterWorkflowWithOptions(waits, workflow.RegisterOptions{Name: "waits"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w
}

// waits is a workflow that goes over to another version, and does nothing else.
func waits(ctx workflow.Context) error {
	err := workflow.Await(ctx, func() bool { return workflow.GetInfo(ctx).GetTargetWorkerDeploymentVersionChanged() })
	if err != nil {
		return err
	}
	return workflow.NewContinueAsNewErrorWithOptions(ctx, workflow.ContinueAsNewErrorOptions{
		InitialVersioningBehavior: workflow.ContinueAsNewVersioningBehaviorAutoUpgrade,
	}, "waits")
}
