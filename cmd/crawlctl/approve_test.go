package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	orders "crawlfleet.dev/crawlfleet/controllers/order"
)

// asUser is an API server that takes whoever asks for a user.
func asUser(t *testing.T, user string, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, authenticationv1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if self, ok := o.(*authenticationv1.SelfSubjectReview); ok {
				self.Status.UserInfo.Username = user
				return nil
			}
			return c.Create(ctx, o, opts...)
		},
	}).Build()
}

func orderOfAda(change ...func(*v1alpha1.CrawlJob)) *v1alpha1.CrawlJob {
	j := &v1alpha1.CrawlJob{ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "board", UID: "u-1"}}
	j.Spec.Authorization = v1alpha1.Authorization{
		Reference: "DPIA-1", Purpose: "Testing", Basis: "consent", RequestedBy: "ada", NotAfter: metav1.NewTime(time.Date(2035, 1, 1, 0, 0, 0, 0, time.UTC)),
	}
	for _, f := range change {
		f(j)
	}
	return j
}

func TestApprove(t *testing.T) {
	t.Parallel()
	over := func(j *v1alpha1.CrawlJob) {
		j.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionFinished, Status: metav1.ConditionTrue, Reason: "Completed"}}
	}
	forOthers := func(j *v1alpha1.CrawlJob) { j.Annotations = map[string]string{v1alpha1.AnnotationOrderedBy: "desk"} }
	listed := func(j *v1alpha1.CrawlJob) {
		j.Spec.Seeds.ConfigMaps = []v1alpha1.SeedConfigMap{{Name: "ads", Key: "urls"}}
		j.Spec.Capture.Behaviors.Scripts = []v1alpha1.BehaviorScript{{Name: "ads", Key: "click.js", Hosts: []v1alpha1.HostPattern{"example.org"}}}
	}
	ads := func(urls string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "ads"}, Data: map[string]string{"urls": urls, "click.js": "async () => {}"}}
	}
	first := func(uid, digest string) *v1alpha1.CrawlApproval {
		return &v1alpha1.CrawlApproval{
			ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "first"},
			Spec:       v1alpha1.CrawlApprovalSpec{CrawlJob: v1alpha1.ApprovedJob{Name: "board", UID: uid, Digest: digest}, Approver: "bob"},
		}
	}
	for name, tc := range map[string]struct {
		user          string
		objects       []client.Object
		says, refuses string
	}{
		"Approved":   {"bob", []client.Object{orderOfAda()}, "bob approves CrawlJob board\n  reference     DPIA-1", ""},
		"Already":    {"bob", []client.Object{orderOfAda(), first("u-1", digestOf(t, orderOfAda()))}, "research/first is there already", ""},
		"OfBefore":   {"bob", []client.Object{orderOfAda(), first("u-0", digestOf(t, orderOfAda()))}, "bob approves CrawlJob board\n  reference     DPIA-1", ""},
		"Changed":    {"bob", []client.Object{orderOfAda(), first("u-1", "sha256:before")}, "in place of research/first, which was of something else\n  reference     DPIA-1", ""},
		"NoDigest":   {"bob", []client.Object{orderOfAda(), first("u-1", "")}, "in place of research/first, which was of something else\n  reference     DPIA-1", ""},
		"Listed":     {"bob", []client.Object{orderOfAda(listed), ads("# two\nhttps://example.org/1\nhttps://example.org/2\n")}, "bob approves CrawlJob board\n  reference     DPIA-1", ""},
		"NoEntry":    {"bob", []client.Object{orderOfAda(listed)}, "", `seeds.configMaps: read what the order refers to: configmaps "ads" not found`},
		"NoAddress":  {"bob", []client.Object{orderOfAda(listed), ads("# none")}, "", "seeds.configMaps: ads/urls: it holds no address; no crawl would begin with it"},
		"Requester":  {"ada", []client.Object{orderOfAda()}, "", "ada has ordered CrawlJob board"},
		"Creator":    {"desk", []client.Object{orderOfAda(forOthers)}, "", "desk has ordered CrawlJob board"},
		"Over":       {"bob", []client.Object{orderOfAda(over)}, "", "is over"},
		"NoSuchName": {"bob", nil, "", "read the order"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := asUser(t, tc.user, tc.objects...)
			var out bytes.Buffer
			err := approve(t.Context(), c, client.ObjectKey{Namespace: "research", Name: "board"}, "seen", &out)
			if (err != nil) != (tc.refuses != "") || err != nil && !strings.Contains(err.Error(), tc.refuses) {
				t.Errorf("error %v, want %q", err, tc.refuses)
			}
			if !strings.Contains(out.String(), tc.says) {
				t.Errorf("it says %q, want %q", out.String(), tc.says)
			}
			var list v1alpha1.CrawlApprovalList
			if err := c.List(t.Context(), &list); err != nil {
				t.Fatal(err)
			}
			made := 0
			for _, a := range list.Items {
				if a.Name == "first" {
					continue
				}
				made++
				if a.Spec.Approver != tc.user || a.Spec.CrawlJob.UID != "u-1" || a.Spec.Comment != "seen" ||
					!strings.HasPrefix(a.Name, "board-") || len(a.OwnerReferences) != 1 || a.OwnerReferences[0].UID != "u-1" {
					t.Errorf("created %+v", a)
				}
			}
			if want := strings.Count(tc.says, "reference"); made != want {
				t.Errorf("%d approvals were created, want %d", made, want)
			}
		})
	}
}

// TestApprovalNamesFit: the API server adds five characters to what it is given.
func TestApprovalNamesFit(t *testing.T) {
	t.Parallel()
	for job, want := range map[string]string{
		"board":                              "board-",
		strings.Repeat("a", 253):             strings.Repeat("a", 247) + "-",
		strings.Repeat("a", 246) + ".bcdefg": strings.Repeat("a", 246) + "-",
	} {
		if got := prefix(job); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// digestOf is that of an order that refers to nothing.
func digestOf(t *testing.T, job *v1alpha1.CrawlJob) string {
	t.Helper()
	held, err := runtime.DefaultUnstructuredConverter.ToUnstructured(job)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := orders.Digest(held["spec"].(map[string]any), nil)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}
