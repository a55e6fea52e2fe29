package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
)

// orderOf is a job that a person orders.
func orderOf(name, requestedBy string, seeds ...string) *v1alpha1.CrawlJob {
	if len(seeds) == 0 {
		seeds = []string{"https://example.org/"}
	}
	job := harness.NewJob(name, seeds...)
	job.Spec.Authorization.RequestedBy = requestedBy
	return job
}

// orderedBy says who gives an order.
func orderedBy(job *v1alpha1.CrawlJob, name string) *v1alpha1.CrawlJob {
	job.Annotations = map[string]string{v1alpha1.AnnotationOrderedBy: name}
	return job
}

// scheduleOf is the same order again and again.
func scheduleOf(job *v1alpha1.CrawlJob) *v1alpha1.CrawlSchedule {
	s := &v1alpha1.CrawlSchedule{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "CrawlSchedule"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: job.Name, Annotations: job.Annotations},
	}
	s.Spec.Schedule.Cron = []v1alpha1.CronExpression{"30 3 * * *"}
	s.Spec.JobTemplate.Spec = job.Spec
	return s
}

// approvalOf is a person's approval of a job, and of something else than what there is.
func approvalOf(job *v1alpha1.CrawlJob, approver string) *v1alpha1.CrawlApproval {
	return &v1alpha1.CrawlApproval{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "CrawlApproval"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: job.Name + "-" + approver},
		Spec:       v1alpha1.CrawlApprovalSpec{CrawlJob: v1alpha1.ApprovedJob{Name: job.Name, UID: string(job.UID), Digest: "sha256:" + strings.Repeat("0", 64)}, Approver: approver},
	}
}

// create creates a resource as a user.
func create(t *testing.T, u *harness.User, resource any) error {
	t.Helper()
	b, err := json.Marshal(resource)
	if err != nil {
		t.Fatal(err)
	}
	_, err = u.Kubectl(t.Context(), string(b), "create", "-f", "-")
	return err
}

