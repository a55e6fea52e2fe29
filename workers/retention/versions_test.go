package retention

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/workflows"
)

// replace writes an object of the archive anew, as a sidecar is that gains a stamp.
func (r *rig) replace(name, content string) {
	r.t.Helper()
	b, key, sum := r.store.Bucket("archive"), blob.Key(prefix+name), sha256.Sum256([]byte(content))
	have, err := b.Head(r.t.Context(), key)
	if err == nil {
		_, err = b.Replace(r.t.Context(), key, have.ETag, blob.Content{
			Body: bytes.NewReader([]byte(content)), Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]),
		})
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestReplacedUnderHold: the store holds the version of a sidecar that was replaced, too. When the
// hold is over nothing of it is held any more, and all of it is erased.
func TestReplacedUnderHold(t *testing.T) {
	t.Parallel()
	const sidecar = "chunks/1.wacz.sig"
	cases := map[string]func(*rig){
		"Once":    func(r *rig) { r.replace(sidecar, "with a stamp") },
		"Twice":   func(r *rig) { r.replace(sidecar, "with a stamp"); r.erase(); r.replace(sidecar, "with two") },
		"NotSeen": func(r *rig) { r.pass(screening); r.replace(sidecar, "with a stamp") },
		"Hidden": func(r *rig) {
			if err := r.store.Bucket("archive").Remove(r.t.Context(), prefix+sidecar); err != nil {
				r.t.Fatal(err)
			}
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := sealed(t, &blobtest.Server{Locks: true, Page: 2})
			r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
			r.erase()
			change(r)
			r.erase()
			r.mustDecide(retention.Release, "A", "chunks/1.wacz")
			r.pass(screening)
			if out := r.erase(); !out.Done || r.left() != "run.json" {
				t.Errorf("%+v, left is %s", out, r.left())
			}
			for _, key := range []string{"chunks/1.wacz", sidecar} {
				if n := r.server.VersionsOf("/archive/" + prefix + key); n > 0 {
					t.Errorf("%d versions of %s are left", n, key)
				}
			}
		})
	}
}

// TestHoldIsOfAllVersions: while a chunk is held nobody can erase any version of what lies beside
// it, also not one that was replaced, or hidden, before it was held.
func TestHoldIsOfAllVersions(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{Locks: true})
	r.replace("chunks/1.wacz.sig", "with a stamp")
	b := r.store.Bucket("archive")
	if err := b.Remove(t.Context(), prefix+"chunks/1.wacz"); err != nil {
		t.Fatal(err)
	}
	r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
	r.erase()
	r.pass(2 * screening)
	for _, key := range []blob.Key{prefix + "chunks/1.wacz", prefix + "chunks/1.wacz.sig"} {
		before := r.server.VersionsOf("/archive/" + string(key))
		if _, err := b.Erase(t.Context(), key); !errors.Is(err, blob.ErrLocked) {
			t.Errorf("%s: %v, want ErrLocked", key, err)
		}
		if r.server.VersionsOf("/archive/"+string(key)) < before-1 { // its marker may go
			t.Errorf("%s: %d of %d versions are left", key, r.server.VersionsOf("/archive/"+string(key)), before)
		}
	}
}

// TestSlowHoldIsLifted: a worker that had read the decisions before a release sets the store's hold
// after another one decided to erase. The erasure lifts it: it goes on with the next look.
func TestSlowHoldIsLifted(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{Locks: true})
	r.mustDecide(retention.Hold, "A", "chunks/1.wacz")
	r.erase()
	r.mustDecide(retention.Release, "A", "chunks/1.wacz")
	r.pass(screening)
	slow := connect(t, r.server.Start(t)).Bucket("archive")
	r.keeper.Store = connect(t, hooked(t, r.server, func(serve func(), req *http.Request) {
		serve()
		if req.Method == http.MethodPut && strings.HasSuffix(req.URL.Path, retention.DecisionName(3)) {
			if err := slow.SetHold(t.Context(), prefix+"chunks/1.wacz", true); err != nil {
				t.Error(err)
			}
		}
	}))
	if out := r.erase(); !out.Done || r.left() != "run.json" {
		t.Errorf("%+v, left is %s", out, r.left())
	}
}

// TestBlockedByOldVersion: a lock of a version that was replaced keeps the object from being named
// by an erasure, and is told.
func TestBlockedByOldVersion(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{Locks: true})
	b := r.store.Bucket("archive")
	if err := b.LockUntil(t.Context(), prefix+"chunks/1.wacz.sig", noon.Add(2*screening)); err != nil {
		t.Fatal(err)
	}
	r.replace("chunks/1.wacz.sig", "with a stamp")
	r.pass(screening)
	if out := r.erase(); out.Reason != workflows.ReasonErasureBlocked || out.Wait != time.Hour || r.left() != "chunks/1.wacz.sig run.json" {
		t.Errorf("%+v, left is %s", out, r.left())
	}
	if n := r.server.VersionsOf("/archive/" + prefix + "chunks/1.wacz.sig"); n != 2 {
		t.Errorf("%d versions are left: a part of it was erased", n)
	}
	r.pass(screening)
	if out := r.erase(); !out.Done || r.server.VersionsOf("/archive/"+prefix+"chunks/1.wacz.sig") > 0 {
		t.Errorf("%+v, left is %s", out, r.left())
	}
}

// TestManyVersions: an object with more versions than a store lists at once is held, locked and
// erased as others, and keeps no other from that.
func TestManyVersions(t *testing.T) {
	t.Parallel()
	r := sealed(t, &blobtest.Server{Locks: true, Page: 100})
	b := r.store.Bucket("archive")
	for range 1001 { // markers count, too
		if err := b.Remove(t.Context(), prefix+"chunks/1.wacz.sig"); err != nil {
			t.Fatal(err)
		}
	}
	r.mustDecide(retention.Hold, "A", "chunks/1.wacz", "chunks/2.wacz")
	if out := r.erase(); out.Reason != workflows.ReasonHeld {
		t.Errorf("%+v", out)
	}
	for _, key := range []blob.Key{prefix + "chunks/1.wacz.sig", prefix + "chunks/2.wacz"} {
		if l, err := b.Locks(t.Context(), key); err != nil || len(l) != 1 || !l[0].Held || !l[0].Until.Equal(noon.Add(screening)) {
			t.Errorf("%s: locks %+v, %v", key, l, err)
		}
	}
	r.mustDecide(retention.Release, "A", "chunks/1.wacz", "chunks/2.wacz")
	r.pass(screening)
	if out := r.erase(); !out.Done || r.left() != "run.json" || r.server.VersionsOf("/archive/"+prefix+"chunks/1.wacz.sig") > 0 {
		t.Errorf("%+v, left is %s", out, r.left())
	}
}
