package recorder

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

// TestKeepAlive: connections are kept on both sides, across pages too.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	var conns atomic.Int32
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "page ", r.URL.Path)
	}))
	site.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	site.Start()
	t.Cleanup(site.Close)
	s := newTestSession(t)
	c := client(t, s)
	var ids []int64
	for page := range 2 {
		for i := range 3 {
			_, body, err := get(t, c, fmt.Sprintf("%s/%d", site.URL, i))
			if err != nil || string(body) != fmt.Sprintf("page /%d", i) {
				t.Fatalf("got %q, %v", body, err)
			}
		}
		list := end(t, s)
		if len(list) != 3 {
			t.Fatalf("page %d has %d exchanges", page, len(list))
		}
		for i, e := range list {
			if e.ID != i+1 || contents(t, e.Response.Body) != fmt.Sprintf("page /%d", i) || e.Failure != "" {
				t.Errorf("exchange %+v", e)
			}
			if e.Started.IsZero() || e.FirstByte.Before(e.Started) || e.Ended.Before(e.FirstByte) {
				t.Errorf("times %s %s %s", e.Started, e.FirstByte, e.Ended)
			}
			ids = append(ids, e.Conn.ID)
		}
		begin(t, s)
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections were made", conns.Load())
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("connection ids %v", ids)
		}
	}
}

// TestStaleConnection: an origin that closes a connection that was kept does
// not fail the next request on it.
func TestStaleConnection(t *testing.T) {
	t.Parallel()
	for _, silent := range []bool{true, false} {
		var requests atomic.Int32
		// The connection is closed before the second request, or when it comes.
		address := rawServer(t, func(c net.Conn, br *bufio.Reader) {
			for first := true; readRequestHead(br) != ""; first = false {
				if !first {
					return
				}
				requests.Add(1)
				_, _ = io.WriteString(c, lines("HTTP/1.1 200 OK", "Content-Length: 2")+"ok")
				if silent {
					return
				}
			}
		})
		s := newTestSession(t)
		c := client(t, s)
		for range 3 {
			if _, body, err := get(t, c, "http://"+address); err != nil || string(body) != "ok" {
				t.Errorf("got %q, %v", body, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		for _, e := range end(t, s) {
			if e.Failure != "" {
				t.Errorf("%s: %s", e.Failure, e.Detail)
			}
		}
		if requests.Load() != 3 {
			t.Errorf("%d requests were answered", requests.Load())
		}
	}
}

func TestRequestBodies(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte{0, 1, 2, 0xff}, 64<<10)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%s %d %x %v %s", r.Method, len(body), sha256.Sum256(body), r.TransferEncoding, r.Trailer.Get("X-T"))
	}))
	t.Cleanup(site.Close)
	tests := map[string]struct {
		reason, method string
		body           []byte
		chunked        bool
	}{
		"Small":    {"A small body comes with its head.", "POST", []byte("a=b"), false},
		"Binary":   {"Bodies are bytes.", "PUT", []byte("\x00\r\n\xff"), false},
		"Big":      {"Bodies are streamed.", "POST", big, false},
		"Chunked":  {"Bodies without a length.", "PATCH", big, true},
		"Nothing":  {"A body of no bytes.", "POST", nil, false},
		"EmptyEnd": {"A chunked body of no bytes.", "POST", []byte{}, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestSession(t)
			req, err := http.NewRequestWithContext(t.Context(), tc.method, site.URL, bytes.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if tc.chunked {
				req.Body, req.ContentLength = io.NopCloser(struct{ io.Reader }{bytes.NewReader(tc.body)}), -1
				req.Trailer = http.Header{"X-T": {"end"}}
			}
			res, err := client(t, s).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(res.Body)
			res.Body.Close()
			want := fmt.Sprintf("%s %d %x [] ", tc.method, len(tc.body), sha256.Sum256(tc.body))
			if tc.chunked {
				want = strings.Replace(want, "[] ", "[chunked] end", 1)
			}
			if string(got) != want {
				t.Errorf("%s: the origin saw %q, want %q", tc.reason, got, want)
			}
			e := endOne(t, s)
			if body := contents(t, e.Request.Body); body != string(tc.body) || e.Request.Body.Truncated != "" {
				t.Errorf("%s: recorded %d bytes, truncated %q", tc.reason, len(body), e.Request.Body.Truncated)
			}
			if contents(t, e.Response.Body) != want || e.Failure != "" {
				t.Errorf("%s: %+v", tc.reason, e)
			}
		})
	}
}

