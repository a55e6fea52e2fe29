package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"crawlfleet.dev/crawlfleet/devstack/s3"
	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// store is how one user asks the store.
type store struct{ *minio.Core }

func storeOf(t *testing.T, port int, access string) store {
	t.Helper()
	c, err := minio.NewCore(net.JoinHostPort(stack.Loopback, strconv.Itoa(port)), &minio.Options{
		Creds: credentials.NewStaticV4(access, secretOf(access), ""), Region: s3.Region, BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	return store{c}
}

func secretOf(access string) string { return access + "-has-a-secret" }

func credentialsFile(t *testing.T, access string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials")
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", access, secretOf(access))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// put puts an object; once as crawlfleet does, with If-None-Match.
func (s store) put(ctx context.Context, bucket, key string, once bool) error {
	opts := minio.PutObjectOptions{}
	if once {
		opts.SetMatchETagExcept("*")
	}
	_, err := s.PutObject(ctx, bucket, key, strings.NewReader(key), int64(len(key)), "", "", opts)
	return err
}

func (s store) get(ctx context.Context, bucket, key string) error {
	body, _, _, err := s.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer body.Close() // read only
	_, err = io.Copy(io.Discard, body)
	return err
}

func (s store) head(ctx context.Context, bucket, key string) error {
	_, err := s.StatObject(ctx, bucket, key, minio.StatObjectOptions{})
	return err
}

func (s store) list(ctx context.Context, bucket, prefix string) error {
	for o := range s.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return o.Err
		}
	}
	return nil
}

func (s store) remove(ctx context.Context, bucket, key string) error {
	return s.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{})
}

// Where things lie in the two buckets.
const (
	runPath  = "research/board/0b0e3c1e-0000-4000-8000-000000000001/"
	chunk    = runPath + "chunks/b1-a1-0123456789ab-c0.wacz"
	another  = runPath + "chunks/b2-a1-0123456789ab-c0.wacz"
	sidecar  = chunk + ".evidence.json"
	decision = runPath + "retention/00000001.json"
	batch    = "custody/batches/000000000000"
	manifest = runPath + "s/0/m/00000001"
	bundle   = runPath + "s/0/b/b1-0123456789ab"
	result   = runPath + "s/0/r/b1/a1-0123456789ab/c0.res"
	claim    = "fleet/claims/run.b1.1.0123456789ab.300/0123456789"
)

