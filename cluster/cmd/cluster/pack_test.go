package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// packed is what the command writes.
func packed(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := newCommand()
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(append([]string{"pack"}, args...))
	err := cmd.ExecuteContext(t.Context())
	return out.Bytes(), err
}

func TestPack(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		user string
	}{
		{[]string{"registry.test/program:1", program}, "1000:1000"},
		{[]string{"registry.test/program:1", program, "--user="}, ""},
	} {
		archive, err := packed(t, tc.args...)
		if err != nil {
			t.Fatal(err)
		}
		tag, err := name.NewTag(tc.args[0])
		if err != nil {
			t.Fatal(err)
		}
		img, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }, &tag)
		if err != nil {
			t.Fatal(err)
		}
		file, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if c := file.Config; c.User != tc.user || len(c.Entrypoint) != 1 || c.Entrypoint[0] != "/program" {
			t.Errorf("%q: got user %q and entry point %q", tc.args, c.User, c.Entrypoint)
		}
	}
	for _, wrong := range [][]string{{"registry.test/program:1"}, {"program", program}, {"registry.test/program:1", program + "-missing"}} {
		if archive, err := packed(t, wrong...); err == nil || len(archive) > 0 {
			t.Errorf("%q: got %v and %d bytes, want an error", wrong, err, len(archive))
		}
	}
}
