package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// stored gives one body for every key, and says of it what info has.
type stored struct {
	body string
	info blob.Info
}

func (s stored) Get(context.Context, blob.Key) (io.ReadCloser, blob.Info, error) {
	return io.NopCloser(strings.NewReader(s.body)), s.info, nil
}

func TestObject(t *testing.T) {
	t.Parallel()
	const chunk, statement = "n/j/u/chunks/a.wacz", "n/j/u/run.json"
	of := sha256.Sum256([]byte("body"))
	sum := hex.EncodeToString(of[:])
	for reason, tc := range map[string]struct {
		key  blob.Key
		info blob.Info
		want error // errAny is any
	}{
		"whole":                {chunk, blob.Info{Size: 4, SHA256: sum}, nil},
		"no sum is known":      {chunk, blob.Info{Size: 4}, nil},
		"a statement":          {statement, blob.Info{Size: 4, SHA256: sum}, nil},
		"another sum":          {chunk, blob.Info{Size: 4, SHA256: strings.Repeat("0", 64)}, blob.ErrCorrupt},
		"cut short":            {chunk, blob.Info{Size: 5}, blob.ErrCorrupt},
		"too long":             {chunk, blob.Info{Size: 3}, blob.ErrCorrupt},
		"too large for beside": {statement, blob.Info{Size: maxBeside + 1}, errAny},
	} {
		path := filepath.Join(t.TempDir(), "n", "a.wacz")
		size, got, err := Object(t.Context(), stored{"body", tc.info}, tc.key, path)
		if tc.want != nil {
			if err == nil || !errors.Is(tc.want, errAny) && !errors.Is(err, tc.want) {
				t.Errorf("%s: error %v, want %v", reason, err, tc.want)
			}
			continue
		}
		raw, _ := os.ReadFile(path)
		if err != nil || size != 4 || got != sum || string(raw) != "body" {
			t.Errorf("%s: %d %s %q %v", reason, size, got, raw, err)
		}
		if _, _, err := Object(t.Context(), stored{"body", tc.info}, tc.key, path); !errors.Is(err, os.ErrExist) {
			t.Errorf("%s: a file that is there: %v", reason, err)
		}
	}
}

var errAny = errors.New("any")

func TestBeside(t *testing.T) {
	t.Parallel()
	got, err := Beside("p/n/j/u/chunks/a.wacz")
	want := []blob.Key{"p/n/j/u/chunks/a.wacz.evidence.json", "p/n/j/u/run.json", "p/n/j/u/run.json.evidence.json"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, key := range []blob.Key{"", "run.json", "n/j/u/run.json", "chunks/a.wacz", "n/j/u/chunks/../a.wacz"} {
		if got, err := Beside(key); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%q: %v, %v", key, got, err)
		}
	}
}
