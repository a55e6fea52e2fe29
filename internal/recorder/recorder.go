// Package recorder is the archive's witness of the bytes on the wire: a proxy
// between a browser and the web that writes down every exchange.
//
// A [Recorder] belongs to one process and has a certificate authority of its
// own, made at start and kept in memory, that only the Chrome started with its
// [Recorder.SPKI] trusts. A [Session] is one proxy listener for one browser
// context, so that every connection belongs to that context without guessing.
// Between [Session.Begin] and [Session.End] a page is open: every exchange
// belongs to it and is spooled into its folder. Outside of a page nothing is
// let through: what a browser asks for then is its own business, refused and
// counted ([Session.Refused]).
//
// TLS ends here and starts anew towards the origin, so the recorder sees plain
// HTTP/1.1 on both sides and is the very end of the connection that it
// describes: its address (checked by netguard), the DNS answer behind it, its
// certificate chain.
//
// # What is recorded is what was sent
//
// Heads are kept as the bytes that were on the wire. What the browser sends is
// passed on in its order and case, changed only where HTTP demands it of a
// proxy, and Request.Head is what the origin got:
//
//   - the absolute form of the request target ("GET http://host/path") becomes
//     the origin form ("GET /path");
//   - Proxy-Connection is renamed Connection, in its place, which is what the
//     browser sends without a proxy; it is removed where there is a Connection;
//   - Proxy-Authorization is removed.
//
// What the origin answers reaches the browser with the same bytes, but for the
// sizes of chunks. Bodies are recorded without chunked framing, with their
// content coding.
//
// # Failures
//
// An exchange that fails before the origin has answered is answered to the
// browser with status 502, Content-Length: 0 and the header
// X-Crawlfleet-Reason with the reason. The word of the record is
// Exchange.Failure: an origin could send the same header. A failure after that
// ends the browser's connection, as it would without a proxy.
//
// # Resources
//
// Bodies go to files as they arrive, in pieces of 32 KB, hashed on the way.
// Memory is a few kilobytes an exchange, whatever the size of its body.
package recorder

import (
	"context"
	"crypto/x509"
	"log/slog"
	"time"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

// The words for what went wrong, of the project's vocabulary of reasons.
const (
	ReasonDNSFailed         = netguard.ReasonDNSFailed
	ReasonConnectFailed     = netguard.ReasonConnectFailed
	ReasonAddressBlocked    = netguard.ReasonAddressBlocked
	ReasonTLSFailed         = "TLSFailed"         // handshake failed, or a certificate that does not verify
	ReasonConnectionReset   = "ConnectionReset"   // the origin closed before the message was whole
	ReasonInvalidResponse   = "InvalidResponse"   // what came is not HTTP/1.1
	ReasonNavigationBlocked = "NavigationBlocked" // refused by the policy
	ReasonDiskFull          = "DiskFull"          // the body could not be written
	ReasonAborted           = "Aborted"           // the browser gave up, or the page was closed
)

// ReasonHeader is the header that tells the browser's side why the recorder
// answered in place of the origin.
const ReasonHeader = "X-Crawlfleet-Reason"

// Options configure a Recorder.
type Options struct {
	// Dir is where pages that name no folder of their own are spooled. Default
	// os.TempDir().
	Dir string
	// Dialer connects to origins. Default a zero netguard.Dialer: the public
	// Internet alone.
	Dialer *netguard.Dialer
	// MaxBody is the number of bytes of a body (of each direction of a
	// WebSocket) after which it is cut off, 0 for no limit.
	MaxBody int64
	// Roots are trusted in addition to the system's certificate authorities.
	Roots []*x509.Certificate
	// AcceptBadCertificates lets the page have what comes from an origin whose
	// certificate does not verify. The error is recorded either way.
	AcceptBadCertificates bool
	// Policy decides whether a request may be made. Default [ReadOnly].
	Policy func(Facts) (allow bool, reason string)
	// Logger gets what is worth a note. Default none.
	Logger *slog.Logger
	// Now is the clock, default time.Now.
	Now func() time.Time
}

// Recorder makes sessions. It is safe for use by many goroutines.
type Recorder struct {
	opts Options
}

// New makes a recorder. Close it in the end.
func New(opts Options) (*Recorder, error) { panic("being written") }

// SPKI is the base64 SHA-256 hash of the public key that all certificates of
// this recorder carry, for Chrome's --ignore-certificate-errors-spki-list.
func (r *Recorder) SPKI() string { panic("being written") }

// NewSession opens a proxy listener on 127.0.0.1 for one browser context. The
// context bounds the start alone. Close the session in the end.
func (r *Recorder) NewSession(ctx context.Context) (*Session, error) { panic("being written") }

// Close closes the sessions that are still open.
func (r *Recorder) Close() error { panic("being written") }
