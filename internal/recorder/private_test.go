package recorder

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

// book is a name service: each question takes the next answer of the name, the last one stays.
type book map[string]*entry

type entry struct {
	answers []string // each is a list
	asked   atomic.Int32
}

func (b book) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	e := b[host]
	if e == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	n := min(int(e.asked.Add(1)), len(e.answers))
	var out []netip.Addr
	for a := range strings.SplitSeq(e.answers[n-1], " ") {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

// trap is a server on this machine that nobody may reach. It returns its port.
func trap(t *testing.T, hits *atomic.Int32) string {
	t.Helper()
	address := rawServer(t, func(c net.Conn, br *bufio.Reader) {
		hits.Add(1)
		_ = readRequestHead(br)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret")
	})
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// The ways in which a browser asks for something. Each returns the reason that the
// recorder gave in the origin's place, or what it said otherwise.

func askPlain(t *testing.T, s *Session, authority string) string {
	t.Helper()
	br, c := dialSession(t, s, "GET http://"+authority+"/latest/meta-data HTTP/1.1", "Host: x", "Connection: close")
	defer c.Close()
	return reasonIn(br)
}

func askSocket(t *testing.T, s *Session, authority string) string {
	t.Helper()
	br, c := dialSession(t, s, "CONNECT "+authority+" HTTP/1.1", "Host: x")
	defer c.Close()
	if first := reasonIn(br); first != "HTTP/1.1 200 Connection established" {
		return first
	}
	_, _ = io.WriteString(c, lines("GET /socket HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="))
	return reasonIn(br)
}

func askTLS(t *testing.T, s *Session, authority string) string {
	t.Helper()
	br, c := dialSession(t, s, "CONNECT "+authority+" HTTP/1.1", "Host: x")
	defer c.Close()
	if first := reasonIn(br); first != "HTTP/1.1 200 Connection established" {
		return first
	}
	secure := tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // what is asked for is never reached
	if _, err := io.WriteString(secure, lines("GET / HTTP/1.1", "Host: x", "Connection: close")); err != nil {
		return err.Error()
	}
	return reasonIn(bufio.NewReader(secure))
}

// dialSession sends a head to the recorder.
func dialSession(t *testing.T, s *Session, head ...string) (*bufio.Reader, net.Conn) {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, lines(head...)); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(c), c
}

// reasonIn reads a head and returns the recorder's reason in it, or its first line.
func reasonIn(br *bufio.Reader) string {
	head, err := readHead(br)
	if err != nil {
		return err.Error()
	}
	for f := range fields(head) {
		if f.is(ReasonHeader) {
			return string(f.value)
		}
	}
	return startLine(head)
}

// TestPrivateAddresses asks the recorder for every form of an address that is not public,
// in each way that a browser has. The rest of group P, what a page does to get there, is in
// test/capture.
func TestPrivateAddresses(t *testing.T) {
	t.Parallel()
	names := book{
		"private.example.org":      {answers: []string{"10.0.0.1 192.168.0.1"}},
		"metadata.example.org":     {answers: []string{"169.254.169.254"}},
		"metadata6.example.org":    {answers: []string{"fd00:ec2::254"}},
		"mapped.example.org":       {answers: []string{"::ffff:127.0.0.1"}},
		"compat.example.org":       {answers: []string{"::127.0.0.1"}},
		"nat64.example.org":        {answers: []string{"64:ff9b::7f00:1"}},
		"sixtofour.example.org":    {answers: []string{"2002:7f00:1::1"}},
		"zero.example.org":         {answers: []string{"0.0.0.0 ::"}},
		"carrier.example.org":      {answers: []string{"100.64.1.1"}},
		"metadata.google.internal": {answers: []string{"169.254.169.254"}},
	}
	hosts := []string{
		// The same address, written in every way that inet_aton and browsers read.
		"127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0X7F.0.0.1", "0177.0.0.1", "017700000001", "127.0.0.1.", "127.0.0.01",
		"0", "0.0.0.0", "localhost", "LOCALHOST", "localhost.", "a.localhost",
		"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "169.254.170.2", "2852039166", "0xA9FEA9FE", "0251.0376.0251.0376",
		"100.64.0.1", "100.127.255.254", "100.100.100.200", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
		"224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.88.99.1", "168.63.129.16",
		"[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[::ffff:a9fe:a9fe]",
		"[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[2002:7f00:1::1]", "[2002:a9fe:a9fe::1]", "[2001:0:7f00:1::]",
		"[fd00:ec2::254]", "[fd12::1]", "[fe80::1]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[100::1]", "[5f00::1]", "[2606:4700::5efe:10.0.0.1]",
	}
	for name := range names {
		hosts = append(hosts, name)
	}
	var hits atomic.Int32
	port := trap(t, &hits)
	guard := &netguard.Dialer{Resolver: names}
	ways := map[string]func(*testing.T, *Session, string) string{"Plain": askPlain, "Socket": askSocket, "TLS": askTLS}
	for name, ask := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestSession(t, func(o *Options) { o.Dialer = guard })
			for _, host := range hosts {
				if got := ask(t, s, host+":"+port); got != ReasonAddressBlocked {
					t.Errorf("%s: %s", host, got)
				}
			}
			for _, e := range end(t, s) {
				if e.Failure != ReasonAddressBlocked || e.Conn != nil && e.Conn.Remote.IsValid() || e.Response != nil {
					t.Errorf("the record of %s: %+v", e.URL, e)
				}
			}
		})
	}
	t.Cleanup(func() { // after the ways, which run at the same time
		if n := hits.Load(); n != 0 {
			t.Errorf("%d connections came to where none may go", n)
		}
	})
}

