package crawlfleet

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/crawlfleet/render"
	"crawlfleet.dev/crawlfleet/workflows"
)

// TestTroubles: what keeps an instance from working is told, and what to do about it.
func TestTroubles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason  string
		trouble func(*stage)
		ready   workflows.Reason
		words   []string
	}{
		"Temporal": {
			"Nothing moves without.", func(s *stage) { s.temporal.problem = &Problem{workflows.ReasonTemporalUnreachable, "no answer"} },
			workflows.ReasonTemporalUnreachable, []string{"no answer"},
		},
		"Secret": {
			"Pods wait for it.", func(s *stage) {
				_ = s.Client.Delete(s.t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "crawlfleet-s3"}})
			}, workflows.ReasonSecretNotFound, []string{"crawlfleet-s3"},
		},
		"Image":       {"Nodes would not know what to run.", func(s *stage) { s.WorkerImage = "" }, ReasonImageMissing, []string{"spec.images.worker", "$CRAWLFLEET_IMAGE_WORKER"}},
		"PortalImage": {"The same of the portal.", func(s *stage) { s.PortalImage = "" }, ReasonImageMissing, []string{"spec.images.portal"}},
		"Pods": {
			"A pod that does not start says why.", func(s *stage) {
				s.stand(conductor, func(d *appsv1.Deployment) {
					d.Status.ReadyReplicas = 0
					d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse}}
				})
				pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "conductor-1", Labels: render.Owned(namespace)}}
				pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such tag"}}}}
				_ = s.Client.Create(s.t.Context(), pod)
			}, ReasonPodsNotReady, []string{"Conductors: 0 of 2", "conductor-1", "ImagePullBackOff: no such tag"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fleet := agency(t, "agency")
			s := newStage(t, append(secretsOf(fleet), fleet)...)
			s.up()
			tc.trouble(s)
			s.visit()
			s.wantCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, tc.ready, tc.words...)
			s.wantCondition(v1alpha1.ConditionStalled, metav1.ConditionTrue, tc.ready)
			s.wantCondition(v1alpha1.ConditionReconciling, metav1.ConditionFalse, tc.ready)
			if got := s.deployments(); len(got) != 4 {
				t.Errorf("%s: Deployments %v: what runs goes on", tc.reason, got)
			}
		})
	}
}

// TestStore: what came of trying the store is told, with what to do.
func TestStore(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		verdicts []workflows.StoreVerdict
		status   metav1.ConditionStatus
		reason   workflows.Reason
		words    []string
	}{
		"Denied": {
			[]workflows.StoreVerdict{{As: "conductor"}, {As: "browser", Reason: workflows.ReasonStoreDenied, Bucket: "crawlfleet-archive", Step: "put", Message: "store denied access"}},
			metav1.ConditionFalse, workflows.ReasonStoreDenied, []string{"as browser", `bucket "crawlfleet-archive", step put`, "Secret"},
		},
		"Unreachable": {
			[]workflows.StoreVerdict{{As: "conductor", Reason: workflows.ReasonStoreUnreachable, Bucket: "a", Step: "look", Message: "no answer"}},
			metav1.ConditionFalse, workflows.ReasonStoreUnreachable, []string{"spec.store.network"},
		},
		"Old":    {[]workflows.StoreVerdict{{}}, metav1.ConditionUnknown, ReasonProbeFailed, []string{"without a verdict"}},
		"Silent": {nil, metav1.ConditionUnknown, ReasonProbeFailed, []string{"did not end in time"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fleet := agency(t, "agency")
			s := newStage(t, append(secretsOf(fleet), fleet)...)
			s.visit()
			s.end(tc.verdicts...)
			s.visit()
			s.wantCondition(v1alpha1.ConditionStoreReachable, tc.status, tc.reason, tc.words...)
			if tc.status == metav1.ConditionFalse {
				s.wantCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, tc.reason)
			}
			s.run()
			s.visit() // it stays so
			s.wantCondition(v1alpha1.ConditionStoreReachable, tc.status, tc.reason, tc.words...)
			if tc.status == metav1.ConditionFalse {
				s.wantCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, tc.reason, tc.words...)
			}
		})
	}
}

