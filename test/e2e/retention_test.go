package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites/mesh"
)

// TestCapturesAreErasedKeptAndHeld: of a crawl one chunk is kept for a case, one is held, and nobody needs the others. The
// CrawlJob is deleted meanwhile, and the worker killed and started again.
func TestCapturesAreErasedKeptAndHeld(t *testing.T) {
	t.Parallel()
	m := mesh.New(mesh.Options{Hosts: 6, Pages: 2})
	_, fleet := startMesh(t, m, harness.Options{Tabs: 2})
	job := meshJob("retained", 1)
	job.Spec.Retention.ScreeningSeconds = 45
	fleet.Apply(t, job)
	done := succeeded(t, fleet, "retained")
	run := fleet.ReadRun(t, "retained")
	if len(run.Chunks) < 3 {
		t.Fatalf("the crawl has %d chunks, the test needs three", len(run.Chunks))
	}
	if !strings.Contains(string(run.Statement), `"screeningSeconds": 45`) {
		t.Error("the closing statement does not say how long captures are kept")
	}
	if got := done.Status.Run.ScreeningSeconds; got == nil || *got != 45 {
		t.Errorf("the status says %v of the period that it was started with", got)
	}
	prefix := done.Status.Archive.Prefix
	kept, held := run.Chunks[0].Key, run.Chunks[1].Key
	s := shelf{t: t, fleet: fleet, prefix: prefix}
	until := time.Now().Add(2 * time.Minute).UTC().Truncate(time.Second)
	s.crawlctl("keep", prefix, "--chunk", strings.TrimPrefix(kept, prefix), "--until", until.Format(time.RFC3339))
	s.crawlctl("hold", prefix, "--chunk", strings.TrimPrefix(held, prefix))
	fleet.WaitUntil(t, "retained", "it is held", troubleTimeout, retained("True", "Held"))
	if lock := fleet.Job(t, "retained").Status.Archive.ObjectLock; lock != v1alpha1.ObjectLockUnavailable {
		t.Errorf("the bucket has no Object Lock, the status says %q", lock)
	}
	if _, err := fleet.Kubectl(t.Context(), "", "delete", "crawl/retained", "--timeout=60s"); err != nil {
		t.Fatal(err)
	}
	if err := fleet.Workers[0].Kill(); err != nil {
		t.Fatal(err)
	}
	fleet.StartAgain(t, fleet.Workers[0])

	s.wait("what nobody needs is erased", 5*time.Minute, "run.json", strings.TrimPrefix(held, prefix), strings.TrimPrefix(kept, prefix))
	proven := s.waitProven(len(run.Chunks) - 2 + 3) // and the state, the visits and their directory
	for _, c := range run.Chunks[2:] {
		if p, ok := proven[strings.TrimPrefix(c.Key, prefix)]; !ok || p.SHA256 != c.SHA256 || p.Size != c.Size {
			t.Errorf("of %s the proof says %+v, want %d bytes and %s", c.Key, p, c.Size, c.SHA256)
		}
	}
	if _, ok := proven["state"]; !ok {
		t.Errorf("nothing proves that the queue's state is erased: %v", slices.Collect(maps.Keys(proven)))
	}
	s.verify()
	s.wait("what the case needed is erased at its date", 5*time.Minute, "run.json", strings.TrimPrefix(held, prefix))
	if early := time.Until(until); early > 0 {
		t.Errorf("it was erased %v before", early)
	}
	s.crawlctl("release", prefix)
	s.wait("what was held is erased once it is released", 5*time.Minute, "run.json")
	s.waitProven(len(run.Chunks) + 3)
	if out := s.crawlctlOut("list", prefix); strings.Count(out, "Erased") != len(run.Chunks) {
		t.Errorf("the list says:\n%s", out)
	}
}

