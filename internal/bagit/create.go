package bagit

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Bag is a bag that is being written.
type Bag struct {
	root     *os.Root
	payload  listing
	tags     listing
	octets   int64
	finished bool
}

// listing are the SHA-256 in hex of files, by path.
type listing map[string]string

// Create begins a bag in an empty folder, or one that is not there yet.
func Create(dir string) (*Bag, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("create bag: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("create bag: %w", err)
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("create bag: %s is not empty", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("create bag: %w", err)
	}
	return &Bag{root: root, payload: listing{}, tags: listing{}}, nil
}

// Add puts a file into the payload, at a path below data/, and returns its SHA-256 in hex.
func (b *Bag) Add(name string, content io.Reader) (string, error) {
	return b.add(name, content, fileMode)
}

// AddProgram is Add for a file that is to be run: it may be, where the umask does not forbid it.
func (b *Bag) AddProgram(name string, content io.Reader) (string, error) {
	return b.add(name, content, programMode)
}

func (b *Bag) add(name string, content io.Reader, mode fs.FileMode) (string, error) {
	sum, n, err := b.write(payloadDir+name, content, b.payload, mode)
	b.octets += n
	return sum, err
}

// The modes of files, less the umask.
const (
	fileMode    fs.FileMode = 0o666
	programMode fs.FileMode = 0o777
)

// write writes a file and lists it.
func (b *Bag) write(name string, content io.Reader, list listing, mode fs.FileMode) (string, int64, error) {
	if b.finished {
		return "", 0, fmt.Errorf("bag: %s: the bag is finished", name)
	}
	if err := checkPath(name); err != nil {
		return "", 0, fmt.Errorf("bag: %w", err)
	}
	for other := range list {
		if strings.EqualFold(other, name) {
			return "", 0, fmt.Errorf("bag: %s: there is %s already", name, other)
		}
	}
	if err := b.root.MkdirAll(filepath.Dir(filepath.FromSlash(name)), 0o777); err != nil {
		return "", 0, fmt.Errorf("bag: %w", err)
	}
	f, err := b.root.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return "", 0, fmt.Errorf("bag: %w", err)
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), content)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", n, fmt.Errorf("bag: %s: %w", name, err)
	}
	list[name] = hex.EncodeToString(h.Sum(nil))
	return list[name], n, nil
}

// Finish writes what makes the folder a bag, and returns tagmanifest-sha256.txt, the file to
// be signed. Payload-Oxum is added to the labels.
func (b *Bag) Finish(labels []Label) ([]byte, error) {
	var info strings.Builder
	for _, l := range append(slices.Clip(labels), Label{"Payload-Oxum", fmt.Sprintf("%d.%d", b.octets, len(b.payload))}) {
		if err := l.check(); err != nil {
			return nil, fmt.Errorf("bag: %w", err)
		}
		fmt.Fprintf(&info, "%s: %s\n", l.Name, l.Value)
	}
	for _, f := range []struct{ name, content string }{
		{Declaration, declaration}, {Info, info.String()}, {Manifest, b.payload.format()},
	} {
		if _, _, err := b.write(f.name, strings.NewReader(f.content), b.tags, fileMode); err != nil {
			return nil, err
		}
	}
	signed := b.tags.format()
	if _, _, err := b.write(TagManifest, strings.NewReader(signed), listing{}, fileMode); err != nil {
		return nil, err
	}
	b.finished = true
	return []byte(signed), nil
}

// Attach puts a file beside a finished bag that no manifest lists, such as the signature of its
// tag manifest.
func (b *Bag) Attach(name string, content io.Reader) error {
	if !b.finished {
		return fmt.Errorf("bag: %s: the bag is not finished", name)
	}
	b.finished = false
	defer func() { b.finished = true }()
	if isPayload(name) {
		return fmt.Errorf("bag: %s: lies in the payload", name)
	}
	_, _, err := b.write(name, content, listing{}, fileMode)
	return err
}

// Close ends the use of the folder.
func (b *Bag) Close() error { return b.root.Close() }

// format writes a manifest: sorted, so that the same files give the same bytes.
func (l listing) format() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(l)) {
		fmt.Fprintf(&b, "%s  %s\n", l[name], encodePath(name))
	}
	return b.String()
}
