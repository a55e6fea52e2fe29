package custody

import (
	"cmp"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/filestate"
)

// KeyFile is the private key of a log in a file, such as of a mounted Secret, and the public keys
// that readers of the log need. The files are read again when they changed, so that a rotated key
// counts without a restart. It may be used at the same time.
//
// It is a [note.Signer] and [note.Verifiers]. As verifiers it knows the keys that the files have now:
// one that was taken out, as after somebody stole it, counts for nothing, in a process that runs as
// in one that starts. Those of before stay while the files cannot be read.
type KeyFile struct {
	path    string
	retired []string
	origin  string // for good

	mu     sync.Mutex
	seen   filestate.Seen
	signer note.Signer
	known  map[uint32]note.Verifier // by the hash of the key
}

var (
	_ note.Signer    = (*KeyFile)(nil)
	_ note.Verifiers = (*KeyFile)(nil)
)

// OpenKeyFile reads a private key, as "crawlctl audit keys create" writes it, and files with the
// public keys, one a line, that the log was signed with before, or will be. Its errors, and those
// of what it gives, hold no part of the key.
func OpenKeyFile(path string, retired ...string) (*KeyFile, error) {
	k := &KeyFile{path: path, retired: retired}
	if err := k.refresh(); err != nil {
		return nil, err
	}
	k.origin = k.signer.Name()
	return k, nil
}

// refresh reads the files when they have changed. The caller holds the lock.
func (k *KeyFile) refresh() error {
	now := filestate.Look(append([]string{k.path}, k.retired...)...)
	if k.signer != nil && k.seen.Same(now) {
		return nil
	}
	k.signer = nil // what the file does not hold any more signs nothing
	signer, verifiers, err := readSigner(k.path, k.retired...)
	if err != nil {
		return fmt.Errorf("key of the custody log: %w", err)
	}
	if k.origin != "" && signer.Name() != k.origin {
		return fmt.Errorf("key of the custody log: %q: is of the log %q, not of %q", k.path, signer.Name(), k.origin)
	}
	k.signer, k.seen, k.known = signer, now, map[uint32]note.Verifier{}
	for _, v := range verifiers {
		k.known[v.KeyHash()] = v
	}
	return nil
}

// current gives the key of now: the parts of one signature have to be of one key.
func (k *KeyFile) current() (note.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.refresh(); err != nil {
		return nil, err
	}
	return k.signer, nil
}

// current gives what a signer signs with now.
func current(s note.Signer) (note.Signer, error) {
	if k, ok := s.(*KeyFile); ok {
		return k.current()
	}
	return s, nil
}

// Name implements [note.Signer]: the name of the log.
func (k *KeyFile) Name() string { return k.origin }

// KeyHash implements [note.Signer]. It is 0 while there is no key.
func (k *KeyFile) KeyHash() uint32 {
	signer, err := k.current()
	if err != nil {
		return 0
	}
	return signer.KeyHash()
}

// Sign implements [note.Signer].
func (k *KeyFile) Sign(msg []byte) ([]byte, error) {
	signer, err := k.current()
	if err != nil {
		return nil, err
	}
	return signer.Sign(msg)
}

// Verifier implements [note.Verifiers].
func (k *KeyFile) Verifier(name string, hash uint32) (note.Verifier, error) {
	unknown := &note.UnknownVerifierError{Name: name, KeyHash: hash}
	if name != k.origin {
		return nil, unknown
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.refresh()
	if v, ok := k.known[hash]; ok {
		return v, nil
	}
	return nil, cmp.Or[error](err, unknown)
}
