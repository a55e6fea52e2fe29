package gateway

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

// long is a time that nothing here takes.
const long = 30 * time.Second

// running is a gateway that may visit loopback addresses.
type running struct {
	*Server
	address string
	stop    context.CancelFunc
	ended   chan error
}

func run(t *testing.T, s *Server) *running {
	t.Helper()
	if s.Dialer == nil {
		s.Dialer = &netguard.Dialer{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	}
	if s.MaxTunnels == 0 {
		s.MaxTunnels = 10
	}
	s.Metrics, s.Logger = NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)
	l := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	r := &running{Server: s, address: l.Addr().String(), stop: stop, ended: make(chan error, 1)}
	done := make(chan struct{})
	go func() { defer close(done); r.ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() { stop(); <-done })
	return r
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// site serves each connection.
func site(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l := listen(t)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { serve(c); _ = c.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return l.Addr().String()
}

// echo sends what it is sent, and ends when the other side has said all.
func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// ask sends a request and returns the connection and the answer.
func ask(t *testing.T, gateway, request string) (*net.TCPConn, *http.Response, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", gateway)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(long)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	return c.(*net.TCPConn), res, r
}

func connect(to string) string { return "CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\n\r\n" }

// open asks for a tunnel that there has to be.
func (r *running) open(t *testing.T, to string) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	c, res, br := ask(t, r.address, connect(to))
	if res.StatusCode != http.StatusOK || res.Header.Get("Proxy-Status") != ownName {
		t.Fatalf("%s: %s %v", to, res.Status, res.Header)
	}
	return c, br
}

func say(t *testing.T, c net.Conn, r io.Reader, word string) {
	t.Helper()
	got := make([]byte, len(word))
	if _, err := io.WriteString(c, word); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, got); err != nil || string(got) != word {
		t.Fatalf("said %q, heard %q, %v", word, got, err)
	}
}

// TestRefused: what a gateway does not do, and what it says of it.
func TestRefused(t *testing.T) {
	t.Parallel()
	taken := listen(t)
	free := taken.Addr().String()
	_ = taken.Close() // nobody listens there now
	g := run(t, &Server{})
	asked := map[outcome]float64{}
	for request, want := range map[string]struct {
		status  int
		outcome outcome
		kind    string
		says    string
	}{
		connect("169.254.169.254:80"):                               {403, outcomeForbidden, "destination_ip_prohibited", "169.254.169.254"},
		connect("10.0.0.1:443"):                                     {403, outcomeForbidden, "destination_ip_prohibited", "10.0.0.1"},
		connect("[fd00::1]:443"):                                    {403, outcomeForbidden, "destination_ip_prohibited", "fd00::1"},
		connect("[::ffff:10.0.0.1]:443"):                            {403, outcomeForbidden, "destination_ip_prohibited", "10.0.0.1"},
		connect("[64:ff9b::a00:1]:443"):                             {403, outcomeForbidden, "destination_ip_prohibited", "64:ff9b"},
		connect("[fe80::1%25lo]:443"):                               {403, outcomeForbidden, "destination_ip_prohibited", ""},
		connect("127.0.0.1:25"):                                     {403, outcomeForbidden, "destination_ip_prohibited", "port"},
		connect(free):                                               {502, outcomeUnreachable, "connection_refused", "refused"},
		connect("www.example.org:443"):                              {400, outcomeMalformed, "http_request_denied", "an address"},
		connect("2130706433:80"):                                    {400, outcomeMalformed, "http_request_denied", "an address"},
		connect("127.0.0.1"):                                        {400, outcomeMalformed, "http_request_denied", "a port"},
		"GET http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n": {405, outcomeMalformed, "http_request_denied", "CONNECT"},
	} {
		_, res, _ := ask(t, g.address, request)
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != want.status || res.Header.Get("Proxy-Status") != ownName+"; error="+want.kind || !strings.Contains(string(body), want.says) {
			t.Errorf("%q: %s, %q, %s", request, res.Status, res.Header.Get("Proxy-Status"), body)
		}
		asked[want.outcome]++
	}
	for outcome, n := range asked {
		if got := testutil.ToFloat64(g.Metrics.requests.WithLabelValues(string(outcome))); got != n {
			t.Errorf("%s: %v are counted of %v", outcome, got, n)
		}
	}
}

