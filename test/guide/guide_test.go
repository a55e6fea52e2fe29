package guide

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "page.md")
	text := "# Title\n\n## First\n\n```sh\none\n```\n\nwords\n\n### Part\n\n```sh\ntwo\n```\n\n```console\n$ not this\n```\n\n## Second\n\n```yaml\nnor: this\n```\n\n```sh\nthree\n```\n"
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Commands(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"First": "one\ntwo\n", "Second": "three\n"}, got); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	if _, err := Commands(page + ".missing"); err == nil {
		t.Error("a page that is not there: got no error")
	}
}
