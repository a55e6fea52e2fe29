package custody

import (
	"crypto/ed25519"
	"encoding/base64"
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
	origin, list, err := readKeys(values)
	if err != nil {
		return "", nil, err
	}
	return origin, note.VerifierList(list...), nil
}

func readKeys(values []string) (origin string, list []note.Verifier, _ error) {
	known := map[string]bool{} // one may be named twice, such as the present one among all
	for _, value := range values {
		lines, err := keyLines(value)
		if err != nil {
			return "", nil, err
		}
		for _, line := range lines {
			if known[line] {
				continue
			}
			known[line] = true
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
	return origin, list, nil
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

// readSigner reads the private key of a log from a file, and the public keys that readers need:
// its own, and those of more, each as [ReadKeys] has them. Its errors hold no part of the key.
func readSigner(path string, more ...string) (note.Signer, []note.Verifier, error) {
	if strings.HasPrefix(path, "PRIVATE+KEY+") {
		return nil, nil, errors.New("a private key was given, want the file that holds it")
	}
	lines, err := keyLines(path)
	if err != nil {
		return nil, nil, err
	}
	if len(lines) != 1 {
		return nil, nil, fmt.Errorf("%q: must hold one private key", path)
	}
	signer, err := note.NewSigner(lines[0])
	if err != nil {
		return nil, nil, fmt.Errorf("%q: holds no private key of a log", path)
	}
	public, err := publicOf(signer.Name(), lines[0])
	if err != nil {
		return nil, nil, fmt.Errorf("%q: %w", path, err)
	}
	_, verifiers, err := readKeys(append([]string{public}, more...))
	return signer, verifiers, err
}

// publicOf is the public key to a private one: "PRIVATE+KEY+", the name, the hash, and in base64
// the algorithm, 1 for Ed25519, and the seed (golang.org/x/mod/sumdb/note, "Generating Keys").
func publicOf(name, private string) (string, error) {
	parts := strings.SplitN(private, "+", 5) // the base64 may have a + of its own
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(raw) != 1+ed25519.SeedSize || raw[0] != 1 {
		return "", errors.New("the key is not one of Ed25519")
	}
	public, ok := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return "", errors.New("the key is not one of Ed25519")
	}
	return note.NewEd25519VerifierKey(name, public)
}
