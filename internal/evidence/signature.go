package evidence

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
)

// ecdsaSignature is ECDSA-Sig-Value (RFC 3279 section 2.2.3).
type ecdsaSignature struct{ R, S *big.Int }

func encode64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// decode64 reads standard base64 in its one canonical spelling. (The package takes lines
// and stray bits.)
func decode64(s string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err == nil && encode64(b) != s {
		err = errors.New("it is not in its canonical spelling")
	}
	return b, err
}

// sign signs a text over its SHA-256, in ASN.1.
func (k *Key) sign(text []byte) ([]byte, error) {
	public, err := k.Public()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	sig, err := k.Signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	// A key on a card or in a service that answers with something else must not pass.
	if !ecdsa.VerifyASN1(public, sum[:], sig) {
		return nil, errors.New("the key gave a signature that is not its own")
	}
	return sig, nil
}

// toRaw turns an ASN.1 signature into r and s one after the other, each as long as the
// order of the curve (IEEE P1363), as WebCrypto has it.
func toRaw(key *ecdsa.PublicKey, sig []byte) ([]byte, error) {
	var v ecdsaSignature
	if rest, err := asn1.Unmarshal(sig, &v); err != nil || len(rest) > 0 {
		return nil, errors.New("the key gave a signature that cannot be read")
	}
	size := curveSize(key)
	out := make([]byte, 2*size)
	v.R.FillBytes(out[:size])
	v.S.FillBytes(out[size:])
	return out, nil
}

func curveSize(key *ecdsa.PublicKey) int { return (key.Params().N.BitLen() + 7) / 8 }

// verifyEither verifies a signature of a text in either spelling: ASN.1, as authsign
// writes it, or raw, as browsers do. Both have one encoding for each signature.
func verifyEither(key *ecdsa.PublicKey, text, encoded string) error {
	sig, err := decode64(encoded)
	if err != nil {
		return fmt.Errorf("the signature is no canonical base64: %w", err)
	}
	if verifyASN1(key, []byte(text), sig) == nil {
		return nil
	}
	if size := curveSize(key); len(sig) == 2*size {
		v := ecdsaSignature{new(big.Int).SetBytes(sig[:size]), new(big.Int).SetBytes(sig[size:])}
		if der, err := asn1.Marshal(v); err == nil && verifyASN1(key, []byte(text), der) == nil {
			return nil
		}
	}
	return errors.New("the signature is not of this key over this text, or not in its canonical encoding")
}

func verifyASN1(key *ecdsa.PublicKey, text, sig []byte) error {
	if sum := sha256.Sum256(text); !ecdsa.VerifyASN1(key, sum[:], sig) {
		return errors.New("the signature is not of this key over this text")
	}
	return nil
}

// parsePublic reads a public key: the SubjectPublicKeyInfo in base64.
func parsePublic(encoded string) (*ecdsa.PublicKey, error) {
	der, err := decode64(encoded)
	if err != nil {
		return nil, fmt.Errorf("the public key is no canonical base64: %w", err)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("the public key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("the public key is not of ECDSA")
	}
	if err := checkCurve(key); err != nil {
		return nil, fmt.Errorf("the public key: %w", err)
	}
	if again, err := x509.MarshalPKIXPublicKey(key); err != nil || string(again) != string(der) {
		return nil, errors.New("the public key is not in its canonical encoding")
	}
	return key, nil
}

func formatPublic(key *ecdsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", err
	}
	return encode64(der), nil
}