// TestEarlyAnswer: an origin may answer, and hang up, before it has the request.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	address := rawServer(t, func(c net.Conn, br *bufio.Reader) {
		readRequestHead(br)
		_, _ = io.WriteString(c, lines("HTTP/1.1 413 Content Too Large", "Content-Length: 3", "Connection: close")+"big")
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.CopyN(io.Discard, br, 1<<20)
	})
	s := newTestSession(t)
	got := talk(t, s, lines("POST http://"+address+"/ HTTP/1.1", "Host: x", "Content-Length: 3000000")+strings.Repeat("x", 1000))
	if !strings.HasPrefix(got, "HTTP/1.1 413 ") {
		t.Errorf("the browser got %q", got)
	}
	e := endOne(t, s)
	if e.Response == nil || contents(t, e.Response.Body) != "big" || contents(t, e.Request.Body) != strings.Repeat("x", 1000) || e.Request.Body.Truncated != truncatedDisconnect {
		t.Errorf("got %+v %s", e, e.Detail)
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}))
	t.Cleanup(site.Close)
	s := newTestSession(t)
	c := client(t, s)
	c.Transport.(*http.Transport).ExpectContinueTimeout = 10 * time.Second
	req, err := http.NewRequestWithContext(t.Context(), "POST", site.URL, strings.NewReader("the body"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Expect", "100-continue")
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	e := endOne(t, s)
	if string(body) != "the body" || len(e.Interim) != 1 || contents(t, e.Request.Body) != "the body" {
		t.Errorf("got %q, %+v", body, e)
	}
}

// TestStreaming: what an origin sends is passed on at once, and counted.
func TestStreaming(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; ; i++ {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			select {
			case <-more:
			case <-r.Context().Done():
				return
			}
		}
	}))
	t.Cleanup(site.Close)
	s := newTestSession(t)
	res, err := client(t, s).Get(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	br := bufio.NewReader(res.Body)
	for i := range 3 {
		if line, err := br.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("got %q, %v", line, err)
		}
		_, _ = br.ReadString('\n')
		if i < 2 {
			more <- struct{}{}
		}
	}
	if a := s.InFlight(); a.Open != 1 || a.Exchanges != 1 || a.Bytes != 27 || time.Since(a.Last) > 5*time.Second {
		t.Errorf("activity %+v", a)
	}
	e := endOne(t, s)
	if got := contents(t, e.Response.Body); got != "data: 0\n\ndata: 1\n\ndata: 2\n\n" {
		t.Errorf("recorded %q", got)
	}
	if e.Response.Body.Truncated != truncatedTime || e.Failure != "" {
		t.Errorf("truncated %q failure %q", e.Response.Body.Truncated, e.Failure)
	}
	if _, err := br.ReadString('\n'); err == nil {
		t.Error("the stream goes on after the page")
	}
	if a := s.InFlight(); a != (Activity{}) {
		t.Errorf("activity after the page %+v", a)
	}
}

// TestEndCutsSilence: an origin that never answers does not hold up End.
func TestEndCutsSilence(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	address := rawServer(t, func(_ net.Conn, br *bufio.Reader) {
		readRequestHead(br)
		asked <- struct{}{}
		_, _ = br.ReadByte()
	})
	s := newTestSession(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		talk(t, s, lines("GET http://"+address+"/ HTTP/1.1", "Host: x"))
	}()
	<-asked
	began := time.Now()
	e := endOne(t, s)
	if e.Failure != ReasonAborted || e.Response != nil || !strings.Contains(e.Detail, "page was closed") {
		t.Errorf("got %+v", e)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %s", took)
	}
	<-done
}

