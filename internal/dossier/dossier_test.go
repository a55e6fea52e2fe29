package dossier_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
)

// newRun writes the folder of a run of two pages.
func newRun(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	fsys, st := verifytest.NewRun(t, verifytest.NewSample(1).Pack(t), verifytest.NewSample(2).Pack(t))
	if err := os.CopyFS(dir, verifytest.State(t, fsys, st)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func options(t *testing.T, run string) dossier.Options {
	t.Helper()
	program := filepath.Join(t.TempDir(), "verify-linux-amd64")
	if err := os.WriteFile(program, []byte("a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dossier.Options{
		Case: "2026-17 \"Harbour\"", Organization: "An office", PreparedBy: "An analyst", Created: verifytest.When, Verifier: &verify.Verifier{},
		Snapshots: []dossier.Snapshot{{Path: filepath.Join(run, "chunks/b0.wacz")}, {Path: filepath.Join(run, "chunks/b1.wacz"), Page: "https://site.example/2"}},
		Verifiers: []string{program},
	}
}

func create(t *testing.T, o dossier.Options) (string, *dossier.Dossier) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dossier")
	d, err := dossier.Create(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return dir, d
}

func check(t *testing.T, fsys fs.FS) verify.Report {
	t.Helper()
	r, err := (&dossier.Checker{Verifier: &verify.Verifier{}}).Check(t.Context(), fsys, "dossier")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// contents reads all files of a folder.
func contents(t *testing.T, dir string) fstest.MapFS {
	t.Helper()
	all := fstest.MapFS{}
	fsys := os.DirFS(dir)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(fsys, name)
		all[name] = &fstest.MapFile{Data: b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestDossier: it has what it should, the same each time, and nothing of it fails.
func TestDossier(t *testing.T) {
	t.Parallel()
	run := newRun(t)
	o := options(t, run)
	dir, _ := create(t, o)
	all := contents(t, dir)
	want := []string{"bag-info.txt", "bagit.txt", "data/case.jsonld", "data/dossier.json", "manifest-sha256.txt", "tagmanifest-sha256.txt", "data/verifier/verify-linux-amd64"}
	for _, lang := range []string{"en", "nl"} {
		want = append(want, "data/report."+lang+".html", "data/report."+lang+".pdf")
	}
	for _, e := range []string{"E01", "E02"} {
		for _, name := range []string{"snapshot.wacz", "capture.json", "pageinfo.json", "screenshot.png", "text.txt", "certificates.pem", "run.json", "derived/resources.csv", "derived/links.csv"} {
			want = append(want, "data/exhibits/"+e+"/"+name)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(all))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	again, _ := create(t, o)
	for name, f := range contents(t, again) {
		if !bytes.Equal(all[name].Data, f.Data) {
			t.Errorf("%s differs the second time", name)
		}
	}
	r := check(t, os.DirFS(dir))
	if r.Verdict == verify.Fails || len(r.Parts) != 2 {
		t.Errorf("%+v", r)
	}
	page := string(all["data/report.nl.html"].Data)
	for _, s := range []string{"Dossier 2026-17 &#34;Harbour&#34;", "Bewijsstuk E01: Room to let, no. 1", "case 17", "https://site.example/1.png", "exhibits/E02/screenshot.png", "192.0.2.1:443 h2"} {
		if !strings.Contains(page, s) {
			t.Errorf("the report does not say %q", s)
		}
	}
	if links := string(all["data/exhibits/E01/derived/links.csv"].Data); !strings.Contains(links, "'=https://site.example/next,Anchor") {
		t.Errorf("links: %s", links)
	}
	var graph struct {
		Graph []map[string]any `json:"@graph"`
	}
	if err := json.Unmarshal(all["data/case.jsonld"].Data, &graph); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, n := range graph.Graph {
		kinds[n["@type"].(string)]++
	}
	if kinds["case-investigation:ProvenanceRecord"] != 2 || kinds["case-investigation:Authorization"] != 1 || kinds["case-investigation:Investigation"] != 1 {
		t.Errorf("case.jsonld: %v", kinds)
	}
}

// TestMutations: every file of a dossier, damaged in every way, is noticed.
func TestMutations(t *testing.T) {
	t.Parallel()
	dir, _ := create(t, options(t, newRun(t)))
	good := contents(t, dir)
	n := 0
	refused := func(what string, change func(fstest.MapFS)) {
		t.Helper()
		bag := fstest.MapFS{}
		for name, f := range good {
			bag[name] = &fstest.MapFile{Data: f.Data}
		}
		change(bag)
		n++
		if r, err := (&dossier.Checker{Verifier: &verify.Verifier{}}).Check(context.Background(), bag, "dossier"); err == nil && r.Verdict != verify.Fails {
			t.Errorf("%s: is not noticed", what)
		}
	}
	with := func(name string, data []byte) func(fstest.MapFS) {
		return func(b fstest.MapFS) { b[name] = &fstest.MapFile{Data: data} }
	}
	for _, name := range slices.Sorted(maps.Keys(good)) {
		data := good[name].Data
		for i := 0; i < 4; i++ {
			flipped := bytes.Clone(data)
			flipped[(i*len(data)/4+i)%len(data)] ^= 0x10
			refused(name+" flipped", with(name, flipped))
		}
		refused(name+" missing", func(b fstest.MapFS) { delete(b, name) })
		refused(name+" cut", with(name, data[:len(data)-1]))
		refused(name+" longer", with(name, append(bytes.Clone(data), ' ')))
	}
	refused("added", with("data/exhibits/E01/new.txt", nil))
	refused("swapped", func(b fstest.MapFS) {
		const a, c = "data/exhibits/E01/snapshot.wacz", "data/exhibits/E02/snapshot.wacz"
		b[a], b[c] = b[c], b[a]
	})
	t.Logf("%d mutations", n)
}

// TestCheckFollowsFromSnapshots: who makes the manifests anew, too, is noticed all the same.
func TestCheckFollowsFromSnapshots(t *testing.T) {
	t.Parallel()
	run := newRun(t)
	good, _ := create(t, options(t, run))
	for name, tc := range map[string]struct{ file, content string }{
		"Screenshot": {"data/exhibits/E01/screenshot.png", "another picture"},
		"Table":      {"data/exhibits/E01/derived/resources.csv", "url\n"},
		"Extra":      {"data/exhibits/E01/derived/new.csv", "url\n"},
		"Run":        {"data/exhibits/E01/run.json", `{"format":"crawlfleet-run","version":1}`},
		"Program":    {"data/verifier/verify-linux-amd64", "another program"},
		"Exhibit":    {"data/exhibits/E03/x", ""},
		"Index":      {"data/dossier.json", "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := contents(t, good)
			all[tc.file] = &fstest.MapFile{Data: []byte(tc.content)}
			rebag(t, all)
			r := check(t, all)
			if r.Verdict != verify.Fails {
				t.Errorf("is not noticed: %+v", r)
			}
			if c := r.Checks[0]; c.Name != dossier.CheckBag || c.Verdict != verify.Holds {
				t.Errorf("the test makes no bag: %+v", c)
			}
		})
	}
}

// TestPack: a ZIP file that unpacks to the same, every byte of which counts.
func TestPack(t *testing.T) {
	t.Parallel()
	dir, d := create(t, options(t, newRun(t)))
	var file, again bytes.Buffer
	for _, b := range []*bytes.Buffer{&file, &again} {
		if err := dossier.Pack(b, os.DirFS(dir), d.Created, nil); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(file.Bytes(), again.Bytes()) {
		t.Error("it is packed to other bytes the second time")
	}
	out := t.TempDir()
	wrong, err := dossier.Unpack(bytes.NewReader(file.Bytes()), int64(file.Len()), out)
	if err != nil || len(wrong) > 0 {
		t.Fatal(wrong, err)
	}
	want := contents(t, dir)
	for name, f := range contents(t, out) {
		if !bytes.Equal(want[name].Data, f.Data) {
			t.Errorf("%s differs", name)
		}
	}
	for i := 0; i < file.Len(); i += 997 {
		flipped := bytes.Clone(file.Bytes())
		flipped[i] ^= 0x04
		out := t.TempDir()
		wrong, err := dossier.Unpack(bytes.NewReader(flipped), int64(len(flipped)), out)
		if err == nil && len(wrong) == 0 && check(t, os.DirFS(out)).Verdict != verify.Fails {
			t.Errorf("byte %d: its change is not noticed", i)
		}
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	if err := dossier.Pack(&sealed, os.DirFS(dir), d.Created, []age.Recipient{id.Recipient()}); err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(&sealed, id)
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	if _, err := plain.ReadFrom(r); err != nil || !bytes.Equal(plain.Bytes(), file.Bytes()) {
		t.Errorf("%v: what was encrypted differs", err)
	}
}

// TestCreateRefuses: nothing is left of a dossier that cannot be made.
func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	run := newRun(t)
	for name, tc := range map[string]struct {
		change func(*dossier.Options)
		want   string
	}{
		"NoCase":     {func(o *dossier.Options) { o.Case = " " }, "the case must be given"},
		"NoSnapshot": {func(o *dossier.Options) { o.Snapshots = nil }, "0 snapshots"},
		"NoPage":     {func(o *dossier.Options) { o.Snapshots[0].Page = "https://other.example/" }, `has no page "https://other.example/"; it has https://site.example/1`},
		"NoFile":     {func(o *dossier.Options) { o.Snapshots[0].Path = "/no/such.wacz" }, "no such file"},
		"Supersedes": {func(o *dossier.Options) { o.Supersedes = "abc" }, "must be a SHA-256 in hex"},
		"Damaged": {func(o *dossier.Options) {
			b, err := os.ReadFile(o.Snapshots[0].Path)
			if err != nil {
				panic(err)
			}
			b[len(b)/2] ^= 1
			o.Snapshots[0].Path = filepath.Join(t.TempDir(), "x.wacz")
			if err := os.WriteFile(o.Snapshots[0].Path, b, 0o600); err != nil {
				panic(err)
			}
		}, "does not hold"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, run)
			tc.change(&o)
			dir := filepath.Join(t.TempDir(), "dossier")
			_, err := dossier.Create(t.Context(), dir, o)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("half a dossier is left")
			}
		})
	}
}
