package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ExecutableDigest is the SHA-256 of the file that this process runs, "sha256:…": the version
// says what was meant to be built, this is what runs.
func ExecutableDigest() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the executable: %w", err)
	}
	// On Linux the file that runs can be read also when it was replaced meanwhile.
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		if f, err = os.Open(path); err != nil {
			return "", fmt.Errorf("read the executable: %w", err)
		}
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("read the executable: %w", err)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// Beside is the path of a program that lies in the folder of the one that runs. One that does not is
// fs.ErrNotExist.
func Beside(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the executable: %w", err)
	}
	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find the program %s: %w", name, err)
	}
	return path, nil
}
