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

// TestDamaged: what is damaged in the store comes the same again, and is told apart from what was
// damaged on the way.
func TestDamaged(t *testing.T) {
	t.Parallel()
	const chunk = "n/j/u/chunks/a.wacz"
	of := sha256.Sum256([]byte("body"))
	sum := hex.EncodeToString(of[:])
	for reason, tc := range map[string]struct {
		bodies  []string
		info    blob.Info
		want    error
		damaged bool
	}{
		"another sum":               {[]string{"b0dy", "b0dy"}, blob.Info{Size: 4, SHA256: sum}, nil, true},
		"cut short":                 {[]string{"bod", "bod"}, blob.Info{Size: 4}, nil, true},
		"too long":                  {[]string{"bodyy", "bodyy"}, blob.Info{Size: 4}, nil, true},
		"damaged on the way once":   {[]string{"b0dy", "body"}, blob.Info{Size: 4, SHA256: sum}, nil, false},
		"damaged on the way always": {[]string{"b0dy", "bo0y"}, blob.Info{Size: 4, SHA256: sum}, blob.ErrCorrupt, false},
	} {
		path := filepath.Join(t.TempDir(), "a.wacz")
		bodies := tc.bodies
		size, got, err := Object(t.Context(), changing(func() stored { b := bodies[0]; bodies = bodies[1:]; return stored{b, tc.info} }), chunk, path)
		var damaged *DamagedError
		if errors.As(err, &damaged) != tc.damaged || !tc.damaged && !errors.Is(err, tc.want) {
			t.Errorf("%s: error %v", reason, err)
		}
		raw, _ := os.ReadFile(path)
		if err == nil && (got != sum || string(raw) != "body") {
			t.Errorf("%s: %d %s %q", reason, size, got, raw)
		}
		if tc.damaged && (string(raw) != tc.bodies[1] || size != int64(len(raw)) || damaged.SHA256 != got || damaged.Given != tc.info) {
			t.Errorf("%s: %d %s %q: %+v", reason, size, got, raw, damaged)
		}
	}
}

// changing gives what it is told each time.
type changing func() stored

func (c changing) Get(ctx context.Context, key blob.Key) (io.ReadCloser, blob.Info, error) {
	return c().Get(ctx, key)
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
