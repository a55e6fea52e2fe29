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
// counted ([Session.TakeRefused]).
//
// TLS ends here and starts anew towards the origin, so the recorder sees plain
// HTTP on both sides and is the very end of the connection that it describes: its
// address (checked by netguard), the DNS answer behind it, its certificate chain.
// The browser is offered HTTP/2 where the origin speaks it (docs/adr/0010), so that
// both sides speak the same.
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
//   - Proxy-Authorization is removed;
//   - zstd, dcb and dcz are removed from Accept-Encoding, because replay tools
//     cannot decode them; with Options.Pictures br is, too.
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
// ends the browser's connection, or its stream, as it would without a proxy.
//
// # Resources
//
// Bodies go to files as they arrive, in pieces of 32 KB, hashed on the way.
// Memory is a few kilobytes an exchange, whatever the size of its body. With
// Options.Pictures, pictures are held whole before they are written.
package recorder

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
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
	ReasonOutOfReach        = "OutOfReach"        // refused by what Session.Confine allows
	ReasonDiskFull          = "DiskFull"          // the body could not be written
	ReasonAborted           = "Aborted"           // the browser gave up, or the page was closed
	ReasonKnownIllegalImage = "KnownIllegalImage" // it is in the list of Options.Pictures
	ReasonImagesOff         = "ImagesOff"         // refused by Page.NoPictures
	ReasonPostBlocked       = "PostBlocked"       // refused by Page.Permit
	ReasonImageNotJudged    = "ImageNotJudged"    // it could not be compared with that list
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
	// Roots are trusted in addition to the system's certificate authorities.
	Roots []*x509.Certificate
	// Policy decides whether a request may be made. Default [ReadOnly].
	Policy func(Facts) (allow bool, reason string)
	// Pictures hold pictures back until they are known not to be in a list of known illegal
	// ones. Default none: nothing is held.
	Pictures *Pictures
	// Logger gets what is worth a note. Default none.
	Logger *slog.Logger
	// Now is the clock, default time.Now.
	Now func() time.Time
}

// Recorder makes sessions. It is safe for use by many goroutines.
type Recorder struct {
	opts  Options
	ca    *authority
	tls   *tls.Config
	roots func() (*x509.CertPool, error)
	// connections counts the connections to origins.
	connections atomic.Int64
	pieces      sync.Pool // of *[]byte, pieceSize each

	mu       sync.Mutex
	closed   bool
	sessions map[*Session]struct{}
	ports    map[uint16]bool // of the sessions' listeners
}

// New makes a recorder. Close it in the end.
func New(opts Options) (*Recorder, error) {
	if opts.Dir == "" {
		opts.Dir = os.TempDir()
	}
	if opts.Dialer == nil {
		opts.Dialer = new(netguard.Dialer)
	}
	if opts.Policy == nil {
		opts.Policy = ReadOnly
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	ca, err := newAuthority(opts.Now)
	if err != nil {
		return nil, fmt.Errorf("recorder: %w", err)
	}
	return &Recorder{
		opts: opts, ca: ca, tls: ca.serverConfig(),
		roots:    sync.OnceValues(func() (*x509.CertPool, error) { return trusted(opts.Roots) }),
		pieces:   sync.Pool{New: func() any { p := make([]byte, pieceSize); return &p }},
		sessions: make(map[*Session]struct{}),
		ports:    make(map[uint16]bool),
	}, nil
}

// trusted are the system's certificate authorities and some more.
func trusted(more []*x509.Certificate) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificate authorities: %w", err)
	}
	for _, c := range more {
		pool.AddCert(c)
	}
	return pool, nil
}

// SPKI is the base64 SHA-256 hash of the public key that all certificates of
// this recorder carry, for Chrome's --ignore-certificate-errors-spki-list. The keys of
// Options.Roots follow after commas: in opaque tunnels it is the browser that has to trust
// them, and it knows no other way. It does not look at the names and dates of a chain
// with such a key in it.
func (r *Recorder) SPKI() string {
	list := r.ca.spki
	for _, c := range r.opts.Roots {
		list += "," + spkiOf(c)
	}
	return list
}

// Verify says why a chain (DER, leaf first) does not verify for a host, nil when it does.
func (r *Recorder) Verify(host string, chain [][]byte) error {
	list := make([]*x509.Certificate, 0, len(chain))
	for _, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		list = append(list, c)
	}
	return r.verify(host, list)
}

// Authority is the certificate that the recorder's certificates are issued by,
// for clients other than Chrome.
func (r *Recorder) Authority() *x509.Certificate { return r.ca.cert }

// NewSession opens a proxy listener on 127.0.0.1 for one browser context. The
// context bounds the start alone. Close the session in the end.
func (r *Recorder) NewSession(ctx context.Context) (*Session, error) {
	return r.newSession(ctx, false)
}

func (r *Recorder) newSession(ctx context.Context, opaque bool) (*Session, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the recorder's listener: %w", err)
	}
	s := newSession(r, l)
	s.opaque = opaque
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		_ = l.Close()
		return nil, errors.New("open a recorder session: the recorder is closed")
	}
	r.sessions[s] = struct{}{}
	r.ports[s.port()] = true
	r.mu.Unlock()
	s.start()
	return s, nil
}

// own reports whether an address is one of the recorder's listeners.
func (r *Recorder) own(remote netip.AddrPort) bool {
	if !remote.Addr().IsLoopback() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ports[remote.Port()]
}

// forget is called by a session that closes.
func (r *Recorder) forget(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, s)
	delete(r.ports, s.port())
}

// Close closes the sessions that are still open.
func (r *Recorder) Close() error {
	r.mu.Lock()
	r.closed = true
	open := slices.Collect(maps.Keys(r.sessions))
	r.mu.Unlock()
	var errs []error
	for _, s := range open {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
