package crawlfleet

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/yaml"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/render"
	"crawlfleet.dev/crawlfleet/internal/kube"
	"crawlfleet.dev/crawlfleet/workflows"
)

const namespace = "crawlfleet-system"

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// prober is a Temporal of which a test says what is wrong with it.
type prober struct{ problem *Problem }

func (p *prober) Probe(context.Context) *Problem { return p.problem }

// stage is a reconciler on a fake API server.
type stage struct {
	*Reconciler
	t        *testing.T
	temporal *prober
	events   *events.FakeRecorder
	now      time.Time
	writes   int // of status
	// refuse is asked about each object that is applied.
	refuse func(kind, name string) error
}

// agency is the fleet of a case of package render.
func agency(t *testing.T, name string) *v1alpha1.CrawlFleet {
	t.Helper()
	raw, err := os.ReadFile("render/testdata/" + name + "/fleet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fleet := &v1alpha1.CrawlFleet{}
	if err := yaml.UnmarshalStrict(raw, fleet); err != nil {
		t.Fatal(err)
	}
	fleet.Generation = 1
	if s := &fleet.Spec.Store; s.ArchiveBucket == "" { // as the API server does by default
		s.ArchiveBucket, s.FrontierBucket = "crawlfleet-archive", "crawlfleet-frontier"
	}
	return fleet
}

// secretsOf are all Secrets that a fleet needs.
func secretsOf(fleet *v1alpha1.CrawlFleet) []client.Object {
	var all []client.Object
	for _, name := range render.Secrets(&fleet.Spec) {
		all = append(all, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: fleet.Namespace, Name: string(name)}})
	}
	return all
}

// statusless forgets the status of NetworkPolicies, which the fake API server gives them by mistake:
// they have none (https://kubernetes.io/docs/reference/kubernetes-api/networking/network-policy-v1/).
type statusless struct{ managedfields.TypeConverter }

func (s statusless) ObjectToTyped(o runtime.Object, options ...typed.ValidationOptions) (*typed.TypedValue, error) {
	if u, ok := o.(*unstructured.Unstructured); ok && u.GetKind() == "NetworkPolicy" {
		unstructured.RemoveNestedField(u.Object, "status")
	}
	return s.TypeConverter.ObjectToTyped(o, options...)
}

func newStage(t *testing.T, objects ...client.Object) *stage {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s := &stage{t: t, temporal: &prober{}, events: events.NewFakeRecorder(200), now: noon}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.CrawlFleet{}).WithReturnManagedFields().
		WithTypeConverters(statusless{applyconfigurations.NewTypeConverter(scheme)}, managedfields.NewDeducedTypeConverter()).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourceApply: func(ctx context.Context, c client.Client, sub string, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
				s.writes++
				return c.SubResource(sub).Apply(ctx, obj, opts...)
			},
			Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
				named, ok := obj.(interface {
					GetName() *string
					GetKind() *string
				})
				if ok && s.refuse != nil {
					if err := s.refuse(*named.GetKind(), *named.GetName()); err != nil {
						return err
					}
				}
				return c.Apply(ctx, obj, opts...)
			},
		}).Build()
	s.Reconciler = &Reconciler{
		Client: c, Reader: c, Namespace: namespace, Temporal: s.temporal, Scaler: Minimum{}, Versions: Newest{},
		WorkerImage: "crawlfleet/worker:1", PortalImage: "crawlfleet/portal:1", Events: s.events, Now: func() time.Time { return s.now },
	}
	return s
}

// visit reconciles once and checks what must hold after every visit.
func (s *stage) visit() ctrl.Result {
	s.t.Helper()
	before := s.writes
	result, err := s.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: s.Namespace, Name: v1alpha1.FleetName}})
	if err != nil {
		s.t.Fatalf("reconcile: %v", err)
	}
	if s.writes > before+1 {
		s.t.Errorf("%d status writes in one visit, want at most one", s.writes-before)
	}
	fleet := s.fleet()
	for _, err := range kube.CheckStatus(fleet.Status.Conditions, fleet.Generation, fleet.Status.ObservedGeneration) {
		s.t.Error(err)
	}
	if result.RequeueAfter <= 0 {
		s.t.Error("nobody looks again")
	}
	return result
}

