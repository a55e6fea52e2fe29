package netguard

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/proxy"
)

// maxProxyHead bounds what a proxy may answer to a CONNECT.
const maxProxyHead = 64 << 10

// dialUpstream connects through the upstream proxy. The proxy is the operator's
// choice and its own address is not checked.
func (d *Dialer) dialUpstream(ctx context.Context, network string, t target) (*Conn, error) {
	host, err := proxyAddress(d.Upstream)
	if err != nil {
		return nil, &ConnectError{Address: t.String(), Err: err}
	}
	if d.Upstream.Scheme == "socks5h" {
		return d.dialByName(ctx, t, host)
	}
	candidates, answer, err := d.lookup(ctx, t)
	if err != nil {
		return nil, err
	}
	candidates, err = ofFamily(network, candidates)
	if err != nil {
		return nil, &ConnectError{Address: t.String(), Err: err}
	}
	c, remote, err := race(ctx, candidates, func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		return d.throughProxy(ctx, host, to.String())
	})
	if err != nil {
		return nil, &ConnectError{Address: t.String(), Err: err}
	}
	return &Conn{Conn: c, Remote: remote, Answer: answer, Proxy: host}, nil
}

// dialByName lets the proxy resolve the name.
func (d *Dialer) dialByName(ctx context.Context, t target, host string) (*Conn, error) {
	to, ok, err := d.override(t)
	if err != nil {
		return nil, err
	}
	if !ok && t.addr.IsValid() {
		to, ok = netip.AddrPortFrom(t.addr.Unmap(), t.port), true
	}
	if ok {
		if why := Check(to.Addr(), d.Allow); why != "" {
			return nil, &BlockedError{Host: t.host, Addr: to.Addr(), Why: why}
		}
		c, err := d.throughProxy(ctx, host, to.String())
		if err != nil {
			return nil, &ConnectError{Address: t.String(), Err: err}
		}
		return &Conn{Conn: c, Remote: to, Proxy: host}, nil
	}
	if localName(t.host) {
		return nil, &BlockedError{Host: t.host, Why: "a private network's name"}
	}
	c, err := d.throughProxy(ctx, host, t.String())
	if err != nil {
		return nil, &ConnectError{Address: t.String(), Err: err}
	}
	return &Conn{Conn: c, Proxy: host}, nil
}

func (t target) String() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// What is wrong with the proxy is so for every address of the target.
var (
	errProxyDown        = errors.New("the proxy cannot be reached")
	errProxyCertificate = errors.New("the proxy's certificate does not verify")
	errProxyPassword    = errors.New("the proxy wants a user name and a password, or others")
)

// ofProxy tells whether it is the proxy that an error is about.
func ofProxy(err error) bool {
	return errors.Is(err, errProxyDown) || errors.Is(err, errProxyCertificate) || errors.Is(err, errProxyPassword)
}

func proxyAddress(u *url.URL) (string, error) {
	port := map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	if port == "" || u.Hostname() == "" {
		return "", fmt.Errorf("the upstream proxy %q is not an http, https, socks5 or socks5h URL", u.Redacted())
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// How often a proxy is tried that is not there, after what time for the first time, and how long it
// may take to take a connection. One of several behind a name may just have ended.
const (
	proxyTries   = 3
	proxyPause   = 200 * time.Millisecond
	proxyConnect = 5 * time.Second
)

// UpstreamDown says why the proxy cannot be reached, as it was when it was needed last and still is;
// nil when it can be, or when there is none. It is not the fault of a site then that it does not come.
func (d *Dialer) UpstreamDown(ctx context.Context) error {
	if !d.proxyDown.Load() {
		return nil
	}
	host, err := proxyAddress(d.Upstream)
	if err != nil {
		return err
	}
	c, err := reachProxy(ctx, host)
	if err != nil {
		return err
	}
	d.proxyDown.Store(false)
	return c.Close()
}

// reachProxy opens a connection to the proxy itself.
func reachProxy(ctx context.Context, host string) (net.Conn, error) {
	nd := net.Dialer{Timeout: proxyConnect}
	c, err := nd.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w: %w", host, errProxyDown, err)
	}
	return c, nil
}

// throughProxy has the proxy connect to the target.
func (d *Dialer) throughProxy(ctx context.Context, host, target string) (net.Conn, error) {
	pause := proxyPause
	for try := 1; ; try++ {
		c, err := d.askProxy(ctx, host, target)
		down := errors.Is(err, errProxyDown)
		if ctx.Err() == nil {
			d.proxyDown.Store(down)
		}
		if !down || try == proxyTries || !wait(ctx, pause) {
			return c, err
		}
		pause *= 2
	}
}

// wait lets time pass, and reports whether nothing ended it.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// askProxy opens a connection to the proxy and asks it for the target.
func (d *Dialer) askProxy(ctx context.Context, host, target string) (net.Conn, error) {
	raw, err := reachProxy(ctx, host)
	if err != nil {
		return nil, err
	}
	// The deadline that ends a slow handshake also serves the cancelled one.
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	c := raw
	switch d.Upstream.Scheme {
	case "socks5", "socks5h":
		err = socks(ctx, c, d.Upstream, target)
	case "https":
		if c, err = d.secureProxy(ctx, raw); err == nil {
			c, err = connectMethod(c, d.Upstream, target)
		}
	default:
		c, err = connectMethod(c, d.Upstream, target)
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = c.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("proxy %s: %w", host, err)
	}
	return c, nil
}

// secureProxy starts TLS with the proxy itself.
func (d *Dialer) secureProxy(ctx context.Context, raw net.Conn) (net.Conn, error) {
	c := tls.Client(raw, &tls.Config{ServerName: d.Upstream.Hostname(), NextProtos: []string{"http/1.1"}, RootCAs: d.UpstreamRoots})
	err := c.HandshakeContext(ctx)
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) {
		return c, fmt.Errorf("%w: %w", errProxyCertificate, bad.Err)
	}
	if err != nil {
		return c, fmt.Errorf("TLS: %w", err)
	}
	return c, nil
}

