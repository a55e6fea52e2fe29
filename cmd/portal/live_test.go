package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/spf13/pflag"
	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/portal/live"
	"crawlfleet.dev/crawlfleet/workflows"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// condition makes a condition from "Type=Status:Reason".
func conditions(all ...string) []metav1.Condition {
	var list []metav1.Condition
	for _, c := range all {
		var kind, status, reason string
		_, _ = fmt.Sscanf(c, "%s %s %s", &kind, &status, &reason) // a fault shows in the test
		list = append(list, metav1.Condition{Type: kind, Status: metav1.ConditionStatus(status), Reason: reason, Message: "about " + reason})
	}
	return list
}

func TestStanding(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		conditions []metav1.Condition
		state      live.State
		reason     string
	}{
		{"new", nil, live.Waiting, ""},
		{"not approved", conditions("Succeeded Unknown ApprovalMissing", "Accepted False ApprovalMissing"), live.Waiting, "ApprovalMissing"},
		{"without a fleet", conditions("Succeeded Unknown FleetMissing", "Accepted False FleetMissing", "Stalled True FleetMissing"), live.Stalled, "FleetMissing"},
		{"runs", conditions("Succeeded Unknown Crawling", "Accepted True Accepted", "Stalled False Crawling"), live.Running, "Crawling"},
		{"stalls", conditions("Succeeded Unknown Crawling", "Accepted True Accepted", "Stalled True StoreFull"), live.Stalled, "StoreFull"},
		{"paused", conditions("Succeeded Unknown Suspended", "Accepted True Accepted"), live.Suspended, "Suspended"},
		{"seals", conditions("Succeeded Unknown Sealing", "Accepted True Accepted"), live.Ending, "Sealing"},
		{"done", conditions("Succeeded True Completed", "Finished True Completed", "Accepted True Accepted"), live.Succeeded, "Completed"},
		{"failed", conditions("Succeeded False NothingArchived", "Finished True NothingArchived", "Stalled True NothingArchived"), live.Failed, "NothingArchived"},
		{"cancelled", conditions("Succeeded False Cancelled", "Finished True Cancelled"), live.Cancelled, "Cancelled"},
	} {
		j := &v1alpha1.CrawlJob{Status: v1alpha1.CrawlJobStatus{Conditions: tc.conditions}}
		state, reason, message := standing(j)
		if state != tc.state || reason != tc.reason || message == "" {
			t.Errorf("%s: %s %s %q, want %s %s", tc.name, state, reason, message, tc.state, tc.reason)
		}
	}
}

// TestJobsOfNamespaces: the portal of a fleet that serves some namespaces asks for their jobs alone: it may not see others.
func TestJobsOfNamespaces(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	jobIn := func(namespace string) *v1alpha1.CrawlJob {
		return &v1alpha1.CrawlJob{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "board"}}
	}
	var asked []string
	all := fake.NewClientBuilder().WithScheme(scheme).WithObjects(jobIn("north"), jobIn("south"), jobIn("others")).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			var o client.ListOptions
			asked = append(asked, o.ApplyOptions(opts).Namespace)
			return c.List(ctx, list, opts...)
		},
	}).Build()
	for list, c := range map[string]struct {
		asks []string
		jobs int
	}{"": {[]string{""}, 3}, "north,south": {[]string{"north", "south"}, 2}, "none": {[]string{"none"}, 0}} {
		asked = nil
		found, err := jobs{all, namespacesOf(list)}.Jobs(t.Context())
		if diff := cmp.Diff(c.asks, asked); diff != "" || err != nil || len(found) != c.jobs {
			t.Errorf("%q: %d jobs, want %d, %v; it asked -want, +got:\n%s", list, len(found), c.jobs, err, diff)
		}
	}
}

