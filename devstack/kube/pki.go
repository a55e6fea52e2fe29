package kube

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"crawlfleet.dev/crawlfleet/devstack/stack"
)

// Validity of what the stack signs. The authority and the service-account key
// stay the same for the life of the folder; all else is signed anew at every start.
const (
	authorityYears = 10
	leafYears      = 1
	// clockSkew is how far back certificates begin.
	clockSkew = time.Hour
)

// pki is the folder of keys and certificates of one stack.
type pki struct {
	dir string
	ca  *x509.Certificate
	key crypto.Signer
}

func (p *pki) path(name string) string { return filepath.Join(p.dir, name) }

// openPKI loads dir's authority, or makes one, and signs all the certificates
// that etcd, the API server and the administrator use.
func openPKI(dir string, now time.Time) (*pki, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the PKI's folder: %w", err)
	}
	p := &pki{dir: dir}
	if err := p.authority(now); err != nil {
		return nil, err
	}
	if _, err := p.keyPair("service-account"); err != nil {
		return nil, err
	}
	loopback := []net.IP{net.ParseIP(stack.Loopback)}
	leaves := []struct {
		name string
		cert x509.Certificate
	}{
		{"apiserver", x509.Certificate{
			Subject:     pkix.Name{CommonName: "kube-apiserver"},
			DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
			IPAddresses: append(loopback, firstServiceIP()),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}},
		{"etcd", x509.Certificate{
			Subject:     pkix.Name{CommonName: "etcd"},
			DNSNames:    []string{"localhost"},
			IPAddresses: loopback,
			// Both: etcd's gateway and peers dial with the server's certificate.
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}},
		{"etcd-client", x509.Certificate{
			Subject:     pkix.Name{CommonName: "kube-apiserver-etcd-client"},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}},
		{"admin", x509.Certificate{
			Subject:     pkix.Name{CommonName: "crawlfleet-admin", Organization: []string{"system:masters"}},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}},
	}
	for _, l := range leaves {
		if err := p.sign(l.name, &l.cert, now); err != nil {
			return nil, fmt.Errorf("sign the certificate %q: %w", l.name, err)
		}
	}
	return p, nil
}

// authority loads the folder's own certificate authority or makes it.
func (p *pki) authority(now time.Time) error {
	key, err := p.keyPair("ca")
	if err != nil {
		return err
	}
	p.key = key
	path := p.path("ca.crt")
	block, err := readPEM(path)
	if err == nil {
		p.ca, err = x509.ParseCertificate(block)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if now.After(p.ca.NotAfter.AddDate(-leafYears, 0, 0)) {
			return fmt.Errorf("the authority %s expires on %s; start in a new --dir", path, p.ca.NotAfter.Format(time.DateOnly))
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	cert := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "crawlfleet-devstack"},
		NotAfter:              now.AddDate(authorityYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	p.ca = cert
	der, err := p.create(cert, key.Public(), now)
	if err != nil {
		return fmt.Errorf("sign the authority: %w", err)
	}
	if p.ca, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("read back the authority: %w", err)
	}
	return writePEM(path, "CERTIFICATE", der)
}

func (p *pki) sign(name string, cert *x509.Certificate, now time.Time) error {
	key, err := p.keyPair(name)
	if err != nil {
		return err
	}
	cert.NotAfter = now.AddDate(leafYears, 0, 0)
	cert.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := p.create(cert, key.Public(), now)
	if err != nil {
		return err
	}
	return writePEM(p.path(name+".crt"), "CERTIFICATE", der)
}

func (p *pki) create(cert *x509.Certificate, pub crypto.PublicKey, now time.Time) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	cert.SerialNumber = serial
	cert.NotBefore = now.Add(-clockSkew)
	return x509.CreateCertificate(rand.Reader, cert, p.ca, pub, p.key)
}

// keyPair loads name's private key or makes one (P-256).
func (p *pki) keyPair(name string) (crypto.Signer, error) {
	path := p.path(name + ".key")
	der, err := readPEM(path)
	if err == nil {
		key, err := x509.ParseECPrivateKey(der)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key %q: %w", name, err)
	}
	if der, err = x509.MarshalECPrivateKey(key); err != nil {
		return nil, fmt.Errorf("encode the key %q: %w", name, err)
	}
	if err := writePEM(path, "EC PRIVATE KEY", der); err != nil {
		return nil, err
	}
	return key, nil
}

func readPEM(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block; start in a new --dir", path)
	}
	return block.Bytes, nil
}

func writePEM(path, kind string, der []byte) error {
	return stack.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