// setApprovals changes the fleet's policy and waits until the API server goes by it.
func setApprovals(t *testing.T, fleet *harness.Fleet, n int) {
	t.Helper()
	patch := fmt.Sprintf(`{"spec":{"policy":{"approvals":%d}}}`, n)
	if _, err := fleet.Kubectl(t.Context(), "", "-n", "crawlfleet-system", "patch", "crawlfleet", v1alpha1.FleetName, "--type=merge", "-p", patch); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("this fleet wants %d approvals", n)
	deadline := time.Now().Add(troubleTimeout)
	for {
		err := fleet.TryApply(t.Context(), orderOf("probe", "somebody else"), "--dry-run=server")
		if (n == 0 && err == nil) || (err != nil && strings.Contains(err.Error(), want)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the API server does not go by the policy: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// TestAPIServerJudgesOrders has real users order, change and approve crawls: what the API server lets through, and its words
// for what it does not.
func TestAPIServerJudgesOrders(t *testing.T) {
	t.Parallel()
	fleet := harness.Start(t, harness.Options{NoOperator: true, Workers: -1})
	ada, bob, desk, operator := fleet.User(t, "ada"), fleet.User(t, "bob"), fleet.User(t, "desk"), fleet.User(t, "operator")
	const editor, approver = "crawlfleet-crawljob-editor", "crawlfleet-crawlapproval-approver"
	ada.May(t, editor, "crawlfleet-crawlschedule-editor", approver)
	bob.May(t, approver)
	desk.May(t, editor, "crawlfleet-crawlschedule-editor", "crawlfleet-orderforothers")
	operator.May(t, "crawlfleet-operator") // as the service account of that name may

	purpose := func(job *v1alpha1.CrawlJob) *v1alpha1.CrawlJob {
		job.Spec.Authorization.Purpose = "Curiosity"
		return job
	}
	type attempt struct {
		who      *harness.User
		resource any
		want     string // empty for one that is taken
	}
	attempts := func(t *testing.T, list []attempt) {
		t.Helper()
		for _, a := range list {
			err := create(t, a.who, a.resource)
			switch text := fmt.Sprint(err); {
			case a.want == "" && err != nil:
				t.Errorf("%s is refused: %v", a.who.Name, err)
			case a.want != "" && !strings.Contains(text, a.want):
				b, _ := json.Marshal(a.resource)
				t.Errorf("%s creates %s:\n got %s\nwant %s", a.who.Name, b, text, a.want)
			}
		}
	}
	const (
		notYou   = "must be your own user name, "
		purposes = "it must be one of VictimIdentification, EvidencePreservation, Testing (CrawlFleet crawlfleet-system/crawlfleet)"
	)

	t.Run("Orders", func(t *testing.T) {
		attempts(t, []attempt{
			{ada, orderOf("own", "ada"), ""},
			{ada, orderOf("others", "bob"), "spec.authorization.requestedBy " + notYou + "ada"},
			{ada, orderedBy(orderOf("falsely", "ada"), "bob"), "crawlfleet.dev/ordered-by " + notYou + "ada"},
			{ada, orderedBy(orderOf("truly", "ada"), "ada"), ""},
			{ada, purpose(orderOf("curious", "ada")), "spec.authorization.purpose Curiosity is none that this fleet crawls for: " + purposes},
			{ada, scheduleOf(orderOf("own", "ada")), ""},
			{ada, scheduleOf(orderOf("others", "bob")), "spec.jobTemplate.spec.authorization.requestedBy " + notYou + "ada"},
			{ada, scheduleOf(purpose(orderOf("curious", "ada"))), "spec.jobTemplate.spec.authorization.purpose Curiosity is none"},
			{desk, orderOf("unit", "Research unit"), ""},
			{desk, orderedBy(orderOf("falsely-too", "Research unit"), "ada"), notYou + "desk"},
			{bob, orderOf("bobs", "bob"), `User "bob" cannot create resource "crawljobs"`},
			{operator, orderedBy(orderOf("scheduled", "bob"), "ada"), ""},
		})
	})
	t.Run("Changes", func(t *testing.T) {
		for _, c := range []struct{ resource, patch, want string }{
			{"crawljob/own", `{"metadata":{"annotations":{"crawlfleet.dev/ordered-by":"ada"}}}`, "cannot be changed once the CrawlJob exists"},
			{"crawljob/truly", `{"metadata":{"annotations":{"crawlfleet.dev/ordered-by":null}}}`, "cannot be changed once the CrawlJob exists"},
			{"crawljob/own", `{"spec":{"limits":{"pages":20000}}}`, ""},
			{"crawlschedule/own", `{"spec":{"jobTemplate":{"spec":{"authorization":{"requestedBy":"bob"}}}}}`, notYou + "ada"},
			{"crawlschedule/own", `{"metadata":{"annotations":{"crawlfleet.dev/ordered-by":"bob"}}}`, notYou + "ada"},
			{"crawlschedule/own", `{"spec":{"jobTemplate":{"spec":{"limits":{"pages":5}}}}}`, ""},
		} {
			_, err := ada.Kubectl(t.Context(), "", "patch", c.resource, "--type=merge", "-p", c.patch)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s %s:\n got %v\nwant %s", c.resource, c.patch, err, c.want)
			}
		}
		// Whoever changes what a schedule orders is who orders from then on; what it does not order they may change.
		if _, err := desk.Kubectl(t.Context(), "", "patch", "crawlschedule/own", "--type=merge", "-p", `{"spec":{"state":"Suspended"}}`); err != nil {
			t.Errorf("another user cannot suspend a schedule: %v", err)
		}
	})
	t.Run("Approvals", func(t *testing.T) {
		job := fleet.Job(t, "own")
		blind := approvalOf(job, "bob")
		blind.Spec.CrawlJob.Digest = ""
		attempts(t, []attempt{
			{bob, blind, "spec.crawlJob.digest: Required value"},
			{bob, approvalOf(job, "bob"), ""},
			{ada, approvalOf(job, "bob"), "spec.approver " + notYou + "ada"},
			{bob, approvalOf(job, "ada"), "spec.approver " + notYou + "bob"},
			{desk, approvalOf(job, "desk"), `User "desk" cannot create resource "crawlapprovals"`},
		})
		_, err := bob.Kubectl(t.Context(), "", "patch", "crawlapproval/own-bob", "--type=merge", "-p", `{"spec":{"comment":"all right"}}`)
		if err == nil || !strings.Contains(err.Error(), `cannot patch resource "crawlapprovals"`) {
			t.Errorf("who approves can change an approval: %v", err)
		}
		_, err = fleet.Kubectl(t.Context(), "", "patch", "crawlapproval/own-bob", "--type=merge", "-p", `{"spec":{"approver":"ada"}}`)
		if err == nil || !strings.Contains(err.Error(), "an approval cannot be changed") {
			t.Errorf("an administrator can change an approval: %v", err)
		}
	})
	t.Run("WhereApprovalsAreWanted", func(t *testing.T) {
		setApprovals(t, fleet, 2)
		unsaid := "this fleet wants 2 approvals by other people than who ordered, so that must be known: add the annotation crawlfleet.dev/ordered-by: "
		attempts(t, []attempt{
			{ada, orderOf("approved", "ada"), ""},
			{desk, orderOf("approved-desk", "Research unit"), unsaid + "desk"},
			{desk, orderedBy(orderOf("approved-desk", "Research unit"), "desk"), ""},
			{ada, scheduleOf(orderOf("approved", "ada")), unsaid + "ada"},
			{ada, scheduleOf(orderedBy(orderOf("approved", "ada"), "ada")), ""},
		})
		for patch, want := range map[string]string{
			`{"spec":{"limits":{"pages":30000}}}`:                                             "what was approved would become more: order a new CrawlJob",
			`{"spec":{"seeds":{"urls":["https://example.org/","https://www.example.org/"]}}}`: "what was approved would become more: order a new CrawlJob",
			`{"spec":{"state":"Suspended"}}`:                                                  "",
			`{"metadata":{"finalizers":["crawlfleet.dev/crawl"]}}`:                            "",
		} {
			_, err := ada.Kubectl(t.Context(), "", "patch", "crawljob/own", "--type=merge", "-p", patch)
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s:\n got %v\nwant %s", patch, err, want)
			}
		}
	})
	t.Run("WithoutAFleet", func(t *testing.T) {
		if _, err := fleet.Kubectl(t.Context(), "", "-n", "crawlfleet-system", "delete", "crawlfleet", v1alpha1.FleetName); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(troubleTimeout)
		for {
			err := fleet.TryApply(t.Context(), orderOf("late", "ada"), "--dry-run=server")
			if err != nil && strings.Contains(err.Error(), "no params found for policy binding") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("orders are taken although there is no CrawlFleet: %v", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		// What there is can be suspended and let go: a deletion would hang else.
		for resource, patch := range map[string]string{
			"crawljob/own":           `{"metadata":{"finalizers":[]},"spec":{"state":"Active"}}`,
			"crawlschedule/own":      `{"metadata":{"finalizers":[]},"spec":{"state":"Active"}}`,
			"crawlschedule/approved": `{"spec":{"state":"Suspended"}}`,
		} {
			if _, err := ada.Kubectl(t.Context(), "", "patch", resource, "--type=merge", "-p", patch); err != nil {
				t.Error(err)
			}
		}
	})
}
