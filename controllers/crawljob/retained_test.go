package crawljob

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

func (s *stage) pushRetention(seq int64, reason workflows.Reason, message string) {
	s.t.Helper()
	err := s.Reports.TakeRetention(s.t.Context(), workflows.RetentionReport{
		Run: string(uid), Namespace: "research", Name: "board", Seq: seq, Reason: reason, Message: message, ObjectLock: workflows.ObjectLockGovernance,
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestRetained follows what is left of a crawl that is over.
func TestRetained(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(started(time.Minute)))
	s.push(func(r *workflows.Report) {
		r.Result = completed()
		r.Result.Archive = workflows.Archive{Bucket: "archive", Prefix: "research/board/" + string(uid) + "/"}
	})
	s.pushRetention(1, workflows.ReasonScreening, "3 chunks: 0 held")
	s.visit()
	s.wantCondition(v1alpha1.ConditionRetained, metav1.ConditionTrue, workflows.ReasonScreening)
	s.wantCondition(v1alpha1.ConditionSucceeded, metav1.ConditionTrue, workflows.ReasonCompleted)
	s.visit() // which takes the finalizer off
	s.drain()

	type step struct {
		reason workflows.Reason
		want   metav1.ConditionStatus
		event  string
	}
	for i, st := range []step{
		{workflows.ReasonKept, metav1.ConditionTrue, ""},
		{workflows.ReasonHeld, metav1.ConditionTrue, ""},
		{workflows.ReasonRetentionDrift, metav1.ConditionUnknown, "Warning RetentionDrift"},
		{workflows.ReasonErasureBlocked, metav1.ConditionUnknown, "Warning ErasureBlocked"},
		{workflows.ReasonClocksDiffer, metav1.ConditionUnknown, ""},
		{workflows.ReasonStoreUnreachable, metav1.ConditionUnknown, ""},
		{workflows.ReasonErased, metav1.ConditionFalse, "Normal Erased"},
	} {
		s.pushRetention(int64(i+2), st.reason, "made for a test")
		s.visit()
		s.wantCondition(v1alpha1.ConditionRetained, st.want, st.reason)
		if got := strings.Join(s.drain(), "; "); !strings.HasPrefix(got, st.event) || (got == "") != (st.event == "") {
			t.Errorf("%s: events %q, want %q", st.reason, got, st.event)
		}
	}
	job := s.job()
	if job.Status.Archive.ObjectLock != v1alpha1.ObjectLockGovernance || job.Status.Archive.Statement == "" || len(job.Status.Conditions) != 7 {
		t.Errorf("archive %+v, %d conditions", job.Status.Archive, len(job.Status.Conditions))
	}
	before := s.writes
	s.pushRetention(3, workflows.ReasonHeld, "an old report that came late")
	s.visit()
	s.visit()
	if s.writes > before+1 {
		t.Errorf("%d writes for one report", s.writes-before)
	}
}

// TestRetainedOutlivesARestart: what was written stays, whatever else is written.
func TestRetainedOutlivesARestart(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(over, func(job *v1alpha1.CrawlJob) {
		job.Generation++
		job.Status.Conditions = append(job.Status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionRetained, Status: metav1.ConditionTrue, Reason: "Held", ObservedGeneration: 1, LastTransitionTime: metav1.NewTime(noon),
		})
	}))
	s.visit()
	s.wantCondition(v1alpha1.ConditionRetained, metav1.ConditionTrue, workflows.ReasonHeld)
	if c := meta.FindStatusCondition(s.job().Status.Conditions, v1alpha1.ConditionRetained); c.ObservedGeneration != s.job().Generation {
		t.Errorf("it was judged for generation %d", c.ObservedGeneration)
	}
}

