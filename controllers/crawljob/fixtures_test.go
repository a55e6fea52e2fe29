package crawljob

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	corev1 "k8s.io/api/core/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// noon is the time of every test.
var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

const uid types.UID = "0b0e3c1e-0000-4000-8000-000000000001"

// jobWith returns a CrawlJob as the API server stores it, changed by the given
// functions.
func jobWith(change ...func(*v1alpha1.CrawlJob)) *v1alpha1.CrawlJob {
	job := &v1alpha1.CrawlJob{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "CrawlJob"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "research", Name: "board", UID: uid, Generation: 1,
			CreationTimestamp: metav1.NewTime(noon.Add(-time.Minute)),
		},
		Spec: v1alpha1.CrawlJobSpec{
			Authorization: v1alpha1.Authorization{
				Reference: "DPIA-1", Purpose: "Test", Basis: "consent", RequestedBy: "desk",
				NotAfter: metav1.NewTime(noon.Add(24 * time.Hour)),
			},
			Seeds:      v1alpha1.Seeds{URLs: []v1alpha1.SeedURL{"https://example.org/"}},
			Scope:      v1alpha1.Scope{Type: v1alpha1.ScopePrefix},
			Limits:     v1alpha1.Limits{Pages: 10000, Megabytes: 10000, DurationSeconds: 86400},
			Politeness: v1alpha1.Politeness{DelaySeconds: new(int32(2))},
			Browser:    v1alpha1.Browser{Viewport: v1alpha1.Viewport{Width: 1280, Height: 800}, PageTimeoutSeconds: 60},
			Capture: v1alpha1.Capture{Screenshot: v1alpha1.ScreenshotFullPage, Text: v1alpha1.Enabled,
				Limits: v1alpha1.CaptureLimits{BodyMegabytes: 1000, PageMegabytes: 2000}, BadCertificates: v1alpha1.BadCertificatesRefuse, Recorder: v1alpha1.RecorderWire, Images: v1alpha1.ImagesKeep, ScriptPosts: v1alpha1.ScriptPostsSameSite},
			Retention: v1alpha1.Retention{ScreeningSeconds: 259200},
			Priority:  3,
			State:     v1alpha1.StateActive,
		},
	}
	for _, f := range change {
		f(job)
	}
	return job
}

// fleet is a CrawlFleet that wants a number of approvals.
func fleet(approvals int32) *v1alpha1.CrawlFleet {
	return &v1alpha1.CrawlFleet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "crawlfleet-system", Name: v1alpha1.FleetName},
		Spec:       v1alpha1.CrawlFleetSpec{Policy: v1alpha1.Policy{Purposes: []v1alpha1.Purpose{"Rescue", "Test"}, Approvals: new(approvals)}},
	}
}

func state(s v1alpha1.State) func(*v1alpha1.CrawlJob) {
	return func(job *v1alpha1.CrawlJob) { job.Spec.State = s }
}

func generation(n int64) func(*v1alpha1.CrawlJob) {
	return func(job *v1alpha1.CrawlJob) { job.Generation = n }
}

func finalized(job *v1alpha1.CrawlJob) { job.Finalizers = []string{v1alpha1.Finalizer} }

func deleted(ago time.Duration) func(*v1alpha1.CrawlJob) {
	return func(job *v1alpha1.CrawlJob) {
		at := metav1.NewTime(noon.Add(-ago))
		job.DeletionTimestamp = &at
		job.Finalizers = []string{v1alpha1.Finalizer}
	}
}

func started(ago time.Duration) func(*v1alpha1.CrawlJob) {
	return func(job *v1alpha1.CrawlJob) {
		at := metav1.NewTime(noon.Add(-ago))
		job.Status.StartedAt = &at
		job.Status.Run = v1alpha1.RunReference{WorkflowID: "crawl-" + string(uid), RunID: "r1", ScreeningSeconds: new(int64(259200))}
		job.Finalizers = []string{v1alpha1.Finalizer}
	}
}

func over(job *v1alpha1.CrawlJob) {
	job.Status.ObservedGeneration = job.Generation
	job.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionFinished, Status: metav1.ConditionTrue, Reason: "Completed",
		ObservedGeneration: job.Generation, LastTransitionTime: metav1.NewTime(noon),
	}}
}

