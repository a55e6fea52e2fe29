package netguard

import (
	"net/netip"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	tests := map[string]struct {
		reason string
		addr   string
		allow  []netip.Prefix
		want   string // a part of the answer, empty for public
	}{
		"Public4":            {"Public IPv4 is what crawling is about.", "93.184.215.14", nil, ""},
		"Public6":            {"So is public IPv6.", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", nil, ""},
		"Anycast":            {"Public resolvers are public.", "1.1.1.1", nil, ""},
		"AfterTen":           {"The address after a range is outside of it.", "11.0.0.0", nil, ""},
		"BeforeShared":       {"The address before a range is outside of it.", "100.63.255.255", nil, ""},
		"AfterPrivate172":    {"172.32 is public.", "172.32.0.1", nil, ""},
		"Zero":               {"0.0.0.0 connects to this machine.", "0.0.0.0", nil, "this network"},
		"ZeroNet":            {"All of 0/8 does on some systems.", "0.1.2.3", nil, "this network"},
		"Loopback":           {"Loopback.", "127.0.0.1", nil, "loopback"},
		"LoopbackHigh":       {"All of 127/8 is loopback.", "127.255.255.254", nil, "loopback"},
		"Private10":          {"RFC 1918.", "10.1.2.3", nil, "private"},
		"Private172":         {"RFC 1918.", "172.31.255.255", nil, "private"},
		"Private192":         {"RFC 1918.", "192.168.0.1", nil, "private"},
		"Shared":             {"Carrier-grade NAT is used by clusters too.", "100.64.0.1", nil, "carriers"},
		"MetadataAliyun":     {"Inside of the shared range, named for what it is.", "100.100.100.200", nil, "metadata"},
		"Metadata":           {"The metadata service of most clouds.", "169.254.169.254", nil, "metadata"},
		"Metadata6":          {"The same over IPv6.", "fd00:ec2::254", nil, "metadata"},
		"MetadataOracle":     {"In the protocol assignments.", "192.0.0.192", nil, "metadata"},
		"PlatformAzure":      {"Public by range, a platform's service by use.", "168.63.129.16", nil, "platform"},
		"LinkLocal":          {"Link-local.", "169.254.1.1", nil, "link-local"},
		"Documentation":      {"Never routed.", "203.0.113.5", nil, "documentation"},
		"Benchmark":          {"Never routed.", "198.19.255.255", nil, "benchmarking"},
		"Multicast":          {"Multicast.", "224.0.0.251", nil, "multicast"},
		"Reserved":           {"Class E.", "250.1.1.1", nil, "reserved"},
		"Broadcast":          {"Broadcast.", "255.255.255.255", nil, "broadcast"},
		"Unspecified6":       {":: connects to this machine.", "::", nil, "unspecified"},
		"Loopback6":          {"Loopback.", "::1", nil, "loopback"},
		"UniqueLocal":        {"The private range of IPv6.", "fd12:3456::1", nil, "private"},
		"LinkLocal6":         {"Link-local.", "fe80::1", nil, "link-local"},
		"Zone":               {"A zone names an interface of this machine.", "fe80::1%lo", nil, "scoped"},
		"ZonePublic":         {"A zone is suspicious on any address.", "2606:4700::1%eth0", nil, "scoped"},
		"SiteLocal":          {"Deprecated, still private.", "fec0::1", nil, "site-local"},
		"Multicast6":         {"Multicast.", "ff02::1", nil, "multicast"},
		"Documentation6":     {"Never routed.", "2001:db8::1", nil, "documentation"},
		"Documentation6New":  {"Never routed.", "3fff:1::1", nil, "documentation"},
		"Discard":            {"Discarded.", "100::1", nil, "discard"},
		"Segment":            {"Segment identifiers.", "5f00::1", nil, "segment"},
		"Unassigned6":        {"Outside of 2000::/3 nothing is public.", "4000::1", nil, "reserved"},
		"MappedLoopback":     {"An IPv4-mapped address is the IPv4 address.", "::ffff:127.0.0.1", nil, "loopback"},
		"MappedPrivate":      {"Group P names this one.", "::ffff:10.0.0.1", nil, "private"},
		"MappedMetadata":     {"In hexadecimal.", "::ffff:a9fe:a9fe", nil, "metadata"},
		"MappedPublic":       {"A mapped public address is public.", "::ffff:93.184.215.14", nil, ""},
		"CompatibleLoopback": {"IPv4-compatible.", "::127.0.0.1", nil, "loopback"},
		"Translated":         {"IPv4-translated.", "::ffff:0:10.0.0.1", nil, "private"},
		"NAT64Private":       {"A NAT64 gateway connects to what is embedded.", "64:ff9b::10.0.0.1", nil, "NAT64"},
		"NAT64Metadata":      {"Also to the metadata service.", "64:ff9b::a9fe:a9fe", nil, "metadata"},
		"NAT64Public":        {"The way to IPv4 in networks with IPv6 alone.", "64:ff9b::93.184.215.14", nil, ""},
		"NAT64Local":         {"The local translation prefix is private.", "64:ff9b:1::10.0.0.1", nil, "local translation"},
		"6to4Private":        {"6to4 of a private address.", "2002:0a00:0001::1", nil, "6to4"},
		"6to4Public":         {"6to4 of a public address.", "2002:5db8:d70e::1", nil, ""},
		"TeredoServer":       {"Teredo with a private server.", "2001:0:0a00:0001::", nil, "Teredo server"},
		"TeredoClient":       {"Teredo with a private client, which is written inverted.", "2001:0:5db8:d70e:0:0:f5ff:fffe", nil, "Teredo client"},
		"ISATAP":             {"ISATAP of a private address.", "2606:4700::5efe:10.0.0.1", nil, "ISATAP"},
		"ISATAPUniversal":    {"The same with the universal bit.", "2606:4700::200:5efe:10.0.0.1", nil, "ISATAP"},
		"Allowed":            {"The development stack may have its loopback.", "127.0.0.1", loopback, ""},
		"AllowedMapped":      {"In the mapped form too.", "::ffff:127.0.0.1", loopback, ""},
		"AllowedOther":       {"An allowed prefix allows nothing else.", "10.0.0.1", loopback, "private"},
		"AllowedMetadata":    {"A metadata address can be allowed on purpose.", "169.254.169.254", []netip.Prefix{netip.MustParsePrefix("169.254.169.254/32")}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Check(netip.MustParseAddr(tc.addr), tc.allow)
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("%s: Check(%s) = %q, want %q", tc.reason, tc.addr, got, tc.want)
			}
		})
	}
}

