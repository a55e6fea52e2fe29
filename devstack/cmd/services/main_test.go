package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"crawlfleet.dev/crawlfleet/devstack/s3"
	"crawlfleet.dev/crawlfleet/devstack/stack"
	"crawlfleet.dev/crawlfleet/devstack/temporal"
)

// TestMain is the store's process where the services start this very binary again.
func TestMain(m *testing.M) {
	if os.Getenv("DEVSTACK_PARENT") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestServices: both serve on the ports that they were given, with the keys that they were given, and a second
// start in the same folder has what the first one stored.
func TestServices(t *testing.T) {
	o := newOptions(t)
	store := newStore(t, o)
	during(t, o, func(ctx context.Context) error {
		if err := temporal.Probe(ctx, o.temporal()); err != nil {
			return err
		}
		_, err := store.PutObject(ctx, s3.ArchiveBucket, "kept", strings.NewReader("x"), 1, minio.PutObjectOptions{DisableMultipart: true})
		return err
	})
	during(t, o, func(ctx context.Context) error {
		_, err := store.StatObject(ctx, s3.ArchiveBucket, "kept", minio.StatObjectOptions{})
		return err
	})
}

// newOptions are those of services on free ports, with keys.
func newOptions(t *testing.T) options {
	t.Helper()
	keys := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(keys, []byte("[default]\naws_access_key_id = EXAMPLE\naws_secret_access_key = example-of-a-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s3Port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	temporalPort, err := stack.FreePort(s3Port)
	if err != nil {
		t.Fatal(err)
	}
	return options{dir: t.TempDir(), credentials: keys, namespace: "crawlfleet", temporalPort: temporalPort, s3Port: s3Port, loopback: true}
}

// temporal is where it is reached.
func (o *options) temporal() string {
	return net.JoinHostPort(stack.Loopback, strconv.Itoa(o.temporalPort))
}

// newStore is a client of the store.
func newStore(t *testing.T, o options) *minio.Client {
	t.Helper()
	store, err := minio.New(net.JoinHostPort(stack.Loopback, strconv.Itoa(o.s3Port)), &minio.Options{
		Creds: credentials.NewStaticV4("EXAMPLE", "example-of-a-secret", ""), Region: s3.Region, BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestSIGTERM is the end of a pod: while a worker waits for tasks and the store has a connection open, the program ends by
// itself, with status 0, well before Kubernetes kills it, and leaves no process.
func TestSIGTERM(t *testing.T) {
	const grace = 60 * time.Second // charts/crawlfleet/templates/services.yaml
	o := newOptions(t)
	cmd := exec.Command(os.Args[0], "--dir", o.dir, "--loopback", "--s3-credentials-file", o.credentials,
		"--s3-port", strconv.Itoa(o.s3Port), "--temporal-port", strconv.Itoa(o.temporalPort))
	cmd.Env = append(os.Environ(), "DEVSTACK_PARENT=0") // see TestMain
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	store := newStore(t, o)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		_, err := store.ListBuckets(t.Context())
		if err = errors.Join(err, temporal.Probe(t.Context(), o.temporal())); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not served in time: %v\n%s", err, said.String())
		}
	}
	worker, err := client.Dial(client.Options{HostPort: o.temporal(), Namespace: o.namespace})
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	var polling sync.WaitGroup
	defer polling.Wait()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	polling.Go(func() {
		_, _ = worker.WorkflowService().PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{ // it ends with the server
			Namespace: o.namespace, TaskQueue: &taskqueue.TaskQueue{Name: "work"}, Identity: "worker",
		})
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	select {
	case err := <-ended:
		t.Logf("ended after %.1f s", time.Since(began).Seconds())
		if err != nil {
			t.Errorf("it ended with %v, want status 0:\n%s", err, said.String())
		}
	case <-time.After(grace):
		t.Fatalf("it runs on after %v:\n%s", grace, said.String())
	}
	if h, held, err := stack.FindHolder(o.dir); held || err != nil {
		t.Errorf("somebody holds the folder: %+v, %v", h, err)
	}
}

// TestCalledOff: who ends the services while the store is starting is not told of an error.
func TestCalledOff(t *testing.T) {
	o := newOptions(t)
	// The store waits for its keys until they are written.
	o.credentials = filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(o.credentials, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- o.run(ctx) }()
	pipe, err := os.OpenFile(o.credentials, os.O_WRONLY, 0) // as soon as somebody reads
	if err != nil {
		t.Fatal(err)
	}
	end()
	if err := pipe.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("called off: %v", err)
	}
}

// TestFolderOfOthers: a folder that is in use is said to be, with what to do.
func TestFolderOfOthers(t *testing.T) {
	o := newOptions(t)
	if _, err := stack.PrepareDir(o.dir); err != nil {
		t.Fatal(err)
	}
	lock, err := stack.AcquireLock(t.Context(), o.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if err := o.run(t.Context()); err == nil || !strings.Contains(err.Error(), "use another --dir") || strings.Contains(err.Error(), "devstack stop") {
		t.Errorf("got %v, want what to do, and no command that is not there", err)
	}
}

// during runs the services until do has succeeded, and what is to be done after that.
func during(t *testing.T, o options, do func(context.Context) error, then ...func(context.Context)) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	running, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- o.run(running) }()
	for {
		err := do(ctx)
		if err == nil {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("the services ended: %v", err)
		case <-ctx.Done():
			t.Fatalf("not served in time: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
	for _, f := range then {
		f(ctx)
	}
	end()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// TestKeysHaveToBeThere: keys that were named are not made.
func TestKeysHaveToBeThere(t *testing.T) {
	o := options{dir: t.TempDir(), credentials: filepath.Join(t.TempDir(), "none"), namespace: "crawlfleet", loopback: true}
	if err := o.run(t.Context()); err == nil || !strings.Contains(err.Error(), "read the store's keys") {
		t.Errorf("error %v", err)
	}
}
