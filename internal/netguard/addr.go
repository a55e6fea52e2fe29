package netguard

import (
	"net/netip"
	"slices"
)

// metadata are addresses at which clouds serve credentials to whoever asks.
// Those inside private ranges are listed for the sake of the message.
var metadata = map[netip.Addr]string{
	netip.MustParseAddr("169.254.169.254"): "cloud metadata service",
	netip.MustParseAddr("169.254.170.2"):   "container credentials service",
	netip.MustParseAddr("fd00:ec2::254"):   "cloud metadata service",
	netip.MustParseAddr("fd20:ce::254"):    "cloud metadata service",
	netip.MustParseAddr("100.100.100.200"): "cloud metadata service",
	netip.MustParseAddr("192.0.0.192"):     "cloud metadata service",
	netip.MustParseAddr("168.63.129.16"):   "cloud platform service",
}

// special are the ranges that are not public, from IANA's registries of
// special-purpose addresses.
var special = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network (RFC 791)"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private (RFC 1918)"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared by carriers (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback (RFC 1122)"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local (RFC 3927)"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private (RFC 1918)"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments (RFC 6890)"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay (RFC 7526)"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private (RFC 1918)"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking (RFC 2544)"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast (RFC 5771)"},
	{netip.MustParsePrefix("255.255.255.255/32"), "broadcast (RFC 919)"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved (RFC 1112)"},

	{netip.MustParsePrefix("::/128"), "unspecified (RFC 4291)"},
	{netip.MustParsePrefix("::1/128"), "loopback (RFC 4291)"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local translation (RFC 8215)"},
	{netip.MustParsePrefix("100::/64"), "discard (RFC 6666)"},
	{netip.MustParsePrefix("100:0:0:1::/64"), "dummy (RFC 9780)"},
	{netip.MustParsePrefix("2001:2::/48"), "benchmarking (RFC 5180)"},
	{netip.MustParsePrefix("2001:10::/28"), "ORCHID (RFC 4843)"},
	{netip.MustParsePrefix("2001:20::/28"), "ORCHIDv2 (RFC 7343)"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation (RFC 3849)"},
	{netip.MustParsePrefix("3fff::/20"), "documentation (RFC 9637)"},
	{netip.MustParsePrefix("5f00::/16"), "segment routing (RFC 9602)"},
	{netip.MustParsePrefix("fc00::/7"), "private (RFC 4193)"},
	{netip.MustParsePrefix("fe80::/10"), "link-local (RFC 4291)"},
	{netip.MustParsePrefix("fec0::/10"), "site-local (RFC 3879)"},
	{netip.MustParsePrefix("ff00::/8"), "multicast (RFC 4291)"},
}

// Special are the ranges that [Check] refuses, for those who keep programs from them by other means:
// IANA's special-purpose addresses, and single addresses of clouds that lie in none. IPv6 addresses
// that embed an IPv4 address are not among them.
func Special() []netip.Prefix {
	var all []netip.Prefix
	for _, s := range special {
		all = append(all, s.prefix)
	}
	for addr := range metadata {
		if !slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			all = append(all, netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return all
}

// global is the only part of IPv6 that is given out to the public (RFC 4291
// section 2.4). What lies outside is translated IPv4 or reserved.
var global = netip.MustParsePrefix("2000::/3")

// embedding are the forms in which an IPv6 address carries an IPv4 address that
// a gateway, or the kernel itself, connects to. from is the first byte.
var embedding = []struct {
	prefix netip.Prefix
	from   int
	invert bool
	what   string
}{
	{netip.MustParsePrefix("::/96"), 12, false, "IPv4-compatible (RFC 4291)"},
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12, false, "IPv4-translated (RFC 2765)"},
	{netip.MustParsePrefix("64:ff9b::/96"), 12, false, "NAT64 (RFC 6052)"},
	{netip.MustParsePrefix("2002::/16"), 2, false, "6to4 (RFC 3056)"},
	{netip.MustParsePrefix("2001::/32"), 4, false, "Teredo server (RFC 4380)"},
	{netip.MustParsePrefix("2001::/32"), 12, true, "Teredo client (RFC 4380)"},
}

// Check returns an empty string for an address that may be connected to, and
// otherwise says what it is. Public addresses may be, and what lies in one of
// the allowed prefixes. IPv4-mapped IPv6 addresses are taken for the IPv4
// address that they are; IPv6 forms that embed an IPv4 address (IPv4-compatible,
// IPv4-translated, NAT64, 6to4, Teredo, ISATAP) are as good as that one.
func Check(addr netip.Addr, allow []netip.Prefix) string {
	if !addr.IsValid() {
		return "no address"
	}
	if addr.Zone() != "" {
		return "scoped to a link (RFC 4007)"
	}
	addr = addr.Unmap()
	if allowed(addr, allow) {
		return ""
	}
	if what, ok := metadata[addr]; ok {
		return what
	}
	for _, s := range special {
		if s.prefix.Contains(addr) {
			return s.what
		}
	}
	if addr.Is4() {
		return ""
	}
	embeds := false
	for _, e := range embedding {
		if !e.prefix.Contains(addr) {
			continue
		}
		embeds = true
		if what := Check(embedded(addr, e.from, e.invert), allow); what != "" {
			return e.what + ", " + what
		}
	}
	if isatap(addr) {
		if what := Check(embedded(addr, 12, false), allow); what != "" {
			return "ISATAP (RFC 5214), " + what
		}
	}
	if !embeds && !global.Contains(addr) {
		return "reserved (RFC 4291)"
	}
	return ""
}

func allowed(addr netip.Addr, allow []netip.Prefix) bool {
	for _, p := range allow {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// embedded takes the IPv4 address out of an IPv6 address.
func embedded(addr netip.Addr, from int, invert bool) netip.Addr {
	raw := addr.As16()
	var v4 [4]byte
	copy(v4[:], raw[from:])
	if invert {
		for i := range v4 {
			v4[i] = ^v4[i]
		}
	}
	return netip.AddrFrom4(v4)
}

// isatap reports whether the interface identifier is 0000:5efe or 0200:5efe and
// an IPv4 address (RFC 5214 section 6.1).
func isatap(addr netip.Addr) bool {
	raw := addr.As16()
	return raw[8]&^0x02 == 0 && raw[9] == 0 && raw[10] == 0x5e && raw[11] == 0xfe
}
