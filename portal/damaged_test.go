package portal

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/wacz"
)

// secret is a host that no log has.
const secret = "https://secret.example/ad/1"

// noise is text that does not get smaller, so that it is stored as it is.
func noise() string {
	b := make([]byte, 8<<10)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return string(b)
}

// damage flips a byte of each record of a file whose address begins so: the first of one that a server answered with,
// so that it is no record any more, of another the one in the middle.
func (f *fixture) damage(t *testing.T, key blob.Key, address string) {
	t.Helper()
	body, _, err := f.bucket.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	z, err := wacz.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	of := func(e cdxj.Entry) {
		section, err := z.OpenWARC(e.Filename)
		if err != nil {
			t.Fatal(err)
		}
		_, at, _ := section.Outer()
		at += e.Offset
		if !strings.HasPrefix(e.URL, "https:") {
			at += e.Length / 2
		}
		b[at] ^= 1
		found = true
	}
	for e, err := range z.Index() {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(e.URL, address) {
			of(e)
		}
	}
	if !found {
		t.Fatalf("%s has no record of %s", key, address)
	}
	if err := f.bucket.Remove(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	f.put(t, f.bucket, string(key), b)
}

// TestNoAddressIsLogged: what is wrong with a file is logged with the file, and without the addresses of pages.
func TestNoAddressIsLogged(t *testing.T) {
	t.Parallel()
	memento := "/memento/" + noon.Add(time.Hour).Format("20060102150405") + "id_/" + secret
	for name, tc := range map[string]struct {
		damaged, path string
		status        int
	}{
		"a page's own record":  {"urn:pageinfo:", "/snapshots/ID", http.StatusUnprocessableEntity},
		"a text":               {"urn:text:", "/snapshots/ID", http.StatusUnprocessableEntity},
		"an answer, as a file": {"https:", memento, http.StatusBadGateway},
	} {
		f := newFixture(t)
		f.server.Tools.Logger = f.server.Logger
		handler, err := f.server.Handler()
		if err != nil {
			t.Fatal(err)
		}
		f.handler = handler
		c := f.capture(t, visit{Key: "c", URL: secret, Text: noise(), Hour: 1})
		f.damage(t, c.Chunk, tc.damaged)
		res := f.get(strings.Replace(tc.path, "ID", string(c.ID), 1))
		log := f.log.String()
		if res.StatusCode != tc.status || !strings.Contains(log, string(c.Chunk)) {
			t.Errorf("%s: status %d, want %d; logged is\n%s", name, res.StatusCode, tc.status, log)
		}
		if strings.Contains(log, "secret.example") || strings.Contains(log, "example,secret") {
			t.Errorf("%s: the log has the address of a page:\n%s", name, log)
		}
	}
}

// flipping is a store that damages what is read from a place on.
type flipping struct {
	blob.Store
	at int64
}

// GetRange implements blob.Store.
func (s flipping) GetRange(ctx context.Context, key blob.Key, offset, length int64) (io.ReadCloser, error) {
	body, err := s.Store.GetRange(ctx, key, offset, length)
	if err != nil || offset != s.at {
		return body, err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	b[len(b)/2] ^= 1
	return io.NopCloser(bytes.NewReader(b)), err
}

// TestDamagedText: a text that is not what was captured is told as damage, not as trouble of the store.
func TestDamagedText(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.capture(t, visit{Key: "c", URL: secret, Text: noise(), Hour: 1})
	f.server.Archive = flipping{f.bucket, f.record(t, c.Chunk, "urn:text:")}
	page := want(t, "the page", http.StatusUnprocessableEntity, f.get("/snapshots/"+string(c.ID)))
	wantAll(t, "the page", page, "The file of this snapshot is damaged.")
}

// record is where in a file the record of an address begins.
func (f *fixture) record(t *testing.T, key blob.Key, address string) int64 {
	t.Helper()
	info, err := f.bucket.Head(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	z, err := wacz.Open(blob.NewReaderAt(t.Context(), f.bucket, key, info.Size), info.Size)
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range z.Index() {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(e.URL, address) {
			continue
		}
		section, err := z.OpenWARC(e.Filename)
		if err != nil {
			t.Fatal(err)
		}
		_, at, _ := section.Outer()
		return at + e.Offset
	}
	t.Fatalf("%s has no record of %s", key, address)
	return 0
}
