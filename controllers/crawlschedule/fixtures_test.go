package crawlschedule

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// noon is the time of every test.
var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

const uid types.UID = "5c4ed01e-0000-4000-8000-000000000001"

var errDown = errors.New("connection refused or lost")

// schedule returns a CrawlSchedule as the API server stores it, changed by the given
// functions.
func schedule(change ...func(*v1alpha1.CrawlSchedule)) *v1alpha1.CrawlSchedule {
	s := &v1alpha1.CrawlSchedule{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "CrawlSchedule"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "nightly", UID: uid, Generation: 1},
		Spec: v1alpha1.CrawlScheduleSpec{
			Schedule:             v1alpha1.CrawlTimes{Cron: []v1alpha1.CronExpression{"30 3 * * *"}},
			TimeZone:             "Europe/Vienna",
			OverlapPolicy:        v1alpha1.OverlapSkip,
			CatchUpWindowSeconds: 3600,
			State:                v1alpha1.ScheduleActive,
			JobTemplate: v1alpha1.CrawlJobTemplate{
				Metadata: v1alpha1.TemplateMetadata{
					Labels:      map[string]v1alpha1.LabelValue{"case": "7"},
					Annotations: map[string]v1alpha1.AnnotationValue{"note": "of the desk"},
				},
				Spec: v1alpha1.CrawlJobSpec{
					Authorization: v1alpha1.Authorization{Reference: "DPIA-1", Purpose: "Test", Basis: "consent", RequestedBy: "desk", NotAfter: after(240 * time.Hour)},
					Seeds:         v1alpha1.Seeds{URLs: []v1alpha1.SeedURL{"https://example.org/"}},
					State:         v1alpha1.StateActive,
				},
			},
			SuccessfulJobsHistoryLimit: new(int32(2)),
			FailedJobsHistoryLimit:     new(int32(1)),
		},
	}
	for _, f := range change {
		f(s)
	}
	return s
}

func after(d time.Duration) metav1.Time { return metav1.NewTime(noon.Add(d)) }

func suspended(s *v1alpha1.CrawlSchedule) { s.Spec.State = v1alpha1.ScheduleSuspended }

func expired(s *v1alpha1.CrawlSchedule) {
	s.Spec.JobTemplate.Spec.Authorization.NotAfter = after(-time.Minute)
}

func early(s *v1alpha1.CrawlSchedule) {
	at := after(time.Minute)
	s.Spec.JobTemplate.Spec.Authorization.NotBefore = &at
}

func finalized(s *v1alpha1.CrawlSchedule) { s.Finalizers = []string{v1alpha1.ScheduleFinalizer} }

func deletedFor(d time.Duration) func(*v1alpha1.CrawlSchedule) {
	return func(s *v1alpha1.CrawlSchedule) {
		at := after(-d)
		s.DeletionTimestamp, s.Finalizers = &at, []string{v1alpha1.ScheduleFinalizer}
	}
}

func backfilling(name string, to time.Duration) func(*v1alpha1.CrawlSchedule) {
	return func(s *v1alpha1.CrawlSchedule) {
		s.Spec.Backfill = v1alpha1.Backfill{Name: name, From: after(-48 * time.Hour), To: after(to)}
	}
}

// filled says that a backfill was done.
func filled(name string, to time.Duration) func(*v1alpha1.CrawlSchedule) {
	return func(s *v1alpha1.CrawlSchedule) {
		s.Status.Backfill = v1alpha1.FiredBackfill{Name: name, From: ptr(after(-48 * time.Hour)), To: ptr(after(to)), FiredAt: ptr(after(0))}
	}
}

// seen is what Temporal says of a schedule that is as planned.
func seen(s *v1alpha1.CrawlSchedule) Seen {
	p := plan(s)
	return Seen{Known: true, Note: p.note(), Paused: p.Paused, Last: noon.Add(-time.Hour), Next: noon.Add(time.Hour), Fired: 3, Overlapped: 1}
}

// ago is a CrawlJob of some hours ago.
func ago(hours int, change ...func(*Job)) Job {
	at := noon.Add(-time.Duration(hours) * time.Hour)
	j := Job{Name: jobName("nightly", at), UID: types.UID(at.Format("150405")), ScheduledFor: at, Succeeded: metav1.ConditionUnknown, Reason: "Crawling"}
	for _, f := range change {
		f(&j)
	}
	return j
}

func succeeded(j *Job) { j.Finished, j.Succeeded, j.Reason = true, metav1.ConditionTrue, "Completed" }
func failed(j *Job) {
	j.Finished, j.Succeeded, j.Reason = true, metav1.ConditionFalse, "NothingArchived"
}

func testScheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// calendar is a Temporal of one schedule, which does what it is told.
type calendar struct {
	seen       Seen
	err        error
	refuse     *Refused
	plans      []Plan
	backfills  []string
	told       []time.Time
	removed    int
	failedTell bool
}

func (c *calendar) Look(context.Context, types.UID) (Seen, error) { return c.seen, c.err }

func (c *calendar) Put(_ context.Context, p Plan) error {
	if c.err != nil {
		return c.err
	}
	if c.refuse != nil {
		return c.refuse
	}
	c.plans = append(c.plans, p)
	c.seen.Known, c.seen.Note, c.seen.Paused, c.seen.Next = true, p.note(), p.Paused, noon.Add(time.Hour)
	return nil
}

func (c *calendar) Remove(context.Context, types.UID) error {
	if c.err == nil {
		c.removed++
		c.seen = Seen{}
	}
	return c.err
}

func (c *calendar) Backfill(_ context.Context, _ types.UID, b v1alpha1.Backfill) error {
	if c.refuse != nil {
		return c.refuse
	}
	if c.err == nil {
		c.backfills = append(c.backfills, b.Name)
	}
	return c.err
}

func (c *calendar) Tell(_ context.Context, _ types.UID, at time.Time) error {
	if c.err != nil || c.failedTell {
		return errDown
	}
	c.told = append(c.told, at)
	return nil
}

// Err is that of Health.
func (c *calendar) Err() error { return nil }

func same(t *testing.T, what string, want, got any, options ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, options...); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
