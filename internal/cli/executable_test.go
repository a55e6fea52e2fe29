package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestBeside(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if path, err := Beside(filepath.Base(self)); err != nil || path != self {
		t.Errorf("the program itself: %q, %v; want %q", path, err, self)
	}
	if path, err := Beside("no-such-program"); path != "" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %q, %v", path, err)
	}
}