func (s *stage) fleet() *v1alpha1.CrawlFleet {
	s.t.Helper()
	fleet := &v1alpha1.CrawlFleet{}
	s.get(v1alpha1.FleetName, fleet)
	return fleet
}

// get reads an object, and tells whether it is there.
func (s *stage) get(name string, into client.Object) bool {
	s.t.Helper()
	err := s.Client.Get(s.t.Context(), types.NamespacedName{Namespace: s.Namespace, Name: name}, into)
	if client.IgnoreNotFound(err) != nil {
		s.t.Fatal(err)
	}
	return err == nil
}

// change changes the fleet's spec.
func (s *stage) change(f func(*v1alpha1.CrawlFleetSpec)) {
	s.t.Helper()
	fleet := s.fleet()
	f(&fleet.Spec)
	fleet.Generation++
	if err := s.Client.Update(s.t.Context(), fleet); err != nil {
		s.t.Fatal(err)
	}
}

// deployments are the names of all Deployments of the namespace, sorted.
func (s *stage) deployments() []string {
	s.t.Helper()
	var list appsv1.DeploymentList
	if err := s.Client.List(s.t.Context(), &list, client.InNamespace(s.Namespace)); err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, d := range list.Items {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	return names
}

// run has the pods of Deployments be ready, of all when none is named.
func (s *stage) run(names ...string) {
	s.t.Helper()
	if len(names) == 0 {
		names = s.deployments()
	}
	for _, name := range names {
		s.stand(name, func(d *appsv1.Deployment) {
			n := orOne(d.Spec.Replicas)
			d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, ReadyReplicas: n, UpdatedReplicas: n, AvailableReplicas: n}
		})
	}
}

// stand changes the status of a Deployment.
func (s *stage) stand(name string, f func(*appsv1.Deployment)) {
	s.t.Helper()
	d := &appsv1.Deployment{}
	if !s.get(name, d) {
		s.t.Fatalf("there is no Deployment %s", name)
	}
	f(d)
	if err := s.Client.Status().Update(s.t.Context(), d); err != nil {
		s.t.Fatal(err)
	}
}

// jobs are the Jobs of the namespace.
func (s *stage) jobs() []batchv1.Job {
	s.t.Helper()
	var list batchv1.JobList
	if err := s.Client.List(s.t.Context(), &list, client.InNamespace(s.Namespace)); err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}

// end has the one Job end with verdicts.
func (s *stage) end(verdicts ...workflows.StoreVerdict) {
	s.t.Helper()
	jobs := s.jobs()
	if len(jobs) != 1 {
		s.t.Fatalf("%d Jobs try the store, want 1", len(jobs))
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		GenerateName: jobs[0].Name + "-", Namespace: s.Namespace, Labels: map[string]string{batchv1.JobNameLabel: jobs[0].Name, render.LabelComponent: render.Probe},
	}}
	for _, v := range verdicts {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: v.As, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: v.Line()}},
		})
	}
	if err := s.Client.Create(s.t.Context(), pod); err != nil {
		s.t.Fatal(err)
	}
	jobs[0].Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
	if err := s.Client.Status().Update(s.t.Context(), &jobs[0]); err != nil {
		s.t.Fatal(err)
	}
}

// up brings a fleet up to where everything runs.
func (s *stage) up() {
	s.t.Helper()
	s.visit()
	s.end(workflows.StoreVerdict{As: "conductor"})
	s.run()
	s.visit()
	s.wantCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, ReasonRunning)
}

// wantCondition checks one condition of the stored CrawlFleet, and that its message has some words.
func (s *stage) wantCondition(kind string, status metav1.ConditionStatus, reason workflows.Reason, words ...string) {
	s.t.Helper()
	c := meta.FindStatusCondition(s.fleet().Status.Conditions, kind)
	if c == nil || c.Status != status || c.Reason != string(reason) {
		s.t.Errorf("condition %s is %+v, want %s %s", kind, c, status, reason)
		return
	}
	for _, w := range words {
		if !strings.Contains(c.Message, w) {
			s.t.Errorf("condition %s says %q, want it to tell of %q", kind, c.Message, w)
		}
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

// invalid is what the API server says of an object that it does not take.
func invalid(name string) error {
	return apierrors.NewInvalid(appsv1.SchemeGroupVersion.WithKind("Deployment").GroupKind(), name, nil)
}
