package crawlschedule

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/kube"
	"crawlfleet.dev/crawlfleet/workflows"
)

// scene is a reconciler with all that it works with.
type scene struct {
	*Reconciler
	t        *testing.T
	temporal *calendar
	recorder *events.FakeRecorder
	now      time.Time
}

func newScene(t *testing.T, objects ...client.Object) *scene {
	t.Helper()
	f, temporal := desk(t, nil, objects...)
	s := &scene{t: t, temporal: temporal, recorder: events.NewFakeRecorder(100), now: noon}
	s.Reconciler = &Reconciler{Client: f.Client, Schedules: temporal, Health: temporal, Firings: f, Events: s.recorder, Now: func() time.Time { return s.now }}
	return s
}

var key = types.NamespacedName{Namespace: "research", Name: "nightly"}

// visit visits the schedule and returns it as it is then.
func (s *scene) visit(reason workflows.Reason, status metav1.ConditionStatus) *v1alpha1.CrawlSchedule {
	s.t.Helper()
	result, err := s.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: key})
	if err != nil || result.RequeueAfter <= 0 || result.RequeueAfter > lookAgain {
		s.t.Fatalf("%+v, %v", result, err)
	}
	got := s.read()
	for _, err := range kube.CheckStatus(got.Status.Conditions, got.Generation, got.Status.ObservedGeneration) {
		s.t.Error(err)
	}
	if c := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionReady); c == nil || c.Reason != string(reason) || c.Status != status {
		s.t.Errorf("Ready is %+v, want %s: %s", c, status, reason)
	}
	return got
}

func (s *scene) read() *v1alpha1.CrawlSchedule {
	s.t.Helper()
	var got v1alpha1.CrawlSchedule
	if err := s.Client.Get(s.t.Context(), key, &got); err != nil {
		s.t.Fatal(err)
	}
	return &got
}

func (s *scene) change(f func(*v1alpha1.CrawlSchedule)) {
	s.t.Helper()
	got := s.read()
	f(got)
	if err := s.Client.Update(s.t.Context(), got); err != nil {
		s.t.Fatal(err)
	}
}

// fire creates the CrawlJob for a time, and finish ends it.
func (s *scene) fire(at time.Time) string {
	s.t.Helper()
	in := firing()
	in.ScheduledFor = at
	state, err := s.Firings.Fire(s.t.Context(), in)
	if err != nil {
		s.t.Fatal(err)
	}
	return state.Job
}

func (s *scene) finish(name string, status metav1.ConditionStatus, reason string) {
	s.t.Helper()
	var job v1alpha1.CrawlJob
	if err := s.Client.Get(s.t.Context(), types.NamespacedName{Namespace: "research", Name: name}, &job); err != nil {
		s.t.Fatal(err)
	}
	for kind, status := range map[string]metav1.ConditionStatus{v1alpha1.ConditionFinished: metav1.ConditionTrue, v1alpha1.ConditionSucceeded: status} {
		meta.SetStatusCondition(&job.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason})
	}
	if err := s.Client.Status().Update(s.t.Context(), &job); err != nil {
		s.t.Fatal(err)
	}
}

