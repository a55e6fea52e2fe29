package crawljob

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestLostRunsAreLookedAfter: a workflow that was terminated could not see to it itself, and what
// it had stored must not outlive its time for that.
func TestLostRunsAreLookedAfter(t *testing.T) {
	t.Parallel()
	archived := func(job *v1alpha1.CrawlJob) {
		job.Status.Archive = &v1alpha1.ArchiveReference{Bucket: "archive", Prefix: "research/board/" + string(uid) + "/"}
	}
	found := func(job *v1alpha1.CrawlJob) { job.Status.Run.ScreeningSeconds = nil }
	older := func(job *v1alpha1.CrawlJob) { job.Status.Run.ScreeningSeconds = new(int64(0)) }
	bare := func(job *v1alpha1.CrawlJob) { job.Spec.Retention = v1alpha1.Retention{} }
	saying := func(screening time.Duration) Run {
		return Run{Known: true, Ended: &workflows.RunResult{Verdict: workflows.VerdictFailed, Reason: workflows.ReasonRunLost}, Answer: crawling(func(r *workflows.Report) {
			r.Archive = workflows.Archive{Bucket: "archive", Prefix: "research/board/" + string(uid) + "/"}
			r.Retention = &workflows.Retention{Screening: screening}
		})}
	}
	want := []workflows.RetainInput{{
		FormatVersion: workflows.FormatVersion, Run: string(uid), Namespace: "research", Name: "board",
		Archive:   workflows.Archive{Bucket: "archive", Prefix: "research/board/" + string(uid) + "/"},
		Retention: workflows.Retention{Screening: 72 * time.Hour}, EndedAt: noon,
	}}
	terminated := Run{Known: true, Ended: &workflows.RunResult{Verdict: workflows.VerdictFailed, Reason: workflows.ReasonRunLost}}
	cases := map[string]struct {
		reason string
		job    *v1alpha1.CrawlJob
		run    Run
		want   []workflows.RetainInput
	}{
		"Terminated": {"it was ended from outside", jobWith(started(time.Hour), archived), terminated, want},
		"Forgotten":  {"Temporal was restored from a time before it", jobWith(started(time.Hour), archived), Run{}, want},
		"Deleted":    {"its CrawlJob goes, what it stored does not", jobWith(started(time.Hour), archived, deleted(time.Second)), terminated, want},
		"DeletedForgotten": {
			"Temporal forgot it before its CrawlJob was deleted", jobWith(started(time.Hour), archived, deleted(time.Second)), Run{}, want,
		},
		"DeletedUnbegun": {"it was never started", jobWith(archived, deleted(time.Second)), Run{}, nil},
		"LetGo": {
			"this finalizer is gone, and another one holds it",
			jobWith(started(time.Hour), archived, deleted(time.Second), func(job *v1alpha1.CrawlJob) { job.Finalizers = []string{"example.org/other"} }), Run{}, nil,
		},
		"Older":     {"it began before there was a period", jobWith(started(time.Hour), archived, older), terminated, nil},
		"Found":     {"nobody knows whether it had a period, though its order reads as if it had", jobWith(started(time.Hour), archived, found), terminated, nil},
		"FoundSays": {"its history still says it", jobWith(started(time.Hour), archived, found, bare), saying(72 * time.Hour), want},
		"FoundOld":  {"its history says that it has none", jobWith(started(time.Hour), archived, found), saying(0), nil},
		"Unwritten": {"where it stored them its history says alone", jobWith(started(time.Hour)), saying(72 * time.Hour), want},
		"Nowhere":   {"it had no archive yet", jobWith(started(time.Hour)), terminated, nil},
		"Completed": {"it has seen to it", jobWith(started(time.Hour), archived), Run{Known: true, Ended: completed()}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, tc.job)
			s.runs.run = tc.run
			s.visit()
			if diff := cmp.Diff(tc.want, s.runs.retains); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestForgottenSaysNoMore: what a crawl has told before Temporal forgot it is where its captures
// are, and for how long, when the status has neither yet.
func TestForgottenSaysNoMore(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(started(time.Hour), func(job *v1alpha1.CrawlJob) { job.Status.Run.ScreeningSeconds = nil }))
	archive := workflows.Archive{Bucket: "archive", Prefix: "research/board/" + string(uid) + "/"}
	s.push(func(r *workflows.Report) {
		r.Archive, r.Retention = archive, &workflows.Retention{Screening: 72 * time.Hour}
	})
	s.now = s.now.Add(2 * silence)
	s.visit()
	s.wantCondition(v1alpha1.ConditionSucceeded, metav1.ConditionFalse, workflows.ReasonRunLost)
	if len(s.runs.retains) != 1 || s.runs.retains[0].Archive != archive || s.runs.retains[0].Retention.Screening != 72*time.Hour {
		t.Errorf("looked after are %+v", s.runs.retains)
	}
	if a, n := s.job().Status.Archive, s.job().Status.Counters; a == nil || a.Prefix != archive.Prefix || n == nil || *n.Archived != 30 {
		t.Errorf("the status has the archive %+v and the counters %+v", a, n)
	}
}

// TestLostRunsWaitForTemporal: the crawl is not over, and its CrawlJob not let go, before
// somebody looks after what it stored. Until then the status says why.
func TestLostRunsWaitForTemporal(t *testing.T) {
	t.Parallel()
	terminated := Run{Known: true, Ended: &workflows.RunResult{Verdict: workflows.VerdictFailed, Reason: workflows.ReasonRunLost}}
	for name, tc := range map[string]struct {
		run  Run
		gone bool
	}{
		"Terminated": {terminated, false}, "Forgotten": {Run{}, false}, "DeletedTerminated": {terminated, true}, "DeletedForgotten": {Run{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, jobWith(started(time.Hour), func(job *v1alpha1.CrawlJob) {
				job.Status.Archive = &v1alpha1.ArchiveReference{Bucket: "archive", Prefix: "p/"}
			}))
			if tc.gone {
				if err := s.Client.Delete(t.Context(), s.job()); err != nil {
					t.Fatal(err)
				}
				s.now = s.job().DeletionTimestamp.Add(time.Second)
			}
			s.runs.run, s.runs.retainErr = tc.run, errors.New("connection refused or lost")
			if result := s.visit(); result.RequeueAfter != again {
				t.Errorf("it is tried again after %v", result.RequeueAfter)
			}
			s.wantWaiting()
			if got := strings.Join(s.drain(), "; "); !strings.HasPrefix(got, "Warning TemporalUnreachable Nobody looks after what was captured yet") {
				t.Errorf("events %q", got)
			}
			s.health.err = errors.New("connection refused or lost")
			s.now = s.now.Add(2 * releaseAfter)
			s.visit()
			s.wantWaiting() // also when that takes longer than a deletion waits for a seal

			s.health.err, s.runs.retainErr = nil, nil
			s.visit()
			job := s.job()
			if len(s.runs.retains) != 1 || (job == nil) != tc.gone || job != nil && !finished(job) {
				t.Fatalf("%d were started, then it is %+v", len(s.runs.retains), job)
			}
			if job != nil { // nobody has looked yet, but it is not as it was
				s.wantRetained(workflows.ReasonScreening, "was started")
			}
		})
	}
}

