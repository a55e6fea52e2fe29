// Package pki makes the certificates and kubeconfigs of a single-node Kubernetes: one
// authority for the servers, the components and the administrator, as
// https://kubernetes.io/docs/setup/best-practices/certificates/ names them.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// The authority and the key of the service accounts stay the same as long as the folder
// is there; all else is signed anew at every start.
const (
	authorityYears = 10
	leafYears      = 1
	clockSkew      = time.Hour
)

// Authority is a folder of keys and certificates.
type Authority struct {
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// Open loads the authority of a folder, or makes one.
func Open(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a := &Authority{dir: dir}
	var err error
	if a.key, err = a.Key("ca"); err != nil {
		return nil, err
	}
	loaded, err := cert.CertsFromFile(a.CA())
	if err == nil {
		a.cert = loaded[0]
		return a, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "crawlfleet-cluster"},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.AddDate(authorityYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	a.cert, err = a.sign("ca", template, template, a.key.Public())
	return a, err
}

// Path is that of a file of the folder.
func (a *Authority) Path(name string) string { return filepath.Join(a.dir, name) }

// CA is the file with the authority's certificate.
func (a *Authority) CA() string { return a.Path("ca.crt") }

// Key loads the private key NAME.key or makes it.
func (a *Authority) Key(name string) (*ecdsa.PrivateKey, error) {
	path := a.Path(name + ".key")
	loaded, err := keyutil.PrivateKeyFromFile(path)
	if err == nil {
		key, ok := loaded.(*ecdsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("%s is no ECDSA key", path)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	encoded, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, err
	}
	return key, keyutil.WriteKey(path, encoded)
}

// Server signs NAME.crt for a server at addresses and names.
func (a *Authority) Server(name, commonName string, ips []net.IP, names ...string) error {
	return a.leaf(name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName},
		IPAddresses: ips,
		DNSNames:    names,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// Client signs NAME.crt for a user of Kubernetes and its groups.
func (a *Authority) Client(name, user string, groups ...string) error {
	return a.leaf(name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// Kubeconfig signs a client and writes what it needs to reach a server, certificates
// inside, into a file.
func (a *Authority) Kubeconfig(file, server, name, user string, groups ...string) error {
	if err := a.Client(name, user, groups...); err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.CurrentContext = "crawlfleet"
	config.Contexts["crawlfleet"] = &clientcmdapi.Context{Cluster: "crawlfleet", AuthInfo: user}
	config.Clusters["crawlfleet"] = &clientcmdapi.Cluster{Server: server, CertificateAuthority: a.CA()}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificate: a.Path(name + ".crt"), ClientKey: a.Path(name + ".key")}
	if err := clientcmdapi.FlattenConfig(config); err != nil {
		return fmt.Errorf("put the certificates into %s: %w", file, err)
	}
	return clientcmd.WriteToFile(*config, file)
}

func (a *Authority) leaf(name string, template *x509.Certificate) error {
	key, err := a.Key(name)
	if err != nil {
		return err
	}
	now := time.Now()
	template.NotBefore, template.NotAfter = now.Add(-clockSkew), now.AddDate(leafYears, 0, 0)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	_, err = a.sign(name, template, a.cert, key.Public())
	return err
}

func (a *Authority) sign(name string, template, parent *x509.Certificate, key crypto.PublicKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate %q: %w", name, err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	encoded, err := cert.EncodeCertificates(signed)
	if err != nil {
		return nil, err
	}
	return signed, cert.WriteCert(a.Path(name+".crt"), encoded)
}
