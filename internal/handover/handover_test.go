package handover

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/internal/verify"
)

const prefix = "research/board/uid/"

var sealed = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// newBucket is a bucket of an empty store.
func newBucket(t *testing.T) *blob.Bucket {
	t.Helper()
	client, err := blob.NewClient(blob.Config{Endpoint: (&blobtest.Server{}).Start(t), Region: "us-east-1", AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return client.Bucket("archive")
}

func put(t *testing.T, store blob.Store, key, content string) {
	t.Helper()
	if err := putBytes(t.Context(), store, blob.Key(key), []byte(content)); err != nil {
		t.Fatal(err)
	}
}

// archived is the archive of a run with two chunks and what does not belong to it.
func archived(t *testing.T, screening int) *blob.Bucket {
	t.Helper()
	store := newBucket(t)
	object := func(name, content string) map[string]any {
		put(t, store, prefix+name, content)
		sum := sha256.Sum256([]byte(content))
		return map[string]any{"key": prefix + name, "size": len(content), "sha256": hex.EncodeToString(sum[:]), "pages": 1}
	}
	st := map[string]any{
		"format": "crawlfleet-run", "version": 1, "run": "uid", "namespace": "research", "name": "board", "sealedAt": sealed,
		"retention": map[string]any{"screeningSeconds": screening},
		"chunks":    []any{object("chunks/a.wacz", "first"), object("chunks/b.wacz", "second")},
		"leads":     map[string]any{"objects": []any{object("leads/00001.jsonl.zst", "leads")}},
	}
	raw, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, prefix+"run.json", string(raw))
	put(t, store, prefix+"chunks/a.wacz.evidence.json", "signature of a")
	put(t, store, prefix+"chunks/refused.wacz", "of an attempt that does not count")
	put(t, store, "research/board/uid2/run.json", "of another run")
	return store
}

func options(check error) Options {
	return Options{
		Organization: "An agency", PreparedBy: "desk", Created: sealed, Check: func(context.Context) error { return check },
		Sign: func(_ context.Context, m []byte) ([]byte, error) {
			return fmt.Appendf(nil, "signature of %d bytes", len(m)), nil
		},
	}
}

// bagged is the bag of a run.
func bagged(t *testing.T, store blob.Store) string {
	t.Helper()
	names, err := Names(t.Context(), store, prefix, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "bag")
	if err := Take(t.Context(), store, prefix, names, dir, options(nil)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func objects(t *testing.T, store blob.Store) (keys []string) {
	t.Helper()
	if err := store.List(t.Context(), "", func(o blob.Info) bool { keys = append(keys, string(o.Key)); return true }); err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestHandOver: the receiver's archive has of the run what the sender's had, under the same keys, and
// from whom it came; a second try changes nothing.
func TestHandOver(t *testing.T) {
	t.Parallel()
	from, to := archived(t, 1<<30), newBucket(t)
	run, err := Open(os.DirFS(bagged(t, from)))
	if err != nil {
		t.Fatal(err)
	}
	if run.Prefix != prefix || run.Namespace != "research" || run.UID != "uid" || run.Organization != "An agency" || run.Screening != 1<<30*time.Second || run.Names[len(run.Names)-1] != "run.json" {
		t.Errorf("the bag has %+v", run)
	}
	first, err := run.Receive(t.Context(), to, verify.Holds, "sha256:aa", "bob", sealed, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"chunks/a.wacz", "chunks/a.wacz.evidence.json", "chunks/b.wacz", "leads/00001.jsonl.zst", "received/bag-info.txt", "received/manifest-sha256.txt", "received/received.json",
		"received/tagmanifest-sha256.txt", "received/tagmanifest-sha256.txt.evidence.json", "run.json",
	}
	for i := range want {
		want[i] = prefix + want[i]
	}
	if diff := cmp.Diff(want, objects(t, to)); diff != "" {
		t.Errorf("the archive (-want +got):\n%s", diff)
	}
	if got, err := blob.ReadAll(t.Context(), to, prefix+"chunks/b.wacz", 100); err != nil || string(got) != "second" {
		t.Errorf("chunk b is %q, %v", got, err)
	}
	if first.From != "An agency" || first.By != "bob" || first.Signer != "sha256:aa" || len(first.TagManifest) != 64 {
		t.Errorf("it came from %+v", first)
	}
	again, err := run.Receive(t.Context(), to, verify.Holds, "sha256:aa", "carol", sealed.Add(time.Hour), nil)
	if err != nil || again != first {
		t.Errorf("a second try says %+v, %v, want %+v", again, err, first)
	}
}

// TestNothingIsOverwritten: a run that the archive has is not received, its own or another's.
func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	from := archived(t, 1<<30)
	run, err := Open(os.DirFS(bagged(t, from)))
	if err != nil {
		t.Fatal(err)
	}
	before := objects(t, from)
	_, err = run.Receive(t.Context(), from, verify.Holds, "", "bob", sealed, nil)
	if err == nil || !strings.Contains(err.Error(), "it is its own, and nothing is overwritten") || !slices.Equal(before, objects(t, from)) {
		t.Errorf("into its own archive: %v", err)
	}

	to := newBucket(t)
	put(t, to, prefix+Received+"received.json", `{"from": "Others", "tagManifest": "bb"}`)
	_, err = run.Receive(t.Context(), to, verify.Holds, "", "bob", sealed, nil)
	if err == nil || !strings.Contains(err.Error(), "received from Others") || len(objects(t, to)) != 1 {
		t.Errorf("where another bag was received: %v", err)
	}

	to = newBucket(t)
	if _, err := run.originate(t.Context(), to, Origin{TagManifest: tagManifest(t, run)}); err != nil {
		t.Fatal(err)
	}
	put(t, to, prefix+"chunks/a.wacz", "something else")
	if _, err = run.Receive(t.Context(), to, verify.Holds, "", "bob", sealed, nil); !errors.Is(err, blob.ErrExists) {
		t.Errorf("where a chunk is another: %v, want %v", err, blob.ErrExists)
	}
}

func tagManifest(t *testing.T, run *Run) string {
	t.Helper()
	raw, err := read(run.fsys, "tagmanifest-sha256.txt")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// TestWhatMustNotLeave: captures that are to be erased are not handed over, and of a run that is not over
// nothing is.
func TestWhatMustNotLeave(t *testing.T) {
	t.Parallel()
	store := archived(t, 1)
	if _, err := Names(t.Context(), store, prefix, time.Now().Add(time.Hour)); !errors.Is(err, ErrOpen) || !strings.Contains(err.Error(), "3 objects of research/board/uid/ are to be erased") {
		t.Errorf("error %v, want that they are to be erased", err)
	}
	if _, err := Names(t.Context(), store, "research/other/uid/", time.Now()); !errors.Is(err, ErrOpen) || !strings.Contains(err.Error(), "wait until the run is over") {
		t.Errorf("error %v, want that it is not over", err)
	}
	// A hold keeps them; it is a matter of the sender's, and does not go along.
	if _, err := retention.Decide(t.Context(), store, prefix, retention.Decision{Run: "uid", Action: retention.Hold, Case: "17", By: "desk", Why: "a test", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	names, err := Names(t.Context(), store, prefix, time.Now().Add(time.Hour))
	want := []string{"chunks/a.wacz", "chunks/a.wacz.evidence.json", "chunks/b.wacz", "leads/00001.jsonl.zst", "run.json"}
	if diff := cmp.Diff(want, names); diff != "" || err != nil {
		t.Errorf("%v: names (-want +got):\n%s", err, diff)
	}
}

// TestWhatDoesNotHold is not signed.
func TestWhatDoesNotHold(t *testing.T) {
	t.Parallel()
	store := archived(t, 1<<30)
	dir := filepath.Join(t.TempDir(), "bag")
	fails := errors.New("does not hold")
	if err := Take(t.Context(), store, prefix, []string{"run.json"}, dir, options(fails)); !errors.Is(err, fails) {
		t.Errorf("error %v, want %v", err, fails)
	}
	if _, err := os.Stat(filepath.Join(dir, "tagmanifest-sha256.txt")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a manifest to be signed: %v", err)
	}
}

// TestOpenRefuses a bag that says that its run lies where no archive would have it.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := bagged(t, archived(t, 1<<30))
	for _, said := range []string{"custody", "research/board/other", "research/../board/uid", "/research/board/uid"} {
		if err := os.WriteFile(filepath.Join(dir, "bag-info.txt"), []byte("External-Identifier: "+said+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(os.DirFS(dir)); err == nil || !strings.Contains(err.Error(), "no archive has it so") {
			t.Errorf("%s: error %v", said, err)
		}
	}
}
