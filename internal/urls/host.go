package urls

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// parseHost parses a host (WHATWG URL Standard section 3.5).
func parseHost(s string) (string, *refusal) {
	if s == "" {
		return "", &refusal{reason: ReasonHost, detail: "has no host"}
	}
	bad := func(why string) (string, *refusal) {
		return "", &refusal{reason: ReasonHost, detail: fmt.Sprintf("has the host %q, which %s", s, why)}
	}
	if s[0] == '[' {
		addr, err := netip.ParseAddr(strings.TrimSuffix(s[1:], "]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" || !strings.HasSuffix(s, "]") {
			return bad("is not an IPv6 address")
		}
		return "[" + formatIPv6(addr) + "]", nil
	}
	host, err := toASCII(decode(s))
	if err != nil {
		return bad("is no valid domain name: " + err.Error())
	}
	if i := strings.IndexFunc(host, isForbiddenInHost); i >= 0 || host == "" {
		return bad("contains a character that no host name can")
	}
	if !endsInNumber(host) {
		return host, nil
	}
	addr, ok := parseIPv4(host)
	if !ok {
		return bad("ends in a number and so must be an IPv4 address, but is none")
	}
	return addr, nil
}

// toASCII is "domain to ASCII" of the standard with beStrict false: UTS 46 without
// transitional processing, without STD3 rules (names may have underscores) and
// without limits of length.
func toASCII(host string) (string, error) {
	if isPlainASCII(host) {
		return strings.ToLower(host), nil
	}
	if !utf8.ValidString(host) {
		return "", fmt.Errorf("not UTF-8")
	}
	profile := idna.New(
		idna.MapForLookup(),
		idna.Transitional(false),
		idna.StrictDomainName(false),
		idna.CheckHyphens(false),
		idna.CheckJoiners(true),
		idna.BidiRule(),
	)
	return profile.ToASCII(host)
}

// isPlainASCII reports whether a host needs no mapping but of letter case.
func isPlainASCII(host string) bool {
	for i := range len(host) {
		if host[i] >= utf8.RuneSelf {
			return false
		}
	}
	return !strings.Contains(strings.ToLower(host), "xn--")
}

// isForbiddenInHost is the standard's set of forbidden domain code points.
func isForbiddenInHost(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("#%/:<>?@[\\]^|", r)
}

// formatIPv6 writes an address as the standard does, which unlike RFC 5952 and
// net/netip has no dotted form for addresses that embed an IPv4 one.
func formatIPv6(addr netip.Addr) string {
	b := addr.As16()
	var pieces [8]uint16
	for i := range pieces {
		pieces[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	start, length := longestZeros(pieces)
	var s strings.Builder
	for i := 0; i < len(pieces); i++ {
		if i == start {
			s.WriteString("::")
			i += length - 1
			continue
		}
		if i > 0 && i != start+length {
			s.WriteByte(':')
		}
		s.WriteString(strconv.FormatUint(uint64(pieces[i]), 16))
	}
	return s.String()
}

// longestZeros finds the first longest run of at least two zeros; start is -1
// when there is none.
func longestZeros(pieces [8]uint16) (start, length int) {
	start = -1
	for i := 0; i < len(pieces); i++ {
		j := i
		for j < len(pieces) && pieces[j] == 0 {
			j++
		}
		if j-i > length && j-i > 1 {
			start, length = i, j-i
		}
		i = max(i, j-1)
	}
	if start < 0 {
		return -1, 0
	}
	return start, length
}

// endsInNumber is the standard's "ends in a number checker".
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" {
		return false
	}
	if strings.Trim(last, "0123456789") == "" {
		return true
	}
	_, ok := parseIPv4Number(last)
	return ok
}

// parseIPv4 parses the forms of addresses that browsers take (decimal, octal, hex,
// fewer than four parts) and returns the dotted one.
func parseIPv4(host string) (string, bool) {
	fields := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(fields) > 4 {
		return "", false
	}
	var addr uint64
	for i, f := range fields {
		n, ok := parseIPv4Number(f)
		if !ok {
			return "", false
		}
		if i < len(fields)-1 {
			if n > 255 {
				return "", false
			}
			addr |= n << (8 * (3 - i))
			continue
		}
		if n >= 1<<(8*(5-len(fields))) {
			return "", false
		}
		addr |= n
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(addr))
	return netip.AddrFrom4(b).String(), true
}

func parseIPv4Number(s string) (uint64, bool) {
	base := 10
	switch {
	case s == "":
		return 0, false
	case len(s) >= 2 && s[0] == '0' && s[1]|0x20 == 'x':
		s, base = s[2:], 16
	case len(s) >= 2 && s[0] == '0':
		s, base = s[1:], 8
	}
	if s == "" {
		return 0, true
	}
	if s[0] == '+' || s[0] == '-' || strings.Contains(s, "_") {
		return 0, false
	}
	n, err := strconv.ParseUint(s, base, 64)
	return n, err == nil
}
