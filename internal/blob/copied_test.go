package blob

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
)

// TestCopiedObjects: a bucket that was restored with a tool that keeps no metadata has objects of which
// the store knows no SHA-256. They are what they are all the same, and the bucket is fit.
func TestCopiedObjects(t *testing.T) {
	t.Parallel()
	b := open(t, &blobtest.Server{})
	for _, key := range []Key{"a", probeKey} {
		data := bytes.Repeat([]byte("x"), 32)
		if _, err := b.core.PutObject(t.Context(), b.name, string(key), bytes.NewReader(data), int64(len(data)), "", "", minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]error{"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": nil, "yxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": ErrExists, "x": ErrExists} {
		sum := sha256.Sum256([]byte(text))
		info, err := b.Put(t.Context(), "a", Content{Body: bytes.NewReader([]byte(text)), Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])})
		if !errors.Is(err, want) || err == nil && info.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("put %q: %+v, %v, want %v", text, info, err, want)
		}
	}
	if _, err := b.Probe(t.Context()); err != nil {
		t.Errorf("probe: %v", err)
	}
}

// TestUnseen: who may not look at an object that is there already is told so: it may be the one that was put, by a try
// whose answer was lost.
func TestUnseen(t *testing.T) {
	t.Parallel()
	b := open(t, &blobtest.Server{Answer: func(w http.ResponseWriter, q *http.Request, _ func()) bool {
		if q.Method != http.MethodHead || !strings.HasSuffix(q.URL.Path, "/a") {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	}})
	put := func() error {
		sum := sha256.Sum256([]byte("x"))
		_, err := b.Put(t.Context(), "a", Content{Body: strings.NewReader("x"), Size: 1, SHA256: hex.EncodeToString(sum[:])})
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	if err := put(); !errors.Is(err, ErrUnseen) || !errors.Is(err, ErrDenied) {
		t.Errorf("put again: %v", err)
	}
}
