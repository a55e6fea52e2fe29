package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

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
	dir := t.TempDir()
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
	o := options{dir: dir, credentials: keys, namespace: "crawlfleet", temporalPort: temporalPort, s3Port: s3Port, loopback: true}
	store := net.JoinHostPort(stack.Loopback, strconv.Itoa(s3Port))
	client, err := minio.New(store, &minio.Options{
		Creds: credentials.NewStaticV4("EXAMPLE", "example-of-a-secret", ""), Region: s3.Region, BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	during(t, o, func(ctx context.Context) error {
		if err := temporal.Probe(ctx, net.JoinHostPort(stack.Loopback, strconv.Itoa(temporalPort))); err != nil {
			return err
		}
		_, err := client.PutObject(ctx, s3.ArchiveBucket, "kept", strings.NewReader("x"), 1, minio.PutObjectOptions{DisableMultipart: true})
		return err
	})
	during(t, o, func(ctx context.Context) error {
		_, err := client.StatObject(ctx, s3.ArchiveBucket, "kept", minio.StatObjectOptions{})
		return err
	})
}

// during runs the services until do has succeeded.
func during(t *testing.T, o options, do func(context.Context) error) {
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