// given hands an existing connection to x/net/proxy, which wants to dial.
type given struct{ net.Conn }

func (g given) Dial(_, _ string) (net.Conn, error) { return g.Conn, nil }

func (g given) DialContext(context.Context, string, string) (net.Conn, error) { return g.Conn, nil }

func socks(ctx context.Context, c net.Conn, u *url.URL, target string) error {
	var auth *proxy.Auth
	if u.User != nil {
		password, _ := u.User.Password()
		auth = &proxy.Auth{User: u.User.Username(), Password: password}
	}
	s, err := proxy.SOCKS5("tcp", c.RemoteAddr().String(), auth, given{c})
	if err != nil {
		return err
	}
	byContext, ok := s.(proxy.ContextDialer)
	if !ok {
		return errors.New("the SOCKS dialer takes no context")
	}
	_, err = byContext.DialContext(ctx, "tcp", target)
	return err
}

// connectMethod asks an HTTP proxy for a tunnel.
func connectMethod(c net.Conn, u *url.URL, target string) (net.Conn, error) {
	head := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n"
	if u.User != nil {
		password, _ := u.User.Password()
		head += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)) + "\r\n"
	}
	if _, err := io.WriteString(c, head+"\r\n"); ended(err) {
		return c, fmt.Errorf("%w: it ended the connection", errProxyDown)
	} else if err != nil {
		return c, err
	}
	limited := &io.LimitedReader{R: c, N: maxProxyHead}
	br := bufio.NewReader(limited)
	res, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect})
	if ended(err) { // it goes away: the site was not asked, or nothing of it has come
		return c, fmt.Errorf("%w: it ended the connection without an answer", errProxyDown)
	}
	if err != nil {
		return c, err
	}
	if res.StatusCode == http.StatusProxyAuthRequired {
		return c, fmt.Errorf("%w: it answered %s", errProxyPassword, res.Status)
	}
	if res.StatusCode != http.StatusOK {
		return c, fmt.Errorf("answered %s%s", res.Status, proxyStatus(res.Header))
	}
	if n := br.Buffered(); n > 0 {
		// The target spoke first, in the same packet.
		early, err := br.Peek(n)
		if err != nil {
			return c, err
		}
		return &earlyConn{Conn: c, early: early}, nil
	}
	return c, nil
}

func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// maxProxyStatus is how much is told of what a proxy says.
const maxProxyStatus = 200

// proxyStatus is what a proxy says of itself and of what went wrong (RFC 9209), in brackets.
func proxyStatus(h http.Header) string {
	says := strings.Join(h.Values("Proxy-Status"), ", ")
	if says == "" {
		return ""
	}
	says = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, says)
	return " (" + says[:min(len(says), maxProxyStatus)] + ")"
}

// earlyConn gives back what was read too much.
type earlyConn struct {
	net.Conn
	early []byte
}

func (c *earlyConn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}
