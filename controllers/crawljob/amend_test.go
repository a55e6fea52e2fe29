package crawljob

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestWiden: a crawl is told of a wider order once.
func TestWiden(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(started(time.Minute), generation(2), func(job *v1alpha1.CrawlJob) {
		job.Spec.Limits.Pages = 700
		job.Spec.Seeds.URLs = []v1alpha1.SeedURL{"https://a.example/", "https://b.example/"}
	}))
	s.runs.run.Known = true
	s.push(func(r *workflows.Report) { r.Generation = 1 })
	s.visit()
	s.push(func(r *workflows.Report) { r.Seq, r.Generation = 9, 2 })
	s.visit()
	if len(s.runs.amends) != 1 {
		t.Fatalf("the crawl was told %+v", s.runs.amends)
	}
	if a := s.runs.amends[0]; a.Generation != 2 || a.Limits.Pages != 700 || !slices.Equal(a.Seeds, []string{"https://a.example/", "https://b.example/"}) {
		t.Errorf("the crawl was told %+v", a)
	}

}

// warnings are the events with a reason that came since.
func (s *stage) warnings(reason workflows.Reason) []string {
	return slices.DeleteFunc(s.drain(), func(e string) bool { return !strings.HasPrefix(e, "Warning "+string(reason)) })
}

// TestNotWidened: what a crawl refuses is told once and stands in the status; it is not tried
// again until the order is changed again.
func TestNotWidened(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(started(time.Minute), generation(2)))
	s.runs.run.Known = true
	s.runs.amendErr = &Refusal{Reason: workflows.ReasonOrderNotWidened, Message: `seed 2 has the port "99999"; create a new CrawlJob`}
	for seq := range int64(3) {
		s.push(func(r *workflows.Report) { r.Generation, r.Seq = 1, 10+seq })
		s.visit()
		s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionTrue, workflows.ReasonOrderNotWidened)
		if c := s.condition(v1alpha1.ConditionAccepted); !strings.Contains(c.Message, "seed 2") || !strings.Contains(c.Message, "create a new CrawlJob.") {
			t.Errorf("the condition says %q", c.Message)
		}
		s.wantCondition(v1alpha1.ConditionSucceeded, metav1.ConditionUnknown, workflows.ReasonCrawling)
	}
	if s.runs.refused != 1 {
		t.Errorf("the crawl was told %d times, want once", s.runs.refused)
	}
	if got := s.warnings(workflows.ReasonOrderNotWidened); len(got) != 1 || !strings.Contains(got[0], "seed 2") {
		t.Errorf("events: %q, want one", got)
	}
	s.runs.amendErr = nil
	s.change(func(job *v1alpha1.CrawlJob) { job.Spec.State = v1alpha1.StateSuspended }) // which comes first
	s.visit()
	s.push(func(r *workflows.Report) { r.Generation, r.Seq, r.State = 1, 20, workflows.StateSuspended })
	s.visit()
	if len(s.runs.amends) != 1 || s.runs.amends[0].Generation != 3 {
		t.Fatalf("after another change the crawl was told %+v", s.runs.amends)
	}
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionTrue, workflows.ReasonAccepted)
}

// TestNotYetWidened: what passes is tried again, and worth no event.
func TestNotYetWidened(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(started(time.Minute), generation(2)))
	s.runs.run.Known = true
	s.runs.amendErr = ErrNotYet
	s.push(func(r *workflows.Report) { r.Generation = 1 })
	s.visit()
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionTrue, workflows.ReasonAccepted)
	s.runs.amendErr = nil
	s.visit()
	if len(s.runs.amends) != 1 || len(s.warnings(workflows.ReasonOrderNotWidened)) != 0 {
		t.Errorf("the crawl was told %+v", s.runs.amends)
	}
}

// TestInvalidSeedsOfAWiderOrder: the status says which seeds were not taken for as long as the
// crawl does, also when an operator begins that has heard nothing of it yet.
func TestInvalidSeedsOfAWiderOrder(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(started(time.Minute), generation(2)))
	s.runs.run.Known = true
	for seq := range int64(2) {
		s.push(func(r *workflows.Report) {
			r.Generation, r.Seq, r.InvalidSeeds = 2, 10+seq, `seed 2 has the port "99999"`
		})
		s.visit()
	}
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionTrue, workflows.ReasonInvalidSeeds)
	s.Reports.Forget(uid)
	s.visit()
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionTrue, workflows.ReasonInvalidSeeds)
	if c := s.condition(v1alpha1.ConditionAccepted); !strings.Contains(c.Message, "seed 2") || !strings.Contains(c.Message, "Add it to the end") {
		t.Errorf("the condition says %q", c.Message)
	}
	if got := s.warnings(workflows.ReasonInvalidSeeds); len(got) != 1 {
		t.Errorf("events: %q, want one", got)
	}
	s.push(func(r *workflows.Report) { r.Generation, r.Seq = 2, 20 })
	s.visit()
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionTrue, workflows.ReasonAccepted)
	if len(s.runs.amends) != 0 {
		t.Errorf("the crawl was told %+v", s.runs.amends)
	}
}
