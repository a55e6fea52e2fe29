package tsa

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// openssl runs OpenSSL, the independent judge, which has to be there.
func openssl(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOpenSSLVerifiesOurs: what our authority answers to our client, OpenSSL takes.
func TestOpenSSLVerifiesOurs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newAuthority(t)
	server := httptest.NewServer(a)
	defer server.Close()
	answer, err := (&Client{URL: server.URL, Roots: a.roots()}).Stamp(t.Context(), testSum)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Chain[1].Raw}))
	write(t, dir, "data", []byte("evidence"))
	write(t, dir, "token.der", answer.Token)
	write(t, dir, "reply.der", answer.Response)
	openssl(t, dir, "ts", "-verify", "-data", "data", "-in", "token.der", "-token_in", "-CAfile", "root.pem")
	openssl(t, dir, "ts", "-verify", "-data", "data", "-in", "reply.der", "-CAfile", "root.pem")

	// And what OpenSSL asks, our authority answers.
	openssl(t, dir, "ts", "-query", "-data", "data", "-sha512", "-cert", "-out", "query.der")
	der, err := os.ReadFile(filepath.Join(dir, "query.der"))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := a.Answer(der)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "reply.der", reply)
	openssl(t, dir, "ts", "-verify", "-queryfile", "query.der", "-in", "reply.der", "-CAfile", "root.pem")
}

// opensslConfig is an authority of OpenSSL, whose ess_cert_id_alg comes from the environment.
const opensslConfig = `
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical,CA:TRUE
[leaf]
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = authority
[authority]
serial = serial
signer_cert = leaf.pem
signer_key = leaf.key
certs = root.pem
default_policy = 1.2.3.4
digests = sha256
signer_digest = sha256
ess_cert_id_chain = yes
ess_cert_id_alg = $ENV::ESS
clock_precision_digits = 3
accuracy = secs:1, millisecs:500, microsecs:100
`

// TestWeVerifyOpenSSLs: what OpenSSL answers to our client, we take, with each way to name
// the certificate and each kind of key.
func TestWeVerifyOpenSSLs(t *testing.T) {
	for name, key := range map[string][]string{
		"RSA":   {"-newkey", "rsa:2048"},
		"P-256": {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"},
		"P-384": {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"},
	} {
		for _, ess := range []string{"sha1", "sha256", "sha512"} {
			t.Run(name+" "+ess, func(t *testing.T) {
				dir := t.TempDir()
				t.Setenv("ESS", ess)
				write(t, dir, "cnf", []byte(opensslConfig))
				write(t, dir, "serial", []byte("01"))
				openssl(t, dir, append([]string{"req", "-config", "cnf", "-x509", "-nodes", "-subj", "/CN=root", "-extensions", "root", "-days", "2", "-keyout", "root.key", "-out", "root.pem"}, key...)...)
				openssl(t, dir, append([]string{"req", "-config", "cnf", "-nodes", "-subj", "/CN=leaf", "-keyout", "leaf.key", "-out", "leaf.csr"}, key...)...)
				openssl(t, dir, "x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-extfile", "cnf", "-extensions", "leaf", "-days", "1", "-out", "leaf.pem")
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					var query bytes.Buffer
					query.ReadFrom(r.Body)
					write(t, dir, "query.der", query.Bytes())
					openssl(t, dir, "ts", "-reply", "-config", "cnf", "-section", "authority", "-queryfile", "query.der", "-out", "reply.der")
					reply, err := os.ReadFile(filepath.Join(dir, "reply.der"))
					if err != nil {
						t.Error(err)
					}
					w.Header().Set("Content-Type", replyType)
					w.Write(reply)
				}))
				defer server.Close()
				root, err := os.ReadFile(filepath.Join(dir, "root.pem"))
				if err != nil {
					t.Fatal(err)
				}
				roots := x509.NewCertPool()
				roots.AppendCertsFromPEM(root)
				answer, err := (&Client{URL: server.URL, Roots: roots}).Stamp(context.Background(), testSum)
				if err != nil {
					t.Fatal(err)
				}
				if s := answer.Stamp; s.Policy != "1.2.3.4" || s.Authority != "CN=leaf" || s.Accuracy.String() != "1.5001s" || len(s.Chain) != 2 {
					t.Errorf("%+v", s)
				}
				if _, err := Verify(answer.Token, testSum, Options{Roots: newAuthority(t).roots()}); !errors.Is(err, ErrForeign) {
					t.Error(err)
				}
			})
		}
	}
}
