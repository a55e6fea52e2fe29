package browser

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// page is a document without an icon.
func page(body string) http.HandlerFunc {
	return send("text/html; charset=utf-8", "<!doctype html><link rel=icon href=data:,>"+body)
}

// TestBrowserRecorderLargeBodies: what is large is streamed to disk, also where the page
// does not read it, and the page gets it as ever.
func TestBrowserRecorderLargeBodies(t *testing.T) {
	t.Parallel()
	body := make([]byte, 12<<20)
	_, _ = rand.Read(body)
	sum := sha256.Sum256(body)
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", page(`<p id=p></p><script>
		fetch('/known').then(r => r.arrayBuffer()).then(b => { p.textContent += ' known ' + b.byteLength; return fetch('/unknown') })
			.then(r => r.arrayBuffer()).then(b => { p.textContent += ' unknown ' + b.byteLength });
	</script>`))
	mux.HandleFunc("/known", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
	mux.HandleFunc("/unknown", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, bytes.NewReader(body)) })
	mux.HandleFunc("/saved", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/zip")
		_, _ = io.Copy(w, bytes.NewReader(body))
	})
	site := serveTLS(t, true, mux)
	s := newBrowserStay(t, site)
	p := visit(t, s, site.URL+"/")
	for _, path := range []string{"/known", "/unknown"} {
		if b := theOne(t, p, "GET", site.URL+path).Response.Body; b.SHA256 != hex.EncodeToString(sum[:]) || b.Truncated != "" {
			t.Errorf("%s: %d bytes, truncated %q", path, b.Size, b.Truncated)
		}
	}
	text := read(t, p.TextFile)
	for _, want := range []string{"known 12582912", "unknown 12582912"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page shows %q", text)
		}
	}
	p = visit(t, s, site.URL+"/saved")
	if !p.Download || p.Outcome.State != Archived {
		t.Errorf("outcome %+v, download %v", p.Outcome, p.Download)
	}
	if b := theOne(t, p, "GET", site.URL+"/saved").Response.Body; b.SHA256 != hex.EncodeToString(sum[:]) || b.Truncated != "" {
		t.Errorf("the saved document: %d bytes, truncated %q", b.Size, b.Truncated)
	}
	if t.Failed() {
		dump(t, p)
	}
}

// TestBrowserRecorderStreams: what never ends is kept as far as it came, and the page
// goes on.
func TestBrowserRecorderStreams(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", page(`<p id=p></p><script>
		new EventSource('/events').onmessage = e => { p.textContent = 'event ' + e.data };
		fetch('/stream').then(async r => { const d = r.body.getReader(); await d.read(); document.title = 'read' });
	</script>`))
	endless := func(kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			for i := 0; r.Context().Err() == nil; i++ {
				fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
				time.Sleep(50 * time.Millisecond)
			}
		}
	}
	mux.HandleFunc("/events", endless("text/event-stream"))
	mux.HandleFunc("/stream", endless("text/plain"))
	mux.HandleFunc("/broken", page(`<script>fetch('/cut').then(r => r.text()).catch(e => { document.title = 'cut' })</script>`))
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		_, _ = io.WriteString(w, strings.Repeat("c", 300_000))
		w.(http.Flusher).Flush()
		time.Sleep(2 * time.Second) // the answer has been let go on by then
		panic(http.ErrAbortHandler)
	})
	site := serveTLS(t, false, mux)
	s := newBrowserStay(t, site)
	p := visit(t, s, site.URL+"/")
	if p.Outcome.State != Archived || p.Title != "read" || !strings.Contains(read(t, p.TextFile), "event ") {
		t.Errorf("outcome %+v, title %q", p.Outcome, p.Title)
	}
	for _, path := range []string{"/events", "/stream"} {
		b := theOne(t, p, "GET", site.URL+path).Response.Body
		if text := bodyText(t, b); !strings.HasPrefix(text, "data: 0\n\ndata: 1\n\n") || b.Truncated == "" {
			t.Errorf("%s: %.60q, truncated %q", path, text, b.Truncated)
		}
	}
	p = visit(t, s, site.URL+"/broken")
	e := theOne(t, p, "GET", site.URL+"/cut")
	if e.Failure != ReasonConnectionReset || e.Response.Body.Truncated != "disconnect" || e.Response.Body.Size == 0 || p.Title != "cut" {
		t.Errorf("broken off: failure %q %q, %d bytes, truncated %q, title %q", e.Failure, e.Detail, e.Response.Body.Size, e.Response.Body.Truncated, p.Title)
	}
	if t.Failed() {
		dump(t, p)
	}
}

// TestBrowserRecorderNeverStalls: every request that is held is let go, whatever happens to
// those who hold it, and the next page finds the tab in order.
func TestBrowserRecorderNeverStalls(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	hang := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	mux.HandleFunc("/hang", hang)
	mux.HandleFunc("/{$}", page("fine"))
	mux.HandleFunc("/images", page(`<title>t</title>`+strings.Repeat("<img src=/hang>", 3)+"the text"))
	mux.HandleFunc("/leaves", page(`<script>for (let i = 0; i < 5; i++) fetch('/hang?' + i); setTimeout(() => { location = '/' }, 300)</script>`))
	mux.HandleFunc("/crash", page(`<script>fetch('/hang'); fetch('/hang?2'); setTimeout(() => { location = 'chrome://crash' }, 300)</script>`))
	mux.HandleFunc("/busy", page(`<script>fetch('/chunked'); setTimeout(() => { for (;;); }, 0)</script>`))
	mux.HandleFunc("/chunked", flushed("text/plain", "a", "b"))
	mux.HandleFunc("/disk", page(`<img src=/i.svg>`))
	mux.HandleFunc("/i.svg", send("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>"))
	site := serveTLS(t, false, mux)
	s := newBrowserStay(t, site)
	quick := func(v *Visit) { v.LoadTimeout, v.Timeout = 3*time.Second, 12*time.Second }
	cases := []struct {
		path  string
		state State
	}{
		{"/images", Archived}, // with a limit: it was not complete
		{"/hang", Failed},
		{"/leaves", Archived},
		{"/busy", Failed},
		{"/crash", ""}, // whether a page may go there is Chrome's to say
		{"/", Archived},
	}
	for _, c := range cases {
		began := time.Now()
		p := visit(t, s, site.URL+c.path, quick)
		if c.state != "" && p.Outcome.State != c.state {
			t.Errorf("%s: outcome %+v", c.path, p.Outcome)
			dump(t, p)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: took %s", c.path, took)
		}
		if fine := visit(t, s, site.URL+"/", quick); fine.Outcome.State != Archived || fine.Status != 200 {
			t.Errorf("the page after %s: %+v", c.path, fine.Outcome)
		}
	}
}

// TestBrowserRecorderSockets: the messages of a WebSocket over TLS are kept.
func TestBrowserRecorderSockets(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", page(`<script>
		const s = new WebSocket('wss://' + location.host + '/socket'); s.binaryType = 'arraybuffer';
		s.onopen = () => { s.send('hello'); s.send(new Uint8Array([0, 255])) };
		let n = 0; s.onmessage = () => { if (++n == 2) { document.title = 'both'; s.close() } };
	</script>`))
	mux.HandleFunc("/socket", echo)
	site := serveTLS(t, false, mux)
	p := visit(t, newBrowserStay(t, site), site.URL+"/")
	e := theOne(t, p, "GET", strings.Replace(site.URL, "https", "wss", 1)+"/socket")
	if p.Title != "both" || e.Frames == nil || e.Response.Status() != 101 {
		t.Fatalf("title %q, exchange %+v", p.Title, e)
	}
	for _, b := range []recorder.Body{e.Frames.Sent, e.Frames.Received} {
		if got := bodyText(t, b); got != "hello\x00\xff" {
			t.Errorf("messages %q", got)
		}
	}
	index := read(t, e.Frames.Index)
	if e.Frames.Count != 4 || strings.Count(index, "\n") != 4 || !strings.Contains(index, `"dir":"sent","op":1,"fin":true,"offset":0,"header":0,"payload":5}`) ||
		!strings.Contains(index, `"dir":"received","op":2,"fin":true,"offset":5,"header":0,"payload":2}`) {
		t.Errorf("index of %d lines:\n%s", e.Frames.Count, index)
	}
	if e.Conn == nil || e.Conn.TLS == nil || len(e.Conn.TLS.Chain) == 0 {
		t.Errorf("connection %+v", e.Conn)
	}
}

// TestBrowserRecorderGuard: a page reaches no private address through a tunnel, and
// submits no form.
func TestBrowserRecorderGuard(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	posted := false
	mux.HandleFunc("/{$}", page(`<img src='https://10.11.12.13/x'><script>fetch('https://rebound.test/y', {mode: 'no-cors'}).catch(() => {});
		try { new WebSocket('wss://169.254.169.254/z') } catch {}</script>guarded`))
	mux.HandleFunc("/form", page(`<form method=post action=/submit><button>x</button></form><script>document.forms[0].submit()</script>form`))
	mux.HandleFunc("/framed", page(`<iframe src='/form'></iframe>framed`))
	mux.HandleFunc("/submit", func(http.ResponseWriter, *http.Request) { posted = true })
	site := serveTLS(t, false, mux)
	s := newBrowserStay(t, site, func(o *recorder.Options) {
		o.Dialer.Resolve = map[string]string{"rebound.test": "192.168.1.1"}
	})
	p := visit(t, s, site.URL+"/")
	for _, address := range []string{"https://10.11.12.13/x", "https://rebound.test/y", "wss://169.254.169.254/z"} {
		e := theOne(t, p, "GET", address)
		if e.Failure != ReasonAddressBlocked || e.Conn != nil {
			t.Errorf("%s: failure %q (%s), response %v", address, e.Failure, e.Detail, e.Response)
		}
	}
	for _, path := range []string{"/form", "/framed"} {
		if p := visit(t, s, site.URL+path); p.Outcome.State != Archived || posted {
			t.Errorf("%s: %+v, posted %v", path, p.Outcome, posted)
		}
	}
	if p := visit(t, s, "https://10.11.12.13/"); p.Outcome.Reason != ReasonAddressBlocked {
		t.Errorf("a private page: %+v", p.Outcome)
	}
	if t.Failed() {
		dump(t, p)
	}
}

// echo is a WebSocket (RFC 6455) that sends short messages back.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	_ = rw.Flush()
	for {
		var head [6]byte
		if _, err := io.ReadFull(rw, head[:]); err != nil {
			return
		}
		payload := make([]byte, head[1]&0x7f)
		if _, err := io.ReadFull(rw, payload); err != nil {
			return
		}
		for i := range payload {
			payload[i] ^= head[2+i%4]
		}
		_, _ = rw.Write([]byte{head[0], byte(len(payload))})
		_, _ = rw.Write(payload)
		_ = rw.Flush()
	}
}
