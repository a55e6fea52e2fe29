package netguard

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback4 = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// names is a resolver with fixed answers. Each question takes the next answer
// of the name; the last one stays.
type names struct {
	mu      sync.Mutex
	answers map[string][][]string
	asked   int
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	list := n.answers[host]
	if len(list) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(list) > 1 {
		n.answers[host] = list[1:]
	}
	var out []netip.Addr
	for _, a := range list[0] {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

// listen starts a listener that accepts and closes, and returns its port.
func listen(t *testing.T, address string) int {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().(*net.TCPAddr).Port
}

// TestBlocked is the matrix of hostile targets (group P): whatever the form, no
// connection is made to an address that is not public.
func TestBlocked(t *testing.T) {
	t.Parallel()
	resolver := &names{answers: map[string][][]string{
		"metadata.google.internal":             {{"169.254.169.254"}},
		"kubernetes.default.svc.cluster.local": {{"10.96.0.1"}},
		"private.example.org":                  {{"192.168.1.1", "fd00::1"}},
		"mapped.example.org":                   {{"::ffff:127.0.0.1"}},
		"nat64.example.org":                    {{"64:ff9b::7f00:1"}},
		"zero.example.org":                     {{"0.0.0.0"}},
		"127.0.0.1.nip.example":                {{"127.0.0.1"}},
	}}
	tests := map[string]struct {
		reason, host string
	}{
		"Metadata":       {"Cloud metadata by address.", "169.254.169.254"},
		"Metadata6":      {"Cloud metadata by IPv6 address.", "fd00:ec2::254"},
		"MetadataName":   {"Cloud metadata by name.", "metadata.google.internal"},
		"ClusterService": {"A cluster's API server by name.", "kubernetes.default.svc.cluster.local"},
		"Loopback":       {"This machine.", "127.0.0.1"},
		"LoopbackShort":  {"inet_aton's short form.", "127.1"},
		"Zero":           {"This machine too.", "0.0.0.0"},
		"ZeroShort":      {"The same as one number.", "0"},
		"Loopback6":      {"This machine.", "::1"},
		"Mapped":         {"A private address in IPv6 clothes.", "::ffff:10.0.0.1"},
		"MappedHex":      {"In hexadecimal.", "::ffff:7f00:1"},
		"Decimal":        {"127.0.0.1 as one number.", "2130706433"},
		"Octal":          {"Octal parts.", "0177.0.0.1"},
		"OctalWhole":     {"One octal number.", "017700000001"},
		"Hex":            {"One hexadecimal number.", "0x7f000001"},
		"HexParts":       {"Hexadecimal parts.", "0x7f.0x0.0x0.0x1"},
		"HexLast":        {"Only the last part decides.", "foo.0x1"},
		"HexBare":        {"0x alone is a zero.", "127.0.0.0x"},
		"TooLarge":       {"Not an address, not a name.", "256.256.256.256"},
		"FiveParts":      {"Not an address, not a name.", "1.2.3.4.5"},
		"TrailingDot":    {"A trailing dot changes nothing.", "127.0.0.1."},
		"DecimalDot":     {"Nor here.", "2130706433."},
		"Zone":           {"An interface of this machine.", "fe80::1%lo"},
		"Localhost":      {"By definition.", "localhost"},
		"LocalhostCase":  {"In any case.", "LocalHost."},
		"LocalhostSub":   {"By definition.", "foo.localhost"},
		"PrivateName":    {"A public name with private addresses.", "private.example.org"},
		"MappedName":     {"A name with a mapped address.", "mapped.example.org"},
		"NAT64Name":      {"A name with an embedded address.", "nat64.example.org"},
		"ZeroName":       {"A name that leads to 0.0.0.0.", "zero.example.org"},
		"WildcardName":   {"A wildcard name service.", "127.0.0.1.nip.example"},
		"Slash":          {"Not a host.", "a/b"},
		"Space":          {"Not a host.", "a b"},
		"At":             {"Not a host.", "user@example.org"},
		"LineBreak":      {"Not a host.", "a\r\nb"},
		"Escape":         {"Not a host.", "a\x1bb"},
		"Empty":          {"Not a host.", ""},
		"DotsOnly":       {"Not a host.", "a..b"},
		"FullWidth":      {"127.0.0.1 to whoever maps it (UTS 46).", "\uff11\uff12\uff17.0.0.1"},
		"Circled":        {"The same.", "\u2460\u2461\u2466.0.0.1"},
		"FullStop":       {"Dots that map to dots.", "127\u30020\u30020\u30021"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &Dialer{Resolver: resolver, Timeout: 5 * time.Second}
			c, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(tc.host, "80"))
			if c != nil || Reason(err) != ReasonAddressBlocked {
				t.Errorf("%s: got %v, %v (%s)", tc.reason, c, err, Reason(err))
			}
		})
	}
}

