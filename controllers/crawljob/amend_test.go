package crawljob

import (
	"slices"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestWiden: a crawl is told of a wider order once, and a person when it does not take it.
func TestWiden(t *testing.T) {
	t.Parallel()
	begin := func() *stage {
		s := newStage(t, jobWith(started(time.Minute), generation(2), func(job *v1alpha1.CrawlJob) {
			job.Spec.Limits.Pages = 700
			job.Spec.Seeds.URLs = []v1alpha1.SeedURL{"https://a.example/", "https://b.example/"}
		}))
		s.runs.run.Known = true
		if err := s.Reports.Take(t.Context(), *crawling(func(r *workflows.Report) { r.Generation = 1 })); err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := begin()
	s.visit()
	if err := s.Reports.Take(t.Context(), *crawling(func(r *workflows.Report) { r.Seq, r.Generation = 9, 2 })); err != nil {
		t.Fatal(err)
	}
	s.visit()
	if len(s.runs.amends) != 1 {
		t.Fatalf("the crawl was told %+v", s.runs.amends)
	}
	if a := s.runs.amends[0]; a.Generation != 2 || a.Limits.Pages != 700 || !slices.Equal(a.Seeds, []string{"https://a.example/", "https://b.example/"}) {
		t.Errorf("the crawl was told %+v", a)
	}

	s = begin()
	s.runs.amendErr = &Refusal{Reason: workflows.ReasonOrderNotWidened, Message: "the crawl is ending: create a new CrawlJob"}
	s.visit()
	for {
		select {
		case e := <-s.events.Events:
			if strings.Contains(e, "OrderNotWidened") && strings.Contains(e, "create a new CrawlJob") {
				return
			}
		default:
			t.Fatal("no event says so")
		}
	}
}
