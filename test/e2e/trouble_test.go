package e2e

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/test/harness"
	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/board"
	"crawlfleet.dev/crawlfleet/test/sites/trouble"
)

// troubleTimeout bounds how long a trouble may take to be told, or to pass.
const troubleTimeout = 5 * time.Minute

// forwarder passes connections on to a store, or breaks them off while it is down.
type forwarder struct {
	listener net.Listener
	target   atomic.Value // string, host:port
	down     atomic.Bool
	open     sync.WaitGroup
}

func forward(t *testing.T) *forwarder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{listener: l}
	f.open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.open.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() {
		f.down.Store(true)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		f.open.Wait()
	})
	return f
}

func (f *forwarder) serve(conn net.Conn) {
	defer conn.Close()
	target, ok := f.target.Load().(string)
	if !ok || f.down.Load() {
		return
	}
	up, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer up.Close()
	done := make(chan struct{}, 2)
	pipe := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		done <- struct{}{}
	}
	go pipe(up, conn)
	go pipe(conn, up)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !f.down.Load() {
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}

// stalled waits until a job says that it is stalled, for that reason, and what to do.
func stalled(t *testing.T, fleet *harness.Fleet, name, reason string) {
	t.Helper()
	job := fleet.WaitUntil(t, name, "it is stalled for "+reason, troubleTimeout, func(job *v1alpha1.CrawlJob) bool {
		c := harness.Condition(job, "Stalled")
		return c.Status == "True" && c.Reason == reason
	})
	if m := harness.Condition(job, "Stalled").Message; len(m) < 40 || !strings.Contains(m, ".") {
		t.Errorf("the message does not say what to do: %q", m)
	}
}

// TestTroubleIsToldAndPasses takes away what a crawl needs, one thing after another, expects a condition that says so, gives it
// back, and expects the crawl to go on by itself.
func TestTroubleIsToldAndPasses(t *testing.T) {
	t.Parallel()
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<title>a page</title><p>a page")
	}))
	store := forward(t)
	credentials := filepath.Join(t.TempDir(), "credentials")
	fleet := harness.Start(t, harness.Options{WorkerFlags: []string{
		"--s3-endpoint", "http://" + store.listener.Addr().String(), "--s3-credentials-file", credentials,
	}})
	store.target.Store(strings.TrimPrefix(fleet.State().S3.Endpoint, "http://"))

	right, err := os.ReadFile(fleet.State().S3.CredentialsFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(credentials, right, 0o600); err != nil {
		t.Fatal(err)
	}

	t.Run("SigningKey", func(t *testing.T) {
		key := filepath.Join(fleet.Dir, "keys", "sign.pem")
		if err := os.Rename(key, key+".lost"); err != nil {
			t.Fatal(err)
		}
		fleet.Apply(t, harness.NewJob("unsigned", srv.URL+"/"))
		stalled(t, fleet, "unsigned", "SigningFailed")
		if err := os.Rename(key+".lost", key); err != nil {
			t.Fatal(err)
		}
		succeeded(t, fleet, "unsigned")
	})
	t.Run("Credentials", func(t *testing.T) {
		if err := os.WriteFile(credentials, []byte("[default]\naws_access_key_id = wrong\naws_secret_access_key = wrong\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		fleet.Apply(t, harness.NewJob("credentials", srv.URL+"/"))
		stalled(t, fleet, "credentials", "StoreDenied")
		if err := os.WriteFile(credentials, right, 0o600); err != nil {
			t.Fatal(err)
		}
		succeeded(t, fleet, "credentials")
	})
	t.Run("Store", func(t *testing.T) {
		store.down.Store(true)
		fleet.Apply(t, harness.NewJob("store", srv.URL+"/"))
		stalled(t, fleet, "store", "StoreUnreachable")
		store.down.Store(false)
		succeeded(t, fleet, "store")
	})
	t.Run("Bucket", func(t *testing.T) {
		job := harness.NewJob("bucket", srv.URL+"/")
		job.Spec.Storage = &v1alpha1.Storage{Bucket: "made-later"}
		fleet.Apply(t, job)
		stalled(t, fleet, "bucket", "BucketMissing")
		client, err := fleet.S3()
		if err != nil {
			t.Fatal(err)
		}
		if err := client.MakeBucket(t.Context(), "made-later", minio.MakeBucketOptions{}); err != nil {
			t.Fatal(err)
		}
		succeeded(t, fleet, "bucket")
	})
	t.Run("Seed", func(t *testing.T) {
		// A port that nobody listens on, until later.
		address := harness.FreeAddress(t)
		fleet.Apply(t, harness.NewJob("seed", "http://"+address+"/"))
		stalled(t, fleet, "seed", "SeedUnreachable")
		late, err := sites.Start(sites.Options{Handler: http.NotFoundHandler(), Listen: address})
		if err != nil {
			t.Fatal(err)
		}
		defer late.Close()
		succeeded(t, fleet, "seed")
	})
	t.Run("Host", func(t *testing.T) {
		// A site that goes down in the middle, with most of its pages in the queue, and comes back.
		b := board.New(board.Options{Ads: 10})
		site, err := sites.Start(sites.Options{Handler: b, Listen: harness.FreeAddress(t)})
		if err != nil {
			t.Fatal(err)
		}
		fleet.Apply(t, harness.NewJob("host", site.URL+"/"))
		fleet.WaitUntil(t, "host", "some pages are archived", troubleTimeout, archivedMoreThan(0))
		if err := site.Close(); err != nil {
			t.Fatal(err)
		}
		stalled(t, fleet, "host", "HostUnreachable")
		again, err := sites.Start(sites.Options{Handler: b, Listen: site.Addr})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		succeeded(t, fleet, "host")
		archivedExactly(t, fleet.ReadRun(t, "host"), again.URL, b.Account())
	})
	t.Run("Name", func(t *testing.T) {
		fleet.Apply(t, harness.NewJob("name", "http://does-not-exist.invalid/"))
		stalled(t, fleet, "name", "SeedUnreachable")
		fleet.SetState(t, "name", "Cancelled")
		fleet.WaitFor(t, "crawl/name", "Finished", troubleTimeout)
		if c := harness.Condition(fleet.Job(t, "name"), "Succeeded"); c.Status != "False" || c.Reason != "Cancelled" {
			t.Errorf("Succeeded is %s: %s", c.Status, c.Reason)
		}
	})
	t.Run("Temporal", func(t *testing.T) {
		pid := fleet.State().PIDs["temporal"]
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		goOn := sync.OnceFunc(func() {
			if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
				t.Error(err)
			}
		})
		defer goOn()
		fleet.Apply(t, harness.NewJob("temporal", srv.URL+"/"))
		stalled(t, fleet, "temporal", "TemporalUnreachable")
		goOn()
		succeeded(t, fleet, "temporal")
	})
}

// TestBadPagesFailAlone crawls pages that never end, hang the renderer, or crash it: each fails with its reason, and the good
// ones are archived.
func TestBadPagesFailAlone(t *testing.T) {
	t.Parallel()
	srv := serve(t, trouble.New(trouble.Options{}))
	fleet := harness.Start(t, harness.Options{})
	job := harness.NewJob("bad", srv.URL+"/never", srv.URL+"/hang", srv.URL+"/oom", srv.URL+"/frames", srv.URL+"/alert")
	job.Spec.Scope.Type = v1alpha1.ScopePage
	job.Spec.Browser.PageTimeoutSeconds = 30
	fleet.Apply(t, job)
	done := succeeded(t, fleet, "bad")
	failed := map[string]int64{}
	for _, r := range done.Status.FailedByReason {
		failed[r.Reason] = r.Count
	}
	if diff := cmp.Diff(map[string]int64{"PageTimeout": 2, "RendererCrashed": 1}, failed); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/alert", "/frames"}, fleet.ReadRun(t, "bad").Paths(srv.URL)); diff != "" {
		t.Errorf("archived (-want +got):\n%s", diff)
	}
}