func TestJobs(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	archived, rate, started := int64(7), int32(12), metav1.NewTime(noon)
	j := &v1alpha1.CrawlJob{ObjectMeta: metav1.ObjectMeta{Namespace: "one", Name: "ads", UID: "u1", CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour))}}
	for i := range live.MaxSeeds + 5 {
		j.Spec.Seeds.URLs = append(j.Spec.Seeds.URLs, v1alpha1.SeedURL(fmt.Sprintf("https://www.example.org/%d", i)))
	}
	j.Status = v1alpha1.CrawlJobStatus{
		Conditions: conditions("Succeeded Unknown Crawling", "Accepted True Accepted"), Counters: &v1alpha1.Counters{Archived: &archived},
		PagesPerMinute: &rate, StartedAt: &started, FailedByReason: []v1alpha1.ReasonCount{{Reason: "PageTimeout", Count: 2}},
	}
	all, err := jobs{reader: fake.NewClientBuilder().WithScheme(scheme).WithObjects(j).Build()}.Jobs(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	got := all[0]
	if got.Namespace != "one" || got.UID != "u1" || got.State != live.Running || got.Counters.Archived != 7 || *got.PagesPerMinute != 12 || !got.Started.Equal(noon) ||
		len(got.Seeds) != live.MaxSeeds || got.SeedCount != live.MaxSeeds+5 || got.FailedByReason[0].Reason != "PageTimeout" || !got.Created.Equal(noon.Add(-time.Hour)) {
		t.Errorf("the job is %+v", got)
	}
}

// described answers what Temporal would.
type described struct {
	answer *workflowservice.DescribeWorkflowExecutionResponse
	err    error
	asked  []string
}

func (d *described) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	d.asked = append(d.asked, id)
	return d.answer, d.err
}

// heartbeat is a pending activity with the details of its last heartbeat.
func heartbeat(t *testing.T, activity string, p workflows.BundleProgress) *workflowpb.PendingActivityInfo {
	t.Helper()
	details, err := converter.GetDefaultDataConverter().ToPayloads(p)
	if err != nil {
		t.Fatal(err)
	}
	return &workflowpb.PendingActivityInfo{ActivityType: &commonpb.ActivityType{Name: activity}, HeartbeatDetails: details, Attempt: 2}
}

func put(t *testing.T, bucket *blob.Bucket, key string, body []byte) {
	t.Helper()
	sum := sha256.Sum256(body)
	if _, err := bucket.Put(t.Context(), blob.Key(key), blob.Content{Body: bytes.NewReader(body), Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}); err != nil {
		t.Fatal(err)
	}
}

