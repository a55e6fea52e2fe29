package recipe

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestReproducible: two clones of one commit, in different folders, make images with the same
// digests, and so the same programs, licences and lists of contents.
func TestReproducible(t *testing.T) {
	assets := t.TempDir()
	for _, name := range []string{"ui.js", "sw.js", "LICENSE.txt"} {
		if err := os.WriteFile(filepath.Join(assets, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := clone(t, filepath.Join(t.TempDir(), "a"))
	second := clone(t, filepath.Join(t.TempDir(), "a folder", "of another name"))
	for _, name := range []string{"operator", "portal"} {
		t.Run(name, func(t *testing.T) {
			made := func(root string) v1.Hash {
				r, err := Make(t.Context(), name, Options{
					Root: root, Out: t.TempDir(), Replay: assets, ReplayVersion: "1", Repository: "docker.io/crawlfleet", Tag: "1.2.3",
					Revision: "0123abc", At: time.Unix(1_700_000_000, 0).UTC(), Platforms: []v1.Platform{{OS: "linux", Architecture: "amd64"}},
					Log: slog.New(slog.DiscardHandler),
				})
				if err != nil {
					t.Fatal(err)
				}
				return r.Digest
			}
			if a, b := made(first), made(second); a != b {
				t.Errorf("%s in one folder, %s in another", a, b)
			}
		})
	}
}

// clone is this project in another folder.
func clone(t *testing.T, dir string) string {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "git", "clone", "--quiet", "--shared", "../..", dir).CombinedOutput(); err != nil {
		t.Fatalf("clone the project: %v: %s", err, out)
	}
	return dir
}

func TestMakeRefuses(t *testing.T) {
	for name, c := range map[string]struct{ image, tag string }{
		"NoSuchImage": {"none", "1.2.3"},
		"NoTag":       {"operator", ""},
		"NotATag":     {"operator", "1.2.3+build"},
		"Flags":       {"operator", "1 -X main.a=b"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Make(t.Context(), c.image, Options{Repository: "docker.io/crawlfleet", Tag: c.tag, Out: t.TempDir()}); err == nil {
				t.Error("no error")
			}
		})
	}
}
