package recorder

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Client is an HTTP client behind the session that speaks HTTP/2 where it is offered.
func h2Client(t testing.TB, s *Session) *http.Client {
	c := client(t, s)
	c.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	return c
}

// h2Browser opens a tunnel behind the session in which the test writes the frames itself.
func h2Browser(t testing.TB, s *Session, address string) *frames {
	t.Helper()
	raw, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(20 * time.Second))
	host := strings.TrimPrefix(address, "https://")
	fmt.Fprintf(raw, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", host, host)
	br := bufio.NewReader(raw)
	if head := readRequestHead(br); !strings.HasPrefix(head, "HTTP/1.1 200 ") {
		t.Fatalf("no tunnel: %q", head)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.rec.Authority())
	c := tls.Client(raw, &tls.Config{ServerName: "127.0.0.1", RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}})
	if err := c.Handshake(); err != nil || c.ConnectionState().NegotiatedProtocol != "h2" {
		t.Fatalf("no HTTP/2: %q, %v", c.ConnectionState().NegotiatedProtocol, err)
	}
	_, _ = io.WriteString(c, http2.ClientPreface)
	b := &frames{Framer: http2.NewFramer(c, c), conn: c}
	b.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = b.WriteSettings()
	return b
}

// ask writes the head of a request; fields are name and value in turn.
func (o *frames) ask(id uint32, end bool, address, path string, fields ...string) {
	o.head(id, end, append([]string{":method", "GET", ":authority", strings.TrimPrefix(address, "https://"), ":scheme", "https", ":path", path}, fields...)...)
}

// answered is what came of a stream.
type answered struct {
	heads [][]string // interim, final and trailer section, a "name: value" a field
	body  string
	reset http2.ErrCode // 1000 when there was none
	err   error
}

const notReset = http2.ErrCode(1000)

// await reads frames until a stream has ended, and answers what has to be.
func (o *frames) await(id uint32) answered {
	a := answered{reset: notReset}
	for {
		f, err := o.ReadFrame()
		if err != nil {
			a.err = err
			return a
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = o.WriteSettingsAck()
			}
		case *http2.GoAwayFrame:
			a.err = http2.ConnectionError(f.ErrCode)
			return a
		}
		if f.Header().StreamID != id {
			continue
		}
		ended := false
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			var head []string
			for _, field := range f.Fields {
				head = append(head, field.Name+": "+field.Value)
			}
			a.heads, ended = append(a.heads, head), f.StreamEnded()
		case *http2.DataFrame:
			a.body += string(f.Data())
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame:
			a.reset, ended = f.ErrCode, true
		}
		if ended {
			return a
		}
	}
}

