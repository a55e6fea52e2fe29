package e2e

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/board"
)

// leaseTick is within what time a worker hears that a crawl is to end.
const leaseTick = 15 * time.Second

// navigatedAfter counts pages whose loading began after a time.
func navigatedAfter(srv *sites.Server, at time.Time) int {
	n := 0
	for _, e := range srv.Log.Entries(sites.Filter{}) {
		if e.Start.After(at) && strings.HasPrefix(e.Type, "text/html") {
			n++
		}
	}
	return n
}

// slowBoard is a site that takes minutes to crawl, and an order for it.
func slowBoard(t *testing.T, name, requestedBy string) (*sites.Server, *v1alpha1.CrawlJob) {
	t.Helper()
	srv := serve(t, board.New(board.Options{Ads: 300}))
	job := orderOf(name, requestedBy, srv.URL+"/")
	job.Spec.Politeness.DelaySeconds = new(int32(1))
	return srv, job
}

// approve runs crawlctl as a person does, and returns what it prints.
func approve(t *testing.T, fleet *harness.Fleet, u *harness.User, job string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), fleet.Binary(t, "crawlctl"), "approve", job, "--yes", "--kubeconfig", u.Kubeconfig, "--comment", "read it")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// sealedFor asserts that a crawl ended for a reason, that what it captured is sealed, and that its books balance with what it
// did not visit because of that.
func sealedFor(t *testing.T, fleet *harness.Fleet, name, reason string) *v1alpha1.CrawlJob {
	t.Helper()
	fleet.WaitFor(t, "crawl/"+name, "Finished", troubleTimeout)
	job := fleet.Job(t, name)
	for kind, want := range map[string]metav1.ConditionStatus{"Succeeded": "False", "Sealed": "True", "Stalled": "True", "Accepted": "True"} {
		c := harness.Condition(job, kind)
		if c.Status != want || kind != "Accepted" && c.Reason != reason {
			t.Errorf("%s is %s: %s: %s, want %s: %s", kind, c.Status, c.Reason, c.Message, want, reason)
		}
	}
	left := int64(0)
	for _, r := range job.Status.SkippedByReason {
		if r.Reason == reason {
			left = r.Count
		}
	}
	c := job.Status.Counters
	if left == 0 || *c.Archived == 0 || *c.Discovered != *c.Archived+*c.Failed+*c.Skipped {
		t.Errorf("%d pages were left out for %s; the books: %+v", left, reason, c)
	}
	if n := int64(len(fleet.ReadRun(t, name).Pages())); n != *c.Archived {
		t.Errorf("the archive has %d pages, the status says %d", n, *c.Archived)
	}
	return job
}

// TestAuthorizationEndsInMidCrawl: no page is loaded once it is over, and what was captured is sealed.
func TestAuthorizationEndsInMidCrawl(t *testing.T) {
	t.Parallel()
	fleet := harness.Start(t, harness.Options{})
	srv, job := slowBoard(t, "ends", "integration tests")
	end := time.Now().Add(40 * time.Second).Truncate(time.Second)
	job.Spec.Authorization.NotAfter = metav1.NewTime(end)
	fleet.Apply(t, job)
	fleet.WaitUntil(t, "ends", "some pages are archived", crawlTimeout, archivedMoreThan(0))
	if !time.Now().Before(end) {
		t.Fatal("the authorisation ended before a page was archived: this machine is too slow for the test")
	}
	done := sealedFor(t, fleet, "ends", "AuthorizationExpired")
	// Workers look at the clock before each page: they need not hear of it.
	if n := navigatedAfter(srv, end.Add(time.Second)); n != 0 {
		t.Errorf("%d pages were loaded after the authorisation had ended at %v", n, end)
	}
	if late := done.Status.FinishedAt.Sub(end); late < 0 || late > 2*time.Minute {
		t.Errorf("finished %v after the end of the authorisation", late)
	}
}