// TestMalformedAuthorities: what is no host and port gets nowhere either.
func TestMalformedAuthorities(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	port := trap(t, &hits)
	s := newTestSession(t, func(o *Options) { o.Dialer = new(netguard.Dialer) })
	for _, authority := range []string{
		"user@127.0.0.1:" + port, "example.org@127.0.0.1:" + port, "127.0.0.1%00.example.org:" + port, "[fe80::1%25lo]:" + port, "127.0.0.1:" + port + "#@example.org",
		"127.0.0.1\\@example.org:" + port, "127.0.0.1%20:" + port, "\uff11\uff12\uff17.0.0.1:" + port, "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+" + port, "[::1:" + port, "[]:" + port,
		"127.0.0.1:25", "www.example.org:22",
	} {
		for _, got := range []string{askPlain(t, s, authority), askSocket(t, s, authority)} {
			if got != ReasonAddressBlocked && got != ReasonConnectFailed && got != "HTTP/1.1 400 Bad Request" {
				t.Errorf("%s: %s", authority, got)
			}
		}
	}
	end(t, s)
	if n := hits.Load(); n != 0 {
		t.Errorf("%d connections came to where none may go", n)
	}
}

// TestNamesThatChange: 127.0.0.2 stands for the public Internet. A name may lead there and
// inside at once, or there first and inside later; inside nobody gets.
func TestNamesThatChange(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	port := trap(t, &hits)
	public, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = http.Serve(public, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close") // or it would be used again, as it may
		})) // ends with the listener
	}()
	t.Cleanup(func() { _ = public.Close() })
	names := book{
		"both.example.org":   {answers: []string{"127.0.0.1 10.0.0.1 127.0.0.2"}},
		"rebind.example.org": {answers: []string{"127.0.0.2", "127.0.0.1"}},
	}
	guard := &netguard.Dialer{Resolver: names, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}, Cache: -1}
	s := newTestSession(t, func(o *Options) { o.Dialer = guard })
	for i, want := range []string{"HTTP/1.1 200 OK", ReasonAddressBlocked, ReasonAddressBlocked} {
		if got := askSocket(t, s, "rebind.example.org:"+port); got != want {
			t.Errorf("question %d: %s, want %s", i+1, got, want)
		}
	}
	if got := askPlain(t, s, "both.example.org:"+port); got != "HTTP/1.1 200 OK" {
		t.Errorf("the public address of a name with others: %s", got)
	}
	list := end(t, s)
	if last := list[len(list)-1]; last.Conn == nil || last.Conn.Remote.Addr() != netip.MustParseAddr("127.0.0.2") || len(last.Conn.DNS.Blocked) != 2 {
		t.Errorf("the record of a name with both kinds of addresses: %+v", last.Conn)
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d connections came to where none may go", n)
	}
}

// TestPrivateThroughProxy: a proxy is asked for nothing that we would not connect to.
func TestPrivateThroughProxy(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	proxy := "127.0.0.1:" + trap(t, &hits)
	names := book{"private.example.org": {answers: []string{"10.0.0.1"}}}
	for _, scheme := range []string{"http", "socks5", "socks5h"} {
		guard := &netguard.Dialer{Resolver: names, Upstream: &url.URL{Scheme: scheme, Host: proxy}}
		s := newTestSession(t, func(o *Options) { o.Dialer = guard })
		hosts := []string{"10.0.0.1", "2130706433", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "169.254.169.254", "localhost", "printer.local", "kubernetes.default.svc"}
		if scheme != "socks5h" { // there the proxy alone knows
			hosts = append(hosts, "private.example.org")
		}
		for _, host := range hosts {
			got := askPlain(t, s, host+":"+strconv.Itoa(80))
			if scheme != "socks5h" && (host == "printer.local" || host == "kubernetes.default.svc") {
				got = strings.ReplaceAll(got, ReasonDNSFailed, ReasonAddressBlocked) // there is no such name
			}
			if got != ReasonAddressBlocked {
				t.Errorf("%s, %s: %s", scheme, host, got)
			}
		}
		end(t, s)
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("the proxy was asked %d times", n)
	}
}