// TestH2BrowserHeads: between a browser and an origin that both speak HTTP/2, fields pass in their order, as they are.
func TestH2BrowserHeads(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	var got []string
	address := framesOrigin(t, ca, func(o *frames, h *http2.MetaHeadersFrame) {
		for _, f := range h.Fields {
			got = append(got, f.Name+": "+f.Value)
		}
		o.head(h.StreamID, false, ":status", "103", "link", "</x>")
		o.head(h.StreamID, false, ":status", "200", "x-b", "1", "set-cookie", "a=1", "x-a", "\xff", "set-cookie", "b=2")
		_ = o.WriteData(h.StreamID, false, []byte("hello, "))
		_ = o.WriteDataPadded(h.StreamID, false, []byte("world"), make([]byte, 100))
		o.head(h.StreamID, true, "x-sum", "12")
	})
	s := newTestSession(t, trust(ca))
	b := h2Browser(t, s, address)
	b.ask(1, true, address, "/a?b", "sec-ch-ua", "x", "accept", "*/*", "cookie", "a=1", "cookie", "b=2", "accept-encoding", "gzip, zstd", "te", "trailers", "priority", "u=0, i")
	a := b.await(1)
	want := [][]string{
		{":status: 103", "link: </x>"}, {":status: 200", "x-b: 1", "set-cookie: a=1", "x-a: \xff", "set-cookie: b=2"}, {"x-sum: 12"},
	}
	if diff := cmp.Diff(want, a.heads); diff != "" || a.body != "hello, world" || a.err != nil {
		t.Errorf("the browser got %q, %v (-want +got):\n%s", a.body, a.err, diff)
	}
	host := strings.TrimPrefix(address, "https://")
	wantFields := []string{":method: GET", ":authority: " + host, ":scheme: https", ":path: /a?b", "sec-ch-ua: x", "accept: */*", "cookie: a=1", "cookie: b=2", "accept-encoding: gzip", "te: trailers", "priority: u=0, i"}
	if diff := cmp.Diff(wantFields, got); diff != "" {
		t.Errorf("the origin got (-want +got):\n%s", diff)
	}
	e := endOne(t, s)
	wantHead := lines("GET /a?b HTTP/1.1", "host: "+host, "sec-ch-ua: x", "accept: */*", "cookie: a=1; b=2", "accept-encoding: gzip", "te: trailers", "priority: u=0, i")
	if diff := cmp.Diff(wantHead, string(e.Request.Head)); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	wantHead = lines("HTTP/1.1 200 OK", "x-b: 1", "set-cookie: a=1", "x-a: \xff", "set-cookie: b=2")
	if diff := cmp.Diff(wantHead, string(e.Response.Head)); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
	if contents(t, e.Response.Body) != "hello, world" || string(e.Response.Trailer) != "x-sum: 12\r\n" || len(e.Interim) != 1 || e.Conn.Protocol != "h2" || e.Failure != "" {
		t.Errorf("got %+v", e)
	}
}

// TestH2Offered: HTTP/2 is offered to the browser where the origin speaks it. Finding that out takes no connection
// that the request would not have taken.
func TestH2Offered(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		ca := newOrigins(t)
		site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
		site.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1")}}
		site.EnableHTTP2 = h2
		var opened atomic.Int64
		site.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				opened.Add(1)
			}
		}
		site.StartTLS()
		t.Cleanup(site.Close)
		s := newTestSession(t, trust(ca))
		c := h2Client(t, s)
		want := "HTTP/1.1"
		if h2 {
			want = "HTTP/2.0"
		}
		for range 3 {
			res, body, err := get(t, c, site.URL)
			if err != nil {
				t.Fatal(err)
			}
			if res.Proto != want || string(body) != want {
				t.Errorf("the origin was asked in %s, the browser answered in %s, want %s", body, res.Proto, want)
			}
		}
		for _, e := range end(t, s) {
			if got := strings.Contains(string(e.Request.Head), "Host: "); got == h2 {
				t.Errorf("HTTP/2 %v: the request's head is %q", h2, e.Request.Head)
			}
		}
		if n := opened.Load(); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
	}
}

// TestH2BrowserBodies are bodies larger than all windows, in both directions, at the same time; of the requests half
// have no length.
func TestH2BrowserBodies(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	const size = 6 << 20
	big := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	sum := sha256.Sum256(big)
	address := serveH2(t, ca, func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		if _, err := io.Copy(sum, r.Body); err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/1" {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		w.Header().Set("X-Sum", hex.EncodeToString(sum.Sum(nil)))
		w.Header().Set("X-Trailer", r.Trailer.Get("X-End"))
		_, _ = w.Write(big) // the client sees what is missing
	})
	s := newTestSession(t, trust(ca))
	c := h2Client(t, s)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			var body io.Reader = bytes.NewReader(big)
			if i%2 == 1 {
				body = io.MultiReader(body)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprint(address, "/", i%3), body)
			if err != nil {
				t.Error(err)
				return
			}
			if i%2 == 1 {
				req.Trailer = http.Header{"X-End": {"end"}}
			}
			res, err := c.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if err != nil || !bytes.Equal(got, big) || res.Header.Get("X-Sum") != hex.EncodeToString(sum[:]) || (res.Header.Get("X-Trailer") == "end") != (i%2 == 1) {
				t.Errorf("%d bytes, %v, %v", len(got), err, res.Header)
			}
		})
	}
	wg.Wait()
	list := end(t, s)
	for _, e := range list {
		if e.Conn.ID != list[0].Conn.ID || e.Request.Body.SHA256 != hex.EncodeToString(sum[:]) || e.Response.Body.SHA256 != hex.EncodeToString(sum[:]) || !e.Whole() {
			t.Errorf("got %+v", e)
		}
	}
}

