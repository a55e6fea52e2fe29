package capture

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// accept answers the handshake of a WebSocket (RFC 6455 section 4.2.2).
func accept(x *wire.Exchange, fields ...string) {
	sum := sha1.Sum([]byte(x.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	x.Head("101 Switching Protocols", append([]string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:])}, fields...)...)
}

// conversation is what a socket has sent and received, as the site knows it.
type conversation struct{ toPage, fromPage string }

// talk sends a frame, waits for one, sends the next and so on, and keeps what went both ways under the target.
func talk(fields []string, frames ...string) handler {
	return func(s *site, x *wire.Exchange) {
		accept(x, fields...)
		conn, br := x.Take()
		var c conversation
		for _, f := range frames {
			if _, err := io.WriteString(conn, f); err != nil {
				return
			}
			c.toPage += f
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			got, err := readFrame(br)
			if err != nil {
				return
			}
			c.fromPage += got
		}
		s.mu.Lock()
		s.talks[x.Target] = c
		s.mu.Unlock()
		// The end is the page's: until then nothing else is sent, and what comes is its close frame.
		rest, _ := io.ReadAll(br)
		s.mu.Lock()
		c.fromPage += string(rest)
		s.talks[x.Target] = c
		s.mu.Unlock()
	}
}

// readFrame reads a frame of less than 126 bytes, as it is on the wire: a client's, which has a mask.
func readFrame(br *bufio.Reader) (string, error) {
	head, err := br.Peek(2)
	if err != nil {
		return "", err
	}
	b := make([]byte, 2+4+int(head[1]&0x7f))
	_, err = io.ReadFull(br, b)
	return string(b), err
}

// deflated is a text as permessage-deflate has it (RFC 7692 section 7.2.1).
func deflated(text string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression) // the level is a valid one
	_, _ = io.WriteString(w, text)                     // buffers do not fail
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// bothWays checks that the records hold what the site has sent and received, to the byte.
func bothWays(socket string) func(*testing.T, *result) {
	return func(t *testing.T, r *result) {
		t.Helper()
		r.site.mu.Lock()
		want, ok := r.site.talks[r.c.folder()+socket]
		r.site.mu.Unlock()
		if !ok {
			t.Error("the conversation did not come to its end")
			return
		}
		address := strings.Replace(r.site.base[r.c.origin()], "http", "ws", 1) + r.c.folder() + socket
		for kind, bytes := range map[string]string{"received": want.toPage, "sent": want.fromPage} {
			if list := r.about(warc.Resource, "urn:websocket-"+kind+":"+address); len(list) != 1 || string(list[0].text) != bytes {
				t.Errorf("%s: %d records, want one of %q", kind, len(list), bytes)
				for _, rec := range list {
					t.Errorf("it has %q", rec.text)
				}
			}
		}
	}
}

// sockets are what of group I is compared in both directions.
func sockets() []testCase {
	page := func(origin, folder string) handler {
		return html(`<p id=p></p><script>const l = [], s = new WebSocket('ws' + '{` + origin + `}'.slice(4) + '/i/` + folder + `/socket');
			s.onmessage = e => { l.push(e.data); p.textContent = l.join(', '); s.send(l.length % 2 ? 'text ' + l.length : new Uint8Array([0, 255, l.length])) }</script>`)
	}
	said := []string{frame(0x81, "one"), frame(0x81, "two"), frame(0x81, "three")}
	list := []testCase{{
		name: "I WebSocket compressed", from: tls,
		serve: routes{"": page(tls, "websocket-compressed"), "socket": talk(
			[]string{"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
			frame(0xc1, deflated(strings.Repeat("again and ", 20)+"again")), frame(0x81, "not compressed"))},
		lines: "GET tls: Document 200 record\nGET tls(ws):socket WebSocket 101 record",
		check: both(textIs("again and again, not compressed"), bothWays("socket")),
		note:  "The frames stand in the record as they were sent: compressed. No replay.",
	}}
	for _, origin := range []string{www, tls} {
		name := map[string]string{www: "I WebSocket in both directions", tls: "I WebSocket over TLS in both directions"}[origin]
		c := testCase{name: name, from: origin}
		folder := strings.Trim(c.folder()[len("/i"):], "/")
		c.serve = routes{"": page(origin, folder), "socket": talk(nil, said...)}
		c.lines = "GET " + origin + ": Document 200 record\nGET " + origin + "(ws):socket WebSocket 101 record"
		c.check = both(textIs("one, two, three"), bothWays("socket"))
		c.note = "What was sent and received is compared to the byte, with masks and the frame that closes. ReplayWeb.page replays no sockets."
		list = append(list, c)
	}
	const attempts = 40
	return append(list, testCase{
		name: "I WebSocket that is opened again and again",
		serve: routes{"": html(`<p id=p></p><script>let n = 0; const open = () => { const s = new WebSocket('ws' + '{www}'.slice(4) + '/i/websocket-that-is-opened-again-and-again/socket');
				s.onclose = () => { p.textContent = ++n > 2 ? 'lost more than twice' : 'lost'; setTimeout(open, 100) } }; open()</script>`),
			"socket": func(_ *site, x *wire.Exchange) {
				accept(x)
				x.Send(frame(0x88, "\x03\xe8")) // a close frame with the status 1000
				x.Close()
			}},
		lines: "GET www: Document 200 record" + strings.Repeat("\nGET www(ws):socket WebSocket 101 record (?)", 3) +
			strings.Repeat("\n?GET www(ws):socket WebSocket 101 record (?)", attempts) +
			strings.Repeat("\n?GET www(ws):socket WebSocket not captured: the page was left before there was an answer", 2) +
			strings.Repeat("\n?GET www(ws):socket WebSocket not captured: there was no answer: Aborted", 2) +
			// One that is opened as the page is left reaches the server before Chrome tells of it.
			"\n?GET www(ws):socket Unseen 101 record",
		check: textIs("lost more than twice"),
		note:  "Such a page is not waited for. ReplayWeb.page replays no sockets.",
	})
}
