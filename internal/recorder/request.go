package recorder

import (
	"bytes"
	"net"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http2/hpack"
)

// request is the head of a request as it came from the browser.
type request struct {
	framing
	head           []byte
	method, target string
	minor          int
	// mode, dest and site are the Sec-Fetch headers; upgradeInsecure is sent
	// with navigations only.
	mode, dest, site string
	upgradeInsecure  bool
	// changes is true when there are fields that are meant for us, or that an
	// origin gets otherwise.
	changes bool
	// h2 are the fields as they came over HTTP/2, with the pseudo fields; nil of
	// HTTP/1. streamed is true when a body follows that ends as its stream does.
	h2       []hpack.HeaderField
	streamed bool
	// noBrotli is set when the origin is not to be asked for br (RFC 7932).
	noBrotli bool
}

func parseRequest(head []byte) (*request, error) {
	r := &request{head: head}
	parts := strings.Split(startLine(head), " ")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		return nil, invalidf("a request line that is none")
	}
	var ok bool
	if r.minor, ok = version(parts[2]); !ok {
		return nil, invalidf("a request of another version than HTTP/1")
	}
	r.method, r.target = parts[0], parts[1]
	for f := range fields(head) {
		r.take(f)
	}
	if r.badLength || len(r.lengths) > 1 {
		return nil, invalidf("a request with lengths that contradict each other")
	}
	if len(r.codings) > 0 && (len(r.codings) != 1 || r.codings[0] != "chunked" || len(r.lengths) > 0) {
		return nil, invalidf("a request with a transfer coding other than chunked")
	}
	return r, nil
}

func (r *request) take(f field) {
	switch {
	case f.is("Sec-Fetch-Mode"):
		r.mode = string(f.value)
	case f.is("Sec-Fetch-Dest"):
		r.dest = string(f.value)
	case f.is("Sec-Fetch-Site"):
		r.site = string(f.value)
	case f.is("Upgrade-Insecure-Requests"):
		r.upgradeInsecure = string(f.value) == "1"
	case f.is("Proxy-Connection"):
		r.changes = true
		for t := range tokens(f.value) {
			r.closes = r.closes || t == "close"
		}
	case f.is("Proxy-Authorization"):
		r.changes = true
	case f.is("Accept-Encoding"):
		r.changes = r.changes || len(r.readable(f.value)) != len(f.value)
	default:
		r.add(f)
	}
}

// websocket reports whether the request asks for a WebSocket (RFC 6455 section
// 4.1).
func (r *request) websocket() bool {
	return r.method == "GET" && r.upgrades && r.upgrade == "websocket"
}

// navigation reports whether the request loads a document. Plain HTTP has no
// Sec-Fetch headers; there, Upgrade-Insecure-Requests comes with navigations
// and with nothing else.
func (r *request) navigation() bool {
	return r.mode == "navigate" || r.mode == "" && r.upgradeInsecure
}

// noFrame reports whether the request is the browser's own: nobody but a user
// at the address bar makes requests from no site, and those are navigations.
func (r *request) noFrame() bool {
	return r.site == "none" && r.mode != "" && r.mode != "navigate"
}

func (r *request) hasBody() bool {
	return r.streamed || len(r.codings) > 0 || len(r.lengths) > 0 && r.lengths[0] > 0
}

// chunks reports whether the body goes in chunks to an origin that speaks
// HTTP/1.1.
func (r *request) chunks() bool {
	return len(r.codings) > 0 || r.streamed && len(r.lengths) == 0
}

// repeatable reports whether the request may be sent a second time when a
// connection that was kept turns out to be closed (RFC 9110 section 9.2.2).
func (r *request) repeatable() bool {
	return r.safe() && !r.hasBody()
}

// safe reports whether the request only reads (RFC 9110 section 9.2.1).
func (r *request) safe() bool {
	switch r.method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return true
	}
	return false
}

// origin is where a request goes.
type origin struct {
	scheme, host, port string
}

