// Package images packs programs into container images without a registry or Docker.
package images

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Program is an image of one statically linked program at its root.
type Program struct {
	// Ref is the image's name with its registry and tag.
	Ref string
	// Path is where the program is on this machine. In the image it is /NAME.
	Path string
	// User is who runs it, by number; empty for root.
	User string
}

// Write writes the image as an archive that "ctr images import" reads.
func (p Program) Write(w io.Writer) error {
	ref, err := name.NewTag(p.Ref, name.StrictValidation)
	if err != nil {
		return err
	}
	img, err := p.image()
	if err != nil {
		return fmt.Errorf("pack %s: %w", p.Ref, err)
	}
	return tarball.Write(ref, img, w)
}

func (p Program) image() (v1.Image, error) {
	content, err := p.layer()
	if err != nil {
		return nil, err
	}
	// Not compressed: nobody sends it anywhere.
	layer := static.NewLayer(content, types.DockerUncompressedLayer)
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config.Entrypoint = []string{p.entry()}
	file.Config.User = p.User
	return mutate.ConfigFile(img, file)
}

func (p Program) entry() string { return "/" + path.Base(p.Path) }

// layer is a tar file with the program alone. It names no times: the same program gives
// the same image.
func (p Program) layer() ([]byte, error) {
	program, err := os.ReadFile(p.Path)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	header := &tar.Header{Name: p.entry()[1:], Mode: 0o755, Size: int64(len(program)), Format: tar.FormatPAX}
	if err := w.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