// TestApproval has one person order a crawl and others approve it: it begins when another one has, every capture says who,
// and it ends when they take it back.
func TestApproval(t *testing.T) {
	t.Parallel()
	fleet := harness.Start(t, harness.Options{NoOperator: true})
	ada, bob, operator := fleet.User(t, "ada"), fleet.User(t, "bob"), fleet.User(t, "operator")
	// With the rights that it has in production, and no more.
	for _, bind := range [][]string{
		{"clusterrolebinding", "operator", "--clusterrole=crawlfleet-operator"},
		{"rolebinding", "operator", "--namespace=crawlfleet-system", "--role=crawlfleet-operator"},
	} {
		if _, err := fleet.Kubectl(t.Context(), "", append(append([]string{"create"}, bind...), "--user=operator")...); err != nil {
			t.Fatal(err)
		}
	}
	fleet.AddOperator(t, "--kubeconfig", operator.Kubeconfig)
	ada.May(t, "crawlfleet-crawljob-editor", "crawlfleet-crawlschedule-editor", "crawlfleet-crawlapproval-approver")
	bob.May(t, "crawlfleet-crawlapproval-approver")
	setApprovals(t, fleet, 1)
	waits := func(job *v1alpha1.CrawlJob) bool {
		c := harness.Condition(job, "Accepted")
		return c.Status == "False" && c.Reason == "ApprovalMissing"
	}

	t.Run("OfAnother", func(t *testing.T) {
		b := board.New(board.Options{Ads: 6})
		srv := serve(t, b)
		if err := create(t, ada, orderOf("approved", "ada", srv.URL+"/")); err != nil {
			t.Fatal(err)
		}
		job := fleet.WaitUntil(t, "approved", "it waits for an approval", troubleTimeout, waits)
		if m := harness.Condition(job, "Accepted").Message; !strings.Contains(m, "crawlctl approve approved -n default") {
			t.Errorf("the condition does not say what to do: %s", m)
		}
		if out, err := approve(t, fleet, ada, "approved"); err == nil || !strings.Contains(out, "ada has ordered CrawlJob approved") {
			t.Errorf("who ordered approves: %v: %s", err, out)
		}
		if err := create(t, ada, approvalOf(job, "ada")); err != nil { // as without crawlctl
			t.Fatal(err)
		}
		fleet.WaitUntil(t, "approved", "its own approval is passed over", troubleTimeout, func(job *v1alpha1.CrawlJob) bool {
			return waits(job) && strings.Contains(harness.Condition(job, "Accepted").Message, "do not count")
		})
		if n := len(srv.Log.Entries(sites.Filter{})); n != 0 {
			t.Errorf("%d requests reached the site before the order was approved", n)
		}
		out, err := approve(t, fleet, bob, "approved")
		if err != nil || !strings.Contains(out, "bob approves CrawlJob approved") {
			t.Fatalf("bob approves: %v: %s", err, out)
		}
		done := succeeded(t, fleet, "approved")
		if got := done.Status.Approvals; len(got) != 1 || got[0].Approver != "bob" || !strings.Contains(out, got[0].Digest) {
			t.Errorf("status.approvals is %+v, want bob's: %s", got, out)
		}
		for _, c := range fleet.ReadRun(t, "approved").Chunks {
			saysWhoApproved(t, c, done.Status.Approvals)
		}
	})
	t.Run("OfAList", func(t *testing.T) { approvesAList(t, fleet, ada, bob) })
	t.Run("BySchedule", func(t *testing.T) { ordersByCalendar(t, fleet, ada) })
	t.Run("Withdrawn", func(t *testing.T) {
		srv, job := slowBoard(t, "withdrawn", "ada")
		if err := create(t, ada, job); err != nil {
			t.Fatal(err)
		}
		fleet.WaitUntil(t, "withdrawn", "it waits for an approval", troubleTimeout, waits)
		if out, err := approve(t, fleet, bob, "withdrawn"); err != nil {
			t.Fatalf("bob approves: %v: %s", err, out)
		}
		fleet.WaitUntil(t, "withdrawn", "some pages are archived", crawlTimeout, archivedMoreThan(0))
		if _, err := ada.Kubectl(t.Context(), "", "patch", "crawl/withdrawn", "--type=merge", "-p", `{"spec":{"limits":{"pages":20000}}}`); err == nil {
			t.Error("an order was widened after it had been approved")
		}
		names, err := bob.Kubectl(t.Context(), "", "get", "crawlapprovals", "-o", `jsonpath={.items[?(@.spec.crawlJob.name=="withdrawn")].metadata.name}`)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bob.Kubectl(t.Context(), "", "delete", "crawlapproval", names); err != nil {
			t.Fatal(err)
		}
		withdrawn := time.Now()
		sealedFor(t, fleet, "withdrawn", "ApprovalWithdrawn")
		if n := navigatedAfter(srv, withdrawn.Add(leaseTick+5*time.Second)); n != 0 {
			t.Errorf("%d pages were loaded later than a lease tick after the approval was withdrawn", n)
		}
	})
}

