package blob

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
)

func TestEraseLeavesNothing(t *testing.T) {
	t.Parallel()
	server := &blobtest.Server{}
	b := open(t, server)
	for _, key := range []Key{"a/b.wacz", "a/b.wacz.json"} {
		if _, err := b.Put(t.Context(), key, content("evidence")); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := b.Erase(t.Context(), "a/b.wacz"); err != nil || got != (Erased{Versions: 1, Absent: true}) {
		t.Errorf("erased %+v, %v", got, err)
	}
	if got, err := b.Erase(t.Context(), "a/b.wacz"); err != nil || got != (Erased{Absent: true}) {
		t.Errorf("erased again %+v, %v: nothing is there, which is what is wanted", got, err)
	}
	if keys := server.Keys("/bucket/"); len(keys) != 1 || keys[0] != "/bucket/a/b.wacz.json" {
		t.Errorf("left are %v: a key that begins with the same letters is another object", keys)
	}
}

// TestEraseBelievesNoAnswer: a store that says that it has deleted something, and has it all
// the same, has not.
func TestEraseBelievesNoAnswer(t *testing.T) {
	t.Parallel()
	b := open(t, &blobtest.Server{Answer: func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
		}
		return r.Method == http.MethodDelete
	}})
	if _, err := b.Put(t.Context(), "k", content("evidence")); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Erase(t.Context(), "k"); err == nil || got.Absent {
		t.Errorf("erased %+v, %v", got, err)
	}
}

func TestLocksKeepFromErasure(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	server := &blobtest.Server{Locks: true, Now: func() time.Time { return now }}
	b := open(t, server)
	if l, err := b.Locking(t.Context()); err != nil || l != (Locking{Versioned: true, ObjectLock: true}) {
		t.Errorf("locking %+v, %v", l, err)
	}
	if _, err := b.Put(t.Context(), "k", content("evidence")); err != nil {
		t.Fatal(err)
	}
	until := now.Add(time.Hour)
	if err := errors.Join(b.LockUntil(t.Context(), "k", until), b.SetHold(t.Context(), "k", true)); err != nil {
		t.Fatal(err)
	}
	if l, err := b.Locks(t.Context(), "k"); err != nil || len(l) != 1 || !l[0].Held || !l[0].Until.Equal(until) {
		t.Errorf("locks %+v, %v", l, err)
	}
	if _, err := b.Erase(t.Context(), "k"); !errors.Is(err, ErrLocked) {
		t.Errorf("under a hold: %v, want ErrLocked", err)
	}
	if err := b.SetHold(t.Context(), "k", false); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Erase(t.Context(), "k"); !errors.Is(err, ErrLocked) {
		t.Errorf("before the end of the lock: %v, want ErrLocked", err)
	}
	now = until
	if got, err := b.Erase(t.Context(), "k"); err != nil || !got.Absent {
		t.Errorf("at the end of the lock: %+v, %v", got, err)
	}
}

// TestDeniedIsNotLocked: credentials that may not delete are mended by somebody else than a lock.
func TestDeniedIsNotLocked(t *testing.T) {
	t.Parallel()
	b := open(t, &blobtest.Server{Answer: func(w http.ResponseWriter, r *http.Request, _ func()) bool {
		if r.Method == http.MethodDelete {
			blobtest.Fail(w, http.StatusForbidden, "AccessDenied")
		}
		return r.Method == http.MethodDelete
	}})
	if _, err := b.Put(t.Context(), "k", content("evidence")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Erase(t.Context(), "k"); !errors.Is(err, ErrDenied) || errors.Is(err, ErrLocked) {
		t.Errorf("erase: %v, want ErrDenied alone", err)
	}
}

func TestTimeIsTheStores(t *testing.T) {
	t.Parallel()
	want := time.Date(2031, 5, 4, 12, 0, 7, 0, time.UTC)
	b := open(t, &blobtest.Server{Now: func() time.Time { return want }})
	if got, err := b.Time(t.Context()); err != nil || !got.Equal(want) {
		t.Errorf("time %v, %v, want %v", got, err, want)
	}
	if l, err := b.Locking(t.Context()); err != nil || l != (Locking{}) {
		t.Errorf("a store without locks: %+v, %v", l, err)
	}
	silent := open(t, &blobtest.Server{Answer: func(w http.ResponseWriter, _ *http.Request, _ func()) bool {
		w.Header()["Date"] = nil
		return true
	}})
	if got, err := silent.Time(t.Context()); err == nil {
		t.Errorf("time %v of a store that does not tell it", got)
	}
}