// TestTunnel: both directions are carried, what came early too, and the end of one is handed on while
// the other goes on.
func TestTunnel(t *testing.T) {
	t.Parallel()
	g := run(t, &Server{})
	at := site(t, echo)
	c, res, r := ask(t, g.address, connect(at)+"early ")
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	if _, err := io.WriteString(c, "and late"); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "early and late" {
		t.Errorf("got %q, %v", got, err)
	}
	g.stop()
	if err := <-g.ended; err != nil {
		t.Error(err)
	}
	for direction, want := range map[string]float64{toSite: 14, fromSite: 14} {
		if got := testutil.ToFloat64(g.Metrics.bytes.WithLabelValues(direction)); got != want {
			t.Errorf("%s: %v bytes", direction, got)
		}
	}
	if n := testutil.ToFloat64(g.Metrics.tunnels); n != 0 {
		t.Errorf("%v tunnels are left", n)
	}
}

// TestDialer: what workers use finds its way through, and is told what went wrong with a site.
func TestDialer(t *testing.T) {
	t.Parallel()
	g := run(t, &Server{})
	d := &netguard.Dialer{
		Upstream: &url.URL{Scheme: "http", Host: g.address}, Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")},
	}
	at := site(t, echo)
	c, err := d.Dial(t.Context(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	say(t, c, c, "hello")
	if c.Remote.String() != at || c.Proxy != g.address {
		t.Errorf("it knows %s through %q, want %s through %q", c.Remote, c.Proxy, at, g.address)
	}
	_ = c.Close()
	_, err = d.Dial(t.Context(), "tcp", "10.0.0.1:443")
	if err == nil || !strings.Contains(err.Error(), "403 Forbidden ("+ownName+"; error=destination_ip_prohibited)") {
		t.Errorf("a private address that the worker would visit: %v", err)
	}
	if err := d.UpstreamDown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestFull: there are no more tunnels than there may be, and a place that is left is there again.
func TestFull(t *testing.T) {
	t.Parallel()
	g := run(t, &Server{MaxTunnels: 2})
	at := site(t, echo)
	first, r := g.open(t, at)
	say(t, first, r, "one")
	_, _ = g.open(t, at)
	_, res, _ := ask(t, g.address, connect(at))
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Proxy-Status") != ownName+"; error=connection_limit_reached" {
		t.Errorf("the third: %s %v", res.Status, res.Header)
	}
	_ = first.Close()
	for until := time.Now().Add(long); ; {
		_, res, _ := ask(t, g.address, connect(at))
		if res.StatusCode == http.StatusOK {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("the place is not free: %s", res.Status)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestStop: a tunnel may come to its end, and one that does not is ended.
func TestStop(t *testing.T) {
	t.Parallel()
	at := site(t, echo)
	t.Run("Ends", func(t *testing.T) {
		t.Parallel()
		g := run(t, &Server{Drain: long})
		c, r := g.open(t, at)
		g.stop()
		for { // until nobody listens
			more, err := net.Dial("tcp", g.address)
			if err != nil {
				break
			}
			_ = more.Close()
			time.Sleep(10 * time.Millisecond)
		}
		say(t, c, r, "it goes on")
		select {
		case err := <-g.ended:
			t.Fatalf("it ended before its tunnel: %v", err)
		default:
		}
		_ = c.Close()
		if err := <-g.ended; err != nil {
			t.Error(err)
		}
	})
	t.Run("Cut", func(t *testing.T) {
		t.Parallel()
		g := run(t, &Server{Drain: 50 * time.Millisecond})
		c, r := g.open(t, at)
		g.stop()
		if _, err := r.ReadByte(); err == nil {
			t.Error("the tunnel goes on")
		}
		if err := <-g.ended; err != nil {
			t.Error(err)
		}
		_ = c.Close()
	})
}

// TestGone: a side that breaks off takes the other along.
func TestGone(t *testing.T) {
	t.Parallel()
	left := make(chan error, 1)
	at := site(t, func(c net.Conn) {
		_, err := io.Copy(io.Discard, c)
		left <- err
	})
	g := run(t, &Server{})
	c, _ := g.open(t, at)
	if err := c.SetLinger(0); err != nil { // a reset, as of a process that was killed
		t.Fatal(err)
	}
	_ = c.Close()
	select {
	case <-left:
	case <-time.After(long):
		t.Error("the site waits for who has gone")
	}
}
