package recorder

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

// newOpaqueSession opens an opaque session with a page.
func newOpaqueSession(t testing.TB, change ...func(*Options)) *Session {
	t.Helper()
	s, err := newRecorder(t, change...).NewOpaqueSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	begin(t, s)
	return s
}

// opaqueClient trusts the origins and not the recorder.
func opaqueClient(t testing.TB, s *Session, roots ...*x509.Certificate) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	for _, c := range roots {
		pool.AddCert(c)
	}
	tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: s.Addr()}), TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func endPage(t testing.TB, s *Session) ([]Exchange, []Tunnel) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
	defer cancel()
	exchanges, tunnels, err := s.EndPage(ctx)
	if err != nil {
		t.Fatalf("end the page: %v", err)
	}
	return exchanges, tunnels
}

func TestTunnelIsPassedThrough(t *testing.T) {
	t.Parallel()
	o := newOrigins(t)
	port := serveTLS(t, o.issue(t, time.Now().Add(time.Hour), "origin.test"), nil, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Repeat("secret", 10_000))
	})
	plain := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false)
	s := newOpaqueSession(t, func(opts *Options) { opts.Dialer.Resolve = map[string]string{"origin.test": "127.0.0.1"} })
	c := opaqueClient(t, s, o.cert)
	for range 2 {
		res, body, err := get(t, c, "https://origin.test:"+port+"/")
		if err != nil {
			t.Fatal(err)
		}
		if leaf := res.TLS.PeerCertificates[0]; leaf.DNSNames[0] != "origin.test" || !bytes.Equal(res.TLS.PeerCertificates[1].Raw, o.cert.Raw) {
			t.Errorf("the client has met %v, not the origin", leaf.Subject)
		}
		if len(body) != 60_000 {
			t.Errorf("got %d bytes", len(body))
		}
	}
	if _, body, err := get(t, c, "http://"+plain+"/"); err != nil || string(body) != "hi" {
		t.Errorf("plain HTTP: %q, %v", body, err)
	}
	exchanges, tunnels := endPage(t, s)
	if len(exchanges) != 1 || exchanges[0].URL != "http://"+plain+"/" {
		t.Errorf("plain HTTP goes on being recorded: %+v", exchanges)
	}
	if len(tunnels) != 1 {
		t.Fatalf("got %d tunnels: %+v", len(tunnels), tunnels)
	}
	got := tunnels[0]
	if got.Host != "origin.test:"+port || got.Failure != "" || got.Sent < 300 || got.Received < 120_000 || got.Ended.Before(got.Started) {
		t.Errorf("tunnel %+v", got)
	}
	if c := got.Conn; c == nil || c.Remote.String() != "127.0.0.1:"+port || c.DNS == nil || c.DNS.Source != netguard.SourceOverride || c.TLS != nil || c.Opened.IsZero() {
		t.Errorf("connection %+v", got.Conn)
	}
}

// TestTunnelGuard: what a session guards it guards also where it cannot look inside.
func TestTunnelGuard(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	_ = closed.Close()
	s := newOpaqueSession(t, func(opts *Options) {
		opts.Dialer.Resolve = map[string]string{"rebound.test": "10.0.0.7", "metadata.test": "169.254.169.254"}
	})
	cases := []struct{ reason, to, want string }{
		{"A private address.", "10.1.2.3:443", ReasonAddressBlocked},
		{"A private address in another notation.", "[::ffff:10.1.2.3]:443", ReasonAddressBlocked},
		{"A name with a private address.", "rebound.test:443", ReasonAddressBlocked},
		{"The address of a cloud's metadata.", "metadata.test:443", ReasonAddressBlocked},
		{"The recorder itself.", s.Addr(), ReasonAddressBlocked},
		{"Nobody listens.", nobody, ReasonConnectFailed},
	}
	c := opaqueClient(t, s)
	for _, k := range cases {
		if _, _, err := get(t, c, "https://"+k.to+"/"); err == nil {
			t.Errorf("%s: connected", k.reason)
		}
	}
	_, tunnels := endPage(t, s)
	if len(tunnels) != len(cases) {
		t.Fatalf("got %d tunnels: %+v", len(tunnels), tunnels)
	}
	for i, k := range cases {
		if got := tunnels[i]; got.Failure != k.want || got.Detail == "" || got.Conn != nil || got.Received != 0 {
			t.Errorf("%s: %+v, want %s", k.reason, got, k.want)
		}
	}
	if _, _, err := get(t, c, "https://10.1.2.3/"); err == nil {
		t.Error("a tunnel was opened outside of a page")
	}
	if r := s.TakeRefused(); len(r) != 1 || r[0].Method != http.MethodConnect || r[0].Why != refusedOutside {
		t.Errorf("refused: %+v", r)
	}
}