// TestFullDiskFailsThePageAlone fills the worker's disk while a page is loaded, and makes room when it has failed: the others
// are archived, and that one when it is tried again.
func TestFullDiskFailsThePageAlone(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=500m"); err != nil {
		t.Fatalf("this test mounts a small file system: run it as root, or in a name space of its own (unshare -Urm): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	site := trouble.New(trouble.Options{})
	var filled atomic.Bool
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/huge-file/body.bin" && filled.CompareAndSwap(false, true) {
			defer fill(t, disk, 16<<20)() // until the file is sent, or nobody takes it any more
		}
		site.ServeHTTP(w, r)
	}))
	fleet := harness.Start(t, harness.Options{WorkerFlags: []string{"--dir", filepath.Join(disk, "worker")}})
	job := harness.NewJob("full", srv.URL+"/huge-file?mb=64", srv.URL+"/frames")
	job.Spec.Scope.Type = v1alpha1.ScopePage
	fleet.Apply(t, job)
	done := succeeded(t, fleet, "full")
	if failed := done.Status.FailedByReason; len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	if diff := cmp.Diff([]string{"/frames", "/huge-file?mb=64"}, fleet.ReadRun(t, "full").Paths(srv.URL)); diff != "" {
		t.Errorf("archived (-want +got):\n%s", diff)
	}
	var asked []string
	for _, e := range srv.Log.Entries(sites.Filter{}) {
		if e.Path == "/frames" || e.Path == "/huge-file?mb=64" {
			asked = append(asked, e.Path)
		}
	}
	if diff := cmp.Diff([]string{"/huge-file?mb=64", "/frames", "/huge-file?mb=64"}, asked); diff != "" {
		t.Errorf("the pages were loaded (-want +got):\n%s", diff)
	}
}

// fill leaves so many bytes free on a disk until the returned function is called.
func fill(t *testing.T, disk string, free uint64) (room func()) {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(disk, &s); err != nil {
		t.Error(err)
		return func() {}
	}
	f, err := os.Create(filepath.Join(disk, "full"))
	if err != nil {
		t.Error(err)
		return func() {}
	}
	if err := errors.Join(syscall.Fallocate(int(f.Fd()), 0, 0, int64(s.Bavail*uint64(s.Bsize)-free)), f.Close()); err != nil {
		t.Error(err)
	}
	return func() {
		if err := os.Remove(f.Name()); err != nil {
			t.Error(err)
		}
	}
}
