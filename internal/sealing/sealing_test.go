package sealing

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	// Another file in its place, as Kubernetes does: a change is seen however coarse the clock is.
	fresh := path + ".new"
	if err := os.WriteFile(fresh, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(fresh, mode), os.Rename(fresh, path)); err != nil {
		t.Fatal(err)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	one, two := strings.Repeat("1", minSecret), strings.Repeat("2", minSecret)
	for reason, tc := range map[string]struct {
		content string
		mode    os.FileMode
		want    string // of the error
	}{
		"one":                        {one, 0o600, ""},
		"two with a comment":         {"# both\n\n" + one + "\r\n" + two + "\n", 0o640, ""},
		"openssl rand -base64 32":    {"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n", 0o400, ""},
		"others may read":            {one, 0o644, "chmod"},
		"others may write":           {one, 0o602, "chmod"},
		"empty":                      {"\n\n", 0o600, "no secret"},
		"a comment alone":            {"# " + one, 0o600, "no secret"},
		"short":                      {one[1:], 0o600, "32 or more"},
		"one of two is short":        {one + "\n" + two[1:], 0o600, "line 2"},
		"longer than is worth while": {one + "\n" + strings.Repeat("#", maxFile), 0o600, "may have"},
	} {
		path := filepath.Join(t.TempDir(), "keys")
		write(t, path, tc.content, tc.mode)
		_, err := Open(path, "test")
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", reason, err, tc.want)
		}
		if err != nil && (strings.Contains(err.Error(), one[1:]) || strings.Contains(err.Error(), two[1:])) {
			t.Errorf("%s: the error shows the secret: %v", reason, err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), "test"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestExchange(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	one, two := strings.Repeat("1", minSecret), strings.Repeat("2", minSecret)
	write(t, path, one, 0o600)
	keys, err := Open(path, "test")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := keys.Seal("session", "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		reason, content string
		mode            os.FileMode
		want            string
	}{
		{"the same", one, 0o600, ""},
		{"a new one in front", two + "\n" + one, 0o600, ""},
		{"the old one is gone", two, 0o600, ErrForeign.Error()},
		{"others may read it now", one, 0o644, "chmod"},
		{"back again", one, 0o600, ""},
	} {
		write(t, path, tc.content, tc.mode)
		var got string
		err := keys.Open("session", sealed, &got)
		if (err == nil) != (tc.want == "") || err == nil && got != "x" || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %q, %v", tc.reason, got, err)
		}
	}
	other, err := Open(path, "another purpose")
	if err != nil {
		t.Fatal(err)
	}
	var got string
	for reason, err := range map[string]error{
		"another use":     keys.Open("login", sealed, &got),
		"another purpose": other.Open("session", sealed, &got),
		"random keys":     Random("test").Open("session", sealed, &got),
		"cut short":       keys.Open("session", sealed[:3], &got),
		"changed":         keys.Open("session", append([]byte{sealed[0] ^ 1}, sealed[1:]...), &got),
	} {
		if !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", reason, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Seal("session", "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is gone: %v", err)
	}
}
