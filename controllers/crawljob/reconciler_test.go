package crawljob

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/kube"
	"crawlfleet.dev/crawlfleet/workflows"
)

var name = types.NamespacedName{Namespace: "research", Name: "board"}

// stage is a reconciler on a fake API server and a Temporal of one crawl.
type stage struct {
	*Reconciler
	t      *testing.T
	runs   *runs
	health *health
	events *events.FakeRecorder
	now    time.Time
	writes int // of status
}

func newStage(t *testing.T, objects ...client.Object) *stage {
	t.Helper()
	if !slices.ContainsFunc(objects, func(o client.Object) bool { return o.GetName() == v1alpha1.FleetName }) {
		objects = append(objects, fleet(0))
	}
	s := &stage{t: t, runs: &runs{}, health: &health{}, events: events.NewFakeRecorder(100), now: noon}
	c := fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(objects...).WithStatusSubresource(&v1alpha1.CrawlJob{}).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourceApply: func(ctx context.Context, c client.Client, sub string, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
				s.writes++
				return c.SubResource(sub).Apply(ctx, obj, opts...)
			},
		}).Build()
	clock := func() time.Time { return s.now }
	s.Reconciler = &Reconciler{
		Client: c, Reader: c, FleetNamespace: "crawlfleet-system", Runs: s.runs, Health: s.health, Reports: NewReports(clock), Events: s.events, Now: clock,
	}
	return s
}

// visit reconciles once and checks what must hold after every visit.
func (s *stage) visit() ctrl.Result {
	s.t.Helper()
	before := s.writes
	result, err := s.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: name})
	if err != nil {
		s.t.Fatalf("reconcile: %v", err)
	}
	if s.writes > before+1 {
		s.t.Errorf("%d status writes in one visit, want at most one", s.writes-before)
	}
	if job := s.job(); job != nil && len(job.Status.Conditions) > 0 {
		for _, err := range kube.CheckStatus(job.Status.Conditions, job.Generation, job.Status.ObservedGeneration) {
			s.t.Error(err)
		}
	}
	return result
}

// job reads the CrawlJob, nil when it is gone.
func (s *stage) job() *v1alpha1.CrawlJob {
	s.t.Helper()
	var job v1alpha1.CrawlJob
	err := s.Client.Get(s.t.Context(), name, &job)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return &job
}

func (s *stage) change(f func(*v1alpha1.CrawlJob)) {
	s.t.Helper()
	job := s.job()
	f(job)
	job.Generation++
	if err := s.Client.Update(s.t.Context(), job); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) push(change ...func(*workflows.Report)) {
	s.t.Helper()
	if err := s.Reports.Take(s.t.Context(), *crawling(change...)); err != nil {
		s.t.Fatal(err)
	}
}

// wantCondition checks one condition of the stored CrawlJob.
func (s *stage) wantCondition(kind string, status metav1.ConditionStatus, reason workflows.Reason) {
	s.t.Helper()
	c := meta.FindStatusCondition(s.job().Status.Conditions, kind)
	if c == nil || c.Status != status || c.Reason != string(reason) {
		s.t.Errorf("condition %s is %+v, want %s %s", kind, c, status, reason)
	}
}

func (s *stage) drain() []string {
	var all []string
	for {
		select {
		case e := <-s.events.Events:
			all = append(all, e)
		default:
			return all
		}
	}
}

