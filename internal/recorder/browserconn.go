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
)

// browserConn is a connection from the browser. Its requests are served one
// after another.
type browserConn struct {
	session *Session
	raw     *net.TCPConn
	conn    net.Conn // the socket, or TLS over it
	br      *bufio.Reader
	bw      *bufio.Writer
	// tunnel is where a CONNECT led to, nil before one.
	tunnel *origin
}

func newBrowserConn(s *Session, c net.Conn) *browserConn {
	b := &browserConn{session: s, conn: c}
	b.raw, _ = c.(*net.TCPConn) // what a TCP listener accepts
	b.br = bufio.NewReaderSize(c, browserReadBuffer)
	b.bw = bufio.NewWriterSize(c, browserWriteBuffer)
	return b
}

// kill closes the connection under whoever uses it.
func (b *browserConn) kill() { _ = b.raw.Close() }

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
			again = b.connect(req)
		} else {
			again = b.request(req)
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

// connect opens a tunnel and starts TLS in it. The origin is not asked yet: a
// browser opens tunnels in stock, and what goes wrong is better told in answer
// to a request.
func (b *browserConn) connect(req *request) bool {
	to, err := parseAuthority(req.target)
	if err != nil {
		b.badRequest()
		return false
	}
	if !b.session.pageOpen() {
		b.session.refuse(req.method, to.host, refusedOutside)
		b.answer(refusedReason, true)
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
	secure := tls.Server(&tunnelConn{Conn: b.conn, br: b.br, host: to.host}, b.session.rec.tls)
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
			b.session.rec.opts.Logger.Debug("browser broke off the handshake", "host", to.host, "error", err)
		}
		return false
	}
	b.conn = secure
	b.br = bufio.NewReaderSize(secure, browserReadBuffer)
	b.bw.Reset(secure)
	return true
}

// tunnelConn reads what was read too much before the rest.
type tunnelConn struct {
	net.Conn
	br   *bufio.Reader
	host string
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
func (b *browserConn) request(req *request) bool {
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
		return b.refuse(req, to, refusedNoFrame)
	}
	e := b.session.admit(b, req, to, target)
	if e == nil {
		return b.refuse(req, to, refusedOutside)
	}
	return e.run()
}

// refusedReason is what the header says to requests that are no exchanges.
const refusedReason = "Refused"

// refuse answers a request that belongs to no page.
func (b *browserConn) refuse(req *request, to origin, why string) bool {
	b.session.refuse(req.method, to.host, why)
	b.answer(refusedReason, true)
	if req.hasBody() {
		b.linger()
	}
	return false
}

// linger reads for a while what nobody wants.
func (b *browserConn) linger() {
	_ = b.raw.SetReadDeadline(time.Now().Add(lingering))
	_, _ = io.CopyN(io.Discard, b.br, 1<<20)
}

// answer answers in the origin's place.
func (b *browserConn) answer(reason string, last bool) bool {
	text := "HTTP/1.1 502 Bad Gateway\r\n" + ReasonHeader + ": " + reason + "\r\nCache-Control: no-store\r\nContent-Length: 0\r\n"
	if last {
		text += "Connection: close\r\n"
	}
	_, _ = b.bw.WriteString(text + "\r\n")
	return b.bw.Flush() == nil && !last
}
