package crawlfleet

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/render"
	"crawlfleet.dev/crawlfleet/workflows"
)

var conductor = render.ConductorName(render.BuildOf("crawlfleet/worker:1"))

// TestLife follows an instance from its CrawlFleet to when everything runs.
func TestLife(t *testing.T) {
	t.Parallel()
	fleet := agency(t, "agency")
	least := int32(1)
	fleet.Spec.Pools[0].Scaling.Min = &least
	s := newStage(t, append(secretsOf(fleet), fleet)...)

	s.visit()
	if diff := cmp.Diff([]string{"crawlfleet-browser-browsers", conductor, "crawlfleet-gateway", "crawlfleet-portal"}, s.deployments()); diff != "" {
		t.Errorf("Deployments (-want +got):\n%s", diff)
	}
	s.wantCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, ReasonRollingOut, "0 of 2 pods ready")
	s.wantCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, ReasonRollingOut)
	s.wantCondition(v1alpha1.ConditionTemporalReachable, metav1.ConditionTrue, ReasonAnswering)
	s.wantCondition(v1alpha1.ConditionStoreReachable, metav1.ConditionUnknown, ReasonProbing)

	s.end(workflows.StoreVerdict{As: "conductor"})
	s.visit()
	s.wantCondition(v1alpha1.ConditionStoreReachable, metav1.ConditionTrue, ReasonUsable, "crawlfleet-archive", "as conductor")
	if jobs := s.jobs(); len(jobs) > 0 {
		t.Errorf("Job %s is left", jobs[0].Name)
	}

	s.run()
	s.visit()
	s.wantCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, ReasonRunning, "Conductors: 2 of 2 pods ready")
	s.wantCondition(v1alpha1.ConditionReconciling, metav1.ConditionFalse, ReasonRunning)
	s.wantCondition(v1alpha1.ConditionStalled, metav1.ConditionFalse, ReasonRunning)
	status := s.fleet().Status
	two, one := int32(2), int32(1)
	if diff := cmp.Diff([]v1alpha1.ConductorStatus{{Build: render.BuildOf("crawlfleet/worker:1"), State: v1alpha1.BuildCurrent, Replicas: &two, Ready: &two}}, status.Conductors); diff != "" {
		t.Errorf("conductors (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]v1alpha1.PoolStatus{{Name: "browsers", Desired: &one, Replicas: &one, ReadyReplicas: &one, Message: "the least that the pool has"}}, status.Pools); diff != "" {
		t.Errorf("pools (-want +got):\n%s", diff)
	}
	if *status.ReadyBrowsers != 1 || *status.DesiredBrowsers != 1 {
		t.Errorf("%d of %d browsers", *status.ReadyBrowsers, *status.DesiredBrowsers)
	}
	writes := s.writes
	s.visit()
	if s.writes != writes {
		t.Error("a visit that finds nothing new writes the status")
	}
	told := strings.Join(s.drain(), "\n")
	for _, want := range []string{"Normal RollingOut", "Normal Running", "Normal Usable", "Normal Answering"} {
		if !strings.Contains(told, want) {
			t.Errorf("no event %q among\n%s", want, told)
		}
	}
}

// TestPolicyOnly: a CrawlFleet of a policy alone has no pods.
func TestPolicyOnly(t *testing.T) {
	t.Parallel()
	fleet := agency(t, "agency")
	fleet.Spec = v1alpha1.CrawlFleetSpec{Policy: fleet.Spec.Policy}
	s := newStage(t, fleet)
	s.visit()
	s.wantCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, ReasonPolicyOnly)
	s.wantCondition(v1alpha1.ConditionStoreReachable, metav1.ConditionUnknown, ReasonPolicyOnly)
	if got := s.deployments(); len(got)+len(s.jobs()) > 0 {
		t.Errorf("it has pods: %v", got)
	}
}

