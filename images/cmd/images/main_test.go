package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePlatforms(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reason, list string
		want         []string
		problem      string
	}{
		"One":     {"this machine's", "linux/amd64", []string{"linux/amd64"}, ""},
		"Both":    {"as people write lists", "linux/amd64, linux/arm64", []string{"linux/amd64", "linux/arm64"}, ""},
		"None":    {"an empty list", "", nil, `no image is made for ""`},
		"Half":    {"it would be this machine's processor under no name", "linux", nil, "linux/amd64 or linux/arm64"},
		"System":  {"a program of another system in an image for Linux", "darwin/arm64", nil, "darwin/arm64"},
		"Comma":   {"one too many", "linux/amd64,", nil, `no image is made for ""`},
		"Twice":   {"one image would be in the place of the other", "linux/arm64,linux/arm64", nil, "twice"},
		"Unknown": {"the worker has no packages for it", "linux/riscv64", nil, "riscv64"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			platforms, err := parsePlatforms(c.list)
			var got []string
			for _, p := range platforms {
				got = append(got, p.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
			if (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%s: got %v, want %q in it", c.reason, err, c.problem)
			}
		})
	}
}

// TestRevision: an image says which commit it is of, and when there is more in the folder than that.
func TestRevision(t *testing.T) {
	dir := t.TempDir()
	if got, err := revision(t.Context(), dir); got != "" || err != nil {
		t.Errorf("no clone: got %q, %v", got, err)
	}
	do := func(args ...string) {
		t.Helper()
		args = append([]string{"-C", dir, "-c", "user.name=Test", "-c", "user.email=test@example.test", "-c", "commit.gpgsign=false"}, args...)
		if out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
	}
	do("init", "--quiet")
	do("commit", "--quiet", "--allow-empty", "--message", "first")
	commit, err := revision(t.Context(), dir)
	if err != nil || len(commit) != 40 {
		t.Fatalf("a commit: got %q, %v", commit, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "more.go"), []byte("package main\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := revision(t.Context(), dir); got != commit+"+dirty" || err != nil {
		t.Errorf("a file that git does not know: got %q, %v", got, err)
	}
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1") // which git has for its own tests
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	if got, err := revision(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "safe.directory") {
		t.Errorf("the clone of another user: got %q, %v; want what git says", got, err)
	}
	if _, err := commitTime(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "safe.directory") {
		t.Errorf("the clone of another user: got %v, want what git says", err)
	}
}
