package custody

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

func TestAppendProveVerify(t *testing.T) {
	t.Parallel()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	stores := map[string]Store{"Memory": newMemory(), "Folder": &Folder{Root: root}}
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			k := newKeys(t)
			l := k.open(t, store)
			if _, err := l.Head(t.Context()); !errors.Is(err, ErrEmpty) {
				t.Errorf("head of nothing: %v, want ErrEmpty", err)
			}
			if _, err := l.Verify(t.Context()); !errors.Is(err, ErrEmpty) {
				t.Errorf("verify nothing: %v, want ErrEmpty", err)
			}
			fill(t, l, "a", 1, 1)
			first, err := l.Head(t.Context())
			if err != nil || first.Size != 1 {
				t.Fatalf("head = %+v, %v", first, err)
			}
			fill(t, l, "b", 1300, 53)
			report, err := l.Verify(t.Context(), first)
			if err != nil || report.Entries != 1301 || report.Missing != 0 || report.Derived == 0 {
				t.Errorf("verify = %+v, %v", report, err)
			}
			other := k.open(t, store) // that knows nothing
			for _, id := range []string{"a-0", "b-0", "b-254", "b-255", "b-1023", "b-1299"} {
				p, err := other.Prove(t.Context(), id)
				if err != nil {
					t.Fatalf("prove %s: %v", id, err)
				}
				if c, err := VerifyProof(&p, testOrigin, k.verifiers); err != nil || c.Size != 1301 || p.Entry.ID != id {
					t.Errorf("%s: %+v, %v", id, c, err)
				}
			}
			if _, err := other.Prove(t.Context(), "c-0"); !errors.Is(err, ErrNotFound) {
				t.Errorf("prove what is not there: %v, want ErrNotFound", err)
			}
			if head, err := other.Extends(t.Context(), first); err != nil || head.Size != 1301 {
				t.Errorf("extends = %+v, %v", head, err)
			}
		})
	}
}

