package dossier_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/dossier"
)

const program = "data/verifier/verify-linux-amd64"

// packed is a dossier's folder as a ZIP file.
func packed(t *testing.T, dir string, d *dossier.Dossier) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := dossier.Pack(&b, os.DirFS(dir), d.Created, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestProgramCanBeRun: the program in a dossier can be run as it is, in both forms; nothing else can.
func TestProgramCanBeRun(t *testing.T) {
	t.Parallel()
	dir, d := create(t, options(t, newRun(t)))
	const run = 0o100 // by its owner, whatever the umask
	for name := range contents(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || (info.Mode()&run != 0) != (name == program) {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
	raw := packed(t, dir, d)
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		if f.Name == program && f.Mode() != 0o755 || f.Name != program && f.Mode()&0o111 != 0 {
			t.Errorf("%s: mode %v in the ZIP file", f.Name, f.Mode())
		}
	}
	// The modes of the folder do not count: the same dossier gives the same bytes.
	if err := os.Chmod(filepath.Join(dir, program), 0o600); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, packed(t, dir, d)) {
		t.Error("with other modes in the folder it is packed to other bytes")
	}
}

// TestPackedModes: every bit of a program's mode counts; without one, as it was packed once, it holds.
func TestPackedModes(t *testing.T) {
	t.Parallel()
	dir, d := create(t, options(t, newRun(t)))
	raw := packed(t, dir, d)
	entry := bytes.LastIndex(raw, []byte(program)) - 46 // the fixed part of its entry in the directory
	unpack := func(raw []byte) []string {
		wrong, err := dossier.Unpack(bytes.NewReader(raw), int64(len(raw)), t.TempDir())
		if err != nil {
			return []string{err.Error()}
		}
		return wrong
	}
	if wrong := unpack(raw); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	for _, at := range []int{5, 38, 39, 40, 41} { // the system that wrote it, and the attributes
		for bit := range 8 {
			flipped := bytes.Clone(raw)
			flipped[entry+at] ^= 1 << bit
			if len(unpack(flipped)) == 0 {
				t.Errorf("byte %d, bit %d: its change is not noticed", at, bit)
			}
		}
	}
	old := bytes.Clone(raw)
	old[entry+5] = 0
	binary.LittleEndian.PutUint32(old[entry+38:], 0)
	if wrong := unpack(old); len(wrong) > 0 {
		t.Errorf("without a mode: %v", wrong)
	}
}
