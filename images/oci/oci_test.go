package oci

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/crane"
	gcrname "github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"crawlfleet.dev/crawlfleet/images/layer"
)

var (
	at   = time.Unix(1_700_000_000, 0).UTC()
	name = Name{Repository: "docker.io/crawlfleet/operator", Tag: "1.2.3"}
)

// TestWrite: the archive has one index, under the name that containerd reads, with an image for each platform.
func TestWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "operator.tar")
	index := example(t)
	if err := Write(file, index, name, at); err != nil {
		t.Fatal(err)
	}
	l := unpacked(t, file)
	top, err := l.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(top.Manifests) != 1 {
		t.Fatalf("%d entries in the layout, want 1: skopeo and crane ask which one otherwise", len(top.Manifests))
	}
	want := map[string]string{"io.containerd.image.name": "docker.io/crawlfleet/operator:1.2.3", "org.opencontainers.image.ref.name": "1.2.3"}
	if diff := cmp.Diff(want, top.Manifests[0].Annotations); diff != "" {
		t.Error("names (-want +got):\n" + diff)
	}
	inner, err := l.ImageIndex(top.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := inner.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, m := range manifest.Manifests {
		platforms = append(platforms, m.Platform.String())
		if m.ArtifactType != "" {
			t.Errorf("the image for %s is an artifact of type %s", m.Platform, m.ArtifactType)
		}
		img, err := inner.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Config.User != "65532:65532" || config.Architecture != m.Platform.Architecture {
			t.Errorf("%s has the user %q and the architecture %q", m.Platform, config.Config.User, config.Architecture)
		}
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64"}, platforms); diff != "" {
		t.Error("platforms (-want +got):\n" + diff)
	}
}

// TestWriteIsTheSame: two archives of the same image are the same bytes.
func TestWriteIsTheSame(t *testing.T) {
	var archives [2][]byte
	for i := range archives {
		file := filepath.Join(t.TempDir(), "operator.tar")
		if err := Write(file, example(t), name, at); err != nil {
			t.Fatal(err)
		}
		var err error
		if archives[i], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("they differ")
	}
}

// TestPushKeepsTheDigest: what is pinned by the digest that was printed can be had by it from a registry, too.
func TestPushKeepsTheDigest(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	file := filepath.Join(t.TempDir(), "operator.tar")
	index := example(t)
	if err := Write(file, index, name, at); err != nil {
		t.Fatal(err)
	}
	l := unpacked(t, file)
	top, err := l.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	inner, err := l.ImageIndex(top.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := gcrname.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/crawlfleet/operator:1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, inner); err != nil {
		t.Fatal(err)
	}
	got, err := crane.Digest(ref.String())
	if err != nil {
		t.Fatal(err)
	}
	if want, err := index.Digest(); err != nil || got != want.String() {
		t.Errorf("the registry has %s, the archive %s (%v)", got, want, err)
	}
}

// example is an index of small images.
func example(t *testing.T) v1.ImageIndex {
	t.Helper()
	var images []v1.Image
	for _, architecture := range []string{"amd64", "arm64"} {
		l, err := layer.Pack(filepath.Join(t.TempDir(), "layer.tar.gz"), func(w io.Writer) error {
			return layer.Write(w, []layer.File{{Path: "operator", Mode: 0o755, Data: []byte(architecture)}}, at)
		})
		if err != nil {
			t.Fatal(err)
		}
		settings := Settings{Entrypoint: []string{"/operator"}, User: "65532:65532", Created: at, Labels: map[string]string{"a": "b"}}
		img, err := Image(v1.Platform{OS: "linux", Architecture: architecture}, settings, l)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, img)
	}
	index, err := Index(images)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// unpacked is the layout in an archive.
func unpacked(t *testing.T, file string) v1.ImageIndex {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := t.TempDir()
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, h.Name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, h.Name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
