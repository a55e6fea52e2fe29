package capture

import (
	"bufio"
	stdtls "crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// An upstreamProxy leads to the site, whatever name it is asked for, when the password is right.
type upstreamProxy struct {
	address string

	mu    sync.Mutex
	asked []string // hosts and ports
	open  []net.Conn
}

const proxyPassword = "sesame"

// newProxy starts a proxy for CONNECT, or of SOCKS5 (RFC 1928, RFC 1929), that is asked over TLS when there is a config.
func newProxy(t testing.TB, config *stdtls.Config, serve func(p *upstreamProxy, c net.Conn) (target string)) *upstreamProxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		l = stdtls.NewListener(l, config)
	}
	p := &upstreamProxy{address: l.Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.keep(c)
			running.Go(func() {
				defer func() { _ = c.Close() }() // the other side notices
				if target := serve(p, c); target != "" {
					p.pass(c, target)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for _, c := range p.open {
			_ = c.Close()
		}
		p.mu.Unlock()
		running.Wait()
	})
	return p
}

func (p *upstreamProxy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = append(p.open, c)
}

// pass connects to the target's port on this machine and copies both ways.
func (p *upstreamProxy) pass(c net.Conn, target string) {
	p.mu.Lock()
	p.asked = append(p.asked, target)
	p.mu.Unlock()
	_, port, _ := net.SplitHostPort(target)
	to, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		return
	}
	p.keep(to)
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(to, c); _ = to.Close() })
	both.Go(func() { _, _ = io.Copy(c, to); _ = c.Close() })
	both.Wait()
}

func connectProxy(_ *upstreamProxy, c net.Conn) string {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return ""
	}
	if r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("user:"+proxyPassword)) {
		_, _ = io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
		return ""
	}
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	return r.Host
}

func socksProxy(_ *upstreamProxy, c net.Conn) string {
	read := func(n int) []byte {
		b := make([]byte, n)
		_, _ = io.ReadFull(c, b) // what is missing is zero, and no password
		return b
	}
	text := func() string { return string(read(int(read(1)[0]))) }
	read(int(read(2)[1]))
	_, _ = c.Write([]byte{5, 2}) // user name and password
	read(1)
	if user, password := text(), text(); user != "user" || password != proxyPassword {
		_, _ = c.Write([]byte{1, 1})
		return ""
	}
	_, _ = c.Write([]byte{1, 0})
	host := ""
	switch read(4)[3] {
	case 1:
		host = net.IP(read(4)).String()
	case 3:
		host = text()
	case 4:
		host = net.IP(read(16)).String()
	}
	port := binary.BigEndian.Uint16(read(2))
	_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	return net.JoinHostPort(host, fmt.Sprint(port))
}

// A proxyKind is a way to ask a proxy.
type proxyKind struct {
	name, scheme, from string
	serve              func(*upstreamProxy, net.Conn) string
	// asked is the host that the proxy hears of.
	asked string
}

func proxyKinds() []proxyKind {
	return []proxyKind{
		{"an HTTP proxy", "http", www, connectProxy, "127.0.0.1"},
		{"a SOCKS5 proxy", "socks5", tls, socksProxy, "127.0.0.1"},
		{"a SOCKS5 proxy that resolves", "socks5h", onion, socksProxy, hosts[onion]},
		{"an HTTP proxy over TLS", "https", tls, connectProxy, "127.0.0.1"},
	}
}

// through has a case go through a proxy of its own.
func (k proxyKind) through(password string, p **upstreamProxy) func(testing.TB, *setup) {
	return func(t testing.TB, o *setup) {
		var config *stdtls.Config
		if k.scheme == "https" {
			authority, issue := newAuthority(t)
			config = &stdtls.Config{Certificates: []stdtls.Certificate{issue(time.Now().Add(time.Hour), "127.0.0.1")}}
			o.recorder.Dialer.UpstreamRoots = poolOf(authority)
		}
		*p = newProxy(t, config, k.serve)
		o.recorder.Dialer.Upstream = &url.URL{Scheme: k.scheme, User: url.UserPassword("user", password), Host: (*p).address}
		if k.from == onion {
			o.recorder.Dialer.Resolve = nil
		}
	}
}

func poolOf(authority *x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	return pool
}

