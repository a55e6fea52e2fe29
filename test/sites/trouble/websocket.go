package trouble

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// The opcodes of RFC 6455 that are used here.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// maxFrame bounds the frames that are read.
const maxFrame = 1 << 20

// socket is a small WebSocket server (RFC 6455): it sends three messages, echoes what it gets, and ends with the client.
func socket(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || key == "" {
		http.Error(w, "this address is a WebSocket", http.StatusUpgradeRequired)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "a WebSocket needs HTTP/1.1", http.StatusHTTPVersionNotSupported)
		return
	}
	defer func() { _ = conn.Close() }()
	// Reading ends with the client, or with the server.
	stop := context.AfterFunc(r.Context(), func() { _ = conn.Close() })
	defer stop()

	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, _ = fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	for _, text := range []string{"one", "two", "three"} {
		writeFrame(rw.Writer, opText, []byte(text))
	}
	for rw.Flush() == nil {
		opcode, payload, err := readFrame(rw.Reader)
		if err != nil {
			return
		}
		switch opcode {
		case opText, opBinary:
			writeFrame(rw.Writer, opcode, payload)
		case opPing:
			writeFrame(rw.Writer, opPong, payload)
		case opClose:
			writeFrame(rw.Writer, opClose, payload)
			_ = rw.Flush()
			return
		}
	}
}

// writeFrame writes one unmasked frame; errors show when the writer is flushed.
func writeFrame(w *bufio.Writer, opcode byte, payload []byte) {
	head := []byte{0x80 | opcode}
	switch n := len(payload); {
	case n < 126:
		head = append(head, byte(n))
	case n < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 127), uint64(n))
	}
	_, _ = w.Write(head)
	_, _ = w.Write(payload)
}

// readFrame reads one frame of a client. Fragments are frames of their own here, which is enough for small messages.
func readFrame(r *bufio.Reader) (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	if head[1]&0x80 == 0 {
		return 0, nil, errors.New("a frame of a client must be masked")
	}
	n := uint64(head[1] & 0x7f)
	switch n {
	case 126:
		var size uint16
		err = binary.Read(r, binary.BigEndian, &size)
		n = uint64(size)
	case 127:
		err = binary.Read(r, binary.BigEndian, &n)
	}
	if err != nil {
		return 0, nil, err
	}
	if n > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes is too large", n)
	}
	var mask [4]byte
	if _, err := io.ReadFull(r, mask[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return head[0] & 0x0f, payload, nil
}
