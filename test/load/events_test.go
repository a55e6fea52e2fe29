package load

import (
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// TestEventsAreCounted counts a history of two activities, one of which had a second attempt and one that timed out, a
// workflow task, a timer, a signal and an update.
func TestEventsAreCounted(t *testing.T) {
	began := time.Date(2035, 1, 1, 0, 0, 0, 0, time.UTC)
	var list []*historypb.HistoryEvent
	add := func(kind enumspb.EventType, seconds float64, e *historypb.HistoryEvent) {
		e.EventId, e.EventType, e.EventTime = int64(len(list)+1), kind, timestamppb.New(began.Add(time.Duration(seconds*float64(time.Second))))
		list = append(list, e)
	}
	activity := func(name string, at float64) {
		add(enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, at, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
			ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{ActivityType: &commonpb.ActivityType{Name: name}},
		}})
	}
	started := func(scheduled int64, attempt int32, at float64) {
		add(enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED, at, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskStartedEventAttributes{
			ActivityTaskStartedEventAttributes: &historypb.ActivityTaskStartedEventAttributes{ScheduledEventId: scheduled, Attempt: attempt},
		}})
	}
	done := func(scheduled, began int64, at float64) {
		add(enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, at, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{
			ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{ScheduledEventId: scheduled, StartedEventId: began},
		}})
	}
	add(enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, 0, &historypb.HistoryEvent{})
	add(enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, .1, &historypb.HistoryEvent{})
	add(enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, .3, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes{
		WorkflowTaskCompletedEventAttributes: &historypb.WorkflowTaskCompletedEventAttributes{ScheduledEventId: 1, StartedEventId: 2},
	}})
	activity("Plan", 1) // 4
	started(4, 1, 3)
	done(4, 5, 7)
	activity("Plan", 8) // 7
	started(7, 3, 20)
	done(7, 8, 21)
	activity("Plan", 100) // 10: after the window
	started(10, 1, 101)
	done(10, 11, 102)
	activity("CrawlBundle", 8) // 13
	started(13, 2, 9)
	add(enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT, 70, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes{
		ActivityTaskTimedOutEventAttributes: &historypb.ActivityTaskTimedOutEventAttributes{ScheduledEventId: 13, StartedEventId: 14},
	}})
	add(enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED, 70, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowTaskFailedEventAttributes{
		WorkflowTaskFailedEventAttributes: &historypb.WorkflowTaskFailedEventAttributes{Cause: enumspb.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND},
	}})
	add(enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT, 70, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowTaskTimedOutEventAttributes{
		WorkflowTaskTimedOutEventAttributes: &historypb.WorkflowTaskTimedOutEventAttributes{TimeoutType: enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START},
	}})
	add(enumspb.EVENT_TYPE_TIMER_STARTED, 71, &historypb.HistoryEvent{})
	add(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, 72, &historypb.HistoryEvent{})
	add(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED, 73, &historypb.HistoryEvent{})

	h := newHistories("x", began, began.Add(time.Minute))
	h.runs["CrawlRun"] = 1
	events := map[int64]*historypb.HistoryEvent{}
	for _, e := range list {
		events[e.GetEventId()] = e
		h.note("CrawlRun", e, events)
	}
	plan, bundle := h.activities["Plan"], h.activities["CrawlBundle"]
	if plan.count != 3 || plan.retries != 2 || plan.failed != 0 || bundle.count != 1 || bundle.retries != 1 || bundle.failed != 1 {
		t.Errorf("counted %+v and %+v", plan, bundle)
	}
	if len(plan.waited) != 1 || plan.waited[0] != 2*time.Second || plan.worked[0] != 4*time.Second || len(bundle.waited) != 0 {
		t.Errorf("plans waited %v and worked %v, bundles waited %v", plan.waited, plan.worked, bundle.waited)
	}
	if tasks := h.tasks["CrawlRun"]; tasks.count != 1 || tasks.worked[0] != 200*time.Millisecond || tasks.causes["UnhandledCommand"] != 1 || tasks.causes["TimedOutScheduleToStart"] != 1 {
		t.Errorf("workflow tasks are %+v", tasks)
	}
	if h.timers != 1 || h.signals != 1 || h.updates != 1 || h.actions() != 3+1+3+3+1 {
		t.Errorf("%d timers, %d signals, %d updates, %d actions", h.timers, h.signals, h.updates, h.actions())
	}
}
