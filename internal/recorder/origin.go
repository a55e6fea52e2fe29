package recorder

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

const (
	handshakeTimeout = 15 * time.Second
	// maxIdle connections are kept for an origin, each for idleTime.
	maxIdle  = 8
	idleTime = 60 * time.Second
	// originBuffer is the size of the buffer for what an origin sends.
	originBuffer = 16 << 10
)

// failure is an error with its word.
type failure struct {
	reason string
	detail string
}

func (f *failure) Error() string { return f.reason + ": " + f.detail }

// originConn is a connection to an origin, or a stream of one that speaks
// HTTP/2. One exchange uses it at a time.
type originConn struct {
	to     origin
	raw    net.Conn  // the socket; nil of a stream
	out    io.Writer // the socket, or TLS over it, or the stream
	br     *bufio.Reader
	info   *Connection
	used   bool      // there has been a request
	first  bool      // this is the first one
	reused bool      // it was kept, and may have been closed meanwhile
	since  time.Time // idle since

	h2     *h2conn // nil of HTTP/1
	closed atomic.Bool
	mu     sync.Mutex
	stream *h2stream // nil before start
}

func (c *originConn) close() {
	if c.h2 == nil {
		_ = c.raw.Close()
		return
	}
	c.closed.Store(true)
	c.h2.wake()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != nil {
		c.stream.close(time.Now())
	}
}

// start opens the stream of a request, as soon as the origin allows another; end says that the head is all of it.
func (c *originConn) start(list []hpack.HeaderField, end bool) error {
	s, err := c.h2.open(list, end, c.closed.Load)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream, c.out, c.br = s, s, bufio.NewReaderSize(s, originBuffer)
	if c.closed.Load() {
		s.close(time.Now())
	}
	return nil
}

// readHead reads the next head of the answer.
func (c *originConn) readHead() ([]byte, error) {
	if c.h2 != nil {
		return c.stream.readHead()
	}
	return readHead(c.br)
}

// pool keeps a session's connections to origins.
type pool struct {
	rec *Recorder
	// sessions remembers TLS sessions, so that a second connection to an
	// origin needs no full handshake. Not shared between browser contexts.
	sessions tls.ClientSessionCache

	running sync.WaitGroup // connections being made for the pool

	mu       sync.Mutex
	idle     map[origin][]*originConn
	h2       map[origin][]*h2conn
	known    map[origin]bool // whether the origin speaks HTTP/2
	arrivals map[origin]*arrival
	closed   bool
}

// justMade is how long a connection that was not used is as good as new.
const justMade = time.Second

func newPool(rec *Recorder) *pool {
	return &pool{
		rec: rec, sessions: tls.NewLRUClientSessionCache(64), idle: make(map[origin][]*originConn), h2: make(map[origin][]*h2conn),
		known: make(map[origin]bool), arrivals: make(map[origin]*arrival),
	}
}

// demand is what an exchange wants of a connection.
type demand struct {
	websocket bool // which needs HTTP/1.1
	again     bool // the last one that was kept had been closed
	bad       bool // a certificate that does not verify will do
}

func (d demand) accepts(info *Connection) bool { return d.bad || info.badCertificate() == "" }

// take returns a connection that was kept, or a stream on one, nil when there
// is none. Of HTTP/1.1 a connection that is again of the same age is no better than
// the last.
func (p *pool) take(to origin, d demand) *originConn {
	now := p.rec.opts.Now()
	if !d.websocket {
		p.mu.Lock()
		i := slices.IndexFunc(p.h2[to], func(c *h2conn) bool { return c.usable() && d.accepts(c.info) })
		if i >= 0 {
			c := p.h2[to][i]
			p.mu.Unlock()
			return &originConn{to: to, h2: c, info: c.info, reused: c.used() || now.Sub(c.info.Opened) > justMade}
		}
		p.mu.Unlock()
	}
	for !d.again {
		p.mu.Lock()
		list := p.idle[to]
		if len(list) == 0 {
			p.mu.Unlock()
			return nil
		}
		c := list[len(list)-1]
		p.idle[to] = list[:len(list)-1]
		p.mu.Unlock()
		if now.Sub(c.since) < idleTime && quiet(c.raw) && d.accepts(c.info) {
			c.reused = c.used || now.Sub(c.since) > justMade
			return c
		}
		c.close()
	}
	return nil
}

// give keeps a connection for the next exchange.
func (p *pool) give(c *originConn) {
	if c.h2 != nil {
		c.close()
		return
	}
	c.since = p.rec.opts.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle[c.to]) >= maxIdle {
		c.close()
		return
	}
	p.idle[c.to] = append(p.idle[c.to], c)
}

