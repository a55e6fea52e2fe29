package crawljob

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/workflows"
)

// referring is an order that leaves to ConfigMaps what is visited, and what is done there.
func referring(job *v1alpha1.CrawlJob) {
	fromConfigMap(job)
	job.Spec.Capture.Behaviors.Scripts = []v1alpha1.BehaviorScript{{Name: "ads", Key: "click.js", Hosts: []v1alpha1.HostPattern{"example.org"}}}
}

// ads is the ConfigMap of referring.
func ads(urls, script string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "ads"}, Data: map[string]string{"urls": urls, "click.js": script},
	}
}

// approveBoard has a person approve what the API server holds of the CrawlJob.
func (s *stage) approveBoard(name, approver string, minutes int, config *corev1.ConfigMap) {
	s.t.Helper()
	texts := map[string]string{}
	if config != nil {
		texts["ads/urls"], texts["ads/click.js"] = config.Data["urls"], config.Data["click.js"]
	}
	if err := s.Client.Create(s.t.Context(), of(digestOf(s.job(), texts), approval(name, approver, minutes))); err != nil {
		s.t.Fatal(err)
	}
}

// wantOutdated asserts that an order waits, and says that it is to be approved again.
func (s *stage) wantOutdated() {
	s.t.Helper()
	result := s.visit()
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionFalse, workflows.ReasonApprovalMissing)
	message := meta.FindStatusCondition(s.job().Status.Conditions, v1alpha1.ConditionAccepted).Message
	for _, want := range []string{"0 of the 1", "has changed since: 1.", "approve it again with crawlctl approve"} {
		if !strings.Contains(message, want) {
			s.t.Errorf("the message does not say %q: %s", want, message)
		}
	}
	if len(s.runs.inputs) != 0 {
		s.t.Error("what nobody has approved was started")
	}
	if result.RequeueAfter != again { // no event tells that a ConfigMap is as it was
		s.t.Errorf("it is looked at again after %v, want %v", result.RequeueAfter, again)
	}
}

// TestApprovalIsOfWhatIsStarted: what the order refers to, or the order itself, is not what was
// approved; the crawl waits until that is approved, or is again what it was.
func TestApprovalIsOfWhatIsStarted(t *testing.T) {
	t.Parallel()
	const urls, script = "https://example.org/1\n", "async () => {}"
	for name, tc := range map[string]struct {
		config *corev1.ConfigMap // what the ConfigMap is changed to
		change func(job *v1alpha1.CrawlJob)
	}{
		"Seeds":  {config: ads(urls+"https://example.net/\n", script)},
		"Script": {config: ads(urls, "async () => 1")},
		"Limits": {change: func(job *v1alpha1.CrawlJob) { job.Spec.Limits.Pages++ }},
		"AddedSeed": {change: func(job *v1alpha1.CrawlJob) {
			job.Spec.Seeds.URLs = append(job.Spec.Seeds.URLs, "https://example.net/")
		}},
	} {
		for _, mend := range []string{"ApprovedAgain", "PutBack"} {
			t.Run(name+mend, func(t *testing.T) {
				t.Parallel()
				before := ads(urls, script)
				s := newStage(t, jobWith(referring), fleet(1), before.DeepCopy())
				s.approveBoard("a", "bob", 1, before)
				was, now := s.job().Spec, before
				if tc.config != nil {
					now = tc.config.DeepCopy()
					s.update(now)
				}
				if tc.change != nil {
					s.change(tc.change)
				}
				s.wantOutdated()
				switch {
				case mend == "ApprovedAgain":
					s.approveBoard("b", "bob", 2, now)
				case tc.config != nil:
					s.update(before)
					now = before
				default:
					s.change(func(job *v1alpha1.CrawlJob) { job.Spec = was })
				}
				s.visit()
				if len(s.runs.inputs) != 1 {
					t.Fatalf("started %d times, want once: %+v", len(s.runs.inputs), s.job().Status.Conditions)
				}
				in := s.runs.inputs[0]
				if got := unpack(t, in.SeedList); got != now.Data["urls"] {
					t.Errorf("it begins with the seeds %q, want %q", got, now.Data["urls"])
				}
				if got := in.Spec.Authorization.Approvals; len(got) != 1 || got[0].Digest != digestOf(s.job(), map[string]string{"ads/urls": now.Data["urls"], "ads/click.js": now.Data["click.js"]}) {
					t.Errorf("it begins with the approvals %+v", got)
				}
			})
		}
	}
}

