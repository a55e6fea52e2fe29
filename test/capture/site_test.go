package capture

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	stdtls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"maps"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// hosts are the names of the origins. The top-level domain is reserved for tests (RFC 2606), and as Chrome knows no
// public suffix below it, "fleet.test" is one site and "other.test" another.
var hosts = map[string]string{
	www: "www.fleet.test", cdn: "cdn.fleet.test", far: "www.other.test", tls: "tls.fleet.test", two: "two.fleet.test", twin: "twin.fleet.test",
	expired: "expired.fleet.test", stranger: "stranger.fleet.test", misnamed: "misnamed.fleet.test", old: "old.fleet.test",
	idn: "xn--bcher-kva.fleet.test", dotted: "dotted.fleet.test.", six: "six.fleet.test", bare: "tls.fleet.test", onion: "fleetfleetfleet.onion",
	asking: "asking.fleet.test", stapled: "stapled.fleet.test", twelve: "twelve.fleet.test", named: "named.fleet.test", locked: "locked.fleet.test",
}

// A site is the adversarial site: its servers, its origins, the routes of all cases.
type site struct {
	plain, secure, h2 *wire.Server
	odd               map[string]*wire.Server // by origin
	authority         *x509.Certificate
	names             *strings.Replacer // {www} to http://www.fleet.test:1234
	base              map[string]string // by origin

	mu      sync.Mutex
	counter int
	talks   map[string]conversation // over sockets, by target
	times   map[string]int          // that something was asked for, kept by handlers
	routes  map[string]handler      // by path, with or without a query
}

// expand writes the origins' addresses for their names in braces.
func (s *site) expand(list ...string) []string {
	out := make([]string, len(list))
	for i, text := range list {
		out[i] = s.names.Replace(text)
	}
	return out
}

// newSite starts the servers.
func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{routes: make(map[string]handler), times: make(map[string]int), talks: make(map[string]conversation), base: make(map[string]string)}
	authority, issue := newAuthority(t)
	s.authority = authority
	start := func(config *stdtls.Config, address ...string) *wire.Server {
		server, err := wire.Start(wire.Options{Handler: s.handle, TLS: config, Address: strings.Join(address, "")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		})
		return server
	}
	later := time.Now().Add(24 * time.Hour)
	certificate := issue(later, hosts[tls], hosts[two], hosts[twin])
	s.plain = start(nil)
	s.secure = start(&stdtls.Config{Certificates: []stdtls.Certificate{certificate}, NextProtos: []string{"http/1.1"}})
	s.odd = make(map[string]*wire.Server)
	_, issueStranger := newAuthority(t)
	for name, config := range map[string]*stdtls.Config{
		expired:  {Certificates: []stdtls.Certificate{issue(time.Now().Add(-time.Hour), hosts[expired])}},
		stranger: {Certificates: []stdtls.Certificate{issueStranger(later, hosts[stranger])}},
		misnamed: {Certificates: []stdtls.Certificate{issue(later, "another.fleet.test")}},
		asking:   {Certificates: []stdtls.Certificate{issue(later, hosts[asking])}, ClientAuth: stdtls.RequestClientCert},
		// With TLS 1.3 a client hears only after its handshake that it was refused, and may have sent a request.
		locked:  {Certificates: []stdtls.Certificate{issue(later, hosts[locked])}, ClientAuth: stdtls.RequireAnyClientCert, MaxVersion: stdtls.VersionTLS12},
		twelve:  {Certificates: []stdtls.Certificate{issue(later, hosts[twelve])}, MaxVersion: stdtls.VersionTLS12},
		stapled: {Certificates: []stdtls.Certificate{withStaple(issue(later, hosts[stapled]))}},
		old:     {Certificates: []stdtls.Certificate{issue(later, hosts[old])}, MinVersion: stdtls.VersionTLS10, MaxVersion: stdtls.VersionTLS11},
	} {
		s.odd[name] = start(config)
	}
	s.odd[six] = start(nil, "::1")
	s.h2 = start(&stdtls.Config{Certificates: []stdtls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}})
	var names []string
	for name, host := range hosts {
		scheme, port := "http", s.plain.Port
		switch name {
		case tls:
			scheme, port = "https", s.secure.Port
		case two, twin:
			scheme, port = "https", s.h2.Port
		case expired, stranger, misnamed, old, asking, locked, twelve, stapled:
			scheme, port = "https", s.odd[name].Port
		case bare:
			port = s.secure.Port
		case six:
			port = s.odd[six].Port
		}
		s.base[name] = fmt.Sprintf("%s://%s:%d", scheme, host, port)
		names = append(names, "{"+name+"}", s.base[name])
	}
	s.names = strings.NewReplacer(names...)
	return s
}

// add serves a case.
func (s *site) add(c *testCase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, h := range c.serve {
		s.routes[c.folder()+path] = h
	}
}

func (s *site) handle(x *wire.Exchange) {
	s.mu.Lock()
	h := s.routes[x.Target]
	if h == nil {
		h = s.routes[x.Path()]
	}
	s.mu.Unlock()
	if h == nil {
		h = answer("404 Not Found", mimeText, "there is nothing here")
	}
	h(s, x)
}

// seen is what the case's folder was asked for, on all origins.
func (s *site) seen(c *testCase) []wire.Seen {
	var out []wire.Seen
	for _, server := range append(slices.Collect(maps.Values(s.odd)), s.plain, s.secure, s.h2) {
		for _, x := range server.Seen() {
			if strings.HasPrefix(x.Target, c.folder()) {
				out = append(out, x)
			}
		}
	}
	return out
}

// count adds to the number of times that something has happened, and returns what it was before.
func (s *site) count(what string, n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.times[what]
	s.times[what] += n
	return before
}

// short writes an address as the cases' expectations do.
func (s *site) short(c *testCase, address string) string {
	for name, base := range s.base {
		if rest, ok := strings.CutPrefix(address, base+c.folder()); ok {
			return name + ":" + rest
		}
		if rest, ok := strings.CutPrefix(address, strings.Replace(base, "http", "ws", 1)+c.folder()); ok {
			return name + "(ws):" + rest
		}
	}
	for name, base := range s.base {
		if rest, ok := strings.CutPrefix(address, base); ok {
			return "{" + name + "}" + rest
		}
	}
	return address
}

// What is stapled is a client's to judge (RFC 6066 section 8, RFC 6962 section 3.3): to the recorder it is bytes.
const staple = "an answer of a status server\x00\xff"

var signedTimestamps = []string{"the timestamp of a log\x00\xfe", "the timestamp of another log"}

func withStaple(c stdtls.Certificate) stdtls.Certificate {
	c.OCSPStaple = []byte(staple)
	for _, sct := range signedTimestamps {
		c.SignedCertificateTimestamps = append(c.SignedCertificateTimestamps, []byte(sct))
	}
	return c
}

// newAuthority makes a certificate authority and a function that issues certificates that are valid until a time.
func newAuthority(t testing.TB) (*x509.Certificate, func(until time.Time, names ...string) stdtls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "conformance suite"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority, func(until time.Time, names ...string) stdtls.Certificate {
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
			NotBefore: now.Add(-48 * time.Hour), NotAfter: until,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		for _, name := range names {
			if ip := net.ParseIP(name); ip != nil {
				leaf.IPAddresses = append(leaf.IPAddresses, ip)
			}
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return stdtls.Certificate{Certificate: [][]byte{der, authority.Raw}, PrivateKey: key}
	}
}
