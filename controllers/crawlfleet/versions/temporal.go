package versions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"crawlfleet.dev/crawlfleet/controllers/queues"
	"crawlfleet.dev/crawlfleet/workflows"
)

const (
	// callTimeout bounds a call that reads, changeTimeout one that changes: it waits until the
	// task queues know.
	callTimeout   = 10 * time.Second
	changeTimeout = 30 * time.Second
	// pollerAge is how long ago a worker may have asked for work and still count as there: a
	// long poll lasts a minute, and Temporal goes on listing workers for five.
	pollerAge = 75 * time.Second
)

// ErrNoWorkers is the error of a build that no worker asks for work for: workflows that were sent
// there would wait.
var ErrNoWorkers = errors.New("no worker of this build asks for work")

// ErrInUse is the error of a version that cannot be forgotten yet: Temporal goes on listing its
// workers for five minutes after they have stopped.
var ErrInUse = errors.New("the version is in use")

// Temporal asks and tells Temporal. The zero value of all but Client will do.
type Temporal struct {
	Client client.Client
	// Namespace is the Client's.
	Namespace string
	// Deployment is the Worker Deployment; workflows.Deployment if empty.
	Deployment string
	// Now is the time; time.Now if nil.
	Now func() time.Time
}

func (t *Temporal) deployment() string {
	if t.Deployment == "" {
		return workflows.Deployment
	}
	return t.Deployment
}

func (t *Temporal) now() time.Time {
	if t.Now == nil {
		return time.Now()
	}
	return t.Now()
}

func (t *Temporal) handle() client.WorkerDeploymentHandle {
	return t.Client.WorkerDeploymentClient().GetHandle(t.deployment())
}

// Observe reads which versions there are and how they are used.
func (t *Temporal) Observe(ctx context.Context) (*State, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	d, err := t.handle().Describe(ctx, client.WorkerDeploymentDescribeOptions{})
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) { // no worker of any build has asked for work yet
		return &State{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe the worker deployment %s: %w", t.deployment(), err)
	}
	polled, err := t.pollers(ctx)
	if err != nil {
		return nil, err
	}
	s := &State{token: d.ConflictToken}
	for _, summary := range d.Info.VersionSummaries {
		build := summary.Version.BuildID
		v := Version{Build: build, Status: statusOf(d.Info.RoutingConfig, summary), Polled: slices.Contains(polled, build)}
		if v.Status == Draining || v.Status == Drained {
			if v.Since, err = t.since(ctx, build); err != nil {
				return nil, err
			}
		}
		if v.Status != Current && v.Status != Ramping {
			if v.Open, err = t.open(ctx, build); err != nil {
				return nil, err
			}
		}
		s.Versions = append(s.Versions, v)
	}
	return s, nil
}

// statusOf is how a version is used.
func statusOf(routing client.WorkerDeploymentRoutingConfig, v client.WorkerDeploymentVersionSummary) Status {
	switch {
	case routing.CurrentVersion != nil && *routing.CurrentVersion == v.Version:
		return Current
	case routing.RampingVersion != nil && *routing.RampingVersion == v.Version:
		return Ramping
	}
	switch v.DrainageStatus {
	case client.WorkerDeploymentVersionDrainageStatusDraining:
		return Draining
	case client.WorkerDeploymentVersionDrainageStatusDrained:
		return Drained
	}
	return Inactive
}

// since is when the drainage of a version last changed.
func (t *Temporal) since(ctx context.Context, build string) (time.Time, error) {
	d, err := t.handle().DescribeVersion(ctx, client.WorkerDeploymentDescribeVersionOptions{BuildID: build})
	if err != nil {
		return time.Time{}, fmt.Errorf("describe version %s: %w", build, err)
	}
	if d.Info.DrainageInfo == nil { // it has just become current
		return time.Time{}, nil
	}
	return d.Info.DrainageInfo.LastChangedTime, nil
}

