package custody

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

const (
	testOrigin = "fleet.example/custody"
	testPrefix = blob.Key("custody")
)

// memory is a store in memory that counts what it is asked.
type memory struct {
	mu      sync.Mutex
	objects map[blob.Key][]byte
	counts  map[string]int
}

func newMemory() *memory {
	return &memory{objects: make(map[blob.Key][]byte), counts: make(map[string]int)}
}

func (m *memory) Put(_ context.Context, key blob.Key, content blob.Content) (blob.Info, error) {
	raw, err := io.ReadAll(content.Body)
	if err != nil {
		return blob.Info{}, err
	}
	if _, err := blob.NewKey(string(key)); err != nil {
		return blob.Info{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts["PUT"]++
	if there, ok := m.objects[key]; ok && !bytes.Equal(there, raw) {
		return blob.Info{}, fmt.Errorf("put %q: %w", key, blob.ErrExists)
	}
	m.objects[key] = raw
	return blob.Info{Key: key, Size: int64(len(raw))}, nil
}

func (m *memory) Get(_ context.Context, key blob.Key) (io.ReadCloser, blob.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts["GET"]++
	raw, ok := m.objects[key]
	if !ok {
		return nil, blob.Info{}, fmt.Errorf("get %q: %w", key, blob.ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(raw)), blob.Info{Key: key, Size: int64(len(raw))}, nil
}

func (m *memory) Head(_ context.Context, key blob.Key) (blob.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts["HEAD"]++
	raw, ok := m.objects[key]
	if !ok {
		return blob.Info{}, fmt.Errorf("head %q: %w", key, blob.ErrNotFound)
	}
	return blob.Info{Key: key, Size: int64(len(raw))}, nil
}

func (m *memory) List(_ context.Context, prefix string, yield func(blob.Info) bool) error {
	m.mu.Lock()
	m.counts["LIST"]++
	keys := slices.Sorted(maps.Keys(m.objects))
	m.mu.Unlock()
	for _, key := range keys {
		if strings.HasPrefix(string(key), prefix) && !yield(blob.Info{Key: key}) {
			return nil
		}
	}
	return nil
}

func (m *memory) clone() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memory{objects: maps.Clone(m.objects), counts: make(map[string]int)}
}

// keys are those of a log and its verifiers.
type keys struct {
	signer    note.Signer
	verifiers note.Verifiers
	vkey      string
}

func newKeys(t testing.TB) keys {
	t.Helper()
	skey, vkey, err := note.GenerateKey(nil, testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return keys{signer, note.VerifierList(verifier), vkey}
}

func (k keys) open(t testing.TB, store Store) *Log {
	t.Helper()
	l, err := New(Config{Store: store, Prefix: testPrefix, Origin: testOrigin, Verifiers: k.verifiers, Signer: k.signer, Warn: func(err error) { t.Log(err) }})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func testEntry(id string) Entry {
	return Entry{
		Event: Stored, ID: id, Object: "archive/cases/fleet/0001/chunks/b1-a1.wacz", SHA256: strings.Repeat("ab", 32),
		When: time.Date(2030, 1, 2, 3, 4, 5, 6e6, time.UTC), Who: "worker/1",
	}
}

// fill appends n entries named prefix-i, in batches of at most size.
func fill(t testing.TB, l *Log, prefix string, n, size int) {
	t.Helper()
	for at := 0; at < n; at += size {
		var entries []Entry
		for i := at; i < min(n, at+size); i++ {
			entries = append(entries, testEntry(fmt.Sprintf("%s-%d", prefix, i)))
		}
		if _, err := l.Append(t.Context(), entries...); err != nil {
			t.Fatal(err)
		}
	}
}
