package recorder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2stream is one request and its answer on an HTTP/2 connection. All but conn
// and id is guarded by the connection's lock.
type h2stream struct {
	conn *h2conn
	id   uint32

	heads   []*http2.MetaHeadersFrame // that were not asked for yet
	buf     bytes.Buffer              // of the body, not yet read
	trailer []hpack.HeaderField
	ended   bool // the origin has sent its last
	sent    bool // we have
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
		c.changed.Wait()
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

func appendFields(to []byte, fields []hpack.HeaderField) []byte {
	for _, f := range fields {
		to = append(append(append(append(to, f.Name...), ':', ' '), f.Value...), '\r', '\n')
	}
	return to
}

// Read reads the body. It ends with io.EOF.
func (s *h2stream) Read(p []byte) (int, error) {
	c := s.conn
	c.mu.Lock()
	for s.buf.Len() == 0 && s.err == nil && !s.ended {
		c.changed.Wait()
	}
	n, _ := s.buf.Read(p) // its only error is that it is empty
	err := s.err
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

// Write sends a part of the request's body, as the windows allow.
func (s *h2stream) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		n, err := s.reserve(len(p) - written)
		if err != nil {
			return written, err
		}
		part := p[written : written+n]
		if err := s.conn.write(func() error { return s.conn.framer.WriteData(s.id, false, part) }); err != nil {
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
	for {
		if s.err != nil {
			return 0, s.err
		}
		if s.ended {
			return 0, errors.New("the origin has answered and wants no more")
		}
		if may := min(int64(n), c.window, s.window, c.maxFrame); may > 0 {
			c.window -= may
			s.window -= may
			return int(may), nil
		}
		c.changed.Wait()
	}
}

// end says that the request's body is whole.
func (s *h2stream) end() error {
	s.conn.mu.Lock()
	s.sent = true
	s.conn.mu.Unlock()
	return s.conn.write(func() error { return s.conn.framer.WriteData(s.id, true, nil) })
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
	whole := s.ended && s.sent
	if s.err == nil && !s.ended {
		s.err = io.ErrClosedPipe
	}
	delete(c.streams, s.id)
	c.since = now
	gone := c.err != nil
	unread := s.buf.Len()
	c.changed.Broadcast()
	c.mu.Unlock()
	if gone {
		return
	}
	if !whole {
		c.running.Go(func() { c.reset(s.id, http2.ErrCodeCancel) }) // whoever cuts must not wait for a socket
	}
	_ = c.giveBack(nil, unread) // serve notices a connection that is gone
}

// h2Fields are the fields of a request for HTTP/2, and its head as it stands in
// the record: what concerns the connection to the browser is left out, and names
// are in lower case (RFC 9113 section 8.2).
func h2Fields(r *request, to origin, target string) (list []hpack.HeaderField, head []byte) {
	authority := strings.TrimPrefix(to.url("", false), to.scheme+"://")
	options := map[string]bool{"connection": true, "proxy-connection": true, "keep-alive": true, "transfer-encoding": true,
		"upgrade": true, "proxy-authorization": true, "host": true, "http2-settings": true}
	for f := range fields(r.head) {
		if f.is("Connection") {
			for t := range tokens(f.value) {
				options[t] = true
			}
		}
		if f.is("Host") {
			authority = string(f.value)
		}
	}
	list = []hpack.HeaderField{
		{Name: ":method", Value: r.method}, {Name: ":authority", Value: authority},
		{Name: ":scheme", Value: to.scheme}, {Name: ":path", Value: target},
	}
	head = fmt.Appendf(nil, "%s %s HTTP/1.1\r\nhost: %s\r\n", r.method, target, authority)
	for f := range fields(r.head) {
		name := strings.ToLower(string(f.name))
		if name == "" || options[name] || name == "te" && !strings.EqualFold(string(f.value), "trailers") {
			continue
		}
		field := hpack.HeaderField{Name: name, Value: string(f.value)}
		switch name {
		case "accept-encoding":
			field.Value = string(readable(f.value))
		case "authorization", "cookie":
			field.Sensitive = true // RFC 7541 section 7.1.3
		}
		list = append(list, field)
		head = appendFields(head, []hpack.HeaderField{field})
	}
	return list, append(head, '\r', '\n')
}