// TestRetainedOfAnother: reports of a run whose CrawlJob is gone, or was made anew, are dropped.
func TestRetainedOfAnother(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.pushRetention(1, workflows.ReasonHeld, "")
	s.visit()
	if got := s.Reports.Retained(name, uid); got != nil {
		t.Errorf("kept for nobody: %+v", got)
	}
	s.pushRetention(1, workflows.ReasonHeld, "")
	if got := s.Reports.Retained(name, "another"); got != nil {
		t.Errorf("told of another: %+v", got)
	}
	if got := s.Reports.Retained(name, uid); got != nil {
		t.Errorf("kept for nobody: %+v", got)
	}
}

// TestScreening: what a crawl was started with counts, and an order that was made anew since, or
// a status that nobody could have written, takes nothing from it.
func TestScreening(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason          string
		recorded, order int64
		want            time.Duration
	}{
		"Shorter": {"the order was shortened after the start", 600000, 10, 600000 * time.Second},
		"Longer":  {"the order was made longer after the start", 10, 600000, 10 * time.Second},
		"None":    {"it began before there was a period, though its order reads as if it had one", 0, 259200, 0},
		"TooLong": {"a period that no clock can count is not over at once", 1e18, 10, math.MaxInt64 / time.Second * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Observation{Now: noon, Job: jobWith(started(time.Hour), func(job *v1alpha1.CrawlJob) {
				job.Status.Run.ScreeningSeconds, job.Spec.Retention.ScreeningSeconds = new(tc.recorded), int32(tc.order)
				job.Status.Archive = &v1alpha1.ArchiveReference{Bucket: "archive", Prefix: "p/"}
			})}
			runs := &runs{}
			if _, err := (&Reconciler{Runs: runs}).lookAfter(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			var got time.Duration
			for _, in := range runs.retains {
				got = in.Retention.Screening
			}
			if got != tc.want || (len(runs.retains) > 0) != (tc.want > 0) {
				t.Errorf("%s: %d are started, the period is %v, want %v", tc.reason, len(runs.retains), got, tc.want)
			}
		})
	}
}

// TestStartedWithAPeriod: the status keeps which period a crawl was started with.
func TestStartedWithAPeriod(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(), fleet(0))
	s.visit()
	s.visit()
	if got := s.job().Status.Run.ScreeningSeconds; len(s.runs.inputs) != 1 || got == nil || *got != 259200 {
		t.Errorf("started %d times, the period is %v", len(s.runs.inputs), got)
	}
}

// TestFoundWithAPeriod: of a crawl that was under way when the operator learned to keep its
// period the status gets it from the crawl, and from nobody else.
func TestFoundWithAPeriod(t *testing.T) {
	t.Parallel()
	reference := RunReference{WorkflowID: "crawl-" + string(uid), RunID: "r1"}
	lost := Run{Known: true, Reference: reference, Ended: &workflows.RunResult{Verdict: workflows.VerdictFailed, Reason: workflows.ReasonRunLost}}
	says := func(r *workflows.Retention) Run {
		return Run{Known: true, Reference: reference, Answer: crawling(func(report *workflows.Report) { report.Retention = r })}
	}
	for name, tc := range map[string]struct {
		run  Run
		want *int64
	}{
		"Says":      {says(&workflows.Retention{Screening: time.Hour}), new(int64(3600))},
		"SaysNone":  {says(&workflows.Retention{}), new(int64(0))},
		"OldWorker": {says(nil), nil},
		"Lost":      {lost, nil},
		"Forgotten": {Run{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, jobWith(started(time.Minute), func(job *v1alpha1.CrawlJob) {
				job.Status.Run.ScreeningSeconds = nil
				job.Status.Archive = &v1alpha1.ArchiveReference{Bucket: "archive", Prefix: "p/"}
			}))
			s.runs.run = tc.run
			s.visit()
			if diff := cmp.Diff(tc.want, s.job().Status.Run.ScreeningSeconds); diff != "" {
				t.Errorf("period (-want +got):\n%s", diff)
			}
		})
	}
}
