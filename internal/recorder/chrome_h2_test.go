package recorder

import (
	"fmt"
	"strings"
	"sync"
	"testing"

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
	var first, done uint32
	answer := func(o *frames, id uint32, path, body string) {
		switch path {
		case "/":
			o.head(id, false, ":status", "103", "link", "</hinted.css>; rel=preload; as=style")
			first = id
		case "/hinted.css":
			o.head(id, true, ":status", "200", "content-type", "text/css", "cache-control", "max-age=60")
			if first == 0 {
				return
			}
			id, first = first, 0
			o.head(id, false, ":status", "200", "content-type", "text/html", "set-cookie", "a=1", "set-cookie", "b=2")
			_ = o.WriteData(id, true, []byte(page))
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
			o.head(id, true, ":status", "204")
			o.head(done, true, ":status", "404")
		default:
			o.head(id, true, ":status", "404")
		}
	}
	address := framesOrigin(t, ca, func(o *frames, h *http2.MetaHeadersFrame) {
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
			if d, ok := f.(*http2.DataFrame); ok && d.StreamID == h.StreamID {
				body += string(d.Data())
				if d.StreamEnded() {
					answer(o, h.StreamID, path, body)
					return
				}
			}
		}
	})
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
