package netguard

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// secureProxy is an HTTP proxy that is asked over TLS. It lets in who knows the password,
// says hello in the target's name, and counts who asked.
func secureProxy(t *testing.T, asked *atomic.Int32) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != "Basic dXNlcjpzZWNyZXQ=" {
			w.Header().Set("Proxy-Authenticate", "Basic")
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n\r\n%s says hello", r.Host)
		_ = c.Close()
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are meant to
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// TestUpstreamTLS: a proxy over TLS is asked when its certificate is of the right authority
// and for its host, and nothing is told to any other, least of all the password.
func TestUpstreamTLS(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := secureProxy(t, &asked)
	right, wrong := x509.NewCertPool(), x509.NewCertPool()
	right.AddCert(server.Certificate())
	address := server.Listener.Addr().String()
	_, port, _ := strings.Cut(address, ":")
	tests := []struct {
		reason   string
		host     string
		password string
		roots    *x509.CertPool
		// err is a part of the error, asked how often the proxy got to hear of a target.
		err   string
		asked int32
	}{
		{"The authority and the password are right.", address, "secret", right, "", 1},
		{"The proxy's authority is another one.", address, "secret", wrong, "the proxy's certificate does not verify: x509: certificate signed by unknown authority", 0},
		{"The system does not know the authority.", address, "secret", nil, "the proxy's certificate does not verify: x509: ", 0},
		{"The certificate is for another host.", "localhost:" + port, "secret", right, "the proxy's certificate does not verify: x509: certificate is valid for", 0},
		{"The password is wrong.", address, "wrong", right, "the proxy wants a user name and a password, or others: it answered 407", 1},
	}
	for _, tc := range tests {
		asked.Store(0)
		d := &Dialer{
			Upstream:      &url.URL{Scheme: "https", Host: tc.host, User: url.UserPassword("user", tc.password)},
			UpstreamRoots: tc.roots, Timeout: 10 * time.Second,
			// With several addresses: what is wrong with the proxy is not tried once for each.
			Resolver: &names{answers: map[string][][]string{"www.example.org": {{"93.184.215.14", "93.184.215.15", "93.184.215.16"}}}},
		}
		c, err := d.Dial(t.Context(), "tcp", "www.example.org:443")
		if n := asked.Load(); n != tc.asked {
			t.Errorf("%s: the proxy was asked %d times, want %d", tc.reason, n, tc.asked)
		}
		if tc.err != "" {
			if Reason(err) != ReasonConnectFailed || !strings.Contains(err.Error(), tc.err) || strings.Count(err.Error(), "proxy 127.0.0.1") > 1 {
				t.Errorf("%s: error %v, want %q in it", tc.reason, err, tc.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.reason, err)
			continue
		}
		got, err := io.ReadAll(c)
		if err != nil || string(got) != "93.184.215.14:443 says hello" || c.Proxy != tc.host || c.Remote.String() != "93.184.215.14:443" {
			t.Errorf("%s: read %q, %v through %s to %s", tc.reason, got, err, c.Proxy, c.Remote)
		}
		_ = c.Close()
	}
}

// TestUpstreamSilent: a proxy that begins no TLS ends the wait with the dial's.
func TestUpstreamSilent(t *testing.T) {
	t.Parallel()
	address := fakeProxy(t, func(c net.Conn) {
		_, _ = io.Copy(io.Discard, c)
	})
	d := &Dialer{Upstream: &url.URL{Scheme: "https", Host: address}, Timeout: 200 * time.Millisecond}
	began := time.Now()
	_, err := d.Dial(t.Context(), "tcp", "93.184.215.14:443")
	if Reason(err) != ReasonConnectFailed || time.Since(began) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}
