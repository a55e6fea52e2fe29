package custody

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// maxKeys is the size in bytes that a file of keys may have.
const maxKeys = 1 << 20

// ReadKeys reads the public keys of one log: each value is a key, or a file with one a line. The
// origin is the name that all have.
func ReadKeys(values []string) (origin string, _ note.Verifiers, _ error) {
	var list []note.Verifier
	for _, value := range values {
		lines, err := keyLines(value)
		if err != nil {
			return "", nil, err
		}
		for _, line := range lines {
			v, err := note.NewVerifier(line)
			if err != nil {
				return "", nil, fmt.Errorf("%q: is no public key of a log: %w", value, err)
			}
			if len(list) > 0 && v.Name() != origin {
				return "", nil, fmt.Errorf("the keys are of two logs, %q and %q", origin, v.Name())
			}
			origin, list = v.Name(), append(list, v)
		}
	}
	return origin, note.VerifierList(list...), nil
}

// keyLines gives the keys of a value: itself, or the lines of the file that it names.
func keyLines(value string) ([]string, error) {
	if strings.Count(value, "+") >= 2 {
		return []string{value}, nil
	}
	f, err := os.Open(value)
	if err != nil {
		return nil, fmt.Errorf("%q: is neither a key nor a file: %w", value, err)
	}
	defer f.Close() // read only
	raw, err := io.ReadAll(io.LimitReader(f, maxKeys+1))
	if err == nil && len(raw) > maxKeys {
		err = errors.New("has too many bytes for keys")
	}
	if err != nil {
		return nil, fmt.Errorf("%q: %w", value, err)
	}
	lines := strings.Fields(string(raw))
	if len(lines) == 0 {
		return nil, fmt.Errorf("%q: the file has no key", value)
	}
	return lines, nil
}
