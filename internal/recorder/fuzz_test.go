package recorder

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func FuzzHeads(f *testing.F) {
	f.Add([]byte(lines("HTTP/1.1 200 OK", "Content-Length: 5")))
	f.Add([]byte(lines("HTTP/1.0 200", "Transfer-Encoding: gzip, chunked", "X: a", " b", "Content-Length: 1, 2")))
	f.Add([]byte(lines("GET http://[::1]:80?x HTTP/1.1", "Host: x", "Proxy-Connection: close", "Upgrade: websocket")))
	f.Add([]byte("POST http://h/ HTTP/1.1\n: x\nContent-Length:\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		head, err := readHead(bufio.NewReaderSize(bytes.NewReader(raw), 16))
		if err != nil {
			return
		}
		if !bytes.HasPrefix(raw, head) {
			t.Fatalf("the head is not what came: %q", head)
		}
		end := lineEnd(head, 0)
		for l := range fields(head) {
			if l.from != end || l.to <= l.from || l.to > len(head) {
				t.Fatalf("fields overlap or leave gaps in %q", head)
			}
			end = l.to
		}
		if rest := strings.Trim(string(head[end:]), "\r\n"); rest != "" {
			t.Fatalf("%q of %q is in no field", rest, head)
		}
		if r, err := parseResponse(head, "GET"); err == nil && r.kind == lengthBody && r.length <= 0 {
			t.Fatalf("a length of %d", r.length)
		}
		req, err := parseRequest(head)
		if err != nil {
			return
		}
		if to, target, err := parseAbsolute(req.target); err == nil {
			if target[0] != '/' || to.host == "" || strings.ContainsAny(to.host, "\r\n /") {
				t.Fatalf("%q leads to %+v, %q", req.target, to, target)
			}
			again, err := parseRequest(req.forOrigin(target))
			if err != nil || again.target != target || again.changes {
				t.Fatalf("%q was rewritten to %q: %v", head, req.forOrigin(target), err)
			}
		}
	})
}

func FuzzBodies(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\nX: 1\r\n\r\n"), 0, 3)
	f.Add([]byte("hello"), 5, 2)
	f.Fuzz(func(t *testing.T, raw []byte, length, size int) {
		if size < 1 || size > 1<<16 || length < 1 {
			return
		}
		for _, kind := range []bodyKind{noBody, lengthBody, chunkedBody, closeBody} {
			b := newBodyReader(bufio.NewReader(bytes.NewReader(raw)), kind, int64(length))
			p := make([]byte, size)
			total := 0
			for !b.ended {
				n, err := b.Read(p)
				total += n
				if errors.Is(err, io.EOF) {
					t.Fatal("io.EOF came through")
				}
				if err != nil {
					break
				}
			}
			if total > len(raw) || kind == lengthBody && b.ended && total != length {
				t.Fatalf("%d bytes of %d", total, len(raw))
			}
		}
	})
}

// FuzzH2Heads: what comes over HTTP/2 either is no request, or is one that stands in the record and goes to an origin
// of either protocol as a head with the same fields.
func FuzzH2Heads(f *testing.F) {
	f.Add("GET", "/a?b", "accept", "*/*", "cookie", "a=1", true)
	f.Add("POST", "*", "content-length", "5", "te", "trailers", false)
	f.Add("GET", "/", "connection", "close", "x", "a\x00b", true)
	f.Add("GET", "/", "accept-encoding", "gzip, zstd", "priority", "u=1", true)
	f.Fuzz(func(t *testing.T, method, path, name, value, name2, value2 string, ended bool) {
		list := []hpack.HeaderField{
			{Name: ":method", Value: method}, {Name: ":authority", Value: "example.org"}, {Name: ":scheme", Value: "https"}, {Name: ":path", Value: path},
			{Name: name, Value: value}, {Name: name2, Value: value2}, {Name: "cookie", Value: "b=2"},
		}
		frame := overTheWire(t, list, ended)
		if frame == nil {
			return
		}
		r, err := requestOverH2(frame)
		if err != nil {
			return
		}
		if r.method != method || r.target != path || r.hasBody() == ended {
			t.Fatalf("%q %q became %q", method, path, r.head)
		}
		sent, head := r.h2Fields(origin{scheme: "https", host: "example.org", port: "443"}, r.target)
		again, err := parseRequest(head)
		if err != nil || again.changes || again.target != path {
			t.Fatalf("%q was recorded as %q: %v", list, head, err)
		}
		n := 0
		for range fields(head) {
			n++
		}
		// Pseudo fields are but one line, host; the crumbs of a cookie are one.
		if want := len(joinCrumbs(sent)) - 3; n != want {
			t.Fatalf("%d fields in %q, want %d", n, head, want)
		}
		if r.websocket() || r.closes {
			t.Fatalf("%q is about the connection", head)
		}
		if old, err := parseRequest(r.http1Head(r.target)); err != nil || old.target != path || old.hasBody() != r.hasBody() && len(r.lengths) == 0 {
			t.Fatalf("%q goes to HTTP/1.1 as %q: %v", list, r.http1Head(r.target), err)
		}
	})
}

// overTheWire is a head as the frame reader gives it; nil when it gives none.
func overTheWire(t *testing.T, list []hpack.HeaderField, ended bool) *http2.MetaHeadersFrame {
	var block, wire bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, f := range list {
		if err := e.WriteField(f); err != nil {
			t.Fatal(err)
		}
	}
	if block.Len() > h2DefaultFrame {
		return nil
	}
	fr := http2.NewFramer(&wire, &wire)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: ended}); err != nil {
		t.Fatal(err)
	}
	f, err := fr.ReadFrame()
	if err != nil {
		return nil
	}
	h, _ := f.(*http2.MetaHeadersFrame)
	return h
}

// FuzzH2Connections: whatever a browser sends, the connection ends and nothing is left.
func FuzzH2Connections(f *testing.F) {
	var ok bytes.Buffer
	b := &frames{Framer: http2.NewFramer(&ok, nil)}
	_ = b.WriteSettings()
	b.ask(1, false, "https://example.org", "/")
	_ = b.WriteData(1, true, []byte("hello"))
	_ = b.WritePing(false, [8]byte{})
	_ = b.WriteWindowUpdate(1, 100)
	_ = b.WriteRSTStream(1, http2.ErrCodeCancel)
	f.Add(ok.Bytes())
	f.Add([]byte("\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		c := newH2conn(pipeSocket{ours}, ours, bufio.NewReader(bytes.NewReader(raw)), bufio.NewWriter(ours))
		c.opened = func(s *h2stream, _ *http2.MetaHeadersFrame) {
			_, _ = io.Copy(io.Discard, s)
			_, _ = s.put([]byte("hello"))
			_ = s.end(nil)
			s.close(time.Now())
		}
		c.serve()
		c.running.Wait()
		if n := len(c.streams); n > 0 {
			t.Fatalf("%d streams are left", n)
		}
		_ = theirs.Close()
	})
}

// pipeSocket takes no deadlines: the pipe is read all the time.
type pipeSocket struct{ net.Conn }

func (pipeSocket) SetWriteDeadline(time.Time) error { return nil }
