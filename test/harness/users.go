package harness

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// A User is a person whom the API server knows by a client certificate that the stack's own authority has signed, as in a
// cluster of production.
type User struct {
	// Name is the user name, Kubeconfig the file by which kubectl and crawlctl are that user.
	Name, Kubeconfig string

	fleet *Fleet
}

// User makes a user who may do nothing yet.
func (f *Fleet) User(t testing.TB, name string) *User {
	t.Helper()
	u := &User{Name: name, Kubeconfig: filepath.Join(f.Dir, name+".kubeconfig"), fleet: f}
	config, err := clientcmd.LoadFromFile(f.State().Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := f.certify(name)
	if err != nil {
		t.Fatalf("make the user %s: %v", name, err)
	}
	for auth := range config.AuthInfos {
		config.AuthInfos[auth] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	}
	if err := clientcmd.WriteToFile(*config, u.Kubeconfig); err != nil {
		t.Fatal(err)
	}
	return u
}

// certify signs a certificate for a user name and returns it and its key in PEM.
func (f *Fleet) certify(name string) (cert, key []byte, err error) {
	pki := filepath.Join(f.stackDir(), "pki")
	authority, err := readPEM(filepath.Join(pki, "ca.crt"))
	if err != nil {
		return nil, nil, err
	}
	ca, err := x509.ParseCertificate(authority)
	if err != nil {
		return nil, nil, err
	}
	signer, err := readPEM(filepath.Join(pki, "ca.key"))
	if err != nil {
		return nil, nil, err
	}
	caKey, err := x509.ParseECPrivateKey(signer)
	if err != nil {
		return nil, nil, err
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca, own.Public(), caKey)
	if err != nil {
		return nil, nil, err
	}
	ownDER, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: ownDER}), nil
}

func readPEM(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New(path + " holds no PEM block")
	}
	return block.Bytes, nil
}

// Kubectl runs kubectl as the user, see [Fleet.Kubectl].
func (u *User) Kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	return u.fleet.Kubectl(ctx, stdin, append([]string{"--kubeconfig", u.Kubeconfig}, args...)...)
}

// May binds cluster roles to the user in the namespace default.
func (u *User) May(t testing.TB, roles ...string) {
	t.Helper()
	for _, role := range roles {
		binding := fmt.Sprintf("%s-%s", u.Name, role)
		if _, err := u.fleet.Kubectl(t.Context(), "", "-n", "default", "create", "rolebinding", binding, "--clusterrole="+role, "--user="+u.Name); err != nil {
			t.Fatal(err)
		}
	}
}
