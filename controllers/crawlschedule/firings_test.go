package crawlschedule

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// at is the time that the tests fire for.
var at = noon.Add(-time.Minute)

func firing() workflows.Firing {
	return workflows.Firing{Schedule: string(uid), Namespace: "research", Name: "nightly", ScheduledFor: at}
}

// desk makes Firings on a fake API server that holds the given objects. When createErr is
// set, nothing can be created.
func desk(t *testing.T, createErr *error, objects ...client.Object) (*Firings, *calendar) {
	t.Helper()
	c := fake.NewClientBuilder().WithScheme(testScheme(t)).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.CrawlJob{}, &v1alpha1.CrawlSchedule{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
				if createErr != nil && *createErr != nil {
					return *createErr
				}
				o.SetUID(types.UID("uid-of-" + o.GetName())) // as the API server does
				return c.Create(ctx, o, opts...)
			},
		}).Build()
	temporal := &calendar{}
	f := NewFirings()
	f.Client, f.Reader, f.Schedules, f.Events, f.Now = c, c, temporal, events.NewFakeRecorder(100), func() time.Time { return noon }
	return f, temporal
}

func (f *Firings) jobs(t *testing.T) []v1alpha1.CrawlJob {
	t.Helper()
	var list v1alpha1.CrawlJobList
	if err := f.Reader.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func TestFire(t *testing.T) {
	t.Parallel()
	f, _ := desk(t, nil, schedule(finalized))
	for range 3 { // an answer that was lost is asked for again
		state, err := f.Fire(t.Context(), firing())
		if err != nil {
			t.Fatal(err)
		}
		same(t, "state", workflows.FiringState{Job: "nightly-20260504-115900"}, state)
	}
	jobs := f.jobs(t)
	if len(jobs) != 1 {
		t.Fatalf("%d CrawlJobs of one time", len(jobs))
	}
	job := jobs[0]
	same(t, "labels", map[string]string{"case": "7", v1alpha1.LabelSchedule: "nightly"}, job.Labels)
	same(t, "annotations", map[string]string{"note": "of the desk", v1alpha1.AnnotationScheduledFor: "2026-05-04T11:59:00Z"}, job.Annotations)
	owner := metav1.OwnerReference{APIVersion: "crawlfleet.dev/v1alpha1", Kind: "CrawlSchedule", Name: "nightly", UID: uid, Controller: new(true), BlockOwnerDeletion: new(true)}
	same(t, "owners", []metav1.OwnerReference{owner}, job.OwnerReferences)
	same(t, "seeds", schedule().Spec.JobTemplate.Spec.Seeds, job.Spec.Seeds)
	if n := len(f.Events.(*events.FakeRecorder).Events); n != 1 {
		t.Errorf("%d events of one CrawlJob", n)
	}
	if o, ok := f.Outcome(uid); !ok || o.Reason != "" || !o.ScheduledFor.Equal(at) {
		t.Errorf("outcome %+v", o)
	}
	if len(f.visits) != 3 {
		t.Errorf("%d visits of the schedule", len(f.visits))
	}
}

func TestFirePassesOver(t *testing.T) {
	t.Parallel()
	other := &v1alpha1.CrawlJob{ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "nightly-20260504-115900"}}
	for name, tc := range map[string]struct {
		why     string
		objects []client.Object
		want    workflows.Reason
		message string
	}{
		"Suspended": {"A firing that overtakes a pause creates nothing.", []client.Object{schedule(suspended)}, workflows.ReasonSuspended, "backfill"},
		"Expired":   {"No crawl without an authorisation that is valid now.", []client.Object{schedule(expired)}, workflows.ReasonAuthorizationExpired, "ended at 2026-05-04T11:59:00Z"},
		"Early":     {"Nor with one that begins later.", []client.Object{schedule(early)}, workflows.ReasonAuthorizationNotYetValid, "begins at 2026-05-04T12:01:00Z"},
		"NameTaken": {"What is somebody else's is not taken for its own.", []client.Object{schedule(), other}, ReasonNameTaken, "is there already"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := desk(t, nil, tc.objects...)
			state, err := f.Fire(t.Context(), firing())
			if err != nil || !state.Over || state.Job != "" || state.Reason != tc.want || !strings.Contains(state.Message, tc.message) {
				t.Errorf("%s\ngot %+v, %v", tc.why, state, err)
			}
			if o, _ := f.Outcome(uid); o.Reason != tc.want || o.Failed {
				t.Errorf("outcome %+v", o)
			}
			if n := len(f.jobs(t)); n != len(tc.objects)-1 {
				t.Errorf("%d CrawlJobs", n)
			}
			if n := len(f.Events.(*events.FakeRecorder).Events); n != 1 {
				t.Errorf("%d events", n)
			}
		})
	}
}

