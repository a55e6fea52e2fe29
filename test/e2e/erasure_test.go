package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/test/harness"
)

// TestStoreErasesAndLocks asks a real store for what retention rests on, with a bucket of each kind.
func TestStoreErasesAndLocks(t *testing.T) {
	t.Parallel()
	fleet := harness.Start(t, harness.Options{NoOperator: true, Workers: -1})
	client, err := fleet.S3()
	if err != nil {
		t.Fatal(err)
	}
	s := fleet.State().S3
	store, err := blob.NewClient(blob.Config{Endpoint: s.Endpoint, Region: s.Region, CredentialsFile: s.CredentialsFile})
	if err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string]minio.MakeBucketOptions{"versioned": {}, "locking": {ObjectLocking: true}} {
		if err := client.MakeBucket(t.Context(), name, options); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.EnableVersioning(t.Context(), "versioned"); err != nil {
		t.Fatal(err)
	}
	body := []byte("evidence")
	sum := sha256.Sum256(body)
	for name, want := range map[string]blob.Locking{
		s.ArchiveBucket: {},
		"versioned":     {Versioned: true},
		"locking":       {Versioned: true, ObjectLock: true},
	} {
		t.Run(name, func(t *testing.T) {
			b, key := store.Bucket(name), blob.Key("a/b/c.wacz")
			if got, err := b.Locking(t.Context()); err != nil || got != want {
				t.Errorf("locking %+v, %v, want %+v", got, err, want)
			}
			if at, err := b.Time(t.Context()); err != nil || time.Since(at).Abs() > time.Minute {
				t.Errorf("the store's time is %v, %v", at, err)
			}
			if _, err := b.Probe(t.Context()); err != nil {
				t.Errorf("a worker could not use the bucket: %v", err)
			}
			content := blob.Content{Body: bytes.NewReader(body), Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
			if _, err := b.Put(t.Context(), key, content); err != nil {
				t.Fatal(err)
			}
			if want.ObjectLock {
				keptByTheStore(t, b, key)
			}
			if want.Versioned && !want.ObjectLock { // somebody hides it
				if err := b.Remove(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			}
			got, err := b.Erase(t.Context(), key)
			if err != nil || !got.Absent || got.Versions == 0 {
				t.Errorf("erased %+v, %v", got, err)
			}
			if again, err := b.Erase(t.Context(), key); err != nil || again.Versions != 0 || !again.Absent {
				t.Errorf("erased again %+v, %v", again, err)
			}
			for o := range client.ListObjectsIter(t.Context(), name, minio.ListObjectsOptions{Prefix: "a/", Recursive: true, WithVersions: want.Versioned}) {
				t.Errorf("left is %s %s, %v", o.Key, o.VersionID, o.Err)
			}
		})
	}
}

// keptByTheStore locks an object that is replaced meanwhile, finds that it cannot be erased, and waits
// until all versions of it can.
func keptByTheStore(t *testing.T, b *blob.Bucket, key blob.Key) {
	t.Helper()
	if l, err := b.Locks(t.Context(), key); err != nil || len(l) != 1 || l[0].Held || !l[0].Until.IsZero() {
		t.Errorf("before: %+v, %v", l, err)
	}
	if err := b.SetHold(t.Context(), key, true); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Erase(t.Context(), key); !errors.Is(err, blob.ErrLocked) {
		t.Fatalf("under a legal hold: %v, want ErrLocked", err)
	}
	have, err := b.Head(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	stamped := sha256.Sum256([]byte("stamped"))
	_, err = b.Replace(t.Context(), key, have.ETag, blob.Content{Body: bytes.NewReader([]byte("stamped")), Size: 7, SHA256: hex.EncodeToString(stamped[:])})
	if err != nil {
		t.Fatalf("replace under a legal hold: %v", err)
	}
	until := time.Now().Add(3 * time.Second).Truncate(time.Second)
	if err := errors.Join(b.LockUntil(t.Context(), key, until), b.SetHold(t.Context(), key, false)); err != nil {
		t.Fatal(err)
	}
	l, err := b.Locks(t.Context(), key)
	if err != nil || len(l) != 2 {
		t.Errorf("locks %+v, %v, want those of both versions", l, err)
	}
	for _, version := range l {
		if version.Held || !version.Until.Equal(until) {
			t.Errorf("locked: %+v", version)
		}
	}
	if _, err := b.Erase(t.Context(), key); !errors.Is(err, blob.ErrLocked) {
		t.Fatalf("before the end of the lock: %v, want ErrLocked", err)
	}
	time.Sleep(time.Until(until) + time.Second)
}