// TestDeletedWhileTheOperatorWasDown: an operator that comes back before Temporal does has not
// waited for it yet, however long ago the deletion was.
func TestDeletedWhileTheOperatorWasDown(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(started(time.Hour), deleted(time.Hour), func(job *v1alpha1.CrawlJob) {
		job.Status.Archive = &v1alpha1.ArchiveReference{Bucket: "archive", Prefix: "p/"}
	}))
	s.health.err = errors.New("connection refused or lost")
	s.visit()
	s.now = s.now.Add(releaseAfter - time.Second)
	s.visit()
	if s.job() == nil {
		t.Fatal("it is let go, and Temporal was not asked")
	}
	s.health.err = nil
	s.visit()
	if len(s.runs.retains) != 1 || s.job() != nil {
		t.Errorf("%d were started, then it is %+v", len(s.runs.retains), s.job())
	}
}

// wantWaiting checks that the CrawlJob stays, because nobody looks after its captures.
func (s *stage) wantWaiting() {
	s.t.Helper()
	job := s.job()
	if job == nil || finished(job) || len(job.Finalizers) == 0 {
		s.t.Fatalf("it is let go: %+v", job)
	}
	s.wantCondition(v1alpha1.ConditionStalled, metav1.ConditionTrue, workflows.ReasonTemporalUnreachable)
	s.wantRetained(workflows.ReasonTemporalUnreachable, `kubectl -n research patch crawljob board --type=merge -p '{"metadata":{"finalizers":null}}'`)
}

