package recorder

import (
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
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

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
	s, err := newRecorder(t).NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(Page{Dir: t.TempDir(), MaxBody: -1}); err == nil {
		t.Error("a negative limit")
	}
	if err := s.Begin(Page{Dir: t.TempDir(), MaxBytes: 250_000, MaxBody: 100_000}); err != nil {
		t.Fatal(err)
	}
	c := client(t, s)
	steps := []struct {
		reason    string
		ask, want int
		truncated string
	}{
		{"As large as may be.", 100_000, 100_000, ""},
		{"A byte more.", 100_001, 100_000, TruncatedLength},
		{"Below the page's limit.", 40_000, 40_000, ""},
		{"Across the page's limit.", 20_000, 10_000, TruncatedLength},
		{"Nothing is left.", 10, 0, TruncatedLength},
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
	s := newLenientSession(t)
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
	for _, r := range s.TakeRefused() {
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
	large := strings.Repeat("x", 100_000)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		body := large
		if r.URL.Path == "/small" {
			body = "small"
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(site.Close)
	tests := map[string]struct {
		reason string
		// taken are the files that cannot be made.
		taken                      string
		path, body                 string
		failsAnswered, failsBefore bool
	}{
		"Large":        {"A large body has a file of its own.", "000001-response.body", "/large", "", true, false},
		"Small":        {"A small one a part of a file; nothing of it was shown yet.", "small.bodies", "/small", "", false, true},
		"LargeRequest": {"A request's body that cannot be kept is not sent.", "000001-request.body", "/large", large, false, true},
		"SmallRequest": {"A small one was sent when that is found out.", "small.bodies", "/large", "x", false, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := newRecorder(t).NewSession(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := s.Begin(Page{Dir: dir}); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(dir, tc.taken), 0o700); err != nil {
				t.Fatal(err)
			}
			c := client(t, s)
			res, err := c.Post(site.URL+tc.path, "text/plain", strings.NewReader(tc.body))
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			if (err != nil) != tc.failsAnswered || (err == nil && res.Header.Get(ReasonHeader) == ReasonDiskFull) != tc.failsBefore {
				t.Errorf("%s: the browser got %+v, %v", tc.reason, res, err)
			}
			if _, body, err := get(t, c, site.URL+"/large"); err != nil || string(body) != large {
				t.Errorf("%s: the next one: %d bytes, %v", tc.reason, len(body), err)
			}
			list := end(t, s)
			if len(list) != 2 || list[0].Failure != ReasonDiskFull || list[1].Failure != "" {
				t.Fatalf("%s: got %+v", tc.reason, list)
			}
			lost := list[0].Request.Body
			if tc.body == "" {
				lost = list[0].Response.Body
			}
			if want := (Body{Truncated: TruncatedUnspecified}); lost != want {
				t.Errorf("%s: got %+v", tc.reason, lost)
			}
		})
	}
}

func TestSpoolFull(t *testing.T) {
	t.Parallel()
	open := func() *os.File {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		return full
	}
	pieces := &newRecorder(t).pieces
	own := &spool{path: "/dev/full", file: open(), hash: sha256.New(), pieces: pieces}
	n, err := own.write([]byte("x"))
	if n != 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v", n, err)
	}
	part := &spool{small: &shared{path: "/dev/full", file: open()}, pieces: pieces}
	if n, err := part.write([]byte("x")); n != 1 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	for _, s := range []*spool{own, part} {
		if b := s.body(""); b != (Body{Truncated: TruncatedUnspecified}) || b != s.body("") {
			t.Errorf("got %+v", b)
		}
		if detail := DiskDetail(s.err); !strings.HasPrefix(detail, "no space is left") {
			t.Errorf("got %s", detail)
		}
	}
	if err := part.small.close(); err != nil {
		t.Error(err)
	}
}

// TestSpoolSizes: where a body is kept makes no difference to what is kept.
func TestSpoolSizes(t *testing.T) {
	t.Parallel()
	pieces := &newRecorder(t).pieces
	dir := t.TempDir()
	small := &shared{path: filepath.Join(dir, "small")}
	for i, size := range []int{0, 1, pieceSize - 1, pieceSize, pieceSize + 1, 3 * pieceSize} {
		for _, step := range []int{1000, pieceSize, 2 * pieceSize} {
			whole := []byte(strings.Repeat(strconv.Itoa(i), size))
			s := &spool{path: filepath.Join(dir, fmt.Sprintf("%d-%d", i, step)), small: small, pieces: pieces}
			for rest := whole; len(rest) > 0; {
				n := min(step, len(rest))
				if taken, err := s.write(rest[:n]); taken != n || err != nil {
					t.Fatalf("took %d of %d, %v", taken, n, err)
				}
				rest = rest[n:]
			}
			b := s.body("")
			if got := contents(t, b); got != string(whole) {
				t.Errorf("%d bytes by %d: got %d bytes", size, step, len(got))
			}
			if own := b.Path == s.path; own != (size > pieceSize) {
				t.Errorf("%d bytes by %d are in %s", size, step, b.Path)
			}
		}
	}
	if err := small.close(); err != nil {
		t.Error(err)
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
}
