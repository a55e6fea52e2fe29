package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	temporal "go.temporal.io/sdk/client"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites/board"
)

// calendar reads one CrawlSchedule and what belongs to it.
type calendar struct {
	*harness.Fleet
	name string
}

func (c calendar) read(t *testing.T) *v1alpha1.CrawlSchedule {
	t.Helper()
	s := &v1alpha1.CrawlSchedule{}
	if err := c.Read(t.Context(), v1alpha1.GroupVersion.WithResource("crawlschedules"), "default", c.name, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// jobs are its CrawlJobs, by time.
func (c calendar) jobs(t *testing.T) []v1alpha1.CrawlJob {
	t.Helper()
	var list v1alpha1.CrawlJobList
	if err := c.List(t.Context(), v1alpha1.GroupVersion.WithResource("crawljobs"), "default", v1alpha1.LabelSchedule+"="+c.name, &list); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.CrawlJob) int { return strings.Compare(a.Name, b.Name) })
	return list.Items
}

// until waits for something that a schedule and its CrawlJobs show.
func (c calendar) until(t *testing.T, what string, ok func(*v1alpha1.CrawlSchedule, []v1alpha1.CrawlJob) bool) (*v1alpha1.CrawlSchedule, []v1alpha1.CrawlJob) {
	t.Helper()
	for deadline := time.Now().Add(troubleTimeout); ; time.Sleep(200 * time.Millisecond) {
		s, jobs := c.read(t), c.jobs(t)
		if ok(s, jobs) {
			return s, jobs
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %+v, %d CrawlJobs", what, troubleTimeout, s.Status, len(jobs))
		}
	}
}

func (c calendar) patch(t *testing.T, spec string, args ...any) {
	t.Helper()
	if _, err := c.Kubectl(t.Context(), "", "patch", "crawlsched/"+c.name, "--type=merge", "-p", fmt.Sprintf(`{"spec":`+spec+`}`, args...)); err != nil {
		t.Fatal(err)
	}
}

func isOver(job v1alpha1.CrawlJob) bool { return harness.Condition(&job, "Finished").Status == "True" }

func overCount(jobs []v1alpha1.CrawlJob) int {
	n := 0
	for _, j := range jobs {
		if isOver(j) {
			n++
		}
	}
	return n
}

