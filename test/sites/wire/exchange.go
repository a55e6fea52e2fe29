package wire

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"
)

// A Handler answers one request. What it does not say itself is not said: an answer without a length ends with
// [Exchange.Close].
type Handler func(x *Exchange)

// An Exchange is a request that is being answered.
type Exchange struct {
	Seen
	// Header is the request's header.
	Header http.Header
	// Stop is closed when the server is.
	Stop <-chan struct{}

	server  *Server
	conn    net.Conn
	br      *bufio.Reader
	h2      http.ResponseWriter // nil in HTTP/1.1
	request io.Reader
	sent    hash.Hash // of the request's body
	body    hash.Hash // of the answer's
	chunked bool
	closed  bool
	place   int // in the server's account
	err     error
}

// Seen is what went over the wire for one request.
type Seen struct {
	// Scheme, Host (with its port), Method and Target (path and query) are the request's.
	Scheme, Host, Method, Target string
	// Protocol is "http/1.1" or "h2".
	Protocol string
	// RequestHead is the request's head as it came, nil in HTTP/2; RequestBody is its body, without transfer coding.
	RequestHead []byte
	RequestBody Sum
	// RequestFields and ResponseFields are the heads of HTTP/2 in the order of the wire, nil in HTTP/1.1. There are none
	// of an answer that was broken off before its head was sent.
	RequestFields, ResponseFields []Field
	// ResponseHead is the head of the final answer as it was sent, nil in HTTP/2 and when none was; Status is its
	// status.
	ResponseHead []byte
	Status       int
	// Answered is when it was sent.
	Answered time.Time
	// ResponseBody is the answer's body, without transfer coding.
	ResponseBody Sum
	// Ended is set when the answer has come to its end: before that, nothing is said about the bodies.
	Ended bool
	// Broken is set when the answer was broken off on purpose.
	Broken bool
	// Connection counts the connections from 1.
	Connection int
	// At is when the request's head had come.
	At time.Time

	heads  *heads // of HTTP/2
	stream *stream
	begun  *beginning
}

// Sum is the size and the digest of a body.
type Sum struct {
	Size int64
	// SHA256 is in hex, also of nothing.
	SHA256 string
}

// MaxBeginning is how much of a body is kept.
const MaxBeginning = 4 << 20

// beginning is what has been sent of a body so far, up to MaxBeginning.
type beginning struct {
	mu   sync.Mutex
	body []byte
}

func (b *beginning) write(p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.body = append(b.body, p[:min(len(p), MaxBeginning-len(b.body))]...)
}

// Beginning is the beginning of the answer's body, up to MaxBeginning: what has been sent so far, also before the end.
func (s Seen) Beginning() []byte {
	s.begun.mu.Lock()
	defer s.begun.mu.Unlock()
	return s.begun.body
}

// URL is the address that was asked for.
func (s Seen) URL() string { return s.Scheme + "://" + s.Host + s.Target }

// Path is the address without scheme, host and query.
func (s Seen) Path() string {
	path, _, _ := strings.Cut(s.Target, "?")
	return path
}

// Send writes bytes that are neither head nor body to the log's knowledge: an interim answer, a frame, rubbish.
func (x *Exchange) Send(text string) {
	if x.err == nil {
		_, x.err = io.WriteString(x.conn, text)
	}
}

// Interim sends the head of an interim answer, such as "103 Early Hints".
func (x *Exchange) Interim(status string, fields ...string) {
	if x.h2 == nil {
		x.Send("HTTP/1.1 " + strings.Join(append([]string{status}, fields...), "\r\n") + "\r\n\r\n")
		return
	}
	code := 0
	_, _ = fmt.Sscan(status, &code)
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		x.h2.Header().Add(name, value)
	}
	x.h2.WriteHeader(code)
	clear(x.h2.Header()) // they would be fields of the final answer, too
}

// Retire says with this answer that the connection takes no further requests: with a GOAWAY frame in HTTP/2. It is called before the head is sent.
func (x *Exchange) Retire() {
	if x.h2 != nil {
		x.h2.Header().Set("Connection", "close") // net/http makes the frame of it
	}
	x.closed = true
}

// Push tries to push an answer that was not asked for (RFC 9113 section 8.4).
func (x *Exchange) Push(target string) error {
	p, ok := x.h2.(http.Pusher)
	if !ok {
		return http.ErrNotSupported
	}
	return p.Push(target, nil)
}

// Head sends the answer's head: the status line and the fields, a line each, without line breaks.
func (x *Exchange) Head(status string, fields ...string) {
	x.RawHead("HTTP/1.1 " + strings.Join(append([]string{status}, fields...), "\r\n") + "\r\n\r\n")
}

