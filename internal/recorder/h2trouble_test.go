package recorder

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
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
)

func TestH2BrowserTrouble(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		answer func(o *frames, id uint32)
		// failure and truncated are the record's; status and reset are what the browser gets.
		failure, truncated string
		status             string
		reset              http2.ErrCode
	}{
		"Reset": {"The origin resets the stream within the body.", func(o *frames, id uint32) {
			o.head(id, false, ":status", "200")
			_ = o.WriteData(id, false, []byte("half"))
			_ = o.WriteRSTStream(id, http2.ErrCodeInternal)
		}, ReasonConnectionReset, TruncatedDisconnect, "200", http2.ErrCodeInternal},
		"ResetBefore": {"It resets the stream before its answer.", func(o *frames, id uint32) {
			_ = o.WriteRSTStream(id, http2.ErrCodeInternal)
		}, ReasonConnectionReset, "", "502", notReset},
		"Closed": {"It closes the connection within the body.", func(o *frames, id uint32) {
			o.head(id, false, ":status", "200")
			_ = o.WriteData(id, false, []byte("half"))
			_ = o.conn.Close()
		}, ReasonConnectionReset, TruncatedDisconnect, "200", http2.ErrCodeInternal},
		"Short": {"It sends less than the length.", func(o *frames, id uint32) {
			o.head(id, false, ":status", "200", "content-length", "10")
			_ = o.WriteData(id, true, []byte("half"))
		}, ReasonConnectionReset, TruncatedDisconnect, "200", http2.ErrCodeInternal},
		"Going": {"It says that it closes, and answers what was asked.", func(o *frames, id uint32) {
			_ = o.WriteGoAway(id, http2.ErrCodeNo, nil)
			o.head(id, false, ":status", "200")
			_ = o.WriteData(id, true, []byte("whole"))
		}, "", "", "200", notReset},
		"NoBody": {"It has no body.", func(o *frames, id uint32) {
			o.head(id, true, ":status", "204")
		}, "", "", "204", notReset},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := newOrigins(t)
			address := framesOrigin(t, ca, func(o *frames, h *http2.MetaHeadersFrame) { tc.answer(o, h.StreamID) })
			s := newTestSession(t, trust(ca))
			b := h2Browser(t, s, address)
			b.ask(1, true, address, "/")
			a := b.await(1)
			if a.reset != tc.reset || a.err != nil || len(a.heads) != 1 || a.heads[0][0] != ":status: "+tc.status {
				t.Errorf("%s: the browser got %+v", tc.reason, a)
			}
			e := endOne(t, s)
			truncated := ""
			if e.Response != nil {
				truncated = e.Response.Body.Truncated
			}
			if e.Failure != tc.failure || truncated != tc.truncated || e.Substituted != (tc.status == "502") {
				t.Errorf("%s: %s (%s), truncated %q, substituted %v", tc.reason, e.Failure, e.Detail, truncated, e.Substituted)
			}
		})
	}
}

// TestH2BrowserMalformed: a request that is none is reset, and the connection goes on; a connection that is none ends.
func TestH2BrowserMalformed(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	address := serveH2(t, ca, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") })
	host := strings.TrimPrefix(address, "https://")
	tests := map[string]struct {
		reason string
		write  func(b *frames)
		ends   bool
	}{
		"Connect": {"A tunnel within the tunnel.", func(b *frames) { b.head(1, true, ":method", "CONNECT", ":authority", host) }, false},
		"Scheme": {"Another scheme.", func(b *frames) {
			b.head(1, true, ":method", "GET", ":authority", host, ":scheme", "http", ":path", "/")
		}, false},
		"NoPath":     {"No path.", func(b *frames) { b.head(1, true, ":method", "GET", ":authority", host, ":scheme", "https") }, false},
		"Space":      {"A path with a space.", func(b *frames) { b.ask(1, true, address, "/a b") }, false},
		"Host":       {"Two names of the host.", func(b *frames) { b.ask(1, true, address, "/", "host", "another") }, false},
		"Connection": {"A field of HTTP/1.1.", func(b *frames) { b.ask(1, true, address, "/", "connection", "close") }, false},
		"Transfer":   {"A transfer coding.", func(b *frames) { b.ask(1, false, address, "/", "transfer-encoding", "chunked") }, false},
		"Capitals":   {"A name in capitals.", func(b *frames) { b.ask(1, true, address, "/", "X-A", "b") }, false},
		"Length":     {"A length without a body.", func(b *frames) { b.ask(1, true, address, "/", "content-length", "5") }, false},
		"Even":       {"A number of the other side.", func(b *frames) { b.ask(2, true, address, "/") }, true},
		"Rubbish":    {"What is no frame.", func(b *frames) { _, _ = io.WriteString(b.conn, "\xff\xff\xffGET / HTTP/1.1\r\n\r\n") }, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestSession(t, trust(ca))
			b := h2Browser(t, s, address)
			tc.write(b)
			if tc.ends {
				if a := b.await(99); a.err == nil {
					t.Errorf("%s: the connection goes on", tc.reason)
				}
				return
			}
			if a := b.await(1); a.reset != http2.ErrCodeProtocol {
				t.Errorf("%s: the browser got %+v", tc.reason, a)
			}
			b.ask(3, true, address, "/")
			if a := b.await(3); a.body != "fine" {
				t.Errorf("%s: after that %+v", tc.reason, a)
			}
			if e := endOne(t, s); !e.Whole() {
				t.Errorf("%s: %+v", tc.reason, e)
			}
		})
	}
}