// TestBrowserGivesUp: a request that the browser no longer wants ends although
// the origin is silent.
func TestBrowserGivesUp(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason, wire, failure, truncated string
	}{
		"BeforeAnswer": {"Nothing came: it failed.", "", ReasonAborted, ""},
		"WithinBody":   {"What came is kept.", lines("HTTP/1.1 200 OK", "Content-Length: 100") + "part", "", truncatedDisconnect},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan struct{}, 1)
			address := rawServer(t, func(c net.Conn, br *bufio.Reader) {
				readRequestHead(br)
				_, _ = io.WriteString(c, tc.wire)
				asked <- struct{}{}
				_, _ = br.ReadByte()
			})
			s := newTestSession(t)
			ctx, cancel := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, "GET", "http://"+address, nil)
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(50*time.Millisecond, func() { <-asked; cancel() })
			res, err := client(t, s).Do(req)
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: the client got %v", tc.reason, err)
			}
			deadline := time.Now().Add(5 * time.Second)
			for s.InFlight().Open > 0 {
				if time.Now().After(deadline) {
					t.Fatalf("%s: still open", tc.reason)
				}
				time.Sleep(10 * time.Millisecond)
			}
			e := endOne(t, s)
			if e.Failure != tc.failure {
				t.Errorf("%s: failure %q (%s)", tc.reason, e.Failure, e.Detail)
			}
			if e.Response != nil && (contents(t, e.Response.Body) != "part" || e.Response.Body.Truncated != tc.truncated) {
				t.Errorf("%s: body %+v", tc.reason, e.Response.Body)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Length", strconv.Itoa(n))
		_, _ = w.Write(bytes.Repeat([]byte("x"), n))
	}))
	t.Cleanup(site.Close)
	s, err := newRecorder(t, func(o *Options) { o.MaxBody = 100_000 }).NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(Page{Dir: t.TempDir(), MaxBytes: 250_000}); err != nil {
		t.Fatal(err)
	}
	c := client(t, s)
	steps := []struct {
		reason    string
		ask, want int
		truncated string
	}{
		{"As large as may be.", 100_000, 100_000, ""},
		{"A byte more.", 100_001, 100_000, truncatedLength},
		{"Below the page's limit.", 40_000, 40_000, ""},
		{"Across the page's limit.", 20_000, 10_000, truncatedLength},
		{"Nothing is left.", 10, 0, truncatedLength},
		{"An empty body is as long as ever.", 0, 0, ""},
	}
	for _, step := range steps {
		_, body, err := get(t, c, fmt.Sprintf("%s/?n=%d", site.URL, step.ask))
		if (err != nil) != (step.truncated != "") || len(body) > step.want {
			t.Errorf("%s: the client got %d bytes, %v", step.reason, len(body), err)
		}
	}
	list := end(t, s)
	if len(list) != len(steps) {
		t.Fatalf("%d exchanges", len(list))
	}
	for i, step := range steps {
		b := list[i].Response.Body
		if got := contents(t, b); len(got) != step.want || b.Truncated != step.truncated || list[i].Failure != "" {
			t.Errorf("%s: %d bytes, truncated %q, failure %q", step.reason, len(got), b.Truncated, list[i].Failure)
		}
	}
}

