package recorder

import (
	"bufio"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// serveH2 serves the requests of a tunnel in which the browser speaks HTTP/2,
// until the connection ends. WebSockets do not come this way: Chrome asks for
// them over HTTP/1.1 where extended CONNECT (RFC 8441) is not offered.
func (b *browserConn) serveH2() {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(b.br, preface); err != nil || string(preface) != http2.ClientPreface {
		return
	}
	c := newH2conn(b.raw, b.conn, b.br, bufio.NewWriterSize(b.conn, h2WriteBuffer))
	c.opened = func(s *h2stream, f *http2.MetaHeadersFrame) { b.stream(&browserStream{stream: s}, f) }
	if err := c.start(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: h2Streams}); err != nil {
		return
	}
	c.serve()
	c.running.Wait()
}

// h2WriteBuffer holds the heads and small bodies of several answers.
const h2WriteBuffer = 32 << 10

// accept begins to serve a stream that the browser has opened; the connection's
// lock is held.
func (c *h2conn) accept(f *http2.MetaHeadersFrame) error {
	if f.StreamID%2 == 0 || f.StreamID > 1<<31-3 {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	c.next = f.StreamID + 2
	// Those that the browser has given up are among them until their exchange has
	// noticed.
	if len(c.streams) >= 4*h2Streams {
		c.running.Go(func() { c.reset(f.StreamID, http2.ErrCodeRefusedStream) })
		return nil
	}
	s := &h2stream{conn: c, id: f.StreamID, window: c.initial, ended: f.StreamEnded()}
	s.changed = sync.NewCond(&c.mu)
	c.streams[s.id] = s
	c.running.Go(func() { c.opened(s, f) })
	return nil
}

// stream serves a request that came over HTTP/2.
func (b *browserConn) stream(a *browserStream, f *http2.MetaHeadersFrame) {
	defer a.kill()
	req, err := requestOverH2(f)
	if err != nil {
		a.stream.conn.reset(a.stream.id, http2.ErrCodeProtocol)
		return
	}
	b.request(a, req)
}

// browserStream is a request of a browser that speaks HTTP/2, and its answer.
type browserStream struct{ stream *h2stream }

func (a *browserStream) body(r *request) *bodyReader {
	length := int64(-1)
	if len(r.lengths) > 0 {
		length = r.lengths[0]
	}
	body := newBodyReader(bufio.NewReaderSize(a.stream, 16), streamBody, length) // a stream has a buffer of its own
	body.stream = a.stream
	return body
}

func (a *browserStream) deafen() { a.stream.deafen() }

// fields writes a head.
func (a *browserStream) fields(list []hpack.HeaderField, end bool) error {
	c := a.stream.conn
	c.mu.Lock()
	frame, err := int(c.maxFrame), a.stream.err
	a.stream.sent = a.stream.sent || end
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.put(func() error { return c.writeHead(a.stream.id, list, end, frame) })
}

func (a *browserStream) interim(r *response) error {
	if err := a.fields(shownOverH2(r), false); err != nil {
		return err
	}
	return a.flush()
}

func (a *browserStream) head(r *response) error { return a.fields(shownOverH2(r), false) }

func (a *browserStream) piece(p []byte) error {
	_, err := a.stream.put(p)
	return err
}

func (a *browserStream) flush() error { return a.stream.conn.flush() }

func (a *browserStream) end(trailer []byte) error {
	return a.stream.end(trailerFields(trailer))
}

func (a *browserStream) answer(reason string, _, _ bool) bool {
	_ = a.fields([]hpack.HeaderField{
		{Name: ":status", Value: "502"}, {Name: strings.ToLower(ReasonHeader), Value: reason},
		{Name: "cache-control", Value: "no-store"}, {Name: "content-length", Value: "0"},
	}, true)
	_ = a.flush()
	return false
}

func (a *browserStream) breakOff(send bool) {
	if send {
		_ = a.flush()
	}
	a.kill()
}

func (a *browserStream) gone() bool { return a.stream.failed() }

func (a *browserStream) kill() { a.stream.close(time.Now()) }
