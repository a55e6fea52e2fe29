package custody

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// algCosignature is the signature type of [tlog-cosignature] in the encoding of a key.
//
// [tlog-cosignature]: https://c2sp.org/tlog-cosignature
const algCosignature = 4

// cosignatureSize is the size of a cosignature in bytes: a time and an Ed25519 signature.
const cosignatureSize = 8 + ed25519.SignatureSize

// GenerateWitnessKey makes the key pair of a witness, encoded as those of a log are
// ([note.GenerateKey]).
func GenerateWitnessKey(name string) (skey, vkey string, err error) {
	if name == "" || strings.ContainsAny(name, " \t\r\n+") {
		return "", "", fmt.Errorf("name of a key %q: must have no spaces and no +", name)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", err
	}
	id := keyID(name, public)
	skey = fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, id, base64.StdEncoding.EncodeToString(append([]byte{algCosignature}, private.Seed()...)))
	return skey, witnessKey(name, public), nil
}

// keyID tells a key from others, as tlog-cosignature has it.
func keyID(name string, public ed25519.PublicKey) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"+string(rune(algCosignature))), public...))
	return binary.BigEndian.Uint32(sum[:4])
}

// parseKey reads a key of a witness: name+id+base64(type || key).
func parseKey(s string) (name, id string, material []byte, err error) {
	name, rest, _ := strings.Cut(s, "+")
	id, encoded, _ := strings.Cut(rest, "+")
	material, err = base64.StdEncoding.DecodeString(encoded)
	if err != nil || name == "" || len(material) != 1+ed25519.PublicKeySize || material[0] != algCosignature {
		return "", "", nil, errors.New("is no key of a witness")
	}
	return name, id, material[1:], nil
}

// cosigner is a witness that signs.
type cosigner struct {
	cosignature
	private ed25519.PrivateKey
	now     func() time.Time
}

// NewCosigner makes the signer of a witness. It signs the time with each checkpoint.
func NewCosigner(skey string, now func() time.Time) (note.Signer, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(skey), "PRIVATE+KEY+")
	name, id, seed, err := parseKey(rest)
	if !ok || err != nil {
		return nil, errors.New("is no private key of a witness")
	}
	private := ed25519.NewKeyFromSeed(seed)
	public := ed25519.PublicKey(private[ed25519.SeedSize:])
	if fmt.Sprintf("%08x", keyID(name, public)) != id {
		return nil, errors.New("private key of a witness: the name or the key is not what it was made for")
	}
	return &cosigner{cosignature{name, public}, private, now}, nil
}

// Sign implements [note.Signer].
func (c *cosigner) Sign(msg []byte) ([]byte, error) {
	if _, err := parseCheckpoint(string(msg)); err != nil {
		return nil, err
	}
	at := binary.BigEndian.AppendUint64(nil, uint64(c.now().Unix())) //nolint:gosec // after 1970
	return append(at, ed25519.Sign(c.private, cosigned(at, msg))...), nil
}

// cosigned is what a witness signs.
func cosigned(at, msg []byte) []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(at)), msg...)
}

// cosignature is a witness's public key.
type cosignature struct {
	name   string
	public ed25519.PublicKey
}

// NewWitnessVerifier makes the verifier of a witness's cosignatures from its public key.
func NewWitnessVerifier(vkey string) (note.Verifier, error) {
	name, id, public, err := parseKey(strings.TrimSpace(vkey))
	if err != nil {
		return nil, err
	}
	if fmt.Sprintf("%08x", keyID(name, public)) != id {
		return nil, errors.New("public key of a witness: the name or the key is not what it was made for")
	}
	return &cosignature{name, public}, nil
}

// ReadWitnesses reads the public keys of witnesses: each value is a key, or a file with one a line.
// They may be of different witnesses.
func ReadWitnesses(values []string) (witnesses []note.Verifier, err error) {
	known := map[string]bool{}
	for _, value := range values {
		lines, err := keyLines(value)
		if err != nil {
			return nil, err
		}
		for _, line := range lines {
			if known[line] {
				continue
			}
			known[line] = true
			w, err := NewWitnessVerifier(line)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", value, err)
			}
			witnesses = append(witnesses, w)
		}
	}
	return witnesses, nil
}

// Name implements [note.Verifier].
func (c *cosignature) Name() string { return c.name }

// KeyHash implements [note.Verifier].
func (c *cosignature) KeyHash() uint32 { return keyID(c.name, c.public) }

// Verify implements [note.Verifier].
func (c *cosignature) Verify(msg, sig []byte) bool {
	return len(sig) == cosignatureSize && ed25519.Verify(c.public, cosigned(sig[:8], msg), sig[8:])
}

// Cosign adds a witness's signature to a checkpoint of the log origin that was opened with
// [OpenCheckpoint].
func Cosign(c Checkpoint, verifiers note.Verifiers, witness note.Signer) (Checkpoint, error) {
	n, err := note.Open(c.Note, verifiers)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("cosign: %w", err)
	}
	n.Sigs, n.UnverifiedSigs = append(n.Sigs, n.UnverifiedSigs...), nil
	if c.Note, err = note.Sign(n, witness); err != nil {
		return Checkpoint{}, fmt.Errorf("cosign: %w", err)
	}
	return c, nil
}

// Cosigned tells when a witness signed a checkpoint; the error is that it did not.
func Cosigned(c Checkpoint, witness note.Verifier) (time.Time, error) {
	n, err := note.Open(c.Note, note.VerifierList(witness))
	if err != nil || len(n.Sigs) != 1 {
		return time.Time{}, fmt.Errorf("checkpoint: %s did not sign it", witness.Name())
	}
	sig, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
	if err != nil || len(sig) != 4+cosignatureSize {
		return time.Time{}, fmt.Errorf("checkpoint: the signature of %s is no cosignature", witness.Name())
	}
	return time.Unix(int64(binary.BigEndian.Uint64(sig[4:12])), 0).UTC(), nil //nolint:gosec // it was verified
}