// TestLife follows a crawl from its order to its end.
func TestLife(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith())

	s.visit()
	if len(s.runs.inputs) != 1 {
		t.Fatalf("%d crawls started, want 1", len(s.runs.inputs))
	}
	if !controllerutil.ContainsFinalizer(s.job(), v1alpha1.Finalizer) {
		t.Error("a crawl runs without the finalizer")
	}
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionTrue, workflows.ReasonAccepted)
	s.wantCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, workflows.ReasonSeeding)

	s.visit()
	if len(s.runs.inputs) != 1 {
		t.Fatal("the second visit started the crawl again")
	}

	s.now = s.now.Add(5 * time.Second)
	s.push()
	s.visit()
	s.wantCondition(v1alpha1.ConditionSucceeded, metav1.ConditionUnknown, workflows.ReasonCrawling)
	if got := s.job().Status.Progress; got != "34/80" {
		t.Errorf("progress is %q, want 34/80", got)
	}

	writes := s.writes
	s.visit()
	if s.writes != writes {
		t.Error("a visit without news wrote the status")
	}

	s.runs.run.Ended = completed()
	s.push(func(r *workflows.Report) {
		r.Seq, r.Phase, r.Reason = 9, workflows.PhaseFinished, workflows.ReasonCompleted
	})
	if got := s.visit(); got.RequeueAfter != soon {
		t.Errorf("visited again after %v, want %v to take the finalizer off", got.RequeueAfter, soon)
	}
	s.wantCondition(v1alpha1.ConditionFinished, metav1.ConditionTrue, workflows.ReasonCompleted)
	s.wantCondition(v1alpha1.ConditionSucceeded, metav1.ConditionTrue, workflows.ReasonCompleted)
	s.wantCondition(v1alpha1.ConditionSealed, metav1.ConditionTrue, workflows.ReasonCompleted)

	if got := s.visit(); got.RequeueAfter != 0 {
		t.Errorf("a finished job is visited again after %v", got.RequeueAfter)
	}
	if controllerutil.ContainsFinalizer(s.job(), v1alpha1.Finalizer) {
		t.Error("a finished job keeps the finalizer")
	}
	want := []string{
		"Normal Seeding The crawl was handed to the workers.",
		"Normal Crawling Pages are being captured.",
		"Normal Completed All pages in scope were visited.",
	}
	if diff := cmp.Diff(want, s.drain()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if len(s.runs.states) != 0 {
		t.Errorf("the crawl was asked to be %v without a reason", s.runs.states)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(started(time.Minute)))
	s.runs.run.Known = true
	s.push()

	s.change(state(v1alpha1.StateSuspended))
	s.visit()
	s.push(func(r *workflows.Report) {
		r.Seq, r.Phase, r.State, r.Reason = 9, workflows.PhaseSuspended, workflows.StateSuspended, workflows.ReasonSuspended
	})
	s.visit()
	s.wantCondition(v1alpha1.ConditionReconciling, metav1.ConditionFalse, workflows.ReasonSuspended)

	s.change(state(v1alpha1.StateActive))
	s.visit()
	s.push(func(r *workflows.Report) { r.Seq = 10 })
	s.visit()
	s.wantCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, workflows.ReasonCrawling)

	s.change(state(v1alpha1.StateCancelled))
	s.visit()
	want := []v1alpha1.State{v1alpha1.StateSuspended, v1alpha1.StateActive, v1alpha1.StateCancelled}
	if diff := cmp.Diff(want, s.runs.states); diff != "" {
		t.Errorf("states asked for (-want +got):\n%s", diff)
	}
}

func TestTemporalComesBack(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith())
	s.health.err = errors.New("connection refused or lost")
	if got := s.visit(); got.RequeueAfter == 0 {
		t.Error("nothing would look again")
	}
	s.wantCondition(v1alpha1.ConditionStalled, metav1.ConditionTrue, workflows.ReasonTemporalUnreachable)
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionUnknown, workflows.ReasonTemporalUnreachable)

	s.health.err = nil
	s.runs.startErr = errors.New("no answer in time")
	s.visit()
	s.wantCondition(v1alpha1.ConditionStalled, metav1.ConditionTrue, workflows.ReasonTemporalUnreachable)

	s.runs.startErr = nil
	s.visit()
	s.wantCondition(v1alpha1.ConditionStalled, metav1.ConditionFalse, workflows.ReasonSeeding)
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionTrue, workflows.ReasonAccepted)
	if len(s.runs.inputs) != 1 {
		t.Errorf("%d crawls started, want 1", len(s.runs.inputs))
	}
}

// TestOperatorRestart asserts that an operator without any memory finds a running
// crawl and does not start another one.
func TestOperatorRestart(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(started(time.Hour)))
	s.runs.run = Run{Known: true, Reference: RunReference{WorkflowID: "crawl-" + string(uid), RunID: "r1", StartedAt: noon.Add(-time.Hour)}, Answer: crawling()}
	s.visit()
	if len(s.runs.inputs) != 0 {
		t.Error("a running crawl was started again")
	}
	s.wantCondition(v1alpha1.ConditionSucceeded, metav1.ConditionUnknown, workflows.ReasonCrawling)
}

// TestOperatorDiedAfterStart asserts that a crawl whose start was never written
// down is found.
func TestOperatorDiedAfterStart(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(finalized))
	s.runs.run = Run{Known: true, Reference: RunReference{WorkflowID: "crawl-" + string(uid), RunID: "r1", StartedAt: noon.Add(-time.Minute)}, Answer: crawling()}
	s.visit()
	if run := s.job().Status.Run; run.RunID != "r1" {
		t.Errorf("run is %v, want the one that Temporal knows", run)
	}
	if at := s.job().Status.StartedAt; at == nil || !at.Time.Equal(noon.Add(-time.Minute)) {
		t.Errorf("started at %v, want when Temporal says", at)
	}
}

func TestWorkersComeBack(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith())
	s.visit()
	s.now = s.now.Add(silence)
	s.runs.run.Idle = []string{workflows.TaskQueueBrowser}
	s.visit()
	s.wantCondition(v1alpha1.ConditionStalled, metav1.ConditionTrue, workflows.ReasonWaitingForWorkers)
	s.push()
	s.visit()
	s.wantCondition(v1alpha1.ConditionStalled, metav1.ConditionFalse, workflows.ReasonCrawling)
}

func TestConfigMapComesLater(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(fromConfigMap))
	s.visit()
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionFalse, workflows.ReasonConfigMapMissing)
	if len(s.runs.inputs) != 0 {
		t.Fatal("a crawl without seeds was started")
	}
	seeds := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "ads"},
		Data:       map[string]string{"urls": "https://example.org/1\nhttps://example.org/2\n"},
	}
	if err := s.Client.Create(t.Context(), seeds); err != nil {
		t.Fatal(err)
	}
	s.visit()
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionTrue, workflows.ReasonAccepted)
	if got := unpack(t, s.runs.inputs[0].SeedList); got != seeds.Data["urls"] {
		t.Errorf("the crawl was given %q, want %q", got, seeds.Data["urls"])
	}
}

