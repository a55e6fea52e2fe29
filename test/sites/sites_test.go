package sites

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func start(t *testing.T, o Options) *Server {
	t.Helper()
	srv, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// get fetches url and returns the status and the body; the error of a body that breaks off is returned as well.
func get(t *testing.T, client *http.Client, url string, header ...string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

var volatile = cmpopts.IgnoreFields(Entry{}, "Start", "End", "Host", "Remote", "Proto", "UserAgent")

func TestLogTellsWhatWasServed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "log.jsonl")
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "hello, ")
		fmt.Fprint(w, "world")
	})
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("/nothing", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/abort", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "part")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	srv := start(t, Options{Handler: mux, LogFile: file})

	c := http.DefaultClient
	if _, body, err := get(t, c, srv.URL+"/hello?a=%20b", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"); err != nil || body != "hello, world" {
		t.Fatalf("hello: %q, %v", body, err)
	}
	res, err := c.Post(srv.URL+"/echo", "text/plain", strings.NewReader("a body"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res, err = c.Head(srv.URL + "/hello"); err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if _, _, err := get(t, c, srv.URL+"/nothing", "Upgrade-Insecure-Requests", "1"); err != nil {
		t.Fatal(err)
	}
	if _, body, err := get(t, c, srv.URL+"/abort"); err == nil {
		t.Fatalf("abort: got the whole body %q", body)
	}

	want := []Entry{
		{Seq: 1, Method: "GET", Scheme: "http", Path: "/hello?a=%20b", Status: 200, Type: "text/plain", Bytes: 12, SHA256: sum("hello, world"), InFlight: 1, Navigate: true, Dest: "document"},
		{Seq: 2, Method: "POST", Scheme: "http", Path: "/echo", Status: 418, Type: "text/plain", Bytes: 6, SHA256: sum("a body"), RequestBytes: 6, RequestSHA256: sum("a body"), InFlight: 1},
		{Seq: 3, Method: "HEAD", Scheme: "http", Path: "/hello", Status: 200, Type: "text/plain", InFlight: 1},
		{Seq: 4, Method: "GET", Scheme: "http", Path: "/nothing", Status: 200, InFlight: 1, Navigate: true},
		{Seq: 5, Method: "GET", Scheme: "http", Path: "/abort", Status: 200, Bytes: 4, SHA256: sum("part"), InFlight: 1, Aborted: true},
	}
	srv.Log.wait(5 * time.Second)
	if diff := cmp.Diff(want, srv.Log.Entries(Filter{}), volatile); diff != "" {
		t.Errorf("in process (-want +got):\n%s", diff)
	}
	got, err := ReadLog(t.Context(), srv.LogURL, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, volatile); diff != "" {
		t.Errorf("from the control port (-want +got):\n%s", diff)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if got, err = ParseLog(f); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, volatile); diff != "" {
		t.Errorf("from the file (-want +got):\n%s", diff)
	}

	if err := ResetLog(t.Context(), srv.LogURL); err != nil {
		t.Fatal(err)
	}
	if left := srv.Log.Entries(Filter{}); len(left) != 0 {
		t.Errorf("after the reset: %v", left)
	}
}

func TestLogCountsWhatIsInFlight(t *testing.T) {
	t.Parallel()
	const n = 8
	var arrived sync.WaitGroup
	arrived.Add(n)
	release := make(chan struct{})
	srv := start(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived.Done()
		<-release
	})})
	var clients sync.WaitGroup
	for i := range n {
		clients.Go(func() {
			_, _, err := get(t, http.DefaultClient, fmt.Sprintf("%s/%d", srv.URL, i), "Sec-Fetch-Mode", "navigate")
			if err != nil {
				t.Error(err)
			}
		})
	}
	arrived.Wait()
	if open := srv.Log.Entries(Filter{Open: true}); len(open) != n {
		t.Errorf("open: got %d entries, want %d", len(open), n)
	}
	srv.Log.Reset() // forgets none of them
	close(release)
	clients.Wait()
	srv.Log.wait(5 * time.Second)
	s := Summarize(srv.Log.Entries(Filter{}))
	host := strings.TrimPrefix(srv.URL, "http://")
	if s.Requests != n || s.Open != 0 || s.MaxInFlight[host] != n || s.MaxPagesInFlight[host] != n {
		t.Errorf("summary: got %+v, want %d requests, none open, and %d at once", s, n, n)
	}
}