// TestPruning: what is not asked for any more goes, and nothing of anybody else.
func TestPruning(t *testing.T) {
	t.Parallel()
	fleet := agency(t, "whole")
	fleet.Namespace = namespace
	labels := render.Owned(namespace)
	others := []client.Object{
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "mine", Namespace: namespace, Labels: labels}},
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "crawlfleet-operator", Namespace: namespace, Labels: render.Selector(namespace, "operator")}},
		&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Namespace: namespace}},
	}
	s := newStage(t, append(append(secretsOf(fleet), fleet), others...)...)
	s.visit()
	for name, object := range map[string]client.Object{
		"crawlfleet-browser-spot": &appsv1.Deployment{}, "crawlfleet-browser-steady": &policyv1.PodDisruptionBudget{},
		"crawlfleet-portal": &corev1.PersistentVolumeClaim{}, "crawlfleet-stamps": &networkingv1.NetworkPolicy{},
	} {
		if !s.get(name, object) {
			t.Errorf("there is no %s %s", kindOf(object), name)
		}
	}

	s.change(func(spec *v1alpha1.CrawlFleetSpec) {
		spec.Pools = spec.Pools[1:]
		spec.Portal = v1alpha1.FleetPortal{}
		spec.Signing = v1alpha1.FleetSigning{}
	})
	s.visit()
	for name, object := range map[string]client.Object{
		"crawlfleet-browser-steady": &appsv1.Deployment{}, "crawlfleet-stamps": &networkingv1.NetworkPolicy{}, "crawlfleet-portal": &corev1.Service{},
	} {
		if s.get(name, object) {
			t.Errorf("%s %s is still there", kindOf(object), name)
		}
	}
	for name, object := range map[string]client.Object{"crawlfleet-browser-steady": &policyv1.PodDisruptionBudget{}, "crawlfleet-portal": &corev1.PersistentVolumeClaim{}} {
		if s.get(name, object) {
			t.Errorf("%s %s is still there", kindOf(object), name)
		}
	}
	if !strings.Contains(strings.Join(s.drain(), "\n"), "Normal Removed Deployment crawlfleet-browser-steady") {
		t.Error("nobody is told")
	}

	s.change(func(spec *v1alpha1.CrawlFleetSpec) { *spec = v1alpha1.CrawlFleetSpec{Policy: spec.Policy} })
	s.visit()
	if diff := cmp.Diff([]string{"crawlfleet-operator", "mine"}, s.deployments()); diff != "" {
		t.Errorf("what is left without a store (-want +got):\n%s", diff)
	}
	if jobs := s.jobs(); len(jobs) > 0 {
		t.Errorf("Job %s still tries a store that is not named any more", jobs[0].Name)
	}
	if !s.get("theirs", &networkingv1.NetworkPolicy{}) {
		t.Error("somebody else's policy is gone")
	}
}

// TestOtherManagers: the operator takes back what it owns, and leaves what it does not.
func TestOtherManagers(t *testing.T) {
	t.Parallel()
	fleet := agency(t, "agency")
	s := newStage(t, append(secretsOf(fleet), fleet)...)
	s.visit()
	meddling := appsapply.Deployment(conductor, namespace).WithAnnotations(map[string]string{"example.org/note": "kept"}).
		WithSpec(appsapply.DeploymentSpec().WithReplicas(9))
	if err := s.Client.Apply(t.Context(), meddling, client.FieldOwner("somebody"), client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	s.visit()
	d := &appsv1.Deployment{}
	s.get(conductor, d)
	if *d.Spec.Replicas != 2 || d.Annotations["example.org/note"] != "kept" {
		t.Errorf("%d pods, annotations %v: want 2 again, and the note", *d.Spec.Replicas, d.Annotations)
	}
}

// TestExternalScaling: somebody else says how many pods there are, from the number on that there was.
func TestExternalScaling(t *testing.T) {
	t.Parallel()
	fleet := agency(t, "agency")
	three := int32(3)
	fleet.Spec.Pools[0].Scaling.Min = &three
	s := newStage(t, append(secretsOf(fleet), fleet)...)
	s.visit()
	const pool = "crawlfleet-browser-browsers"
	replicas := func() int32 {
		d := &appsv1.Deployment{}
		s.get(pool, d)
		return orOne(d.Spec.Replicas)
	}
	if got := replicas(); got != 3 {
		t.Fatalf("%d pods, want 3", got)
	}
	s.change(func(spec *v1alpha1.CrawlFleetSpec) {
		spec.Pools[0].Scaling = v1alpha1.PoolScaling{Mode: v1alpha1.ScalingExternal}
	})
	s.visit()
	if got := replicas(); got != 3 {
		t.Errorf("%d pods once somebody else scales, want the 3 that there were", got)
	}
	d := &appsv1.Deployment{}
	s.get(pool, d)
	if ownsReplicas(d) {
		t.Error("the operator still owns the number of pods")
	}
	d.Spec.Replicas = new(int32(7))
	if err := s.Client.Update(t.Context(), d, client.FieldOwner("keda")); err != nil {
		t.Fatal(err)
	}
	s.visit()
	s.visit()
	if got := replicas(); got != 7 {
		t.Errorf("%d pods, want KEDA's 7", got)
	}
	if got := s.fleet().Status.Pools[0]; *got.Desired != 7 {
		t.Errorf("status tells %d, want 7", *got.Desired)
	}
	s.change(func(spec *v1alpha1.CrawlFleetSpec) { spec.Pools[0].Scaling = v1alpha1.PoolScaling{Min: &three} })
	s.visit()
	if got := replicas(); got != 3 {
		t.Errorf("%d pods once the operator scales again, want 3", got)
	}
}

// steps is a Scaler that says what a test wants.
type steps struct {
	desired Desired
	err     error
}

func (s *steps) Desired(_ context.Context, pools []PoolSize) (map[string]Desired, error) {
	return map[string]Desired{pools[0].Pool.Name: s.desired}, s.err
}

// scaledStage is one on which the fleet runs with one browser, as its scaler wants.
func scaledStage(t *testing.T) (*stage, *steps) {
	t.Helper()
	fleet := agency(t, "agency")
	s := newStage(t, append(secretsOf(fleet), fleet)...)
	scaler := &steps{desired: Desired{Replicas: 1, Message: "40 pages wait"}}
	s.Scaler = scaler
	s.up()
	s.drain()
	return s, scaler
}

// TestScaling: pods that are added do not make the instance less ready, and people are told.
func TestScaling(t *testing.T) {
	t.Parallel()
	s, scaler := scaledStage(t)
	scaler.desired = Desired{Replicas: 4, Message: "400 pages wait", Again: 15 * time.Second}
	if again := s.visit().RequeueAfter; again != 15*time.Second {
		t.Errorf("the scaler is asked again after %v", again)
	}
	s.visit()
	s.wantCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, ReasonRunning, `Pool "browsers": 1 of 4 pods ready`)
	s.wantCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, ReasonRunning)
	if told := s.drain(); !slices.ContainsFunc(told, func(e string) bool { return strings.Contains(e, "Pool browsers goes from 1 to 4 pods: 400 pages wait") }) {
		t.Errorf("events: %q", told)
	}
	scaler.err = errors.New("no answer")
	if _, err := s.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: v1alpha1.FleetName}}); err == nil {
		t.Error("a scaler that fails is passed over")
	}
}

