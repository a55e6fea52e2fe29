package browser

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/netguard"
	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// serveTLS starts an https server, over HTTP/2 or HTTP/1.1.
func serveTLS(t testing.TB, h2 bool, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = h2
	s.Config.ErrorLog = discardLog()
	s.StartTLS()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// newBrowserStay opens a stay whose recorder is the browser, and which trusts a server.
func newBrowserStay(t testing.TB, s *httptest.Server, change ...func(*recorder.Options)) *Stay {
	t.Helper()
	rec := recorderFor(t, s, change...)
	return newStay(t, newPool(t, func(o *Options) { o.Recorder = rec }), StayOptions{Recorder: RecorderBrowser})
}

// recorderFor is a recorder that trusts a server.
func recorderFor(t testing.TB, s *httptest.Server, change ...func(*recorder.Options)) *recorder.Recorder {
	t.Helper()
	opts := recorder.Options{
		Dir: t.TempDir(), Roots: []*x509.Certificate{s.Certificate()},
		Dialer: &netguard.Dialer{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}
	for _, c := range change {
		c(&opts)
	}
	rec, err := recorder.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rec.Close(); err != nil {
			t.Errorf("close the recorder: %v", err)
		}
	})
	return rec
}

// theOne returns the one exchange of a method and an address.
func theOne(t testing.TB, p *Page, method, address string) recorder.Exchange {
	t.Helper()
	var out []recorder.Exchange
	for _, e := range p.Exchanges {
		if e.Method == method && e.URL == address {
			out = append(out, e)
		}
	}
	if len(out) != 1 {
		t.Errorf("%s %s: %d exchanges", method, address, len(out))
		return recorder.Exchange{Response: &recorder.Message{}, Account: &recorder.Account{}}
	}
	return out[0]
}

// bodyText reads a body and checks what the record says of it.
func bodyText(t testing.TB, b recorder.Body) string {
	t.Helper()
	r, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	if len(raw) > 0 && hex.EncodeToString(sum[:]) != b.SHA256 {
		t.Errorf("the record's digest is not that of its %d bytes", len(raw))
	}
	return string(raw)
}

// discardLog is for servers whose clients are refused as a part of the test.
func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

func gzipped(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.Bytes()
}

// send is a handler of a fixed body; a status of 0 is 200.
func send(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = io.WriteString(w, body)
	}
}

// flushed is the same without a length.
func flushed(kind string, pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		for _, p := range pieces {
			_, _ = io.WriteString(w, p)
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	}
}

const interceptPage = `<!doctype html><meta charset=utf-8><title>taken</title><link rel=icon href=data:,>
<link rel=stylesheet href=/s.css><script src=/s.js></script><img src=/i.svg><iframe src=/frame></iframe>
<p>a page over TLS</p><script>
const bytes = new Uint8Array([0, 255, 13, 10, 1]);
(async () => {
	await fetch('/chunked').then(r => r.text());
	fetch('/unread');
	await fetch('/moved').then(r => r.text());
	await fetch('/post', {method: 'POST', body: bytes});
	await fetch('/blob', {method: 'POST', body: new Blob([bytes])});
	const form = new FormData(); form.append('file', new File(['file text'], 'a.txt'));
	await fetch('/upload', {method: 'POST', body: form});
	const x = new XMLHttpRequest; x.open('GET', '/sync', false); x.send();
	await fetch('/again', {cache: 'no-cache'}).then(r => r.text());
	await fetch('/again', {cache: 'no-cache'}).then(r => r.text());
	await fetch('/204'); await fetch('/i.svg', {method: 'HEAD'}); await fetch('/none').then(r => r.text());
	await fetch('/put', {method: 'PUT', body: 'p', headers: {'X-A': '1'}});
	new Worker('/worker.js');
	document.title = 'done';
})();
addEventListener('pagehide', () => navigator.sendBeacon('/beacon', 'bye'));
</script>`

