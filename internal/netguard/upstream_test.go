package netguard

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// fakeProxy accepts connections and answers each with serve.
func fakeProxy(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// httpProxy answers a CONNECT to target with status and early bytes.
func httpProxy(t *testing.T, asked *[]string, status, early string) string {
	return fakeProxy(t, func(c net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		*asked = append(*asked, req.Method+" "+req.RequestURI+" "+req.Header.Get("Proxy-Authorization"))
		_, _ = io.WriteString(c, "HTTP/1.1 "+status+"\r\n\r\n"+early)
	})
}

// socksProxy is a SOCKS5 server that grants everything (RFC 1928).
func socksProxy(t *testing.T, asked *[]string) string {
	return fakeProxy(t, func(c net.Conn) {
		hello := make([]byte, 3)
		if _, err := io.ReadFull(c, hello); err != nil {
			return
		}
		_, _ = c.Write([]byte{5, 0})
		head := make([]byte, 5)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		size := map[byte]int{1: 3, 3: int(head[4]), 4: 15}[head[3]]
		rest := make([]byte, size+2)
		if _, err := io.ReadFull(c, rest); err != nil {
			return
		}
		if head[3] == 3 {
			*asked = append(*asked, "name "+string(rest[:size]))
		} else {
			*asked = append(*asked, "address "+net.IP(append([]byte{head[4]}, rest[:size]...)).String())
		}
		_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		_, _ = io.WriteString(c, "hello")
	})
}

func TestUpstreamHTTP(t *testing.T) {
	t.Parallel()
	var asked []string
	address := httpProxy(t, &asked, "200 Connection established", "hello")
	d := &Dialer{
		Upstream: &url.URL{Scheme: "http", Host: address, User: url.UserPassword("user", "secret")},
		Resolver: &names{answers: map[string][][]string{
			"www.example.org":    {{"93.184.215.14"}},
			"inside.example.org": {{"10.0.0.1"}},
		}},
	}
	c, err := d.Dial(t.Context(), "tcp", "www.example.org:443")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "hello" {
		t.Errorf("read %q, %v: what came with the proxy's answer belongs to the target", got, err)
	}
	_ = c.Close()
	if c.Remote.String() != "93.184.215.14:443" || c.Proxy != address || c.Answer == nil {
		t.Errorf("got %+v", c)
	}
	if _, err := d.Dial(t.Context(), "tcp", "inside.example.org:443"); Reason(err) != ReasonAddressBlocked {
		t.Errorf("a private address behind a proxy: %v", err)
	}
	if len(asked) != 1 || asked[0] != "CONNECT 93.184.215.14:443 Basic dXNlcjpzZWNyZXQ=" {
		t.Errorf("the proxy was asked %q: the checked address is what it must be asked for", asked)
	}
}

func TestUpstreamRefuses(t *testing.T) {
	t.Parallel()
	var asked []string
	address := httpProxy(t, &asked, "407 Proxy Authentication Required", "")
	d := &Dialer{Upstream: &url.URL{Scheme: "http", Host: address}}
	_, err := d.Dial(t.Context(), "tcp", "93.184.215.14:443")
	if Reason(err) != ReasonConnectFailed || !strings.Contains(err.Error(), "407 Proxy Authentication Required") {
		t.Errorf("got %v", err)
	}
	d = &Dialer{Upstream: &url.URL{Scheme: "http", Host: "127.0.0.1:9"}}
	if _, err := d.Dial(t.Context(), "tcp", "93.184.215.14:443"); Reason(err) != ReasonConnectFailed || !strings.Contains(err.Error(), "the proxy cannot be reached") {
		t.Errorf("got %v", err)
	}
	d = &Dialer{Upstream: &url.URL{Scheme: "gopher", Host: "127.0.0.1:9"}}
	if _, err := d.Dial(t.Context(), "tcp", "93.184.215.14:443"); Reason(err) != ReasonConnectFailed {
		t.Errorf("got %v", err)
	}
}

func TestUpstreamSOCKS(t *testing.T) {
	t.Parallel()
	var asked []string
	address := socksProxy(t, &asked)
	resolver := &names{answers: map[string][][]string{"www.example.org": {{"93.184.215.14"}}}}
	tests := []struct {
		reason, scheme, target, asked, want string
	}{
		{"The name is resolved here.", "socks5", "www.example.org:80", "address 93.184.215.14", ""},
		{"An address is checked.", "socks5", "10.0.0.1:80", "", ReasonAddressBlocked},
		{"The proxy resolves the name.", "socks5h", "www.example.org:80", "name www.example.org", ""},
		{"Onion services have no address.", "socks5h", "abcdef.onion:80", "name abcdef.onion", ""},
		{"An address is checked all the same.", "socks5h", "169.254.169.254:80", "", ReasonAddressBlocked},
		{"A number is not a name.", "socks5h", "2130706433:80", "", ReasonAddressBlocked},
		{"Local names are refused.", "socks5h", "metadata.google.internal:80", "", ReasonAddressBlocked},
		{"Names without a dot are local.", "socks5h", "printer:80", "", ReasonAddressBlocked},
		{"Localhost is local.", "socks5h", "localhost:80", "", ReasonAddressBlocked},
	}
	for _, tc := range tests {
		asked = nil
		d := &Dialer{Upstream: &url.URL{Scheme: tc.scheme, Host: address}, Resolver: resolver}
		c, err := d.Dial(t.Context(), "tcp", tc.target)
		if Reason(err) != tc.want {
			t.Errorf("%s: got %v", tc.reason, err)
		}
		if err == nil {
			got, err := io.ReadAll(c)
			if err != nil || string(got) != "hello" {
				t.Errorf("%s: read %q, %v", tc.reason, got, err)
			}
			_ = c.Close()
		}
		if got := strings.Join(asked, ","); got != tc.asked {
			t.Errorf("%s: the proxy was asked for %q, want %q", tc.reason, got, tc.asked)
		}
	}
}

// TestUpstreamDown: a proxy that goes away is tried again, is told from a site that does not answer,
// and is known to be there again without a page that has to fail for it.
func TestUpstreamDown(t *testing.T) {
	t.Parallel()
	const target = "93.184.215.14:443"
	var mu sync.Mutex
	answers := []string{"", "200 OK", "", "", "", "502 Bad Gateway\r\nProxy-Status: gateway; error=connection_refused"}
	address := fakeProxy(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if answers[0] != "" {
			_, _ = io.WriteString(c, "HTTP/1.1 "+answers[0]+"\r\n\r\n")
		}
		answers = answers[1:]
	})
	d := &Dialer{Upstream: &url.URL{Scheme: "http", Host: address}}
	c, err := d.Dial(t.Context(), "tcp", target)
	if err != nil {
		t.Fatalf("the second of two answers: %v", err)
	}
	_ = c.Close()
	if _, err := d.Dial(t.Context(), "tcp", target); !errors.Is(err, errProxyDown) || !d.proxyDown.Load() {
		t.Errorf("after three ends without an answer: %v", err)
	}
	if err := d.UpstreamDown(t.Context()); err != nil {
		t.Errorf("it takes connections again: %v", err)
	}
	_, err = d.Dial(t.Context(), "tcp", target)
	if errors.Is(err, errProxyDown) || !strings.Contains(err.Error(), "502 Bad Gateway (gateway; error=connection_refused)") {
		t.Errorf("a site that is not there: %v", err)
	}
	gone := &Dialer{Upstream: &url.URL{Scheme: "http", Host: "127.0.0.1:9"}}
	if err := gone.UpstreamDown(t.Context()); err != nil {
		t.Errorf("it was never needed: %v", err)
	}
	if _, err := gone.Dial(t.Context(), "tcp", target); err == nil {
		t.Error("there is a proxy at port 9")
	}
	if err := gone.UpstreamDown(t.Context()); err == nil || !strings.Contains(err.Error(), "127.0.0.1:9") {
		t.Errorf("nothing listens: %v", err)
	}
	if err := (&Dialer{}).UpstreamDown(t.Context()); err != nil {
		t.Errorf("without a proxy: %v", err)
	}
}

// FuzzProxyStatus: what a proxy says of itself becomes one short line.
func FuzzProxyStatus(f *testing.F) {
	f.Add("gateway; error=connection_refused")
	f.Add("a\x00\n\u00e9")
	f.Add(strings.Repeat("x", 1000))
	f.Fuzz(func(t *testing.T, says string) {
		got := proxyStatus(http.Header{"Proxy-Status": {says}})
		if len(got) > maxProxyStatus+3 || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q", got)
		}
	})
}
