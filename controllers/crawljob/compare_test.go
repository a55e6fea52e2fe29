package crawljob

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// comparing orders a comparison.
func comparing(name, uid string) func(*v1alpha1.CrawlJob) {
	return func(job *v1alpha1.CrawlJob) { job.Spec.CompareWith = v1alpha1.EarlierRun{Name: name, UID: uid} }
}

func TestReadEarlier(t *testing.T) {
	t.Parallel()
	archive := &v1alpha1.ArchiveReference{Bucket: "archive", Prefix: "cases/research/before/u1/"}
	sealed := &v1alpha1.ArchiveReference{Bucket: archive.Bucket, Prefix: archive.Prefix, Statement: archive.Prefix + "run.json"}
	over := []metav1.Condition{{Type: v1alpha1.ConditionFinished, Status: metav1.ConditionTrue}}
	want := &workflows.EarlierRun{Run: "u1", Name: "before", Archive: workflows.Archive{Bucket: "archive", Prefix: archive.Prefix}}
	own := jobWith().Name
	for name, tc := range map[string]struct {
		reason    string
		name, uid string
		status    *v1alpha1.CrawlJobStatus // nil: there is no CrawlJob "before", whose UID is u1
		want      *workflows.EarlierRun
		refusal   workflows.Reason
		message   string
	}{
		"None":      {reason: "Nothing is compared."},
		"Sealed":    {reason: "It says where it is.", name: "before", status: &v1alpha1.CrawlJobStatus{Archive: sealed}, want: want},
		"ByUID":     {reason: "It is the one that is meant.", name: "before", uid: "u1", status: &v1alpha1.CrawlJobStatus{Archive: sealed}, want: want},
		"OtherUID":  {reason: "One of before, of the same name, is meant.", name: "before", uid: "u0", status: &v1alpha1.CrawlJobStatus{Archive: sealed}, want: &workflows.EarlierRun{Run: "u0", Name: "before"}},
		"Deleted":   {reason: "Its snapshots are kept.", name: "before", uid: "u1", want: &workflows.EarlierRun{Run: "u1", Name: "before"}},
		"Unknown":   {reason: "It may be a slip.", name: "before", refusal: workflows.ReasonEarlierRunNotFound, message: `CrawlJob "before", which is not in namespace "research"`},
		"Running":   {reason: "It will be sealed.", name: "before", status: &v1alpha1.CrawlJobStatus{Archive: archive}, refusal: workflows.ReasonEarlierRunNotSealed, message: "starts by itself"},
		"NotBegun":  {reason: "It will be sealed.", name: "before", status: &v1alpha1.CrawlJobStatus{}, refusal: workflows.ReasonEarlierRunNotSealed, message: "starts by itself"},
		"NeverWill": {reason: "It is over.", name: "before", status: &v1alpha1.CrawlJobStatus{Conditions: over}, refusal: workflows.ReasonEarlierRunNotSealed, message: "never be"},
		"Itself":    {reason: "It would wait for itself.", name: own, refusal: workflows.ReasonEarlierRunNotFound, message: "the CrawlJob itself"},
		"OwnUID":    {reason: "Nor by its UID.", name: "before", uid: string(jobWith().UID), refusal: workflows.ReasonEarlierRunNotFound, message: "the CrawlJob itself"},
		"Namesake":  {reason: "One of before had the name of this one.", name: own, uid: "u0", want: &workflows.EarlierRun{Run: "u0", Name: own}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			job := jobWith(comparing(tc.name, tc.uid))
			b := fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(job)
			if tc.status != nil {
				b.WithObjects(&v1alpha1.CrawlJob{ObjectMeta: metav1.ObjectMeta{Namespace: job.Namespace, Name: "before", UID: "u1"}, Status: *tc.status})
			}
			r := &Reconciler{Reader: b.Build()}
			got, err := r.readEarlier(t.Context(), job)
			var refusal *Refusal
			if !errors.As(err, &refusal) {
				refusal = &Refusal{}
			}
			if refusal.Reason != tc.refusal || !strings.Contains(refusal.Message, tc.message) || (err != nil) != (tc.refusal != "") {
				t.Errorf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestComparedCounters: they are there for who asked for a comparison, also while all are
// zero, and for nobody else.
func TestComparedCounters(t *testing.T) {
	t.Parallel()
	running := crawling()
	running.Counts.Compared = workflows.Compared{Unchanged: 20, Changed: 5, New: 4, NotCompared: 1}
	o := Observation{Job: jobWith(started(0), comparing("before", "")), Now: noon, Latest: running, Run: Run{Known: true}}
	c := report(o, decide(o), Done{}).Counters
	want := &v1alpha1.Counters{Unchanged: new(int64(20)), Changed: new(int64(5)), New: new(int64(4)), NotCompared: new(int64(1))}
	if diff := cmp.Diff(want, &v1alpha1.Counters{Unchanged: c.Unchanged, Changed: c.Changed, New: c.New, NotCompared: c.NotCompared}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	o.Latest = crawling()
	if c := report(o, decide(o), Done{}).Counters; c.Unchanged == nil || *c.Unchanged != 0 {
		t.Errorf("a comparison that has come to nothing yet: %v", c.Unchanged)
	}
	o.Job = jobWith(started(0))
	if c := report(o, decide(o), Done{}).Counters; c.Unchanged != nil || c.NotCompared != nil {
		t.Error("a crawl that compares nothing counts")
	}
}

// TestEarlierRunIsSealedLater: an order that comes before the run is sealed that it names
// waits, says so, starts by itself, and tells the workers where that is.
func TestEarlierRunIsSealedLater(t *testing.T) {
	t.Parallel()
	before := &v1alpha1.CrawlJob{ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "before", UID: "u1"}}
	s := newStage(t, jobWith(comparing("before", "")), before)
	s.visit()
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionFalse, workflows.ReasonEarlierRunNotSealed)
	s.wantCondition(v1alpha1.ConditionStalled, metav1.ConditionTrue, workflows.ReasonEarlierRunNotSealed)
	if len(s.runs.inputs) != 0 {
		t.Fatal("the crawl was started")
	}
	before.Status.Archive = &v1alpha1.ArchiveReference{Bucket: "archive", Prefix: "p/", Statement: "p/run.json"}
	if err := s.Client.Status().Update(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	s.visit()
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionTrue, workflows.ReasonAccepted)
	want := &workflows.EarlierRun{Run: "u1", Name: "before", Archive: workflows.Archive{Bucket: "archive", Prefix: "p/"}}
	if diff := cmp.Diff(want, s.runs.inputs[0].Spec.CompareWith); diff != "" {
		t.Errorf("the workers are told (-want +got):\n%s", diff)
	}
	s.push(func(r *workflows.Report) {
		r.Phase, r.Reason, r.Counts = workflows.PhaseSeeding, workflows.ReasonSeeding, workflows.Counts{}
	})
	s.visit()
	s.wantCondition(v1alpha1.ConditionStalled, metav1.ConditionFalse, workflows.ReasonSeeding)
}
