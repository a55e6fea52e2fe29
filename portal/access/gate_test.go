package access

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"/":                             "/",
		"/snapshots/1?q=a%20b&x=//y":    "/snapshots/1?q=a%20b&x=//y",
		"/search?q=http%3A%2F%2Fa.test": "/search?q=http%3A%2F%2Fa.test",
		"":                              "/",
		"snapshots":                     "/",
		"https://evil.test/":            "/",
		"//evil.test":                   "/",
		"/\\evil.test":                  "/",
		"\\\\evil.test":                 "/",
		"/%2fevil.test":                 "/",
		"/\t/evil.test":                 "/",
		" //evil.test":                  "/",
		"/a\nSet-Cookie: x=y":           "/",
		"javascript:alert(1)":           "/",
		"/login?return=/a":              "/",
		"/logout":                       "/",
		"/login/callback?code=1":        "/",
		"/%zz":                          "/",
	} {
		if got := LocalPath(given); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}

// TestReasons: what is counted by reason knows them all.
func TestReasons(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	for _, m := range regexp.MustCompile(`(?m)^\tReason\w+\s+= "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		written = append(written, m[1])
	}
	if diff := cmp.Diff(written, Reasons(), cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Error(diff)
	}
}
