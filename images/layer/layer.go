// Package layer writes the layers of images so that the same files make the same bytes.
//
// A layer is a gzipped tar file (OCI image specification 1.1, "Image Layer Filesystem
// Changeset"). What differs from build to build without meaning anything is left out: times are
// cut off at a given one, owners have numbers and no names, entries come in the order of their
// paths.
package layer

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
)

// File is a file or a folder of a layer. Folders above it need not be named.
type File struct {
	// Path in the image, without a leading slash.
	Path string
	// Mode are the permission bits, with those of tar for set-id and sticky (01777). 0 means 0644,
	// and 0755 for a folder.
	Mode int64
	// Owner is both user and group.
	Owner int
	// Folder makes it a folder: it has neither Source nor Data.
	Folder bool
	// Source is the file on disk to take, Data the content when there is none.
	Source string
	Data   []byte
}

// Write writes files as a tar stream. Every time is the given one. Each folder that is not
// among the files belongs to root and may be read by all.
func Write(w io.Writer, files []File, at time.Time) error {
	all, err := withFolders(files)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	for _, f := range all {
		if err := f.write(tw, at); err != nil {
			return fmt.Errorf("write %q: %w", f.Path, err)
		}
	}
	return tw.Close()
}

// withFolders adds the folders above the files and sorts all by path.
func withFolders(files []File) ([]File, error) {
	seen := make(map[string]bool, len(files))
	all := slices.Clone(files)
	for _, f := range files {
		if seen[f.Path] {
			return nil, fmt.Errorf("%q is there twice", f.Path)
		}
		if f.Path != path.Clean(f.Path) || path.IsAbs(f.Path) || f.Path == "." || strings.HasPrefix(f.Path, "../") {
			return nil, fmt.Errorf("%q is not a clean path within an image", f.Path)
		}
		seen[f.Path] = true
	}
	for _, f := range files {
		for dir := path.Dir(f.Path); dir != "." && !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			all = append(all, File{Path: dir, Folder: true})
		}
	}
	slices.SortFunc(all, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return all, nil
}

func (f File) write(tw *tar.Writer, at time.Time) error {
	h := &tar.Header{Name: f.Path, Mode: f.Mode, Uid: f.Owner, Gid: f.Owner, ModTime: at, Typeflag: tar.TypeReg}
	if f.Folder {
		h.Name, h.Typeflag, h.Mode = f.Path+"/", tar.TypeDir, cmp.Or(f.Mode, 0o755)
		return tw.WriteHeader(h)
	}
	h.Mode = cmp.Or(h.Mode, 0o644)
	if f.Source == "" {
		h.Size = int64(len(f.Data))
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		_, err := io.Copy(tw, bytes.NewReader(f.Data))
		return err
	}
	in, err := os.Open(f.Source)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	h.Size = info.Size()
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(tw, in)
	return err
}

// Pack writes a layer, gzipped, to a file on disk, and returns it from there. The compressor
// is a pinned module and not that of the standard library: the digest does not change with Go.
func Pack(file string, write func(io.Writer) error) (v1.Layer, error) {
	if err := pack(file, write); err != nil {
		return nil, fmt.Errorf("write the layer %s: %w", file, err)
	}
	return Open(file)
}

// Open gives the layer in a file that Pack wrote.
func Open(file string) (v1.Layer, error) {
	l, err := tarball.LayerFromFile(file, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("read the layer %s: %w", file, err)
	}
	return l, nil
}

func pack(file string, write func(io.Writer) error) (err error) {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, out.Close()) }()
	zip := gzip.NewWriter(out)
	if err := write(zip); err != nil {
		return err
	}
	return zip.Close()
}