// TestH2BrowserPolicy: what is refused is told over HTTP/2, with the body in the record.
func TestH2BrowserPolicy(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	address := serveH2(t, ca, func(w http.ResponseWriter, _ *http.Request) { t.Error("the origin was asked") })
	s := newTestSession(t, trust(ca))
	b := h2Browser(t, s, address)
	b.head(1, false, ":method", "POST", ":authority", strings.TrimPrefix(address, "https://"), ":scheme", "https", ":path", "/form", "sec-fetch-mode", "navigate")
	_ = b.WriteData(1, true, []byte("a=1"))
	if a := b.await(1); len(a.heads) != 1 || a.heads[0][1] != "x-crawlfleet-reason: "+ReasonNavigationBlocked {
		t.Errorf("the browser got %+v", a)
	}
	if e := endOne(t, s); e.Failure != ReasonNavigationBlocked || contents(t, e.Request.Body) != "a=1" || !strings.HasPrefix(string(e.Request.Head), "POST /form HTTP/1.1\r\nhost: ") {
		t.Errorf("got %+v", e)
	}
}

// TestH2EarlyAnswer: an origin that answers before it has the request's body is heard, and the browser is told to stop.
func TestH2EarlyAnswer(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	address := framesOrigin(t, ca, func(o *frames, h *http2.MetaHeadersFrame) {
		o.head(h.StreamID, true, ":status", "413")
		_ = o.WriteRSTStream(h.StreamID, http2.ErrCodeNo)
	})
	s := newTestSession(t, trust(ca))
	b := h2Browser(t, s, address)
	b.ask(1, false, address, "/")
	_ = b.WriteData(1, false, []byte("begun"))
	a := b.await(1)
	if len(a.heads) != 1 || a.heads[0][0] != ":status: 413" {
		t.Fatalf("the browser got %+v", a)
	}
	if a := b.await(1); a.reset != http2.ErrCodeNo {
		t.Errorf("after the answer the browser got %+v", a)
	}
	if e := endOne(t, s); e.Response.Status() != 413 || e.Request.Body.Truncated != TruncatedDisconnect {
		t.Errorf("got %+v", e)
	}
}

// TestH2StreamLimit: no more is asked at a time than the origin allows, on one connection.
func TestH2StreamLimit(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	var mu sync.Mutex
	var open, most, connections int
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		open++
		most = max(most, open)
		mu.Unlock()
		time.Sleep(20 * time.Millisecond)
		mu.Lock()
		open--
		mu.Unlock()
		fmt.Fprint(w, "fine")
	}))
	site.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1")}}
	site.EnableHTTP2 = true
	site.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 3}
	site.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			mu.Lock()
			defer mu.Unlock()
			connections++
		}
	}
	site.StartTLS()
	t.Cleanup(site.Close)
	s := newTestSession(t, trust(ca))
	b := h2Browser(t, s, site.URL)
	b.ask(1, true, site.URL, "/") // so that the origin's limit is known
	if a := b.await(1); a.body != "fine" {
		t.Fatalf("got %+v", a)
	}
	for id := uint32(3); id < 60; id += 2 {
		b.ask(id, true, site.URL, "/")
	}
	for len(s.current().all()) < 29 || s.InFlight().Open > 0 {
		time.Sleep(time.Millisecond)
	}
	list := end(t, s)
	for _, e := range list {
		if !e.Whole() || contents(t, e.Response.Body) != "fine" {
			t.Errorf("got %+v", e)
		}
	}
	if len(list) != 30 || most != 3 || connections != 1 {
		t.Errorf("%d requests, %d at a time on %d connections", len(list), most, connections)
	}
}

// TestH2ArrivalFailed: what went wrong when the tunnel was opened is the answer to its request, and the origin is not
// asked twice.
func TestH2ArrivalFailed(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	address := rawServer(t, func(c net.Conn, _ *bufio.Reader) {
		n.Add(1)
		_, _ = io.WriteString(c, "this is no TLS")
	})
	s := newTestSession(t)
	res, _, err := get(t, h2Client(t, s), "https://"+address)
	if err != nil || res.StatusCode != http.StatusBadGateway || res.Header.Get(ReasonHeader) != ReasonTLSFailed {
		t.Errorf("the browser got %v, %v", res, err)
	}
	if e := endOne(t, s); e.Failure != ReasonTLSFailed || e.Conn == nil || n.Load() != 1 {
		t.Errorf("after %d connections: %+v", n.Load(), e)
	}
}

