package crawljob

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/order"
	"crawlfleet.dev/crawlfleet/workflows"
)

// boardDigest is that of the CrawlJob of the tests.
var boardDigest = digestOf(jobWith(), nil)

// digestOf is what an approval is of that is given now.
func digestOf(job *v1alpha1.CrawlJob, texts map[string]string) string {
	held, err := runtime.DefaultUnstructuredConverter.ToUnstructured(job)
	if err != nil {
		panic(err)
	}
	digest, err := order.Digest(held["spec"].(map[string]any), texts)
	if err != nil {
		panic(err)
	}
	return digest
}

// of changes what an approval is of.
func of(digest string, a *v1alpha1.CrawlApproval) *v1alpha1.CrawlApproval {
	a.Spec.CrawlJob.Digest = digest
	return a
}

// approval is a person's approval of the CrawlJob of the tests, given some minutes after noon.
func approval(name, approver string, minutes int) *v1alpha1.CrawlApproval {
	return &v1alpha1.CrawlApproval{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "research", Name: name, UID: types.UID("uid-" + name), CreationTimestamp: metav1.NewTime(noon.Add(time.Duration(minutes) * time.Minute)),
		},
		Spec: v1alpha1.CrawlApprovalSpec{CrawlJob: v1alpha1.ApprovedJob{Name: "board", UID: string(uid), Digest: boardDigest}, Approver: approver},
	}
}

func counts(name, approver string, minutes int) workflows.Approval {
	return workflows.Approval{UID: "uid-" + name, Approver: approver, At: noon.Add(time.Duration(minutes) * time.Minute), Digest: boardDigest}
}

func TestApprovalsThatCount(t *testing.T) {
	t.Parallel()
	job := jobWith(func(job *v1alpha1.CrawlJob) {
		job.Annotations = map[string]string{v1alpha1.AnnotationOrderedBy: "ada"}
	})
	other := approval("other", "bob", 0)
	other.Spec.CrawlJob.UID = "uid-of-an-order-of-before"
	gone := approval("gone", "bob", 0)
	gone.DeletionTimestamp = &metav1.Time{Time: noon}
	for name, tc := range map[string]struct {
		reason string
		all    []*v1alpha1.CrawlApproval
		want   []workflows.Approval
		rest   uncounted
	}{
		"None":      {reason: "Nobody has."},
		"Another":   {"Somebody else has.", []*v1alpha1.CrawlApproval{approval("a", "bob", 1)}, []workflows.Approval{counts("a", "bob", 1)}, uncounted{}},
		"Requester": {"Who requested the crawl is not another person.", []*v1alpha1.CrawlApproval{approval("a", "desk", 1)}, nil, uncounted{own: 1}},
		"Creator":   {"Nor is who ordered it for them.", []*v1alpha1.CrawlApproval{approval("a", "ada", 1)}, nil, uncounted{own: 1}},
		"Twice": {"One person is one, and the older approval counts.", []*v1alpha1.CrawlApproval{approval("b", "bob", 2), approval("a", "bob", 1)},
			[]workflows.Approval{counts("a", "bob", 1)}, uncounted{own: 1}},
		"Two": {"In the order in which they came.", []*v1alpha1.CrawlApproval{approval("b", "eve", 2), approval("a", "bob", 1)},
			[]workflows.Approval{counts("a", "bob", 1), counts("b", "eve", 2)}, uncounted{}},
		"OtherOrder": {"An order of the same name is another one.", []*v1alpha1.CrawlApproval{other}, nil, uncounted{}},
		"Gone":       {"One that is being deleted is withdrawn.", []*v1alpha1.CrawlApproval{gone}, nil, uncounted{}},
		"Changed": {"What they have approved is not what would be started.", []*v1alpha1.CrawlApproval{of("sha256:before", approval("a", "bob", 1)), approval("b", "eve", 2)},
			[]workflows.Approval{counts("b", "eve", 2)}, uncounted{outdated: 1}},
		"Again": {"Whoever has approved it again has nothing left to do.", []*v1alpha1.CrawlApproval{of("sha256:before", approval("a", "bob", 1)), approval("b", "bob", 2)},
			[]workflows.Approval{counts("b", "bob", 2)}, uncounted{own: 1}},
		"NoDigest": {"Nobody knows what they have approved.", []*v1alpha1.CrawlApproval{of("", approval("a", "bob", 1))}, nil, uncounted{blind: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all []v1alpha1.CrawlApproval
			for _, a := range tc.all {
				all = append(all, *a)
			}
			got, rest := approvalsOf(job, boardDigest, all)
			if diff := cmp.Diff(tc.want, got); diff != "" || rest != tc.rest {
				t.Errorf("%s\n%+v do not count, want %+v (-want +got):\n%s", tc.reason, rest, tc.rest, diff)
			}
		})
	}
}

