package recorder

import (
	"io"
	"time"
)

// asker is the browser as an exchange knows it: a connection that speaks
// HTTP/1.1, or a stream of one that speaks HTTP/2. The methods that write an
// answer are for the exchange's own goroutine, in the order interim, head, piece,
// end; the others are for all.
type asker interface {
	// body reads the body of the request.
	body(r *request) *bodyReader
	// deafen ends the reading of the body, whoever waits for it.
	deafen()

	// interim passes on the head of an interim answer, at once.
	interim(r *response) error
	// head passes on the head of an answer, piece a part of its body; flush sees to
	// it that the browser gets them. end passes on what is left and ends the answer.
	head(r *response) error
	piece(p []byte) error
	flush() error
	end(trailer []byte) error
	// answer answers in the origin's place, and reports whether the connection can
	// be used again. last says that it cannot, unread that the request has a body
	// that has not come to its end.
	answer(reason string, last, unread bool) bool
	// breakOff ends an answer that is not whole; with send the browser gets what
	// there is of it.
	breakOff(send bool)

	// gone reports whether the browser has given the request up.
	gone() bool
	// kill ends the request under whoever works on it.
	kill()
}

var (
	_ asker = (*browserConn)(nil)
	_ asker = (*browserStream)(nil)
)

func (b *browserConn) body(r *request) *bodyReader {
	if len(r.codings) > 0 {
		return newBodyReader(b.br, chunkedBody, 0)
	}
	return newBodyReader(b.br, lengthBody, r.lengths[0])
}

func (b *browserConn) deafen() { _ = b.raw.SetReadDeadline(time.Now()) }

func (b *browserConn) interim(r *response) error {
	_, _ = b.bw.Write(r.head)
	return b.bw.Flush()
}

func (b *browserConn) head(r *response) error {
	b.chunks = r.chunks
	_, err := b.bw.Write(r.shown)
	return err
}

func (b *browserConn) piece(p []byte) error {
	if b.chunks {
		return writeChunk(b.bw, p)
	}
	_, err := b.bw.Write(p)
	return err
}

func (b *browserConn) flush() error { return b.bw.Flush() }

func (b *browserConn) end(trailer []byte) error {
	if b.chunks {
		_, _ = b.bw.WriteString("0\r\n")
		_, _ = b.bw.Write(trailer)
		_, _ = b.bw.WriteString("\r\n")
	}
	return b.bw.Flush()
}

func (b *browserConn) answer(reason string, last, unread bool) bool {
	text := "HTTP/1.1 502 Bad Gateway\r\n" + ReasonHeader + ": " + reason + "\r\nCache-Control: no-store\r\nContent-Length: 0\r\n"
	if last {
		text += "Connection: close\r\n"
	}
	_, _ = b.bw.WriteString(text + "\r\n")
	again := b.bw.Flush() == nil && !last
	if unread {
		b.linger()
	}
	return again
}

// linger reads for a while what nobody wants.
func (b *browserConn) linger() {
	_ = b.raw.SetReadDeadline(time.Now().Add(lingering))
	_, _ = io.CopyN(io.Discard, b.br, 1<<20)
}

func (b *browserConn) breakOff(send bool) {
	_ = b.raw.SetWriteDeadline(time.Now().Add(lingering))
	if send {
		_ = b.bw.Flush()
	}
	b.kill() // no close_notify: the end is not the answer's
}

func (b *browserConn) gone() bool { return hungUp(b.raw) }

// kill closes the connection under whoever uses it.
func (b *browserConn) kill() { _ = b.raw.Close() }
