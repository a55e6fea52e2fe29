package recorder

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

const (
	browserReadBuffer  = 8 << 10
	browserWriteBuffer = 16 << 10
	// lingering is how long the rest of a refused request is read, so that the
	// answer is not lost to a reset.
	lingering = 2 * time.Second
	// arrivalWait is how long the browser's handshake waits for the origin's.
	arrivalWait = 8 * time.Second
)

// browserConn is a connection from the browser. Its requests are served one
// after another, unless it is a tunnel in which the browser speaks HTTP/2.
type browserConn struct {
	session *Session
	raw     *net.TCPConn
	conn    net.Conn  // the socket, or TLS over it
	secure  *tls.Conn // the latter
	br      *bufio.Reader
	bw      *bufio.Writer
	// tunnel is where a CONNECT led to, nil before one.
	tunnel *origin
	// arrival is the connection to that origin that was asked for its protocol, nil
	// when it was known; see expect.
	arrival *arrival
	// chunks is true while an answer goes out in chunks.
	chunks bool
}

func newBrowserConn(s *Session, c net.Conn) *browserConn {
	b := &browserConn{session: s, conn: c}
	b.raw, _ = c.(*net.TCPConn) // what a TCP listener accepts
	b.br = bufio.NewReaderSize(c, browserReadBuffer)
	b.bw = bufio.NewWriterSize(c, browserWriteBuffer)
	return b
}

func (b *browserConn) serve() {
	defer b.kill()
	defer func() { _ = b.conn.Close() }() // of TLS, with a close_notify
	for {
		head, err := b.readRequest()
		if err != nil {
			return
		}
		req, err := parseRequest(head)
		if err != nil {
			b.badRequest()
			return
		}
		again := false
		if req.method == "CONNECT" && b.tunnel == nil {
			again = b.connect(req) && !b.speaksH2()
		} else {
			again = b.request(b, req)
		}
		if !again {
			return
		}
	}
}

// readRequest reads a head. Empty lines before it are passed over (RFC 9112
// section 2.2).
func (b *browserConn) readRequest() ([]byte, error) {
	for range 4 {
		first, err := b.br.Peek(1)
		if err != nil {
			return nil, err
		}
		if first[0] != '\r' && first[0] != '\n' {
			break
		}
		if _, err := b.br.Discard(1); err != nil {
			return nil, err
		}
	}
	return readHead(b.br)
}

func (b *browserConn) badRequest() {
	_, _ = io.WriteString(b.conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

// connect opens a tunnel and starts TLS in it, or passes it through in an opaque session.
// What goes wrong with the origin is better told in answer to a request.
func (b *browserConn) connect(req *request) bool {
	to, err := parseAuthority(req.target)
	if err != nil {
		b.badRequest()
		return false
	}
	page := b.session.current()
	if page == nil {
		b.session.refuse(req.method, to.host, refusedOutside)
		b.answer(refusedReason, true, false)
		return false
	}
	if _, err := io.WriteString(b.conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return false
	}
	first, err := b.br.Peek(1)
	if err != nil {
		return false
	}
	b.tunnel = &to
	const handshakeRecord = 0x16 // RFC 8446 section 5.1
	if first[0] != handshakeRecord {
		to.scheme = "http" // a WebSocket without TLS comes this way
		return true
	}
	to.scheme = "https"
	if b.session.opaque {
		b.passThrough(to)
		return false
	}
	secure := tls.Server(&tunnelConn{Conn: b.conn, br: b.br, host: to.host, h2: func(ctx context.Context) bool {
		return b.originSpeaksH2(ctx, page)
	}}, b.session.rec.tls)
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
			b.session.rec.opts.Logger.Debug("browser broke off the handshake", "host", to.host, "error", err)
		}
		return false
	}
	b.conn, b.secure = secure, secure
	b.br = bufio.NewReaderSize(secure, browserReadBuffer)
	b.bw.Reset(secure)
	return true
}

// originSpeaksH2 decides whether the browser is offered HTTP/2: where the origin
// speaks it, so that what the browser sends is what it would have sent there. An
// origin that is not known yet is connected to, as the browser itself would for a
// tunnel; what goes wrong is told in answer to the tunnel's requests.
func (b *browserConn) originSpeaksH2(ctx context.Context, p *page) bool {
	pool := b.session.pool
	if h2, known := pool.speaks(*b.tunnel); known {
		return h2
	}
	if !p.reaches(b.tunnel.host) {
		return false // nothing is asked of it, and it is not connected to
	}
	b.arrival = pool.expect(p.ctx, *b.tunnel, p.AcceptBadCertificates)
	ctx, cancel := context.WithTimeout(ctx, arrivalWait)
	defer cancel()
	select {
	case <-b.arrival.done:
	case <-ctx.Done():
	}
	h2, _ := pool.speaks(*b.tunnel)
	return h2
}

// speaksH2 serves the tunnel when HTTP/2 was agreed on, and reports whether it
// was.
func (b *browserConn) speaksH2() bool {
	if b.secure == nil || b.secure.ConnectionState().NegotiatedProtocol != "h2" {
		return false
	}
	b.serveH2()
	return true
}

// tunnelConn reads what was read too much before the rest.
type tunnelConn struct {
	net.Conn
	br   *bufio.Reader
	host string
	// h2 reports whether the origin speaks HTTP/2.
	h2 func(context.Context) bool
}

func (c *tunnelConn) Read(p []byte) (int, error) {
	if c.br != nil {
		if c.br.Buffered() > 0 {
			return c.br.Read(p)
		}
		c.br = nil
	}
	return c.Conn.Read(p)
}

// request serves a request and reports whether another may follow.
func (b *browserConn) request(a asker, req *request) bool {
	var to origin
	target := req.target
	if b.tunnel != nil {
		to = *b.tunnel
		if target[0] != '/' && target != "*" {
			b.badRequest()
			return false
		}
	} else {
		var err error
		if to, target, err = parseAbsolute(target); err != nil {
			b.badRequest()
			return false
		}
	}
	if req.noFrame() {
		return b.refuse(a, req, to, refusedNoFrame)
	}
	e := b.session.admit(a, req, to, target)
	if e == nil {
		return b.refuse(a, req, to, refusedOutside)
	}
	e.arrival = b.arrival
	return e.run()
}

// refusedReason is what the header says to requests that are no exchanges.
const refusedReason = "Refused"

// refuse answers a request that belongs to no page.
func (b *browserConn) refuse(a asker, req *request, to origin, why string) bool {
	b.session.refuse(req.method, to.host, why)
	a.answer(refusedReason, true, req.hasBody())
	return false
}