// wantRetained checks that it is not known what is left, and a part of what is said about it.
func (s *stage) wantRetained(reason workflows.Reason, says string) {
	s.t.Helper()
	s.wantCondition(v1alpha1.ConditionRetained, metav1.ConditionUnknown, reason)
	if m := meta.FindStatusCondition(s.job().Status.Conditions, v1alpha1.ConditionRetained).Message; !strings.Contains(m, says) {
		s.t.Errorf("it does not say %q: %s", says, m)
	}
}

// TestLostRunsOfUnknownPeriod: nothing of them is erased by itself, which somebody has to know.
func TestLostRunsOfUnknownPeriod(t *testing.T) {
	t.Parallel()
	unknown := func(job *v1alpha1.CrawlJob) {
		job.Status.Archive = &v1alpha1.ArchiveReference{Bucket: "archive", Prefix: "p/"}
		job.Status.Run.ScreeningSeconds = nil
	}
	kept := func(job *v1alpha1.CrawlJob) { // somebody looks, whoever started that
		job.Status.Conditions = append(job.Status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionRetained, Status: metav1.ConditionTrue, Reason: "Kept", LastTransitionTime: metav1.NewTime(noon),
		})
	}
	terminated := Run{Known: true, Ended: &workflows.RunResult{Verdict: workflows.VerdictFailed, Reason: workflows.ReasonRunLost}}
	const warning = "Warning RunLost Nobody looks after what was captured, and nothing of it is erased"
	for name, tc := range map[string]struct {
		run    Run
		change func(*v1alpha1.CrawlJob)
		gone   bool
		warns  int
	}{
		"Terminated": {terminated, unknown, false, 1}, "Forgotten": {Run{}, unknown, false, 1}, "Deleted": {terminated, unknown, true, 1}, "DeletedForgotten": {Run{}, unknown, true, 1},
		"Kept": {Run{}, kept, false, 0}, "DeletedKept": {Run{}, kept, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := []func(*v1alpha1.CrawlJob){started(time.Hour), unknown, tc.change}
			if tc.gone {
				change = append(change, deleted(time.Second))
			}
			s := newStage(t, jobWith(change...))
			s.runs.run = tc.run
			s.visit()
			s.visit()
			events := strings.Join(s.drain(), "\n")
			if got := strings.Count(events, warning); got != tc.warns || len(s.runs.retains) != 0 {
				t.Errorf("%d were started, and it warns %d times, want %d:\n%s", len(s.runs.retains), got, tc.warns, events)
			}
			switch {
			case tc.gone:
				if s.job() != nil {
					t.Errorf("it is not let go: %+v", s.job())
				}
			case tc.warns > 0:
				s.wantRetained(workflows.ReasonRunLost, "docs/retention.md#who-looks")
			default:
				s.wantCondition(v1alpha1.ConditionRetained, metav1.ConditionTrue, workflows.ReasonKept)
			}
		})
	}
}
