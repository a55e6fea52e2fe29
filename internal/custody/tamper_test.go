package custody

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// TestEveryChangeIsFound: whatever is done to an object of the log, Verify names it.
func TestEveryChangeIsFound(t *testing.T) {
	t.Parallel()
	k, whole, other := newKeys(t), newMemory(), newMemory()
	fill(t, k.open(t, whole), "a", 300, 60)
	fill(t, k.open(t, other), "b", 300, 60) // another log under the same key
	for _, key := range slices.Sorted(maps.Keys(whole.objects)) {
		changes := map[string]func(m *memory){
			"Flip": func(m *memory) {
				raw := bytes.Clone(m.objects[key])
				raw[len(raw)/3] ^= 1
				m.objects[key] = raw
			},
			"CutOff":   func(m *memory) { m.objects[key] = m.objects[key][:len(m.objects[key])-1] },
			"Longer":   func(m *memory) { m.objects[key] = append(bytes.Clone(m.objects[key]), '\n') },
			"Replaced": func(m *memory) { m.objects[key] = other.objects[key] },
			"Empty":    func(m *memory) { m.objects[key] = nil },
		}
		for name, change := range changes {
			store := whole.clone()
			change(store)
			named := key
			if name == "Replaced" && key == "custody/batches/000000000000" { // it is sound by itself; its checkpoint is of another
				named = "custody/checkpoints/000000000000"
			}
			expectDivergence(t, k, store, name, named)
		}
	}
	l := k.open(t, whole)
	for n := range int64(4) { // the last may be missing: it was never written, for all that the log knows
		store := whole.clone()
		delete(store.objects, l.batchKey(n))
		expectDivergence(t, k, store, "Removed", l.batchKey(n))
		store = whole.clone()
		a, b := l.batchKey(n), l.batchKey(n+1)
		store.objects[a], store.objects[b] = store.objects[b], store.objects[a]
		expectDivergence(t, k, store, "Reordered", a)
	}
	store := whole.clone()
	last := l.batchKey(4)
	if _, ok := store.objects[last]; !ok {
		t.Fatalf("%s is not the last batch", last)
	}
	delete(store.objects, last)
	expectDivergence(t, k, store, "Cut off at the end", l.checkpointKey(4))
	store = whole.clone()
	store.objects["custody/batches/stray"] = nil
	expectDivergence(t, k, store, "Stray", "custody/batches/stray")
}

func expectDivergence(t *testing.T, k keys, store *memory, change string, key blob.Key) {
	t.Helper()
	_, err := k.open(t, store).Verify(t.Context())
	if d := (*Divergence)(nil); !errors.As(err, &d) || d.Key != key {
		t.Errorf("%s of %s: verify = %v, want it named", change, key, err)
	}
}

// TestEveryByteCounts: no byte of a batch or a checkpoint can be another one.
func TestEveryByteCounts(t *testing.T) {
	t.Parallel()
	k, store := newKeys(t), newMemory()
	l := k.open(t, store)
	fill(t, l, "a", 5, 5)
	raw := store.objects[l.batchKey(0)]
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 0x20
		if _, err := parseBatch(changed, 0, testOrigin, k.verifiers); err == nil {
			t.Errorf("byte %d of a batch, %q, may be %q", i, raw[i], changed[i])
		}
	}
	proof, err := l.Prove(t.Context(), "a-3")
	if err != nil {
		t.Fatal(err)
	}
	text, err := proof.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		changed := bytes.Clone(text)
		changed[i] ^= 0x20
		var p Proof
		if p.UnmarshalText(changed) != nil {
			continue
		}
		if _, err := VerifyProof(&p, testOrigin, k.verifiers); err == nil {
			t.Errorf("byte %d of a proof, %q, may be %q", i, text[i], changed[i])
		}
	}
}

// TestOwnerCannotRewrite: who has the key can write another log that is sound by itself. The
// checkpoint that somebody else kept tells them apart, and so it does when the log was
// shortened.
func TestOwnerCannotRewrite(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	logOf := func(names ...string) *Log {
		l := k.open(t, newMemory())
		for _, name := range names {
			fill(t, l, name, 300, 100)
		}
		return l
	}
	kept, err := logOf("a", "b").Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		reason string
		log    *Log
		fork   bool
	}{
		"Same":      {reason: "it is the log", log: logOf("a", "b")},
		"Longer":    {reason: "it grew", log: logOf("a", "b", "c")},
		"Rewritten": {reason: "the beginning is another one", log: logOf("x", "b", "c"), fork: true},
		"Changed":   {reason: "the end is another one", log: logOf("a", "x", "c"), fork: true},
		"Shortened": {reason: "entries are gone", log: logOf("a"), fork: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := tc.log.Verify(t.Context()); err != nil {
				t.Errorf("verify by itself: %v", err)
			}
			_, verifyErr := tc.log.Verify(t.Context(), kept)
			_, extendsErr := tc.log.Extends(t.Context(), kept)
			for _, err := range []error{verifyErr, extendsErr} {
				fork := (*ForkError)(nil)
				if errors.As(err, &fork) != tc.fork || (err != nil) != tc.fork {
					t.Errorf("%s: %v", tc.reason, err)
				}
				if err != nil && !strings.Contains(err.Error(), kept.Root.String()) {
					t.Errorf("both roots are to be told: %v", err)
				}
			}
		})
	}
}

