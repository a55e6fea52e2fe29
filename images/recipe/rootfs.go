package recipe

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"crawlfleet.dev/crawlfleet/images/debian"
	"crawlfleet.dev/crawlfleet/images/layer"
)

// rootFS is the layer of Debian's packages, and what they are. One that an earlier build left is taken
// when it has the packages that would be installed today: the same packages make the same layer.
func (b build) rootFS(ctx context.Context) (v1.Layer, []debian.Package, error) {
	o := b.Debian
	o.Architecture = b.platform.Architecture
	if len(o.Packages) == 0 {
		o.Packages = b.packages
	}
	b.Log.Info("asking for packages", "architecture", o.Architecture)
	wanted, err := debian.Resolve(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	kept := b.store(wanted)
	packages, err := readPackages(kept + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		b.Log.Info("installing packages into a root file system (minutes)", "packages", len(wanted), "architecture", o.Architecture)
		packages, err = b.bootstrap(ctx, o, wanted, kept)
	}
	if err != nil {
		return nil, nil, err
	}
	l, err := layer.Open(kept + ".tar.gz")
	if err != nil {
		return nil, nil, err
	}
	list := strings.Join(debian.Of(packages), "\n") + "\n"
	return l, packages, os.WriteFile(filepath.Join(b.Out, b.name+"."+o.Architecture+".packages"), []byte(list), 0o644)
}

// store is where the layer of these packages is kept, but for the ends of the files' names.
func (b build) store(packages []string) string {
	sum := sha256.Sum256([]byte(debian.Rules() + strings.Join(packages, " ") + fmt.Sprint(account)))
	return filepath.Join(b.Out, "debian", fmt.Sprintf("%s-%s-%x", b.name, b.platform.Architecture, sum[:8]))
}

// bootstrap makes the layer, and what it holds. The list is written last: without it there is no layer.
func (b build) bootstrap(ctx context.Context, o debian.Options, wanted []string, kept string) ([]debian.Package, error) {
	root := b.temp("root.tar")
	defer os.Remove(root)
	if err := debian.Bootstrap(ctx, o, root); err != nil {
		return nil, err
	}
	packages, err := reading(root, debian.Read)
	if err != nil {
		return nil, fmt.Errorf("read the root file system: %w", err)
	}
	if got := debian.Of(packages); !slices.Equal(got, wanted) {
		return nil, fmt.Errorf("other packages were installed than the archive had a moment before; try again (more: %s; missing: %s)", without(got, wanted), without(wanted, got))
	}
	if err := b.forget(filepath.Dir(kept)); err != nil {
		return nil, err
	}
	b.Log.Info("packing the root file system (a minute or two)", "architecture", o.Architecture)
	_, err = reading(root, func(r io.Reader) (v1.Layer, error) {
		return layer.Pack(kept+".tar.gz", func(w io.Writer) error { return debian.Filter(w, r, account) })
	})
	if err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(packages, "", "  ")
	if err != nil {
		return nil, err
	}
	return packages, os.WriteFile(kept+".json", data, 0o644)
}

// without are those of a list that are not in another.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

// forget removes what earlier builds kept of this image, for this architecture.
func (b build) forget(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, b.name+"-"+b.platform.Architecture+"-*"))
	if err != nil {
		return err
	}
	slices.Sort(old) // the lists go first: NAME.json is before NAME.tar.gz
	for _, f := range old {
		err = cmp.Or(err, os.Remove(f))
	}
	return err
}

func readPackages(file string) ([]debian.Package, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var packages []debian.Package
	if err := json.Unmarshal(data, &packages); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return packages, nil
}

func reading[T any](file string, do func(io.Reader) (T, error)) (T, error) {
	f, err := os.Open(file)
	if err != nil {
		var none T
		return none, err
	}
	defer f.Close()
	return do(f)
}
