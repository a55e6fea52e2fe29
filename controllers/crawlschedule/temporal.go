package crawlschedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	temporal "go.temporal.io/sdk/client"
	sdk "go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"
	"k8s.io/apimachinery/pkg/types"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/plain"
	"crawlfleet.dev/crawlfleet/workflows"
)

// callTimeout bounds one call to Temporal.
const callTimeout = 5 * time.Second

// Seen is what Temporal knows of a schedule.
type Seen struct {
	// Known is whether there is one.
	Known bool
	// Note and Paused are as it was put.
	Note   string
	Paused bool
	// Last is when it last fired, Next when it does so next; zero for never.
	Last time.Time
	Next time.Time
	// Fired counts its firings, Overlapped times that its overlap policy passed over,
	// Missed those that were too late.
	Fired      int64
	Overlapped int64
	Missed     int64
}

// as tells whether the Schedule is as planned.
func (s Seen) as(p Plan) bool { return s.Known && s.Note == p.note() && s.Paused == p.Paused }

// Refused says why a schedule, or a backfill of it, is not taken.
type Refused struct{ Message string }

// Error makes it an error.
func (r *Refused) Error() string { return r.Message }

// Temporal is Schedules on a Temporal client.
type Temporal struct {
	// Client may be a lazy one: Temporal need not be there yet.
	Client temporal.Client
	// Namespace is that of the client.
	Namespace string
}

var _ Schedules = (*Temporal)(nil)

func (t *Temporal) handle(ctx context.Context, uid types.UID) temporal.ScheduleHandle {
	return t.Client.ScheduleClient().GetHandle(ctx, workflows.ScheduleID(string(uid)))
}

// Look describes the Schedule of a CrawlSchedule.
func (t *Temporal) Look(ctx context.Context, uid types.UID) (Seen, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	d, err := t.handle(ctx, uid).Describe(ctx)
	if missing(err) {
		return Seen{}, nil
	}
	if err != nil {
		return Seen{}, fmt.Errorf("describe the schedule: %w", plain.Temporal(err))
	}
	seen := Seen{
		Known: true, Note: d.Schedule.State.Note, Paused: d.Schedule.State.Paused,
		Fired: int64(d.Info.NumActions), Overlapped: int64(d.Info.NumActionsSkippedOverlap), Missed: int64(d.Info.NumActionsMissedCatchupWindow),
	}
	if n := len(d.Info.RecentActions); n > 0 {
		seen.Last = d.Info.RecentActions[n-1].ActualTime
	}
	if len(d.Info.NextActionTimes) > 0 && !seen.Paused {
		seen.Next = d.Info.NextActionTimes[0]
	}
	return seen, nil
}

// Put makes the Schedule, or makes it as planned. Its error is a *Refused when Temporal will
// not take it.
func (t *Temporal) Put(ctx context.Context, p Plan) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	spec, action := specOf(p), actionOf(p)
	_, err := t.Client.ScheduleClient().Create(ctx, temporal.ScheduleOptions{
		ID: workflows.ScheduleID(string(p.UID)), Spec: spec, Action: action, Overlap: overlap(p.Overlap), CatchupWindow: p.CatchUp,
		Note: p.note(), Paused: p.Paused,
	})
	var there *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.Is(err, sdk.ErrScheduleAlreadyRunning) || errors.As(err, &there) {
		err = t.handle(ctx, p.UID).Update(ctx, temporal.ScheduleUpdateOptions{
			DoUpdate: func(temporal.ScheduleUpdateInput) (*temporal.ScheduleUpdate, error) {
				return &temporal.ScheduleUpdate{Schedule: &temporal.Schedule{
					Spec: &spec, Action: action,
					Policy: &temporal.SchedulePolicies{Overlap: overlap(p.Overlap), CatchupWindow: p.CatchUp},
					State:  &temporal.ScheduleState{Note: p.note(), Paused: p.Paused},
				}}, nil
			},
		})
	}
	var invalid *serviceerror.InvalidArgument
	if errors.As(err, &invalid) {
		return &Refused{Message: invalid.Message}
	}
	if err != nil {
		return fmt.Errorf("put the schedule: %w", plain.Temporal(err))
	}
	return nil
}

