package recorder

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

// Exchange is one request and what came of it.
type Exchange struct {
	// ID counts from 1 within the page.
	ID int
	// URL that was asked for, without a fragment. The scheme is http or https,
	// ws or wss for WebSockets. A scheme's own port is left out.
	URL    string
	Method string
	// Started is when the request's head had come from the browser, FirstByte
	// when the response's final head had come (zero when none came), Ended
	// when the last byte had.
	Started, FirstByte, Ended time.Time
	// Request is what the origin was sent. When it was never sent (policy,
	// DNS, connect), it is what would have been.
	Request Message
	// Interim are the heads of interim (1xx) responses, as on the wire.
	Interim [][]byte
	// Response is nil when no final head came.
	Response *Message
	// Conn is the connection to the origin, nil when there was none.
	Conn *Connection
	// Failure is a word of the vocabulary, empty when nothing failed. With a
	// Response, the failure came after its head. What the browser gave up, what
	// a limit cut and what was still going when the page was closed did not
	// fail, once the response's head had come: Body.Truncated says it. Detail
	// is for people.
	Failure, Detail string
	// Substituted is set when the browser was not shown the origin's answer but one
	// of the recorder's own: see [ReasonHeader]. A Response is then what the origin
	// sent all the same.
	Substituted bool
	// Notes are oddities that were coped with, for people, such as "chunked
	// twice; decoded once".
	Notes []string
	// Frames is what went over a WebSocket after the response's head, nil for
	// all others.
	Frames *Frames
	// Account is set when the browser took the exchange down and not the recorder.
	Account *Account
}

// Whole reports whether the origin's answer came to its end.
func (e *Exchange) Whole() bool {
	return e.Response != nil && e.Failure == "" && e.Response.Body.Truncated == ""
}

// Message is a request or a response.
type Message struct {
	// Head is the start line and the header block exactly as on the wire,
	// including the empty line. Of HTTP/2, which has no text, it is the fields
	// in their order written as HTTP/1.1 would.
	Head []byte
	// Body without its transfer coding, with its content coding.
	Body Body
	// Trailer is the trailer section of a chunked body as on the wire, without
	// the empty line. Mostly nil.
	Trailer []byte
}

// Status is the status code of a response, 0 when there is none.
func (m *Message) Status() int {
	if m == nil {
		return 0
	}
	_, rest, _ := strings.Cut(startLine(m.Head), " ")
	code, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	n, err := strconv.Atoi(code)
	if err != nil {
		return 0
	}
	return n
}

// Values are the values of a header field, in their order.
func (m *Message) Values(name string) []string {
	var out []string
	for f := range fields(m.Head) {
		if f.is(name) {
			out = append(out, string(f.value))
		}
	}
	return out
}

// Body is a message's body on disk.
type Body struct {
	// Path of the file that holds it, empty for an empty body. Small bodies
	// share a file: the body is the Size bytes at Offset; see Open.
	Path         string
	Offset, Size int64
	// SHA256 of the body, in hex. Empty for an empty body.
	SHA256 string
	// Truncated says why the body is not whole, in the words of WARC-Truncated:
	// "length" (a limit was reached), "time" (the page was closed),
	// "disconnect" (either side closed the connection); "unspecified" when it
	// could not be written.
	Truncated string
}

// Frames is the traffic of a WebSocket (RFC 6455) after the handshake.
type Frames struct {
	// Sent by the browser and Received from the origin: the raw bytes, frame
	// headers and masking included.
	Sent, Received Body
	// Index is the path of a file with one line of JSON a frame, in the order
	// of their arrival; see [FrameLine]. Empty when there were none.
	Index string
	// Count is the number of lines of the index.
	Count int
}

// FrameLine is a line of a Frames.Index.
type FrameLine struct {
	// At is when the frame began, as the time since Exchange.Started in
	// nanoseconds.
	At int64 `json:"at"`
	// Dir is "sent" or "received".
	Dir string `json:"dir"`
	// Opcode, Fin and RSV1 (compressed) as in the frame's header.
	Opcode int  `json:"op"`
	Fin    bool `json:"fin"`
	RSV1   bool `json:"rsv1,omitempty"`
	// Offset of the frame's header in the body of its direction, and the size
	// of header and payload.
	Offset  int64 `json:"offset"`
	Header  int   `json:"header"`
	Payload int64 `json:"payload"`
}

// Connection is a connection to an origin. Exchanges that used the same one
// share it; it must not be changed.
type Connection struct {
	// ID is unique within the recorder.
	ID int64
	// Remote is the address connected to; see netguard.Conn.
	Remote netip.AddrPort
	// Local is this machine's end of the connection, to the proxy where there is one; not
	// valid when it is not known.
	Local netip.AddrPort
	// Proxy is the host:port of the upstream proxy, if any.
	Proxy string
	// Protocol is "http/1.0", "http/1.1" or "h2", as the origin answered.
	Protocol string
	// Opened is when the connection was made.
	Opened time.Time
	// TLS is nil for plain HTTP.
	TLS *TLS
	// DNS is nil when the URL has an address for a host.
	DNS *DNS
}

// badCertificate says why the origin's certificate does not verify, empty when it does or
// there is none.
func (c *Connection) badCertificate() string {
	if c.TLS == nil {
		return ""
	}
	return c.TLS.VerifyError
}

// DNS is the answer that a connection was made with.
type DNS = netguard.Answer

// TLS are the facts of a TLS connection.
type TLS struct {
	// Version such as "TLS 1.3" and CipherSuite such as
	// "TLS_AES_128_GCM_SHA256".
	Version, CipherSuite string
	// ServerName that was sent (SNI), empty for addresses.
	ServerName string
	// Chain is what the origin presented, DER, leaf first. It is that of the
	// first connection when the TLS session was resumed.
	Chain   [][]byte
	Resumed bool
	// VerifyError says why the chain does not verify, empty when it does.
	VerifyError string
	// OCSP and SCTs are what the origin stapled to the handshake.
	OCSP []byte
	SCTs [][]byte
}
