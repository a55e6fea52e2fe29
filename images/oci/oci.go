// Package oci makes images of layers and writes them into OCI image layouts in one file
// (OCI image specification 1.1, "Image Layout"), which containerd, skopeo, crane and podman read.
package oci

import (
	"archive/tar"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// What names an image in the index of a layout.
const (
	// nameAnnotation is what containerd takes an image's name from first, and podman, too
	// (containerd: client/import.go, core/images/annotations.go).
	nameAnnotation = "io.containerd.image.name"
	// refAnnotation is the reference within the layout ("Pre-Defined Annotation Keys"): what
	// skopeo's oci-archive:FILE:REFERENCE means.
	refAnnotation = "org.opencontainers.image.ref.name"
)

// Name is what an image is called: Repository is docker.io/crawlfleet/operator.
type Name struct{ Repository, Tag string }

func (n Name) String() string { return n.Repository + ":" + n.Tag }

// Pinned is the name by digest, which nobody can give to another image.
func (n Name) Pinned(digest v1.Hash) string { return n.String() + "@" + digest.String() }

// Settings are what is the same for an image on each platform.
type Settings struct {
	User                   string
	Entrypoint, Cmd, Env   []string
	Volumes, Ports         []string
	WorkingDir, StopSignal string
	// Labels are also annotations of the manifest, where registries show them.
	Labels map[string]string
	// Created is the time that the image says it was made at.
	Created time.Time
}

// Image makes an image of layers, the lowest first.
func Image(platform v1.Platform, s Settings, layers ...v1.Layer) (v1.Image, error) {
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	for _, l := range layers {
		var err error
		if img, err = mutate.Append(img, mutate.Addendum{Layer: l, History: v1.History{Created: v1.Time{Time: s.Created}, CreatedBy: "crawlfleet images"}}); err != nil {
			return nil, fmt.Errorf("add a layer: %w", err)
		}
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Variant = platform.OS, platform.Architecture, platform.Variant
	file.Created = v1.Time{Time: s.Created}
	file.Config = v1.Config{
		User: s.User, Entrypoint: s.Entrypoint, Cmd: s.Cmd, Env: s.Env, WorkingDir: s.WorkingDir, StopSignal: s.StopSignal,
		Labels: s.Labels, Volumes: set(s.Volumes), ExposedPorts: set(s.Ports),
	}
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return nil, err
	}
	annotated, ok := mutate.Annotations(img, s.Labels).(v1.Image)
	if !ok {
		return nil, fmt.Errorf("an annotated image is a %T", annotated)
	}
	return annotated, nil
}

func set(names []string) map[string]struct{} {
	if len(names) == 0 {
		return nil
	}
	m := make(map[string]struct{}, len(names))
	for _, n := range names {
		m[n] = struct{}{}
	}
	return m
}

// Index makes one image for several platforms of one for each.
func Index(images []v1.Image) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, img := range images {
		file, err := img.ConfigFile()
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: plain{img}, Descriptor: v1.Descriptor{Platform: file.Platform()}})
	}
	return index, nil
}

// plain is an image whose descriptor has no artifact type: it is none, and programs that do not know that
// field, such as skopeo 1.9, leave it out, so that the index has another digest where they copy it to.
type plain struct{ v1.Image }

// ArtifactType is what go-containerregistry asks for the descriptor's.
func (plain) ArtifactType() (string, error) { return "", nil }

// Write writes one index as an archive to a file, which is there under its name when it is
// complete. Two archives of the same index are the same bytes.
func Write(file string, index v1.ImageIndex, name Name, at time.Time) (err error) {
	dir, err := os.MkdirTemp(filepath.Dir(file), ".layout-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("begin the layout: %w", err)
	}
	names := map[string]string{nameAnnotation: name.String(), refAnnotation: name.Tag}
	if err := path.AppendIndex(index, layout.WithAnnotations(names)); err != nil {
		return fmt.Errorf("write the layout: %w", err)
	}
	draft := file + ".new"
	if err := archive(draft, os.DirFS(dir), at); err != nil {
		return fmt.Errorf("write %s: %w", draft, err)
	}
	return os.Rename(draft, file)
}

// archive writes a folder as a tar file, in the order of names.
func archive(file string, dir fs.FS, at time.Time) (err error) {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, out.Close()) }()
	tw := tar.NewWriter(out)
	err = fs.WalkDir(dir, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return add(tw, dir, path, at)
	})
	return cmp.Or(err, tw.Close())
}

func add(tw *tar.Writer, dir fs.FS, path string, at time.Time) error {
	in, err := dir.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: info.Size(), ModTime: at, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err = io.Copy(tw, in)
	return err
}
