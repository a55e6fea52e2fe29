// Package sealing seals small values that others keep for us, such as a session in a browser's
// cookie or a token in an address, so that nobody can read or change them.
//
// Values are sealed with AES-256 in Galois/Counter Mode and random nonces (NIST SP 800-38D). The
// keys are derived from secrets by HKDF (RFC 5869), for each purpose others.
//
// The secrets are the lines of a file, of 32 characters or more, such as "openssl rand -base64 48"
// writes one. Empty lines and those that begin with # are passed over. The first secret seals, all
// open: to exchange it, put a new line in front, and take the old one out when what it sealed is
// over. The file is read again when it changes. Only its owner and group may have rights to it.
package sealing

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"crawlfleet.dev/crawlfleet/internal/filestate"
)

const (
	// minSecret is the size in bytes of the shortest secret, maxFile of the longest file.
	minSecret, maxFile = 32, 64 << 10
	// others are the rights of those who are neither the owner nor of the group.
	others = 0o007
)

// ErrForeign means that a value was not sealed with these keys for that use, or was changed.
var ErrForeign = errors.New("sealed with another key, or changed")

// Keys seal and open values. They are safe for concurrent use.
type Keys struct {
	purpose, path string

	mu    sync.Mutex
	seen  filestate.Seen
	aeads []cipher.AEAD // the first seals, all open
}

// Random keys are of this process alone: what they seal ends with it.
func Random(purpose string) *Keys {
	secret := make([]byte, minSecret)
	_, _ = rand.Read(secret) // never fails
	aead, err := newAEAD(secret, purpose)
	if err != nil {
		panic(err) // the size of the key is right
	}
	return &Keys{purpose: purpose, aeads: []cipher.AEAD{aead}}
}

// Open reads a file of secrets.
func Open(path, purpose string) (*Keys, error) {
	k := &Keys{purpose: purpose, path: path}
	if _, err := k.current(); err != nil {
		return nil, err
	}
	return k, nil
}

// current gives the keys of now. Its errors hold no part of a secret.
func (k *Keys) current() ([]cipher.AEAD, error) {
	if k.path == "" {
		return k.aeads, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := filestate.Look(k.path)
	if k.aeads != nil && k.seen.Same(now) {
		return k.aeads, nil
	}
	k.aeads = nil // what the file does not hold any more opens nothing
	aeads, err := k.read()
	if err != nil {
		return nil, fmt.Errorf("keys to seal with: %w", err)
	}
	k.aeads, k.seen = aeads, now
	return aeads, nil
}

func (k *Keys) read() (aeads []cipher.AEAD, err error) {
	f, err := os.Open(k.path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&others != 0 {
		return nil, fmt.Errorf("%q: others can read or change it: use chmod 640", k.path)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%q: has %d bytes, may have %d", k.path, info.Size(), maxFile)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, err
	}
	number := 0
	for line := range bytes.Lines(raw) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if len(line) < minSecret {
			return nil, fmt.Errorf("%q: line %d has %d characters: give 32 or more; make one with: openssl rand -base64 48", k.path, number, len(line))
		}
		aead, err := newAEAD(line, k.purpose)
		if err != nil {
			return nil, err
		}
		aeads = append(aeads, aead)
	}
	if len(aeads) == 0 {
		return nil, fmt.Errorf("%q: holds no secret; make one with: openssl rand -base64 48", k.path)
	}
	return aeads, nil
}

func newAEAD(secret []byte, purpose string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, purpose, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Seal encodes a value as JSON and seals it for one use: what is sealed for one is of no other.
func (k *Keys) Seal(use string, value any) ([]byte, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	aeads, err := k.current()
	if err != nil {
		return nil, err
	}
	return aeads[0].Seal(nil, nil, plain, []byte(use)), nil
}

// Open opens what was sealed for a use. The error is ErrForeign when it was not.
func (k *Keys) Open(use string, sealed []byte, value any) error {
	aeads, err := k.current()
	if err != nil {
		return err
	}
	for _, aead := range aeads {
		if plain, err := aead.Open(nil, nil, sealed, []byte(use)); err == nil {
			return json.Unmarshal(plain, value)
		}
	}
	return ErrForeign
}
