package sites

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// An Entry is one request as the server saw it.
type Entry struct {
	// Seq numbers requests in the order in which they began, from 1.
	Seq int64 `json:"seq"`
	// Start is when the handler was called; the head of the request had been read by then.
	Start time.Time `json:"start"`
	// End is when the last byte of the answer had been handed to the network. It is zero while the answer is still going on.
	End time.Time `json:"end,omitzero"`
	// Method is the request's method.
	Method string `json:"method"`
	// Scheme is http or https.
	Scheme string `json:"scheme"`
	// Host is the Host header (or :authority) with its port, in lower case.
	Host string `json:"host"`
	// Path is the request target as it was sent: path and query, not decoded.
	Path string `json:"path"`
	// Proto is the protocol version, such as HTTP/1.1 or HTTP/2.0.
	Proto string `json:"proto"`
	// Status is the status code sent; 0 if the connection was closed, or is open still, without one.
	Status int `json:"status"`
	// Type is the Content-Type sent.
	Type string `json:"type,omitempty"`
	// Bytes counts the bytes of the body sent: with its content encoding, without chunked framing.
	// For a connection that was taken over (a WebSocket, a reset) it counts every raw byte sent.
	Bytes int64 `json:"bytes"`
	// SHA256 is the hex SHA-256 of exactly those bytes.
	SHA256 string `json:"sha256,omitempty"`
	// RequestBytes and RequestSHA256 tell the same of the body of the request, as far as the handler read it.
	RequestBytes  int64  `json:"requestBytes,omitempty"`
	RequestSHA256 string `json:"requestSHA256,omitempty"`
	// UserAgent and Referer are the headers of these names.
	UserAgent string `json:"userAgent,omitempty"`
	Referer   string `json:"referer,omitempty"`
	// Navigate says that a browser asked for this as a document of its own and not as part of a page
	// (Sec-Fetch-Mode: navigate or, where a plain-http origin gets no such header, Upgrade-Insecure-Requests: 1).
	// Frames navigate too: Dest tells them apart where the browser says it.
	Navigate bool `json:"navigate,omitempty"`
	// Dest is Sec-Fetch-Dest: document, iframe, image, script, empty …
	Dest string `json:"dest,omitempty"`
	// Remote is the address and port of the client.
	Remote string `json:"remote"`
	// InFlight is the number of requests to this Host that were open when this one began, itself included.
	InFlight int `json:"inFlight"`
	// Aborted says that the client went away, or the handler broke off, before the answer was complete.
	Aborted bool `json:"aborted,omitempty"`
	// Hijacked says that the handler took over the raw connection.
	Hijacked bool `json:"hijacked,omitempty"`
}

// Open reports whether the answer was still going on when the entry was read.
func (e Entry) Open() bool { return e.End.IsZero() }

// A Log is an account of requests, safe for concurrent use. Its zero value is ready.
type Log struct {
	// Now tells the time; time.Now if nil.
	Now func() time.Time

	mu       sync.Mutex
	seq      int64
	entries  []*Entry
	inFlight map[string]int
	sink     io.Writer
	sinkErr  error
}

// Tee makes the log write each entry to w too, as one line of JSON, when its answer has ended. Entries
// that ended before are not written. It holds back the first error of w for [Log.Err].
func (l *Log) Tee(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sink = w
}

// Err returns the first error met while writing to the writer given to [Log.Tee].
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sinkErr
}

// Entries returns copies of the entries that f selects, in the order in which they began.
func (l *Log) Entries(f Filter) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Entry
	for _, e := range l.entries {
		if f.match(e) {
			out = append(out, *e)
		}
	}
	return out
}

// Reset forgets every entry whose answer has ended. Those still open are kept: they belong to what comes next
// as well, and tests of endless answers look for them.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var open []*Entry
	for _, e := range l.entries {
		if e.Open() {
			open = append(open, e)
		}
	}
	l.entries = open
}

func (l *Log) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

