package recorder

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// serveH2 starts an HTTPS server that speaks HTTP/2.
func serveH2(t testing.TB, ca *origins, h http.HandlerFunc) (address string) {
	t.Helper()
	site := httptest.NewUnstartedServer(h)
	site.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1")}}
	site.EnableHTTP2 = true
	site.Config.ErrorLog = discard
	site.StartTLS()
	t.Cleanup(func() {
		site.CloseClientConnections()
		site.Close()
	})
	return site.URL
}

// framesOrigin is an origin whose frames the test writes itself. answer is called with every request's head.
func framesOrigin(t testing.TB, ca *origins, answer func(o *frames, head *http2.MetaHeadersFrame)) (address string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1")}, NextProtos: []string{"h2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	serveRaw(t, l, func(c net.Conn, br *bufio.Reader) {
		if _, err := br.Discard(len(http2.ClientPreface)); err != nil {
			return
		}
		o := &frames{Framer: http2.NewFramer(c, br), conn: c}
		o.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		_ = o.WriteSettings()
		for {
			f, err := o.ReadFrame()
			if err != nil {
				return
			}
			if s, ok := f.(*http2.SettingsFrame); ok && !s.IsAck() {
				_ = o.WriteSettingsAck()
			}
			if h, ok := f.(*http2.MetaHeadersFrame); ok {
				answer(o, h)
			}
		}
	})
	return "https://" + l.Addr().String()
}

type frames struct {
	*http2.Framer
	conn net.Conn
}

// head writes a head; fields are name and value in turn.
func (o *frames) head(id uint32, end bool, fields ...string) {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // buffers do not fail
	}
	_ = o.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndHeaders: true, EndStream: end})
}

func TestH2Heads(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	var got []hpack.HeaderField
	address := framesOrigin(t, ca, func(o *frames, h *http2.MetaHeadersFrame) {
		got = h.Fields
		o.head(h.StreamID, false, ":status", "103", "link", "</x>")
		o.head(h.StreamID, false, ":status", "200", "x-b", "1", "set-cookie", "a=1", "x-a", "2", "set-cookie", "b=2", "content-type", "text/plain")
		_ = o.WriteData(h.StreamID, false, []byte("hello, "))
		_ = o.WriteDataPadded(h.StreamID, false, []byte("world"), make([]byte, 100))
		o.head(h.StreamID, true, "x-sum", "12")
	})
	s := newTestSession(t, trust(ca))
	req, err := http.NewRequest(http.MethodGet, address+"/a?b", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Te", "gzip")
	req.Header.Set("Cookie", "c=3")
	res, err := client(t, s).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != "hello, world" || res.Trailer.Get("X-Sum") != "12" {
		t.Errorf("the browser got %q, trailer %v, %v", body, res.Trailer, err)
	}
	e := endOne(t, s)
	host := strings.TrimPrefix(address, "https://")
	want := []string{":method GET", ":authority " + host, ":scheme https", ":path /a?b", "user-agent Go-http-client/1.1", "cookie c=3"}
	var fields []string
	for _, f := range got {
		fields = append(fields, f.Name+" "+f.Value)
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("the origin got (-want +got):\n%s", diff)
	}
	wantHead := lines("GET /a?b HTTP/1.1", "host: "+host, "user-agent: Go-http-client/1.1", "cookie: c=3")
	if diff := cmp.Diff(wantHead, string(e.Request.Head)); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	wantHead = lines("HTTP/1.1 200 OK", "x-b: 1", "set-cookie: a=1", "x-a: 2", "set-cookie: b=2", "content-type: text/plain")
	if diff := cmp.Diff(wantHead, string(e.Response.Head)); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
	if contents(t, e.Response.Body) != "hello, world" || string(e.Response.Trailer) != "x-sum: 12\r\n" || len(e.Interim) != 1 || e.Conn.Protocol != "h2" || e.Failure != "" {
		t.Errorf("got %+v", e)
	}
}

// TestH2Bodies are bodies larger than all windows, in both directions, at the same time.
func TestH2Bodies(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	const size = 6 << 20
	big := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	address := serveH2(t, ca, func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		if _, err := io.Copy(sum, r.Body); err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		w.Header().Set("X-Sum", hex.EncodeToString(sum.Sum(nil)))
		_, _ = w.Write(big) // the client sees what is missing
	})
	s := newTestSession(t, trust(ca))
	c := client(t, s)
	sum := sha256.Sum256(big)
	var wg sync.WaitGroup
	for i := range 8 {
		path := []string{"/", "/length"}[i%2]
		wg.Go(func() {
			res, err := c.Post(address+path, "application/octet-stream", bytes.NewReader(big))
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if err != nil || !bytes.Equal(got, big) || res.Header.Get("X-Sum") != hex.EncodeToString(sum[:]) {
				t.Errorf("%d bytes, %v, %v", len(got), err, res.Header)
			}
		})
	}
	wg.Wait()
	for _, e := range end(t, s) {
		if e.Conn.Protocol != "h2" || e.Request.Body.Size != size || e.Response.Body.SHA256 != hex.EncodeToString(sum[:]) || e.Failure != "" {
			t.Errorf("got %+v", e)
		}
	}
}

