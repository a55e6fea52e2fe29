package urls

import (
	"fmt"
	"strconv"
	"strings"
)

// parts are those of a parsed http or https URL, each as the WHATWG URL Standard
// serialises it.
type parts struct {
	scheme string // "http" or "https"
	// credentials is true when there was a user name or password.
	credentials bool
	host        string // ASCII, in lower case; IPv6 in brackets
	port        string // empty for the scheme's own
	path        string // starts with "/"
	query       string // without "?"
	hasQuery    bool
}

func (p *parts) String() string {
	return p.origin() + p.requestURI()
}

func (p *parts) origin() string {
	s := p.scheme + "://" + p.host
	if p.port != "" {
		s += ":" + p.port
	}
	return s
}

func (p *parts) requestURI() string {
	if p.hasQuery {
		return p.path + "?" + p.query
	}
	return p.path
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// refusal is an *Error before the URL is known.
type refusal struct{ reason, scheme, detail string }

func (r *refusal) of(raw string) *Error {
	const shown = 200
	if len(raw) > shown {
		raw = raw[:shown] + "…"
	}
	return &Error{URL: raw, Reason: r.reason, Scheme: r.scheme, Detail: r.detail}
}

// parse parses a URL or, when base is not nil, a reference, unless it is too long.
func parse(raw string, base *parts) (*parts, *refusal) {
	if len(raw) > MaxLength {
		return nil, &refusal{reason: ReasonTooLong, detail: fmt.Sprintf("is %d bytes long; at most %d are crawled", len(raw), MaxLength)}
	}
	return parseAny(raw, base)
}

// parseAny parses a URL or a reference of any length (WHATWG URL Standard section
// 4.4, basic URL parser, for special schemes without "file").
func parseAny(raw string, base *parts) (*parts, *refusal) {
	s := strip(raw)
	if i := strings.IndexByte(s, '#'); i >= 0 {
		s = s[:i]
	}
	scheme, rest, ok := cutScheme(s)
	switch {
	case ok && scheme != "http" && scheme != "https":
		return nil, &refusal{reason: ReasonScheme, scheme: scheme, detail: schemeDetail(scheme, rest)}
	case ok && (base == nil || base.scheme != scheme || hasTwoSlashes(rest)):
		return parseAuthority(scheme, rest)
	case ok:
		// "http:path" is relative to a base of the same scheme.
		return parseRelative(rest, base)
	case base != nil:
		return parseRelative(s, base)
	case s == "":
		return nil, &refusal{reason: ReasonEmpty, detail: "is empty; write a URL such as https://example.org/"}
	}
	return nil, &refusal{reason: ReasonRelative, detail: "has no scheme; write https:// or http:// before it"}
}

func schemeDetail(scheme, rest string) string {
	if port, _, _ := strings.Cut(rest, "/"); port != "" && strings.Trim(port, "0123456789") == "" {
		return fmt.Sprintf("has no scheme (%q is read as one); write https:// or http:// before it", scheme)
	}
	return fmt.Sprintf("has the scheme %q; only http and https are crawled", scheme)
}

// strip removes white space and control characters at both ends, and tabs and
// line breaks everywhere.
func strip(s string) string {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	if !strings.ContainsAny(s, "\t\n\r") {
		return s
	}
	return strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
}

// cutScheme cuts "scheme:" from the front of s.
func cutScheme(s string) (scheme, rest string, ok bool) {
	for i := range len(s) {
		c := s[i]
		switch {
		case c == ':' && i > 0:
			return strings.ToLower(s[:i]), s[i+1:], true
		case isAlpha(c):
		case i > 0 && (isDigit(c) || c == '+' || c == '-' || c == '.'):
		default:
			return "", s, false
		}
	}
	return "", s, false
}

func hasTwoSlashes(s string) bool { return len(s) >= 2 && isSlash(s[0]) && isSlash(s[1]) }

// parseAuthority parses what follows "scheme:", with any number of slashes.
func parseAuthority(scheme, s string) (*parts, *refusal) {
	s = strings.TrimLeft(s, `/\`)
	authority, rest := s, ""
	if i := strings.IndexAny(s, `/\?`); i >= 0 {
		authority, rest = s[:i], s[i:]
	}
	p := &parts{scheme: scheme}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		p.credentials = strings.Trim(authority[:i], ":") != ""
		authority = authority[i+1:]
	}
	host, port := cutPort(authority)
	var r *refusal
	if p.host, r = parseHost(host); r != nil {
		return nil, r
	}
	if p.port, r = parsePort(port, scheme); r != nil {
		return nil, r
	}
	p.setRest("/", rest)
	return p, nil
}

// cutPort cuts at the first colon outside of brackets.
func cutPort(authority string) (host, port string) {
	inside := false
	for i := range len(authority) {
		switch authority[i] {
		case '[':
			inside = true
		case ']':
			inside = false
		case ':':
			if !inside {
				return authority[:i], authority[i+1:]
			}
		}
	}
	return authority, ""
}

func parsePort(port, scheme string) (string, *refusal) {
	if port == "" {
		return "", nil
	}
	n, err := strconv.ParseUint(port, 10, 64)
	if err != nil || n > 65535 || strings.Trim(port, "0123456789") != "" {
		return "", &refusal{reason: ReasonPort, detail: fmt.Sprintf("has the port %q, which is not a number from 0 to 65535", port)}
	}
	port = strconv.FormatUint(n, 10)
	if port == defaultPort(scheme) {
		return "", nil
	}
	return port, nil
}

// parseRelative resolves a reference without a scheme.
func parseRelative(s string, base *parts) (*parts, *refusal) {
	p := *base
	switch {
	case hasTwoSlashes(s):
		return parseAuthority(base.scheme, s)
	case s == "":
	case isSlash(s[0]):
		p.setRest("/", s)
	case s[0] == '?':
		p.query, p.hasQuery = encode(s[1:], queryMustEncode), true
	default:
		dir := base.path[:strings.LastIndexByte(base.path, '/')+1]
		p.setRest(dir, s)
	}
	return &p, nil
}

// setRest sets path and query from what follows the authority. A path that does
// not start with a slash is relative to dir.
func (p *parts) setRest(dir, s string) {
	path, query, hasQuery := strings.Cut(s, "?")
	p.query, p.hasQuery = encode(query, queryMustEncode), hasQuery
	if path != "" && isSlash(path[0]) {
		dir, path = "/", path[1:]
	}
	p.path = resolvePath(dir, path)
}

// resolvePath appends a path to a directory ("/" or "/a/b/", already resolved)
// and resolves dot segments (WHATWG URL Standard, path state).
func resolvePath(dir, path string) string {
	out := strings.Split(strings.TrimSuffix(dir, "/"), "/")[1:]
	segments := strings.Split(strings.ReplaceAll(path, `\`, "/"), "/")
	for i, seg := range segments {
		last := i == len(segments)-1
		switch {
		case isDoubleDot(seg):
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		case isSingleDot(seg):
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, encode(seg, pathMustEncode))
		}
	}
	return "/" + strings.Join(out, "/")
}

func isSingleDot(seg string) bool {
	return seg == "." || strings.EqualFold(seg, "%2e")
}

func isDoubleDot(seg string) bool {
	switch len(seg) {
	case 2:
		return seg == ".."
	case 4:
		return strings.EqualFold(seg, ".%2e") || strings.EqualFold(seg, "%2e.")
	case 6:
		return strings.EqualFold(seg, "%2e%2e")
	}
	return false
}

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isSlash(c byte) bool { return c == '/' || c == '\\' }
