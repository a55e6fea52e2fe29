package netguard

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// target is what a dial is for.
type target struct {
	// host without brackets and trailing dot, in lower case.
	host string
	port uint16
	// addr is valid when the host is an address.
	addr netip.Addr
}

func parseTarget(address string) (target, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return target{}, &ConnectError{Address: address, Err: err}
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return target{}, &ConnectError{Address: address, Err: &net.AddrError{Err: "no such port", Addr: portText}}
	}
	t := target{host: strings.ToLower(strings.TrimSuffix(host, ".")), port: uint16(port)}
	if badPorts[t.port] {
		return target{}, &BlockedError{Host: address, Why: "a port of a service that is not the web (Fetch standard, port blocking)"}
	}
	if addr, err := netip.ParseAddr(t.host); err == nil {
		t.addr = addr
		return t, nil
	}
	if why := badName(t.host); why != "" {
		return target{}, &BlockedError{Host: host, Why: why}
	}
	return t, nil
}

// badName says why a host that is not an address cannot be a name either. A
// host whose last label is a number is an IPv4 address to browsers and to C
// libraries (decimal, octal, hexadecimal, one to four parts; WHATWG URL section
// 3.5, inet_aton(3)), though not to Go. Browsers send such hosts in the plain
// form; what comes here in another one means to slip through.
func badName(host string) string {
	if host == "" || len(host) > 253 {
		return "not a host name"
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return "not a host name"
		}
	}
	if strings.ContainsAny(host, "%:/\\@?#[] ") || strings.ContainsFunc(host, unicode.IsControl) {
		return "not a host name"
	}
	// Who asks has written the name in ASCII (RFC 5891 section 4.4). A resolver or a proxy
	// that does it after us might find an address in it: full-width digits map to digits.
	if strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "a name that is not in ASCII"
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.Trim(last, "0123456789") == "" {
		return "a number that is not an address"
	}
	if hex, ok := strings.CutPrefix(last, "0x"); ok && strings.Trim(hex, "0123456789abcdef") == "" {
		return "a number that is not an address"
	}
	return ""
}

// isLocalhost reports whether a name is loopback by definition (RFC 6761
// section 6.3).
func isLocalhost(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// localSuffixes are the ends of names that never are on the public Internet.
var localSuffixes = []string{
	"localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa", "svc", "invalid", "test", "example",
}

// localName reports whether a name is a private network's own.
func localName(host string) bool {
	if !strings.Contains(host, ".") {
		return true
	}
	for _, s := range localSuffixes {
		if host == s || strings.HasSuffix(host, "."+s) {
			return true
		}
	}
	return false
}
