package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites/board"
	"crawlfleet.dev/crawlfleet/workers/frontier"
)

// TestNarrowRights crawls with workers that have the rights of config/store and no more: those with browsers can put what they
// capture, and read nothing of it. All is archived, verifies as ever, and is in the custody log, of which they have no key.
func TestNarrowRights(t *testing.T) {
	t.Parallel()
	srv := serve(t, board.New(board.Options{}))
	fleet := harness.Start(t, harness.Options{Workers: -1, StoreUsers: true})
	fleet.AddWorker(t, "--roles", "run,plan", "--s3-credentials-file", fleet.StoreCredentials(harness.StoreConductor))
	fleet.AddWorker(t, "--roles", "browser", "--s3-credentials-file", fleet.StoreCredentials(harness.StoreBrowser), "--custody-key", "")
	job := harness.NewJob("narrow", srv.URL+"/")
	job.Spec.Limits.Pages = 30
	fleet.Apply(t, job)
	succeeded(t, fleet, "narrow")
	dir := holds(t, fleet, "narrow")

	s := fleet.State().S3
	client, err := blob.NewClient(blob.Config{Endpoint: s.Endpoint, Region: s.Region, CredentialsFile: fleet.StoreCredentials(harness.StoreBrowser)})
	if err != nil {
		t.Fatal(err)
	}
	archive := client.Bucket(s.ArchiveBucket)
	data, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	var st frontier.Statement
	if err := json.Unmarshal(data, &st); err != nil {
		t.Fatal(err)
	}
	if st.Counts.Archived != 30 || len(st.Chunks) == 0 {
		t.Fatalf("%d pages are archived in %d chunks", st.Counts.Archived, len(st.Chunks))
	}
	for _, c := range st.Chunks {
		if _, err := archive.Head(t.Context(), blob.Key(c.Key)); !errors.Is(err, blob.ErrDenied) {
			t.Errorf("%s: who visits pages sees it: %v", c.Key, err)
		}
		if err := archive.Remove(t.Context(), blob.Key(c.Key)); !errors.Is(err, blob.ErrDenied) {
			t.Errorf("%s: who visits pages removes it: %v", c.Key, err)
		}
	}
}
