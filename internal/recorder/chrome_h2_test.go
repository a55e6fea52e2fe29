package recorder

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestChromeH2: a real Chrome speaks HTTP/2 to an origin that does, streams a request's body, takes a hint and sends
// its cookie in crumbs. Every field is recorded as the origin got it, in its order.
func TestChromeH2(t *testing.T) {
	t.Parallel()
	const page = `<!doctype html><p id=p>plain</p><img src=/gone><img src=/done><script src=/app.js></script>`
	const app = `const log = t => { document.getElementById('p').textContent += ' ' + t };
const pieces = ['one ', 'two ', 'three'];
const body = new ReadableStream({async pull(c) { await new Promise(r => setTimeout(r, 10)); if (pieces.length) c.enqueue(new TextEncoder().encode(pieces.shift())); else c.close() }});
(async () => {
	log(await (await fetch('/upload', {method: 'POST', body, duplex: 'half'})).text());
	try { const r = await fetch('/broken'); await r.text() } catch { log('broken') }
	log(performance.getEntriesByType('navigation')[0].nextHopProtocol);
	await fetch('/finish');
})()`
	ca := newOrigins(t)
	var mu sync.Mutex
	heads := make(map[string]string) // by path, as HTTP/1.1 would have them
	order := ""
	// The page is answered when its hint has been taken, /done at last: the load waits for it.
	var done uint32
	var finished bool
	var hint hints
	answer := func(o *frames, id uint32, path, body string) {
		switch path {
		case "/":
			hint.give(t, o, id, "</hinted.css>; rel=preload; as=style")
		case "/hinted.css":
			o.head(id, true, ":status", "200", "content-type", "text/css", "cache-control", "max-age=60")
			if hint.end() {
				o.head(hint.stream, false, ":status", "200", "content-type", "text/html", "set-cookie", "a=1", "set-cookie", "b=2")
				_ = o.WriteData(hint.stream, true, []byte(page))
			}
		case "/app.js":
			o.head(id, false, ":status", "200", "content-type", "text/javascript", "content-length", fmt.Sprint(len(app)))
			_ = o.WriteData(id, true, []byte(app))
		case "/upload":
			o.head(id, false, ":status", "200", "content-type", "text/plain")
			_ = o.WriteData(id, false, []byte("got "+body))
			o.head(id, true, "x-trailer", "1")
		case "/broken":
			o.head(id, false, ":status", "200", "content-type", "text/plain")
			_ = o.WriteData(id, false, []byte("some"))
			_ = o.WriteRSTStream(id, http2.ErrCodeInternal)
		case "/done":
			done = id
		case "/finish":
			finished = true
			o.head(id, true, ":status", "204")
		default:
			o.head(id, true, ":status", "404")
		}
		if done != 0 && finished {
			o.head(done, true, ":status", "404")
			done = 0
		}
	}
	var take func(o *frames, h *http2.MetaHeadersFrame)
	take = func(o *frames, h *http2.MetaHeadersFrame) {
		path := h.PseudoValue("path")
		head := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nhost: %s\r\n", h.PseudoValue("method"), path, h.PseudoValue("authority"))
		mu.Lock()
		heads[path] += string(appendFields(head, joinCrumbs(h.RegularFields()))) + "\r\n"
		order = ""
		for _, f := range h.PseudoFields() {
			order += f.Name
		}
		mu.Unlock()
		if h.StreamEnded() {
			answer(o, h.StreamID, path, "")
			return
		}
		for body := ""; ; {
			f, err := o.ReadFrame()
			if err != nil {
				return
			}
			switch f := f.(type) {
			case *http2.MetaHeadersFrame: // of another request, meanwhile
				take(o, f)
			case *http2.DataFrame:
				if f.StreamID != h.StreamID {
					continue
				}
				if body += string(f.Data()); f.StreamEnded() {
					answer(o, h.StreamID, path, body)
					return
				}
			}
		}
	}
	address := framesOrigin(t, ca, take)
	s := newTestSession(t, trust(ca))
	dom := runChrome(t, s, address+"/")
	if !strings.Contains(dom, "plain got one two three broken h2") {
		t.Errorf("the page shows:\n%s", dom)
	}
	mu.Lock()
	defer mu.Unlock()
	if order != ":method:authority:scheme:path" {
		t.Errorf("pseudo fields in the order %s", order)
	}
	got := make(map[string]Exchange)
	list := end(t, s)
	for _, e := range list {
		path := strings.TrimPrefix(e.URL, address)
		got[path] = e
		if string(e.Request.Head) != heads[path] {
			t.Errorf("%s: the request is recorded as %q, the origin got %q", path, e.Request.Head, heads[path])
		}
		if e.Conn == nil || e.Conn.ID != list[0].Conn.ID || e.Conn.Protocol != "h2" {
			t.Errorf("%s: connection %+v", path, e.Conn)
		}
	}
	for path, want := range map[string]string{"/": page, "/app.js": app, "/upload": "got one two three", "/broken": "some", "/hinted.css": "", "/gone": "", "/done": "", "/finish": ""} {
		e, ok := got[path]
		if !ok || e.Response == nil || contents(t, e.Response.Body) != want || (e.Response.Body.Truncated != "") != (path == "/broken") {
			t.Errorf("%s: %+v", path, e)
		}
	}
	if e := got["/upload"]; contents(t, e.Request.Body) != "one two three" || string(e.Response.Trailer) != "x-trailer: 1\r\n" {
		t.Errorf("the upload: %+v", e)
	}
	if e := got["/gone"]; !strings.Contains(string(e.Request.Head), "cookie: a=1; b=2\r\n") {
		t.Errorf("no cookie: %q", e.Request.Head)
	}
}

// hints are the early hints (RFC 8297) to one request. Chromium drops one that comes before it waits for an answer, so that
// they come again until somebody has taken one.
type hints struct {
	stream uint32

	mu    sync.Mutex // held while a hint is written: none may come after the answer
	taken bool
}

func (h *hints) give(t *testing.T, o *frames, stream uint32, link string) {
	h.stream = stream
	beside := &frames{Framer: http2.NewFramer(o.conn, nil), conn: o.conn}
	go func() { // ends with the test at the latest
		for t.Context().Err() == nil && h.again(beside, link) {
			time.Sleep(200 * time.Millisecond)
		}
	}()
}

// again gives a hint, unless one was taken.
func (h *hints) again(o *frames, link string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.taken {
		o.head(h.stream, false, ":status", "103", "link", link)
	}
	return !h.taken
}

// end tells whether this is the first time that a hint was taken. No other one comes.
func (h *hints) end() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := !h.taken
	h.taken = true
	return first
}
