package custody

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// secret is a folder with a key and the public keys of before, as a Secret is mounted.
type secret struct {
	t            *testing.T
	key, retired string
	writes       int
}

func newSecret(t *testing.T, key, retired string) *secret {
	t.Helper()
	dir := t.TempDir()
	s := &secret{t: t, key: filepath.Join(dir, "custody.key"), retired: filepath.Join(dir, "retired.pub")}
	s.write(key, retired)
	return s
}

// write replaces both files. Each time they are a second younger.
func (s *secret) write(key, retired string) {
	s.t.Helper()
	s.writes++
	s.replace(key, retired)
}

// replace puts other files in place of both, which have the time of those before.
func (s *secret) replace(key, retired string) {
	s.t.Helper()
	for path, content := range map[string]string{s.key: key, s.retired: retired} {
		at := time.Date(2030, 1, 2, 3, 4, s.writes, 0, time.UTC)
		other := path + ".new"
		if err := os.WriteFile(other, []byte(content+"\n"), 0o600); err != nil {
			s.t.Fatal(err)
		}
		if err := os.Chtimes(other, at, at); err != nil {
			s.t.Fatal(err)
		}
		if err := os.Rename(other, path); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *secret) open(store Store) *Log {
	s.t.Helper()
	k, err := OpenKeyFile(s.key, s.retired)
	if err != nil {
		s.t.Fatal(err)
	}
	l, err := New(Config{Store: store, Prefix: testPrefix, Origin: k.Name(), Verifiers: k, Signer: k, Warn: func(err error) { s.t.Log(err) }})
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

func generate(t *testing.T, name string) (private, public string) {
	t.Helper()
	private, public, err := note.GenerateKey(nil, name)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// TestKeyRotates: writers take a new key without a restart, one after the other, and readers with
// both keys find one log.
func TestKeyRotates(t *testing.T) {
	t.Parallel()
	oldKey, oldPublic := generate(t, testOrigin)
	newKey, newPublic := generate(t, testOrigin)
	store := newMemory()
	one, two := newSecret(t, oldKey, oldPublic), newSecret(t, oldKey, oldPublic)
	first, second := one.open(store), two.open(store)
	fill(t, first, "a", 2, 1)
	fill(t, second, "b", 2, 1)

	one.write(newKey, oldPublic)
	fill(t, first, "c", 2, 1)
	_, err := second.Append(t.Context(), testEntry("d-0"))
	if err == nil || !strings.Contains(err.Error(), "no key of the log signed it") {
		t.Errorf("a writer that does not have the new key yet: %v", err)
	}
	two.write(newKey, oldPublic)
	fill(t, second, "d", 2, 1)

	for _, public := range []string{oldPublic, newPublic} { // each signed a part
		_, verifiers, err := ReadKeys([]string{public})
		if err != nil {
			t.Fatal(err)
		}
		l, err := New(Config{Store: store, Prefix: testPrefix, Origin: testOrigin, Verifiers: verifiers})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Verify(t.Context()); err == nil {
			t.Errorf("all is signed with %s", public)
		}
	}
	_, verifiers, err := ReadKeys([]string{oldPublic, newPublic})
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(Config{Store: store, Prefix: testPrefix, Origin: testOrigin, Verifiers: verifiers})
	if err != nil {
		t.Fatal(err)
	}
	if report, err := l.Verify(t.Context()); err != nil || report.Entries != 8 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestKeyAnnounced: where the new public key is known to all before it signs, nobody waits.
func TestKeyAnnounced(t *testing.T) {
	t.Parallel()
	oldKey, oldPublic := generate(t, testOrigin)
	newKey, newPublic := generate(t, testOrigin)
	store := newMemory()
	one, two := newSecret(t, oldKey, oldPublic), newSecret(t, oldKey, oldPublic)
	first, second := one.open(store), two.open(store)
	fill(t, second, "a", 1, 1)
	for _, s := range []*secret{one, two} {
		s.write(oldKey, newPublic)
	}
	one.write(newKey, oldPublic)
	fill(t, first, "b", 1, 1)
	fill(t, second, "c", 1, 1)
}

// TestKeyIsGone: a key that the file does not hold any more signs nothing.
func TestKeyIsGone(t *testing.T) {
	t.Parallel()
	key, public := generate(t, testOrigin)
	foreign, _ := generate(t, "other.example/custody")
	for name, content := range map[string]string{"Empty": "", "Broken": key[:len(key)-8], "Public": public, "OtherLog": foreign} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSecret(t, key, public)
			l := s.open(newMemory())
			fill(t, l, "a", 1, 1)
			s.write(content, public)
			_, err := l.Append(t.Context(), testEntry("b-0"))
			if err == nil || !strings.Contains(err.Error(), "key of the custody log: ") || strings.Contains(err.Error(), "PRIVATE") {
				t.Errorf("error %v", err)
			}
			s.write(key, public)
			fill(t, l, "b", 1, 1)
			if report, err := l.Verify(t.Context()); err != nil || report.Entries != 2 {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
}

// TestKeyReplaced: another key is another key, also when its file has the time and, as all have,
// the size of the one before.
func TestKeyReplaced(t *testing.T) {
	t.Parallel()
	oldKey, oldPublic := generate(t, testOrigin)
	newKey, newPublic := generate(t, testOrigin)
	s := newSecret(t, oldKey, oldPublic)
	k, err := OpenKeyFile(s.key, s.retired)
	if err != nil {
		t.Fatal(err)
	}
	before := k.KeyHash()
	s.replace(newKey, newPublic)
	if after := k.KeyHash(); after == before || after == 0 {
		t.Errorf("it signs with key %08x, before with %08x", after, before)
	}
}

// TestKeyTakenOut: what a key signed that the files do not hold any more counts for nothing, in a
// process that runs as in one that starts; and again when it is back.
func TestKeyTakenOut(t *testing.T) {
	t.Parallel()
	oldKey, oldPublic := generate(t, testOrigin)
	newKey, newPublic := generate(t, testOrigin)
	store := newMemory()
	s := newSecret(t, oldKey, oldPublic)
	l := s.open(store)
	fill(t, l, "a", 2, 1)
	s.write(newKey, oldPublic)
	fill(t, l, "b", 2, 1)
	for _, step := range []struct {
		public string
		holds  bool
	}{{oldPublic, true}, {newPublic, false}, {oldPublic, true}} {
		s.write(newKey, step.public)
		for name, log := range map[string]*Log{"Running": l, "Started": s.open(store)} {
			_, err := log.Verify(t.Context())
			if step.holds && err != nil || !step.holds && (err == nil || !strings.Contains(err.Error(), "no key of the log signed it")) {
				t.Errorf("%s: verify with %s: %v", name, step.public, err)
			}
		}
	}
}

// TestKeyUnreadable: the log can be read while its files cannot, as when they are being replaced.
func TestKeyUnreadable(t *testing.T) {
	t.Parallel()
	key, public := generate(t, testOrigin)
	s := newSecret(t, key, public)
	l := s.open(newMemory())
	fill(t, l, "a", 2, 1)
	s.write("", public)
	if report, err := l.Verify(t.Context()); err != nil || report.Entries != 2 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestKeyUsedAtOnce is for the race detector: the name of a log is asked for while files are read.
func TestKeyUsedAtOnce(t *testing.T) {
	t.Parallel()
	key, public := generate(t, testOrigin)
	s := newSecret(t, key, public)
	k, err := OpenKeyFile(s.key, s.retired)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	s.write(key, public)
	for range 4 {
		wg.Go(func() {
			if name, hash := k.Name(), k.KeyHash(); name != testOrigin || hash == 0 {
				t.Errorf("key %08x of the log %q", hash, name)
			}
		})
	}
	wg.Wait()
}
