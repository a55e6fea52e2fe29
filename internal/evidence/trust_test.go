package evidence

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTrustedKeys: a fingerprint, and a file with times and comments.
func TestTrustedKeys(t *testing.T) {
	t.Parallel()
	one, two := "sha256:"+strings.Repeat("1", 64), "sha256:"+strings.Repeat("2", 64)
	at := time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		reason, file string
		want         []TrustedKey
		fails        string
	}{
		"Lines":    {"one a line", "# of the agency\n" + one + " - 2026-06-30T00:00:00Z # rotated\n\n" + two + " 2026-06-30T00:00:00Z\n", []TrustedKey{{Fingerprint: one, NotAfter: at}, {Fingerprint: two, NotBefore: at}}, ""},
		"Empty":    {"no key at all", "# none\n", nil, "has no fingerprint"},
		"NoKey":    {"something else", "abc\n", nil, "line 1: "},
		"NoTime":   {"a time that is none", one + " today\n", nil, "line 1: "},
		"TooMuch":  {"more than two times", one + " - - -\n", nil, "has more than a fingerprint and two times"},
		"OtherKey": {"too short", one + "\nsha256:12\n", nil, "line 2: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "keys")
			if err := os.WriteFile(path, []byte(tc.file), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := ReadTrustedKeys(path)
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) {
					t.Errorf("%s: error %v, want %q", tc.reason, err, tc.fails)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", tc.reason, err, diff)
			}
		})
	}
	if got, err := ReadTrustedKeys(one); err != nil || got[0].Fingerprint != one {
		t.Error(got, err)
	}
}

// TestParseAuthorities: each is named by its host, and the one that is none by what was given.
func TestParseAuthorities(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		in     []string
		want   []Authority
		fails  string
	}{
		"None":   {reason: "nobody has to stamp"},
		"Two":    {reason: "their order counts", in: []string{"https://tsa.test:3161/x", "http://a.test"}, want: []Authority{{Name: "tsa.test:3161", URL: "https://tsa.test:3161/x"}, {Name: "a.test", URL: "http://a.test"}}},
		"NoHost": {reason: "one of them has no address", in: []string{"http://a.test", "tsa.test"}, fails: `"tsa.test": want an http or https address`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseAuthorities(tc.in)
			if tc.fails != "" {
				if err == nil || err.Error() != tc.fails {
					t.Errorf("%s: error %v, want %q", tc.reason, err, tc.fails)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", tc.reason, err, diff)
			}
		})
	}
}