// TestReconcile follows a schedule through its life.
func TestReconcile(t *testing.T) {
	t.Parallel()
	s := newScene(t, schedule())
	s.temporal.err = errDown
	if got := s.visit(workflows.ReasonTemporalUnreachable, metav1.ConditionFalse); got.Status.ScheduleID != "" {
		t.Errorf("a schedule that is nowhere is %s", got.Status.ScheduleID)
	}
	s.temporal.err = nil
	got := s.visit(ReasonScheduled, metav1.ConditionTrue)
	same(t, "finalizers", []string{v1alpha1.ScheduleFinalizer}, got.Finalizers)
	if len(s.temporal.plans) != 1 || got.Status.ScheduleID != "schedule-"+string(uid) || got.Status.Schedule != "30 3 * * * Europe/Vienna" {
		t.Errorf("%d plans, status %+v", len(s.temporal.plans), got.Status)
	}
	if got = s.visit(ReasonScheduled, metav1.ConditionTrue); len(s.temporal.plans) != 1 || !got.Status.NextFiringTime.Equal(ptr(after(time.Hour))) {
		t.Errorf("%d plans; next %v", len(s.temporal.plans), got.Status.NextFiringTime)
	}

	name := s.fire(at)
	got = s.visit(ReasonScheduled, metav1.ConditionTrue)
	scheduled := metav1.NewTime(at)
	same(t, "active", []v1alpha1.ScheduledJob{{Name: name, ScheduledFor: &scheduled}}, got.Status.Active)
	same(t, "last job", v1alpha1.LastJob{Name: name, ScheduledFor: &scheduled, Succeeded: "Unknown", Reason: "Running"}, got.Status.LastJob)
	if len(s.temporal.told) != 0 {
		t.Errorf("the firing was told of a CrawlJob that runs: %v", s.temporal.told)
	}

	s.finish(name, metav1.ConditionTrue, "Completed")
	s.temporal.failedTell = true
	s.visit(workflows.ReasonTemporalUnreachable, metav1.ConditionFalse)
	s.temporal.failedTell = false
	s.visit(ReasonScheduled, metav1.ConditionTrue)
	got = s.visit(ReasonScheduled, metav1.ConditionTrue)
	same(t, "told", []time.Time{at}, s.temporal.told)
	same(t, "last job", v1alpha1.LastJob{Name: name, ScheduledFor: &scheduled, Succeeded: "True", Reason: "Completed"}, got.Status.LastJob)
	if len(got.Status.Active) != 0 {
		t.Errorf("active %+v", got.Status.Active)
	}

	// What history limits leave no room for goes; the verdict stays.
	s.change(func(s *v1alpha1.CrawlSchedule) { s.Spec.SuccessfulJobsHistoryLimit = new(int32(0)) })
	s.visit(ReasonScheduled, metav1.ConditionTrue)
	got = s.visit(ReasonScheduled, metav1.ConditionTrue)
	if n := len(s.Firings.jobs(t)); n != 0 || got.Status.LastJob.Reason != "Completed" {
		t.Errorf("%d CrawlJobs are kept; last %+v", n, got.Status.LastJob)
	}

	// One that somebody deletes ends its firing.
	name = s.fire(at.Add(time.Second))
	s.visit(ReasonScheduled, metav1.ConditionTrue)
	if err := s.Client.Delete(t.Context(), &v1alpha1.CrawlJob{ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: name}}); err != nil {
		t.Fatal(err)
	}
	s.visit(ReasonScheduled, metav1.ConditionTrue)
	s.visit(ReasonScheduled, metav1.ConditionTrue)
	same(t, "told", []time.Time{at, at.Add(time.Second)}, s.temporal.told)

	s.change(suspended)
	if got = s.visit(workflows.ReasonSuspended, metav1.ConditionTrue); !s.temporal.seen.Paused || got.Status.NextFiringTime != nil {
		t.Errorf("paused %v, next %v", s.temporal.seen.Paused, got.Status.NextFiringTime)
	}
	s.fire(at.Add(2 * time.Second)) // it was on its way
	got = s.visit(workflows.ReasonSuspended, metav1.ConditionTrue)
	if skip := got.Status.LastSkipped; skip == nil || skip.Reason != "Suspended" || !skip.ScheduledFor.Equal(ptr(metav1.NewTime(at.Add(2*time.Second)))) || skip.Message == "" {
		t.Errorf("skipped %+v", skip)
	}
	if err := s.Client.Delete(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	s.leave()
	if s.temporal.removed != 1 {
		t.Errorf("removed from Temporal %d times", s.temporal.removed)
	}
	if _, ok := s.Firings.Outcome(uid); ok {
		t.Error("outcomes of a schedule that is gone are kept")
	}
}

func ptr[T any](v T) *T { return &v }