// TestRepeatedReports: the second report of an event adds nothing, in the same process and
// in one that knows nothing yet, near the end and far from it.
func TestRepeatedReports(t *testing.T) {
	t.Parallel()
	k, store := newKeys(t), newMemory()
	l := k.open(t, store)
	fill(t, l, "a", 5000, 100)
	for name, log := range map[string]*Log{"Same": l, "Other": k.open(t, store)} {
		for _, i := range []int64{0, 255, 256, 4095, 4096, 4999} {
			e := testEntry(fmt.Sprintf("a-%d", i))
			e.When = e.When.AddDate(0, 0, 1)
			r, err := log.Append(t.Context(), e, testEntry(fmt.Sprintf("%s-%d", name, i)))
			if err != nil || r.Indexes[0] != i || r.Indexes[1] < 5000 {
				t.Errorf("%s: %d: %+v, %v", name, i, r, err)
			}
			e.Who = "another"
			if _, err := log.Append(t.Context(), e); !errors.Is(err, ErrConflict) {
				t.Errorf("%s: %d: says something else: %v, want ErrConflict", name, i, err)
			}
		}
	}
	if report, err := l.Verify(t.Context()); err != nil || report.Entries != 5012 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestConcurrentWriters: several processes with several callers each write one log.
func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	k, store := newKeys(t), newMemory()
	var wg sync.WaitGroup
	var mu sync.Mutex
	at := make(map[int64]string)
	for w := range 4 {
		l := k.open(t, store)
		for c := range 8 {
			wg.Go(func() {
				for i := range 20 {
					id := fmt.Sprintf("w%d-c%d-%d", w, c, i)
					r, err := l.Append(t.Context(), testEntry(id))
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if had, ok := at[r.Indexes[0]]; ok {
						t.Errorf("%s and %s are both entry %d", had, id, r.Indexes[0])
					}
					at[r.Indexes[0]] = id
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	l := k.open(t, store)
	report, err := l.Verify(t.Context())
	if err != nil || report.Entries != 640 {
		t.Fatalf("%+v, %v", report, err)
	}
	err = l.Entries(t.Context(), 0, func(i int64, e Entry) bool {
		if at[i] != e.ID {
			t.Errorf("entry %d is %s, was acknowledged as %s", i, e.ID, at[i])
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("640 entries in %d batches", report.Batches)
}

// TestDerivedAnew: what is derived is made anew by the next writer, byte for byte; readers
// do without it.
func TestDerivedAnew(t *testing.T) {
	t.Parallel()
	k, whole := newKeys(t), newMemory()
	fill(t, k.open(t, whole), "a", 4400, 200)
	whole.mu.Lock()
	var derived []blob.Key
	for key := range whole.objects {
		if strings.HasPrefix(string(key), "custody/ids/") || strings.HasPrefix(string(key), "custody/tile/") {
			derived = append(derived, key)
		}
	}
	whole.mu.Unlock()
	slices.Sort(derived)
	store := whole.clone()
	for _, key := range derived {
		delete(store.objects, key)
	}
	reader := k.open(t, store)
	p, err := reader.Prove(t.Context(), "a-77")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyProof(&p, testOrigin, k.verifiers); err != nil {
		t.Error(err)
	}
	if report, err := reader.Verify(t.Context()); err != nil || report.Missing != int64(len(derived)) {
		t.Errorf("%+v, %v, want %d missing", report, err, len(derived))
	}
	fill(t, k.open(t, store), "b", 1, 1)
	for _, key := range derived {
		if diff := cmp.Diff(whole.objects[key], store.objects[key]); diff != "" {
			t.Errorf("%s was not made anew", key)
		}
	}
}

// TestEndIsFoundQuickly counts what finding the end of a long log costs.
func TestEndIsFoundQuickly(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 1, 2, 999, 1_000_000} {
		store := newMemory()
		l := newKeys(t).open(t, store)
		for i := range n {
			store.objects[l.batchKey(i)] = nil
		}
		got, err := l.last(t.Context(), -1)
		if err != nil || got != n-1 {
			t.Errorf("last of %d = %d, %v", n, got, err)
		}
		t.Logf("%d batches: %v", n, store.counts)
		if store.counts["HEAD"] > 30 || store.counts["LIST"] > 1 {
			t.Errorf("%d batches: %v", n, store.counts)
		}
		store.counts = make(map[string]int)
		if _, err := l.last(t.Context(), got); err != nil || store.counts["HEAD"] != 1 {
			t.Errorf("again: %v, %v", store.counts, err)
		}
	}
}

// TestMissingBatchIsNotTaken: a writer that finds a batch missing before others does not
// write one in its place, which would be a fork.
func TestMissingBatchIsNotTaken(t *testing.T) {
	t.Parallel()
	k, store := newKeys(t), newMemory()
	fill(t, k.open(t, store), "a", 9, 1)
	delete(store.objects, k.open(t, store).batchKey(8-1))
	delete(store.objects, k.open(t, store).batchKey(1))
	before := len(store.objects)
	var d *Divergence
	if _, err := k.open(t, store).Append(t.Context(), testEntry("b")); !errors.As(err, &d) {
		t.Errorf("append = %v, want a Divergence", err)
	}
	if len(store.objects) != before {
		t.Error("something was written")
	}
}

// TestProofIsCheap counts what a reader that knows nothing asks the store for.
func TestProofIsCheap(t *testing.T) {
	t.Parallel()
	k, store := newKeys(t), newMemory()
	const entries = 20_100
	fill(t, k.open(t, store), "a", entries, 60)
	for name, prove := range map[string]func(*Log) (Proof, error){
		"ByIndex": func(l *Log) (Proof, error) { return l.ProveIndex(t.Context(), 7_000) },
		"ByID":    func(l *Log) (Proof, error) { return l.Prove(t.Context(), "a-7000") },
	} {
		store.counts = make(map[string]int)
		if _, err := prove(k.open(t, store)); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s among %d entries: %v", name, entries, store.counts)
		if store.counts["GET"] > 60 || store.counts["HEAD"] > 30 {
			t.Errorf("%s: %v", name, store.counts)
		}
	}
}
