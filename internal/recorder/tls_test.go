package recorder

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// origins is a certificate authority for the tests' origins.
type origins struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newOrigins(t testing.TB) *origins {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test origins"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return &origins{sign(t, template, template, key, key), key}
}

func sign(t testing.TB, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue makes a certificate for hosts that ends at a time.
func (o *origins) issue(t testing.TB, until time.Time, hosts ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	cert := sign(t, template, o.cert, key, o.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw, o.cert.Raw}, PrivateKey: key}
}

// serveTLS starts an HTTPS server.
func serveTLS(t testing.TB, cert tls.Certificate, change func(*tls.Config), h http.HandlerFunc) (port string) {
	t.Helper()
	site := httptest.NewUnstartedServer(h)
	site.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	if change != nil {
		change(site.TLS)
	}
	site.Config.ErrorLog = discard
	site.StartTLS()
	t.Cleanup(site.Close)
	_, port, err := net.SplitHostPort(site.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func trust(o *origins) func(*Options) {
	return func(opts *Options) { opts.Roots = []*x509.Certificate{o.cert} }
}

func TestTLSFacts(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	cert := ca.issue(t, time.Now().Add(time.Hour), "www.example.org")
	cert.OCSPStaple = []byte("status\x00")
	cert.SignedCertificateTimestamps = [][]byte{[]byte("one log"), []byte("another\xff")}
	port := serveTLS(t, cert, nil, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.TLS.ServerName, " ", r.Proto) })
	s := newTestSession(t, trust(ca), func(o *Options) { o.Dialer.Resolver = fixed("127.0.0.1") })
	c := client(t, s)
	for range 2 {
		if _, body, err := get(t, c, "https://www.example.org:"+port+"/a?b"); err != nil || string(body) != "www.example.org HTTP/1.1" {
			t.Fatalf("got %q, %v", body, err)
		}
		s.pool.close() // the next one resumes the session on a new connection
		s.pool.closed = false
	}
	list := end(t, s)
	for i, e := range list {
		if e.URL != "https://www.example.org:"+port+"/a?b" || !strings.HasPrefix(string(e.Request.Head), "GET /a?b HTTP/1.1\r\n") {
			t.Errorf("got %s, %q", e.URL, e.Request.Head)
		}
		f := e.Conn.TLS
		if f == nil || f.Version != "TLS 1.3" || f.CipherSuite == "" || f.ServerName != "www.example.org" || f.VerifyError != "" || f.Resumed != (i == 1) {
			t.Fatalf("facts %+v", f)
		}
		if len(f.Chain) != 2 || !bytes.Equal(f.Chain[0], cert.Certificate[0]) || !bytes.Equal(f.Chain[1], ca.cert.Raw) {
			t.Errorf("the chain is not what the origin showed")
		}
		// Of a session that was resumed they are those that it began with.
		if !bytes.Equal(f.OCSP, cert.OCSPStaple) || !slices.EqualFunc(f.SCTs, cert.SignedCertificateTimestamps, bytes.Equal) {
			t.Errorf("connection %d: stapled %q and %q", i, f.OCSP, f.SCTs)
		}
	}
	if list[0].Conn.ID == list[1].Conn.ID {
		t.Error("two connections have one number")
	}
}

// TestClientCertificate: an origin that wants a certificate of the client says so when the handshake seems over.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	for auth, want := range map[tls.ClientAuthType]string{tls.RequestClientCert: "", tls.RequireAnyClientCert: ReasonTLSFailed} {
		port := serveTLS(t, ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1"), func(c *tls.Config) { c.ClientAuth = auth }, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
		s := newTestSession(t, trust(ca))
		if _, _, err := get(t, client(t, s), "https://127.0.0.1:"+port+"/"); err != nil {
			t.Fatal(err)
		}
		if e := endOne(t, s); e.Failure != want || want != "" && !strings.Contains(e.Detail, "certificate required") {
			t.Errorf("%v: %s (%s)", auth, e.Failure, e.Detail)
		}
	}
}

