package temporalconn

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
)

var silent = slog.New(slog.DiscardHandler)

// parse reads flags.
func parse(t *testing.T, args ...string) *Config {
	t.Helper()
	var c Config
	f := pflag.NewFlagSet("test", pflag.ContinueOnError)
	c.Add(f, "127.0.0.1:7233", "crawlfleet")
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &c
}

// ask connects, and asks for the namespace.
func ask(t *testing.T, c *Config) (client.Client, error) {
	t.Helper()
	o, err := c.Options(silent)
	if err != nil {
		return nil, err
	}
	o.Logger = sdklog.NewStructuredLogger(silent)
	conn, err := client.NewLazyClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn, describe(t, conn, c.Namespace)
}

func describe(t *testing.T, c client.Client, namespace string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	return err
}

// TestConnect: a client gets through, or is told what to do.
func TestConnect(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	caFile, keyFile := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "key")
	file(t, caFile, ours.pem)
	file(t, keyFile, []byte("secret\n"))
	client := func(a *authority, valid time.Duration) []string {
		cert, key := identify(t, a, valid)
		return []string{"--temporal-cert-file", cert, "--temporal-key-file", key}
	}
	ca := []string{"--temporal-ca-file", caFile, "--temporal-server-name", "temporal.test"}
	for name, tc := range map[string]struct {
		reason  string
		tls     bool
		by      *authority // of the server's certificate; ours if nil
		valid   time.Duration
		clients *authority // of the clients' certificates that the server wants
		key     string
		args    []string
		want    string // in the error, empty for none
	}{
		"Plain":           {reason: "as in development"},
		"TLS":             {reason: "the authority is known", tls: true, args: ca},
		"MutualTLS":       {reason: "the server knows the client", tls: true, clients: ours, args: append(client(ours, time.Hour), ca...)},
		"Key":             {reason: "as in Temporal Cloud", tls: true, key: "secret", args: append([]string{"--temporal-api-key-file", keyFile}, ca...)},
		"KeyInTheClear":   {reason: "behind something that encrypts", key: "secret", args: []string{"--temporal-api-key-file", keyFile, "--temporal-tls=off"}},
		"Expired":         {reason: "the server's certificate is over", tls: true, valid: -time.Minute, args: ca, want: "Temporal's certificate, or that of its authority, is over since"},
		"OtherAuthority":  {reason: "it is of somebody else", tls: true, by: theirs, args: ca, want: "not of the authorities in " + caFile},
		"NoAuthority":     {reason: "the system does not know it", tls: true, args: []string{"--temporal-tls=on", "--temporal-server-name=temporal.test"}, want: "name it with --temporal-ca-file"},
		"OtherName":       {reason: "the address is not in it", tls: true, args: []string{"--temporal-ca-file", caFile, "--temporal-server-name=other.test"}, want: "set --temporal-server-name to temporal.test"},
		"Address":         {reason: "it names no address", tls: true, args: []string{"--temporal-ca-file", caFile}, want: "set --temporal-server-name to temporal.test"},
		"NoTLSThere":      {reason: "the server speaks plain", args: ca, want: "--temporal-tls=off"},
		"TLSThere":        {reason: "the server speaks TLS", tls: true, want: "--temporal-tls=on"},
		"NoCertificate":   {reason: "the server wants one", tls: true, clients: ours, args: ca, want: "name one with --temporal-cert-file"},
		"ForeignClient":   {reason: "the server does not know its authority", tls: true, clients: ours, args: append(client(theirs, time.Hour), ca...), want: "Temporal refuses the client certificate in "},
		"ExpiredClient":   {reason: "it is over", tls: true, clients: ours, args: append(client(ours, -time.Minute), ca...), want: "is over since"},
		"RefusedKey":      {reason: "it was revoked", tls: true, key: "another", args: append([]string{"--temporal-api-key-file", keyFile}, ca...), want: "check that the API key in " + keyFile},
		"NoKey":           {reason: "none was given", tls: true, key: "secret", args: ca, want: "--temporal-api-key-file"},
		"OtherNamespace":  {reason: "nobody made it", args: []string{"--temporal-namespace=elsewhere"}, want: "temporal operator namespace create --namespace elsewhere"},
		"NoSuchAuthority": {reason: "the file is not there", args: []string{"--temporal-ca-file", "/does/not/exist"}, want: "--temporal-ca-file: open /does/not/exist"},
		"NotAnAuthority":  {reason: "it holds something else", args: []string{"--temporal-ca-file", keyFile}, want: "there is no certificate in it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &frontend{key: tc.key}
			var settings *tls.Config
			if tc.tls {
				by, valid := ours, time.Hour
				if tc.by != nil {
					by = tc.by
				}
				if tc.valid != 0 {
					valid = tc.valid
				}
				cert, key := by.issue(t, "temporal.test", valid)
				f.certify(t, cert, key)
				settings = &tls.Config{}
			}
			if tc.clients != nil {
				settings.ClientAuth, settings.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
				settings.ClientCAs.AddCert(tc.clients.cert)
			}
			f.serve(t, settings)
			_, err := ask(t, parse(t, append([]string{"--temporal-address", f.address, "--temporal-namespace=fleet"}, tc.args...)...))
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("%s: %v", tc.reason, err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%s: %v, want %q in it", tc.reason, err, tc.want)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Errorf("%s: the error tells the key: %v", tc.reason, err)
			}
			// What changes with each try, such as a port or the time, is no part of the advice.
			var lost *serviceerror.Unavailable
			if advice := Advice(err); errors.As(err, &lost) && (!strings.Contains(advice, tc.want) || strings.Contains(advice, f.address)) {
				t.Errorf("%s: the advice is %q, want %q in it", tc.reason, advice, tc.want)
			}
		})
	}
}

