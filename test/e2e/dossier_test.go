package e2e

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites/board"
)

// TestFromAPictureToTheAuthorisation: a crawl, and a dossier of one of its pages. Who has nothing but the dossier and the
// verifier in it, and knows whom to trust, follows a picture on the page to the authorisation that it was captured under.
func TestFromAPictureToTheAuthorisation(t *testing.T) {
	t.Parallel()
	srv := serve(t, board.New(board.Options{}))
	fleet := harness.Start(t, harness.Options{})
	job := harness.NewJob("handover", srv.URL+"/")
	job.Spec.Limits.Pages = 8
	fleet.Apply(t, job)
	succeeded(t, fleet, "handover")
	chunk, page := pageWithPicture(t, fleet.MirrorRun(t, "handover"))
	out := filepath.Join(t.TempDir(), "dossier")
	args := slices.Concat([]string{
		"dossier", "create", "--case", "2026-17", "--organization", "An agency", "--by", "An analyst", "--actor", "analyst-7", "--to", "police-3",
		"--snapshot", chunk + "#" + page.ID, "--verifier", fleet.Binary(t, "verify"), "--out", out,
	}, fleet.HandOverFlags(), fleet.TrustFlags(t))
	if b, err := exec.CommandContext(t.Context(), fleet.Binary(t, "crawlctl"), args...).CombinedOutput(); err != nil {
		t.Fatalf("crawlctl dossier create: %v\n%s", err, b)
	}
	// From here on there is the dossier alone, and what is in it.
	program := filepath.Join(t.TempDir(), "verify")
	raw, err := os.ReadFile(filepath.Join(out, "data/verifier/verify"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, raw, 0o700); err != nil {
		t.Fatal(err)
	}
	told, err := exec.CommandContext(t.Context(), program, slices.Concat([]string{"--all", out}, fleet.TrustFlags(t))...).CombinedOutput()
	if err != nil {
		t.Errorf("not everything holds: %v\n%s", err, told)
	}
	picture := page.Pictures()[0]
	told, err = exec.CommandContext(t.Context(), program, slices.Concat([]string{"--trace", picture.SHA256, out}, fleet.TrustFlags(t))...).CombinedOutput()
	a := job.Spec.Authorization
	for _, step := range []string{picture.Record, picture.URL, page.ID, "signature", "is a trusted one", "stamp", "names the snapshot", "handover", a.Reference, a.Purpose, a.RequestedBy} {
		if err != nil || !strings.Contains(string(told), step) {
			t.Errorf("the way from the picture does not lead over %q: %v\n%s", step, err, told)
		}
	}
	damage(t, out, dossier.Checker{Verifier: &verify.Verifier{Trust: fleet.Trust(t)}})
}

// pageWithPicture finds a page of a run that has a picture, and the chunk that it is in.
func pageWithPicture(t *testing.T, run string) (string, *dossier.Page) {
	t.Helper()
	chunks, err := filepath.Glob(filepath.Join(run, "chunks", "*.wacz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, chunk := range chunks {
		raw, err := os.ReadFile(chunk)
		if err != nil {
			t.Fatal(err)
		}
		v := verify.Verifier{}
		report, err := v.WACZ(t.Context(), chunk, bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range report.Facts.Pages {
			page, err := dossier.ReadPage(t.Context(), bytes.NewReader(raw), int64(len(raw)), p.ID)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Pictures()) > 0 && len(page.Screenshot) > 0 {
				return chunk, page
			}
		}
	}
	t.Fatal("no page has a picture")
	return "", nil
}

// damage changes a byte of each file of a dossier, one at a time, which has to be noticed.
func damage(t *testing.T, dir string, c dossier.Checker) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		whole, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		changed := bytes.Clone(whole)
		at := random.IntN(len(changed))
		changed[at] ^= 1 << random.IntN(8)
		if err := os.WriteFile(name, changed, 0o600); err != nil {
			return err
		}
		r, err := c.Check(t.Context(), os.DirFS(dir), "dossier")
		if err == nil && r.Verdict != verify.Fails {
			t.Errorf("%s: byte %d was changed, and the dossier %s", name, at, r.Verdict)
		}
		return os.WriteFile(name, whole, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