// TestFromZero: a pool that begins from no pods does not make the instance less ready, unless they do not
// come.
func TestFromZero(t *testing.T) {
	t.Parallel()
	fleet := agency(t, "agency")
	s := newStage(t, append(secretsOf(fleet), fleet)...)
	scaler := &steps{desired: Desired{Message: "nothing can be visited now"}}
	s.Scaler = scaler
	s.up()
	scaler.desired = Desired{Replicas: 2, Message: "8 pages wait"}
	s.visit()
	s.visit()
	s.wantCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, ReasonRunning, `Pool "browsers": 0 of 2 pods ready`)
	s.wantCondition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, ReasonRunning)
	s.stand("crawlfleet-browser-browsers", func(d *appsv1.Deployment) {
		d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded"}}
	})
	s.visit()
	s.wantCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, ReasonPodsNotReady, `Pool "browsers": 0 of 2 pods ready`)
}

// TestUpgrade: conductors of before stay until those of the new image are ready.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	fleet := agency(t, "agency")
	s := newStage(t, append(secretsOf(fleet), fleet)...)
	s.up()
	next := render.ConductorName(render.BuildOf("crawlfleet/worker:2"))
	s.WorkerImage = "crawlfleet/worker:2"
	s.visit()
	s.visit()
	if got := s.deployments(); !slices.Contains(got, conductor) || !slices.Contains(got, next) {
		t.Errorf("Deployments %v, want those of both images", got)
	}
	states := func() map[string]v1alpha1.BuildState {
		m := map[string]v1alpha1.BuildState{}
		for _, c := range s.fleet().Status.Conductors {
			m[render.ConductorName(c.Build)] = c.State
		}
		return m
	}
	if diff := cmp.Diff(map[string]v1alpha1.BuildState{next: v1alpha1.BuildStarting, conductor: v1alpha1.BuildCurrent}, states()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	old := &appsv1.Deployment{}
	s.get(conductor, old)
	if image := old.Spec.Template.Spec.Containers[0].Image; image != "crawlfleet/worker:1" {
		t.Errorf("the conductors of before run %s", image)
	}
	s.Versions = failing{}
	s.run(next)
	s.visit()
	if got := s.deployments(); !slices.Contains(got, conductor) {
		t.Error("conductors are removed although nobody knows whether crawls need them")
	}
	s.wantCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, ReasonVersionsUnknown, "no answer")
	s.Versions = Newest{}
	s.visit()
	if got := s.deployments(); slices.Contains(got, conductor) {
		t.Error("the conductors of before stay although nobody needs them")
	}
}

type failing struct{}

func (failing) Settle(context.Context, string, []Deployed) ([]Build, error) {
	return nil, errors.New("no answer")
}