// TestPolicyHoldsAnOrderBack: no crawl begins until the policy lets it, and the status says
// what is needed.
func TestPolicyHoldsAnOrderBack(t *testing.T) {
	t.Parallel()
	purpose := func(job *v1alpha1.CrawlJob) { job.Spec.Authorization.Purpose = "Curiosity" }
	early := func(job *v1alpha1.CrawlJob) {
		job.Spec.Authorization.NotBefore = new(metav1.NewTime(noon.Add(time.Hour)))
	}
	for name, tc := range map[string]struct {
		objects []client.Object
		reason  workflows.Reason
		says    []string
		stalled metav1.ConditionStatus
	}{
		"Purpose": {[]client.Object{jobWith(purpose), fleet(0)}, workflows.ReasonPurposeNotAllowed, []string{"Curiosity", "Rescue, Test"}, metav1.ConditionTrue},
		"NoFleet": {[]client.Object{jobWith(), &v1alpha1.CrawlFleet{ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: v1alpha1.FleetName}}},
			workflows.ReasonFleetMissing, []string{"config/default/fleet.yaml"}, metav1.ConditionTrue},
		"NoApproval": {[]client.Object{jobWith(), fleet(1)}, workflows.ReasonApprovalMissing, []string{"0 of the 1", "crawlctl approve board -n research"}, metav1.ConditionFalse},
		"OneOfTwo":   {[]client.Object{jobWith(), fleet(2), approval("a", "bob", 1)}, workflows.ReasonApprovalMissing, []string{"1 of the 2"}, metav1.ConditionFalse},
		"OwnApproval": {[]client.Object{jobWith(), fleet(1), approval("a", "desk", 1)}, workflows.ReasonApprovalMissing, []string{"0 of the 1", "do not count", ": 1."},
			metav1.ConditionFalse},
		"Early": {[]client.Object{jobWith(early), fleet(1)}, workflows.ReasonApprovalMissing, []string{"0 of the 1"}, metav1.ConditionFalse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, tc.objects...)
			s.visit()
			s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionFalse, tc.reason)
			s.wantCondition(v1alpha1.ConditionStalled, tc.stalled, tc.reason)
			message := meta.FindStatusCondition(s.job().Status.Conditions, v1alpha1.ConditionAccepted).Message
			for _, want := range tc.says {
				if !strings.Contains(message, want) {
					t.Errorf("the message does not say %q: %s", want, message)
				}
			}
			if strings.Contains(message, "desk") {
				t.Errorf("the message, which becomes an event, names a person: %s", message)
			}
			if len(s.runs.inputs) != 0 {
				t.Error("the crawl was started all the same")
			}
		})
	}
}

// TestApprovedCrawlBegins: the workers are told who has approved, and the status too once the
// crawl reports.
func TestApprovedCrawlBegins(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(), fleet(1))
	s.visit()
	if err := s.Client.Create(t.Context(), approval("a", "bob", 1)); err != nil {
		t.Fatal(err)
	}
	s.visit()
	s.wantCondition(v1alpha1.ConditionAccepted, metav1.ConditionTrue, workflows.ReasonAccepted)
	if len(s.runs.inputs) != 1 {
		t.Fatalf("started %d times, want once", len(s.runs.inputs))
	}
	want := []workflows.Approval{counts("a", "bob", 1)}
	if diff := cmp.Diff(want, s.runs.inputs[0].Spec.Authorization.Approvals); diff != "" {
		t.Errorf("the workers are told (-want +got):\n%s", diff)
	}
	s.push(func(r *workflows.Report) { r.Approvals = want })
	s.visit()
	if got := s.job().Status.Approvals; len(got) != 1 || got[0].Approver != "bob" || got[0].UID != "uid-a" || !got[0].At.Time.Equal(want[0].At) {
		t.Errorf("status.approvals is %+v", got)
	}
}

