package custody

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// TestOpenKeyFile: a private key brings its own public key along, and takes those of before.
func TestOpenKeyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for range 20 { // the base64 of some has a + in it
		private, public, err := note.GenerateKey(nil, testOrigin)
		if err != nil {
			t.Fatal(err)
		}
		_, retired, err := note.GenerateKey(nil, testOrigin)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := OpenKeyFile(write("key", private), write("retired", retired))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{public, retired} {
			v, err := note.NewVerifier(key)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := keys.Verifier(testOrigin, v.KeyHash()); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
		signed, err := note.Sign(&note.Note{Text: "text\n"}, keys)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := note.Open(signed, keys); err != nil {
			t.Error(err)
		}
	}
	private, public, err := note.GenerateKey(nil, testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeyFile(private); err == nil || strings.Contains(err.Error(), "PRIVATE+KEY") {
		t.Errorf("a key in place of its file: %v", err)
	}
	_, other, err := note.GenerateKey(nil, "other.example/custody")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ key, more string }{
		"a public key":                 {key: public},
		"two keys":                     {key: private + "\n" + private},
		"nothing":                      {key: ""},
		"a retired one of another log": {key: private, more: other},
	} {
		var more []string
		if tc.more != "" {
			more = []string{tc.more}
		}
		_, err := OpenKeyFile(write("wrong", tc.key), more...)
		if err == nil {
			t.Errorf("%s was taken", name)
			continue
		}
		if strings.Contains(err.Error(), "PRIVATE+KEY") {
			t.Errorf("the error tells the key: %v", err)
		}
	}
}
