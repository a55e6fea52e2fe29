package command

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// repack packs the folder of a dossier as other programs do.
func repack(t *testing.T, dir string, method uint16, folders bool) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	fsys := os.DirFS(dir)
	add := func(name string, content []byte) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if folders && err == nil && name != "." {
				add(name+"/", nil)
			}
			return err
		}
		content, err := fs.ReadFile(fsys, name)
		add(name, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "d.zip")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestRepacked: of a dossier that somebody packed anew the cause is told, and nothing that only
// follows from it.
func TestRepacked(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method  uint16
		folders bool
		want    string
	}{
		"Compressed": {zip.Deflate, false, "bag-info.txt: is compressed"},
		"Folders":    {zip.Store, true, "data/: is packed as a folder of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := checkAt(t, repack(t, newDossier(t), tc.method, tc.folders))
			if r.Verdict != verify.Fails || len(r.Checks) != 1 || r.Checks[0].Name != dossier.CheckBag {
				t.Fatalf("%+v", r)
			}
			if reason := r.Checks[0].Reason; !strings.HasPrefix(reason, tc.want) || !strings.HasSuffix(reason, "unzip it and verify the folder") {
				t.Errorf("reason %q, want %q and what to do", reason, tc.want)
			}
		})
	}
}

// TestNoZIP: of what is no ZIP file nothing is missing.
func TestNoZIP(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "d.zip")
	if err := os.WriteFile(file, []byte("no ZIP file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := checkAt(t, file); r.Verdict != verify.Fails || len(r.Checks) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestTakenOut gives the verifier what the portal hands out for one snapshot of a run, and what only looks like it.
func TestTakenOut(t *testing.T) {
	t.Parallel()
	office := verifytest.NewOffice(t)
	run := verifytest.NewSignedRun(t, office, 2)
	names := slices.Sorted(maps.Keys(run))
	chunk := names[slices.IndexFunc(names, func(name string) bool { return strings.HasSuffix(name, ".wacz") })]
	taken := strings.TrimSuffix(filepath.Base(chunk), ".wacz")
	var parts []string
	for _, name := range names {
		if strings.HasPrefix(name, chunk) || strings.HasPrefix(name, verify.StatementPath) {
			parts = append(parts, name)
		}
	}
	for _, tc := range []struct {
		reason, folder string
		names          []string
		damage         bool
		kind           verify.Kind
		want           verify.Verdict
	}{
		{"A snapshot that was taken out is checked as one.", taken, parts, false, verify.KindWACZ, verify.Holds},
		{"It fails when it was changed.", taken, parts, true, verify.KindWACZ, verify.Fails},
		{"Without the statement nothing says that it counts.", taken, parts[:2], false, verify.KindWACZ, verify.Unchecked},
		{"A run that lost a chunk is no such thing, whatever is left of it.", "run", parts, false, dossier.KindDossier, verify.Fails},
		{"Nor is one with two chunks.", taken, names, false, dossier.KindDossier, verify.Fails},
	} {
		packed := filepath.Join(t.TempDir(), "a.evidence.zip")
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, name := range tc.names {
			data := bytes.Clone(run[name].Data)
			if tc.damage && name == chunk {
				data[len(data)/2] ^= 1
			}
			w, err := z.CreateHeader(&zip.FileHeader{Name: tc.folder + "/" + name, Method: zip.Store})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(z.Close(), os.WriteFile(packed, b.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
		got, err := checkPath(t.Context(), &dossier.Checker{Verifier: &verify.Verifier{Trust: office.Trust(t)}}, packed)
		if err != nil || len(got) != 1 || got[0].Kind != tc.kind || got[0].Verdict != tc.want {
			t.Errorf("%s It is %+v, %v; want a %s that %s", tc.reason, got, err, tc.kind, tc.want)
		}
	}
}