// TestStoreIsTriedAgain: every hour, sooner when it could not be used, and when it is another one.
func TestStoreIsTriedAgain(t *testing.T) {
	t.Parallel()
	fleet := agency(t, "agency")
	s := newStage(t, append(secretsOf(fleet), fleet)...)
	s.up()
	usable := func() { s.wantCondition(v1alpha1.ConditionStoreReachable, metav1.ConditionTrue, ReasonUsable) }
	tried := func(want int, why string) {
		t.Helper()
		s.visit()
		if got := len(s.jobs()); got != want {
			t.Errorf("%s: %d Jobs, want %d", why, got, want)
		}
	}
	tried(0, "it was just tried")
	s.now = noon.Add(59 * time.Minute)
	tried(0, "within the hour")
	s.now = noon.Add(61 * time.Minute)
	tried(1, "after an hour")
	usable() // what is known holds meanwhile
	s.end(workflows.StoreVerdict{As: "conductor", Reason: workflows.ReasonStoreFull, Message: "full"})
	tried(0, "it was read")
	s.now = s.now.Add(4 * time.Minute)
	tried(0, "a moment later")
	s.now = s.now.Add(2 * time.Minute)
	tried(1, "sooner when it cannot be used")
	s.wantCondition(v1alpha1.ConditionStoreReachable, metav1.ConditionFalse, workflows.ReasonStoreFull)
	first := s.jobs()[0].Name

	s.change(func(spec *v1alpha1.CrawlFleetSpec) { spec.Store.ArchiveBucket = "another" })
	s.visit()
	jobs := s.jobs()
	if len(jobs) != 1 || jobs[0].Name == first {
		t.Errorf("Jobs %v, want one for the other bucket", jobs)
	}
	s.wantCondition(v1alpha1.ConditionStoreReachable, metav1.ConditionUnknown, ReasonProbing)
	s.end(workflows.StoreVerdict{As: "conductor"})
	s.visit()
	usable()

	secret := &corev1.Secret{}
	s.get("crawlfleet-s3", secret)
	secret.StringData = map[string]string{"credentials": "new"}
	if err := s.Client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	tried(1, "with other credentials")
}

// TestStoreIsTriedAgainWhileRefused: what came of a trial is read once, whatever else the API server does
// not take.
func TestStoreIsTriedAgainWhileRefused(t *testing.T) {
	t.Parallel()
	fleet := agency(t, "agency")
	s := newStage(t, append(secretsOf(fleet), fleet)...)
	s.visit()
	s.refuse = func(_, name string) error {
		if name == conductor {
			return invalid(name)
		}
		return nil
	}
	s.end(workflows.StoreVerdict{As: "conductor", Reason: workflows.ReasonStoreFull, Message: "full"})
	s.visit()
	if n := len(s.jobs()); n != 0 {
		t.Errorf("%d Jobs are left of a trial that is over", n)
	}
	s.wantCondition(v1alpha1.ConditionStoreReachable, metav1.ConditionFalse, workflows.ReasonStoreFull)
	s.now = s.now.Add(6 * time.Minute)
	s.visit()
	if n := len(s.jobs()); n != 1 {
		t.Errorf("%d Jobs try the store, want 1 again", n)
	}
}

// TestProbeWaits: why the pod does not start that is to try the store.
func TestProbeWaits(t *testing.T) {
	t.Parallel()
	fleet := agency(t, "agency")
	s := newStage(t, append(secretsOf(fleet), fleet)...)
	s.visit()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "probe-1", Labels: map[string]string{batchv1.JobNameLabel: s.jobs()[0].Name}}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available"}}
	if err := s.Client.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	s.visit()
	s.wantCondition(v1alpha1.ConditionStoreReachable, metav1.ConditionUnknown, ReasonProbing, "Unschedulable: 0/1 nodes are available")
}