func TestCheckInvalid(t *testing.T) {
	t.Parallel()
	if Check(netip.Addr{}, nil) == "" {
		t.Error("the zero address passed")
	}
}

// FuzzCheck: no form of an IPv4 address is better than the address itself.
func FuzzCheck(f *testing.F) {
	f.Add([]byte{10, 0, 0, 1})
	f.Add([]byte{93, 184, 215, 14})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) != 4 {
			return
		}
		v4 := [4]byte(raw)
		plain := Check(netip.AddrFrom4(v4), nil) == ""
		for _, prefix := range []string{"::ffff:0:0", "::ffff:0:0:0", "64:ff9b::"} {
			form := netip.MustParseAddr(prefix).As16()
			copy(form[12:], raw)
			if got := Check(netip.AddrFrom16(form), nil) == ""; got != plain {
				t.Errorf("%s passes: %v, %s: %v", netip.AddrFrom16(form), got, netip.AddrFrom4(v4), plain)
			}
		}
		six := [16]byte{0x20, 0x02, v4[0], v4[1], v4[2], v4[3], 15: 1}
		if got := Check(netip.AddrFrom16(six), nil) == ""; got != plain {
			t.Errorf("%s passes: %v, %s: %v", netip.AddrFrom16(six), got, netip.AddrFrom4(v4), plain)
		}
	})
}