// pinned finds the open workflows of a version. Builds hold no quotes; deployments neither.
func (t *Temporal) pinned(build string) string {
	return fmt.Sprintf("TemporalWorkerDeploymentVersion = '%s:%s' AND TemporalWorkflowVersioningBehavior = 'Pinned' AND ExecutionStatus = 'Running'", t.deployment(), build)
}

// open counts the workflows that are pinned to a version and not over.
func (t *Temporal) open(ctx context.Context, build string) (int64, error) {
	n, err := t.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: t.Namespace, Query: t.pinned(build)})
	if err != nil {
		return 0, fmt.Errorf("count the workflows of version %s: %w", build, err)
	}
	return n.GetCount(), nil
}

// pollers are the builds whose workers ask for workflows, in whatever partition of the queue.
func (t *Temporal) pollers(ctx context.Context) ([]string, error) {
	queue := queues.Queue{Name: workflows.TaskQueueRun, Kind: enumspb.TASK_QUEUE_TYPE_WORKFLOW}
	found, err := queue.Pollers(ctx, t.Client.WorkflowService(), t.Namespace)
	if err != nil {
		return nil, err
	}
	var builds []string
	for _, p := range found {
		o := p.GetDeploymentOptions()
		if o.GetDeploymentName() == t.deployment() && o.GetWorkerVersioningMode() == enumspb.WORKER_VERSIONING_MODE_VERSIONED &&
			t.now().Sub(p.GetLastAccessTime().AsTime()) <= pollerAge {
			builds = append(builds, o.GetBuildId())
		}
	}
	return builds, nil
}

// MakeCurrent has workflows begin on a build, and those of other builds go over to it. It changes
// nothing when that is so already. The error is ErrNoWorkers when nobody would take them.
func (t *Temporal) MakeCurrent(ctx context.Context, build string) error {
	s, err := t.Observe(ctx)
	if err != nil {
		return err
	}
	v, known := s.find(build)
	switch {
	case !known || !v.Polled:
		return fmt.Errorf("make build %s current: %w: check the pods of the conductors of this build", build, ErrNoWorkers)
	case v.Status == Current:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	if _, err := t.handle().SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build, ConflictToken: s.token}); err != nil {
		return fmt.Errorf("make build %s current: %w", build, err)
	}
	return nil
}

// Forget deletes a drained version from Temporal, which else does it by itself when there are too
// many. The error is ErrInUse when it is not drained, or workers of it were there a while ago.
func (t *Temporal) Forget(ctx context.Context, build string) error {
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	_, err := t.handle().DeleteVersion(ctx, client.WorkerDeploymentDeleteVersionOptions{BuildID: build})
	var missing *serviceerror.NotFound
	var inUse *serviceerror.FailedPrecondition
	switch {
	case errors.As(err, &missing):
		return nil
	case errors.As(err, &inUse):
		return fmt.Errorf("forget build %s: %w: %w", build, ErrInUse, err)
	case err != nil:
		return fmt.Errorf("forget build %s: %w", build, err)
	}
	return nil
}

// Wake has at most so many workflows of a version look whether another one is current: those that
// wait for hours would not notice before. It returns how many it told.
func (t *Temporal) Wake(ctx context.Context, build string, most int) (int, error) {
	list, err := t.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: t.Namespace, Query: t.pinned(build), PageSize: int32(min(most, 1000)),
	})
	if err != nil {
		return 0, fmt.Errorf("list the workflows of version %s: %w", build, err)
	}
	told := 0
	for _, w := range list.GetExecutions()[:min(most, len(list.GetExecutions()))] {
		e := w.GetExecution()
		err := t.Client.SignalWorkflow(ctx, e.GetWorkflowId(), e.GetRunId(), workflows.SignalVersion, nil)
		var missing *serviceerror.NotFound
		if errors.As(err, &missing) { // it has ended meanwhile
			continue
		}
		if err != nil {
			return told, fmt.Errorf("wake workflow %s: %w", e.GetWorkflowId(), err)
		}
		told++
	}
	return told, nil
}
