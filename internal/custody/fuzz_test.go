package custody

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

var localZone = time.FixedZone("local", 3600)

// FuzzEntry: what is parsed is encoded to the same bytes.
func FuzzEntry(f *testing.F) {
	e := testEntry("a")
	raw, err := e.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"event":"Read","id":"a","id":"b"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := ParseEntry(raw)
		if err != nil {
			return
		}
		if again, err := e.encode(); err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%q is encoded as %q, %v", raw, again, err)
		}
	})
}

// FuzzBatch: no bytes but those that were signed are a batch.
func FuzzBatch(f *testing.F) {
	k, store := newKeys(f), newMemory()
	l := k.open(f, store)
	if _, err := l.Append(f.Context(), testEntry("a"), testEntry("b")); err != nil {
		f.Fatal(err)
	}
	signed := store.objects[l.batchKey(0)]
	f.Add(signed)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := parseBatch(raw, 0, testOrigin, k.verifiers); err == nil && !bytes.HasPrefix(raw, signed[:bytes.Index(signed, []byte("\n\n"))]) {
			t.Errorf("%q is a batch", raw)
		}
	})
}

func FuzzBundle(f *testing.F) {
	f.Add([]byte{0, 1, '{'})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if leaves, err := parseBundle(raw); err == nil && len(leaves) != tileWidth {
			t.Errorf("%d entries", len(leaves))
		}
	})
}

// FuzzProof: what is parsed is written the same, and a proof that holds is one of the log.
func FuzzProof(f *testing.F) {
	k, store := newKeys(f), newMemory()
	l := k.open(f, store)
	if _, err := l.Append(f.Context(), testEntry("a"), testEntry("b"), testEntry("c")); err != nil {
		f.Fatal(err)
	}
	p, err := l.ProveIndex(f.Context(), 1)
	if err != nil {
		f.Fatal(err)
	}
	text, err := p.MarshalText()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		var p Proof
		if p.UnmarshalText(text) != nil {
			return
		}
		if again, err := p.MarshalText(); err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q is written as %q, %v", text, again, err)
		}
		if c, err := VerifyProof(&p, testOrigin, k.verifiers); err == nil && (c.Size != 3 || p.Entry.ID != string("abc"[p.Index])) {
			t.Errorf("%q proves entry %q", text, p.Entry.ID)
		}
	})
}

// FuzzWitnessKey: a key that is read is one that was made.
func FuzzWitnessKey(f *testing.F) {
	skey, vkey, err := GenerateWitnessKey("witness.example/w1")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(skey)
	f.Add(vkey)
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := NewWitnessVerifier(s); err == nil && v.Name() == "" {
			t.Errorf("%q is a key without a name", s)
		}
		_, _ = NewCosigner(s, time.Now)
	})
}

// TestCosigned: a witness's signature is one of [tlog-cosignature], and counts for the log
// beside its own.
//
// [tlog-cosignature]: https://c2sp.org/tlog-cosignature
func TestCosigned(t *testing.T) {
	t.Parallel()
	k, store := newKeys(t), newMemory()
	l := k.open(t, store)
	fill(t, l, "a", 3, 3)
	c, err := l.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	skey, vkey, err := GenerateWitnessKey("witness.example/w1")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	witness, err := NewCosigner(skey+"\n", func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := NewWitnessVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Cosigned(c, verifier); err == nil {
		t.Error("nobody cosigned yet")
	}
	both, err := Cosign(c, k.verifiers, witness)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Cosigned(both, verifier); err != nil || !got.Equal(at) {
		t.Errorf("cosigned at %v, %v", got, err)
	}
	if again, err := OpenCheckpoint(both.Note, testOrigin, k.verifiers); err != nil || again.Size != 3 {
		t.Errorf("the log's own signature: %+v, %v", again, err)
	}
	if _, err := OpenCheckpoint(both.Note, testOrigin, note.VerifierList(verifier)); err == nil {
		t.Error("the signature of a witness alone makes a checkpoint")
	}
}

// TestCosignatureMessage: the message of the example in tlog-cosignature, whose signature
// begins with these bytes of time.
func TestCosignatureMessage(t *testing.T) {
	t.Parallel()
	at := []byte{0, 0, 0, 0, 0x64, 0x18, 0x50, 0xcb}
	text := "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	if got := string(cosigned(at, []byte(text))); got != "cosignature/v1\ntime 1679315147\n"+text {
		t.Errorf("%q is signed", got)
	}
}
