package restore

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/mesh"
)

const (
	// pages is how many pages a site has: h0 is of the crawl that is over, h1 and h2 of the one in the middle.
	pages = 4
	// patience is how long a test waits for what has to come.
	patience = 3 * time.Minute
)

// gated is a mesh that keeps back what lies behind the first page of h2 until it is let go.
type gated struct {
	mesh *mesh.Mesh
	gate chan struct{}
}

func (g *gated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.Host, mesh.Name(2)) && r.URL.Path != "/0" && r.URL.Path != "/robots.txt" && r.URL.Path != "/style.css" {
		select {
		case <-g.gate:
		case <-r.Context().Done():
			return
		}
	}
	g.mesh.ServeHTTP(w, r)
}

// crawlctl runs a command, which must succeed, and returns what it wrote.
func crawlctl(t *testing.T, f *harness.Fleet, args ...string) (out, stderr string) {
	t.Helper()
	var o, e bytes.Buffer
	cmd := exec.CommandContext(t.Context(), f.Binary(t, "crawlctl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+f.State().Kubeconfig)
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil {
		t.Fatalf("crawlctl %v: %v\n%s%s", args, err, &o, &e)
	}
	return o.String(), e.String()
}

// capture is what the portal's list says of one.
type capture struct {
	ID, URL string
}

// listed are the captures that a fleet's portal finds, once it has found as many as the archive has.
func listed(t *testing.T, f *harness.Fleet, name string, want int) []capture {
	t.Helper()
	address := harness.FreeAddress(t)
	f.Portal(t, name, address)
	deadline := time.Now().Add(patience)
	for {
		out, _ := crawlctl(t, f, "snapshots", "list", "--portal", "http://"+address+"/", "--all", "-o", "jsonl")
		var all []capture
		for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
			var c capture
			if err := d.Decode(&c); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			all = append(all, c)
		}
		if len(all) >= want {
			slices.SortFunc(all, func(a, b capture) int { return strings.Compare(a.ID, b.ID) })
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("the portal finds %d captures, want %d:\n%s", len(all), want, out)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// store copies the objects of a folder into a bucket.
func store(t *testing.T, f *harness.Fleet, dir, bucket string) {
	t.Helper()
	client, err := f.S3()
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		key, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		_, err = client.FPutObject(t.Context(), bucket, filepath.ToSlash(key), path, minio.PutObjectOptions{DisableMultipart: true, SendContentMd5: true})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// held tells whether the captures of a job are held.
func held(job *v1alpha1.CrawlJob) bool {
	c := harness.Condition(job, v1alpha1.ConditionRetained)
	return c.Status == "True" && c.Reason == "Held"
}

// loads are how often each page of a host was loaded.
func loads(srv *sites.Server, host int) map[string]int {
	n := map[string]int{}
	for _, e := range srv.Log.Entries(sites.Filter{Navigate: true}) {
		if strings.HasPrefix(e.Host, mesh.Name(host)) {
			n[e.Path]++
		}
	}
	return n
}

// addresses are those of all pages of some sites, sorted.
func addresses(hosts ...int) (all []string) {
	for _, h := range hosts {
		for page := range pages {
			all = append(all, mesh.URL(h, page))
		}
	}
	return all
}

// backup is what docs/backup.md says to save.
type backup struct{ frontier, archive, resources string }

// save saves a fleet in the order of docs/backup.md: frontier, archive, resources.
func save(t *testing.T, f *harness.Fleet) backup {
	t.Helper()
	b := backup{frontier: t.TempDir(), archive: t.TempDir()}
	s := f.State().S3
	if err := errors.Join(f.Mirror(t, s.FrontierBucket, "", b.frontier), f.Mirror(t, s.ArchiveBucket, "", b.archive)); err != nil {
		t.Fatal(err)
	}
	b.resources, _ = crawlctl(t, f, "export", "all", "-A")
	return b
}

// TestRestoreIntoANewCluster: of a fleet that crawled one site and is in the middle of two more, the two buckets, the resources
// and the keys are saved. In a new cluster the finished crawl is over, with its captures, its verdict and what was decided about
// it, and no page of it is visited again; the other one goes on where it was.
func TestRestoreIntoANewCluster(t *testing.T) {
	m := mesh.New(mesh.Options{Hosts: 3, Pages: pages})
	site := &gated{mesh: m, gate: make(chan struct{})}
	srv, err := sites.Start(sites.Options{Handler: site})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	options := harness.Options{Dir: t.TempDir(), Tabs: 2}
	for _, name := range m.Names() {
		options.Resolve = append(options.Resolve, name+":80="+srv.Addr)
	}

	a := harness.Start(t, options)
	done, middle := harness.NewJob("done", mesh.URL(0, 0)), harness.NewJob("middle", mesh.URL(1, 0), mesh.URL(2, 0))
	done.Spec.Capture.Screenshot, middle.Spec.Capture.Screenshot = v1alpha1.ScreenshotNone, v1alpha1.ScreenshotNone
	a.Apply(t, done)
	a.Apply(t, middle)
	a.WaitFor(t, "crawl/done", "Finished", patience)
	before := a.Job(t, "done")
	s := a.State()
	crawlctl(t, a, "retention", "hold", before.Status.Archive.Prefix, "--case", "17/2026", "--why", "a test", "--by", "desk", "--bucket", s.S3.ArchiveBucket,
		"--s3-endpoint", s.S3.Endpoint, "--s3-region", s.S3.Region, "--s3-credentials-file", s.S3.CredentialsFile,
		"--temporal-address", s.Temporal.Address, "--temporal-namespace", s.Temporal.Namespace)
	a.WaitUntil(t, "done", "its captures are held", patience, held)
	a.WaitUntil(t, "middle", "all of h1 and the first page of h2 are archived", patience, func(job *v1alpha1.CrawlJob) bool {
		return job.Status.Counters != nil && job.Status.Counters.Archived != nil && *job.Status.Counters.Archived == pages+1
	})
	found := listed(t, a, "portal-a", 2*pages+1)
	run := a.Job(t, "middle").Status.Archive.Prefix

	saved := save(t, a)
	handed := handOver(t, a)
	a.End(t)
	close(site.gate)
	visited := [][]map[string]int{{loads(srv, 0), loads(srv, 1)}}

	// The keys are saved apart. Payload keys are new, because what they encrypt is not restored.
	options.Dir = t.TempDir()
	if err := os.CopyFS(harness.KeysOf(options.Dir), os.DirFS(harness.KeysOf(a.Dir))); err != nil {
		t.Fatal(err)
	}
	o := options
	o.NoOperator, o.Workers = true, -1
	b := harness.Start(t, o)
	store(t, b, saved.archive, b.State().S3.ArchiveBucket)
	store(t, b, saved.frontier, b.State().S3.FrontierBucket)
	b.ApplyYAML(t, saved.resources)
	refused(t, b, saved.resources)
	b.AddWorker(t)
	b.AddOperator(t)

	b.WaitFor(t, "crawl/done", "Finished", patience)
	after := b.Job(t, "done")
	if after.UID == before.UID || after.RunUID() != before.UID {
		t.Errorf("the CrawlJob has UID %s and goes by %s, want another one and %s", after.UID, after.RunUID(), before.UID)
	}
	verdict := harness.Condition(after, v1alpha1.ConditionSucceeded)
	if verdict.Status != "True" || verdict.Reason != "Completed" || after.Status.Archive == nil {
		t.Fatalf("it is %+v", verdict)
	}
	if diff := cmp.Diff(before.Status.Counters, after.Status.Counters); diff != "" {
		t.Errorf("the counters differ (-before +after):\n%s", diff)
	}
	if *after.Status.Archive != *before.Status.Archive {
		t.Errorf("its archive is %+v, want %+v", *after.Status.Archive, *before.Status.Archive)
	}
	if !after.Status.FinishedAt.Equal(before.Status.FinishedAt) {
		t.Errorf("it finished at %v, want %v", after.Status.FinishedAt, before.Status.FinishedAt)
	}
	b.WaitUntil(t, "done", "its captures are held", patience, held)

	b.WaitFor(t, "crawl/middle", "Finished", patience)
	ended := b.Job(t, "middle")
	if c := harness.Condition(ended, v1alpha1.ConditionSucceeded); c.Status != "True" || c.Reason != "Completed" {
		t.Fatalf("the crawl in the middle is %s: %s: %s", c.Status, c.Reason, c.Message)
	}
	if ended.Status.Archive.Prefix != run {
		t.Errorf("it archived to %s, want %s", ended.Status.Archive.Prefix, run)
	}
	if diff := cmp.Diff(addresses(1, 2), slices.Sorted(slices.Values(b.ReadRun(t, "middle").URLs()))); diff != "" {
		t.Errorf("its pages (-site +archive):\n%s", diff)
	}
	visited = append(visited, []map[string]int{loads(srv, 0), loads(srv, 1)})
	if diff := cmp.Diff(visited[0], visited[1]); diff != "" {
		t.Errorf("pages were visited again that had been archived (-before +after):\n%s", diff)
	}

	listedAfter := listed(t, b, "portal-b", 3*pages)
	for _, c := range found {
		if !slices.Contains(listedAfter, c) {
			t.Errorf("the portal does not find %s of %s any more", c.ID, c.URL)
		}
	}
	if len(listedAfter) != 3*pages {
		t.Errorf("the portal finds %d captures, want %d", len(listedAfter), 3*pages)
	}
	for _, name := range []string{"done", "middle"} {
		crawlctl(t, b, append([]string{"verify", b.MirrorRun(t, name)}, b.TrustFlags(t)...)...)
	}
	takeIn(t, b, handed)
}

// handOver crawls one more page, which is in no backup, and writes its run for another agency.
func handOver(t *testing.T, f *harness.Fleet) string {
	t.Helper()
	job := harness.NewJob("given", mesh.URL(0, 0))
	job.Spec.Scope.Type, job.Spec.Capture.Screenshot = v1alpha1.ScopePage, v1alpha1.ScreenshotNone
	f.Apply(t, job)
	f.WaitFor(t, "crawl/given", "Finished", patience)
	path := filepath.Join(t.TempDir(), "given.zip")
	flags := slices.Concat(f.HandOverFlags(), f.TrustFlags(t))
	flags[slices.Index(flags, "--custody-bucket")] = "--bucket"
	crawlctl(t, f, append([]string{"runs", "export", f.Job(t, "given").Status.Archive.Prefix, "--organization", "An agency", "--by", "desk", "--actor", "desk-1", "--to", "partner-1", "--out", path}, flags...)...)
	return path
}

// takeIn checks a run that was handed over, and puts it into a fleet's archive, where its portal finds it.
func takeIn(t *testing.T, f *harness.Fleet, path string) {
	t.Helper()
	crawlctl(t, f, append([]string{"verify", path}, f.TrustFlags(t)...)...)
	s := f.State()
	take := slices.Concat([]string{
		"runs", "import", path, "--namespace", "default", "--by", "bob", "--bucket", s.S3.ArchiveBucket, "--s3-endpoint", s.S3.Endpoint, "--s3-region", s.S3.Region,
		"--s3-credentials-file", s.S3.CredentialsFile, "--temporal-address", s.Temporal.Address, "--temporal-namespace", s.Temporal.Namespace,
	}, f.TrustFlags(t))
	for range 2 { // once more changes nothing
		if out, _ := crawlctl(t, f, take...); !strings.Contains(out, "received from An agency") {
			t.Errorf("it says %s", out)
		}
	}
	if found := listed(t, f, "portal-c", 3*pages+1); len(found) != 3*pages+1 {
		t.Errorf("the portal finds %d captures, want one more than %d", len(found), 3*pages)
	}
	untrusted := exec.CommandContext(t.Context(), f.Binary(t, "crawlctl"), take[:len(take)-len(f.TrustFlags(t))]...)
	if out, err := untrusted.CombinedOutput(); err == nil || !strings.Contains(string(out), "not taken in: name who may sign with --trust-key") {
		t.Errorf("a run is taken in that nobody who is trusted has signed: %v: %s", err, out)
	}
}

// refused tries what only who may restore may do.
func refused(t *testing.T, f *harness.Fleet, resources string) {
	t.Helper()
	_, err := f.Kubectl(t.Context(), "", "annotate", "crawl/done", "--overwrite", v1alpha1.AnnotationRun+"=another")
	if err == nil || !strings.Contains(err.Error(), "the annotation crawlfleet.dev/run cannot be changed") {
		t.Errorf("a restored CrawlJob can be made that of another run: %v", err)
	}
	if _, err := f.Kubectl(t.Context(), "", "create", "rolebinding", "ada", "--clusterrole=crawlfleet-crawljob-admin", "--user=ada"); err != nil {
		t.Fatal(err)
	}
	other := strings.ReplaceAll(strings.ReplaceAll(resources, "name: done", "name: taken"), "requestedBy: integration tests", "requestedBy: ada")
	_, err = f.Kubectl(t.Context(), other, "create", "--as=ada", "--dry-run=server", "-f", "-")
	if err == nil || !strings.Contains(err.Error(), "only who has the verb restore on crawljobs") {
		t.Errorf("who may order can take over a run: %v", err)
	}
}
