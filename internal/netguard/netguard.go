// Package netguard connects to hosts of the public Internet and to nothing
// else.
//
// A crawler follows addresses that strangers wrote. Without a guard a page can
// make it fetch a cloud's metadata service, a cluster's own API or a printer,
// and have the answer archived. Checking the address in the URL is not enough:
// names resolve to private addresses, resolve differently a second time (DNS
// rebinding), redirect, and IPv6 has half a dozen ways to write an IPv4
// address. So the guard sits where the connection is made: a [Dialer] resolves
// the name itself, checks every address of the answer with [Check], connects to
// a checked address (never to the name), and checks once more in the socket's
// control hook, with the address that the kernel is about to connect to.
//
// What counts as public follows IANA's special-purpose address registries (RFC
// 6890 and its updates); see [Check].
//
// The answer of the resolver stays with the connection ([Conn]), because it is
// part of the evidence: this name, at this time, had these addresses, and this
// is the one that was used.
package netguard

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"
)

// The reasons of the project's vocabulary that this package's errors map to;
// see [Reason].
const (
	ReasonDNSFailed      = "DNSFailed"
	ReasonConnectFailed  = "ConnectFailed"
	ReasonAddressBlocked = "AddressBlocked"
)

// Resolver looks up the addresses of a host name. *net.Resolver is one. A
// resolver may be asked for several names at the same time.
type Resolver interface {
	// LookupNetIP returns the addresses of host; network is "ip".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Dialer makes guarded TCP connections. The zero value connects to public
// addresses with the system's resolver. The fields must not change once the
// dialer is in use; it may be used by many goroutines at the same time.
type Dialer struct {
	// Allow are prefixes that may be connected to although they are not
	// public. For development and tests only.
	Allow []netip.Prefix
	// Resolve overrides the resolver, as curl's --resolve and --connect-to do:
	// the key is "host:port" or "host" (all ports), the value "address:port" or
	// "address" (the port is kept). Hosts are in lower case. Addresses given
	// here are checked like any other. IPv6 addresses with a port are written
	// in brackets.
	Resolve map[string]string
	// Upstream is the proxy that all connections go through: http://, https://
	// (CONNECT, RFC 9110 section 9.3.6) or socks5:// (RFC 1928), with user name
	// and password where needed. Names are resolved and checked here and the
	// proxy is asked for the checked address. socks5h:// leaves the names to
	// the proxy, for .onion hosts and for networks without DNS: then literal
	// addresses and names that are local by definition are still refused, but
	// where the proxy connects to cannot be checked.
	Upstream *url.URL
	// UpstreamRoots are the authorities that the certificate of an https://
	// proxy is taken from, nil for the system's.
	UpstreamRoots *x509.CertPool
	// NameServer is the address of the name server that is asked (RFC 1035,
	// port 53 by rule), in place of those that the system is set to. Names of
	// the hosts file are found there all the same. It is the operator's choice
	// and not checked.
	NameServer netip.AddrPort
	// Resolver replaces the system's resolver and NameServer. It tells addresses
	// alone: no aliases, and not who answered.
	Resolver Resolver
	// Timeout bounds one dial, resolution included. Default 20 s.
	Timeout time.Duration
	// Cache is for how long an answer of the resolver is used again, default
	// 60 s, shorter where the answer's TTL is known to be shorter; negative for
	// never. It spares a name server a question per connection and pins a name
	// to its addresses while a page loads.
	Cache time.Duration
	// Now is the clock, default time.Now.
	Now func() time.Time

	cache answerCache
	// proxyDown is whether the proxy could not be reached when it was needed last.
	proxyDown atomic.Bool
}

// Answer is what a name resolved to.
type Answer struct {
	// Name as it was asked for, without a trailing dot.
	Name string
	// Answers are the addresses in the order of preference (RFC 6724).
	Answers []netip.Addr
	// CNAMEs are the aliases that were followed, the last one is the canonical
	// name, in the presentation format of RFC 1035 section 5.1 without the dot
	// at the end: what is not a printable character is written \DDD. Empty when
	// there are none or when they are not known.
	CNAMEs []string
	// TTL is the smallest time to live of the records, 0 when it is not known.
	TTL time.Duration
	// Server is the name server that answered, when it is known.
	Server netip.AddrPort
	// Source says who answered: "dns", "hosts" (also the resolver of another
	// kind), "override" (Dialer.Resolve) or "localhost" (RFC 6761).
	Source string
	// At is when the answer came.
	At time.Time
	// Blocked are those of the answers that were not acceptable.
	Blocked []netip.Addr
}

// Conn is a guarded connection.
type Conn struct {
	net.Conn
	// Remote is the address of the target that the connection leads to. With
	// an upstream proxy it is what the proxy was asked for; it is not valid
	// when the proxy was asked for a name.
	Remote netip.AddrPort
	// Answer is what the target's name resolved to, nil when the target was
	// given as an address or the name was left to a proxy.
	Answer *Answer
	// Proxy is the host:port of the upstream proxy, empty without one.
	Proxy string
}

// DialContext is Dial in the form that net/http and others take.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return c, nil
}
