package bagit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// maxTagFile is the size in bytes that a file beside the payload may have that is read whole.
const maxTagFile = 64 << 20

// Finding is something wrong with a bag.
type Finding struct {
	// Path of the file, Detail for people.
	Path, Detail string
}

// Validate checks that a bag is complete and valid (section 3), that it is written as [Create]
// writes bags, and that nothing is in it that no manifest lists but what is attached. The error
// is for what kept it from checking.
func Validate(ctx context.Context, fsys fs.FS, attached func(name string) bool) ([]Finding, error) {
	v := &validator{ctx: ctx, fsys: fsys}
	if got, err := v.read(Declaration); err != nil {
		return nil, err
	} else if got != nil && string(got) != declaration {
		v.add(Declaration, "is not %q", declaration)
	}
	payload, err := v.manifest(Manifest)
	if err != nil {
		return nil, err
	}
	tags, err := v.manifest(TagManifest)
	if err != nil {
		return nil, err
	}
	v.divide(payload, tags)
	if err := v.walk(payload, tags, attached); err != nil {
		return nil, err
	}
	err = v.info(len(payload))
	return v.findings, err
}

type validator struct {
	ctx      context.Context //nolint:containedctx // lives as long as the call of Validate
	fsys     fs.FS
	findings []Finding
	octets   int64
}

func (v *validator) add(path, format string, args ...any) {
	v.findings = append(v.findings, Finding{path, fmt.Sprintf(format, args...)})
}

// read reads a file beside the payload, nil when it is no bag's.
func (v *validator) read(name string) ([]byte, error) {
	f, err := v.fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		v.add(name, "is missing")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	b, err := io.ReadAll(io.LimitReader(f, maxTagFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxTagFile {
		v.add(name, "has more than %d bytes", maxTagFile)
		return nil, nil
	}
	return b, nil
}

// manifest reads a manifest, which has to be in the one form that Create writes: no byte of it
// can change and mean the same.
func (v *validator) manifest(name string) (listing, error) {
	raw, err := v.read(name)
	list := listing{}
	if raw == nil {
		return list, err
	}
	for n, line := range strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n") {
		sum, file, found := strings.Cut(line, "  ")
		file, err := decodePath(file)
		if b, e := hex.DecodeString(sum); !found || err != nil || e != nil || len(b) != sha256.Size || checkPath(file) != nil {
			v.add(name, "line %d is not a SHA-256, two spaces and a path", n+1)
			continue
		}
		list[file] = sum
	}
	if list.format() != string(raw) {
		v.add(name, "is not written as it should be: sorted by path, in lower case, no line twice")
	}
	return list, nil
}

// divide checks that each manifest has its own files.
func (v *validator) divide(payload, tags listing) {
	for name := range maps.Keys(payload) {
		if !isPayload(name) {
			v.add(Manifest, "lists %s, which is not in %s", name, payloadDir)
		}
	}
	for name := range maps.Keys(tags) {
		if isPayload(name) || name == TagManifest {
			v.add(TagManifest, "lists %s, which is no tag file", name)
		}
	}
	for _, name := range []string{Declaration, Info, Manifest} {
		if tags[name] == "" {
			v.add(TagManifest, "does not list %s", name)
		}
	}
}

// walk compares every file with what is listed.
func (v *validator) walk(payload, tags listing, attached func(string) bool) error {
	missing := listing{}
	maps.Copy(missing, payload)
	maps.Copy(missing, tags)
	err := fs.WalkDir(v.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, v.ctx.Err()); err != nil {
			return err
		}
		if d.IsDir() {
			return v.folder(name)
		}
		want := missing[name]
		delete(missing, name)
		switch {
		case !d.Type().IsRegular():
			v.add(name, "is no regular file")
			return nil
		case want == "" && (name == TagManifest || !isPayload(name) && attached(name)):
			return nil
		case want == "":
			v.add(name, "is in no manifest")
			return nil
		}
		return v.compare(name, want)
	})
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		v.add(name, "is listed but is not there")
	}
	return err
}

// folder checks that there is something in a folder: manifests list files alone.
func (v *validator) folder(name string) error {
	entries, err := fs.ReadDir(v.fsys, name)
	if err == nil && len(entries) == 0 {
		v.add(name, "is an empty folder, which no manifest lists")
	}
	return err
}

// compare checks the SHA-256 of a file.
func (v *validator) compare(name, want string) error {
	f, err := v.fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() // read only
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return err
	}
	if isPayload(name) {
		v.octets += n
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		v.add(name, "its SHA-256 is %s instead of %s", got, want)
	}
	return nil
}

// info checks what bag-info.txt counts.
func (v *validator) info(files int) error {
	raw, err := v.read(Info)
	if raw == nil {
		return err
	}
	if want := fmt.Sprintf("Payload-Oxum: %d.%d", v.octets, files); !slices.Contains(strings.Split(string(raw), "\n"), want) {
		v.add(Info, "does not say %q", want)
	}
	return nil
}
