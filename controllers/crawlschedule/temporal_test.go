package crawlschedule

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	temporal "go.temporal.io/sdk/client"
	sdk "go.temporal.io/sdk/temporal"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// server answers as a Temporal server does. Methods that are not overridden panic.
type server struct {
	temporal.Client

	err       error // of every call
	there     bool
	described temporal.ScheduleDescription
	asked     string // for which schedule
	created   []temporal.ScheduleOptions
	updated   []*temporal.Schedule
	times     int // of the schedule in any range
	patched   []*workflowservice.PatchScheduleRequest
	signalled []string
}

// The parts of its client.
type (
	schedules struct {
		temporal.ScheduleClient
		*server
	}
	scheduleHandle struct {
		temporal.ScheduleHandle
		*server
	}
	service struct {
		workflowservice.WorkflowServiceClient
		*server
	}
)

func (s *server) ScheduleClient() temporal.ScheduleClient { return schedules{server: s} }

func (s *server) WorkflowService() workflowservice.WorkflowServiceClient { return service{server: s} }

func (s schedules) GetHandle(_ context.Context, id string) temporal.ScheduleHandle {
	s.asked = id
	return scheduleHandle{server: s.server}
}

func (s schedules) Create(_ context.Context, o temporal.ScheduleOptions) (temporal.ScheduleHandle, error) {
	switch {
	case s.err != nil:
		return nil, s.err
	case s.there:
		return nil, sdk.ErrScheduleAlreadyRunning
	}
	s.created = append(s.created, o)
	return scheduleHandle{server: s.server}, nil
}

func (s scheduleHandle) Update(_ context.Context, o temporal.ScheduleUpdateOptions) error {
	u, err := o.DoUpdate(temporal.ScheduleUpdateInput{})
	if err != nil {
		return err
	}
	s.updated = append(s.updated, u.Schedule)
	return nil
}

func (s scheduleHandle) Describe(context.Context) (*temporal.ScheduleDescription, error) {
	if s.err != nil {
		return nil, s.err
	}
	return &s.described, nil
}

func (s scheduleHandle) Delete(context.Context) error { return s.err }

func (s service) ListScheduleMatchingTimes(context.Context, *workflowservice.ListScheduleMatchingTimesRequest, ...grpc.CallOption) (*workflowservice.ListScheduleMatchingTimesResponse, error) {
	return &workflowservice.ListScheduleMatchingTimesResponse{StartTime: make([]*timestamppb.Timestamp, s.times)}, s.err
}

func (s service) PatchSchedule(_ context.Context, in *workflowservice.PatchScheduleRequest, _ ...grpc.CallOption) (*workflowservice.PatchScheduleResponse, error) {
	s.patched = append(s.patched, in)
	return &workflowservice.PatchScheduleResponse{}, s.err
}

func (s *server) SignalWorkflow(_ context.Context, id, _, name string, _ any) error {
	s.signalled = append(s.signalled, id+" "+name)
	return s.err
}

// whole compares all of the SDK's types.
var whole = cmp.Exporter(func(reflect.Type) bool { return true })