// address is the host:port to connect to.
func (o origin) address() string { return net.JoinHostPort(o.host, o.port) }

// url is the URL of a target in origin form.
func (o origin) url(target string, websocket bool) string {
	scheme, own := o.scheme, "80"
	if scheme == "https" {
		own = "443"
	}
	if websocket {
		scheme = map[string]string{"http": "ws", "https": "wss"}[scheme]
	}
	host := o.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.port != own {
		host += ":" + o.port
	}
	if target == "*" {
		target = ""
	}
	return scheme + "://" + host + target
}

// parseAuthority splits the target of a CONNECT.
func parseAuthority(target string) (origin, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil || host == "" || port == "" {
		return origin{}, invalidf("a CONNECT to something else than host:port")
	}
	return origin{host: strings.ToLower(host), port: port}, nil
}

// parseAbsolute splits a target in absolute form into the origin and the target
// in origin form, whose bytes stay as they are.
func parseAbsolute(target string) (origin, string, error) {
	rest, ok := strings.CutPrefix(target, "http://")
	if !ok {
		return origin{}, "", invalidf("a request target that is not an http URL")
	}
	authority, path := rest, "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if path[0] == '?' {
		path = "/" + path
	}
	u, err := url.Parse("http://" + authority)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return origin{}, "", invalidf("a request target whose authority is none")
	}
	o := origin{scheme: "http", host: strings.ToLower(u.Hostname()), port: u.Port()}
	if o.port == "" {
		o.port = "80"
	}
	return o, path, nil
}

// unreadable are the content codings that no replay tool can decode: zstd (RFC
// 8878), and those that need a dictionary (RFC 9842).
var unreadable = [][]byte{[]byte("zstd"), []byte("dcb"), []byte("dcz")}

// judged asks for nothing that a picture could not be compared in with a list of hashes.
func (r *request) judged() { r.noBrotli, r.changes = true, true }

// readable is an Accept-Encoding without them: an answer is recorded as it comes.
func (r *request) readable(accept []byte) []byte {
	var out []byte
	for part := range bytes.SplitSeq(accept, []byte{','}) {
		name, _, _ := bytes.Cut(bytes.TrimSpace(part), []byte{';'})
		name = bytes.TrimSpace(name)
		if r.noBrotli && bytes.EqualFold(name, []byte("br")) || slices.ContainsFunc(unreadable, func(coding []byte) bool { return bytes.EqualFold(name, coding) }) {
			continue
		}
		if out != nil {
			out = append(out, ',')
		}
		out = append(out, part...)
	}
	return bytes.TrimSpace(out)
}

// forOrigin is the head as the origin is sent it; the package comment lists
// what changes. target is in origin form.
func (r *request) forOrigin(target string) []byte {
	if target == r.target && !r.changes {
		return r.head
	}
	out := make([]byte, 0, len(r.head))
	first := lineEnd(r.head, 0)
	line := r.head[:first]
	at := bytes.IndexByte(line, ' ') + 1
	out = append(out, line[:at]...)
	out = append(out, target...)
	out = append(out, line[at+len(r.target):]...)
	hasConnection := false
	for f := range fields(r.head) {
		hasConnection = hasConnection || f.is("Connection")
	}
	pos := first
	for f := range fields(r.head) {
		pos = f.to
		switch {
		case f.is("Proxy-Authorization"):
		case f.is("Accept-Encoding") && len(r.readable(f.value)) != len(f.value):
			out = append(out, r.head[f.from:f.from+len(f.name)]...)
			out = append(append(append(out, ": "...), r.readable(f.value)...), "\r\n"...)
		case f.is("Proxy-Connection"):
			if !hasConnection {
				out = append(out, r.head[f.from+len("Proxy-"):f.to]...)
			}
		default:
			out = append(out, r.head[f.from:f.to]...)
		}
	}
	return append(out, r.head[pos:]...)
}
