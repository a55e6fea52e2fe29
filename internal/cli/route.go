package cli

import (
	"crypto/x509"
	"net/netip"
	"net/url"
	"os"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

// A Route is how a program gets to the Internet, in the values of its flags. The empty one
// asks the system's name servers and connects by itself.
type Route struct {
	// Proxy is --proxy: http, https, socks5 or socks5h.
	Proxy string
	// ProxyCA is --proxy-ca-file: PEM certificates of the authorities that the certificate
	// of an https proxy is taken from, in place of the system's.
	ProxyCA string
	// NameServer is --name-server: an address, with a port or without.
	NameServer string
}

// Apply sets a guard to it. Settings that would be without effect are refused.
func (r Route) Apply(guard *netguard.Dialer) error {
	var err error
	if r.Proxy != "" {
		if guard.Upstream, err = parseProxy(r.Proxy); err != nil {
			return err
		}
	}
	if r.ProxyCA != "" {
		if guard.Upstream == nil || guard.Upstream.Scheme != "https" {
			return Usage("--proxy-ca-file is for a --proxy that is asked over TLS, such as https://proxy.example:3129")
		}
		if guard.UpstreamRoots, err = readAuthorities(r.ProxyCA); err != nil {
			return err
		}
	}
	if r.NameServer != "" {
		if guard.Upstream != nil && guard.Upstream.Scheme == "socks5h" {
			return Usage("--name-server is asked nothing when a socks5h --proxy resolves the names: use socks5, or leave one out")
		}
		if guard.NameServer, err = parseNameServer(r.NameServer); err != nil {
			return err
		}
	}
	return nil
}

// parseProxy does not repeat what it cannot read: there may be a password in it.
func parseProxy(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, Usage("--proxy: not a URL such as socks5://127.0.0.1:1080")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		if u.Hostname() != "" {
			return u, nil
		}
	}
	return nil, Usage("--proxy: want a URL of http, https, socks5 or socks5h with a host, such as socks5://127.0.0.1:1080")
}

func readAuthorities(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, Usage("--proxy-ca-file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, Usage("--proxy-ca-file %s: there is no certificate in it; want PEM, which begins with -----BEGIN CERTIFICATE-----", path)
	}
	return pool, nil
}

// dnsPort is where name servers answer by rule (RFC 1035 section 4.2).
const dnsPort = 53

func parseNameServer(s string) (netip.AddrPort, error) {
	if server, err := netip.ParseAddrPort(s); err == nil && server.Port() != 0 {
		return server, nil
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(addr, dnsPort), nil
	}
	return netip.AddrPort{}, Usage("--name-server %q: want an address, with a port or without, such as 192.0.2.53 or [2001:db8::53]:5353", s)
}
