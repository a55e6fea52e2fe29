package custody

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// Folder is a [Store] in a folder of a file system: a copy of a log, to be checked without
// the store that it came from. The key of an object is its path in the folder.
type Folder struct {
	// Root is the folder.
	Root *os.Root
}

// Put implements [Store]. The name is made last, by a hard link: an object is there whole or
// not at all.
func (f *Folder) Put(_ context.Context, key blob.Key, content blob.Content) (blob.Info, error) {
	if err := f.Root.MkdirAll(path.Dir(string(key)), 0o750); err != nil {
		return blob.Info{}, fmt.Errorf("put %q: %w", key, err)
	}
	raw, err := io.ReadAll(content.Body)
	if err != nil {
		return blob.Info{}, fmt.Errorf("put %q: %w", key, err)
	}
	if digest(raw) != content.SHA256 || int64(len(raw)) != content.Size {
		return blob.Info{}, fmt.Errorf("put %q: %w", key, blob.ErrCorrupt)
	}
	unfinished := path.Join(path.Dir(string(key)), "."+randomID())
	defer f.Root.Remove(unfinished) //nolint:errcheck // what is left has a name that no key has
	if err := f.write(unfinished, raw); err != nil {
		return blob.Info{}, fmt.Errorf("put %q: %w", key, err)
	}
	info := blob.Info{Key: key, Size: content.Size, SHA256: content.SHA256, Computed: true}
	err = f.Root.Link(unfinished, string(key))
	if errors.Is(err, fs.ErrExist) {
		there, readErr := f.Root.ReadFile(string(key))
		if readErr == nil && digest(there) == content.SHA256 {
			return info, nil
		}
		err = blob.ErrExists
	}
	if err != nil {
		return blob.Info{}, fmt.Errorf("put %q: %w", key, err)
	}
	return info, f.sync(path.Dir(string(key)))
}

func (f *Folder) write(name string, raw []byte) error {
	file, err := f.Root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = file.Write(raw)
	return errors.Join(err, file.Sync(), file.Close())
}

// sync makes the names in a folder durable.
func (f *Folder) sync(name string) error {
	dir, err := f.Root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Get implements [Store].
func (f *Folder) Get(_ context.Context, key blob.Key) (io.ReadCloser, blob.Info, error) {
	file, err := f.Root.Open(string(key))
	if err != nil {
		return nil, blob.Info{}, inFolder(key, err)
	}
	stat, err := file.Stat()
	if err == nil && !stat.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, blob.Info{}, errors.Join(inFolder(key, err), file.Close())
	}
	return file, infoOf(key, stat), nil
}

// Head implements [Store].
func (f *Folder) Head(_ context.Context, key blob.Key) (blob.Info, error) {
	stat, err := f.Root.Stat(string(key))
	if err == nil && !stat.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return blob.Info{}, inFolder(key, err)
	}
	return infoOf(key, stat), nil
}

// List implements [Store]. It looks into the folder that the prefix ends in, and not below.
func (f *Folder) List(_ context.Context, prefix string, yield func(blob.Info) bool) error {
	folder, begin := path.Split(prefix)
	entries, err := fs.ReadDir(f.Root.FS(), path.Clean(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %q: %w", prefix, err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), begin) || strings.HasPrefix(e.Name(), ".") || e.IsDir() {
			continue
		}
		stat, err := e.Info()
		if err != nil {
			return fmt.Errorf("list %q: %w", prefix, err)
		}
		if !yield(infoOf(blob.Key(folder+e.Name()), stat)) {
			return nil
		}
	}
	return nil
}

func infoOf(key blob.Key, stat fs.FileInfo) blob.Info {
	return blob.Info{Key: key, Size: stat.Size(), Modified: stat.ModTime()}
}

func inFolder(key blob.Key, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %q: %w", key, blob.ErrNotFound)
	}
	return fmt.Errorf("read %q: %w", key, err)
}