// TestUsers: the store gives each user what its policy of config/store says, and refuses the rest. The policies are those
// that docs/reference/store.md has people take for stores of their own.
func TestUsers(t *testing.T) {
	s3Port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	temporalPort, err := stack.FreePort(s3Port)
	if err != nil {
		t.Fatal(err)
	}
	policies, err := filepath.Abs("../../../config/store")
	if err != nil {
		t.Fatal(err)
	}
	o := options{dir: t.TempDir(), credentials: credentialsFile(t, "ROOT"), namespace: "crawlfleet", temporalPort: temporalPort, s3Port: s3Port, loopback: true}
	for _, name := range []string{"conductor", "browser", "portal"} {
		o.users = append(o.users, filepath.Join(policies, name+".json")+"="+credentialsFile(t, strings.ToUpper(name)))
	}
	conductor, browser, portal := storeOf(t, s3Port, "CONDUCTOR"), storeOf(t, s3Port, "BROWSER"), storeOf(t, s3Port, "PORTAL")
	stranger := store{storeOf(t, s3Port, "STRANGER").Core}
	const archive, frontier = s3.ArchiveBucket, s3.FrontierBucket
	during(t, o, func(ctx context.Context) error {
		return conductor.list(ctx, archive, "") // until it is up
	}, func(ctx context.Context) {
		for _, step := range []struct {
			what    string
			allowed bool
			do      func() error
		}{
			{"the conductor writes a manifest", true, func() error { return conductor.put(ctx, frontier, manifest, true) }},
			{"the conductor writes a bundle", true, func() error { return conductor.put(ctx, frontier, bundle, true) }},
			{"the conductor writes the custody log", true, func() error { return conductor.put(ctx, archive, batch, true) }},
			{"the conductor stores a decision", true, func() error { return conductor.put(ctx, archive, decision, true) }},
			{"the conductor indexes the visits of a run", true, func() error { return conductor.put(ctx, archive, runPath+"visits/directory.json.zst", true) }},

			{"a browser reads its bundle", true, func() error { return browser.get(ctx, frontier, bundle) }},
			{"a browser stores a chunk", true, func() error { return browser.put(ctx, archive, chunk, true) }},
			{"a browser stores a result", true, func() error { return browser.put(ctx, frontier, result, true) }},
			{"a browser reads a result of before", true, func() error { return browser.get(ctx, frontier, result) }},
			{"a browser claims hosts", true, func() error { return browser.put(ctx, frontier, claim, true) }},
			{"a browser lists claims", true, func() error { return browser.list(ctx, frontier, "fleet/") }},
			{"a browser gives hosts back", true, func() error { return browser.remove(ctx, frontier, claim) }},
			{"a browser reads the index of an earlier run", true, func() error { return browser.get(ctx, archive, runPath+"visits/directory.json.zst") }},

			{"a browser reads a capture", false, func() error { return browser.get(ctx, archive, chunk) }},
			{"a browser asks for a capture's facts", false, func() error { return browser.head(ctx, archive, chunk) }},
			{"a browser lists the archive", false, func() error { return browser.list(ctx, archive, "") }},
			{"a browser lists its own run", false, func() error { return browser.list(ctx, archive, runPath) }},
			{"a browser lists the frontier", false, func() error { return browser.list(ctx, frontier, "") }},
			{"a browser lists the orders of a namespace", false, func() error { return browser.list(ctx, frontier, "research/") }},
			{"a browser removes a capture", false, func() error { return browser.remove(ctx, archive, chunk) }},
			{"a browser removes a result", false, func() error { return browser.remove(ctx, frontier, result) }},
			{"a browser overwrites a capture", false, func() error { return browser.put(ctx, archive, chunk, false) }},
			{"a browser puts without a condition", false, func() error { return browser.put(ctx, archive, another, false) }},
			{"a browser puts a capture over another's", false, func() error { return browser.put(ctx, archive, chunk, true) }},
			{"a browser copies a capture over another", false, func() error {
				_, err := browser.CopyObject(ctx, archive, chunk, archive, another, nil, minio.CopySrcOptions{}, minio.PutObjectOptions{})
				return err
			}},
			{"a browser begins to put in parts", false, func() error {
				_, err := browser.NewMultipartUpload(ctx, archive, another, minio.PutObjectOptions{})
				return err
			}},
			{"a browser vouches", false, func() error { return browser.put(ctx, archive, sidecar, true) }},
			{"a browser writes a closing statement", false, func() error { return browser.put(ctx, archive, runPath+"run.json", true) }},
			{"a browser writes beside all runs", false, func() error { return browser.put(ctx, archive, "beside", true) }},
			{"a browser writes the custody log", false, func() error { return browser.put(ctx, archive, "custody/batches/000000000001", true) }},
			{"a browser writes into the custody log's folder", false, func() error { return browser.put(ctx, archive, "custody/a/b/chunks/c.wacz", true) }},
			{"a browser reads the custody log", false, func() error { return browser.get(ctx, archive, batch) }},
			{"a browser decides what is kept", false, func() error { return browser.put(ctx, archive, runPath+"retention/00000002.json", true) }},
			{"a browser reads a decision", false, func() error { return browser.get(ctx, archive, decision) }},
			{"a browser removes a decision", false, func() error { return browser.remove(ctx, archive, decision) }},
			{"a browser reads a queue", false, func() error { return browser.get(ctx, frontier, manifest) }},
			{"a browser writes a queue", false, func() error { return browser.put(ctx, frontier, runPath+"s/0/m/00000002", true) }},
			{"a browser changes the policy", false, func() error { return browser.SetBucketPolicy(ctx, archive, "") }},

			{"the portal reads a capture", true, func() error { return portal.get(ctx, archive, chunk) }},
			{"the portal lists the archive", true, func() error { return portal.list(ctx, archive, "") }},
			{"the portal shows a queue", true, func() error { return portal.get(ctx, frontier, manifest) }},
			{"the portal writes a case", true, func() error { return portal.put(ctx, archive, "cases/1/00000001.json", true) }},
			{"the portal stores a decision", true, func() error { return portal.put(ctx, archive, runPath+"retention/00000002.json", true) }},
			{"the portal writes the custody log", true, func() error { return portal.put(ctx, archive, "custody/batches/000000000001", true) }},
			{"the portal erases a case", true, func() error { return portal.remove(ctx, archive, "cases/1/00000001.json") }},
			{"the portal removes a capture", false, func() error { return portal.remove(ctx, archive, chunk) }},
			{"the portal writes a capture", false, func() error { return portal.put(ctx, archive, another, true) }},
			{"the portal removes a decision", false, func() error { return portal.remove(ctx, archive, decision) }},
			{"the portal writes a queue", false, func() error { return portal.put(ctx, frontier, runPath+"s/0/m/00000002", true) }},

			{"a stranger lists", false, func() error { return stranger.list(ctx, archive, "") }},

			{"the conductor reads a capture", true, func() error { return conductor.get(ctx, archive, chunk) }},
			{"the conductor vouches", true, func() error { return conductor.put(ctx, archive, sidecar, true) }},
			{"the conductor stamps again", true, func() error { return conductor.put(ctx, archive, sidecar, false) }},
			{"the conductor erases a capture", true, func() error { return conductor.remove(ctx, archive, chunk) }},
			{"the conductor changes the policy", false, func() error { return conductor.SetBucketPolicy(ctx, archive, "") }},
		} {
			err := step.do()
			if step.allowed && err != nil || !step.allowed && err == nil {
				t.Errorf("%s: %v, allowed should be %t", step.what, err, step.allowed)
			}
		}
	})
}
