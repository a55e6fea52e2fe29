package hashlist

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var picture = []byte("a picture of a tree")

func sumsOf(t *testing.T, p []byte) Sums {
	t.Helper()
	s, n, err := Sum(bytes.NewReader(p))
	if err != nil || n != int64(len(p)) {
		t.Fatal(n, err)
	}
	return s
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	entries := map[string]string{
		"SHA256": fmt.Sprintf("sha256:%x", sha256.Sum256(picture)),
		"SHA1":   fmt.Sprintf("sha1:%x", sha1.Sum(picture)),
		"MD5":    fmt.Sprintf("md5:%x", md5.Sum(picture)),
	}
	for name, entry := range entries {
		for form, line := range map[string]string{
			"Plain": entry, "Upper": strings.ToUpper(entry), "Note": entry + " case 7", "Tab": "  " + entry + "\tcase 7",
		} {
			h, err := parse(strings.NewReader("\ufeff# made up\r\n\r\n" + line + "\r\n"))
			if err != nil {
				t.Errorf("%s %s: %v", name, form, err)
				continue
			}
			l := &List{known: h, now: time.Now, looked: time.Now()}
			if got := l.Find(sumsOf(t, picture)); got != entry {
				t.Errorf("%s %s: found %q, want %q", name, form, got, entry)
			}
			if got := l.Find(sumsOf(t, picture[1:])); got != "" {
				t.Errorf("%s %s: found another file: %q", name, form, got)
			}
		}
	}
}

func TestBadLists(t *testing.T) {
	t.Parallel()
	good := fmt.Sprintf("sha256:%x\n", sha256.Sum256(picture))
	for name, tc := range map[string]struct{ content, want string }{
		"Empty":     {"", "line 1: there is no hash"},
		"Comments":  {"# none\n", "there is no hash"},
		"Bare":      {good + "0f0f\n", "line 2: want sha256:"},
		"Short":     {good + good + "\n# x\nsha256:0f0f\n", "line 5: want sha256:"},
		"NoHex":     {"md5:" + strings.Repeat("x", 32), "line 1: want"},
		"OtherKind": {"sha512:" + strings.Repeat("0", 128), "line 1: want"},
		"WrongKind": {"md5:" + strings.Repeat("0", 64), "line 1: want"},
		"Long":      {good + "#" + strings.Repeat("x", maxLine), "line 2: "},
	} {
		path := filepath.Join(t.TempDir(), "list")
		write(t, path, tc.content)
		_, err := Open(path, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q in it", name, err, tc.want)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a list that is not there passed")
	}
}

func TestReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "list")
	write(t, path, "md5:"+strings.Repeat("0", 32)+"\n")
	l, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	l.now = func() time.Time { now = now.Add(lookEvery); return now }
	sums := sumsOf(t, picture)
	if got := l.Find(sums); got != "" {
		t.Errorf("found %q", got)
	}
	write(t, path, fmt.Sprintf("sha1:%x\n", sha1.Sum(picture)))
	for range 2 { // and what was known stays when the file is spoilt
		if got := l.Find(sums); !strings.HasPrefix(got, "sha1:") {
			t.Errorf("found %q after the list changed", got)
		}
		write(t, path, "spoilt")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := l.Find(sums); got == "" {
		t.Error("the list was forgotten when its file went")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("sha256:00 x\n#\n")
	f.Add("md5:" + strings.Repeat("0", 32))
	f.Fuzz(func(t *testing.T, s string) {
		if h, err := parse(strings.NewReader(s)); err == nil && h.len() == 0 {
			t.Error("an empty list passed")
		}
	})
}