// TestSchedule has a crawl begin again and again, and steers that.
func TestSchedule(t *testing.T) {
	t.Parallel()
	srv := serve(t, board.New(board.Options{Ads: 3}))
	fleet := harness.Start(t, harness.Options{})
	refused(t, fleet, srv.URL)
	c := calendar{fleet, "often"}
	job := harness.NewJob("x", srv.URL+"/")
	schedule := &v1alpha1.CrawlSchedule{
		TypeMeta:   metav1.TypeMeta{APIVersion: "crawlfleet.dev/v1alpha1", Kind: "CrawlSchedule"},
		ObjectMeta: metav1.ObjectMeta{Name: "often", Namespace: "default"},
		Spec: v1alpha1.CrawlScheduleSpec{
			Schedule: v1alpha1.CrawlTimes{Intervals: []v1alpha1.Interval{{EverySeconds: 5}}},
			JobTemplate: v1alpha1.CrawlJobTemplate{
				Metadata: v1alpha1.TemplateMetadata{Labels: map[string]v1alpha1.LabelValue{"case": "7"}}, Spec: job.Spec,
			},
		},
	}
	fleet.Apply(t, schedule)

	_, jobs := c.until(t, "two crawls are over", func(_ *v1alpha1.CrawlSchedule, jobs []v1alpha1.CrawlJob) bool { return overCount(jobs) >= 2 })
	apart(t, jobs)
	stillArchived(t, fleet, jobs[0])

	c.patch(t, `{"state":"Suspended"}`)
	s, jobs := c.until(t, "it rests", func(s *v1alpha1.CrawlSchedule, jobs []v1alpha1.CrawlJob) bool {
		return readyReason(s) == "Suspended" && len(s.Status.Active) == 0 && overCount(jobs) == len(jobs)
	})
	if f := s.Status.Firings; s.Status.NextFiringTime != nil || s.Status.LastFiringTime == nil || *f.Fired < 2 {
		t.Errorf("suspended: %+v", s.Status)
	}
	if last := jobs[len(jobs)-1]; s.Status.LastJob.Name != last.Name || s.Status.LastJob.Succeeded != "True" || s.Status.LastJob.Reason != "Completed" {
		t.Errorf("the last job is %+v, want %s and its verdict", s.Status.LastJob, last.Name)
	}
	time.Sleep(8 * time.Second)
	if n := len(c.jobs(t)); n != len(jobs) {
		t.Errorf("%d CrawlJobs were created while it was suspended", n-len(jobs))
	}

	// Times that have passed are crawled when somebody asks for it; the next of its own is an hour away.
	before := c.jobs(t)
	from := time.Now().UTC().Truncate(time.Minute).Add(-3 * time.Hour)
	c.patch(t, `{"state":"Active","schedule":{"cron":["%d * * * *"],"intervals":null},"backfill":{"name":"hours","from":%q,"to":%q}}`,
		from.Minute(), stamp(from), stamp(from.Add(time.Hour)))
	s, jobs = c.until(t, "two times of a backfill are crawled", func(s *v1alpha1.CrawlSchedule, jobs []v1alpha1.CrawlJob) bool {
		return s.Status.Backfill.Name == "hours" && overCount(jobs) == len(jobs) && len(of(jobs, from, from.Add(time.Hour))) == 2
	})
	apart(t, of(jobs, from, from.Add(time.Hour)))
	if s.Status.LastJob.Name == jobs[0].Name {
		t.Errorf("the last job is one of an earlier time: %+v", s.Status.LastJob)
	}
	fired := *s.Status.Firings.Fired
	if err := fleet.Operator.Kill(); err != nil { // what was done is not done again
		t.Fatal(err)
	}
	fleet.StartAgain(t, fleet.Operator)
	time.Sleep(5 * time.Second)
	if s, n := c.read(t), len(c.jobs(t)); *s.Status.Firings.Fired != fired || n < len(before)+2 {
		t.Errorf("after the operator came back it has fired %d times, %d before; %d CrawlJobs", *s.Status.Firings.Fired, fired, n)
	}

	c.patch(t, `{"successfulJobsHistoryLimit":1}`)
	c.until(t, "one is kept", func(_ *v1alpha1.CrawlSchedule, jobs []v1alpha1.CrawlJob) bool { return len(jobs) == 1 })
	stillArchived(t, fleet, before[0])
	cancelsOther(t, c)
	deleted(t, c)
}

// refused asserts that a schedule that cannot fire says why.
func refused(t *testing.T, fleet *harness.Fleet, site string) {
	t.Helper()
	for reason, change := range map[string]func(*v1alpha1.CrawlScheduleSpec){
		"InvalidSchedule": func(s *v1alpha1.CrawlScheduleSpec) { s.Schedule.Cron = []v1alpha1.CronExpression{"99 3 * * *"} },
		"InvalidTimeZone": func(s *v1alpha1.CrawlScheduleSpec) { s.TimeZone = "Europe/Nowhere" },
		"NoFurtherTime":   func(s *v1alpha1.CrawlScheduleSpec) { s.Schedule.Cron = []v1alpha1.CronExpression{"0 0 30 2 *"} },
		"AuthorizationExpired": func(s *v1alpha1.CrawlScheduleSpec) {
			s.JobTemplate.Spec.Authorization.NotAfter = metav1.NewTime(time.Now().Add(-time.Hour))
		},
	} {
		s := &v1alpha1.CrawlSchedule{
			TypeMeta:   metav1.TypeMeta{APIVersion: "crawlfleet.dev/v1alpha1", Kind: "CrawlSchedule"},
			ObjectMeta: metav1.ObjectMeta{Name: strings.ToLower(reason), Namespace: "default"},
			Spec: v1alpha1.CrawlScheduleSpec{
				Schedule:    v1alpha1.CrawlTimes{Cron: []v1alpha1.CronExpression{"* * * * *"}},
				JobTemplate: v1alpha1.CrawlJobTemplate{Spec: harness.NewJob("x", site+"/").Spec},
			},
		}
		change(&s.Spec)
		fleet.Apply(t, s)
		c := calendar{fleet, s.Name}
		got, jobs := c.until(t, "it says "+reason, func(s *v1alpha1.CrawlSchedule, _ []v1alpha1.CrawlJob) bool { return readyReason(s) == reason })
		if ready := got.Status.Conditions[0]; ready.Status != "False" || ready.Message == "" || got.Status.NextFiringTime != nil || len(jobs) > 0 {
			t.Errorf("%s: %+v, %d CrawlJobs", reason, got.Status, len(jobs))
		}
		t.Logf("%s: %s", reason, got.Status.Conditions[0].Message)
		if _, err := fleet.Kubectl(t.Context(), "", "delete", "crawlsched", s.Name, "--timeout=60s"); err != nil {
			t.Fatal(err)
		}
	}
}