func (s *stage) update(config *corev1.ConfigMap) {
	s.t.Helper()
	config = config.DeepCopy()
	config.ResourceVersion = ""
	if err := s.Client.Update(s.t.Context(), config); err != nil {
		s.t.Fatal(err)
	}
}

// TestStateIsNotApproved: an order that was approved may be suspended, and goes on.
func TestStateIsNotApproved(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(), fleet(1), approval("a", "bob", 1))
	s.change(state(v1alpha1.StateSuspended))
	s.visit()
	s.change(state(v1alpha1.StateActive))
	s.visit()
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionTrue, workflows.ReasonAccepted)
}

// TestApprovalWithoutADigest: of before approvals had one.
func TestApprovalWithoutADigest(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(), fleet(1), of("", approval("a", "bob", 1)))
	s.visit()
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionFalse, workflows.ReasonApprovalMissing)
	if m := meta.FindStatusCondition(s.job().Status.Conditions, v1alpha1.ConditionAccepted).Message; !strings.Contains(m, "they have no digest of what they are of: 1. Approve it again") {
		t.Errorf("the message is %s", m)
	}
}

// TestLateCacheStartsNothing: what is compared with approvals is what the API server holds.
func TestLateCacheStartsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(), fleet(1), approval("a", "bob", 1))
	s.Reader = newStage(t, jobWith(generation(2), func(job *v1alpha1.CrawlJob) { job.Spec.Limits.Pages++ })).Client
	if got := s.visit().RequeueAfter; got != soon {
		t.Errorf("it is looked at again after %v, want %v", got, soon)
	}
	if len(s.runs.inputs) != 0 {
		t.Error("an order of before was started")
	}
}

// TestLateCacheHidesNobody: who has given an order is read past the cache, too. Annotations change
// without another generation.
func TestLateCacheHidesNobody(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(), fleet(1), approval("a", "bob", 1))
	s.Reader = newStage(t, jobWith(func(job *v1alpha1.CrawlJob) { job.Annotations = map[string]string{v1alpha1.AnnotationOrderedBy: "bob"} })).Client
	s.visit()
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionFalse, workflows.ReasonApprovalMissing)
	if len(s.runs.inputs) != 0 {
		t.Error("it was started by the approval of who has ordered it")
	}
}

// TestDigestIsOfTheStoredSpec: a time is stored as it was written, which is what others who
// compute the digest see.
func TestDigestIsOfTheStoredSpec(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(), fleet(1))
	spec := map[string]any{"priority": int64(3), "authorization": map[string]any{"requestedBy": "desk", "notAfter": "2030-01-01T00:00:00.5+02:00"}}
	s.Reader = holding{s.Client, spec}
	job, held, err := s.readOrder(t.Context(), s.job())
	if err != nil {
		t.Fatal(err)
	}
	if got := held["authorization"].(map[string]any)["notAfter"]; got != "2030-01-01T00:00:00.5+02:00" {
		t.Errorf("the digest is of the time %v", got)
	}
	if want := time.Date(2029, 12, 31, 22, 0, 0, 5e8, time.UTC); !job.Spec.Authorization.NotAfter.Time.Equal(want) {
		t.Errorf("the crawl begins with the time %v, want %v", job.Spec.Authorization.NotAfter, want)
	}
}

// holding is an API server that holds this spec of every CrawlJob.
type holding struct {
	client.Client
	spec map[string]any
}

func (h holding) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if err := h.Client.Get(ctx, key, o, opts...); err != nil {
		return err
	}
	if held, ok := o.(*unstructured.Unstructured); ok {
		held.Object["spec"] = h.spec
	}
	return nil
}
