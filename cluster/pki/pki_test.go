package pki_test

import (
	"crypto/x509"
	"net"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"

	"crawlfleet.dev/crawlfleet/cluster/pki"
)

// What was signed before a restart and what is signed after it trust each other.
func TestAuthorityStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := pki.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Server("server", "a-server", []net.IP{net.IPv4(192, 0, 2, 1)}, "server.test"); err != nil {
		t.Fatal(err)
	}
	second, err := pki.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := cert.NewPool(second.CA())
	if err != nil {
		t.Fatal(err)
	}
	leaves, err := cert.CertsFromFile(second.Path("server.crt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"server.test", "192.0.2.1"} {
		if _, err := leaves[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: name}); err != nil {
			t.Errorf("verify %s: %v", name, err)
		}
	}
	if _, err := leaves[0].Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
		t.Error("a server's certificate makes a client")
	}
}

func TestKubeconfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, err := pki.Open(filepath.Join(dir, "pki"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "kubeconfig")
	if err := a.Kubeconfig(file, "https://127.0.0.1:6443", "admin", "an-admin", "a-group"); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://127.0.0.1:6443" || len(config.CAData) == 0 || len(config.KeyData) == 0 {
		t.Errorf("got host %q, and an authority of %d and a key of %d bytes inside", config.Host, len(config.CAData), len(config.KeyData))
	}
	certs, err := cert.ParseCertsPEM(config.CertData)
	if err != nil {
		t.Fatal(err)
	}
	if got := certs[0].Subject; got.CommonName != "an-admin" || len(got.Organization) != 1 || got.Organization[0] != "a-group" {
		t.Errorf("got %v", got)
	}
}