// Remove takes the Schedule away. That there is none is no error.
func (t *Temporal) Remove(ctx context.Context, uid types.UID) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := t.handle(ctx, uid).Delete(ctx)
	if err != nil && !missing(err) {
		return fmt.Errorf("delete the schedule: %w", plain.Temporal(err))
	}
	return nil
}

// maxBackfill is how many times a backfill may have. Temporal lists a thousand of a range at
// most, and nobody wants a slip in a year to begin millions of crawls.
const maxBackfill = 999

// Backfill has the schedule fire for the times of a range, one after another. The same
// request is taken once. Its error is a *Refused when the range has too many times.
func (t *Temporal) Backfill(ctx context.Context, uid types.UID, b v1alpha1.Backfill) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	times, err := t.Client.WorkflowService().ListScheduleMatchingTimes(ctx, &workflowservice.ListScheduleMatchingTimesRequest{
		Namespace: t.Namespace, ScheduleId: workflows.ScheduleID(string(uid)), StartTime: timestamppb.New(b.From.Time), EndTime: timestamppb.New(b.To.Time),
	})
	if err != nil {
		return fmt.Errorf("list the times of a backfill: %w", plain.Temporal(err))
	}
	if len(times.StartTime) > maxBackfill {
		return &Refused{Message: fmt.Sprintf("Backfill %q is not done: the schedule has more than %d times in its range. Ask for a shorter range under another name.", b.Name, maxBackfill)}
	}
	_, err = t.Client.WorkflowService().PatchSchedule(ctx, &workflowservice.PatchScheduleRequest{
		Namespace: t.Namespace, ScheduleId: workflows.ScheduleID(string(uid)), Identity: "crawlfleet-operator",
		RequestId: fmt.Sprintf("backfill-%s-%s-%d-%d", uid, b.Name, b.From.Unix(), b.To.Unix()),
		Patch: &schedulepb.SchedulePatch{BackfillRequest: []*schedulepb.BackfillRequest{{
			StartTime: timestamppb.New(b.From.Time), EndTime: timestamppb.New(b.To.Time),
			OverlapPolicy: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL,
		}}},
	})
	if err != nil {
		return fmt.Errorf("backfill the schedule: %w", plain.Temporal(err))
	}
	return nil
}

// Tell tells the firing for a time that its CrawlJob has changed. One that is over, or never
// was, need not know.
func (t *Temporal) Tell(ctx context.Context, uid types.UID, at time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := t.Client.SignalWorkflow(ctx, workflows.FiringWorkflowID(string(uid), at), "", workflows.SignalLook, nil)
	if err != nil && !missing(err) {
		return fmt.Errorf("tell the firing: %w", plain.Temporal(err))
	}
	return nil
}

func missing(err error) bool {
	var missing *serviceerror.NotFound
	return errors.As(err, &missing)
}

func specOf(p Plan) temporal.ScheduleSpec {
	spec := temporal.ScheduleSpec{
		CronExpressions: p.Cron, StartAt: p.StartAt, EndAt: p.EndAt, Jitter: p.Jitter, TimeZoneName: p.TimeZone,
	}
	for _, i := range p.Intervals {
		spec.Intervals = append(spec.Intervals, temporal.ScheduleIntervalSpec{Every: i.Every, Offset: i.Offset})
	}
	return spec
}

func actionOf(p Plan) *temporal.ScheduleWorkflowAction {
	return &temporal.ScheduleWorkflowAction{
		ID: workflows.FiringActionID(string(p.UID)), Workflow: workflows.WorkflowCrawlFiring, TaskQueue: workflows.TaskQueueOperator,
		Args: []any{workflows.FiringInput{FormatVersion: p.Format, Schedule: string(p.UID), Namespace: p.Namespace, Name: p.Name}},
	}
}

// overlap says in Temporal's words what a policy is. What it terminates would not be sealed,
// so there is no policy for that.
func overlap(p v1alpha1.OverlapPolicy) enumspb.ScheduleOverlapPolicy {
	switch p {
	case v1alpha1.OverlapBufferOne:
		return enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE
	case v1alpha1.OverlapBufferAll:
		return enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL
	case v1alpha1.OverlapCancelOther:
		return enumspb.SCHEDULE_OVERLAP_POLICY_CANCEL_OTHER
	case v1alpha1.OverlapAllowAll:
		return enumspb.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL
	default:
		return enumspb.SCHEDULE_OVERLAP_POLICY_SKIP
	}
}
