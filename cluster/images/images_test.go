package images_test

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"crawlfleet.dev/crawlfleet/cluster/images"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := images.Program{Ref: "registry.test/program:1", Path: program, User: "1000"}
	var first, second bytes.Buffer
	for _, w := range []io.Writer{&first, &second} {
		if err := p.Write(w); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same program makes another image")
	}
	tag, err := name.NewTag(p.Ref)
	if err != nil {
		t.Fatal(err)
	}
	img, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(first.Bytes())), nil }, &tag)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Config; len(got.Entrypoint) != 1 || got.Entrypoint[0] != "/program" || got.User != "1000" {
		t.Errorf("got entry point %q and user %q", got.Entrypoint, got.User)
	}
	files := tar.NewReader(mutate.Extract(img))
	header, err := files.Next()
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(files)
	if err != nil || header.Name != "program" || header.Mode != 0o755 || string(content) != "a program" {
		t.Errorf("got %s, mode %o, %q, %v", header.Name, header.Mode, content, err)
	}
}

func TestWriteWantsATag(t *testing.T) {
	t.Parallel()
	if err := (images.Program{Ref: "program", Path: os.Args[0]}).Write(io.Discard); err == nil {
		t.Error("an image without registry and tag: got no error")
	}
}
