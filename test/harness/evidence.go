package harness

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/tsa"
)

// custodyName is the name of the fleets' custody logs.
const custodyName = "fleet.test/custody"

// keys are what a fleet signs with, and an authority of its own that gives it time stamps.
type keys struct {
	dir, stamps string
	root        *x509.Certificate
	away        atomic.Bool // the authority
}

func (k *keys) file(name string) string { return filepath.Join(k.dir, name) }

// The files of a fleet's keys.
const (
	signKey       = "sign.pem"
	custodyKey    = "custody.key"
	custodyPublic = "custody.pub"
)

// makeKeys makes the keys of a fleet unless they are in its folder, and starts its authority.
func makeKeys(t testing.TB, dir string) *keys {
	t.Helper()
	k := &keys{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	private, err := evidence.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	writer, public, err := note.GenerateKey(nil, custodyName)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(k.file(signKey)); errors.Is(err, fs.ErrNotExist) {
		for name, content := range map[string]string{signKey: string(private), custodyKey: writer, custodyPublic: public} {
			if err := os.WriteFile(k.file(name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	authority, err := tsa.LoadAuthority(k.file("tsa"), "crawlfleet test TSA", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	k.root = authority.Chain[len(authority.Chain)-1]
	listener, err := net.Listen("tcp", net.JoinHostPort(listenHost, "0"))
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if k.away.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		authority.ServeHTTP(w, r)
	})
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // it ends by being closed
	}()
	t.Cleanup(func() { _ = server.Close(); <-served })
	k.stamps = "http://" + listener.Addr().String() + "/"
	return k
}

// SigningFlags are those of a worker that signs what it stores, has it stamped, and keeps the custody log.
func (f *Fleet) SigningFlags() []string {
	k := f.keys
	return []string{
		"--sign-key", k.file(signKey), "--timestamp-url", k.stamps, "--timestamp-roots", filepath.Join(k.file("tsa"), tsa.RootFile),
		"--custody-key", k.file(custodyKey),
	}
}

// HandOverFlags are those of a crawlctl that hands over what the fleet stores: it signs with the
// fleet's key, and writes into the custody log.
func (f *Fleet) HandOverFlags() []string {
	k, s := f.keys, f.State().S3
	return []string{
		"--sign-key", k.file(signKey), "--timestamp-url", k.stamps, "--custody-write-key", k.file(custodyKey),
		"--custody-bucket", s.ArchiveBucket, "--s3-endpoint", s.Endpoint, "--s3-region", s.Region, "--s3-credentials-file", s.CredentialsFile,
	}
}

// TrustFlags are those of a crawlctl or verify that trusts the fleet.
func (f *Fleet) TrustFlags(t testing.TB) []string {
	t.Helper()
	return []string{
		"--trust-key", f.Trust(t).Keys[0].Fingerprint, "--timestamp-roots", filepath.Join(f.keys.file("tsa"), tsa.RootFile),
		"--custody-key", f.keys.file(custodyPublic),
	}
}

// SetStampsAway has the fleet's time-stamp authority give no stamps, or give them again.
func (f *Fleet) SetStampsAway(away bool) { f.keys.away.Store(away) }

// Trust is who vouches for what the fleet stores.
func (f *Fleet) Trust(t testing.TB) evidence.Trust {
	t.Helper()
	key, err := (&evidence.KeyFile{Path: f.keys.file(signKey)}).Key()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	fingerprint, err := evidence.Fingerprint(public)
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AddCert(f.keys.root)
	return evidence.Trust{Keys: []evidence.TrustedKey{{Fingerprint: fingerprint}}, Authorities: authorities}
}

// Custody opens the fleet's custody log for reading.
func (f *Fleet) Custody(t testing.TB) *custody.Log {
	t.Helper()
	s := f.State().S3
	client, err := blob.NewClient(blob.Config{Endpoint: s.Endpoint, Region: s.Region, CredentialsFile: s.CredentialsFile})
	if err != nil {
		t.Fatal(err)
	}
	origin, verifiers, err := custody.ReadKeys([]string{f.keys.file(custodyPublic)})
	if err != nil {
		t.Fatal(err)
	}
	log, err := custody.New(custody.Config{Store: client.Bucket(s.ArchiveBucket), Prefix: "custody", Origin: origin, Verifiers: verifiers})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// MirrorRun copies all that a job's run has in the archive to a folder, as a person would who
// takes it away, and returns the folder.
func (f *Fleet) MirrorRun(t testing.TB, name string) string {
	t.Helper()
	job := f.Job(t, name)
	if job.Status.Archive == nil || job.Status.Archive.Prefix == "" {
		t.Fatalf("the status of %s does not say where the archive is", name)
	}
	dir := t.TempDir()
	if err := f.Mirror(t, job.Status.Archive.Bucket, job.Status.Archive.Prefix, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Mirror copies the objects below a prefix of a bucket to a folder.
func (f *Fleet) Mirror(t testing.TB, bucket, prefix, dir string) error {
	t.Helper()
	client, err := f.S3()
	if err != nil {
		return err
	}
	for object := range client.ListObjectsIter(t.Context(), bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if object.Err != nil {
			return fmt.Errorf("list %s/%s: %w", bucket, prefix, object.Err)
		}
		body, err := client.GetObject(t.Context(), bucket, object.Key, minio.GetObjectOptions{})
		if err != nil {
			return fmt.Errorf("read %s/%s: %w", bucket, object.Key, err)
		}
		if err := write(filepath.Join(dir, strings.TrimPrefix(object.Key, prefix)), body); err != nil {
			return fmt.Errorf("copy %s/%s: %w", bucket, object.Key, err)
		}
	}
	return nil
}

// write writes what can be read to a file, and closes it.
func write(path string, body io.ReadCloser) (err error) {
	defer func() { err = errors.Join(err, body.Close()) }()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, body)
	return errors.Join(err, file.Close())
}
