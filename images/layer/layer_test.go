package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var epoch = time.Unix(1_700_000_000, 0).UTC()

// TestWrite: folders are added, entries are sorted, and nothing of the disk's times, modes and
// owners gets in.
func TestWrite(t *testing.T) {
	source := filepath.Join(t.TempDir(), "operator")
	if err := os.WriteFile(source, []byte("program"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	files := []File{
		{Path: "usr/bin/operator", Mode: 0o755, Source: source},
		{Path: "etc/passwd", Data: []byte("root")},
		{Path: "data", Folder: true, Mode: 0o700, Owner: 65532},
	}
	if err := Write(&out, files, epoch); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"data/ 700 65532 ", "etc/ 755 0 ", "etc/passwd 644 0 root",
		"usr/ 755 0 ", "usr/bin/ 755 0 ", "usr/bin/operator 755 0 program",
	}
	if diff := cmp.Diff(want, list(t, &out)); diff != "" {
		t.Error("entries (-want +got):\n" + diff)
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, files := range map[string][]File{
		"Twice":    {{Path: "a"}, {Path: "a"}},
		"Absolute": {{Path: "/a"}},
		"Outside":  {{Path: "../a"}},
		"Unclean":  {{Path: "a//b"}},
		"Missing":  {{Path: "a", Source: filepath.Join(t.TempDir(), "none")}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Write(io.Discard, files, epoch); err == nil {
				t.Error("no error")
			}
		})
	}
}

// TestPackIsTheSame: a layer has the digest of what is in it, wherever and whenever it is packed.
func TestPackIsTheSame(t *testing.T) {
	digest := func() string {
		l, err := Pack(filepath.Join(t.TempDir(), "layer.tar.gz"), func(w io.Writer) error {
			return Write(w, []File{{Path: "a", Data: []byte(strings.Repeat("a", 1<<16))}}, epoch)
		})
		if err != nil {
			t.Fatal(err)
		}
		d, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d.String()
	}
	if a, b := digest(), digest(); a != b {
		t.Errorf("digests differ: %s and %s", a, b)
	}
}

// list reads a tar stream as "path mode owner content" and checks the times.
func list(t *testing.T, r io.Reader) []string {
	t.Helper()
	var lines []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(epoch) {
			t.Errorf("%s has the time %s", h.Name, h.ModTime)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %o %d %s", h.Name, h.Mode, h.Uid, data))
	}
}