// TestH2OriginChanges: an origin that no longer speaks HTTP/2 is asked as Chrome would ask it.
func TestH2OriginChanges(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	var n atomic.Int64
	got := make(chan string, 2)
	config := func(protocols ...string) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1")}, NextProtos: protocols}
	}
	first, later := config("h2"), config("http/1.1")
	address := "https://" + rawServer(t, func(raw net.Conn, _ *bufio.Reader) {
		if n.Add(1) == 1 {
			_ = tls.Server(raw, first).Handshake()
			return
		}
		c := tls.Server(raw, later)
		br := bufio.NewReader(c)
		for {
			head := readRequestHead(br)
			if head == "" {
				return
			}
			body := ""
			if strings.HasPrefix(head, "POST") {
				b := newBodyReader(br, chunkedBody, 0)
				p := make([]byte, 100)
				for !b.ended {
					k, err := b.Read(p)
					if err != nil {
						return
					}
					body += string(p[:k])
				}
			}
			got <- head + body
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\nX-Fold: a\r\n b\r\n\r\n4\r\nfine\r\n0\r\nX-End: 1\r\n\r\n")
		}
	})
	s := newTestSession(t, trust(ca))
	b := h2Browser(t, s, address)
	time.Sleep(justMade + 100*time.Millisecond) // the connection, which the origin closes, counts as kept then
	host := strings.TrimPrefix(address, "https://")
	b.ask(1, true, address, "/", "sec-ch-ua", "x", "user-agent", "y", "priority", "u=0")
	a := b.await(1)
	want := [][]string{{":status: 200", "x-fold: a   b"}, {"x-end: 1"}}
	if cmp.Diff(want, a.heads) != "" || a.body != "fine" {
		t.Fatalf("the browser got %+v", a) // the origin was not asked
	}
	wantHead := lines("GET / HTTP/1.1", "Host: "+host, "Connection: keep-alive", "sec-ch-ua: x", "User-Agent: y")
	if diff := cmp.Diff(wantHead, <-got); diff != "" {
		t.Errorf("the origin got (-want +got):\n%s", diff)
	}
	b.head(3, false, ":method", "POST", ":authority", host, ":scheme", "https", ":path", "/")
	_ = b.WriteData(3, true, []byte("sent"))
	if a := b.await(3); a.body != "fine" {
		t.Errorf("the browser got %+v", a)
	}
	if diff := cmp.Diff(lines("POST / HTTP/1.1", "Host: "+host, "Connection: keep-alive", "Transfer-Encoding: chunked")+"sent", <-got); diff != "" {
		t.Errorf("the origin got (-want +got):\n%s", diff)
	}
	list := end(t, s)
	if string(list[0].Request.Head) != wantHead || list[0].Conn.Protocol != "http/1.1" || contents(t, list[1].Request.Body) != "sent" {
		t.Errorf("got %+v", list)
	}
}

// TestH2BrowserGone: a browser that goes away with its requests open leaves nothing behind.
func TestH2BrowserGone(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	address := serveH2(t, ca, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s := newTestSession(t, trust(ca))
	b := h2Browser(t, s, address)
	for id := uint32(1); id < 20; id += 2 {
		b.ask(id, true, address, "/")
	}
	for s.InFlight().Exchanges < 10 {
		time.Sleep(time.Millisecond)
	}
	_ = b.conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for s.InFlight().Open > 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	for _, e := range end(t, s) {
		if e.Failure != ReasonAborted || !strings.Contains(e.Detail, "the browser gave up") {
			t.Errorf("got %+v", e)
		}
	}
}

// TestH2SlowReader: an origin is not read further than the browser reads, and what the page's end cuts is let go.
func TestH2SlowReader(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	var sent atomic.Int64
	address := serveH2(t, ca, func(w http.ResponseWriter, _ *http.Request) {
		for piece := make([]byte, 64<<10); ; {
			n, err := w.Write(piece)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	})
	s := newTestSession(t, trust(ca))
	b := h2Browser(t, s, address)
	b.ask(1, true, address, "/") // its window is 64 KB
	for before := int64(-1); before != sent.Load(); time.Sleep(300 * time.Millisecond) {
		before = sent.Load()
	}
	if n := sent.Load(); n > 4<<20 {
		t.Errorf("%d bytes are under way to a browser that reads nothing", n)
	}
	if e := endOne(t, s); e.Response == nil || e.Response.Body.Truncated != TruncatedTime || e.Response.Body.Size < 64<<10 {
		t.Errorf("got %+v", e)
	}
	if a := b.await(1); !errors.Is(a.err, nil) || a.reset != http2.ErrCodeInternal || len(a.body) < 60<<10 {
		t.Errorf("the browser got %d bytes, %v, %v", len(a.body), a.reset, a.err)
	}
}
