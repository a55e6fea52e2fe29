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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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
	if e.Response == nil || contents(t, e.Response.Body) != "big" || contents(t, e.Request.Body) != strings.Repeat("x", 1000) || e.Request.Body.Truncated != TruncatedDisconnect {
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
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site.URL, strings.NewReader("the body"))
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
	if e.Response.Body.Truncated != TruncatedTime || e.Failure != "" {
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
		"WithinBody":   {"What came is kept.", lines("HTTP/1.1 200 OK", "Content-Length: 100") + "part", "", TruncatedDisconnect},
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
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
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
