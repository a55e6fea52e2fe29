package recorder

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// local is a dialer for the tests' own servers.
func local() *netguard.Dialer {
	return &netguard.Dialer{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
}

func newRecorder(t testing.TB, change ...func(*Options)) *Recorder {
	t.Helper()
	opts := Options{Dir: t.TempDir(), Dialer: local()}
	for _, c := range change {
		c(&opts)
	}
	r, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close the recorder: %v", err)
		}
	})
	return r
}

// newTestSession opens a session with a page.
func newTestSession(t testing.TB, change ...func(*Options)) *Session {
	t.Helper()
	s, err := newRecorder(t, change...).NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	begin(t, s)
	return s
}

// newLenientSession opens a session with a page that takes bad certificates.
func newLenientSession(t testing.TB, change ...func(*Options)) *Session {
	t.Helper()
	s, err := newRecorder(t, change...).NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(Page{Dir: t.TempDir(), AcceptBadCertificates: true}); err != nil {
		t.Fatal(err)
	}
	return s
}

func begin(t testing.TB, s *Session) {
	t.Helper()
	if err := s.Begin(Page{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
}

func end(t testing.TB, s *Session) []Exchange {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
	defer cancel()
	list, err := s.End(ctx)
	if err != nil {
		t.Fatalf("end the page: %v", err)
	}
	return list
}

// endOne ends a page that has one exchange.
func endOne(t testing.TB, s *Session) Exchange {
	t.Helper()
	list := end(t, s)
	if len(list) != 1 {
		t.Fatalf("got %d exchanges, want 1: %+v", len(list), list)
	}
	return list[0]
}

// client is an HTTP client behind the session.
func client(t testing.TB, s *Session) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(s.rec.Authority())
	tr := &http.Transport{
		Proxy:               http.ProxyURL(&url.URL{Scheme: "http", Host: s.Addr()}),
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		DisableCompression:  true,
		MaxIdleConnsPerHost: 32,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get fetches a URL and reads its body.
func get(t testing.TB, c *http.Client, address string) (*http.Response, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, body, err
}

// rawServer accepts connections and gives each to serve.
func rawServer(t testing.TB, serve func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveRaw(t, l, serve)
	return l.Addr().String()
}

func serveRaw(t testing.TB, l net.Listener, serve func(net.Conn, *bufio.Reader)) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				serve(c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}

// readRequestHead reads a head from the recorder; the empty string at the end.
func readRequestHead(br *bufio.Reader) string {
	head, err := readHead(br)
	if err != nil {
		return ""
	}
	return string(head)
}

// answering is a server that answers each request of a connection with the same
// bytes, and closes after the last one when it is told to.
func answering(t testing.TB, wire string, closes bool) string {
	return rawServer(t, func(c net.Conn, br *bufio.Reader) {
		for readRequestHead(br) != "" {
			_, _ = io.WriteString(c, wire)
			if closes {
				return
			}
		}
	})
}

// talk sends bytes to the recorder and returns all that comes until the
// connection is closed or quiet for a while.
func talk(t testing.TB, s *Session, wire string) string {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, wire); err != nil {
		t.Fatal(err)
	}
	var got []byte
	buf := make([]byte, 64<<10)
	wait := 5 * time.Second
	for {
		_ = c.SetReadDeadline(time.Now().Add(wait))
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			return string(got)
		}
		wait = 500 * time.Millisecond
	}
}

// contents reads a body's file and checks what the record says about it.
func contents(t testing.TB, b Body) string {
	t.Helper()
	if b.Path == "" {
		if b.Size != 0 || b.SHA256 != "" {
			t.Errorf("a body without a file: %+v", b)
		}
		return ""
	}
	f, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	if b.Size != int64(len(raw)) || b.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("the record says %d bytes, %s; the file has %d bytes, %x", b.Size, b.SHA256, len(raw), sum)
	}
	return string(raw)
}

func lines(list ...string) string { return strings.Join(list, "\r\n") + "\r\n\r\n" }

// discard is for servers whose clients hang up as a part of the test.
var discard = log.New(io.Discard, "", 0)