// TestApprovalsThatNobodyWants: a crawl that needs none does not begin with any, so that its order
// can be widened, and one that has many begins with as many as the status can hold.
func TestApprovalsThatNobodyWants(t *testing.T) {
	t.Parallel()
	for wanted, want := range map[int32]int{0: 0, 1: maxApprovals} {
		objects := []client.Object{jobWith(), fleet(wanted)}
		for i := range maxApprovals + 6 {
			objects = append(objects, approval(fmt.Sprint("a", i), fmt.Sprint("person", i), i))
		}
		s := newStage(t, objects...)
		s.visit()
		s.visit()
		if len(s.runs.inputs) != 1 {
			t.Fatalf("%d wanted: started %d times", wanted, len(s.runs.inputs))
		}
		if got := len(s.runs.inputs[0].Spec.Authorization.Approvals); got != want {
			t.Errorf("%d wanted: it begins with %d, want %d", wanted, got, want)
		}
	}
}

// TestWithdrawal: a crawl is ended once fewer approvals are left than the fleet wants, and
// only then.
func TestWithdrawal(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason  string
		objects []client.Object // beside the CrawlJob; the crawl began with those of bob and eve
		ends    bool
	}{
		"All":      {"Nothing was withdrawn.", []client.Object{fleet(2), approval("a", "bob", 1), approval("b", "eve", 2)}, false},
		"One":      {"One of two that are wanted was.", []client.Object{fleet(2), approval("b", "eve", 2)}, true},
		"Enough":   {"One is left, and one is wanted.", []client.Object{fleet(1), approval("b", "eve", 2)}, false},
		"Raised":   {"More are wanted since: what began with less goes on.", []client.Object{fleet(3), approval("a", "bob", 1), approval("b", "eve", 2)}, false},
		"Replaced": {"Captures name those that it began with; another one is not among them.", []client.Object{fleet(2), approval("b", "eve", 2), approval("c", "kim", 3)}, true},
		"NoFleet":  {"Nobody knows how many are wanted.", []client.Object{&v1alpha1.CrawlFleet{ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: v1alpha1.FleetName}}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, append(tc.objects, jobWith(started(time.Minute)))...)
			s.runs.run.Known = true
			s.push(func(r *workflows.Report) {
				r.Approvals = []workflows.Approval{counts("a", "bob", 1), counts("b", "eve", 2)}
			})
			s.visit()
			var want []workflows.Reason
			if tc.ends {
				want = []workflows.Reason{workflows.ReasonApprovalWithdrawn}
				s.wantCondition(v1alpha1.ConditionSucceeded, metav1.ConditionUnknown, workflows.ReasonSealing)
			}
			if !slices.Equal(s.runs.ends, want) {
				t.Errorf("%s ended for %v, want %v", tc.reason, s.runs.ends, want)
			}
		})
	}
}

// TestWithdrawalIsMadeSure: a cache that is late ends no crawl.
func TestWithdrawalIsMadeSure(t *testing.T) {
	t.Parallel()
	s := newStage(t, jobWith(started(time.Minute)), fleet(1))
	s.Reader = newStage(t, approval("a", "bob", 1)).Client
	s.runs.run.Known = true
	s.push(func(r *workflows.Report) { r.Approvals = []workflows.Approval{counts("a", "bob", 1)} })
	s.visit()
	if len(s.runs.ends) != 0 {
		t.Errorf("ended for %v", s.runs.ends)
	}
}

// TestWhoIsVisited: an approval has its CrawlJob visited, the policy all that have not begun.
func TestWhoIsVisited(t *testing.T) {
	t.Parallel()
	named := func(name string) func(*v1alpha1.CrawlJob) {
		return func(job *v1alpha1.CrawlJob) { job.Name = name }
	}
	s := newStage(t, jobWith(), jobWith(named("runs"), started(time.Minute)), jobWith(named("over"), over))
	board := []reconcile.Request{{NamespacedName: name}}
	if got := approved(context.Background(), approval("a", "bob", 1)); !slices.Equal(got, board) {
		t.Errorf("an approval has %v visited", got)
	}
	if got := s.undecided(t.Context(), fleet(1)); !slices.Equal(got, board) {
		t.Errorf("the policy has %v visited", got)
	}
	if got := s.undecided(t.Context(), &v1alpha1.CrawlFleet{ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: v1alpha1.FleetName}}); got != nil {
		t.Errorf("a CrawlFleet of somewhere else has %v visited", got)
	}
}
