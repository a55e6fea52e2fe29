package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites/mesh"
	"crawlfleet.dev/crawlfleet/workflows"
)

func itoa(n int) string { return strconv.Itoa(n) }

// firstCrawl gives the guide's order, for a page of the test's sites.
func (b *bed) firstCrawl(t *testing.T) {
	if n := len(b.browsers(t.Context(), t)); n != 0 {
		t.Errorf("there are %d browsers before anything is ordered", n)
	}
	c := &crawl{bed: b, name: "first", before: len(b.requests(t.Context(), t)), want: []string{mesh.URL(0, 0)}}
	b.follow(t, "The first crawl", "https://www.example.org/", c.want[0])
	b.shown(t, "kubectl -n research wait --for=condition=Finished crawl/first --timeout=15m")
	c.whole(t)
	for _, chunk := range c.archive.Chunks {
		var provenance struct {
			Machine struct {
				Sandbox string `json:"sandbox"`
			} `json:"machine"`
		}
		if err := json.Unmarshal(chunk.Provenance, &provenance); err != nil {
			t.Fatal(err)
		}
		if s := provenance.Machine.Sandbox; !strings.HasPrefix(s, "on") {
			t.Errorf("Chromium's sandbox was %q, want it on", s)
		}
	}
}

// crawl is one of all sites' pages, or of the guide's one.
type crawl struct {
	*bed
	name string
	// before is how much the sites had been asked for when it began.
	before int
	// want are the pages that it has to archive.
	want    []string
	archive *harness.Run
}

// order has all pages crawled, with a pause between two of a site.
func (b *bed) order(t *testing.T, name string, delay int32) *crawl {
	t.Helper()
	c := &crawl{bed: b, name: name, before: len(b.requests(t.Context(), t)), want: slices.Sorted(maps.Keys(mesh.New(mesh.Options{Hosts: hosts, Pages: pages}).Reachable()))}
	// (Sites that are first heard of when one has been visited would be visited after it.)
	var seeds []string
	for host := range hosts {
		seeds = append(seeds, mesh.URL(host, 0))
	}
	job := harness.NewJob(name, seeds...)
	job.Namespace = orderSpace
	job.Spec.Scope = v1alpha1.Scope{Type: v1alpha1.ScopeCustom, Include: []v1alpha1.Pattern{`^http://h\d+\.test/`}}
	job.Spec.Politeness.DelaySeconds = &delay
	job.Spec.Capture.Screenshot = v1alpha1.ScreenshotNone
	text, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.tryKubectl(t.Context(), string(text), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	return c
}

// loads counts how often each page was asked for by this crawl.
func (c *crawl) loads(ctx context.Context, t *testing.T) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, e := range c.requests(ctx, t)[c.before:] {
		if e.Navigate {
			n["http://"+strings.TrimSuffix(e.Host, ":80")+e.Path]++
		}
	}
	return n
}

// middle waits until some pages were loaded.
func (c *crawl) middle(t *testing.T, some int) {
	t.Helper()
	await(t, fmt.Sprintf("%d of %d pages are loaded", some, len(c.want)), func(ctx context.Context) (bool, string) {
		n := len(c.loads(ctx, t))
		return n >= some, fmt.Sprintf("%d are; the job says %s", n, c.says(ctx, t))
	})
	c.underWay(t)
}

// underWay fails the test where the crawl is over: what is done to it then shows nothing.
func (c *crawl) underWay(t *testing.T) {
	t.Helper()
	if harness.Condition(c.job(t.Context(), t), "Finished").Status == "True" {
		t.Fatalf("%s had ended before: this shows nothing", c.name)
	}
}

func (c *crawl) job(ctx context.Context, t *testing.T) *v1alpha1.CrawlJob {
	t.Helper()
	job := &v1alpha1.CrawlJob{}
	c.object(ctx, t, "crawljobs", orderSpace, c.name, job)
	return job
}

// object reads one of the fleet's kinds.
func (b *bed) object(ctx context.Context, t *testing.T, kind, namespace, name string, into any) {
	t.Helper()
	found, err := b.objects.Resource(v1alpha1.GroupVersion.WithResource(kind)).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(found.Object, into); err != nil {
		t.Fatal(err)
	}
}

// says is what the conditions of the job say.
func (c *crawl) says(ctx context.Context, t *testing.T) string {
	t.Helper()
	var all []string
	for _, s := range c.job(ctx, t).Status.Conditions {
		all = append(all, fmt.Sprintf("%s=%s (%s: %s)", s.Type, s.Status, s.Reason, s.Message))
	}
	return strings.Join(all, "; ")
}

// whole waits for the end of the crawl, which has archived every page, loaded each once, and whose books balance.
func (c *crawl) whole(t *testing.T) {
	t.Helper()
	await(t, c.name+" is finished", func(ctx context.Context) (bool, string) {
		return harness.Condition(c.job(ctx, t), "Finished").Status == "True", c.says(ctx, t)
	})
	if s := harness.Condition(c.job(t.Context(), t), "Succeeded"); s.Status != "True" || s.Reason != "Completed" {
		t.Errorf("Succeeded is %s: %s: %s", s.Status, s.Reason, s.Message)
	}
	c.archive = c.read(t, c.name)
	if diff := cmp.Diff(c.want, c.archive.URLs()); diff != "" {
		t.Errorf("pages (-walk +archive):\n%s", diff)
	}
	var statement struct {
		Counts   workflows.Counts `json:"counts"`
		Problems []string         `json:"problems"`
	}
	if err := json.Unmarshal(c.archive.Statement, &statement); err != nil {
		t.Fatal(err)
	}
	if n := statement.Counts; n.Archived != int64(len(c.want)) || n.Queued+n.Delayed+n.Leased != 0 || len(statement.Problems) > 0 {
		t.Errorf("the closing statement says %+v %q, want %d archived", n, statement.Problems, len(c.want))
	}
	once := map[string]int{}
	for _, page := range c.want {
		once[page] = 1
	}
	if diff := cmp.Diff(once, c.loads(t.Context(), t)); diff != "" {
		t.Errorf("how often pages were loaded (-want +got):\n%s", diff)
	}
}

// read reads what a crawl has left in the store, and checks every file.
func (b *bed) read(t *testing.T, name string) *harness.Run {
	t.Helper()
	job := (&crawl{bed: b, name: name}).job(t.Context(), t)
	if job.Status.Archive == nil {
		t.Fatalf("the status of %s does not say where the archive is", name)
	}
	store := b.forward(t, "statefulset/crawlfleet-services", 7070)[0]
	defer store.close()
	secret, err := b.client.CoreV1().Secrets(fleetSpace).Get(t.Context(), "crawlfleet-s3", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, secret.Data["credentials"], 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := minio.New(store.address, &minio.Options{
		Creds: credentials.NewFileAWSCredentials(file, "default"), Region: "us-east-1", BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	run, err := harness.ReadRun(t.Context(), client, job.Status.Archive.Bucket, job.Status.Archive.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// onDisk compares a file of the archive with what lies in the volume of the services.
func (b *bed) onDisk(t *testing.T, volume string, c harness.Chunk) {
	t.Helper()
	path := filepath.Join(b.dir, "lib", "volumes", volume, "services", "s3", "data", "crawlfleet-archive", c.Key)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	sum := sha256.Sum256(content)
	if got := hex.EncodeToString(sum[:]); got != c.SHA256 {
		t.Errorf("%s has the SHA-256 %s, want %s", path, got, c.SHA256)
	}
}
