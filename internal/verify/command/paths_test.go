package command

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/bagit"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
)

// newDossier makes the folder of a dossier with one exhibit.
func newDossier(t *testing.T) string {
	t.Helper()
	snapshot, program := filepath.Join(t.TempDir(), "a.wacz"), filepath.Join(t.TempDir(), "verify")
	for name, content := range map[string][]byte{snapshot: verifytest.NewSample(1).Pack(t), program: []byte("a program")} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "dossier")
	_, err := dossier.Create(t.Context(), dir, dossier.Options{
		Case: "2026-17", Organization: "An office", PreparedBy: "An analyst", Created: verifytest.When, Verifier: &verify.Verifier{},
		Snapshots: []dossier.Snapshot{{Path: snapshot}}, Verifiers: []string{program},
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func checkAt(t *testing.T, name string) verify.Report {
	t.Helper()
	reports, err := checkPath(t.Context(), &dossier.Checker{Verifier: &verify.Verifier{}}, name)
	if err != nil || len(reports) != 1 {
		t.Fatalf("%v: %+v", err, reports)
	}
	return reports[0]
}

// TestWhatIsLeftOfADossier: a folder whose declaration was taken away is a broken dossier, and no
// folder with WACZ files, as long as anything says that it was one.
func TestWhatIsLeftOfADossier(t *testing.T) {
	t.Parallel()
	tags := []string{bagit.Manifest, bagit.TagManifest, bagit.TagManifest + verify.SidecarSuffix, bagit.Info, "data/dossier.json"}
	for _, left := range tags {
		t.Run(left, func(t *testing.T) {
			t.Parallel()
			dir := newDossier(t)
			if err := os.WriteFile(filepath.Join(dir, bagit.TagManifest+verify.SidecarSuffix), []byte("{}"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, name := range append([]string{bagit.Declaration}, tags...) {
				if name == left {
					continue
				}
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			r := checkAt(t, dir)
			want := verify.Check{Name: dossier.CheckBag, Path: bagit.Declaration, Verdict: verify.Fails, Reason: "is missing"}
			if r.Kind != dossier.KindDossier || r.Verdict != verify.Fails || !slices.Contains(r.Checks, want) {
				t.Errorf("%+v", r)
			}
		})
	}
}