// TestH2BrowserGivesUp: what the browser no longer wants ends at the origin, is marked, and the connection goes on.
func TestH2BrowserGivesUp(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	gone := make(chan string, 3)
	address := serveH2(t, ca, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/body":
			fmt.Fprint(w, "some")
			_ = http.NewResponseController(w).Flush()
		case "/":
			fmt.Fprint(w, r.RemoteAddr)
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			<-r.Context().Done()
		}
		gone <- r.URL.Path
	})
	s := newTestSession(t, trust(ca))
	b := h2Browser(t, s, address)
	b.ask(1, true, address, "/body")
	b.ask(3, true, address, "/silent")
	b.ask(5, false, address, "/upload")
	_ = b.WriteData(5, false, []byte("begun"))
	for {
		f, err := b.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := f.(*http2.DataFrame); ok && string(d.Data()) == "some" {
			break
		}
	}
	for id := uint32(1); id <= 5; id += 2 {
		_ = b.WriteRSTStream(id, http2.ErrCodeCancel)
	}
	for range 3 {
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			t.Fatal("the origin was not told")
		}
	}
	b.ask(7, true, address, "/")
	if a := b.await(7); a.body == "" || a.err != nil {
		t.Errorf("after that: %+v", a)
	}
	list := end(t, s)
	byPath := make(map[string]Exchange)
	for _, e := range list {
		byPath[strings.TrimPrefix(e.URL, address)] = e
	}
	if e := byPath["/body"]; e.Failure != "" || e.Response == nil || e.Response.Body.Truncated != TruncatedDisconnect || contents(t, e.Response.Body) != "some" {
		t.Errorf("/body: %+v", e)
	}
	if e := byPath["/silent"]; e.Failure != ReasonAborted || e.Response != nil {
		t.Errorf("/silent: %+v", e)
	}
	if e := byPath["/upload"]; e.Failure != ReasonAborted || contents(t, e.Request.Body) != "begun" || e.Request.Body.Truncated != TruncatedDisconnect {
		t.Errorf("/upload: %+v", e)
	}
	if e := byPath["/"]; !e.Whole() || e.Conn.ID != byPath["/body"].Conn.ID {
		t.Errorf("/: %+v", e)
	}
}

// TestH2BrowserPages: the browser's connection outlives the page, and lets nothing through between pages.
func TestH2BrowserPages(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	address := serveH2(t, ca, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "some")
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path == "/endless" {
			<-r.Context().Done()
		}
	})
	s := newTestSession(t, trust(ca))
	b := h2Browser(t, s, address)
	b.ask(1, true, address, "/endless")
	for s.InFlight().Bytes == 0 {
		time.Sleep(time.Millisecond)
	}
	if e := endOne(t, s); e.Response == nil || e.Response.Body.Truncated != TruncatedTime || contents(t, e.Response.Body) != "some" {
		t.Errorf("got %+v", e)
	}
	if a := b.await(1); a.reset != http2.ErrCodeInternal {
		t.Errorf("the browser got %+v, want a reset", a)
	}
	b.ask(3, true, address, "/between")
	want := []string{":status: 502", "x-crawlfleet-reason: Refused", "cache-control: no-store", "content-length: 0"}
	if a := b.await(3); len(a.heads) != 1 || cmp.Diff(want, a.heads[0]) != "" {
		t.Errorf("between pages the browser got %+v", a)
	}
	begin(t, s)
	b.ask(5, true, address, "/")
	if a := b.await(5); a.body != "some" {
		t.Errorf("on the next page the browser got %+v", a)
	}
	if e := endOne(t, s); !e.Whole() {
		t.Errorf("got %+v", e)
	}
	if list := s.TakeRefused(); len(list) != 1 || list[0].Why != refusedOutside {
		t.Errorf("refused %+v", list)
	}
}