// of are the CrawlJobs for the times of a range.
func of(jobs []v1alpha1.CrawlJob, from, to time.Time) (list []v1alpha1.CrawlJob) {
	for _, j := range jobs {
		at, err := time.Parse(time.RFC3339, j.Annotations[v1alpha1.AnnotationScheduledFor])
		if err == nil && !at.Before(from) && !at.After(to) {
			list = append(list, j)
		}
	}
	return list
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func readyReason(s *v1alpha1.CrawlSchedule) string {
	for _, c := range s.Status.Conditions {
		if c.Type == "Ready" && c.ObservedGeneration == s.Generation {
			return c.Reason
		}
	}
	return ""
}

// apart asserts that CrawlJobs belong to the schedule and that no two ran at a time.
func apart(t *testing.T, jobs []v1alpha1.CrawlJob) {
	t.Helper()
	slices.SortFunc(jobs, func(a, b v1alpha1.CrawlJob) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	for i, j := range jobs {
		if owner := metav1.GetControllerOf(&j); owner == nil || owner.Kind != "CrawlSchedule" || owner.Name != "often" || j.Labels["case"] != "7" {
			t.Errorf("%s belongs to %+v, labels %v", j.Name, owner, j.Labels)
		}
		if i == 0 || jobs[i-1].Status.FinishedAt == nil {
			continue
		}
		if end := jobs[i-1].Status.FinishedAt; j.CreationTimestamp.Before(end) {
			t.Errorf("%s began at %v, before %s ended at %v", j.Name, j.CreationTimestamp, jobs[i-1].Name, end)
		}
	}
}

// stillArchived asserts that what a CrawlJob has archived outlives it.
func stillArchived(t *testing.T, fleet *harness.Fleet, job v1alpha1.CrawlJob) {
	t.Helper()
	client, err := fleet.S3()
	if err != nil {
		t.Fatal(err)
	}
	run, err := harness.ReadRun(t.Context(), client, job.Status.Archive.Bucket, job.Status.Archive.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	if n := int64(len(run.Pages())); n == 0 || n != *job.Status.Counters.Archived || run.Statement == nil {
		t.Errorf("%d of %d pages of %s are there", n, *job.Status.Counters.Archived, job.Name)
	}
	for _, c := range run.Chunks {
		saysWhoseItIs(t, c, job)
	}
}

// saysWhoseItIs asserts that a chunk names, in capture.json, the crawl, the schedule that ordered it
// and the authorisation, the program that ran, and the machine's own address.
func saysWhoseItIs(t *testing.T, c harness.Chunk, job v1alpha1.CrawlJob) {
	t.Helper()
	var got struct {
		Software struct{ Name, Executable string }
		Order    struct {
			Namespace, Name, UID, Schedule, Workflow, WorkflowRun, Bundle string
			Attempt                                                       int
		}
		Authorization struct{ Reference, Purpose, Basis, RequestedBy string }
		Clock         *struct{ AheadMs int64 }
		Egress        []struct{ Local string }
		Pages         []struct{ URL string }
	}
	if err := json.Unmarshal(c.Provenance, &got); err != nil {
		t.Errorf("%s: capture.json: %v", c.Key, err)
		return
	}
	o, a := got.Order, job.Spec.Authorization
	if o.Namespace != job.Namespace || o.Name != job.Name || o.UID != string(job.UID) || o.Schedule != "often" || !strings.Contains(o.Workflow, o.UID) || o.WorkflowRun == "" || o.Bundle == "" || o.Attempt != 1 {
		t.Errorf("%s: the order is %+v", c.Key, o)
	}
	if g := got.Authorization; g.Reference != a.Reference || g.Purpose != a.Purpose || g.Basis != a.Basis || g.RequestedBy != a.RequestedBy {
		t.Errorf("%s: the authorisation is %+v", c.Key, g)
	}
	if !strings.HasPrefix(got.Software.Executable, "sha256:") || got.Clock == nil || len(got.Egress) != 1 || got.Egress[0].Local != "127.0.0.1" || len(got.Pages) == 0 {
		t.Errorf("%s: %s", c.Key, c.Provenance)
	}
}

// cancelsOther asserts that a crawl that is not over at the next time is sealed before that begins.
func cancelsOther(t *testing.T, c calendar) {
	t.Helper()
	c.patch(t, `{"overlapPolicy":"CancelOther","schedule":{"cron":null,"intervals":[{"everySeconds":5}]},"jobTemplate":{"spec":{"politeness":{"delaySeconds":5}}}}`)
	_, jobs := c.until(t, "a crawl makes way for the next one", func(_ *v1alpha1.CrawlSchedule, jobs []v1alpha1.CrawlJob) bool {
		n := len(jobs)
		return n >= 3 && harness.Condition(&jobs[n-2], "Succeeded").Reason == "Cancelled"
	})
	cancelled := jobs[len(jobs)-2]
	if c := harness.Condition(&cancelled, "Sealed"); c.Status != "True" || c.Reason != "Cancelled" {
		t.Errorf("the crawl that was cancelled is not sealed: %+v", c)
	}
	apart(t, jobs[1:])
}

// deleted deletes the schedule while a crawl of it runs, and looks for what is left in Temporal.
func deleted(t *testing.T, c calendar) {
	t.Helper()
	state := c.State().Temporal
	client, err := temporal.Dial(temporal.Options{HostPort: state.Address, Namespace: state.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c.patch(t, `{"overlapPolicy":"Skip"}`)
	s, jobs := c.until(t, "another crawl runs", func(s *v1alpha1.CrawlSchedule, jobs []v1alpha1.CrawlJob) bool {
		return len(s.Status.Active) == 1 && len(jobs) > 0 && s.Status.Active[0].Name == jobs[len(jobs)-1].Name &&
			s.Generation == s.Status.ObservedGeneration && jobs[len(jobs)-1].Spec.State == v1alpha1.StateActive
	})
	running := jobs[len(jobs)-1]
	if _, err := client.ScheduleClient().GetHandle(t.Context(), s.Status.ScheduleID).Describe(t.Context()); err != nil {
		t.Fatalf("the schedule is not where the status says: %v", err)
	}
	firing := "firing-" + string(s.UID) + "-" + running.Annotations[v1alpha1.AnnotationScheduledFor]
	if d, err := client.DescribeWorkflowExecution(t.Context(), firing, ""); err != nil || d.GetWorkflowExecutionInfo().GetCloseTime() != nil {
		t.Fatalf("the firing of a crawl that runs: %v, %v", d.GetWorkflowExecutionInfo(), err)
	}

	if _, err := c.Kubectl(t.Context(), "", "delete", "crawlsched/often", "--timeout=60s"); err != nil {
		t.Fatal(err)
	}
	var missing *serviceerror.NotFound
	if _, err := client.ScheduleClient().GetHandle(t.Context(), s.Status.ScheduleID).Describe(t.Context()); !errors.As(err, &missing) {
		t.Errorf("the schedule is left in Temporal: %v", err)
	}
	for deadline := time.Now().Add(troubleTimeout); ; time.Sleep(200 * time.Millisecond) {
		d, err := client.DescribeWorkflowExecution(t.Context(), firing, "")
		if err != nil {
			t.Fatal(err)
		}
		if d.GetWorkflowExecutionInfo().GetCloseTime() != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the firing is left in Temporal")
		}
	}
	// The garbage collector, which this stack has none of, deletes what the schedule owns.
	if _, err := c.Kubectl(t.Context(), "", "delete", "crawl", "-l", v1alpha1.LabelSchedule+"=often", "--timeout=110s"); err != nil {
		t.Fatal(err)
	}
}