// TestFireWithoutSchedule asserts that a Schedule in Temporal does not outlive its resource
// for longer than until it fires.
func TestFireWithoutSchedule(t *testing.T) {
	t.Parallel()
	reborn := schedule(func(s *v1alpha1.CrawlSchedule) { s.UID = "another" })
	for name, objects := range map[string][]client.Object{
		"Gone": nil, "Going": {schedule(deletedFor(time.Second))}, "Reborn": {reborn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, temporal := desk(t, nil, objects...)
			state, err := f.Fire(t.Context(), firing())
			if err != nil || !state.Over || state.Reason != ReasonScheduleDeleted || temporal.removed != 1 || len(f.jobs(t)) > 0 {
				t.Errorf("%+v, %v; removed %d times", state, err, temporal.removed)
			}
			if state, err := f.Follow(t.Context(), firing()); err != nil || state.Reason != ReasonScheduleDeleted {
				t.Errorf("followed: %+v, %v", state, err)
			}
		})
	}
}

func TestFireFails(t *testing.T) {
	t.Parallel()
	kind := schema.GroupKind{Group: v1alpha1.GroupName, Kind: "CrawlJob"}
	failure := error(apierrors.NewForbidden(schema.GroupResource{Resource: "crawljobs"}, "x", errors.New("exceeded quota")))
	f, _ := desk(t, &failure, schedule())
	if _, err := f.Fire(t.Context(), firing()); err == nil {
		t.Error("what may pass is not tried again")
	}
	if o, _ := f.Outcome(uid); !o.Failed || o.Reason != ReasonFiringFailed || !strings.Contains(o.Message, "exceeded quota") {
		t.Errorf("outcome %+v", o)
	}
	unjudged := apierrors.NewInvalid(kind, "x", nil)
	unjudged.ErrStatus.Message = "ValidatingAdmissionPolicy 'crawlfleet-orders' denied request: failed to configure policy: failed to find resource referenced by paramKind"
	failure = unjudged
	if _, err := f.Fire(t.Context(), firing()); err == nil {
		t.Error("a time is passed over because the API server had just started")
	}
	failure = apierrors.NewInvalid(kind, "x", nil)
	state, err := f.Fire(t.Context(), firing())
	if o, _ := f.Outcome(uid); err != nil || !state.Over || o.Failed || o.Reason != ReasonFiringFailed {
		t.Errorf("what will never be taken is tried again: %+v, %v, %+v", state, err, o)
	}
	failure = nil
	if state, err := f.Fire(t.Context(), firing()); err != nil || state.Job == "" {
		t.Errorf("%+v, %v", state, err)
	}
	if o, _ := f.Outcome(uid); o.Reason != "" {
		t.Errorf("the trouble is over, and the outcome %+v", o)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	f, _ := desk(t, nil, schedule())
	if _, err := f.Fire(t.Context(), firing()); err != nil {
		t.Fatal(err)
	}
	name := types.NamespacedName{Namespace: "research", Name: "nightly-20260504-115900"}
	follow := func(cancel bool, want workflows.FiringState) *v1alpha1.CrawlJob {
		t.Helper()
		in := firing()
		in.Cancel = cancel
		state, err := f.Follow(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		want.Message, state.Message = "", ""
		if diff := cmp.Diff(want, state); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		var job v1alpha1.CrawlJob
		if err := client.IgnoreNotFound(f.Reader.Get(t.Context(), name, &job)); err != nil {
			t.Fatal(err)
		}
		return &job
	}
	if job := follow(false, workflows.FiringState{Job: name.Name}); job.Spec.State != v1alpha1.StateActive {
		t.Errorf("a look changed the state to %s", job.Spec.State)
	}
	job := follow(true, workflows.FiringState{Job: name.Name})
	if job.Spec.State != v1alpha1.StateCancelled {
		t.Errorf("it is %s, want Cancelled", job.Spec.State)
	}
	before := job.ResourceVersion
	if job = follow(true, workflows.FiringState{Job: name.Name}); job.ResourceVersion != before {
		t.Error("it is cancelled twice")
	}
	job.Status.Conditions = []metav1.Condition{
		{Type: v1alpha1.ConditionFinished, Status: metav1.ConditionTrue, Reason: "Cancelled", LastTransitionTime: after(0)},
		{Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionFalse, Reason: "Cancelled", LastTransitionTime: after(0)},
	}
	if err := f.Client.Status().Update(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	follow(true, workflows.FiringState{Job: name.Name, Over: true, Reason: workflows.ReasonCancelled})
	if err := f.Client.Delete(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	follow(false, workflows.FiringState{Over: true, Reason: ReasonJobDeleted})
}

// TestFiredJobsSayWhoOrdered: the one that the API server vouches for, whatever the template says.
func TestFiredJobsSayWhoOrdered(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ schedule, template, want string }{
		"Schedule": {"ada", "", "ada"}, "Both": {"ada", "bob", "ada"}, "Template": {"", "bob", ""}, "Neither": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := schedule()
			if tc.schedule != "" {
				s.Annotations = map[string]string{v1alpha1.AnnotationOrderedBy: tc.schedule}
			}
			if tc.template != "" {
				s.Spec.JobTemplate.Metadata.Annotations[v1alpha1.AnnotationOrderedBy] = v1alpha1.AnnotationValue(tc.template)
			}
			got, there := newJob(s, at).Annotations[v1alpha1.AnnotationOrderedBy]
			if got != tc.want || there != (tc.want != "") {
				t.Errorf("ordered by %q (there: %t), want %q", got, there, tc.want)
			}
		})
	}
}