func TestH2OneConnection(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	address := serveH2(t, ca, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		case "/304":
			w.WriteHeader(http.StatusNotModified)
		default:
			fmt.Fprint(w, r.Proto, r.Method)
		}
	})
	s := newTestSession(t, trust(ca))
	c := client(t, s)
	for _, path := range []string{"/", "/204", "/304", "/"} {
		if _, _, err := get(t, c, address+path); err != nil {
			t.Error(err)
		}
	}
	if res, err := c.Head(address); err != nil || res.StatusCode != http.StatusOK || res.ContentLength != int64(len("HTTP/2.0HEAD")) {
		t.Errorf("HEAD: %+v %v", res, err)
	}
	list := end(t, s)
	for _, e := range list {
		if e.Conn.ID != list[0].Conn.ID || e.Failure != "" {
			t.Errorf("got %+v", e)
		}
	}
	if got := contents(t, list[3].Response.Body); got != "HTTP/2.0GET" {
		t.Errorf("got %q", got)
	}
}

func TestH2Trouble(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		answer func(o *frames, id uint32, n int)
		// failure and truncated are the record's, status what the browser gets.
		failure, truncated string
		status             int
		times              int // that the origin is asked
	}{
		"Reset": {"The origin resets the stream within the body.", func(o *frames, id uint32, _ int) {
			o.head(id, false, ":status", "200")
			_ = o.WriteData(id, false, []byte("half"))
			_ = o.WriteRSTStream(id, http2.ErrCodeInternal)
		}, ReasonConnectionReset, TruncatedDisconnect, 200, 1},
		"ResetBefore": {"It resets the stream before its answer.", func(o *frames, id uint32, _ int) {
			_ = o.WriteRSTStream(id, http2.ErrCodeInternal)
		}, ReasonConnectionReset, "", 502, 1},
		"Refused": {"What it refuses on a connection that was kept is sent again on a new one.", func(o *frames, id uint32, n int) {
			if n == 1 {
				_ = o.WriteRSTStream(id, http2.ErrCodeRefusedStream)
				_ = o.WriteGoAway(0, http2.ErrCodeNo, nil)
				return
			}
			o.head(id, true, ":status", "204")
		}, "", "", 204, 2},
		"Closed": {"It closes the connection within the body.", func(o *frames, id uint32, _ int) {
			o.head(id, false, ":status", "200")
			_ = o.WriteData(id, false, []byte("half"))
			_ = o.conn.Close()
		}, ReasonConnectionReset, TruncatedDisconnect, 200, 1},
		"ClosedLater": {"It closes the connection when the browser has the head and waits for the body.", func(o *frames, id uint32, _ int) {
			o.head(id, false, ":status", "200")
			_ = o.WriteData(id, false, []byte("half"))
			time.Sleep(200 * time.Millisecond) // the head is on its way long before
			_ = o.conn.Close()
		}, ReasonConnectionReset, TruncatedDisconnect, 200, 1},
		"Short": {"It sends less than the length.", func(o *frames, id uint32, _ int) {
			o.head(id, false, ":status", "200", "content-length", "10")
			_ = o.WriteData(id, true, []byte("half"))
		}, ReasonConnectionReset, TruncatedDisconnect, 200, 1},
		"Long": {"It sends more than the length.", func(o *frames, id uint32, _ int) {
			o.head(id, false, ":status", "200", "content-length", "2")
			_ = o.WriteData(id, true, []byte("half"))
		}, ReasonInvalidResponse, TruncatedDisconnect, 200, 1},
		"NoStatus": {"It sends a head without a status.", func(o *frames, id uint32, _ int) {
			o.head(id, true, "x-a", "b")
		}, ReasonConnectionReset, "", 502, 1},
		"BadField": {"It sends a name in capitals.", func(o *frames, id uint32, _ int) {
			o.head(id, true, ":status", "200", "X-A", "b")
		}, ReasonInvalidResponse, "", 502, 1},
		"Rubbish": {"It sends what is no frame.", func(o *frames, id uint32, _ int) {
			_, _ = io.WriteString(o.conn, "HTTP/1.1 200 OK\r\n\r\n")
		}, ReasonConnectionReset, "", 502, 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := newOrigins(t)
			var mu sync.Mutex
			n := -1
			address := framesOrigin(t, ca, func(o *frames, h *http2.MetaHeadersFrame) {
				mu.Lock()
				defer mu.Unlock()
				if n++; n == 0 { // so that the connection has been kept
					o.head(h.StreamID, true, ":status", "200", "content-length", "0")
					return
				}
				tc.answer(o, h.StreamID, n)
			})
			s := newTestSession(t, trust(ca))
			c := client(t, s)
			if _, _, err := get(t, c, address); err != nil {
				t.Fatal(err)
			}
			res, err := c.Get(address)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
			if res.StatusCode != tc.status || (err != nil) != (tc.truncated != "" && name != "Long") {
				t.Errorf("%s: the browser got %s, %v", tc.reason, res.Status, err)
			}
			e := end(t, s)[1]
			truncated := ""
			if e.Response != nil {
				truncated = e.Response.Body.Truncated
			}
			if e.Failure != tc.failure || truncated != tc.truncated {
				t.Errorf("%s: %s (%s), truncated %q", tc.reason, e.Failure, e.Detail, truncated)
			}
			mu.Lock()
			defer mu.Unlock()
			if n != tc.times {
				t.Errorf("%s: the origin was asked %d times, want %d", tc.reason, n, tc.times)
			}
		})
	}
}

// TestH2GivenUp: what the browser gives up, and what is open when the page ends, is reset, and the connection goes on.
func TestH2GivenUp(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	gone := make(chan struct{})
	address := serveH2(t, ca, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			return
		}
		fmt.Fprint(w, "some")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		gone <- struct{}{}
	})
	s := newTestSession(t, trust(ca))
	res, err := client(t, s).Get(address + "/endless")
	if err != nil {
		t.Fatal(err)
	}
	list := end(t, s)
	_ = res.Body.Close()
	<-gone
	if e := list[0]; e.Response == nil || e.Response.Body.Truncated != TruncatedTime || contents(t, e.Response.Body) != "some" {
		t.Errorf("got %+v", e)
	}
	begin(t, s)
	if _, _, err := get(t, client(t, s), address); err != nil {
		t.Error(err)
	}
	if e := endOne(t, s); e.Conn.ID != list[0].Conn.ID {
		t.Errorf("the connection was not used again: %d, %d", e.Conn.ID, list[0].Conn.ID)
	}
}
