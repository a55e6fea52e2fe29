package bagit

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

var files = map[string]string{"a.txt": "one", "deep/100% sure.txt": "two", "empty": ""}

func newBag(t *testing.T) (dir string, manifest []byte) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "bag")
	b, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for name, content := range files {
		if _, err := b.Add(name, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	manifest, err = b.Finish([]Label{{"Source-Organization", "An office"}, {"Bagging-Date", "2026-03-04"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Attach(TagManifest+".sig", strings.NewReader("signed")); err != nil {
		t.Fatal(err)
	}
	return dir, manifest
}

func attached(name string) bool { return name == TagManifest+".sig" }

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// TestBag: what is written is what RFC 8493 says, and the same each time.
func TestBag(t *testing.T) {
	t.Parallel()
	dir, signed := newBag(t)
	manifest := hash("one") + "  data/a.txt\n" + hash("two") + "  data/deep/100%25 sure.txt\n" + hash("") + "  data/empty\n"
	info := "Source-Organization: An office\nBagging-Date: 2026-03-04\nPayload-Oxum: 6.3\n"
	tags := hash(info) + "  bag-info.txt\n" + hash(declaration) + "  bagit.txt\n" + hash(manifest) + "  manifest-sha256.txt\n"
	want := map[string]string{Declaration: "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n", Info: info, Manifest: manifest, TagManifest: tags}
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if diff := cmp.Diff(content, string(got)); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	if string(signed) != tags {
		t.Errorf("to be signed is %q", signed)
	}
	if findings, err := Validate(t.Context(), os.DirFS(dir), attached); err != nil || len(findings) > 0 {
		t.Errorf("%v %v", findings, err)
	}
}

// TestValidateMutations: each byte that changes, and each file that is missing, added or swapped.
func TestValidateMutations(t *testing.T) {
	t.Parallel()
	dir, _ := newBag(t)
	good := fstest.MapFS{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, _ error) error {
		if d.IsDir() {
			return nil
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		good[name] = &fstest.MapFile{Data: b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, change func(fstest.MapFS)) {
		t.Helper()
		bag := fstest.MapFS{}
		for name, f := range good {
			bag[name] = &fstest.MapFile{Data: []byte(string(f.Data))}
		}
		change(bag)
		findings, err := Validate(t.Context(), bag, attached)
		if err == nil && len(findings) == 0 {
			t.Errorf("%s: is not noticed", what)
		}
	}
	for name, f := range good {
		if attached(name) {
			continue // who checks the signature checks it
		}
		if name != TagManifest { // nothing but a signature vouches for that one alone
			for i := range f.Data {
				refused(name+" flipped", func(b fstest.MapFS) { b[name].Data[i] ^= 1 })
			}
		} else {
			for i := range f.Data {
				refused(name+" flipped", func(b fstest.MapFS) { b[name].Data[i] ^= 0x20 })
			}
		}
		refused(name+" missing", func(b fstest.MapFS) { delete(b, name) })
		refused(name+" longer", func(b fstest.MapFS) { b[name].Data = append(b[name].Data, '\n') })
	}
	refused("payload added", func(b fstest.MapFS) { b["data/new"] = &fstest.MapFile{} })
	refused("tag file added", func(b fstest.MapFS) { b["new.txt"] = &fstest.MapFile{} })
	refused("swapped", func(b fstest.MapFS) { b["data/a.txt"], b["data/empty"] = b["data/empty"], b["data/a.txt"] })
	refused("link", func(b fstest.MapFS) {
		b["data/a.txt"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("empty")}
	})
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	b, err := Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Add("a.txt", strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "/a", "../a", "a/../b", "a\\b", "a:b", "a\nb", "a.", "A.txt", "a.txt", "CON~1", "a /b"} {
		if _, err := b.Add(name, strings.NewReader("")); err == nil {
			t.Errorf("%q is taken for a path", name)
		}
	}
	for _, l := range []Label{{"", "x"}, {"a:b", "x"}, {"a", "x\ny"}, {"a", "\xff"}} {
		if _, err := b.Finish([]Label{l}); err == nil {
			t.Errorf("%q is taken for a label", l)
		}
	}
	dir, _ := newBag(t)
	if _, err := Create(dir); err == nil {
		t.Error("a folder that is not empty is taken for a new bag")
	}
}

func FuzzDecodePath(f *testing.F) {
	f.Add("data/a%25b")
	f.Add("%0A%")
	f.Fuzz(func(t *testing.T, line string) {
		if name, err := decodePath(line); err == nil && !strings.EqualFold(encodePath(name), line) && !strings.ContainsAny(line, "\r\n") {
			t.Errorf("%q is read as %q, which is written as %q", line, name, encodePath(name))
		}
	})
}
