package recorder

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// chromes are where Chrome's headless shell may be.
var chromes = []string{"/usr/lib/chromium/chromium-headless-shell", "chromium-headless-shell", "chrome-headless-shell", "chromium"}

// runChrome loads a page behind a session and returns its DOM after the load.
func runChrome(t *testing.T, s *Session, address string) string {
	t.Helper()
	path := ""
	for _, name := range chromes {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("this test needs Chrome: install the Debian package chromium-headless-shell")
	}
	dir, err := os.MkdirTemp("", "crawlfleet-recorder-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	args := []string{
		"--headless", "--disable-gpu", "--user-data-dir=" + dir, "--no-first-run",
		"--proxy-server=http://" + s.Addr(), "--proxy-bypass-list=<-loopback>",
		"--ignore-certificate-errors-spki-list=" + s.rec.SPKI(),
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
		"--disable-domain-reliability", "--disable-quic", "--no-pings=false", "--dump-dom",
	}
	if os.Geteuid() == 0 {
		args = append(args, "--no-sandbox")
	}
	cmd := exec.CommandContext(ctx, path, append(args, address)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", path, err, messages.String())
	}
	return out.String()
}

// wireSite is an HTTPS server that answers with fixed bytes and keeps what it
// was sent.
type wireSite struct {
	wires map[string]string // by host and path; "close" is a part of the wire
	ready chan struct{}     // closed when /socket and /api have been used

	mu       sync.Mutex
	requests map[string]string // head and body, by host and path
	answers  map[string]string // what they were answered with
	left     int
}

func (w *wireSite) serve(c net.Conn, br *bufio.Reader) {
	for {
		head := readRequestHead(br)
		if head == "" {
			return
		}
		req, err := parseRequest([]byte(head))
		if err != nil {
			return
		}
		host := ""
		for f := range fields([]byte(head)) {
			if f.is("Host") {
				host = string(f.value)
			}
		}
		body := make([]byte, 0)
		if len(req.lengths) > 0 {
			body = make([]byte, req.lengths[0])
			if _, err := io.ReadFull(br, body); err != nil {
				return
			}
		}
		key := host + req.target
		w.mu.Lock()
		w.requests[key] += head + string(body)
		w.mu.Unlock()
		switch req.target {
		case "/socket":
			w.socket(c, br, head, key)
			return
		case "/done":
			select {
			case <-w.ready:
			case <-time.After(20 * time.Second):
			}
		}
		wire, ok := w.wires[key]
		if !ok {
			wire = lines("HTTP/1.1 404 Not Found", "Content-Length: 0")
		}
		w.mu.Lock()
		w.answers[key] = wire
		w.mu.Unlock()
		if _, err := io.WriteString(c, wire); err != nil {
			return
		}
		if req.target == "/api" {
			w.used()
		}
		if strings.Contains(wire, "Connection: close") || strings.HasPrefix(wire, "HTTP/1.0") {
			return
		}
	}
}

// used counts the two things that /done waits for.
func (w *wireSite) used() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left--; w.left == 0 {
		close(w.ready)
	}
}