func TestDeletion(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(started(time.Minute)))
	s.runs.run.Known = true
	s.push()
	s.visit()
	s.drain()
	if err := s.Client.Delete(t.Context(), s.job()); err != nil {
		t.Fatal(err)
	}
	s.visit()
	if s.job() == nil {
		t.Fatal("the CrawlJob was let go while its crawl runs")
	}
	s.push(func(r *workflows.Report) {
		r.Seq, r.Phase = 9, workflows.PhaseFinished
		r.Result = &workflows.RunResult{Verdict: workflows.VerdictCancelled, Reason: workflows.ReasonCancelled, Statement: "run.json"}
	})
	s.visit()
	if s.job() != nil {
		t.Error("the CrawlJob was kept although its crawl is sealed")
	}
	if diff := cmp.Diff([]v1alpha1.State{v1alpha1.StateCancelled}, s.runs.states); diff != "" {
		t.Errorf("states asked for (-want +got):\n%s", diff)
	}
}

// TestDeletionIsBounded asserts that a CrawlJob is let go when Temporal does not
// come back, and that its crawl is cancelled when it does.
func TestDeletionIsBounded(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(started(time.Minute)))
	s.now = time.Now().Add(-time.Hour)
	s.since() // the operator is there before the deletion
	s.push()
	s.health.err = errors.New("connection refused or lost")
	if err := s.Client.Delete(t.Context(), s.job()); err != nil {
		t.Fatal(err)
	}
	s.now = s.job().DeletionTimestamp.Add(time.Minute)
	s.visit()
	if s.job() == nil {
		t.Fatal("let go too early")
	}
	s.now = s.job().DeletionTimestamp.Add(releaseAfter)
	s.drain()
	s.visit()
	if s.job() != nil {
		t.Fatal("not let go after the bound")
	}
	if got := s.drain(); len(got) != 1 {
		t.Errorf("events are %v, want one that says so", got)
	}

	s.health.err = nil
	s.runs.stateErr = errors.New("still down")
	if _, err := s.Reconcile(t.Context(), ctrl.Request{NamespacedName: name}); err == nil {
		t.Error("the crawl of the deleted CrawlJob could not be cancelled, and nothing would try again")
	}
	s.runs.stateErr = nil
	s.visit()
	if diff := cmp.Diff([]v1alpha1.State{v1alpha1.StateCancelled}, s.runs.states); diff != "" {
		t.Errorf("states asked for (-want +got):\n%s", diff)
	}
}

// TestVerdictThatNobodyHeard asserts that a crawl which ended while the operator was
// away is asked for its verdict.
func TestVerdictThatNobodyHeard(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(started(time.Hour)))
	s.runs.run = Run{Known: true, Reference: RunReference{WorkflowID: "crawl-" + string(uid), RunID: "r1"}, Ended: completed()}
	s.visit()
	s.wantCondition(v1alpha1.ConditionFinished, metav1.ConditionTrue, workflows.ReasonCompleted)
}

// TestNoWorkerAnswersDeletion asserts that a crawl which cannot be reached for want of
// workers is not called a Temporal that is down.
func TestNoWorkerAnswersDeletion(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(started(time.Minute), state(v1alpha1.StateCancelled)))
	s.runs.run.Known = true
	s.runs.stateErr = ErrNoAnswer
	s.push()
	s.visit()
	s.wantCondition(v1alpha1.ConditionStalled, metav1.ConditionFalse, workflows.ReasonCrawling)
}

// TestFinishedIsFinal asserts that a finished job is never started again, even when
// Temporal has forgotten its workflow.
func TestFinishedIsFinal(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(over))
	s.visit()
	if len(s.runs.inputs) != 0 || s.writes != 0 {
		t.Errorf("%d starts and %d writes for a job that is finished", len(s.runs.inputs), s.writes)
	}
}

// TestFinishedSeesALateChange suspends a job that has just finished.
func TestFinishedSeesALateChange(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(over, finalized, func(job *v1alpha1.CrawlJob) {
		job.Generation++
		job.Spec.State = v1alpha1.StateSuspended
	}))
	s.visit()
	job := s.job()
	if n := job.Status.ObservedGeneration; n != job.Generation {
		t.Errorf("observedGeneration is %d, want %d", n, job.Generation)
	}
	s.wantCondition(v1alpha1.ConditionFinished, metav1.ConditionTrue, workflows.ReasonCompleted)
	if n := job.Status.Conditions[0].ObservedGeneration; n != job.Generation {
		t.Errorf("the condition's observedGeneration is %d, want %d", n, job.Generation)
	}
	s.visit()
	if s.writes != 1 || len(s.runs.inputs) != 0 || controllerutil.ContainsFinalizer(s.job(), v1alpha1.Finalizer) {
		t.Errorf("%d writes, %d starts, finalizers %v", s.writes, len(s.runs.inputs), s.job().Finalizers)
	}
}