// TestErasedCrawlSaysSo: a CrawlJob that stays says that nothing is left. Its bucket locks what is to be kept, and keeps
// versions, none of which is left either.
func TestErasedCrawlSaysSo(t *testing.T) {
	t.Parallel()
	m := mesh.New(mesh.Options{Hosts: 2, Pages: 1})
	_, fleet := startMesh(t, m, harness.Options{Tabs: 2})
	client, err := fleet.S3()
	if err != nil {
		t.Fatal(err)
	}
	const bucket = "locking"
	if err := client.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{ObjectLocking: true}); err != nil {
		t.Fatal(err)
	}
	job := meshJob("gone", 1)
	job.Spec.Storage = &v1alpha1.Storage{Bucket: bucket}
	job.Spec.Retention.ScreeningSeconds = 30
	fleet.Apply(t, job)
	succeeded(t, fleet, "gone")
	there := fleet.WaitUntil(t, "gone", "it is looked after", troubleTimeout, retained("True", "Screening"))
	if lock := there.Status.Archive.ObjectLock; lock != v1alpha1.ObjectLockGovernance {
		t.Errorf("the bucket has Object Lock, the status says %q", lock)
	}
	for _, c := range fleet.ReadRun(t, "gone").Chunks {
		info, err := client.StatObject(t.Context(), bucket, c.Key, minio.StatObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if mode, until := info.Metadata.Get("X-Amz-Object-Lock-Mode"), info.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date"); mode != "GOVERNANCE" || until == "" {
			t.Errorf("%s is locked in mode %q until %q", c.Key, mode, until)
		}
		err = client.RemoveObject(t.Context(), bucket, c.Key, minio.RemoveObjectOptions{VersionID: info.VersionID})
		if err == nil {
			t.Errorf("%s could be removed while it is locked", c.Key)
		}
	}

	gone := fleet.WaitUntil(t, "gone", "it is erased", 5*time.Minute, retained("False", "Erased"))
	if c := harness.Condition(gone, "Succeeded"); c.Status != "True" {
		t.Errorf("Succeeded is %s: %s", c.Status, c.Reason)
	}
	prefix := gone.Status.Archive.Prefix
	for _, in := range []struct {
		bucket   string
		versions bool
	}{{bucket, true}, {fleet.State().S3.FrontierBucket, false}} {
		for o := range client.ListObjectsIter(t.Context(), in.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true, WithVersions: in.versions}) {
			if name := strings.TrimPrefix(o.Key, prefix); o.Err != nil || !strings.HasPrefix(name, "run.json") && !strings.HasPrefix(name, "retention/") {
				t.Errorf("left in %s is %s, %v", in.bucket, o.Key, o.Err)
			}
		}
	}
}

func retained(status, reason string) func(*v1alpha1.CrawlJob) bool {
	return func(job *v1alpha1.CrawlJob) bool {
		c := harness.Condition(job, "Retained")
		return string(c.Status) == status && c.Reason == reason
	}
}

// shelf is the archive of a run, also when its CrawlJob is gone.
type shelf struct {
	t      *testing.T
	fleet  *harness.Fleet
	prefix string
}

func (s shelf) crawlctl(args ...string) {
	s.t.Helper()
	s.crawlctlOut(append(args, "--case", "17/2026", "--why", "a test", "--by", "desk",
		"--temporal-address", s.fleet.State().Temporal.Address, "--temporal-namespace", s.fleet.State().Temporal.Namespace)...)
}

func (s shelf) crawlctlOut(args ...string) string {
	s.t.Helper()
	store := s.fleet.State().S3
	args = append([]string{"retention", "--s3-endpoint", store.Endpoint, "--s3-region", store.Region, "--s3-credentials-file", store.CredentialsFile, "--bucket", store.ArchiveBucket}, args...)
	out, err := exec.CommandContext(s.t.Context(), s.fleet.Binary(s.t, "crawlctl"), args...).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		s.t.Fatalf("crawlctl %v: %v: %s", args, err, failed.Stderr)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return string(out)
}