// identify writes a client's certificate.
func identify(t *testing.T, a *authority, valid time.Duration) (certFile, keyFile string) {
	t.Helper()
	cert, key := a.issue(t, "fleet", valid)
	return pair(t, cert, key)
}

// TestKeyIsReadAgain: the next call has the key that is in the file now; one that is not in order
// does not take the place of one that is.
func TestKeyIsReadAgain(t *testing.T) {
	t.Parallel()
	f := &frontend{key: "first"}
	f.serve(t, nil)
	path := filepath.Join(t.TempDir(), "key")
	file(t, path, []byte("first"))
	c := parse(t, "--temporal-address", f.address, "--temporal-namespace=fleet", "--temporal-api-key-file", path, "--temporal-tls=off")
	conn, err := ask(t, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ reason, content, want string }{
		{"it was renewed", "second\n", "second"},
		{"it is being written", "", "second"},
		{"it is no key", "two words", "second"},
		{"it was renewed again", "third", "third"},
	} {
		file(t, path, []byte(step.content))
		f.mu.Lock()
		f.key = step.want
		f.mu.Unlock()
		if err := describe(t, conn, "fleet"); err != nil {
			t.Errorf("%s: %v", step.reason, err)
		}
	}
}

// TestCertificatesAreReadAgain: when all certificates of server and client are of another
// authority, a client that was there before gets through as soon as its files are.
func TestCertificatesAreReadAgain(t *testing.T) {
	t.Parallel()
	before, after := newAuthority(t), newAuthority(t)
	caFile := filepath.Join(t.TempDir(), "ca.crt")
	file(t, caFile, before.pem)
	certFile, keyFile := identify(t, before, time.Hour)
	settings := func(a *authority) *tls.Config {
		s := &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool()}
		s.ClientCAs.AddCert(a.cert)
		return s
	}
	f := &frontend{}
	serverCert, serverKey := before.issue(t, "temporal.test", time.Hour)
	f.certify(t, serverCert, serverKey)
	f.serve(t, settings(before))
	conn, err := ask(t, parse(t, "--temporal-address", f.address, "--temporal-namespace=fleet", "--temporal-server-name=temporal.test",
		"--temporal-ca-file", caFile, "--temporal-cert-file", certFile, "--temporal-key-file", keyFile))
	if err != nil {
		t.Fatal(err)
	}

	f.server.Stop()
	l, err := net.Listen("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	serverCert, serverKey = after.issue(t, "temporal.test", time.Hour)
	f.certify(t, serverCert, serverKey)
	f.listen(t, l, settings(after))
	if err := describe(t, conn, "fleet"); err == nil {
		t.Fatal("a server of another authority was taken for Temporal")
	}
	cert, key := after.issue(t, "fleet", time.Hour)
	file(t, caFile, after.pem)
	file(t, certFile, cert) // for a moment it does not fit the key
	if err := describe(t, conn, "fleet"); err == nil {
		t.Fatal("it got through with half of the files")
	}
	file(t, keyFile, key)
	deadline := time.Now().Add(30 * time.Second)
	for err = describe(t, conn, "fleet"); err != nil; err = describe(t, conn, "fleet") {
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestEnvironment: the names of Temporal's own programs count, and flags more than they.
func TestEnvironment(t *testing.T) {
	ours := newAuthority(t)
	f := &frontend{key: "secret"}
	cert, key := ours.issue(t, "temporal.test", time.Hour)
	f.certify(t, cert, key)
	f.serve(t, &tls.Config{})
	for name, value := range map[string]string{
		"TEMPORAL_ADDRESS": f.address, "TEMPORAL_NAMESPACE": "fleet", "TEMPORAL_API_KEY": "secret", "TEMPORAL_TLS_SERVER_NAME": "temporal.test",
		"TEMPORAL_TLS_SERVER_CA_CERT_DATA": string(ours.pem), "TEMPORAL_GRPC_META_X_DESK": "north",
	} {
		t.Setenv(name, value)
	}
	if _, err := ask(t, parse(t)); err != nil {
		t.Fatal(err)
	}
	if got := f.headers.Get("x-desk"); len(got) != 1 || got[0] != "north" {
		t.Errorf("the header is %q", got)
	}
	if _, err := ask(t, parse(t, "--temporal-namespace=elsewhere")); err == nil || !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("the flag does not count: %v", err)
	}
	t.Setenv("TEMPORAL_TLS", "false")
	var log bytes.Buffer
	if _, err := parse(t).Options(slog.New(slog.NewTextHandler(&log, nil))); err != nil || !strings.Contains(log.String(), "in the clear") {
		t.Errorf("the key goes in the clear: %v, %s", err, log.String())
	}
}

// TestCheck: what does not fit together is said before anything is dialled.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	file(t, empty, []byte("\n"))
	for name, tc := range map[string]struct {
		reason, variable string
		args             []string
		want             string
	}{
		"Mode":     {reason: "no such word", args: []string{"--temporal-tls=maybe"}, want: "auto, on or off"},
		"Variable": {reason: "no such word there", variable: "TEMPORAL_TLS=maybe", want: "$TEMPORAL_TLS"},
		"HalfPair": {reason: "a certificate is of no use without its key", args: []string{"--temporal-cert-file=x"}, want: "need each other"},
		"HalfData": {reason: "the same in the environment", variable: "TEMPORAL_TLS_CLIENT_CERT_DATA=x", want: "need each other"},
		"TwoKeys":  {reason: "which one counts", variable: "TEMPORAL_API_KEY=x", args: []string{"--temporal-api-key-file=x"}, want: "give one of them"},
		"TwoCAs":   {reason: "which one counts", variable: "TEMPORAL_TLS_SERVER_CA_CERT_DATA=x", args: []string{"--temporal-ca-file=x"}, want: "give one of them"},
		"Blind":    {reason: "anybody could be Temporal", variable: "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION=true", want: "--temporal-ca-file"},
		"NoKey":    {reason: "the Secret is not there", args: []string{"--temporal-api-key-file", filepath.Join(dir, "none")}, want: "--temporal-api-key-file"},
		"EmptyKey": {reason: "nothing is in it", args: []string{"--temporal-api-key-file", empty}, want: "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			if variable, value, ok := strings.Cut(tc.variable, "="); ok {
				t.Setenv(variable, value)
			}
			if _, err := parse(t, tc.args...).Options(silent); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v, want %q in it", tc.reason, err, tc.want)
			}
		})
	}
}