func TestOutsideOfPages(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	site := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(site.Close)
	s := newTestSession(t, func(o *Options) { o.AcceptBadCertificates = true })
	c := client(t, s)
	if _, _, err := get(t, c, site.URL); err != nil {
		t.Fatal(err)
	}
	if list := end(t, s); len(list) != 1 {
		t.Fatalf("%d exchanges", len(list))
	}
	// On the tunnel that is open.
	res, _, err := get(t, c, site.URL)
	if err != nil || res.StatusCode != http.StatusBadGateway || res.Header.Get(ReasonHeader) != refusedReason {
		t.Errorf("in a tunnel: %+v, %v", res, err)
	}
	// A tunnel, and a plain request.
	if _, _, err := get(t, client(t, s), site.URL); err == nil {
		t.Error("a tunnel was opened")
	}
	if got := talk(t, s, lines("POST http://plain.example/ HTTP/1.1", "Host: x", "Content-Length: 3")+"abc"); !strings.HasPrefix(got, "HTTP/1.1 502 ") {
		t.Errorf("got %q", got)
	}
	begin(t, s)
	// In a page, what comes from no frame is the browser's own.
	if got := talk(t, s, lines("GET http://own.example/ HTTP/1.1", "Host: x", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: empty")); !strings.HasPrefix(got, "HTTP/1.1 502 ") {
		t.Errorf("got %q", got)
	}
	if list := end(t, s); len(list) != 0 || hits.Load() != 1 {
		t.Errorf("recorded %+v, %d hits", list, hits.Load())
	}
	got := make(map[string]int)
	for _, r := range s.Refused() {
		got[r.Method+" "+r.Host+" "+r.Why] += r.Count
	}
	want := map[string]int{
		"GET 127.0.0.1 " + refusedOutside: 1, "CONNECT 127.0.0.1 " + refusedOutside: 1,
		"POST plain.example " + refusedOutside: 1, "GET own.example " + refusedNoFrame: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(site.Close)
	tests := map[string]struct {
		reason, method string
		fields         []string
		blocked        bool
	}{
		"Navigation":     {"Looking is what we do.", "GET", []string{"Sec-Fetch-Mode: navigate"}, false},
		"Form":           {"A form that is submitted is more.", "POST", []string{"Sec-Fetch-Mode: navigate"}, true},
		"FormInFrame":    {"Also in a frame.", "POST", []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"}, true},
		"FormOverHTTP":   {"Plain HTTP has no Sec-Fetch headers.", "POST", []string{"Upgrade-Insecure-Requests: 1"}, true},
		"Fetch":          {"Scripts may.", "POST", []string{"Sec-Fetch-Mode: cors"}, false},
		"FetchPretends":  {"A script may say that it is a navigation, but not in Sec-Fetch.", "POST", []string{"Sec-Fetch-Mode: cors", "Upgrade-Insecure-Requests: 1"}, false},
		"FetchPlain":     {"Scripts on plain HTTP.", "PUT", nil, false},
		"Beacon":         {"Beacons are no navigations.", "POST", []string{"Sec-Fetch-Mode: no-cors"}, false},
		"NavigationHead": {"HEAD only looks.", "HEAD", []string{"Sec-Fetch-Mode: navigate"}, false},
	}
	blocked := 0
	for name, tc := range tests {
		if tc.blocked {
			blocked++
		}
		t.Run(name, func(t *testing.T) {
			s := newTestSession(t)
			wire := lines(append([]string{tc.method + " " + site.URL + "/ HTTP/1.1", "Host: x", "Content-Length: 3", "Connection: close"}, tc.fields...)...) + "a=b"
			got := talk(t, s, wire)
			e := endOne(t, s)
			if (e.Failure == ReasonNavigationBlocked) != tc.blocked || strings.Contains(got, ReasonHeader+": "+ReasonNavigationBlocked) != tc.blocked {
				t.Errorf("%s: failure %q, answer %q", tc.reason, e.Failure, got)
			}
			if contents(t, e.Request.Body) != "a=b" {
				t.Errorf("%s: what would have been sent is kept: %+v", tc.reason, e.Request.Body)
			}
			if tc.blocked && (e.Conn != nil || e.Response != nil) {
				t.Errorf("%s: %+v", tc.reason, e)
			}
		})
	}
	if want := int32(len(tests) - blocked); hits.Load() != want {
		t.Errorf("the origin was asked %d times, want %d", hits.Load(), want)
	}
}

// fixed is a resolver with one answer for all names.
type fixed string

func (f fixed) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	if f == "" {
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	return []netip.Addr{netip.MustParseAddr(string(f))}, nil
}

func TestConnectFailures(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	_ = l.Close()
	tests := map[string]struct {
		reason, url string
		resolver    netguard.Resolver
		failure     string
	}{
		"Name":     {"No such name.", "http://nowhere.example.org/", fixed(""), ReasonDNSFailed},
		"Refused":  {"Nobody listens.", "http://" + closed + "/", fixed(""), ReasonConnectFailed},
		"Metadata": {"A private address.", "http://169.254.169.254/latest/", fixed(""), ReasonAddressBlocked},
		"Inside":   {"A name that leads inside.", "http://www.example.org/", fixed("10.0.0.1"), ReasonAddressBlocked},
		"Decimal":  {"A number that is not an address.", "http://2130706433/", fixed("127.0.0.1"), ReasonAddressBlocked},
		"TLS":      {"In a tunnel it is told in answer to the request.", "https://169.254.169.254/", fixed(""), ReasonAddressBlocked},
		"TLSName":  {"The same for names.", "https://nowhere.example.org/", fixed(""), ReasonDNSFailed},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestSession(t, func(o *Options) { o.Dialer.Resolver = tc.resolver })
			res, body, err := get(t, client(t, s), tc.url)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != http.StatusBadGateway || res.Header.Get(ReasonHeader) != tc.failure || len(body) != 0 || res.ContentLength != 0 {
				t.Errorf("%s: got %+v", tc.reason, res)
			}
			e := endOne(t, s)
			if e.Failure != tc.failure || e.Detail == "" || e.Response != nil || e.URL != tc.url {
				t.Errorf("%s: got %+v", tc.reason, e)
			}
		})
	}
}

// TestOwnAddress: a page cannot talk to the recorder through the recorder.
func TestOwnAddress(t *testing.T) {
	t.Parallel()
	s := newTestSession(t)
	res, _, err := get(t, client(t, s), "http://"+s.Addr()+"/")
	if err != nil || res.Header.Get(ReasonHeader) != ReasonAddressBlocked {
		t.Errorf("got %+v, %v", res, err)
	}
}

// TestDNSFacts: the answer that a connection was made with is kept with it.
func TestDNSFacts(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(site.Close)
	_, port, _ := net.SplitHostPort(site.Listener.Addr().String())
	s := newTestSession(t, func(o *Options) { o.Dialer.Resolver = fixed("127.0.0.1") })
	if _, _, err := get(t, client(t, s), "http://www.example.org:"+port+"/"); err != nil {
		t.Fatal(err)
	}
	c := endOne(t, s).Conn
	if c == nil || c.DNS == nil || c.DNS.Name != "www.example.org" || len(c.DNS.Answers) != 1 || c.DNS.At.IsZero() {
		t.Fatalf("got %+v", c)
	}
	if c.Remote.String() != site.Listener.Addr().String() || c.Protocol != "http/1.1" || c.TLS != nil {
		t.Errorf("got %+v", c)
	}
}

// TestDisk: what cannot be written fails the exchange, and nothing else.
func TestDisk(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(site.Close)
	s, err := newRecorder(t).NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := s.Begin(Page{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	for _, taken := range []string{"000001-response.body", "000002-request.body"} {
		if err := os.Mkdir(filepath.Join(dir, taken), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := client(t, s)
	if _, _, err := get(t, c, site.URL); err == nil {
		t.Error("the browser was not told")
	}
	if res, err := c.Post(site.URL, "text/plain", strings.NewReader("x")); err != nil || res.Header.Get(ReasonHeader) != ReasonDiskFull {
		t.Errorf("got %+v, %v", res, err)
	}
	if _, body, err := get(t, c, site.URL); err != nil || string(body) != "hello" {
		t.Errorf("the next one: %q, %v", body, err)
	}
	list := end(t, s)
	if len(list) != 3 || list[0].Failure != ReasonDiskFull || list[1].Failure != ReasonDiskFull || list[2].Failure != "" {
		t.Errorf("got %+v", list)
	}
	if b := list[0].Response.Body; b.Truncated != truncatedUnspecified || b.Size != 0 || b.Path != "" {
		t.Errorf("got %+v", b)
	}
}

func TestSpoolFull(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &spool{path: "/dev/full", file: full, hash: sha256.New()}
	n, err := s.write([]byte("x"))
	if n != 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if reason, detail := diskReason(err); reason != ReasonDiskFull || !strings.HasPrefix(detail, "no space is left") {
		t.Errorf("got %s, %s", reason, detail)
	}
	if b := s.body(""); b.Size != 0 || b.Truncated != truncatedUnspecified {
		t.Errorf("got %+v", b)
	}
}

func TestBeginAndEnd(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.End(t.Context()); err == nil {
		t.Error("a page that was not begun was ended")
	}
	if err := s.Begin(Page{}); err != nil {
		t.Errorf("a page without a folder: %v", err)
	}
	if err := s.Begin(Page{Dir: t.TempDir()}); err == nil {
		t.Error("two pages at a time")
	}
	end(t, s)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(Page{Dir: filepath.Join(file, "x")}); err == nil {
		t.Error("a folder that cannot be")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("the second time: %v", err)
	}
	if err := s.Begin(Page{Dir: t.TempDir()}); err == nil {
		t.Error("a page in a session that is closed")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.NewSession(t.Context()); err == nil {
		t.Error("a session of a recorder that is closed")
	}
	if _, err := New(Options{MaxBody: -1}); err == nil {
		t.Error("a negative limit")
	}
}

// TestManyAtOnce: bodies and records do not mix, also under cuts.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(time.Millisecond)
		}
		fmt.Fprint(w, strings.Repeat(r.URL.RawQuery+"\n", 1000))
	}))
	t.Cleanup(site.Close)
	r := newRecorder(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			s, err := r.NewSession(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			c := client(t, s)
			for range 3 {
				begin(t, s)
				var page sync.WaitGroup
				for i := range 8 {
					page.Go(func() {
						for j := range 10 {
							path := []string{"", "slow"}[j%2]
							if _, _, err := get(t, c, fmt.Sprintf("%s/%s?%d-%d", site.URL, path, i, j)); err != nil {
								return // the page has ended
							}
						}
					})
				}
				time.Sleep(5 * time.Millisecond)
				for _, e := range end(t, s) {
					_, query, _ := strings.Cut(e.URL, "?")
					if e.Response == nil {
						if e.Failure != ReasonAborted {
							t.Errorf("%s: %s", e.Failure, e.Detail)
						}
						continue
					}
					got := contents(t, e.Response.Body)
					want := strings.Repeat(query+"\n", 1000)
					if got != want && (e.Response.Body.Truncated == "" || !strings.HasPrefix(want, got)) {
						t.Errorf("%s: %d bytes, truncated %q, not what was sent", e.URL, len(got), e.Response.Body.Truncated)
					}
				}
				page.Wait()
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
