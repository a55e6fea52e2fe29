package recorder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2stream is one request and its answer on an HTTP/2 connection. All but conn
// and id is guarded by the connection's lock.
type h2stream struct {
	conn    *h2conn
	id      uint32
	changed *sync.Cond // anything below has changed

	heads   []*http2.MetaHeadersFrame // that were not asked for yet
	begun   bool                      // a head has come
	buf     bytes.Buffer              // of the body, not yet read
	trailer []hpack.HeaderField
	ended   bool // the other side has sent its last
	sent    bool // we have
	deaf    bool // nobody reads any more
	window  int64
	taken   int64
	closed  bool
	err     error
}

// readHead waits for the next head and writes it as HTTP/1.1 would.
func (s *h2stream) readHead() ([]byte, error) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(s.heads) == 0 && s.err == nil && !s.ended {
		s.changed.Wait()
	}
	if len(s.heads) == 0 {
		if s.err == nil {
			return nil, &failure{ReasonConnectionReset, "the origin ended the stream without an answer"}
		}
		return nil, s.err
	}
	f := s.heads[0]
	s.heads = s.heads[1:]
	status, err := strconv.Atoi(f.PseudoValue("status"))
	if err != nil {
		return nil, invalidf("the answer has no status code")
	}
	head := fmt.Appendf(nil, "HTTP/1.1 %03d %s\r\n", status, http.StatusText(status))
	head = appendFields(head, f.RegularFields())
	return append(head, '\r', '\n'), nil
}

// Read reads the body. It ends with io.EOF.
func (s *h2stream) Read(p []byte) (int, error) {
	c := s.conn
	c.mu.Lock()
	for s.buf.Len() == 0 && s.err == nil && !s.ended && !s.deaf {
		s.changed.Wait()
	}
	n, _ := s.buf.Read(p) // its only error is that it is empty
	err := s.err
	if err == nil && s.deaf {
		err = io.ErrClosedPipe
	}
	if err == nil && s.ended {
		err = io.EOF
	}
	c.mu.Unlock()
	if n > 0 {
		return n, c.giveBack(s, n)
	}
	return 0, err
}

// trailers are the fields after the body, written as HTTP/1.1 would.
func (s *h2stream) trailers() []byte {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return appendFields(nil, s.trailer)
}

// deafen ends the reading of the body, whoever waits for it.
func (s *h2stream) deafen() {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.deaf = true
	s.changed.Broadcast()
}

// failed reports whether the other side has given the stream up.
func (s *h2stream) failed() bool {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.err != nil
}

// Write sends a part of the request's body, as the windows allow.
func (s *h2stream) Write(p []byte) (int, error) {
	n, err := s.put(p)
	return n, errors.Join(err, s.conn.flush())
}

// put sends a part of a body, as the windows allow, and leaves the last of it in
// the connection's buffer.
func (s *h2stream) put(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		n, err := s.reserve(len(p) - written)
		if err != nil {
			return written, err
		}
		part := p[written : written+n]
		if err := s.conn.put(func() error { return s.conn.framer.WriteData(s.id, false, part) }); err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}

// reserve waits until some of n bytes may be sent.
func (s *h2stream) reserve(n int) (int, error) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	for flushed := false; ; {
		if s.err != nil {
			return 0, s.err
		}
		if s.ended && c.opened == nil {
			return 0, errors.New("the origin has answered and wants no more")
		}
		if may := min(int64(n), c.window, s.window, c.maxFrame); may > 0 {
			c.window -= may
			s.window -= may
			return int(may), nil
		}
		if !flushed { // the other side waits for what is in the buffer
			flushed = true
			c.mu.Unlock()
			err := c.flush()
			c.mu.Lock()
			if err != nil {
				return 0, err
			}
			continue
		}
		s.changed.Wait()
	}
}

// end says that our body is whole, with trailer fields if there are any.
func (s *h2stream) end(trailer []hpack.HeaderField) error {
	c := s.conn
	c.mu.Lock()
	s.sent = true
	frame := int(c.maxFrame)
	c.mu.Unlock()
	return c.write(func() error {
		if len(trailer) > 0 {
			return c.writeHead(s.id, trailer, true, frame)
		}
		return c.framer.WriteData(s.id, true, nil)
	})
}

// close gives the stream up: nothing happens when it has come to its end.
func (s *h2stream) close(now time.Time) {
	c := s.conn
	c.mu.Lock()
	if s.closed {
		c.mu.Unlock()
		return
	}
	s.closed = true
	whole := s.ended && s.sent || c.opened != nil && s.err != nil
	code := http2.ErrCodeCancel
	switch {
	case c.opened == nil:
	case s.sent:
		code = http2.ErrCodeNo // the rest of the request is not wanted (RFC 9113 section 8.1)
	default:
		code = http2.ErrCodeInternal // the answer is not whole
	}
	if s.err == nil && (!s.ended || c.opened != nil) {
		s.err = io.ErrClosedPipe
	}
	delete(c.streams, s.id)
	c.since = now
	gone := c.err != nil
	unread := s.buf.Len()
	s.changed.Broadcast()
	c.free.Broadcast()
	c.mu.Unlock()
	if gone || whole && unread == 0 {
		return
	}
	c.running.Go(func() { // whoever cuts must not wait for a socket
		if !whole {
			c.reset(s.id, code)
		}
		_ = c.giveBack(nil, unread) // serve notices a connection that is gone
	})
}