// TestRotatedKey: what a retired key signed still holds, what a stranger signed never.
func TestRotatedKey(t *testing.T) {
	t.Parallel()
	first, second, store := newKeys(t), newKeys(t), newMemory()
	fill(t, first.open(t, store), "a", 300, 100)
	var verifiers []note.Verifier
	for _, vkey := range []string{first.vkey, second.vkey} {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		verifiers = append(verifiers, v)
	}
	rotated := keys{second.signer, note.VerifierList(verifiers...), second.vkey}
	fill(t, rotated.open(t, store), "b", 300, 100)
	if report, err := rotated.open(t, store).Verify(t.Context()); err != nil || report.Entries != 600 {
		t.Errorf("%+v, %v", report, err)
	}
	expectDivergence(t, first, store, "Foreign", "custody/batches/000000000003")
	if _, err := first.open(t, store).Append(t.Context(), testEntry("c")); err == nil {
		t.Error("a writer extends a batch that no key of its log signed")
	}
}

// TestReaderWithoutKey takes the last checkpoint that is stored.
func TestReaderWithoutKey(t *testing.T) {
	t.Parallel()
	k, store := newKeys(t), newMemory()
	l := k.open(t, store)
	fill(t, l, "a", 30, 10)
	delete(store.objects, l.checkpointKey(2))
	reader, err := New(Config{Store: store, Prefix: testPrefix, Origin: testOrigin, Verifiers: k.verifiers})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := reader.Head(t.Context()); err != nil || c.Size != 20 {
		t.Errorf("head = %+v, %v", c, err)
	}
	if _, err := reader.Append(t.Context(), testEntry("x")); err == nil {
		t.Error("a reader appends")
	}
	for i, ok := range map[int64]bool{19: true, 20: false} {
		p, err := reader.ProveIndex(t.Context(), i)
		if err == nil {
			_, err = VerifyProof(&p, testOrigin, k.verifiers)
		}
		if (err == nil) != ok {
			t.Errorf("proof of entry %d: %v", i, err)
		}
	}
}

func TestEntryBounds(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*Entry){
		"NoSuchEvent":  func(e *Entry) { e.Event = "Judged" },
		"NoID":         func(e *Entry) { e.ID = "" },
		"LongID":       func(e *Entry) { e.ID = strings.Repeat("a", 129) },
		"SpaceInWho":   func(e *Entry) { e.Who = "a b" },
		"NoWho":        func(e *Entry) { e.Who = "" },
		"ObjectIsURL":  func(e *Entry) { e.Object = "https://example.org/a" },
		"URLInID":      func(e *Entry) { e.ID = "https://example.org/a" },
		"URLInWhy":     func(e *Entry) { e.Why = "seen at HTTPS://example.org/a" },
		"HostInWhy":    func(e *Entry) { e.Why = "seen at www.example.org" },
		"LongWhy":      func(e *Entry) { e.Why = strings.Repeat("a", 257) },
		"TwoLines":     func(e *Entry) { e.Why = "a\nb" },
		"NoSum":        func(e *Entry) { e.SHA256 = "" },
		"UpperSum":     func(e *Entry) { e.SHA256 = strings.ToUpper(e.SHA256) },
		"LocalTime":    func(e *Entry) { e.When = e.When.Local().In(localZone) },
		"Microseconds": func(e *Entry) { e.When = e.When.Add(1000) },
		"ForeignField": func(e *Entry) { e.Case = "case-1" },
		"RunOfChunk":   func(e *Entry) { e.Run = "r" },
		"RunIsURL":     func(e *Entry) { e.Event, e.Why, e.Run = Held, "decision 1", "http://example.org/" },
		"CaseMissing":  func(e *Entry) { e.Event = TiedToCase },
		"HeldNoWhy":    func(e *Entry) { e.Event = Held },
		"KeptNoDay":    func(e *Entry) { e.Event, e.Until = Kept, "tomorrow" },
	}
	for name, change := range cases {
		e := testEntry("a")
		change(&e)
		if err := e.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	e := testEntry("a")
	e.Event, e.Case, e.Until, e.Why = TiedToCase, "case-17/2030", "2031-12-31", `a "reason" <with> marks & ümlauts`
	raw, err := e.encode()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"case":"case-17/2030","event":"TiedToCase","id":"a","object":"archive/cases/fleet/0001/chunks/b1-a1.wacz","sha256":"%s",`+
		`"until":"2031-12-31","when":"2030-01-02T03:04:05.006Z","who":"worker/1","why":"a \"reason\" <with> marks & ümlauts"}`, strings.Repeat("ab", 32))
	if string(raw) != want {
		t.Errorf("encoding is\n%s, want\n%s", raw, want)
	}
	if back, err := ParseEntry(raw); err != nil || back != e {
		t.Errorf("parsed %+v, %v", back, err)
	}
}
