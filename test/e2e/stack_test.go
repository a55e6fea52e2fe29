package e2e

import (
	"io"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"crawlfleet.dev/crawlfleet/test/harness"
)

// TestStackKeepsWhatItWasGiven kills the stack and starts it again on the same folder, and kills each of its parts.
func TestStackKeepsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	fleet := harness.Start(t, harness.Options{NoOperator: true, Workers: -1})
	fleet.Apply(t, harness.NewJob("kept", "http://board.test/"))
	put(t, fleet, "kept.txt", "evidence")

	if err := fleet.Stack.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := fleet.StartStack(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept(t, fleet)

	for _, part := range []string{"kube", "s3", "temporal"} {
		if err := fleet.KillPart(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	kept(t, fleet)
}

func kept(t *testing.T, fleet *harness.Fleet) {
	t.Helper()
	if job := fleet.Job(t, "kept"); len(job.Spec.Seeds.URLs) != 1 || job.Spec.Seeds.URLs[0] != "http://board.test/" {
		t.Errorf("after the restart the job is %+v", job.Spec)
	}
	if got := get(t, fleet, "kept.txt"); got != "evidence" {
		t.Errorf("after the restart the object is %q", got)
	}
}

func put(t *testing.T, fleet *harness.Fleet, key, content string) {
	t.Helper()
	client, err := fleet.S3()
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.PutObject(t.Context(), fleet.State().S3.ArchiveBucket, key, strings.NewReader(content), int64(len(content)), minio.PutObjectOptions{SendContentMd5: true})
	if err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, fleet *harness.Fleet, key string) string {
	t.Helper()
	client, err := fleet.S3()
	if err != nil {
		t.Fatal(err)
	}
	object, err := client.GetObject(t.Context(), fleet.State().S3.ArchiveBucket, key, minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = object.Close() }()
	b, err := io.ReadAll(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestInvalidSpecsAreRefused applies specs as a user might write them; the API server must say what to do.
func TestInvalidSpecsAreRefused(t *testing.T) {
	t.Parallel()
	fleet := harness.Start(t, harness.Options{NoOperator: true, Workers: -1})
	const authorized = `  authorization: {reference: T-1, purpose: Testing, basis: own sites, requestedBy: tests, notAfter: "2099-01-01T00:00:00Z"}` + "\n"
	for _, tc := range []struct {
		reason, spec, want string
	}{
		{"no authorisation", "  seeds: {urls: [\"http://board.test/\"]}\n", "authorization"},
		{"no seeds", authorized, "seeds"},
		{"not a web address", authorized + "  seeds: {urls: [\"ftp://board.test/\"]}\n", "http"},
		{"unknown scope", authorized + "  seeds: {urls: [\"http://board.test/\"]}\n  scope: {type: Everything}\n", "Everything"},
		{"negative delay", authorized + "  seeds: {urls: [\"http://board.test/\"]}\n  politeness: {delaySeconds: -1}\n", "delaySeconds"},
	} {
		yaml := "apiVersion: crawlfleet.dev/v1alpha1\nkind: CrawlJob\nmetadata: {name: bad, namespace: default}\nspec:\n" + tc.spec
		_, err := fleet.Kubectl(t.Context(), yaml, "apply", "-f", "-")
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want a refusal that names %q", tc.reason, err, tc.want)
		}
	}
}
