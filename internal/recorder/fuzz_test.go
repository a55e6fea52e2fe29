package recorder

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
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
