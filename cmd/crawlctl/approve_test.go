package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
)

// asUser is an API server that takes whoever asks for a user.
func asUser(t *testing.T, user string, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, authenticationv1.AddToScheme} {
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
	first := func(uid string) *v1alpha1.CrawlApproval {
		return &v1alpha1.CrawlApproval{
			ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "first"},
			Spec:       v1alpha1.CrawlApprovalSpec{CrawlJob: v1alpha1.ApprovedJob{Name: "board", UID: uid}, Approver: "bob"},
		}
	}
	for name, tc := range map[string]struct {
		user          string
		objects       []client.Object
		says, refuses string
	}{
		"Approved":   {"bob", []client.Object{orderOfAda()}, "bob approves CrawlJob board\n  reference     DPIA-1", ""},
		"Already":    {"bob", []client.Object{orderOfAda(), first("u-1")}, "research/first is there already", ""},
		"OfBefore":   {"bob", []client.Object{orderOfAda(), first("u-0")}, "bob approves CrawlJob board\n  reference     DPIA-1", ""},
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