func TestBadCertificates(t *testing.T) {
	t.Parallel()
	ca, other := newOrigins(t), newOrigins(t)
	tests := map[string]struct {
		reason string
		cert   tls.Certificate
		change func(*tls.Config)
		detail string
		// chain is true when there is a certificate to keep.
		chain bool
	}{
		"Expired":   {"A certificate that is past its time.", ca.issue(t, time.Now().Add(-time.Hour), "127.0.0.1"), nil, "expired", true},
		"WrongHost": {"A certificate for another host.", ca.issue(t, time.Now().Add(time.Hour), "other.example.org"), nil, "127.0.0.1", true},
		"Unknown":   {"An authority that nobody trusts.", other.issue(t, time.Now().Add(time.Hour), "127.0.0.1"), nil, "unknown authority", true},
		"Old":       {"TLS 1.1 is no longer spoken.", ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1"), func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, "protocol version", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := serveTLS(t, tc.cert, tc.change, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
			s := newTestSession(t, trust(ca))
			res, _, err := get(t, client(t, s), "https://127.0.0.1:"+port+"/")
			if err != nil || res.StatusCode != http.StatusBadGateway || res.Header.Get(ReasonHeader) != ReasonTLSFailed {
				t.Errorf("%s: got %+v, %v", tc.reason, res, err)
			}
			e := endOne(t, s)
			if e.Failure != ReasonTLSFailed || !strings.Contains(e.Detail, tc.detail) || e.Conn == nil || e.Conn.TLS == nil {
				t.Fatalf("%s: got %s %q %+v", tc.reason, e.Failure, e.Detail, e.Conn)
			}
			if (e.Conn.TLS.VerifyError != "") != tc.chain || (len(e.Conn.TLS.Chain) == 2) != tc.chain {
				t.Errorf("%s: facts %+v", tc.reason, e.Conn.TLS)
			}

			s = newLenientSession(t, trust(ca))
			res, body, err := get(t, client(t, s), "https://127.0.0.1:"+port+"/")
			if err != nil {
				t.Fatal(err)
			}
			if accepted := res.StatusCode == http.StatusOK && string(body) == "hello"; accepted != tc.chain {
				t.Errorf("%s: when bad ones are accepted: %s %q", tc.reason, res.Status, body)
			}
			if e := endOne(t, s); tc.chain && (e.Conn.TLS.VerifyError == "" || e.Failure != "") {
				t.Errorf("%s: when bad ones are accepted: %+v", tc.reason, e)
			}
		})
	}
}

// TestBadCertificateOfOnePage: a connection that one page took in spite of its certificate
// is not the next page's, which does not.
func TestBadCertificateOfOnePage(t *testing.T) {
	t.Parallel()
	for name, protocols := range map[string][]string{"HTTP/1.1": {"http/1.1"}, "HTTP/2": {"h2"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
			site.EnableHTTP2 = protocols[0] == "h2"
			site.StartTLS()
			t.Cleanup(site.Close)
			s := newLenientSession(t)
			for range 2 {
				if _, body, err := get(t, client(t, s), site.URL); err != nil || string(body) != "hello" {
					t.Fatalf("where bad ones are taken: %q, %v", body, err)
				}
			}
			for i, e := range end(t, s) {
				if e.Failure != "" || e.Conn.Protocol != strings.ToLower(protocols[0]) || !slices.ContainsFunc(e.Notes, func(n string) bool { return strings.Contains(n, "certificate") }) {
					t.Errorf("exchange %d: %q over %s, notes %q", i, e.Failure, e.Conn.Protocol, e.Notes)
				}
			}
			begin(t, s)
			res, _, err := get(t, client(t, s), site.URL)
			if err != nil || res.Header.Get(ReasonHeader) != ReasonTLSFailed {
				t.Errorf("where they are not: %+v, %v", res, err)
			}
			if e := endOne(t, s); e.Failure != ReasonTLSFailed || e.Conn == nil || e.Conn.TLS.VerifyError == "" {
				t.Errorf("where they are not: %+v", e)
			}
		})
	}
}

// TestTLSToClose: an answer without a length over TLS ends with or without a
// close_notify.
func TestTLSToClose(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	cert := ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1")
	for _, polite := range []bool{true, false} {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
		if err != nil {
			t.Fatal(err)
		}
		serveRaw(t, l, func(c net.Conn, br *bufio.Reader) {
			readRequestHead(br)
			_, _ = io.WriteString(c, lines("HTTP/1.1 200 OK")+"hello")
			if !polite {
				_ = c.(*tls.Conn).NetConn().Close()
			}
		})
		s := newTestSession(t, trust(ca))
		_, body, err := get(t, client(t, s), "https://"+l.Addr().String()+"/")
		if err != nil || string(body) != "hello" {
			t.Errorf("got %q, %v", body, err)
		}
		e := endOne(t, s)
		if contents(t, e.Response.Body) != "hello" || e.Failure != "" {
			t.Errorf("got %+v", e)
		}
	}
}

// TestTLSBrokenOff: an origin that breaks off within a body over TLS.
func TestTLSBrokenOff(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	serveRaw(t, l, func(c net.Conn, br *bufio.Reader) {
		readRequestHead(br)
		_, _ = io.WriteString(c, lines("HTTP/1.1 200 OK", "Content-Length: 10")+"hello")
	})
	s := newTestSession(t, trust(ca))
	if _, body, err := get(t, client(t, s), "https://"+l.Addr().String()+"/"); err == nil || string(body) != "hello" {
		t.Errorf("got %q, %v", body, err)
	}
	if e := endOne(t, s); e.Failure != ReasonConnectionReset || e.Response.Body.Truncated != TruncatedDisconnect {
		t.Errorf("got %+v", e)
	}
}

func TestAuthority(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a, err := newAuthority(func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"www.example.org", "127.0.0.1", "::1", "under_score.example.org"} {
		leaf, err := a.leaf(host)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(a.cert)
		if _, err := leaf.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if again, _ := a.leaf(host); again != leaf {
			t.Errorf("%s: made twice", host)
		}
	}
	old, _ := a.leaf("www.example.org")
	now = now.Add(leafLife)
	if renewed, _ := a.leaf("www.example.org"); renewed == old {
		t.Error("a leaf past its time is still used")
	}
}
