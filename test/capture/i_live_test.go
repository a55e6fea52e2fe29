package capture

import (
	"crypto/sha1"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// socket accepts a WebSocket (RFC 6455) and sends the given messages; then it answers each frame with the next one of
// replies and waits for the end.
func socket(messages ...string) handler {
	return func(_ *site, x *wire.Exchange) {
		sum := sha1.Sum([]byte(x.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		x.Head("101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:]))
		for _, m := range messages {
			x.Send(m)
		}
		conn, br := x.Take()
		buf := make([]byte, 4096)
		for {
			select {
			case <-x.Stop:
				return
			default:
			}
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := br.Read(buf); err != nil {
				return
			}
		}
	}
}

// text and binary frames of less than 126 bytes.
func frame(opcode byte, payload string) string {
	return string([]byte{opcode, byte(len(payload))}) + payload
}

// live are group I.
func live() []testCase {
	page := `<p id=p></p><script>const l = []; const s = new WebSocket('{www}/i/CASE/socket'.replace('http', 'ws')); s.binaryType = 'arraybuffer';
		s.onmessage = e => { l.push(typeof e.data === 'string' ? e.data : e.data.byteLength + ' bytes'); p.textContent = l.join(', '); s.send('got ' + l.length) }</script>`
	return []testCase{
		{
			name: "I WebSocket",
			serve: routes{"": html(strings.ReplaceAll(page, "CASE", "websocket")), "socket": socket(
				frame(0x81, "text"), frame(0x82, "\x00\x01\x02"), frame(0x01, "frag"), frame(0x80, "mented"), frame(0x89, "ping"), frame(0x81, "last"))},
			lines: "GET www: Document 200 record\nGET www(ws):socket WebSocket 101 record",
			check: func(t *testing.T, r *result) {
				address := strings.Replace(r.site.base[www], "http", "ws", 1) + r.c.folder() + "socket"
				got := r.about(warc.Resource, "urn:websocket-received:"+address)
				if len(got) != 1 || string(got[0].text) != frame(0x81, "text")+frame(0x82, "\x00\x01\x02")+frame(0x01, "frag")+frame(0x80, "mented")+frame(0x89, "ping")+frame(0x81, "last") {
					t.Errorf("received %+v", got)
				}
				if list := r.about(warc.Resource, "urn:websocket-frames:"+address); len(list) != 1 || strings.Count(string(list[0].text), `"received"`) != 6 || !strings.Contains(string(list[0].text), `"op":10`) {
					t.Errorf("frames %+v", list)
				}
			},
			note: "ReplayWeb.page replays no sockets.",
		},
		{
			name: "I WebSocket of a worker",
			serve: routes{"": html(`<p id=p></p><script>new Worker('w.js').onmessage = e => { p.textContent = e.data }</script>`),
				"w.js": file(mimeJS, `new WebSocket('ws' + '{www}'.slice(4) + '/i/websocket-of-a-worker/socket').onmessage = e => postMessage(e.data)`), "socket": socket(frame(0x81, "to a worker"))},
			lines: "GET www: Document 200 record\nGET www:w.js Script 200 record\nGET www(ws):socket WebSocket 101 record",
			text:  "",
			note:  "ReplayWeb.page replays no sockets.",
		},
		{
			name:  "I WebSocket that is refused",
			text:  "refused",
			serve: routes{"": html(strings.ReplaceAll(page, "CASE", "websocket-that-is-refused") + "refused"), "socket": answer("403 Forbidden", mimeText, "no sockets")},
			lines: "GET www: Document 200 record\nGET www(ws):socket WebSocket 403 record (?)",
		},
		{
			name: "I ten thousand frames",
			serve: routes{"": html(`<p id=p></p><script>let n = 0; new WebSocket('ws' + '{www}'.slice(4) + '/i/ten-thousand-frames/socket').onmessage = () => { if (++n === 10000) p.textContent = n + ' frames' }</script>`),
				"socket": socket(strings.Repeat(frame(0x81, "0123456789"), 10_000))},
			lines: "GET www: Document 200 record\nGET www(ws):socket WebSocket 101 record",
			check: func(t *testing.T, r *result) {
				if n := r.page.Exchanges[1].Frames; n == nil || n.Count < 10_000 {
					t.Errorf("frames %+v", n)
				}
			},
			note: "ReplayWeb.page replays no sockets.",
		},
		{
			name: "I server-sent events",
			text: "one two",
			serve: routes{"": html(`<p id=p></p><script>const l = []; new EventSource('events').onmessage = e => { l.push(e.data); p.textContent = l.join(' ') }</script>`),
				"events": func(_ *site, x *wire.Exchange) {
					x.Head("200 OK", "Content-Type: text/event-stream", "Cache-Control: no-store", "Connection: close")
					x.Body("data: one\n\ndata: two\n\n")
					for x.Sleep(100 * time.Millisecond) {
						x.Body(": still here\n\n")
					}
				}},
			lines: "GET www: Document 200 record\nGET www:events EventSource 200 record (?)",
			check: func(t *testing.T, r *result) {
				if list := r.about(warc.Response, r.site.base[www]+r.c.folder()+"events"); len(list) != 1 || !strings.HasPrefix(string(list[0].text), "data: one\n\ndata: two\n\n") || list[0].truncated() == "" {
					t.Errorf("records %+v", list)
				}
			},
		},
		{
			name: "I long polling",
			serve: routes{"": html(`<p id=p>0</p><script>(async () => { for (;;) { const t = await (await fetch('poll')).text(); p.textContent = +p.textContent + 1 + t } })()</script>`),
				"poll": func(_ *site, x *wire.Exchange) { x.Sleep(300 * time.Millisecond); x.Answer("200 OK", mimeText, "") }},
			check: func(t *testing.T, r *result) {
				if len(r.page.Exchanges) < 3 || r.page.Timings.Settled > 8*time.Second {
					t.Errorf("%d exchanges, settled after %s", len(r.page.Exchanges), r.page.Timings.Settled)
				}
			},
			lines: "GET www: Document 200 record\n" + strings.Repeat("?GET www:poll Fetch 200 record\n", 40) + "?GET www:poll Fetch not captured: there was no answer: Aborted\n?GET www:poll Unseen not captured: there was no answer: Aborted",
			note:  "What is shown is how often it was asked.",
		},
		{
			name: "I WebTransport and WebRTC",
			from: tls,
			serve: routes{"": html(`<p id=p></p><script>(async () => {
				const c = new RTCPeerConnection({iceServers: [{urls: 'stun:127.0.0.1:9'}]}); c.createDataChannel('x'); let n = 0;
				c.onicecandidate = e => { if (e.candidate?.candidate) n++ }; await c.setLocalDescription(await c.createOffer());
				let w = 'no'; try { const t = new WebTransport('{two}/x'); await Promise.race([t.ready, new Promise((_, r) => setTimeout(r, 1000))]); w = 'yes' } catch {}
				p.textContent = n + ' candidates, transport ' + w })()</script>`)},
			lines: "GET tls: Document 200 record\n?GET {two}/x Other not captured: the page was left before there was an answer",
			text:  "0 candidates, transport no",
			note:  "QUIC is off and WebRTC may not use UDP: nothing goes around the recorder.",
		},
	}
}
