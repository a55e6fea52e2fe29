package archive

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

// TestSigningFailsClosed: a chunk that cannot be signed is no file, is kept, and is signed
// by the next try.
func TestSigningFailsClosed(t *testing.T) {
	t.Parallel()
	noKey := errors.New("there is no key")
	var signed warc.Digest
	sign := func(d warc.Digest) (any, error) {
		if noKey != nil {
			return map[string]string{"half": "signed"}, noKey
		}
		signed = d
		return map[string]string{"signature": "x"}, nil
	}
	dir := t.TempDir()
	c, err := NewChunk(Options{Dir: dir, Sign: sign, Provenance: Provenance{Software: Software{Name: "crawlfleet", Version: "v0"}}})
	if err != nil {
		t.Fatal(err)
	}
	page := newPage(t, "0123456789abcdef0123456789abcdef", "http://a.example/").get("http://a.example/", "Document", "200 OK", "", "one")
	add(t, c, page)
	for range 2 {
		if _, err := c.Close(); !errors.Is(err, ErrUnsigned) || !errors.Is(err, noKey) {
			t.Fatal(err)
		}
		if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 1 || !strings.HasSuffix(left[0], warcName) {
			t.Fatalf("%v: %v", err, left)
		}
	}
	if err := c.Add(page.page); err == nil {
		t.Error("a page was added to a record file that is complete")
	}
	noKey = nil
	_, r := closed(t, c)
	d, err := r.PackageDigest()
	if err != nil || d.Hash != signed || !strings.Contains(string(d.SignedData), `"signature"`) {
		t.Errorf("%v: %+v, signed %s", err, d, signed)
	}
	if n := len(records(t, r)); n < 3 {
		t.Errorf("%d records", n)
	}
	if _, err := c.Close(); err == nil {
		t.Error("closed twice")
	}
}

// TestAbandonUnsigned: what could not be signed can be given up.
func TestAbandonUnsigned(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := NewChunk(Options{Dir: dir, Sign: func(warc.Digest) (any, error) { return nil, errors.New("no key") }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Close(); err == nil {
		t.Fatal("not signed, and no error")
	}
	if err := c.Abandon(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v: %v", err, left)
	}
}
