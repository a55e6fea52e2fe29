package custody

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func runEntry(id string) Entry {
	e := testEntry(id)
	e.Event, e.Run, e.Why = Held, "uid", "decision 1"
	return e
}

// TestBatchVersions: a log is as programs of before write and read it until something is decided
// about a whole run. From then on they say that it is too new for them, whichever part they meet.
func TestBatchVersions(t *testing.T) {
	t.Parallel()
	k, store := newKeys(t), newMemory()
	one, two := k.open(t, store), k.open(t, store)
	for _, step := range []struct {
		by   *Log
		add  Entry
		want int
	}{
		{one, testEntry("a"), 1}, {two, testEntry("b"), 1}, {one, runEntry("c"), 2}, {two, testEntry("d"), 2}, {k.open(t, store), testEntry("e"), 2},
	} {
		r, err := step.by.Append(t.Context(), step.add)
		if err != nil {
			t.Fatal(err)
		}
		raw := string(store.objects[one.batchKey(r.Indexes[0])]) // each has one entry
		first, _, _ := strings.Cut(raw, "\n")
		if want := fmt.Sprintf(`,"version":%d}`, step.want); !strings.HasSuffix(first, want) {
			t.Errorf("the batch with %q begins %s, want it to end %s", step.add.ID, first, want)
		}
	}
	if report, err := k.open(t, store).Verify(t.Context()); err != nil || report.Entries != 5 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestBatchVersionsRefused: what is of a version is what that version may hold and may follow.
func TestBatchVersionsRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason  string
		before  Entry
		entry   Entry
		version int
		want    string
	}{
		"Run":    {reason: "programs that know version 1 alone refuse it", before: testEntry("a"), entry: runEntry("b"), version: 1, want: "entry 1: run: an entry in a batch of version 1 has none"},
		"Back":   {reason: "programs that know version 1 alone would go on from there", before: runEntry("a"), entry: testEntry("b"), version: 1, want: "is of version 1, the batch before of version 2"},
		"Newer":  {reason: "it is not known what it may hold", before: testEntry("a"), entry: testEntry("b"), version: 3, want: `version 3: this program knows "crawlfleet-custody", versions 1 to 2`},
		"Nought": {reason: "there is none", before: testEntry("a"), entry: testEntry("b"), version: 0, want: `version 0: this program knows "crawlfleet-custody", versions 1 to 2`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, store := newKeys(t), newMemory()
			l := k.open(t, store)
			if _, err := l.Append(t.Context(), tc.before); err != nil {
				t.Fatal(err)
			}
			store.objects[l.batchKey(1)] = forgeBatch(t, l, tc.entry, tc.version)
			_, err := k.open(t, store).Verify(t.Context())
			if d := (*Divergence)(nil); !errors.As(err, &d) || d.Key != l.batchKey(1) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: verify = %v, want %s", tc.reason, err, tc.want)
			}
		})
	}
}

// TestBatchVersionIsSigned: which version a batch is of cannot be changed by who has no key.
func TestBatchVersionIsSigned(t *testing.T) {
	t.Parallel()
	k, store := newKeys(t), newMemory()
	l := k.open(t, store)
	fill(t, l, "a", 1, 1)
	key := l.batchKey(0)
	store.objects[key] = []byte(strings.Replace(string(store.objects[key]), `"version":1`, `"version":2`, 1))
	expectDivergence(t, k, store, "Another version", key)
}

// forgeBatch makes the next batch of a log, of a version that a writer would not give it.
func forgeBatch(t *testing.T, l *Log, e Entry, version int) []byte {
	t.Helper()
	one, err := newLeaf(e)
	if err != nil {
		t.Fatal(err)
	}
	h, err := l.latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := h.extend([]leaf{one}, l.Origin, l.Signer)
	if err != nil {
		t.Fatal(err)
	}
	b.version = version
	if b.signed, err = note.Sign(&note.Note{Text: b.statement(l.Origin)}, l.Signer); err != nil {
		t.Fatal(err)
	}
	raw, err := b.encode()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