// verify has a copy of the run checked as a stranger would, who trusts the fleet's keys, until the
// last proof is signed, too.
func (s shelf) verify() {
	s.t.Helper()
	v := verify.Verifier{Trust: s.fleet.Trust(s.t)}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(250 * time.Millisecond) {
		dir := s.t.TempDir()
		if err := s.fleet.Mirror(s.t, s.fleet.State().S3.ArchiveBucket, s.prefix, dir); err != nil {
			s.t.Fatal(err)
		}
		reports, err := v.Path(s.t.Context(), dir)
		if err != nil || len(reports) != 1 {
			s.t.Fatalf("%d reports, %v", len(reports), err)
		}
		erased := slices.ContainsFunc(reports[0].Checks, func(c verify.Check) bool { return strings.Contains(c.Reason, "are erased, which is proven") })
		if reports[0].Verdict == verify.Holds && erased {
			return
		}
		if reports[0].Verdict == verify.Fails || time.Now().After(deadline) {
			s.t.Fatalf("the run does not verify: %s, %+v", reports[0].Verdict, reports[0].Checks)
		}
	}
}

// names are those of what lies there, but for decisions and proofs, and for the sidecar of what is
// there.
func (s shelf) names() (names []string, err error) {
	client, err := s.fleet.S3()
	if err != nil {
		return nil, err
	}
	for o := range client.ListObjectsIter(s.t.Context(), s.fleet.State().S3.ArchiveBucket, minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, o.Err
		}
		if name := strings.TrimPrefix(o.Key, s.prefix); !strings.HasPrefix(name, "retention/") {
			names = append(names, name)
		}
	}
	all := slices.Clone(names)
	return slices.DeleteFunc(names, func(name string) bool {
		of, ok := strings.CutSuffix(name, evidence.SidecarSuffix)
		return ok && slices.Contains(all, of)
	}), nil
}

// wait waits until exactly these names are there, and fails when one of them goes before.
func (s shelf) wait(what string, timeout time.Duration, want ...string) {
	s.t.Helper()
	slices.Sort(want)
	deadline := time.Now().Add(timeout)
	for {
		names, err := s.names()
		slices.Sort(names)
		if err == nil && slices.Equal(names, want) {
			return
		}
		for _, w := range want {
			if err == nil && !slices.Contains(names, w) {
				s.t.Fatalf("%s: %s is gone; there are %v", what, w, names)
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: it did not come to that: %v, %v, want %v", what, names, err, want)
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// erasedObject is what a proof says of one.
type erasedObject struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// waitProven waits until that many objects are proven to be erased, which follows when they are gone.
func (s shelf) waitProven(n int) map[string]erasedObject {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(250 * time.Millisecond) {
		proven := s.proven()
		if len(proven) >= n {
			return proven
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d objects are proven to be erased, want %d: %v", len(proven), n, slices.Collect(maps.Keys(proven)))
		}
	}
}

// proven are the objects that the stored proofs name.
func (s shelf) proven() map[string]erasedObject {
	s.t.Helper()
	client, err := s.fleet.S3()
	if err != nil {
		s.t.Fatal(err)
	}
	all := map[string]erasedObject{}
	for o := range client.ListObjectsIter(s.t.Context(), s.fleet.State().S3.ArchiveBucket, minio.ListObjectsOptions{Prefix: s.prefix + "retention/erased-", Recursive: true}) {
		if o.Err != nil {
			s.t.Fatal(o.Err)
		}
		var proof struct {
			Objects []erasedObject `json:"objects"`
		}
		body, err := client.GetObject(s.t.Context(), s.fleet.State().S3.ArchiveBucket, o.Key, minio.GetObjectOptions{})
		if err == nil {
			err = json.NewDecoder(body).Decode(&proof)
		}
		if err != nil {
			s.t.Fatal(fmt.Errorf("read %s: %w", o.Key, err))
		}
		for _, e := range proof.Objects {
			all[e.Name] = e
		}
	}
	return all
}
