package blob

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
)

// replace writes an object anew.
func replace(t *testing.T, b *Bucket, key Key, text string) {
	t.Helper()
	have, err := b.Head(t.Context(), key)
	if err == nil {
		_, err = b.Replace(t.Context(), key, have.ETag, content(text))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestLocksAreOfAllVersions: what was replaced, or hidden, is locked and freed with the object, and
// what begins with the same letters is not, however many pages the store lists them on.
func TestLocksAreOfAllVersions(t *testing.T) {
	t.Parallel()
	for page := range 4 {
		t.Run(fmt.Sprint("Page", page), func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
			server := &blobtest.Server{Locks: true, Page: page, Now: func() time.Time { return now }}
			b := open(t, server)
			for _, key := range []Key{"a/x", "a/x.json", "a/x/y"} {
				if _, err := b.Put(t.Context(), key, content("first")); err != nil {
					t.Fatal(err)
				}
				replace(t, b, key, "second")
				replace(t, b, key, "third")
				if err := b.Remove(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			}
			until := now.Add(time.Hour)
			if err := errors.Join(b.SetHold(t.Context(), "a/x", true), b.LockUntil(t.Context(), "a/x", until)); err != nil {
				t.Fatal(err)
			}
			for key, locked := range map[Key]bool{"a/x": true, "a/x.json": false, "a/x/y": false} {
				locks, err := b.Locks(t.Context(), key)
				if err != nil || len(locks) != 3 {
					t.Errorf("%s: %+v, %v, want the locks of 3 versions", key, locks, err)
				}
				for _, l := range locks {
					if l.Held != locked || l.Until.Equal(until) != locked {
						t.Errorf("%s: %+v, want locked %v", key, l, locked)
					}
				}
			}
			if _, err := b.Erase(t.Context(), "a/x"); !errors.Is(err, ErrLocked) || !strings.Contains(fmt.Sprint(err), "version-0") {
				t.Errorf("erase: %v, want ErrLocked and which version", err)
			}
			if err := b.SetHold(t.Context(), "a/x", false); err != nil {
				t.Fatal(err)
			}
			now = until
			if got, err := b.Erase(t.Context(), "a/x"); err != nil || !got.Absent || server.VersionsOf("/bucket/a/x") != 0 {
				t.Errorf("erased %+v, %v", got, err)
			}
			if server.VersionsOf("/bucket/a/x.json") != 4 || server.VersionsOf("/bucket/a/x/y") != 4 {
				t.Error("others that begin with the same letters were erased, too")
			}
		})
	}
}

// TestLockIsNotShortened, whichever version has the later one.
func TestLockIsNotShortened(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	b := open(t, &blobtest.Server{Locks: true, Now: func() time.Time { return now }})
	if _, err := b.Put(t.Context(), "k", content("first")); err != nil {
		t.Fatal(err)
	}
	if err := b.LockUntil(t.Context(), "k", now.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	replace(t, b, "k", "second")
	if err := b.LockUntil(t.Context(), "k", now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	locks, err := b.Locks(t.Context(), "k")
	if err != nil || len(locks) != 2 || !locks[0].Until.Equal(now.Add(time.Hour)) || !locks[1].Until.Equal(now.Add(2*time.Hour)) {
		t.Errorf("locks %+v, %v", locks, err)
	}
}

// TestLocksOfNothing: what is not there has none and takes none.
func TestLocksOfNothing(t *testing.T) {
	t.Parallel()
	b := open(t, &blobtest.Server{Locks: true})
	if locks, err := b.Locks(t.Context(), "k"); err != nil || len(locks) > 0 {
		t.Errorf("locks %+v, %v", locks, err)
	}
	if err := b.SetHold(t.Context(), "k", true); !errors.Is(err, ErrNotFound) {
		t.Errorf("hold: %v, want ErrNotFound", err)
	}
}

// TestRefusedLocksAreNamed: a version that the store will not lock keeps no other from it.
func TestRefusedLocksAreNamed(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{Locks: true}
	b := open(t, server)
	if _, err := b.Put(t.Context(), "k", content("first")); err != nil {
		t.Fatal(err)
	}
	replace(t, b, "k", "second")
	locks, err := b.Locks(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	newest := locks[0].Version
	server.Answer = func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		refused := r.Method == http.MethodPut && r.URL.Query().Has("legal-hold") && r.URL.Query().Get("versionId") == newest
		if refused {
			blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
		}
		return refused
	}
	err = b.SetHold(t.Context(), "k", true)
	if !errors.Is(err, ErrDenied) || !strings.Contains(fmt.Sprint(err), newest) || !strings.Contains(fmt.Sprint(err), `"k"`) {
		t.Errorf("hold: %v, want ErrDenied with key and version", err)
	}
	if locks, err := b.Locks(t.Context(), "k"); err != nil || locks[0].Held || !locks[1].Held {
		t.Errorf("locks %+v, %v", locks, err)
	}
}

// TestRemoveVersion removes that one alone.
func TestRemoveVersion(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{Versions: true}
	b := open(t, server)
	if l, err := b.Locking(t.Context()); err != nil || l != (Locking{Versioned: true}) {
		t.Errorf("locking %+v, %v", l, err)
	}
	if _, err := b.Put(t.Context(), "k", content("first")); err != nil {
		t.Fatal(err)
	}
	replace(t, b, "k", "second")
	locks, err := b.Locks(t.Context(), "k")
	if err != nil || len(locks) != 2 {
		t.Fatalf("%+v, %v", locks, err)
	}
	if err := b.RemoveVersion(t.Context(), "k", locks[0].Version); err != nil {
		t.Fatal(err)
	}
	if got := string(server.Object("/bucket/k")); got != "first" || server.VersionsOf("/bucket/k") != 1 {
		t.Errorf("left is %q of %d versions", got, server.VersionsOf("/bucket/k"))
	}
}

// TestHas: what a plain DELETE hides is there, and what begins with the same letters is another object.
func TestHas(t *testing.T) {
	t.Parallel()
	for _, versions := range []bool{false, true} {
		b := open(t, &blobtest.Server{Versions: versions, Page: 1})
		has := func(when string, want bool) {
			t.Helper()
			if got, err := b.Has(t.Context(), "k"); err != nil || got != want {
				t.Errorf("%s, versions %v: %v, %v", when, versions, got, err)
			}
		}
		if _, err := b.Put(t.Context(), "k.sig", content("other")); err != nil {
			t.Fatal(err)
		}
		has("never written", false)
		if _, err := b.Put(t.Context(), "k", content("first")); err != nil {
			t.Fatal(err)
		}
		has("written", true)
		if err := b.Remove(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		has("deleted", versions)
		if _, err := b.Erase(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if err := b.Remove(t.Context(), "k"); err != nil { // which leaves a marker
			t.Fatal(err)
		}
		has("erased", false)
	}
}

// TestManyVersions: however many there are of an object, all are locked and freed and go in the end.
func TestManyVersions(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{Locks: true}
	b := open(t, server)
	if _, err := b.Put(t.Context(), "k", content("first")); err != nil {
		t.Fatal(err)
	}
	for range batch { // markers count, too
		if err := b.Remove(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.SetHold(t.Context(), "k", true); err != nil {
		t.Error(err)
	}
	if locks, err := b.Locks(t.Context(), "k"); err != nil || len(locks) != 1 || !locks[0].Held {
		t.Errorf("locks %+v, %v, want that of the oldest version", locks, err)
	}
	if err := b.SetHold(t.Context(), "k", false); err != nil {
		t.Error(err)
	}
	if got, err := b.Erase(t.Context(), "k"); err != nil || got != (Erased{Versions: batch + 1, Absent: true}) {
		t.Errorf("erased %+v, %v", got, err)
	}
}
