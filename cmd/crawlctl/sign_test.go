package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/archive"
)

// serveStamps gives a script a time-stamp authority: $TSA, whose root is tsa.pem.
func serveStamps(env *testscript.Env) error {
	authority, err := tsa.NewAuthority("Script TSA", time.Now)
	if err != nil {
		return err
	}
	server := httptest.NewServer(authority)
	env.Defer(server.Close)
	env.Setenv("TSA", server.URL)
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Chain[1].Raw})
	return os.WriteFile(filepath.Join(env.WorkDir, "tsa.pem"), root, 0o600)
}

// judge is the script command "judge FILE FINGERPRINT ROOTS CHECK": the file and its
// sidecar are signed by the key, nothing failed, and the one check that could not be made
// is CHECK.
func judge(ts *testscript.TestScript, _ bool, args []string) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ts.ReadFile(args[2])))
	fingerprint, _, _ := strings.Cut(ts.ReadFile(args[1]), "\n")
	v := verdictOf(ts, ts.MkAbs(args[0]), evidence.Trust{Keys: []evidence.TrustedKey{{Fingerprint: fingerprint}}, Authorities: roots})
	open := v.With(evidence.NotChecked)
	if len(v.With(evidence.Failed)) > 0 || len(open) != 1 || open[0].Name != args[3] || !v.Signer.Vouched || v.Signer.Proven.IsZero() {
		ts.Fatalf("%+v", v)
	}
}

func verdictOf(ts *testscript.TestScript, path string, trust evidence.Trust) evidence.Verdict {
	file, err := os.Open(path)
	ts.Check(err)
	defer file.Close()
	info, err := file.Stat()
	ts.Check(err)
	r, err := wacz.Open(file, info.Size())
	ts.Check(err)
	digest, err := r.PackageDigest()
	ts.Check(err)
	pkg, err := r.OpenFile(wacz.PackagePath)
	ts.Check(err)
	defer pkg.Close()
	manifest, err := io.ReadAll(pkg)
	ts.Check(err)
	hash := sha256.New()
	_, err = io.Copy(hash, io.NewSectionReader(file, 0, info.Size()))
	ts.Check(err)
	raw, err := os.ReadFile(path + evidence.SidecarSuffix)
	ts.Check(err)
	sidecar, err := evidence.ParseSidecar(raw)
	ts.Check(err)
	return evidence.Verify(evidence.Material{Package: warc.SHA256Of(manifest), SignedData: digest.SignedData, Sidecar: sidecar, File: warc.SHA256(hash)}, trust)
}

// TestKeyFileIsPrivate: for its owner alone.
func TestKeyFileIsPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := createKey(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v: %s", err, info.Mode())
	}
}

// TestTSAServe: it tells where it is, gives stamps, and is the same one the next time.
func TestTSAServe(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tsa")
	var serials []string
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		authority, err := tsa.LoadAuthority(dir, "test", time.Now)
		if err != nil {
			t.Fatal(err)
		}
		r, w := io.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- serveTSA(ctx, w, "127.0.0.1:0", filepath.Join(dir, tsa.RootFile), authority) }()
		line, err := bufio.NewReader(r).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`^time stamps, for tests and trials: (http://127\.0\.0\.1:\d+/) \(root: (.*)\)\n$`).FindStringSubmatch(line)
		if found == nil {
			t.Fatalf("%q", line)
		}
		stamps, err := newStampers(found[2])
		if err != nil {
			t.Fatal(err)
		}
		answer, err := stamps.of(evidence.Authority{URL: found[1]}).Stamp(ctx, sha256.Sum256(nil))
		if err != nil {
			t.Fatal(err)
		}
		serials = append(serials, answer.Stamp.Chain[0].SerialNumber.String())
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if serials[0] != serials[1] {
		t.Error("the second authority is another")
	}
}

// TestCloseSignedGivesUpOnOtherErrors: it waits for authorities, not for disks.
func TestCloseSignedGivesUpOnOtherErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := archive.NewChunk(archive.Options{Dir: dir, Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x.wacz"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := closeSigned(c); err == nil || errors.Is(err, archive.ErrUnsigned) {
		t.Error(err)
	}
}
