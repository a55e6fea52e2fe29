package portal

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/verdict"
)

// TestEvidence: what is downloaded is checked offline as the portal checks it, check by check.
func TestEvidence(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	office := verifytest.NewOffice(t)
	run := verifytest.NewSignedRun(t, office, 2) // the other chunk stays where it is
	for name, file := range run {
		f.put(t, f.bucket, "ns/job/run/"+name, file.Data)
	}
	f.catch(t)
	judge := &verdict.Judge{Archive: f.bucket, Verifier: &verify.Verifier{Trust: office.Trust(t)}, Dir: t.TempDir(), Now: time.Now}
	hit := f.first(t)
	file := filepath.Base(string(hit.Chunk))
	res := f.get("/snapshots/" + string(hit.ID) + "/evidence.zip")
	raw := body(t, res)
	top := strings.TrimSuffix(file, ".wacz")
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/zip" || !strings.Contains(res.Header.Get("Content-Disposition"), top+".evidence.zip") {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	dir := t.TempDir()
	names := unzip(t, raw, dir)
	want := []string{top + "/chunks/" + file, top + "/chunks/" + file + ".evidence.json", top + "/run.json", top + "/run.json.evidence.json"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("in the file (-want +got):\n%s", diff)
	}
	portal, err := judge.Of(t.Context(), hit.Chunk)
	if err != nil {
		t.Fatal(err)
	}
	for _, given := range []string{"", top, want[0]} { // whatever of it somebody gives to the verifier
		offline, err := judge.Verifier.Path(t.Context(), filepath.Join(dir, filepath.FromSlash(given)))
		if err != nil || len(offline) != 1 {
			t.Fatalf("%q: %v, %v", given, offline, err)
		}
		if diff := cmp.Diff(portal.Checks, offline[0].Checks); diff != "" || offline[0].Verdict != verify.Holds {
			t.Errorf("%q: %s offline (-the portal +offline):\n%s", given, offline[0].Verdict, diff)
		}
	}
}

// TestEvidenceBreaksOff: what is not whole must not look whole.
func TestEvidenceBreaksOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.catch(t)
	path := "/snapshots/" + string(idOf("c1", "Rooms")) + "/evidence.zip"
	if names := unzip(t, body(t, f.get(path)), t.TempDir()); !slices.Equal(names, []string{"c1/chunks/c1.wacz", "c1/run.json"}) { // nobody signed it
		t.Errorf("in the file: %q", names)
	}
	f.store.Answer = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "run.json") {
			blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
			return true
		}
		return false
	}
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Error("the answer does not break off")
		}
	}()
	f.get(path)
}

// first is any capture of the archive.
func (f *fixture) first(t *testing.T) catalog.Capture {
	t.Helper()
	found, err := f.known.Search(t.Context(), catalog.Query{Namespaces: []string{"ns"}, Partial: true, Limit: 1})
	if err != nil || len(found.Hits) == 0 {
		t.Fatalf("nothing is found: %v", err)
	}
	return found.Hits[0].Capture
}

// unzip unpacks a file, in which nothing may be compressed, and tells what is in it.
func unzip(t *testing.T, raw, dir string) (names []string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader([]byte(raw)), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range z.File {
		names = append(names, file.Name)
		if file.Method != zip.Store {
			t.Errorf("%s is compressed", file.Name)
		}
		r, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		to := filepath.Join(dir, filepath.FromSlash(file.Name))
		if err != nil || os.MkdirAll(filepath.Dir(to), 0o700) != nil || os.WriteFile(to, b, 0o600) != nil {
			t.Fatalf("%s cannot be unpacked: %v", file.Name, err)
		}
	}
	slices.Sort(names)
	return names
}
