package upgrade

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"crawlfleet.dev/crawlfleet/internal/temporalconn"
	"crawlfleet.dev/crawlfleet/test/harness"
)

// TestTemporalBehindTLS: a worker that is there goes on when all certificates are replaced by those
// of another authority, its own included.
func TestTemporalBehindTLS(t *testing.T) {
	t.Parallel()
	fleet := harness.Start(t, harness.Options{NoOperator: true, Workers: -1, Unsigned: true})
	dir := t.TempDir()
	front := &front{target: fleet.State().Temporal.Address}
	front.listen(t)
	front.renew(t, dir)

	var c temporalconn.Config
	f := pflag.NewFlagSet("test", pflag.ContinueOnError)
	c.Add(f, "", "")
	err := f.Parse([]string{
		"--temporal-address", front.listener.Addr().String(), "--temporal-namespace", fleet.State().Temporal.Namespace, "--temporal-server-name", "temporal.test",
		"--temporal-ca-file", filepath.Join(dir, "ca.crt"), "--temporal-cert-file", filepath.Join(dir, "tls.crt"), "--temporal-key-file", filepath.Join(dir, "tls.key"),
	})
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	o, err := c.Options(quiet)
	if err != nil {
		t.Fatal(err)
	}
	o.Logger = log.NewStructuredLogger(quiet)
	conn, err := client.DialContext(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	w := worker.New(conn, "tls", worker.Options{})
	w.RegisterWorkflowWithOptions(func(workflow.Context) error { return nil }, workflow.RegisterOptions{Name: "ends"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)

	ends(t, conn)
	front.renew(t, dir)
	ends(t, conn)
}

// ends runs a workflow, with a client that may have to connect first.
func ends(t *testing.T, c client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: "tls"}, "ends")
		if err == nil {
			err = run.Get(ctx, nil)
		}
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// front speaks TLS for a server that does not, with clients that have a certificate.
type front struct {
	target   string
	listener net.Listener

	mu    sync.Mutex
	tls   *tls.Config
	conns []net.Conn
}

func (f *front) listen(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.listener = tls.NewListener(l, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.tls, nil
	}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := f.listener.Accept()
			if err != nil {
				return
			}
			go f.pass(conn)
		}
	}()
	t.Cleanup(func() { _ = f.listener.Close(); <-done; f.cut() })
}

// pass joins a connection with one to the server.
func (f *front) pass(conn net.Conn) {
	f.mu.Lock()
	f.conns = append(f.conns, conn)
	f.mu.Unlock()
	server, err := net.Dial("tcp", f.target)
	if err != nil {
		_ = conn.Close()
		return
	}
	go func() { _, _ = io.Copy(server, conn); _ = server.Close() }()
	_, _ = io.Copy(conn, server)
	_ = conn.Close()
}

// cut ends all connections.
func (f *front) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		_ = c.Close()
	}
	f.conns = nil
}

// renew makes a new authority and new certificates, for the server and for its client, whose are in
// files. Whoever is connected has to connect again.
func (f *front) renew(t *testing.T, dir string) {
	t.Helper()
	authority, key := certify(t, nil, nil)
	server, serverKey := certify(t, authority, key)
	own, ownKey := certify(t, authority, key)
	known := x509.NewCertPool()
	known.AddCert(authority)
	f.mu.Lock()
	f.tls = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{server.Raw}, PrivateKey: serverKey}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: known, NextProtos: []string{"h2"},
	}
	f.mu.Unlock()
	der, err := x509.MarshalPKCS8PrivateKey(ownKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"ca.crt": {Type: "CERTIFICATE", Bytes: authority.Raw}, "tls.crt": {Type: "CERTIFICATE", Bytes: own.Raw}, "tls.key": {Type: "PRIVATE KEY", Bytes: der},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".new", pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	f.cut()
}

// certify makes a certificate by an authority, or one that is an authority when there is none.
func certify(t *testing.T, by *x509.Certificate, with *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "temporal.test"}, DNSNames: []string{"temporal.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: by == nil,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if by == nil {
		by, with = template, key
		template.KeyUsage = x509.KeyUsageCertSign
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, &key.PublicKey, with)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}