// approvesAList has a list of seeds changed after it was approved: the crawl waits, says so, and begins with the new list once
// that is approved.
func approvesAList(t *testing.T, fleet *harness.Fleet, ada, bob *harness.User) {
	t.Helper()
	srv := serve(t, board.New(board.Options{Ads: 6}))
	list := func(paths ...string) map[string]any {
		return map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": "default", "name": "list"},
			"data": map[string]string{"urls.txt": srv.URL + strings.Join(paths, "\n"+srv.URL) + "\n"},
		}
	}
	fleet.Apply(t, list("/info/about"))
	order := orderOf("list", "ada")
	order.Spec.Seeds = v1alpha1.Seeds{ConfigMaps: []v1alpha1.SeedConfigMap{{Name: "list", Key: "urls.txt"}}}
	order.Spec.Scope = v1alpha1.Scope{Type: v1alpha1.ScopePage}
	order.Spec.State = v1alpha1.StateSuspended // so that it does not begin between its approval and the change
	if err := create(t, ada, order); err != nil {
		t.Fatal(err)
	}
	first, err := approve(t, fleet, bob, "list")
	if err != nil || !strings.Contains(first, "list/urls.txt: 1 addresses") {
		t.Fatalf("bob approves: %v: %s", err, first)
	}
	fleet.Apply(t, list("/info/about", "/info/safety"))
	if _, err := ada.Kubectl(t.Context(), "", "patch", "crawl/list", "--type=merge", "-p", `{"spec":{"state":"Active"}}`); err != nil {
		t.Fatal(err)
	}
	fleet.WaitUntil(t, "list", "what was approved has changed", troubleTimeout, func(job *v1alpha1.CrawlJob) bool {
		c := harness.Condition(job, "Accepted")
		return c.Reason == "ApprovalMissing" && strings.Contains(c.Message, "has changed since: 1. Read it and approve it again")
	})
	if n := len(srv.Log.Entries(sites.Filter{})); n != 0 {
		t.Errorf("%d requests reached the site before the new list was approved", n)
	}
	again, err := approve(t, fleet, bob, "list")
	if err != nil || !strings.Contains(again, "list/urls.txt: 2 addresses") || !strings.Contains(again, "which was of something else") {
		t.Fatalf("bob approves it again: %v: %s", err, again)
	}
	done := succeeded(t, fleet, "list")
	if got := done.Status.Approvals; len(got) != 1 || got[0].Digest == "" || !strings.Contains(again, got[0].Digest) || strings.Contains(first, got[0].Digest) {
		t.Errorf("status.approvals is %+v, want bob's second one: %s", got, again)
	}
	run := fleet.ReadRun(t, "list")
	if got := run.Paths(srv.URL); !slices.Equal(got, []string{"/info/about", "/info/safety"}) {
		t.Errorf("the archive has %v, want what was approved", got)
	}
	for _, c := range run.Chunks {
		saysWhoApproved(t, c, done.Status.Approvals)
	}
}

// ordersByCalendar asserts that the CrawlJobs of a schedule say who ordered that, and wait to be approved.
func ordersByCalendar(t *testing.T, fleet *harness.Fleet, who *harness.User) {
	t.Helper()
	s := scheduleOf(orderedBy(orderOf("calendar", who.Name), who.Name))
	s.Spec.Schedule = v1alpha1.CrawlTimes{Intervals: []v1alpha1.Interval{{EverySeconds: 5}}}
	if err := create(t, who, s); err != nil {
		t.Fatal(err)
	}
	c := calendar{Fleet: fleet, name: "calendar"}
	_, jobs := c.until(t, "a CrawlJob waits for an approval", func(_ *v1alpha1.CrawlSchedule, jobs []v1alpha1.CrawlJob) bool {
		return len(jobs) > 0 && harness.Condition(&jobs[0], "Accepted").Reason == "ApprovalMissing"
	})
	if got := jobs[0].Annotations[v1alpha1.AnnotationOrderedBy]; got != who.Name {
		t.Errorf("the CrawlJob of the schedule was ordered by %q, want %s", got, who.Name)
	}
	c.patch(t, `{"state":"Suspended"}`)
}

// saysWhoApproved asserts that a chunk names, in capture.json, the approvals of its order.
func saysWhoApproved(t *testing.T, c harness.Chunk, want []v1alpha1.CountedApproval) {
	t.Helper()
	var got struct {
		Authorization struct {
			RequestedBy string
			Approvals   []v1alpha1.CountedApproval
		}
	}
	if err := json.Unmarshal(c.Provenance, &got); err != nil {
		t.Fatalf("%s: capture.json: %v", c.Key, err)
	}
	a := got.Authorization
	if a.RequestedBy != "ada" || len(a.Approvals) != len(want) || a.Approvals[0].UID != want[0].UID || a.Approvals[0].Approver != "bob" || a.Approvals[0].Digest != want[0].Digest ||
		!a.Approvals[0].At.Time.Equal(want[0].At.Time) {
		t.Errorf("%s: capture.json says %+v, want ada's order with the approvals %+v", c.Key, a, want)
	}
}