// socketsThroughProxies are those of group I behind an upstream proxy.
func socketsThroughProxies() []testCase {
	var list []testCase
	for _, k := range proxyKinds() {
		p := new(*upstreamProxy)
		c := testCase{name: "I WebSocket through " + k.name, from: k.from, setup: k.through(proxyPassword, p)}
		c.serve = routes{
			"": html(`<p id=p></p><script>const l = [], s = new WebSocket('ws' + location.href.slice(4) + 'socket');
				s.onmessage = e => { l.push(e.data); p.textContent = l.join(', '); s.send(l.length % 2 ? 'text ' + l.length : new Uint8Array([0, 255, l.length])) }</script>`),
			"socket": talk(nil, frame(0x81, "one"), frame(0x81, "two"), frame(0x81, "three")),
		}
		c.lines = "GET " + k.from + ": Document 200 record\nGET " + k.from + "(ws):socket WebSocket 101 record"
		c.check = both(textIs("one, two, three"), bothWays("socket"), func(t *testing.T, r *result) {
			t.Helper()
			for _, e := range r.page.Exchanges {
				if e.Conn == nil || e.Conn.Proxy != (*p).address {
					t.Errorf("%s: connection %+v", e.URL, e.Conn)
				}
			}
		})
		c.note = "ReplayWeb.page replays no sockets."
		list = append(list, c)
	}
	return list
}

// proxied are the cases of group J behind an upstream proxy.
func proxied() []testCase {
	var list []testCase
	for _, k := range proxyKinds() {
		p := new(*upstreamProxy)
		list = append(list, testCase{
			name: "J through " + k.name, from: k.from,
			serve: routes{"": html(`<p id=p></p><script>fetch('data').then(r => r.text()).then(t => { p.textContent = t })</script>`),
				"data": func(_ *site, x *wire.Exchange) { x.Answer("200 OK", mimeText, "through the proxy") }},
			setup: k.through(proxyPassword, p),
			lines: "GET " + k.from + ": Document 200 record\nGET " + k.from + ":data Fetch 200 record",
			text:  "through the proxy",
			check: func(t *testing.T, r *result) {
				for _, e := range r.page.Exchanges {
					if e.Conn == nil || e.Conn.Proxy != (*p).address {
						t.Errorf("%s: connection %+v", e.URL, e.Conn)
					}
				}
				(*p).mu.Lock()
				defer (*p).mu.Unlock()
				for _, target := range (*p).asked {
					if !strings.HasPrefix(target, k.asked+":") {
						t.Errorf("the proxy was asked for %s, want %s", target, k.asked)
					}
				}
			},
		}, testCase{
			name: "J " + k.name + " that lets nobody in", from: k.from,
			serve:   routes{"": html("never shown")},
			setup:   k.through("wrong", p),
			lines:   "GET " + k.from + ": Document not captured: there was no answer: ConnectFailed",
			outcome: "Failed: ConnectFailed",
		}, testCase{
			name: "J " + k.name + " that is down", from: k.from,
			serve: routes{"": html("never shown")},
			setup: func(_ testing.TB, o *setup) {
				o.recorder.Dialer.Upstream = &url.URL{Scheme: k.scheme, Host: "127.0.0.1:1"}
			},
			lines:   "GET " + k.from + ": Document not captured: there was no answer: ConnectFailed",
			outcome: "Failed: ConnectFailed",
		})
	}
	list[6].note = "An onion service (RFC 7686): the proxy is asked for the name, there is no address to record."
	overTLS := proxyKinds()[3]
	return append(list, testCase{
		name: "J an HTTP proxy over TLS of another authority", from: overTLS.from,
		serve: routes{"": html("never shown")},
		setup: func(t testing.TB, o *setup) {
			overTLS.through(proxyPassword, new(*upstreamProxy))(t, o)
			other, _ := newAuthority(t)
			o.recorder.Dialer.UpstreamRoots = poolOf(other)
		},
		lines:   "GET " + overTLS.from + ": Document not captured: there was no answer: ConnectFailed",
		outcome: "Failed: ConnectFailed",
		check: func(t *testing.T, r *result) {
			if !strings.Contains(r.page.Outcome.Detail, "the proxy's certificate does not verify") {
				t.Errorf("the page says %q", r.page.Outcome.Detail)
			}
		},
	})
}