// crawling returns a report of a crawl in the middle.
func crawling(change ...func(*workflows.Report)) *workflows.Report {
	r := &workflows.Report{
		Run: string(uid), Namespace: "research", Name: "board", Seq: 7,
		Phase: workflows.PhaseCrawling, State: workflows.StateActive, Reason: workflows.ReasonCrawling,
		Message: "Pages are being captured.",
		Counts: workflows.Counts{
			Discovered: 80, Queued: 40, Delayed: 2, Leased: 4, Archived: 30, Incomplete: 2,
			Failed:  map[workflows.Reason]int64{"DNSFailed": 1},
			Skipped: map[workflows.Reason]int64{"RobotsDisallowed": 2, "TrapQuery": 1},
			Bytes:   123456, Chunks: 2,
		},
		PagesPerSecond: 0.5,
	}
	for _, f := range change {
		f(r)
	}
	return r
}

func completed() *workflows.RunResult {
	return &workflows.RunResult{
		Verdict: workflows.VerdictSucceeded, Reason: workflows.ReasonCompleted, Message: "All pages in scope were visited.",
		Counts:    workflows.Counts{Discovered: 3, Archived: 2, Failed: map[workflows.Reason]int64{"DNSFailed": 1}, Bytes: 99, Chunks: 1},
		Statement: "research/board/" + string(uid) + "/run.json",
	}
}

func scheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	if err := corev1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// runs is a Temporal of one crawl, which does what it is told.
type runs struct {
	run     Run
	lookErr error

	startErr error
	inputs   []workflows.RunInput

	profiles []workflows.SealedProfile
	amends   []workflows.Amend
	amendErr error
	refused  int

	states   []v1alpha1.State
	ends     []workflows.Reason
	stateErr error

	retains   []workflows.RetainInput
	retainErr error
}

func (r *runs) Retain(_ context.Context, in workflows.RetainInput) error {
	if r.retainErr == nil {
		r.retains = append(r.retains, in)
	}
	return r.retainErr
}

func (r *runs) Start(_ context.Context, in workflows.RunInput) (RunReference, error) {
	if r.startErr != nil {
		return RunReference{}, r.startErr
	}
	r.inputs = append(r.inputs, in)
	r.run.Known = true
	r.run.Reference = RunReference{WorkflowID: "crawl-" + in.Run, RunID: "r1", StartedAt: noon}
	return r.run.Reference, nil
}

func (r *runs) Look(context.Context, types.UID) (Run, error) { return r.run, r.lookErr }

func (r *runs) SetState(_ context.Context, _ types.UID, s v1alpha1.State) (*workflows.Report, error) {
	if r.stateErr != nil {
		return nil, r.stateErr
	}
	r.states = append(r.states, s)
	return crawling(func(rep *workflows.Report) { rep.Seq, rep.State = 8, workflows.State(s) }), nil
}

func (r *runs) End(_ context.Context, _ types.UID, reason workflows.Reason) (*workflows.Report, error) {
	if r.stateErr != nil {
		return nil, r.stateErr
	}
	r.ends = append(r.ends, reason)
	return crawling(func(rep *workflows.Report) {
		rep.Seq, rep.State, rep.Reason = 8, workflows.StateCancelled, workflows.ReasonSealing
	}), nil
}

func (r *runs) SetProfile(_ context.Context, _ types.UID, p workflows.SealedProfile) (*workflows.Report, error) {
	if r.stateErr != nil {
		return nil, r.stateErr
	}
	r.profiles = append(r.profiles, p)
	return crawling(func(rep *workflows.Report) { rep.Seq, rep.Profile = 8, &p.ProfileRef }), nil
}

func (r *runs) Amend(_ context.Context, _ types.UID, a workflows.Amend) (*workflows.Report, error) {
	if r.amendErr != nil {
		r.refused++
		return nil, r.amendErr
	}
	r.amends = append(r.amends, a)
	return crawling(func(rep *workflows.Report) { rep.Seq, rep.Generation = 8, a.Generation }), nil
}

type health struct{ err error }

func (h *health) Err() error { return h.err }
