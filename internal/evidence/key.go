package evidence

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"crawlfleet.dev/crawlfleet/internal/filestate"
)

const (
	maxKeyFile = 64 << 10 // bytes of a key or certificate file
	maxChain   = 10       // certificates
	pemCert    = "CERTIFICATE"
)

// Key signs. With a Chain it signs for a domain, without it is anonymous.
type Key struct {
	// Signer holds an ECDSA key on P-256 or P-384. It gives ASN.1 signatures.
	Signer crypto.Signer
	// Chain begins with the certificate for the key.
	Chain []*x509.Certificate
}

// Keys give the key to sign with now. KeyFile implements it.
type Keys interface {
	Key() (*Key, error)
}

// Public is the public key.
func (k *Key) Public() (*ecdsa.PublicKey, error) {
	public, ok := k.Signer.Public().(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("it is a key of type %T, not of ECDSA", k.Signer.Public())
	}
	return public, checkCurve(public)
}

// checkCurve takes the curves that the tools of this field use: authsign P-256,
// ArchiveWeb.page P-384.
func checkCurve(key *ecdsa.PublicKey) error {
	if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
		return fmt.Errorf("its curve is %s, not P-256 or P-384", key.Curve.Params().Name)
	}
	return nil
}

// GenerateKey makes a key on P-384, the one curve that replay tools verify anonymous
// signatures with, as a PEM file (PKCS#8).
func GenerateKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ParseKey reads a private key (PEM, PKCS#8 or SEC 1) and the certificate chain for it,
// nil for none. Its errors hold no part of the key.
func ParseKey(keyPEM, chainPEM []byte) (*Key, error) {
	private, err := parsePrivate(keyPEM)
	if err != nil {
		return nil, err
	}
	if err := checkCurve(&private.PublicKey); err != nil {
		return nil, err
	}
	key := &Key{Signer: private}
	if chainPEM == nil {
		return key, nil
	}
	if key.Chain, err = parseChain(string(chainPEM)); err != nil {
		return nil, fmt.Errorf("its certificate: %w", err)
	}
	if !private.PublicKey.Equal(key.Chain[0].PublicKey) {
		return nil, errors.New("its certificate is for another key")
	}
	return key, nil
}

func parsePrivate(file []byte) (*ecdsa.PrivateKey, error) {
	for {
		block, rest := pem.Decode(file)
		if block == nil {
			return nil, errors.New("it holds no private key (PEM, PKCS#8 or SEC 1)")
		}
		switch block.Type {
		case "EC PARAMETERS": // openssl ecparam -genkey puts them first
			file = rest
			continue
		case "PRIVATE KEY":
			parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if key, ok := parsed.(*ecdsa.PrivateKey); ok && err == nil {
				return key, nil
			}
			return nil, errors.New("it holds no key of ECDSA")
		case "EC PRIVATE KEY":
			key, err := x509.ParseECPrivateKey(block.Bytes)
			if err != nil {
				return nil, errors.New("its key cannot be read")
			}
			return key, nil
		}
		return nil, fmt.Errorf("it holds a %s, not a private key", block.Type)
	}
}

// parseChain reads certificates (PEM), and nothing beside them.
func parseChain(text string) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for rest := bytes.TrimSpace([]byte(text)); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		if !bytes.HasPrefix(rest, []byte("-----BEGIN "+pemCert+"-----")) {
			return nil, errors.New("something else than certificates (PEM) is in it")
		}
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != pemCert {
			return nil, errors.New("it is no PEM")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if chain = append(chain, cert); len(chain) > maxChain {
			return nil, fmt.Errorf("it has more than %d certificates", maxChain)
		}
	}
	if len(chain) == 0 {
		return nil, errors.New("it holds no certificate (PEM)")
	}
	return chain, nil
}

func formatChain(chain []*x509.Certificate) string {
	var out bytes.Buffer
	for _, c := range chain {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: c.Raw}))
	}
	return out.String()
}

// KeyFile is a key in a file, such as of a mounted Secret, and its certificates in
// another. They are read again when they changed, so that a rotated Secret counts
// without a restart. It may be used at the same time.
type KeyFile struct {
	// Path is that of the private key, ChainPath that of the certificates, empty for
	// an anonymous key.
	Path, ChainPath string

	mu   sync.Mutex
	seen filestate.Seen
	key  *Key
}

// Key implements Keys. It never gives a key that is no longer what the files hold: when
// they cannot be read, or do not fit together because one of them is just being
// replaced, that is an error.
func (f *KeyFile) Key() (*Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.look()
	if f.key != nil && f.seen.Same(now) {
		return f.key, nil
	}
	f.key = nil
	keyPEM, err := readSmall(f.Path, maxKeyFile)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	var chainPEM []byte
	if f.ChainPath != "" {
		if chainPEM, err = readSmall(f.ChainPath, maxKeyFile); err != nil {
			return nil, fmt.Errorf("signing key: %w", err)
		}
	}
	key, err := ParseKey(keyPEM, chainPEM)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", f.Path, err)
	}
	f.key, f.seen = key, now
	return key, nil
}

func (f *KeyFile) look() filestate.Seen {
	if f.ChainPath == "" {
		return filestate.Look(f.Path)
	}
	return filestate.Look(f.Path, f.ChainPath)
}

// readSmall reads a file of at most so many bytes.
func readSmall(path string, most int) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // read only
	b, err := io.ReadAll(io.LimitReader(file, int64(most)+1))
	if err == nil && len(b) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return b, err
}
