package custody

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// PublicKey is the public key of a private one, of a log ([note.GenerateKey]) or of a witness
// ([GenerateWitnessKey]), as it was when both were made.
func PublicKey(skey string) (vkey string, err error) {
	skey = strings.TrimSpace(skey)
	if signer, err := NewCosigner(skey, time.Now); err == nil {
		c := signer.(*cosigner)
		return witnessKey(c.name, c.public), nil
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return "", errors.New("is no private key of a log or a witness")
	}
	// The signer has checked the form: PRIVATE+KEY+name+id+base64(type || seed).
	parts := strings.SplitN(skey, "+", 5)
	seed, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return "", errors.New("is no private key of a log or a witness")
	}
	public := ed25519.NewKeyFromSeed(seed[1:])[ed25519.SeedSize:]
	return note.NewEd25519VerifierKey(signer.Name(), ed25519.PublicKey(public))
}

// witnessKey encodes the public key of a witness.
func witnessKey(name string, public ed25519.PublicKey) string {
	material := append([]byte{algCosignature}, public...)
	return fmt.Sprintf("%s+%08x+%s", name, keyID(name, public), base64.StdEncoding.EncodeToString(material))
}
