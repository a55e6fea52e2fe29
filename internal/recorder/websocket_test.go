package recorder

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// frame is a WebSocket frame of a payload of n bytes.
func frame(first byte, n int, mask bool) string {
	b := []byte{first}
	bit := byte(0)
	if mask {
		bit = 0x80
	}
	switch {
	case n < 126:
		b = append(b, bit|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, bit|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, bit|127), uint64(n))
	}
	if mask {
		b = append(b, 1, 2, 3, 4)
	}
	return string(b) + strings.Repeat("p", n)
}

// echoServer switches protocols, says hello in the same packet and answers what
// comes with the same bytes, until a Close frame.
func echo(head, hello string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, br *bufio.Reader) {
		if readRequestHead(br) == "" {
			return
		}
		_, _ = io.WriteString(c, head+hello)
		buf := make([]byte, 4096)
		var tail []byte
		for {
			n, err := br.Read(buf)
			if err != nil {
				return
			}
			_, _ = c.Write(buf[:n])
			tail = append(tail, buf[:n]...)
			tail = tail[max(0, len(tail)-6):]
			if len(tail) == 6 && tail[0] == 0x88 { // an empty masked Close
				return
			}
		}
	}
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"

func upgrade(target string) string {
	return lines("GET "+target+" HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: WebSocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	ca := newOrigins(t)
	hello := frame(0x81, 5, false)
	plain := rawServer(t, echo(switching, hello))
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1")}})
	if err != nil {
		t.Fatal(err)
	}
	serveRaw(t, l, echo(switching, hello))
	for _, scheme := range []string{"ws", "wss"} {
		address := plain
		if scheme == "wss" {
			address = l.Addr().String()
		}
		s := newTestSession(t, trust(ca))
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		// Chrome opens a tunnel for ws: too.
		_, _ = io.WriteString(c, lines("CONNECT "+address+" HTTP/1.1", "Host: "+address))
		br := bufio.NewReader(c)
		if head, err := readHead(br); err != nil || !strings.HasPrefix(string(head), "HTTP/1.1 200 ") {
			t.Fatalf("got %q, %v", head, err)
		}
		if scheme == "wss" {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			br = bufio.NewReader(c)
		}
		_, _ = io.WriteString(c, upgrade("/chat"))
		if head, err := readHead(br); err != nil || string(head) != switching {
			t.Fatalf("got %q, %v", head, err)
		}
		sent := frame(0x01, 10, true) + frame(0xc0, 300, true) + frame(0x82, 70000, true) + frame(0x88, 0, true)
		go func() {
			for i := 0; i < len(sent); i += 1000 {
				_, _ = io.WriteString(c, sent[i:min(i+1000, len(sent))])
			}
		}()
		got, _ := io.ReadAll(br)
		if string(got) != hello+sent {
			t.Errorf("the browser got %d bytes, want %d", len(got), len(hello+sent))
		}
		e := endOne(t, s)
		if e.URL != scheme+"://"+address+"/chat" || e.Failure != "" || string(e.Response.Head) != switching || e.Frames == nil {
			t.Fatalf("got %+v", e)
		}
		if contents(t, e.Frames.Sent) != sent || contents(t, e.Frames.Received) != hello+sent {
			t.Error("the recorded frames are not what was sent")
		}
		if e.Frames.Sent.Truncated != "" || e.Frames.Received.Truncated != "" {
			t.Errorf("got %+v", e.Frames)
		}
		checkIndex(t, e.Frames)
	}
}

func checkIndex(t *testing.T, f *Frames) {
	t.Helper()
	raw, err := os.ReadFile(f.Index)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string][]FrameLine)
	for line := range strings.Lines(string(raw)) {
		var l FrameLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.At <= 0 || l.At > int64(time.Minute) {
			t.Errorf("at %d", l.At)
		}
		got[l.Dir] = append(got[l.Dir], l)
	}
	want := map[string][]FrameLine{
		"sent": {
			{Dir: "sent", Opcode: 1, Offset: 0, Header: 6, Payload: 10},
			{Dir: "sent", Opcode: 0, Fin: true, RSV1: true, Offset: 16, Header: 8, Payload: 300},
			{Dir: "sent", Opcode: 2, Fin: true, Offset: 324, Header: 14, Payload: 70000},
			{Dir: "sent", Opcode: 8, Fin: true, Offset: 70338, Header: 6},
		},
	}
	want["received"] = []FrameLine{{Dir: "received", Opcode: 1, Fin: true, Header: 2, Payload: 5}}
	for _, l := range want["sent"] {
		l.Dir, l.Offset = "received", l.Offset+7
		want["received"] = append(want["received"], l)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(FrameLine{}, "At")); diff != "" {
		t.Errorf("index (-want +got):\n%s", diff)
	}
	if f.Count != 9 {
		t.Errorf("count %d", f.Count)
	}
}

// TestWebSocketCut: a socket that is open when the page ends is cut, and says so.
func TestWebSocketCut(t *testing.T) {
	t.Parallel()
	address := rawServer(t, echo(switching, frame(0x81, 5, false)))
	s := newTestSession(t)
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = io.WriteString(c, upgrade("http://"+address+"/"))
	// What is recorded may not have reached the browser yet.
	want := switching + frame(0x81, 5, false)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("the browser got %q, %v", got, err)
	}
	e := endOne(t, s)
	if e.Frames == nil || e.Frames.Received.Size != 7 || e.Frames.Received.Truncated != TruncatedTime || e.Frames.Sent.Truncated != TruncatedTime || e.Failure != "" {
		t.Errorf("got %+v", e.Frames)
	}
	if rest, err := io.ReadAll(c); len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the socket goes on after the page: %q, %v", rest, err)
	}
}

// TestWebSocketRefused: an origin may answer an upgrade with an ordinary answer.
func TestWebSocketRefused(t *testing.T) {
	t.Parallel()
	address := answering(t, lines("HTTP/1.1 403 Forbidden", "Content-Length: 2")+"no", true)
	s := newTestSession(t)
	talk(t, s, upgrade("http://"+address+"/"))
	if e := endOne(t, s); e.Frames != nil || contents(t, e.Response.Body) != "no" || !strings.HasPrefix(e.URL, "ws://") {
		t.Errorf("got %+v", e)
	}
}

func FuzzFrameScanner(f *testing.F) {
	f.Add([]byte(frame(0x01, 10, true)+frame(0x82, 300, false)), 3)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1}, 1)
	f.Fuzz(func(t *testing.T, raw []byte, step int) {
		if step < 1 {
			return
		}
		// Frames are the same however the bytes come.
		whole, pieces := scanAll(t, raw, len(raw)+1), scanAll(t, raw, step)
		if diff := cmp.Diff(whole, pieces); diff != "" {
			t.Errorf("(-whole +pieces):\n%s", diff)
		}
	})
}

func scanAll(t *testing.T, raw []byte, step int) []FrameLine {
	x := &frameIndex{path: t.TempDir() + "/index", now: func() time.Time { return time.Time{} }}
	s := frameScanner{index: x, dir: dirSent}
	for i := 0; i < len(raw); i += step {
		s.scan(raw[i:min(i+step, len(raw))])
	}
	if err := x.close(); err != nil {
		t.Fatal(err)
	}
	if x.count == 0 {
		return nil
	}
	text, err := os.ReadFile(x.path)
	if err != nil {
		t.Fatal(err)
	}
	var out []FrameLine
	for line := range strings.Lines(string(text)) {
		var l FrameLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}
