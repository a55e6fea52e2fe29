package crawlschedule

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// ended is a CrawlJob of the schedule that ended some hours ago, with some archived pages.
func ended(s *v1alpha1.CrawlSchedule, name string, hours int, archived int64, sealed metav1.ConditionStatus) *v1alpha1.CrawlJob {
	job := newJob(s, noon.Add(-time.Duration(hours)*time.Hour))
	job.Name, job.UID = name, types.UID("uid-of-"+name)
	job.Status = v1alpha1.CrawlJobStatus{
		FinishedAt: ptr(after(-time.Duration(hours) * time.Hour)),
		Counters:   &v1alpha1.Counters{Archived: new(archived)},
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionSealed, Status: sealed}, {Type: v1alpha1.ConditionFinished, Status: metav1.ConditionTrue}},
	}
	return job
}

// TestFiringComparesWithTheLast: a CrawlJob is compared with the one of its schedule that
// ended last and left something to compare with, also when that is gone.
func TestFiringComparesWithTheLast(t *testing.T) {
	t.Parallel()
	s := schedule(finalized)
	stranger := ended(s, "stranger", 1, 9, metav1.ConditionTrue)
	stranger.OwnerReferences = nil
	before := ended(s, "before", 3, 9, metav1.ConditionTrue)
	remembered := func(name string, hours int) func(*v1alpha1.CrawlSchedule) {
		return func(s *v1alpha1.CrawlSchedule) {
			s.Status.LastSealed = v1alpha1.SealedJob{Name: name, UID: "uid-of-" + name, FinishedAt: ptr(after(-time.Duration(hours) * time.Hour))}
		}
	}
	for name, tc := range map[string]struct {
		reason string
		change func(*v1alpha1.CrawlSchedule)
		jobs   []client.Object
		want   v1alpha1.EarlierRun
	}{
		"First":      {"There is none.", nil, nil, v1alpha1.EarlierRun{}},
		"Last":       {"Of several, the last.", nil, []client.Object{ended(s, "older", 9, 9, metav1.ConditionTrue), before}, v1alpha1.EarlierRun{Name: "before", UID: "uid-of-before"}},
		"NotSealed":  {"One that is not sealed is not complete.", nil, []client.Object{before, ended(s, "lost", 1, 9, metav1.ConditionFalse)}, v1alpha1.EarlierRun{Name: "before", UID: "uid-of-before"}},
		"Nothing":    {"One that archived nothing makes everything new.", nil, []client.Object{before, ended(s, "empty", 1, 0, metav1.ConditionTrue)}, v1alpha1.EarlierRun{Name: "before", UID: "uid-of-before"}},
		"Stranger":   {"One of another owner is none of it.", nil, []client.Object{before, stranger}, v1alpha1.EarlierRun{Name: "before", UID: "uid-of-before"}},
		"Gone":       {"It was deleted, its snapshots are kept.", remembered("gone", 2), nil, v1alpha1.EarlierRun{Name: "gone", UID: "uid-of-gone"}},
		"GoneAndOld": {"There is a later one.", remembered("gone", 5), []client.Object{before}, v1alpha1.EarlierRun{Name: "before", UID: "uid-of-before"}},
		"Named": {"The template says otherwise.", func(s *v1alpha1.CrawlSchedule) {
			s.Spec.JobTemplate.Spec.CompareWith = v1alpha1.EarlierRun{Name: "baseline"}
		}, []client.Object{before}, v1alpha1.EarlierRun{Name: "baseline"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changes := []func(*v1alpha1.CrawlSchedule){finalized}
			if tc.change != nil {
				changes = append(changes, tc.change)
			}
			objects := []client.Object{schedule(changes...)}
			for _, o := range tc.jobs {
				objects = append(objects, o.(*v1alpha1.CrawlJob).DeepCopy())
			}
			f, _ := desk(t, nil, objects...)
			state, err := f.Fire(t.Context(), firing())
			if err != nil {
				t.Fatal(err)
			}
			for _, job := range f.jobs(t) {
				if job.Name == state.Job {
					same(t, tc.reason, tc.want, job.Spec.CompareWith)
				}
			}
		})
	}
}

// TestLastSealedIsRemembered: the status names it before its CrawlJob may be deleted, and
// keeps the name then.
func TestLastSealedIsRemembered(t *testing.T) {
	t.Parallel()
	s := schedule(finalized, func(s *v1alpha1.CrawlSchedule) { s.Spec.SuccessfulJobsHistoryLimit = new(int32(0)) })
	job := jobOf(ended(s, "before", 3, 9, metav1.ConditionTrue))
	job.Succeeded = metav1.ConditionTrue
	older := ago(9, succeeded)
	want := v1alpha1.SealedJob{Name: "before", UID: "uid-of-before", FinishedAt: ptr(after(-3 * time.Hour))}

	o := Observation{Now: noon, Schedule: s, Jobs: []Job{job, older}, Seen: seen(s), Told: map[types.UID]bool{}}
	d := decide(o)
	same(t, "deleted before it is remembered", []Job{older}, d.Prune)
	if d.Again != soon {
		t.Errorf("it is deleted after %s", d.Again)
	}
	o.Schedule.Status = report(o, d, Done{})
	same(t, "remembered", want, o.Schedule.Status.LastSealed)
	d = decide(o)
	same(t, "deleted", []Job{older, job}, d.Prune)
	o.Jobs = nil
	same(t, "still remembered", want, report(o, decide(o), Done{}).LastSealed)
}