// plan stores the frontier of a job with two pages on a host, of which a bundle is out, as Plan does.
func plan(t *testing.T, bucket *blob.Bucket, job live.Job) (bundle string) {
	t.Helper()
	rules, err := frontier.NewRules(frontier.Spec{Scope: "Host", Seeds: []string{"https://www.example.org/1", "https://www.example.org/2", "https://www.example.net/"}})
	if err != nil {
		t.Fatal(err)
	}
	state := frontier.New(rules)
	if err := state.Add([]string{"https://www.example.org/1", "https://www.example.org/2", "https://www.example.net/"}); err != nil {
		t.Fatal(err)
	}
	out := state.Choose(noon, 2, "x")[0]
	folder := base(job) + "/s/0"
	m, objects, err := state.Seal(job.UID, "n", "", folder+"/q/0", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		put(t, bucket, o.Key, o.Data)
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	put(t, bucket, folder+"/m/00000000", data)
	b, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bundle = folder + "/b/" + out.ID + "-n"
	put(t, bucket, bundle, z.EncodeAll(b, nil))
	return bundle
}

func TestDetail(t *testing.T) {
	t.Parallel()
	store := &blobtest.Server{}
	client, err := blob.NewClient(blob.Config{Endpoint: store.Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	bucket := client.Bucket("frontier")
	job := live.Job{Namespace: "one", Name: "ads", UID: "u1", State: live.Running}
	fleet := &described{answer: &workflowservice.DescribeWorkflowExecutionResponse{}}
	d := &details{frontier: &frontiers{store: bucket}, temporal: fleet, converter: converter.GetDefaultDataConverter(), log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if got := d.Detail(t.Context(), job); len(got.Missing) != 0 || len(got.Hosts) != 0 {
		t.Errorf("a job that has not begun: %+v", got)
	}

	bundle := plan(t, bucket, job)
	since := noon.Add(time.Second)
	pages := []workflows.PageProgress{{Index: 0, Phase: "Loading", Since: since}, {Index: 99, Phase: "Storing", Since: since}}
	fleet.answer.PendingActivities = []*workflowpb.PendingActivityInfo{
		heartbeat(t, workflows.ActivityCrawlBundle, workflows.BundleProgress{Bundle: bundle, Pages: pages}),
		heartbeat(t, workflows.ActivityCrawlBundle, workflows.BundleProgress{Pages: pages}), // of a worker of before
		heartbeat(t, workflows.ActivityPlan, workflows.BundleProgress{}),
		{ActivityType: &commonpb.ActivityType{Name: workflows.ActivityCrawlBundle}}, // nobody has taken it
	}
	got := d.Detail(t.Context(), job)
	if len(got.Missing) != 0 || len(got.Hosts) != 2 || got.Hosts[0].Host != "example.net" && got.Hosts[0].Host != "www.example.net" {
		t.Errorf("the hosts are %+v; missing %q", got.Hosts, got.Missing)
	}
	if diff := cmp.Diff([]string{workflows.ShardWorkflowID("u1", 0)}, fleet.asked); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(got.UnderWay) != 1 || got.UnderWay[0].Phase != "Loading" || got.UnderWay[0].Attempt != 2 || !got.UnderWay[0].Since.Equal(since) || got.UnderWay[0].URL[:12] != "https://www." {
		t.Errorf("under way are %+v", got.UnderWay)
	}

	fleet.answer.PendingActivities[0] = heartbeat(t, workflows.ActivityCrawlBundle, workflows.BundleProgress{Bundle: "two/other/u2/s/0/b/x", Pages: pages})
	if got := d.Detail(t.Context(), job); len(got.UnderWay) != 0 || len(got.Missing) != 1 {
		t.Errorf("a bundle of another job: %+v, missing %q", got.UnderWay, got.Missing)
	}
	fleet.err = errors.New("Temporal is away")
	if got := d.Detail(t.Context(), job); len(got.Hosts) != 2 || len(got.Missing) != 1 {
		t.Errorf("without Temporal: %+v", got)
	}
	d.temporal = nil
	if got := d.Detail(t.Context(), job); len(got.Hosts) != 2 || len(got.Missing) != 1 {
		t.Errorf("without the address of Temporal: %+v", got)
	}
	put(t, bucket, base(job)+"/s/0/m/00000001", []byte("no manifest"))
	if got := d.Detail(t.Context(), job); len(got.Hosts) != 0 || len(got.Missing) != 2 {
		t.Errorf("a frontier that cannot be read: %+v", got)
	}
	d.frontier = nil
	if got := d.Detail(t.Context(), job); len(got.Missing) != 1 {
		t.Errorf("without the frontier bucket: %+v", got)
	}
}

// TestBoard: a cluster that does not answer is an error, and nothing is asked before somebody looks.
func TestBoard(t *testing.T) {
	t.Setenv("CRAWLFLEET_PAYLOAD_KEYS", "")
	store, err := blob.NewClient(blob.Config{Endpoint: "http://127.0.0.1:1", Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	var o liveOptions
	f := pflag.NewFlagSet("portal", pflag.ContinueOnError)
	o.add(f)
	if err := f.Parse([]string{"--temporal-address=127.0.0.1:1", "--frontier-bucket=frontier"}); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	fleet, err := o.dial(log)
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close()
	b, err := o.board(&rest.Config{Host: "http://127.0.0.1:1"}, store, fleet, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.List(t.Context(), []string{"one"}); err == nil {
		t.Error("a cluster that is away has jobs")
	}
	d := b.Details.(*details)
	if d.temporal == nil || d.frontier == nil {
		t.Errorf("the flags came to nothing: %+v", d)
	}
}
