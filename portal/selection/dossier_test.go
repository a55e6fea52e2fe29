package selection_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
	"crawlfleet.dev/crawlfleet/portal/selection"
)

// TestDossier: a dossier of chunks in the store is one of the same chunks on disk.
func TestDossier(t *testing.T) {
	t.Parallel()
	b := bucket(t, &blobtest.Server{})
	office := verifytest.NewOffice(t)
	fsys := verifytest.NewSignedRun(t, office, 2)
	for name, f := range fsys {
		put(t, b, runPrefix+name, f.Data)
	}
	program := filepath.Join(t.TempDir(), "verify")
	if err := os.WriteFile(program, []byte("a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	o := dossier.Options{
		Case: "c-17", Organization: "An office", PreparedBy: "An analyst", Created: verifytest.When,
		Verifier: &verify.Verifier{Trust: office.Trust(t)}, Verifiers: []string{program},
	}
	picks := []selection.Pick{{Chunk: runPrefix + "chunks/b1.wacz", Page: "urn:uuid:p2"}, {Chunk: runPrefix + "chunks/b0.wacz", Page: "urn:uuid:p1"}}
	temp := t.TempDir()
	var out bytes.Buffer
	d, err := selection.Dossier(t.Context(), b, picks, o, &out, nil, temp)
	if err != nil || len(d.Exhibits) != 2 {
		t.Fatal(d, err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v %v", left, err)
	}
	run := t.TempDir()
	if err := os.CopyFS(run, fsys); err != nil {
		t.Fatal(err)
	}
	o.Snapshots = []dossier.Snapshot{{Path: filepath.Join(run, "chunks/b1.wacz"), Page: "urn:uuid:p2"}, {Path: filepath.Join(run, "chunks/b0.wacz"), Page: "urn:uuid:p1"}}
	var want bytes.Buffer
	dir := filepath.Join(t.TempDir(), "dossier")
	if _, err := dossier.Create(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	if err := dossier.Pack(&want, os.DirFS(dir), o.Created, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want.Bytes()) {
		t.Errorf("(-want +got)\n%s", cmp.Diff(names(t, want.Bytes()), names(t, out.Bytes())))
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	o.Snapshots = nil
	var sealed bytes.Buffer
	if _, err := selection.Dossier(t.Context(), b, picks, o, &sealed, []age.Recipient{id.Recipient()}, temp); err != nil {
		t.Fatal(err)
	}
	if r, err := age.Decrypt(&sealed, id); err != nil {
		t.Error(err)
	} else if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("decrypted it is another one: %v", err)
	}
	picks[0].Chunk = runPrefix + "chunks/erased.wacz"
	var gone *selection.GoneError
	if _, err := selection.Dossier(t.Context(), b, picks, o, io.Discard, nil, temp); !errors.As(err, &gone) {
		t.Errorf("error %v", err)
	}
}

// names are the files of a ZIP file with their sums.
func names(t *testing.T, data []byte) map[string]uint32 {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]uint32{}
	for _, f := range z.File {
		all[f.Name] = f.CRC32
	}
	return all
}