// socket accepts a WebSocket, sends a frame, reads one and closes.
func (w *wireSite) socket(c net.Conn, br *bufio.Reader, head, at string) {
	key := ""
	for f := range fields([]byte(head)) {
		if f.is("Sec-WebSocket-Key") {
			key = string(f.value)
		}
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	answer := lines("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:]))
	w.mu.Lock()
	w.answers[at] = answer
	w.mu.Unlock()
	_, _ = io.WriteString(c, answer)
	_, _ = io.WriteString(c, "\x81\x05hello")
	frame := make([]byte, 6+5)
	if _, err := io.ReadFull(br, frame); err == nil {
		w.used()
	}
	_, _ = io.WriteString(c, "\x88\x02\x03\xe8")
	_, _ = br.ReadByte() // the answer to the Close frame
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

// TestChrome: a page with resources of many kinds is loaded by a real Chrome,
// and every exchange is recorded with the very bytes that the server sent and
// was sent.
func TestChrome(t *testing.T) {
	t.Parallel()
	const www, cdn = "www.example.org", "cdn.example.org"
	const png = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xff\xff?\x00\x05\xfe\x02\xfe\xdc\xccY\xe7\x00\x00\x00\x00IEND\xaeB`\x82"
	page := `<!doctype html><title>x</title><link rel=stylesheet href=/style.css><p id=p>plain</p>
<img src="https://cdn.example.org/pixel.png"><img src=/moved><img src=/gone><iframe src=/frame></iframe><img src=/done>
<script src=/app.js></script>`
	app := `const log = t => { document.getElementById('p').textContent += ' ' + t };
fetch('/api', {method: 'POST', body: new Uint8Array([0, 1, 255, 13, 10])}).then(r => r.text()).then(log);
fetch('/empty').then(r => log(r.status));
const ws = new WebSocket('wss://www.example.org/socket');
ws.onmessage = e => { log(e.data); ws.send('there') };`
	zipped := gzipped("p { color: green }")
	frameText := "<p>to the end of the connection</p>"
	site := &wireSite{
		ready: make(chan struct{}), requests: make(map[string]string), answers: make(map[string]string), left: 2,
		wires: map[string]string{
			www + "/": lines("HTTP/1.1 103 Early Hints", "Link: </style.css>; rel=preload; as=style") +
				lines("HTTP/1.1 200 OK", "content-TYPE: text/html; charset=utf-8", "Set-Cookie: a=1", "Set-Cookie: b=2", fmt.Sprintf("Content-Length: %d", len(page)), "X-Odd:   two  ") + page,
			www + "/style.css": lines("HTTP/1.1 200 OK", "Content-Type: text/css", "Content-Encoding: gzip", fmt.Sprintf("Content-Length: %d", len(zipped))) + zipped,
			www + "/app.js": lines("HTTP/1.1 200 OK", "Content-Type: text/javascript", "Transfer-Encoding: chunked, chunked") +
				fmt.Sprintf("%x\r\n%s\r\n%X;ext\r\n%s\r\n0\r\nX-Trailer: 1\r\n\r\n", 10, app[:10], len(app)-10, app[10:]),
			www + "/moved":       lines("HTTP/1.1 302 Found", "Location: https://cdn.example.org/pixel.png?2", "Content-Length: 0"),
			www + "/frame":       lines("HTTP/1.0 200 OK", "Content-Type: text/html") + frameText,
			www + "/api":         lines("HTTP/1.1 200 OK", "Content-Type: text/plain", "Content-Length: 6") + "posted",
			www + "/empty":       lines("HTTP/1.1 204 No Content", "Connection: close"),
			www + "/done":        lines("HTTP/1.1 200 OK", "Content-Type: image/png", fmt.Sprintf("Content-Length: %d", len(png))) + png,
			cdn + "/pixel.png":   lines("HTTP/1.1 200 OK", "Content-Type: image/png", "Cache-Control: max-age=60", fmt.Sprintf("Content-Length: %d", len(png))) + png,
			cdn + "/pixel.png?2": lines("HTTP/1.1 200 OK", "Content-Type: image/png", fmt.Sprintf("Content-Length: %d", len(png))) + png,
		},
	}
	bodies := map[string]string{
		www + "/": page, www + "/style.css": zipped, www + "/app.js": app, www + "/moved": "", www + "/gone": "", www + "/frame": frameText,
		www + "/api": "posted", www + "/empty": "", www + "/done": png, cdn + "/pixel.png": png, cdn + "/pixel.png?2": png, www + "/socket": "",
	}
	ca := newOrigins(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), www, cdn)}, NextProtos: []string{"http/1.1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	serveRaw(t, l, site.serve)
	s := newTestSession(t, trust(ca), func(o *Options) {
		o.Dialer.Resolve = map[string]string{www: l.Addr().String(), cdn: l.Addr().String()}
	})
	dom := runChrome(t, s, "https://"+www+"/")
	for _, part := range []string{"posted", "204", "hello"} {
		if !strings.Contains(dom, part) {
			t.Errorf("the page does not say %q:\n%s", part, dom)
		}
	}
	var want, got []string
	for key := range bodies {
		want = append(want, key)
	}
	site.mu.Lock()
	defer site.mu.Unlock()
	for _, e := range end(t, s) {
		key := strings.TrimPrefix(strings.TrimPrefix(e.URL, "https://"), "wss://")
		got = append(got, key)
		checkExchange(t, e, site.requests[key], site.answers[key], bodies[key])
	}
	sort.Strings(want)
	sort.Strings(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exchanges (-want +got):\n%s", diff)
	}
	for _, r := range s.TakeRefused() {
		t.Logf("refused: %+v", r)
	}
}

// checkExchange compares a record with what the server saw and sent.
func checkExchange(t *testing.T, e Exchange, request, wire, body string) {
	t.Helper()
	if e.Failure != "" || e.Response == nil {
		t.Errorf("%s: %s %s", e.URL, e.Failure, e.Detail)
		return
	}
	if got := string(e.Request.Head) + contents(t, e.Request.Body); got != request {
		t.Errorf("%s: the request is recorded as %q, the server got %q", e.URL, got, request)
	}
	interim := ""
	for _, head := range e.Interim {
		interim += string(head)
	}
	if !strings.HasPrefix(wire, interim+string(e.Response.Head)) {
		t.Errorf("%s: the head is recorded as %q, the server sent %q", e.URL, e.Response.Head, wire)
	}
	if got := contents(t, e.Response.Body); got != body || e.Response.Body.Truncated != "" {
		t.Errorf("%s: the body is recorded as %q (truncated %q), the server sent %q", e.URL, got, e.Response.Body.Truncated, body)
	}
	if strings.HasPrefix(e.URL, "wss:") {
		if e.Frames == nil || !strings.HasPrefix(contents(t, e.Frames.Received), "\x81\x05hello") || e.Frames.Sent.Size < 11 {
			t.Errorf("%s: frames %+v", e.URL, e.Frames)
		}
	}
	if e.Conn == nil || e.Conn.TLS == nil || len(e.Conn.TLS.Chain) != 2 || e.Conn.TLS.VerifyError != "" || e.Conn.DNS == nil {
		t.Errorf("%s: connection %+v", e.URL, e.Conn)
	}
}