// leave visits the schedule for the last time.
func (s *scene) leave() {
	s.t.Helper()
	for range 2 {
		if _, err := s.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.Client.Get(s.t.Context(), key, &v1alpha1.CrawlSchedule{}); !apierrors.IsNotFound(err) {
		s.t.Errorf("it is there still: %v", err)
	}
}

func TestReconcileBackfill(t *testing.T) {
	t.Parallel()
	s := newScene(t, schedule(backfilling("gap", -time.Hour)))
	s.visit(ReasonScheduled, metav1.ConditionTrue)
	if len(s.temporal.backfills) != 0 {
		t.Errorf("asked before Temporal has the times: %v", s.temporal.backfills)
	}
	got := s.visit(ReasonScheduled, metav1.ConditionTrue)
	want := v1alpha1.FiredBackfill{Name: "gap", From: ptr(after(-48 * time.Hour)), To: ptr(after(-time.Hour)), FiredAt: ptr(after(0))}
	if diff := cmp.Diff(want, got.Status.Backfill); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.visit(ReasonScheduled, metav1.ConditionTrue)
	s.change(backfilling("another", -time.Hour))
	s.visit(ReasonScheduled, metav1.ConditionTrue)
	s.visit(ReasonScheduled, metav1.ConditionTrue)
	same(t, "backfills", []string{"gap", "another"}, s.temporal.backfills)
}

// TestReconcileBackfillTooLong: what is not done is told, and asked again under another name.
func TestReconcileBackfillTooLong(t *testing.T) {
	t.Parallel()
	s := newScene(t, schedule(backfilling("gap", -time.Hour)))
	s.visit(ReasonScheduled, metav1.ConditionTrue)
	s.temporal.refuse = &Refused{Message: "There are too many."}
	got := s.visit(ReasonScheduled, metav1.ConditionTrue)
	if m := got.Status.Conditions[0].Message; !strings.HasSuffix(m, " There are too many.") || got.Status.Backfill.Name != "" {
		t.Errorf("%q, %+v", m, got.Status.Backfill)
	}
	s.temporal.refuse = nil
	s.change(backfilling("another", -time.Hour))
	if got := s.visit(ReasonScheduled, metav1.ConditionTrue); got.Status.Backfill.Name != "another" || strings.Contains(got.Status.Conditions[0].Message, "too many") {
		t.Errorf("%+v", got.Status)
	}
}

func TestReconcileRefused(t *testing.T) {
	t.Parallel()
	s := newScene(t, schedule(func(s *v1alpha1.CrawlSchedule) { s.Spec.Schedule.Cron[0] = "99 3 * * *" }))
	s.temporal.refuse = &Refused{Message: "minute is not in range [0-59]"}
	got := s.visit(ReasonInvalidSchedule, metav1.ConditionFalse)
	if m := got.Status.Conditions[0].Message; !strings.Contains(m, "minute is not in range [0-59]. Change spec.schedule") || !strings.Contains(m, "Nothing is crawled until then.") {
		t.Error(m)
	}
	s.visit(ReasonInvalidSchedule, metav1.ConditionFalse)
	if n := len(s.recorder.Events); n != 1 {
		t.Errorf("%d events, want one for a change", n)
	}
	s.temporal.refuse = nil
	s.visit(ReasonScheduled, metav1.ConditionTrue)

	s = newScene(t, schedule(func(s *v1alpha1.CrawlSchedule) { s.Spec.TimeZone = "Europe/Nowhere" }))
	s.visit(ReasonInvalidTimeZone, metav1.ConditionFalse)
	if len(s.temporal.plans) > 0 {
		t.Error("Temporal was given a time zone that nobody knows")
	}
}

// TestReconcileDeletionWithoutTemporal asserts that a schedule can be deleted when Temporal is
// gone for good, and says what that means.
func TestReconcileDeletionWithoutTemporal(t *testing.T) {
	t.Parallel()
	s := newScene(t, schedule(deletedFor(time.Second)))
	s.temporal.err = errDown
	result, err := s.Reconcile(t.Context(), ctrl.Request{NamespacedName: key})
	if err != nil || result.RequeueAfter <= 0 || len(s.read().Finalizers) != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	s.now = noon.Add(releaseAfter)
	s.leave()
	if n := len(s.recorder.Events); n != 1 {
		t.Errorf("%d events", n)
	}
}