func TestSummaryFindsWhatCameTwice(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	s := Summarize([]Entry{
		{Host: "a.test", Path: "/1", Navigate: true, Start: at(1), End: at(2)},
		{Host: "a.test", Path: "/2", Navigate: true, Start: at(2), End: at(4)},
		{Host: "a.test", Path: "/1", Navigate: true, Start: at(5), End: at(6)},
		{Host: "a.test", Path: "/x.png", Start: at(5), End: at(9)},
		{Host: "a.test", Path: "/x.png", Start: at(5), End: at(9)},
		{Host: "b.test", Path: "/1", Navigate: true, Start: at(1), End: at(9)},
	})
	if diff := cmp.Diff([]string{"a.test/1"}, s.Twice()); diff != "" {
		t.Errorf("twice (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"a.test": 1, "b.test": 1}, s.MaxPagesInFlight); diff != "" {
		t.Errorf("pages in flight (-want +got):\n%s", diff)
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	e := Entry{Host: "a.test:80", Path: "/ad/1?x=2", Method: "GET", Status: 200, Type: "text/html; charset=utf-8", Start: time.Unix(100, 0), End: time.Unix(101, 0)}
	for _, tc := range []struct {
		reason string
		f      Filter
		want   bool
	}{
		{"an empty filter selects everything", Filter{}, true},
		{"a path is a prefix", Filter{Path: "/ad/"}, true},
		{"another path", Filter{Path: "/c/"}, false},
		{"exact is the whole target", Filter{Exact: "/ad/1"}, false},
		{"all fields match", Filter{Exact: "/ad/1?x=2", Host: "a.test:80", Method: "GET", Status: 200, Type: "text/html", Since: time.Unix(100, 0)}, true},
		{"one field does not", Filter{Exact: "/ad/1?x=2", Status: 404}, false},
		{"began before", Filter{Since: time.Unix(100, 1)}, false},
		{"no navigation", Filter{Navigate: true}, false},
		{"has ended", Filter{Open: true}, false},
	} {
		parsed, err := ParseFilter(tc.f.Query())
		if err != nil {
			t.Errorf("%s: %v", tc.reason, err)
		}
		if got := parsed.match(&e); got != tc.want || tc.f.match(&e) != tc.want {
			t.Errorf("%s: got %v, want %v", tc.reason, got, tc.want)
		}
	}
	for _, bad := range []string{"pth=/x", "status=ok", "since=yesterday", "open=maybe"} {
		q, err := url.ParseQuery(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseFilter(q); err == nil {
			t.Errorf("ParseFilter(%q): no error", bad)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	srv := start(t, Options{
		TLS:     true,
		Names:   []string{"board.test"},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }),
	})
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(srv.CertificatePEM) {
		t.Fatal("the authority is no PEM certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "board.test"}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	_, proto, err := get(t, &http.Client{Transport: transport}, srv.URL)
	if err != nil || proto != "HTTP/2.0" {
		t.Errorf("got %q, %v; want HTTP/2.0", proto, err)
	}
	if e := srv.Log.Entries(Filter{}); len(e) != 1 || e[0].Scheme != "https" {
		t.Errorf("log: %+v", e)
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.com:0", "127.0.0.1"} {
		srv, err := Start(Options{Handler: http.NotFoundHandler(), Listen: address})
		if err == nil {
			t.Errorf("%s: listens at %s", address, srv.Addr)
			_ = srv.Close()
		}
	}
}

func TestCloseBreaksOffEndlessAnswers(t *testing.T) {
	t.Parallel()
	srv, err := Start(Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	e := srv.Log.Entries(Filter{})
	if len(e) != 1 || e[0].Open() || !e[0].Aborted {
		t.Errorf("log after close: %+v", e)
	}
}
