package evidence

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// liar answers with the signature of another key.
type liar struct{ *ecdsa.PrivateKey }

func (liar) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), r)
	if err != nil {
		return nil, err
	}
	return key.Sign(r, digest, opts)
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	made, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if k, err := ParseKey(made, nil); err != nil || k.Signer.(*ecdsa.PrivateKey).Curve != elliptic.P384() {
		t.Errorf("%v, %v", k, err)
	}
	block := func(kind string, der []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	p224, err := x509.MarshalECPrivateKey(newKey(t, elliptic.P224()))
	small := block("EC PRIVATE KEY", p224, err)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(other)
	rsaKey := block("PRIVATE KEY", pkcs8, err)
	chain := certify(t, newKey(t, elliptic.P256()), testTime, testTime)
	for name, tc := range map[string]struct {
		key, chain []byte
		want       string
	}{
		"nothing":               {nil, nil, "it holds no private key"},
		"a certificate":         {[]byte(formatChain(chain)), nil, "it holds a CERTIFICATE"},
		"RSA":                   {rsaKey, nil, "no key of ECDSA"},
		"P-224":                 {small, nil, "its curve is P-224"},
		"a damaged one":         {block("EC PRIVATE KEY", []byte{1, 2}, nil), nil, "cannot be read"},
		"another's certificate": {made, []byte(formatChain(chain)), "its certificate is for another key"},
		"no certificate":        {made, []byte{}, "it holds no certificate"},
		"more than a chain":     {made, append([]byte(formatChain(chain)), "x"...), "something else than certificates"},
	} {
		if _, err := ParseKey(tc.key, tc.chain); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// TestRotation: a key file that is replaced counts at once, one that is gone or broken
// stops signing, and what the old key signed verifies as long as it is in the list.
func TestRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(age time.Duration) {
		t.Helper()
		made, err := GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		path := write(t, dir, "key.pem", made)
		if err := os.Chtimes(path, testTime.Add(-age), testTime.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	keys := &KeyFile{Path: filepath.Join(dir, "key.pem")}
	s := &Signer{Keys: keys, Software: "test", Now: clock}
	put(time.Hour)
	first, err := s.Sign(t.Context(), testHash)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Sign(t.Context(), testHash)
	if err != nil || again.PublicKey != first.PublicKey {
		t.Errorf("%v", err)
	}
	old, err := keys.Key()
	if err != nil {
		t.Fatal(err)
	}
	put(time.Minute)
	second, err := s.Sign(t.Context(), testHash)
	if err != nil || second.PublicKey == first.PublicKey {
		t.Errorf("the rotated key does not count: %v", err)
	}
	trust := Trust{Keys: []TrustedKey{{Fingerprint: fingerprint(t, old)}}}
	want(t, "old", Verify(Material{Package: testHash, SignedData: encoded(t, first)}, trust), Failed)
	want(t, "new", Verify(Material{Package: testHash, SignedData: encoded(t, second)}, trust), Failed, "Signer: the key")

	write(t, dir, "key.pem", []byte("half a ke"))
	if _, err := s.Sign(t.Context(), testHash); err == nil {
		t.Error("a broken file signs with the key before")
	}
	if err := os.Remove(keys.Path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), testHash); err == nil {
		t.Error("a key that is gone signs")
	}
}

// TestReplacedKey: another key is another key, also when its file has the time and, as all have, the
// size of the one before.
func TestReplacedKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := &KeyFile{Path: filepath.Join(dir, "key.pem")}
	var found []string
	for range 2 {
		made, err := GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		path := write(t, dir, "key.new", made)
		if err := os.Chtimes(path, testTime, testTime); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path, keys.Path); err != nil {
			t.Fatal(err)
		}
		key, err := keys.Key()
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, fingerprint(t, key))
	}
	if found[0] == found[1] {
		t.Error("the key that was replaced is used")
	}
}