func interceptSite() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2; Secure")
		_, _ = w.Write(gzipped(interceptPage))
	})
	for path, h := range map[string]http.HandlerFunc{
		"/frame": send("text/html", "<p>a frame"), "/s.css": send("text/css", "p{color:red}"),
		"/s.js": send("text/javascript", "/*"+strings.Repeat("x", 70_000)+"*/"), "/i.svg": send("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
		"/chunked": flushed("text/plain", strings.Repeat("a", 1000), strings.Repeat("b", 100_000)),
		"/unread":  send("text/plain", strings.Repeat("unread", 300_000)),
		"/moved":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/target", http.StatusFound) },
		"/target":  send("text/plain", "target"), "/post": send("text/plain", "1"), "/blob": send("text/plain", "2"), "/upload": send("text/plain", "3"),
		"/sync": flushed("text/plain", "syn", "chronous"), "/put": send("text/plain", "put"), "/beacon": send("text/plain", "noted"),
		"/204":       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"/worker.js": send("text/javascript", "importScripts('/lib.js'); fetch('/by-worker').then(r => r.text())"),
		"/lib.js":    flushed("text/javascript", "self.", "lib = 1"), "/by-worker": flushed("text/plain", "from ", "worker"),
		"/again": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"e"`)
			if r.Header.Get("If-None-Match") != "" {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			_, _ = io.WriteString(w, "again")
		},
	} {
		mux.HandleFunc(path, h)
	}
	return mux
}

// TestBrowserRecorder: everything that a page loads over TLS is in the record, with the
// facts of the connection that the tunnel knows, and the ledger agrees.
func TestBrowserRecorder(t *testing.T) {
	t.Parallel()
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := serveTLS(t, h2, interceptSite())
			p := visit(t, newBrowserStay(t, site), site.URL+"/")
			if p.Outcome.State != Archived || p.Status != 200 || p.Title != "done" {
				t.Errorf("outcome %+v, status %d, title %q", p.Outcome, p.Status, p.Title)
			}
			want := map[string]string{
				"GET /": interceptPage, "GET /frame": "<p>a frame", "GET /s.css": "p{color:red}", "GET /s.js": "/*" + strings.Repeat("x", 70_000) + "*/",
				"GET /i.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>", "GET /chunked": strings.Repeat("a", 1000) + strings.Repeat("b", 100_000),
				"GET /unread": strings.Repeat("unread", 300_000), "GET /moved": "", "GET /target": "target", "POST /post": "1", "POST /blob": "2", "POST /upload": "3",
				"GET /sync": "synchronous", "GET /204": "", "HEAD /i.svg": "", "GET /none": "404 page not found\n", "PUT /put": "put",
				"GET /worker.js": "importScripts('/lib.js'); fetch('/by-worker').then(r => r.text())", "GET /lib.js": "self.lib = 1", "GET /by-worker": "from worker",
				"POST /beacon": "noted",
			}
			for what, body := range want {
				method, path, _ := strings.Cut(what, " ")
				e := theOne(t, p, method, site.URL+path)
				if e.Response == nil || e.Account == nil {
					t.Errorf("%s: %+v", what, e)
					continue
				}
				if got := bodyText(t, e.Response.Body); got != body {
					t.Errorf("%s: body of %d bytes, want %d: %.60q (%s, %+v)", what, len(got), len(body), got, e.Detail, e.Account)
				}
				if whole := e.Response.Body.Truncated == ""; whole != (path != "/moved") || e.Failure != "" {
					t.Errorf("%s: truncated %q, failure %q, account %+v", what, e.Response.Body.Truncated, e.Failure, e.Account)
				}
				if e.Account.ResponseText != !h2 && path != "/beacon" {
					t.Errorf("%s: account %+v", what, e.Account)
				}
				protocol := map[bool]string{false: "http/1.1", true: "h2"}[h2]
				if c := e.Conn; path != "/beacon" && (c == nil || c.Protocol != protocol || c.Remote.String() != site.Listener.Addr().String() || c.TLS == nil || c.TLS.Version != "TLS 1.3" ||
					c.TLS.CipherSuite != "TLS_AES_128_GCM_SHA256" || len(c.TLS.Chain) == 0 || !bytes.Equal(c.TLS.Chain[0], site.Certificate().Raw)) {
					t.Errorf("%s: connection %+v", what, c)
				}
			}
			if t.Failed() {
				dump(t, p)
			}
			for _, l := range p.Ledger {
				if l.Outcome == OutcomeRecord && l.Exchange == 0 {
					t.Errorf("the ledger's %s %s has no record", l.Method, l.URL)
				}
			}
			checkHeads(t, p, site.URL, h2)
			if len(p.Tunnels) == 0 || p.Tunnels[0].Received == 0 || p.Recorder != RecorderBrowser {
				t.Errorf("recorder %q, tunnels %+v", p.Recorder, p.Tunnels)
			}
		})
	}
}

func checkHeads(t *testing.T, p *Page, base string, h2 bool) {
	t.Helper()
	lower := func(s string) string {
		if h2 {
			return strings.ToLower(s)
		}
		return s
	}
	main := theOne(t, p, "GET", base+"/")
	head := string(main.Response.Head)
	size := len(interceptPage)
	for _, want := range []string{"HTTP/1.1 200 OK\r\n", lower("Set-Cookie: a=1\r\n"), lower("Set-Cookie: ") + "b=2; Secure\r\n", "x-orig-" + lower("Content-Encoding: gzip\r\n"), "x-orig-" + lower("Content-Length: "), fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n", size)} {
		if !strings.Contains(head, want) {
			t.Errorf("the answer's head lacks %q:\n%s", want, head)
		}
	}
	if strings.Index(strings.ToLower(head), "set-cookie: a=1") > strings.Index(strings.ToLower(head), "set-cookie: b=2") || !main.Account.Decoded {
		t.Errorf("head %s, account %+v", head, main.Account)
	}
	request := string(theOne(t, p, "PUT", base+"/put").Request.Head)
	for _, want := range []string{"PUT /put HTTP/1.1\r\n", ": a=1; b=2\r\n", ": 1\r\n", "\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n", strings.TrimPrefix(base, "https://") + "\r\n"} {
		if !strings.Contains(strings.ToLower(request), strings.ToLower(want)) {
			t.Errorf("the request's head lacks %q:\n%s", want, request)
		}
	}
	for path, want := range map[string]string{"/post": "\x00\xff\r\n\x01", "/blob": "\x00\xff\r\n\x01", "/beacon": "bye"} {
		if got := bodyText(t, theOne(t, p, "POST", base+path).Request.Body); got != want {
			t.Errorf("the body of the request for %s is %q, want %q", path, got, want)
		}
	}
	upload := theOne(t, p, "POST", base+"/upload").Request.Body
	if text := bodyText(t, upload); upload.Truncated == "" && !strings.Contains(text, "file text") {
		t.Errorf("the upload's record says it is whole: %q", text)
	}
	var again []int
	for _, e := range p.Exchanges {
		if e.URL == base+"/again" {
			again = append(again, e.Response.Status(), int(e.Response.Body.Size))
		}
	}
	if !slices.Equal(again, []int{200, 5, 304, 0}) {
		t.Errorf("status and size of what was validated: %v", again)
	}
}

func dump(t testing.TB, p *Page) {
	t.Helper()
	for _, l := range p.Ledger {
		t.Logf("%5d %5d %s %s %s %d %s %s", l.Started.Milliseconds(), l.Ended.Milliseconds(), l.Method, l.URL, l.Type, l.Status, l.Outcome, l.Reason)
	}
	for _, a := range p.Actions {
		t.Logf("action %s %s", a.Name, a.Detail)
	}
	t.Logf("timings %+v limits %+v tunnels %d", p.Timings, p.Limits, len(p.Tunnels))
}
