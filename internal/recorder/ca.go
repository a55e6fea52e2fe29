package recorder

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"slices"
	"sync"
	"time"
)

// The life of a leaf certificate and the number of them that are kept.
const (
	leafLife  = 90 * 24 * time.Hour
	maxLeaves = 2000
)

// authority issues the certificates that browsers are shown. It and all its
// leaves have the same key: it never leaves the process, and one SPKI hash then
// stands for every host.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	spki string
	now  func() time.Time

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

func newAuthority(now func() time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	a := &authority{key: key, now: now, leaves: make(map[string]*tls.Certificate)}
	t := now()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "crawlfleet recorder"},
		NotBefore: t.Add(-48 * time.Hour), NotAfter: t.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make the authority's certificate: %w", err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	a.spki = spkiOf(a.cert)
	return a, nil
}

func spkiOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func serial() *big.Int {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails, crypto/rand
	raw[0] = raw[0]&0x7f | 0x40
	return new(big.Int).SetBytes(raw)
}

// leaf returns the certificate for a host name or address.
func (a *authority) leaf(host string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.now()
	if c, ok := a.leaves[host]; ok && t.Before(c.Leaf.NotAfter.Add(-time.Hour)) {
		return c, nil
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{Organization: []string{"crawlfleet recorder"}},
		NotBefore: t.Add(-48 * time.Hour), NotAfter: t.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for %q: %w", host, err)
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
	if c.Leaf, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("read the certificate for %q: %w", host, err)
	}
	if len(a.leaves) >= maxLeaves {
		clear(a.leaves)
	}
	a.leaves[host] = c
	return c, nil
}

// serverConfig is the TLS configuration towards browsers. The certificate is
// for the host that the tunnel was asked for, and HTTP/2 is offered where the
// tunnel's origin speaks it.
func (a *authority) serverConfig() *tls.Config {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		// Hybrid key exchange protects against a listener of the future, who
		// would have to listen on the loopback interface; it costs more than
		// the rest of the handshake.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if t, ok := hello.Conn.(*tunnelConn); ok {
				return a.leaf(t.host)
			}
			return a.leaf(hello.ServerName)
		},
	}
	h2 := config.Clone()
	h2.NextProtos = []string{"h2", "http/1.1"}
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if t, ok := hello.Conn.(*tunnelConn); ok && slices.Contains(hello.SupportedProtos, "h2") && t.h2(hello.Context()) {
			return h2, nil
		}
		return nil, nil
	}
	return config
}