// TestTwoFleets: instances beside each other do not touch each other's objects.
func TestTwoFleets(t *testing.T) {
	t.Parallel()
	one, two := agency(t, "agency"), agency(t, "agency")
	two.Namespace, two.UID = "agency-b", "another"
	a := newStage(t, append(append(secretsOf(one), secretsOf(two)...), one, two)...)
	b := &stage{Reconciler: new(*a.Reconciler), t: t, temporal: a.temporal, events: a.events, now: noon}
	b.Namespace = "agency-b"
	a.visit()
	b.visit()
	if diff := cmp.Diff(a.deployments(), b.deployments()); diff != "" {
		t.Errorf("(-one +two):\n%s", diff)
	}
	a.change(func(spec *v1alpha1.CrawlFleetSpec) { *spec = v1alpha1.CrawlFleetSpec{Policy: spec.Policy} })
	a.visit()
	b.visit()
	if len(a.deployments()) != 0 || len(b.deployments()) != 4 {
		t.Errorf("%v and %v are left, want none and four", a.deployments(), b.deployments())
	}
	if _, err := a.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "agency-b", Name: v1alpha1.FleetName}}); err != nil {
		t.Error(err)
	}
	if policy := (&networkingv1.NetworkPolicy{}); !b.get("crawlfleet-deny", policy) || policy.Spec.PodSelector.MatchLabels[render.LabelInstance] != "agency-b" {
		t.Errorf("%+v", policy.Spec.PodSelector)
	}
}

// TestNotTheFleet: another name is no instance, and says so.
func TestNotTheFleet(t *testing.T) {
	t.Parallel()
	fleet := agency(t, "agency")
	fleet.Name = "second"
	s := newStage(t, append(secretsOf(fleet), fleet)...)
	if _, err := s.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: "second"}}); err != nil {
		t.Fatal(err)
	}
	got := &v1alpha1.CrawlFleet{}
	s.get("second", got)
	if c := conditionOf(got, v1alpha1.ConditionReady); c.Reason != string(ReasonNotTheFleet) || len(s.deployments()) > 0 {
		t.Errorf("%+v, %v", c, s.deployments())
	}
}

// TestRefused: what the API server does not take is told, keeps nothing else from being made, and
// takes nothing away.
func TestRefused(t *testing.T) {
	t.Parallel()
	fleet := agency(t, "agency")
	s := newStage(t, append(secretsOf(fleet), fleet)...)
	s.visit()
	s.refuse = func(kind, name string) error {
		if kind == "Deployment" && name == conductor {
			return invalid(name)
		}
		return nil
	}
	s.change(func(spec *v1alpha1.CrawlFleetSpec) { spec.Pools[0].Name = "others" })
	s.drain()
	s.visit()
	for _, told := range s.drain() {
		if strings.Contains(told, string(ReasonRemoved)) {
			t.Errorf("what is still there is said to be removed: %s", told)
		}
	}
	s.wantCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, ReasonObjectRefused, conductor)
	s.wantCondition(v1alpha1.ConditionStalled, metav1.ConditionTrue, ReasonObjectRefused)
	got := s.deployments()
	if !slices.Contains(got, "crawlfleet-browser-others") || !slices.Contains(got, "crawlfleet-browser-browsers") {
		t.Errorf("Deployments %v", got)
	}
}

// TestRefusedPool: a pool that the API server does not take has not been scaled, and nobody is told so.
func TestRefusedPool(t *testing.T) {
	t.Parallel()
	s, scaler := scaledStage(t)
	scaler.desired.Replicas = 4
	s.refuse = func(_, name string) error {
		if name == "crawlfleet-browser-browsers" {
			return invalid(name)
		}
		return nil
	}
	s.visit()
	s.wantCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, ReasonObjectRefused, "crawlfleet-browser-browsers")
	for _, told := range s.drain() {
		if strings.Contains(told, string(ReasonScaled)) {
			t.Errorf("what has as many pods as before is said to be scaled: %s", told)
		}
	}
}

// TestLongMessage: the API server refuses a status whose pools say more than it takes, and nobody would
// learn of anything.
func TestLongMessage(t *testing.T) {
	t.Parallel()
	fleet := agency(t, "agency")
	s := newStage(t, append(secretsOf(fleet), fleet)...)
	s.Scaler = &steps{desired: Desired{Replicas: 1, Message: strings.Repeat("é", 2000)}}
	s.visit()
	if said := s.fleet().Status.Pools[0].Message; len(said) != 1024 || !utf8.ValidString(said) {
		t.Errorf("%d bytes, want 1024 at most, and whole characters", len(said))
	}
}
