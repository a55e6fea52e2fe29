package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile is what a page may call itself.
const hostile = "a\r\nWARC-Type: response\n---\nadmin: true\x00\x1b[2J\x1b]0;owned\x07\x7f\u009b31m\u202elmth.exe\u2028\U000e0001\"\\<>"

// printable reports whether there is nothing in a text that a terminal obeys.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) })
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	if got := OneLine(hostile); !printable(got) || strings.Contains(got, "\n") || !strings.HasPrefix(got, "a  WARC-Type: response --- admin: true  [2J ]0;owned") {
		t.Errorf("got %q", got)
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := WriteJSON(&b, map[string]string{hostile: hostile}); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); !printable(got) || strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") {
		t.Errorf("got %q", got)
	}
	var back map[string]string
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || back[hostile] != hostile {
		t.Errorf("read back %q: %v", back, err)
	}
	if err := WriteJSON(&b, func() {}); err == nil {
		t.Error("a function was written as JSON")
	}
}

func FuzzWriteJSON(f *testing.F) {
	f.Add(hostile)
	f.Fuzz(func(t *testing.T, s string) {
		var b strings.Builder
		if err := WriteJSON(&b, s); err != nil {
			t.Fatal(err)
		}
		var back string
		if err := json.Unmarshal([]byte(b.String()), &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") && utf8.ValidString(s) {
			t.Errorf("%q read back %q: %v", s, back, err)
		}
		if !printable(b.String()) || strings.Count(b.String(), "\n") != 1 {
			t.Errorf("wrote %q", b.String())
		}
	})
}

// TestExitIsPrintable: an error may have the words of a page or of a file that somebody sent.
func TestExitIsPrintable(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		fmt.Errorf("read: %s", hostile),
		Usage("no %s", hostile),
		errors.Join(errors.New("one"), errors.New(hostile)),
	} {
		var b strings.Builder
		Exit(&b, "crawlctl", err)
		if !printable(b.String()) || !strings.Contains(b.String(), "owned") {
			t.Errorf("wrote %q", b.String())
		}
	}
}