// TestTunnelEndsWithItsPage: nothing of a page goes on in the next one.
func TestTunnelEndsWithItsPage(t *testing.T) {
	t.Parallel()
	o := newOrigins(t)
	asked := make(chan struct{}, 4)
	port := serveTLS(t, o.issue(t, time.Now().Add(time.Hour), "127.0.0.1"), nil, func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		w.(http.Flusher).Flush()
		if r.URL.Path == "/endless" {
			<-r.Context().Done()
		}
	})
	s := newOpaqueSession(t)
	c := opaqueClient(t, s, o.cert)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, _, err := get(t, c, "https://127.0.0.1:"+port+"/endless"); err == nil {
			t.Error("the endless answer ended")
		}
	})
	<-asked
	_, tunnels := endPage(t, s)
	wg.Wait()
	if len(tunnels) != 1 || tunnels[0].Received == 0 || tunnels[0].Ended.IsZero() {
		t.Errorf("tunnels: %+v", tunnels)
	}
	begin(t, s)
	if _, _, err := get(t, c, "https://127.0.0.1:"+port+"/"); err != nil {
		t.Errorf("the next page: %v", err)
	}
	if _, tunnels := endPage(t, s); len(tunnels) != 1 {
		t.Errorf("the next page has the tunnels %+v", tunnels)
	}
}

// TestConfinedTunnels: a page that is confined reaches nobody else, not by a tunnel that is
// open either.
func TestConfinedTunnels(t *testing.T) {
	t.Parallel()
	o := newOrigins(t)
	port := serveTLS(t, o.issue(t, time.Now().Add(time.Hour), "near.test", "far.test"), nil, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") })
	s := newOpaqueSession(t, func(opts *Options) {
		opts.Dialer.Resolve = map[string]string{"near.test": "127.0.0.1", "far.test": "127.0.0.1"}
	})
	c := opaqueClient(t, s, o.cert)
	ask := func(host string) error { _, _, err := get(t, c, "https://"+host+":"+port+"/"); return err }
	if near, far := ask("near.test"), ask("far.test"); near != nil || far != nil {
		t.Fatal(near, far)
	}
	s.Confine(func(host string) bool { return host == "near.test" })
	if ask("near.test") != nil || ask("far.test") == nil {
		t.Error("the page is not confined")
	}
	_, tunnels := endPage(t, s)
	if len(tunnels) != 3 || tunnels[1].Failure != "" || tunnels[2].Failure != ReasonOutOfReach {
		t.Errorf("tunnels: %+v", tunnels)
	}
}

// TestTunnelThroughUpstreamProxy: the upstream proxy is asked for the tunnel.
func TestTunnelThroughUpstreamProxy(t *testing.T) {
	t.Parallel()
	o := newOrigins(t)
	port := serveTLS(t, o.issue(t, time.Now().Add(time.Hour), "127.0.0.1"), nil, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "far") })
	proxy := rawServer(t, func(c net.Conn, br *bufio.Reader) {
		head := readRequestHead(br)
		to, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil || !strings.HasPrefix(head, "CONNECT 127.0.0.1:"+port+" ") {
			t.Errorf("the proxy was asked %q: %v", head, err)
			return
		}
		defer to.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			_, _ = io.Copy(to, br)
			_ = to.Close()
		}()
		_, _ = io.Copy(c, to)
	})
	s := newOpaqueSession(t, func(opts *Options) {
		opts.Dialer = &netguard.Dialer{Upstream: &url.URL{Scheme: "http", Host: proxy}, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	})
	if _, body, err := get(t, opaqueClient(t, s, o.cert), "https://127.0.0.1:"+port+"/"); err != nil || string(body) != "far" {
		t.Errorf("%q, %v", body, err)
	}
	_, tunnels := endPage(t, s)
	if len(tunnels) != 1 || tunnels[0].Conn == nil || tunnels[0].Conn.Proxy != proxy {
		t.Errorf("tunnels: %+v", tunnels)
	}
}

func TestDeposit(t *testing.T) {
	t.Parallel()
	s, err := newRecorder(t).NewOpaqueSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.NewDeposit("early"); err == nil {
		t.Error("a body was taken outside of a page")
	}
	if err := s.Begin(Page{Dir: t.TempDir(), MaxBytes: 150_000, MaxBody: 100_000}); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name      string
		give      int
		want      int
		truncated string
	}{{"small", 10, 10, ""}, {"large", 90_000, 90_000, ""}, {"page limit", 90_000, 59_990, TruncatedLength}, {"empty", 0, 0, ""}}
	var bodies []Body
	for _, k := range cases {
		d, err := s.NewDeposit(k.name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Write(bytes.Repeat([]byte("d"), k.give))
		if (k.truncated != "") != errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v", k.name, err)
		}
		body, err := d.Close("")
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	endPage(t, s)
	for i, k := range cases {
		if got := contents(t, bodies[i]); len(got) != k.want || bodies[i].Truncated != k.truncated {
			t.Errorf("%s: %d bytes, truncated %q", k.name, len(got), bodies[i].Truncated)
		}
	}
}

func TestKeysOfRoots(t *testing.T) {
	t.Parallel()
	o := newOrigins(t)
	r := newRecorder(t, func(opts *Options) { opts.Roots = []*x509.Certificate{o.cert} })
	if want := spkiOf(r.Authority()) + "," + spkiOf(o.cert); r.SPKI() != want {
		t.Errorf("keys %s, want %s", r.SPKI(), want)
	}
	leaf := o.issue(t, time.Now().Add(time.Hour), "origin.test")
	if err := r.Verify("origin.test", leaf.Certificate); err != nil {
		t.Error(err)
	}
	if r.Verify("another.test", leaf.Certificate) == nil || r.Verify("origin.test", [][]byte{{1}}) == nil || r.Verify("origin.test", nil) == nil {
		t.Error("a chain that is not the host's verifies")
	}
}
