package catalog_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/portal/catalog"
)

func TestOpen(t *testing.T) {
	nothing := func(string) error { return nil }
	tests := map[string]struct {
		spoil    func(path string) error
		contacts catalog.Contacts
		want     string
	}{
		"Kept":         {spoil: nothing, want: "a"},
		"OtherRegions": {spoil: nothing, contacts: catalog.Contacts{Regions: []string{"NL"}}},
		"OtherVersion": {spoil: func(path string) error { return patch(path, 60, 9) }},
		"OtherProgram": {spoil: func(path string) error { return patch(path, 68, 9) }},
		"NoDatabase":   {spoil: func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", 5000)), 0o600) }},
		"Empty":        {spoil: func(path string) error { return os.Truncate(path, 0) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a b?c%20#.sqlite")
			c, err := catalog.Open(t.Context(), path, catalog.Contacts{}.MadeWith())
			if err != nil {
				t.Fatal(err)
			}
			add(t, c, "amber/1.wacz", text("fox"))
			if err := errors.Join(c.Close(), tt.spoil(path)); err != nil {
				t.Fatal(err)
			}
			c = open(t, path, tt.contacts.MadeWith())
			if got := pages(t, c, catalog.Query{}); got != tt.want {
				t.Errorf("pages are %q, want %q", got, tt.want)
			}
			if tt.want == "" {
				add(t, c, "amber/1.wacz", text("fox"))
			}
			private(t, filepath.Dir(path))
		})
	}
	if _, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "none", "c.sqlite")); err == nil {
		t.Error("a catalog was opened in a folder that is not there")
	}
}

// private checks that nobody else can read what is in a folder.
func private(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 3 {
		t.Errorf("the folder has %d files, want the database, its log and its index: %v", len(files), err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s can be read by others: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

// patch writes a byte into the header of a file (https://www.sqlite.org/fileformat.html#the_database_header).
func patch(path string, at int64, b byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{b}, at)
	return errors.Join(err, f.Close())
}

// TestInUse: of two catalogs with one file the second is told what to do, and the first goes on.
func TestInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.sqlite")
	c := open(t, path)
	for range 2 {
		if _, err := catalog.Open(t.Context(), path); !errors.Is(err, catalog.ErrInUse) || !strings.Contains(err.Error(), path) {
			t.Errorf("Open of a file that is in use: %v", err)
		}
	}
	add(t, c, "amber/1.wacz", text("fox"))
	if got := pages(t, c, catalog.Query{}); got != "a" {
		t.Errorf("pages are %q", got)
	}
}

// TestCorrupt damages all but the first page of a file, which is found out when it is used.
func TestCorrupt(t *testing.T) {
	asks := map[string]func(*catalog.Catalog) error{
		"Search": func(c *catalog.Catalog) error {
			_, err := c.Search(t.Context(), catalog.Query{Text: "fox", Namespaces: two})
			return err
		},
		"Of": func(c *catalog.Catalog) error {
			_, _, err := c.Of(t.Context(), catalog.Query{URL: "https://example.org/a", Namespaces: two})
			return err
		},
		"Get": func(c *catalog.Catalog) error {
			_, err := c.Get(t.Context(), catalog.NewID("amber/1.wacz", "a"))
			return err
		},
		"Chunks": func(c *catalog.Catalog) error { _, err := c.Chunks(t.Context()); return err },
		"Lists":  func(c *catalog.Catalog) error { _, err := c.Namespaces(t.Context()); return err },
		"Add": func(c *catalog.Catalog) error {
			return c.Add(t.Context(), catalog.Chunk{Key: "amber/2.wacz"}, nil, nil)
		},
		"Remove": func(c *catalog.Catalog) error { return c.Remove(t.Context(), "amber/1.wacz") },
	}
	for name, ask := range asks {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "catalog.sqlite")
			c, err := catalog.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			add(t, c, "amber/1.wacz", text("fox"))
			if err := errors.Join(c.Close(), damage(path)); err != nil {
				t.Fatal(err)
			}
			if c, err = catalog.Open(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			select {
			case <-c.Corrupt():
				t.Error("it is said to be damaged before it was used")
			default:
			}
			if err := ask(c); !errors.Is(err, catalog.ErrCorrupt) {
				t.Errorf("of a damaged file: %v", err)
			}
			<-c.Corrupt()
			if err := c.Close(); !errors.Is(err, catalog.ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Errorf("Close: %v", err)
			}
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the damaged file is still there: %v", err)
			}
			c = open(t, path)
			add(t, c, "amber/1.wacz", text("fox"))
			if got := pages(t, c, catalog.Query{}); got != "a" {
				t.Errorf("pages are %q", got)
			}
		})
	}
}

// damage writes over a database from its second page on.
func damage(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for i := 4096; i < len(b); i++ {
		b[i] = 'x'
	}
	return os.WriteFile(path, b, 0o600)
}

// TestTemporary leaves what a process that was killed leaves, and expects the next catalog to
// take it away, to be closed to others and to go with Close.
func TestTemporary(t *testing.T) {
	parent := t.TempDir()
	t.Setenv("TMPDIR", parent)
	dead := filepath.Join(parent, "crawlfleet-catalog-1")
	err := errors.Join(os.WriteFile(dead+".lock", nil, 0o600), os.Mkdir(dead, 0o700), os.WriteFile(filepath.Join(dead, "catalog.sqlite"), []byte("fox"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the catalog of a dead process is still there: %v", err)
	}
	folders, err := filepath.Glob(filepath.Join(parent, "crawlfleet-catalog-*[0-9]"))
	if err != nil || len(folders) != 1 {
		t.Fatalf("temporary folders are %q, %v", folders, err)
	}
	if info, err := os.Stat(folders[0]); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) != 0 {
		t.Errorf("after Close there is %v, %v", left, err)
	}
}

// TestNobodyElseReads: a catalog has what people are asked their rights for, so its files are for who runs
// the portal alone.
func TestNobodyElseReads(t *testing.T) {
	dir := t.TempDir()
	c := open(t, filepath.Join(dir, "catalog.sqlite"), "")
	add(t, c, "amber/1.wacz", text("fox"))
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", f.Name(), info.Mode())
		}
	}
}

// TestJournalOfTheDead opens what a process that was killed leaves: its journal may have what was removed right before,
// and is emptied before anything else.
func TestJournalOfTheDead(t *testing.T) {
	t.Parallel()
	dir, dead := t.TempDir(), t.TempDir()
	const file, journal = "catalog.sqlite", "catalog.sqlite-wal"
	c := open(t, filepath.Join(dir, file), "")
	add(t, c, "amber/1.wacz", text("fox"))
	for _, name := range []string{file, journal} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(b) == 0 {
			t.Fatalf("%s has %d bytes: %v", name, len(b), err)
		}
		if err := os.WriteFile(filepath.Join(dead, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c = open(t, filepath.Join(dead, file), "")
	if info, err := os.Stat(filepath.Join(dead, journal)); err == nil && info.Size() > 0 {
		t.Errorf("the journal still has %d bytes", info.Size())
	}
	if got := pages(t, c, catalog.Query{}); got != "a" {
		t.Errorf("pages are %q", got)
	}
}