// TestPorts: what is no web server is not asked, whoever's it is.
func TestPorts(t *testing.T) {
	t.Parallel()
	// The name's address is one that connects to nobody, if it comes to that.
	d := &Dialer{Resolve: map[string]string{"www.example.org": "127.0.0.1:1"}, Timeout: 5 * time.Second, Allow: loopback4}
	for port, blocked := range map[string]bool{"22": true, "25": true, "6667": true, "10080": true, "80": false, "443": false, "8080": false, "6379": false} {
		_, err := d.Dial(t.Context(), "tcp", "www.example.org:"+port)
		if got := Reason(err) == ReasonAddressBlocked; got != blocked {
			t.Errorf("port %s: %v, want blocked %v", port, err, blocked)
		}
	}
}

func TestRebinding(t *testing.T) {
	t.Parallel()
	port := strconv.Itoa(listen(t, "127.0.0.1:0"))
	resolver := &names{answers: map[string][][]string{"rebind.example.org": {{"127.0.0.1"}, {"127.8.8.8"}, {"10.0.0.1"}}}}
	// 127.0.0.1/32 stands for the public Internet here.
	d := &Dialer{Resolver: resolver, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Cache: -1}
	c, err := d.Dial(t.Context(), "tcp", "rebind.example.org:"+port)
	if err != nil {
		t.Fatalf("the first answer is fine: %v", err)
	}
	_ = c.Close()
	if resolver.asked != 1 {
		t.Errorf("one dial asked the resolver %d times: a second answer could differ", resolver.asked)
	}
	if c.Remote.Addr().String() != "127.0.0.1" || c.Answer == nil || c.Answer.Name != "rebind.example.org" {
		t.Errorf("got remote %s, answer %+v", c.Remote, c.Answer)
	}
	for range 2 {
		if _, err := d.Dial(t.Context(), "tcp", "rebind.example.org:"+port); Reason(err) != ReasonAddressBlocked {
			t.Errorf("the answer after it leads inside: %v", err)
		}
	}

	// With the cache, the name stays pinned to what was checked.
	resolver = &names{answers: map[string][][]string{"rebind.example.org": {{"127.0.0.1"}, {"10.0.0.1"}}}}
	d = &Dialer{Resolver: resolver, Allow: d.Allow}
	for range 3 {
		c, err := d.Dial(t.Context(), "tcp", "rebind.example.org:"+port)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	if resolver.asked != 1 {
		t.Errorf("asked %d times", resolver.asked)
	}
}

// TestControl: the last check is on the address that the socket is given, even
// if everything before it were wrong.
func TestControl(t *testing.T) {
	t.Parallel()
	port := listen(t, "127.0.0.1:0")
	d := &Dialer{}
	c, err := d.connect(t.Context(), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)))
	if c != nil || Reason(err) != ReasonAddressBlocked {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestMixedAnswer(t *testing.T) {
	t.Parallel()
	port := strconv.Itoa(listen(t, "127.0.0.1:0"))
	d := &Dialer{
		Resolver: &names{answers: map[string][][]string{"mixed.example.org": {{"10.0.0.1", "127.0.0.1", "fd00::1"}}}},
		Allow:    loopback4,
	}
	c, err := d.Dial(t.Context(), "tcp", "Mixed.example.org.:"+port)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	want := &Answer{
		Name: "mixed.example.org", Source: SourceHosts,
		Answers: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("fd00::1")},
		Blocked: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
	}
	if diff := cmp.Diff(want, c.Answer, cmpopts.IgnoreFields(Answer{}, "At"), cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func TestHappyEyeballs(t *testing.T) {
	t.Parallel()
	port := strconv.Itoa(listen(t, "127.0.0.9:0"))
	d := &Dialer{
		Resolver: &names{answers: map[string][][]string{
			"several.example.org": {{"127.0.0.7", "127.0.0.8", "127.0.0.9"}},
			"none.example.org":    {{"127.0.0.7", "127.0.0.8"}},
		}},
		Allow: loopback4,
	}
	began := time.Now()
	c, err := d.Dial(t.Context(), "tcp", "several.example.org:"+port)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if c.Remote.Addr().String() != "127.0.0.9" {
		t.Errorf("connected to %s", c.Remote)
	}
	if took := time.Since(began); took > attemptDelay {
		t.Errorf("took %s: a refused attempt is followed by the next at once", took)
	}
	_, err = d.Dial(t.Context(), "tcp", "none.example.org:"+port)
	if Reason(err) != ReasonConnectFailed || !strings.Contains(err.Error(), "127.0.0.7") || !strings.Contains(err.Error(), "127.0.0.8") {
		t.Errorf("both attempts are told of: %v", err)
	}
}

func TestInterleave(t *testing.T) {
	t.Parallel()
	parse := func(list ...string) (out []netip.AddrPort) {
		for _, s := range list {
			out = append(out, netip.AddrPortFrom(netip.MustParseAddr(s), 80))
		}
		return out
	}
	got := interleave(parse("2606::1", "2606::2", "2606::3", "1.1.1.1", "1.1.1.2"))
	want := parse("2606::1", "1.1.1.1", "2606::2", "1.1.1.2", "2606::3")
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestResolveOverride(t *testing.T) {
	t.Parallel()
	port := listen(t, "127.0.0.1:0")
	local := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	d := &Dialer{
		Resolver: &names{},
		Allow:    loopback4,
		Resolve: map[string]string{
			"www.example.org:443": local,
			"all.example.org":     "127.0.0.1",
			"inside.example.org":  "10.0.0.1",
			"192.0.2.7:80":        local,
			"broken.example.org":  "elsewhere",
		},
	}
	tests := map[string]struct {
		reason, address, want string
	}{
		"Port":      {"Host and port are given another place.", "www.example.org:443", ""},
		"OtherPort": {"Other ports of the host are not.", "www.example.org:80", ReasonDNSFailed},
		"AllPorts":  {"Without a port, all of them are.", net.JoinHostPort("all.example.org", strconv.Itoa(port)), ""},
		"Checked":   {"An override is checked like an answer.", "inside.example.org:80", ReasonAddressBlocked},
		"Address":   {"An address can be overridden.", "192.0.2.7:80", ""},
		"Broken":    {"What is not an address is named.", "broken.example.org:80", ReasonDNSFailed},
		"Unknown":   {"Other names are asked for.", "other.example.org:80", ReasonDNSFailed},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := d.Dial(t.Context(), "tcp", tc.address)
			if Reason(err) != tc.want {
				t.Errorf("%s: got %v", tc.reason, err)
			}
			if err != nil {
				return
			}
			_ = c.Close()
			if c.Remote.String() != local {
				t.Errorf("%s: connected to %s, want %s", tc.reason, c.Remote, local)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	d := &Dialer{Resolver: &names{}, Allow: loopback4, Timeout: 5 * time.Second}
	_, err := d.Dial(t.Context(), "tcp", "nowhere.example.org:80")
	var resolve *ResolveError
	if !errors.As(err, &resolve) || !resolve.NotFound {
		t.Errorf("got %v", err)
	}
	if want := `resolve "nowhere.example.org": no such host`; err == nil || err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	_ = l.Close()
	if _, err := d.Dial(t.Context(), "tcp", closed); Reason(err) != ReasonConnectFailed || !strings.HasSuffix(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
	for _, address := range []string{"example.org", "example.org:http", "example.org:0", "example.org:70000"} {
		if _, err := d.Dial(t.Context(), "tcp", address); Reason(err) != ReasonConnectFailed {
			t.Errorf("%s: got %v", address, err)
		}
	}
	if _, err := d.Dial(t.Context(), "tcp6", closed); Reason(err) != ReasonConnectFailed {
		t.Errorf("tcp6 to an IPv4 address: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Dial(ctx, "tcp", closed); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// slow answers after a while.
type slow struct {
	mu    sync.Mutex
	asked int
}

func (s *slow) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	select {
	case <-time.After(100 * time.Millisecond):
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestAskOnce: a name that is asked for by many at a time is looked up once,
// and again when the one who asked has given up.
func TestAskOnce(t *testing.T) {
	t.Parallel()
	address := "www.example.org:" + strconv.Itoa(listen(t, "127.0.0.1:0"))
	resolver := &slow{}
	d := &Dialer{Resolver: resolver, Allow: loopback4}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := d.Dial(short, "tcp", address); Reason(err) != ReasonDNSFailed {
			t.Errorf("the one who gives up: %v", err)
		}
	})
	time.Sleep(10 * time.Millisecond)
	for range 10 {
		wg.Go(func() {
			c, err := d.Dial(t.Context(), "tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.Close()
		})
	}
	wg.Wait()
	if resolver.asked != 2 {
		t.Errorf("asked %d times", resolver.asked)
	}
}