// RawHead sends the answer's head as it is given.
func (x *Exchange) RawHead(text string) {
	line, fields, _ := strings.Cut(text, "\n")
	_, _ = fmt.Sscanf(line, "HTTP/1.%d %d", new(int), &x.Status) // a head that is none has no status
	x.Answered = time.Now()
	x.chunked = strings.Contains(strings.ToLower(fields), "transfer-encoding: chunked")
	defer x.server.update(x)
	if x.h2 != nil {
		for field := range strings.SplitSeq(strings.TrimSpace(fields), "\r\n") {
			if name, value, ok := strings.Cut(field, ": "); ok && name != "Connection" && name != "Transfer-Encoding" {
				x.h2.Header().Add(name, value)
			}
		}
		x.h2.WriteHeader(x.Status)
		return
	}
	x.ResponseHead = []byte(text)
	x.Send(text)
}

// Write sends a part of the body, in a chunk when the head has said so.
func (x *Exchange) Write(p []byte) (int, error) {
	if x.err != nil || len(p) == 0 {
		return 0, x.err
	}
	x.body.Write(p)
	x.begun.write(p)
	x.ResponseBody.Size += int64(len(p))
	switch {
	case x.h2 != nil:
		if _, x.err = x.h2.Write(p); x.err == nil {
			x.err = http.NewResponseController(x.h2).Flush()
		}
	case x.chunked:
		_, x.err = fmt.Fprintf(x.conn, "%x\r\n%s\r\n", len(p), p)
	default:
		_, x.err = x.conn.Write(p)
	}
	return len(p), x.err
}

// Body sends a part of the body.
func (x *Exchange) Body(text string) { _, _ = x.Write([]byte(text)) }

// End ends a chunked body, with trailer fields if there are any.
func (x *Exchange) End(trailer ...string) {
	if x.h2 == nil && x.chunked {
		x.Send(strings.Join(append([]string{"0"}, trailer...), "\r\n") + "\r\n\r\n")
	}
}

// Answer sends a whole answer with its length.
func (x *Exchange) Answer(status, mime, body string, fields ...string) {
	all := append([]string{"Content-Type: " + mime, fmt.Sprintf("Content-Length: %d", len(body))}, fields...)
	x.Head(status, all...)
	if x.Method != http.MethodHead {
		x.Body(body)
	}
}

// Close ends the connection after this answer, which is the end of a body without a length.
func (x *Exchange) Close() { x.closed = true }

// Break breaks the answer off, with a reset if asked for.
func (x *Exchange) Break(reset bool) {
	x.closed, x.Broken = true, true
	if x.h2 != nil {
		panic(http.ErrAbortHandler) // resets the stream
	}
	if tcp, ok := underlying(x.conn).(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0) // the close is what matters
		_ = tcp.Close()
	}
	_ = x.conn.Close()
}

func underlying(c net.Conn) net.Conn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return c
}

// ReadBody returns the request's body.
func (x *Exchange) ReadBody() []byte {
	b, err := io.ReadAll(x.request)
	x.err = errors.Join(x.err, err)
	return b
}

// Take hands the connection over: what goes on is no longer HTTP. Nothing else may be called afterwards.
func (x *Exchange) Take() (net.Conn, *bufio.Reader) {
	x.closed = true
	return x.conn, x.br
}

// Sleep waits, and reports whether the server goes on.
func (x *Exchange) Sleep(d time.Duration) bool {
	select {
	case <-time.After(d):
		return x.err == nil
	case <-x.Stop:
		return false
	}
}

// Abandon waits until the client closes the connection (of HTTP/1.1), and sends nothing: what a site sees of a request
// that the browser gives up.
func (x *Exchange) Abandon() {
	_, _ = io.Copy(io.Discard, x.br) // that it ends is what matters
	x.Break(false)
}

// newExchange reads the next request of a connection, up to its body.
func newExchange(conn net.Conn, br *bufio.Reader) (*Exchange, error) {
	var head []byte
	for {
		line, err := br.ReadBytes('\n')
		head = append(head, line...)
		if err != nil {
			return nil, err
		}
		if len(head) > len(line) && len(strings.TrimRight(string(line), "\r\n")) == 0 {
			break
		}
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(head))))
	if err != nil {
		return nil, fmt.Errorf("a request that is none: %w", err)
	}
	x := &Exchange{conn: conn, br: br, Header: r.Header}
	x.begin(r)
	x.RequestHead = head
	switch {
	case len(r.TransferEncoding) > 0:
		x.request = httputil.NewChunkedReader(br)
	case r.ContentLength > 0:
		x.request = io.LimitReader(br, r.ContentLength)
	default:
		x.request = strings.NewReader("")
	}
	x.request = io.TeeReader(x.request, x.sent)
	return x, nil
}

func (x *Exchange) begin(r *http.Request) {
	x.Seen = Seen{Host: r.Host, Method: r.Method, Target: r.RequestURI, Protocol: "http/1.1", At: time.Now(), begun: new(beginning)}
	x.sent, x.body = sha256.New(), sha256.New()
}

// finish reads what is left of the request and closes the account.
func (x *Exchange) finish() {
	if !x.Broken {
		_, err := io.Copy(io.Discard, x.request)
		x.err = errors.Join(x.err, err)
	}
	x.Ended = true
	x.RequestBody.SHA256 = hex.EncodeToString(x.sent.Sum(nil))
	x.ResponseBody.SHA256 = hex.EncodeToString(x.body.Sum(nil))
}