// sweep closes what was not used for a while.
func (p *pool) sweep() {
	now := p.rec.opts.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for to, list := range p.idle {
		kept := list[:0]
		for _, c := range list {
			if now.Sub(c.since) < idleTime {
				kept = append(kept, c)
			} else {
				c.close()
			}
		}
		clear(list[len(kept):])
		if p.idle[to] = kept; len(kept) == 0 {
			delete(p.idle, to)
		}
	}
	for to, list := range p.h2 {
		p.h2[to] = slices.DeleteFunc(list, func(c *h2conn) bool {
			since, idle := c.idle(now)
			over := idle && (since > idleTime || !c.usable())
			if over {
				c.close()
			}
			return over
		})
	}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, list := range p.idle {
		for _, c := range list {
			c.close()
		}
	}
	clear(p.idle)
	for _, list := range p.h2 {
		for _, c := range list {
			c.close()
		}
	}
	clear(p.h2)
}

// wait waits for connections that are being made, when nobody wants them.
func (p *pool) wait() { p.running.Wait() }

// keep takes in a connection that speaks HTTP/2, for this exchange and others.
func (p *pool) keep(to origin, c *h2conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.close()
		return net.ErrClosed
	}
	p.h2[to] = append(p.h2[to], c)
	return nil
}

// dial makes a new connection. When TLS fails, the facts of the connection come with the error.
func (p *pool) dial(ctx context.Context, to origin, d demand) (*originConn, *Connection, error) {
	raw, info, err := p.rec.connect(ctx, to)
	if err != nil {
		return nil, nil, err
	}
	info.Protocol = "http/1.1"
	if to.scheme != "https" {
		return &originConn{to: to, raw: raw, out: raw, br: bufio.NewReaderSize(raw, originBuffer), info: info}, info, nil
	}
	secure, err := p.secure(ctx, raw, to.host, info, d.websocket)
	if err == nil && !d.accepts(info) {
		err = &failure{ReasonTLSFailed, "certificate: " + info.badCertificate()}
	}
	if err != nil {
		_ = raw.Close()
		return nil, info, err
	}
	if !d.websocket {
		p.learn(to, info.Protocol == "h2")
	}
	if info.Protocol != "h2" {
		return &originConn{to: to, raw: raw, out: secure, br: bufio.NewReaderSize(secure, originBuffer), info: info}, info, nil
	}
	c, err := newH2(raw, secure, info)
	if err == nil {
		err = p.keep(to, c)
	}
	if err != nil {
		_ = raw.Close()
		return nil, info, &failure{ReasonConnectionReset, err.Error()}
	}
	return &originConn{to: to, h2: c, info: info}, info, nil
}

// connect makes a connection to an origin that the guard allows. Its error is a *failure.
func (r *Recorder) connect(ctx context.Context, to origin) (net.Conn, *Connection, error) {
	guarded, err := r.opts.Dialer.Dial(ctx, "tcp", to.address())
	if err != nil {
		return nil, nil, &failure{netguard.Reason(err), err.Error()}
	}
	if r.own(guarded.Remote) {
		_ = guarded.Close()
		return nil, nil, &failure{ReasonAddressBlocked, "the recorder's own address"}
	}
	return guarded.Conn, &Connection{
		ID: r.connections.Add(1), Remote: guarded.Remote, Local: localOf(guarded.Conn), Proxy: guarded.Proxy,
		Opened: r.opts.Now(), DNS: guarded.Answer,
	}, nil
}

// localOf is this machine's end of a TCP connection.
func localOf(c net.Conn) netip.AddrPort {
	if a, ok := c.LocalAddr().(*net.TCPAddr); ok {
		p := a.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

// secure starts TLS. The chain is taken down before it is verified: one that
// does not verify is evidence too.
func (p *pool) secure(ctx context.Context, raw net.Conn, host string, info *Connection, websocket bool) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	protocols := []string{"h2", "http/1.1"}
	if websocket {
		protocols = protocols[1:]
	}
	conn := tls.Client(raw, &tls.Config{
		ServerName:         host,
		NextProtos:         protocols,
		MinVersion:         tls.VersionTLS12, // as Chrome
		ClientSessionCache: p.sessions,
		InsecureSkipVerify: true, // verified below
	})
	info.TLS = &TLS{ServerName: host}
	if net.ParseIP(host) != nil {
		info.TLS.ServerName = ""
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, &failure{ReasonTLSFailed, "handshake: " + err.Error()}
	}
	state := conn.ConnectionState()
	if state.NegotiatedProtocol != "" {
		info.Protocol = state.NegotiatedProtocol
	}
	info.TLS.Version = tls.VersionName(state.Version)
	info.TLS.CipherSuite = tls.CipherSuiteName(state.CipherSuite)
	info.TLS.Resumed = state.DidResume
	info.TLS.OCSP, info.TLS.SCTs = state.OCSPResponse, state.SignedCertificateTimestamps
	for _, c := range state.PeerCertificates {
		info.TLS.Chain = append(info.TLS.Chain, c.Raw)
	}
	if err := p.rec.verify(host, state.PeerCertificates); err != nil {
		info.TLS.VerifyError = err.Error()
	}
	return conn, nil
}

// verify checks a chain as a browser would (RFC 5280, RFC 9525).
func (r *Recorder) verify(host string, chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return fmt.Errorf("no certificate")
	}
	roots, err := r.roots()
	if err != nil {
		return err
	}
	opts := x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: r.opts.Now()}
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	_, err = chain[0].Verify(opts)
	return err
}
