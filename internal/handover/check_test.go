package handover

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"crawlfleet.dev/crawlfleet/internal/bagit"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
)

// TestHandedOverIsChecked: whoever trusts the sender finds that all of a bag holds, also its run; nobody
// else can tell; and a byte that was changed in it is found.
func TestHandedOverIsChecked(t *testing.T) {
	t.Parallel()
	office, store := verifytest.NewOffice(t), newBucket(t)
	const place = "ns/job/run/"
	for name, f := range verifytest.NewSignedRun(t, office, 2) {
		put(t, store, place+name, string(f.Data))
	}
	names, err := Names(t.Context(), store, place, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "bag")
	o := options(nil)
	o.Sign = func(_ context.Context, manifest []byte) ([]byte, error) {
		fsys := fstest.MapFS{bagit.TagManifest: {Data: manifest}}
		office.Sidecar(t, fsys, bagit.TagManifest, nil)
		return fsys[bagit.TagManifest+verify.SidecarSuffix].Data, nil
	}
	if err := Take(t.Context(), store, place, names, dir, o); err != nil {
		t.Fatal(err)
	}
	check := func(v *verify.Verifier) verify.Report {
		r, err := (&dossier.Checker{Verifier: v}).Check(t.Context(), os.DirFS(dir), "bag")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	trusting := &verify.Verifier{Trust: office.Trust(t)}
	r := check(trusting)
	if r.Verdict != verify.Holds || r.Kind != dossier.KindHandover || len(r.Parts) != 1 || r.Parts[0].Kind != verify.KindRun || r.Signer == nil || !r.Signer.Vouched {
		t.Errorf("for who trusts the sender it is %+v", r)
	}
	if r := check(&verify.Verifier{}); r.Verdict != verify.Unchecked {
		t.Errorf("for who trusts nobody it is %s", r.Verdict)
	}
	chunk := filepath.Join(dir, "data", "run", "chunks", "b0.wacz")
	raw, err := os.ReadFile(chunk)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(chunk, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := check(trusting); r.Verdict != verify.Fails {
		t.Errorf("with a byte changed it is %s", r.Verdict)
	}
}
