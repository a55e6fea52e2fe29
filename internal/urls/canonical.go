package urls

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"
)

// parseCrawlable parses a URL and refuses what is not to be crawled.
func parseCrawlable(base, ref string) (*parts, error) {
	var b *parts
	if base != "" {
		var r *refusal
		if b, r = parse(base, nil); r != nil {
			return nil, r.of(base)
		}
	}
	p, r := parse(ref, b)
	if r != nil {
		return nil, r.of(ref)
	}
	if p.credentials {
		// The error must not repeat them.
		r := &refusal{reason: ReasonCredentials, detail: "has a user name or password in it, and crawlfleet never logs in; remove what is before the @"}
		return nil, r.of(p.origin() + p.path)
	}
	return p, nil
}

func canonicalize(base, ref string) (string, error) {
	p, err := parseCrawlable(base, ref)
	if err != nil {
		return "", err
	}
	p.path = normalizeEscapes(p.path)
	p.query = normalizeEscapes(p.query)
	return p.String(), nil
}

func follow(base, ref string) (string, error) {
	p, err := parseCrawlable(base, ref)
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

// carriers are the schemes that those of sockets are carried by (RFC 6455 section
// 3): their addresses have the same parts and ports.
var carriers = map[string]string{"ws": "http", "wss": "https"}

func split(address string) (Parts, error) {
	scheme, rest, _ := cutScheme(strip(address))
	carrier, isSocket := carriers[scheme]
	if isSocket {
		address = carrier + ":" + rest
	}
	p, r := parseAny(address, nil)
	if r != nil {
		return Parts{}, r.of(address)
	}
	if !isSocket {
		scheme = p.scheme
	}
	out := Parts{Scheme: scheme, Host: p.host, Hostname: strings.Trim(p.host, "[]"), Port: p.port, Path: p.path, Target: p.requestURI()}
	if p.port != "" {
		out.Host += ":" + p.port
	} else {
		out.Port = defaultPort(p.scheme)
	}
	return out, nil
}

func origin(raw string) (string, error) {
	p, err := parseCrawlable("", raw)
	if err != nil {
		return "", err
	}
	return p.origin(), nil
}

func politenessKey(raw string) (string, error) {
	p, err := parseCrawlable("", raw)
	if err != nil {
		return "", err
	}
	port := p.port
	if port == "" {
		port = defaultPort(p.scheme)
	}
	if isAddress(p.host) || !strings.Contains(strings.TrimSuffix(p.host, "."), ".") {
		return net.JoinHostPort(strings.Trim(p.host, "[]"), port), nil
	}
	return registrableHost(p.host), nil
}

func registrableHost(host string) string {
	host = strings.ToLower(host)
	name, _ := cutPort(host)
	name = strings.TrimSuffix(name, ".")
	if isAddress(name) || !strings.Contains(name, ".") {
		return host
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil { // a public suffix itself, or with an empty label
		return host
	}
	return domain
}

// isAddress reports whether a host, IPv6 in brackets or not, is an address.
func isAddress(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

func makeSURT(raw string) SURT {
	lower := strings.ToLower(strings.ToValidUTF8(raw, string(utf8.RuneError)))
	if !strings.HasPrefix(lower, "http:") && !strings.HasPrefix(lower, "https:") {
		return SURT(escapeSpace(strings.ToValidUTF8(raw, "\uFFFD")))
	}
	p, refused := parse(stripWWW(lower), nil)
	if refused != nil {
		return SURT(escapeSpace(strings.ToValidUTF8(raw, "\uFFFD")))
	}
	labels := strings.Split(p.host, ".")
	slices.Reverse(labels)
	var b strings.Builder
	b.WriteString(strings.Join(labels, ","))
	if p.port != "" {
		b.WriteString(":" + p.port)
	}
	b.WriteString(")" + p.path)
	if p.query != "" {
		args := strings.Split(p.query, "&")
		slices.Sort(args)
		b.WriteString("?" + strings.Join(args, "&"))
	}
	return SURT(b.String())
}

// stripWWW removes "www." or "www" and digits and "." from the front of a host.
func stripWWW(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	after, isWWW := strings.CutPrefix(rest, "www")
	if !ok || !isWWW {
		return url
	}
	after, isWWW = strings.CutPrefix(strings.TrimLeft(after, "0123456789"), ".")
	if !isWWW {
		return url
	}
	return scheme + "://" + after
}

// escapeSpace escapes what would end a key in a line of an index.
func escapeSpace(s string) string {
	return encode(s, func(c byte) bool { return c <= ' ' || c == 0x7f })
}