func (l *Log) begin(r *http.Request) *Entry {
	e := &Entry{
		Start:     l.now(),
		Method:    r.Method,
		Scheme:    "http",
		Host:      strings.ToLower(r.Host),
		Path:      r.RequestURI,
		Proto:     r.Proto,
		UserAgent: r.UserAgent(),
		Referer:   r.Referer(),
		Dest:      r.Header.Get("Sec-Fetch-Dest"),
		Remote:    r.RemoteAddr,
	}
	if r.TLS != nil {
		e.Scheme = "https"
	}
	mode := r.Header.Get("Sec-Fetch-Mode")
	e.Navigate = mode == "navigate" || mode == "" && r.Header.Get("Upgrade-Insecure-Requests") == "1"

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inFlight == nil {
		l.inFlight = map[string]int{}
	}
	l.inFlight[e.Host]++
	e.InFlight = l.inFlight[e.Host]
	l.seq++
	e.Seq = l.seq
	l.entries = append(l.entries, e)
	return e
}

func (l *Log) end(e *Entry, w *recorder, body *countingBody, aborted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.End = l.now()
	e.Status = w.status
	e.Type = w.Header().Get("Content-Type")
	e.Bytes, e.SHA256 = w.sent.result()
	e.RequestBytes, e.RequestSHA256 = body.read.result()
	e.Aborted = aborted || w.failed
	e.Hijacked = w.hijacked
	l.inFlight[e.Host]--
	if l.inFlight[e.Host] == 0 {
		delete(l.inFlight, e.Host)
	}
	if l.sink == nil {
		return
	}
	if err := json.NewEncoder(l.sink).Encode(e); err != nil && l.sinkErr == nil {
		l.sinkErr = fmt.Errorf("write the request log: %w", err)
	}
}

// Wrap returns a handler that answers as h does and logs every request.
func (l *Log) Wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		e := l.begin(r)
		w := &recorder{ResponseWriter: rw, head: r.Method == http.MethodHead}
		body := &countingBody{ReadCloser: r.Body}
		r.Body = body
		done := false
		defer func() {
			// A panic (http.ErrAbortHandler breaks a connection off on purpose) passes through.
			l.end(e, w, body, !done || r.Context().Err() != nil)
		}()
		h.ServeHTTP(w, r)
		if w.status == 0 && !w.hijacked {
			w.status = http.StatusOK
		}
		done = true
	})
}

// tally counts and hashes bytes. A hijacked connection is written to from other goroutines, hence the lock.
type tally struct {
	mu  sync.Mutex
	n   int64
	sum hash.Hash
}

func (t *tally) add(p []byte) {
	if len(p) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sum == nil {
		t.sum = sha256.New()
	}
	t.n += int64(len(p))
	t.sum.Write(p)
}

func (t *tally) result() (int64, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sum == nil {
		return 0, ""
	}
	return t.n, hex.EncodeToString(t.sum.Sum(nil))
}

// recorder is a ResponseWriter that counts and hashes what passes.
type recorder struct {
	http.ResponseWriter
	sent     tally
	status   int
	head     bool
	failed   bool
	hijacked bool
}

func (w *recorder) WriteHeader(status int) {
	// 1xx answers are interim, but 101 is final.
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	if !w.head {
		w.sent.add(p[:n])
	}
	if err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		w.failed = true
	}
	return n, err
}

// Unwrap lets http.ResponseController reach the methods that recorder does not have.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher for handlers that assert it.
func (w *recorder) Flush() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	// A writer that cannot flush sends its bytes later; nothing is lost by it.
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements http.Hijacker; what is written to the connection afterwards is counted too.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.hijacked = true
	counted := &countingConn{Conn: conn, sent: &w.sent}
	return counted, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(counted)), nil
}

type countingConn struct {
	net.Conn
	sent *tally
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent.add(p[:n])
	return n, err
}

// NetConn returns the connection underneath, as tls.Conn's method of this name does.
func (c *countingConn) NetConn() net.Conn { return c.Conn }

type countingBody struct {
	io.ReadCloser
	read tally
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.add(p[:n])
	return n, err
}
