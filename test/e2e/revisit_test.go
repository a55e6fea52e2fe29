package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
)

// changing is a site of a few pages, some of which are others from one round to the next.
func changing(round *atomic.Int64) http.Handler {
	mux := http.NewServeMux()
	page := func(path string, answer func(w http.ResponseWriter, round int64)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			answer(w, round.Load())
		})
	}
	page("/{$}", func(w http.ResponseWriter, round int64) {
		fmt.Fprint(w, `<title>All</title>`)
		for _, path := range []string{"same", "changed", "tagged", "filled", "new"}[:3+round] {
			fmt.Fprintf(w, `<p><a href="/%s">%[1]s</a>`, path)
		}
	})
	page("/same", func(w http.ResponseWriter, _ int64) { fmt.Fprint(w, `<title>Same</title><p>Always this.`) })
	page("/changed", func(w http.ResponseWriter, round int64) {
		fmt.Fprintf(w, `<title>Changed</title><p>Number %d.`, round)
	})
	page("/tagged", func(w http.ResponseWriter, round int64) {
		w.Header().Set("ETag", `"v1"`)
		fmt.Fprintf(w, `<title>Tagged</title><!-- made in round %d --><p>Always that.`, round)
	})
	page("/filled", func(w http.ResponseWriter, _ int64) {
		w.Header().Set("ETag", `"v1"`)
		fmt.Fprint(w, `<title>Filled</title><p id=p></p><script>fetch("/data").then(r => r.text()).then(t => { p.textContent = t })</script>`)
	})
	page("/new", func(w http.ResponseWriter, _ int64) { fmt.Fprint(w, `<title>New</title><p>Just come.`) })
	mux.HandleFunc("GET /data", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "Offer %d.", round.Load()) })
	return mux
}

// TestRevisit has a schedule fire twice, for a site that has changed in between: the second crawl says of each page how
// it is beside the first. What is unchanged is in its archive too, and nothing was asked for that a visitor does not ask.
func TestRevisit(t *testing.T) {
	t.Parallel()
	var round atomic.Int64
	var conditional atomic.Int64
	site := changing(&round)
	round.Store(1)
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match")+r.Header.Get("If-Modified-Since") != "" {
			conditional.Add(1)
		}
		site.ServeHTTP(w, r)
	}))
	fleet := harness.Start(t, harness.Options{})
	c := calendar{fleet, "again"}
	at := time.Now().UTC().Truncate(time.Minute).Add(-5 * time.Hour)
	fleet.Apply(t, &v1alpha1.CrawlSchedule{
		TypeMeta:   metav1.TypeMeta{APIVersion: "crawlfleet.dev/v1alpha1", Kind: "CrawlSchedule"},
		ObjectMeta: metav1.ObjectMeta{Name: c.name, Namespace: "default"},
		Spec: v1alpha1.CrawlScheduleSpec{
			Schedule:                   v1alpha1.CrawlTimes{Cron: []v1alpha1.CronExpression{v1alpha1.CronExpression(fmt.Sprintf("%d * * * *", at.Minute()))}},
			JobTemplate:                v1alpha1.CrawlJobTemplate{Spec: harness.NewJob("x", srv.URL+"/").Spec},
			SuccessfulJobsHistoryLimit: new(int32(0)),
		},
	})
	fire := func(name string, at time.Time) v1alpha1.CrawlJob {
		c.patch(t, `{"successfulJobsHistoryLimit":5,"backfill":{"name":%q,"from":%q,"to":%q}}`, name, stamp(at), stamp(at.Add(time.Minute)))
		_, jobs := c.until(t, name+" is over", func(s *v1alpha1.CrawlSchedule, jobs []v1alpha1.CrawlJob) bool {
			return s.Status.Backfill.Name == name && len(of(jobs, at, at)) == 1 && isOver(of(jobs, at, at)[0])
		})
		return of(jobs, at, at)[0]
	}
	first := fire("first", at)
	if n := first.Status.Counters; first.Spec.CompareWith.Name != "" || n.Unchanged != nil || *n.Archived != 5 {
		t.Fatalf("the first crawl is compared with %+v and counts %+v", first.Spec.CompareWith, n)
	}
	// Its CrawlJob may go: what it archived stays.
	c.patch(t, `{"successfulJobsHistoryLimit":0}`)
	s, _ := c.until(t, "the first is gone", func(_ *v1alpha1.CrawlSchedule, jobs []v1alpha1.CrawlJob) bool { return len(jobs) == 0 })
	if last := s.Status.LastSealed; last.Name != first.Name || last.UID != string(first.UID) {
		t.Errorf("the schedule remembers %+v, want %s", last, first.Name)
	}

	round.Store(2)
	second := fire("second", at.Add(-time.Hour))
	if with := second.Spec.CompareWith; with.Name != first.Name || with.UID != string(first.UID) {
		t.Errorf("the second crawl is compared with %+v, want %s", with, first.Name)
	}
	n := second.Status.Counters
	got := map[string]int64{"unchanged": *n.Unchanged, "changed": *n.Changed, "new": *n.New, "notCompared": *n.NotCompared, "archived": *n.Archived}
	if diff := cmp.Diff(map[string]int64{"unchanged": 2, "changed": 3, "new": 1, "notCompared": 0, "archived": 6}, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	if v := harness.Condition(&second, "Succeeded"); v.Status != "True" || !strings.Contains(v.Message, "(compared with "+first.Name+": 2 unchanged, 3 changed, 1 new)") {
		t.Errorf("its verdict is %+v", v)
	}
	client, err := fleet.S3()
	if err != nil {
		t.Fatal(err)
	}
	run, err := harness.ReadRun(t.Context(), client, second.Status.Archive.Bucket, second.Status.Archive.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, p := range run.Pages() {
		pages[strings.TrimPrefix(p.URL, srv.URL)] = p.Compared
	}
	want := map[string]string{"/": "Changed", "/same": "Unchanged", "/changed": "Changed", "/tagged": "Unchanged", "/filled": "Changed", "/new": "New"}
	if diff := cmp.Diff(want, pages); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	if n := conditional.Load(); n > 0 {
		t.Errorf("%d requests asked whether something had changed", n)
	}
}