func TestPut(t *testing.T) {
	t.Parallel()
	p := plan(schedule(early, func(s *v1alpha1.CrawlSchedule) {
		s.Spec.Schedule.Intervals = []v1alpha1.Interval{{EverySeconds: 60, OffsetSeconds: 5}}
		s.Spec.OverlapPolicy, s.Spec.JitterSeconds = v1alpha1.OverlapBufferOne, 7
	}))
	s := &server{}
	if err := (&Temporal{Client: s}).Put(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	want := temporal.ScheduleOptions{
		ID: "schedule-" + string(uid),
		Spec: temporal.ScheduleSpec{
			CronExpressions: []string{"30 3 * * *"}, Intervals: []temporal.ScheduleIntervalSpec{{Every: time.Minute, Offset: 5 * time.Second}},
			TimeZoneName: "Europe/Vienna", StartAt: p.StartAt, EndAt: p.EndAt, Jitter: 7 * time.Second,
		},
		Action: &temporal.ScheduleWorkflowAction{
			ID: "firing-" + string(uid), Workflow: workflows.WorkflowCrawlFiring, TaskQueue: workflows.TaskQueueOperator,
			Args: []any{workflows.FiringInput{FormatVersion: 1, Schedule: string(uid), Namespace: "research", Name: "nightly"}},
		},
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE, CatchupWindow: time.Hour, Note: p.note(),
	}
	same(t, "created", []temporal.ScheduleOptions{want}, s.created, whole)

	s = &server{there: true}
	p.Paused = true
	if err := (&Temporal{Client: s}).Put(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	same(t, "updated", []*temporal.Schedule{{
		Action: want.Action, Spec: &want.Spec,
		Policy: &temporal.SchedulePolicies{Overlap: want.Overlap, CatchupWindow: time.Hour},
		State:  &temporal.ScheduleState{Note: p.note(), Paused: true},
	}}, s.updated, whole)
}

func TestPutFails(t *testing.T) {
	t.Parallel()
	var refused *Refused
	err := (&Temporal{Client: &server{err: serviceerror.NewInvalidArgument("minute is not in range")}}).Put(t.Context(), plan(schedule()))
	if !errors.As(err, &refused) || refused.Message != "minute is not in range" {
		t.Errorf("%v, want a refusal", err)
	}
	err = (&Temporal{Client: &server{err: serviceerror.NewUnavailable("dial 127.0.0.1:41213")}}).Put(t.Context(), plan(schedule()))
	if err == nil || err.Error() != "put the schedule: connection refused or lost" {
		t.Errorf("%v, want an error that stays the same", err)
	}
}

func TestLook(t *testing.T) {
	t.Parallel()
	s := &server{described: temporal.ScheduleDescription{
		Schedule: temporal.Schedule{State: &temporal.ScheduleState{Note: "n"}},
		Info: temporal.ScheduleInfo{
			NumActions: 5, NumActionsSkippedOverlap: 2, NumActionsMissedCatchupWindow: 1,
			RecentActions:   []temporal.ScheduleActionResult{{ActualTime: noon.Add(-2 * time.Hour)}, {ActualTime: noon.Add(-time.Hour)}},
			NextActionTimes: []time.Time{noon.Add(time.Hour), noon.Add(2 * time.Hour)},
		},
	}}
	look := func(want Seen) {
		t.Helper()
		got, err := (&Temporal{Client: s}).Look(t.Context(), uid)
		if err != nil {
			t.Error(err)
		}
		same(t, "seen", want, got)
	}
	want := Seen{Known: true, Note: "n", Last: noon.Add(-time.Hour), Next: noon.Add(time.Hour), Fired: 5, Overlapped: 2, Missed: 1}
	look(want)
	if s.asked != "schedule-"+string(uid) {
		t.Errorf("asked for %s", s.asked)
	}
	s.described.Schedule.State.Paused, want.Paused, want.Next = true, true, time.Time{}
	look(want)
	s.err = serviceerror.NewNotFound("no such schedule")
	look(Seen{})
	s.err = serviceerror.NewUnavailable("x")
	if _, err := (&Temporal{Client: s}).Look(t.Context(), uid); err == nil {
		t.Error("no answer looks like no schedule")
	}
}

// TestGoneIsNoError asserts that what is done twice is done.
func TestGoneIsNoError(t *testing.T) {
	t.Parallel()
	s := &server{err: serviceerror.NewNotFound("no such thing")}
	c := &Temporal{Client: s}
	if err := errors.Join(c.Remove(t.Context(), uid), c.Tell(t.Context(), uid, at)); err != nil {
		t.Error(err)
	}
	same(t, "signalled", []string{"firing-" + string(uid) + "-2026-05-04T11:59:00Z Look"}, s.signalled)
	s.err = errDown
	if c.Remove(t.Context(), uid) == nil || c.Tell(t.Context(), uid, at) == nil {
		t.Error("no answer looks like success")
	}
}

func TestBackfill(t *testing.T) {
	t.Parallel()
	s := &server{}
	c := &Temporal{Client: s, Namespace: "fleet"}
	b := schedule(backfilling("gap", -time.Hour)).Spec.Backfill
	for range 2 {
		if err := c.Backfill(t.Context(), uid, b); err != nil {
			t.Fatal(err)
		}
	}
	in := s.patched[0]
	fill := in.Patch.BackfillRequest[0]
	if in.Namespace != "fleet" || in.ScheduleId != "schedule-"+string(uid) || fill.OverlapPolicy != enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL ||
		!fill.StartTime.AsTime().Equal(b.From.Time) || !fill.EndTime.AsTime().Equal(b.To.Time) {
		t.Errorf("%v", in)
	}
	if in.RequestId != s.patched[1].RequestId {
		t.Error("the same request has two ids")
	}
	b.Name = "another"
	if err := c.Backfill(t.Context(), uid, b); err != nil || s.patched[2].RequestId == in.RequestId {
		t.Errorf("%v; another request has the id of the first", err)
	}
}

// TestBackfillOfTooManyTimes: a slip in a year begins no million crawls.
func TestBackfillOfTooManyTimes(t *testing.T) {
	t.Parallel()
	s := &server{times: maxBackfill}
	c := &Temporal{Client: s, Namespace: "fleet"}
	b := schedule(backfilling("gap", -time.Hour)).Spec.Backfill
	if err := c.Backfill(t.Context(), uid, b); err != nil || len(s.patched) != 1 {
		t.Errorf("%d times: %v", s.times, err)
	}
	s.times++
	err := c.Backfill(t.Context(), uid, b)
	if refused := (*Refused)(nil); !errors.As(err, &refused) || len(s.patched) != 1 {
		t.Errorf("%d times: %v", s.times, err)
	}
}

func TestOverlap(t *testing.T) {
	t.Parallel()
	for p, want := range map[v1alpha1.OverlapPolicy]enumspb.ScheduleOverlapPolicy{
		v1alpha1.OverlapSkip:        enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		v1alpha1.OverlapBufferOne:   enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE,
		v1alpha1.OverlapBufferAll:   enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL,
		v1alpha1.OverlapCancelOther: enumspb.SCHEDULE_OVERLAP_POLICY_CANCEL_OTHER,
		v1alpha1.OverlapAllowAll:    enumspb.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL,
	} {
		if got := overlap(p); got != want {
			t.Errorf("%s is %v in Temporal", p, got)
		}
	}
}
