package recorder

import (
	"bufio"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// newH2 starts to speak HTTP/2 to an origin. Close it in the end.
func newH2(raw, conn net.Conn, info *Connection) (*h2conn, error) {
	c := newH2conn(raw, conn, bufio.NewReaderSize(conn, originBuffer), bufio.NewWriterSize(conn, originBuffer))
	c.info = info
	_, _ = c.bw.WriteString(http2.ClientPreface)
	if err := c.start(http2.Setting{ID: http2.SettingEnablePush, Val: 0}); err != nil {
		return nil, err
	}
	c.running.Go(c.serve)
	return c, nil
}

// goAway lets what the origin still answers come to its end.
func (c *h2conn) goAway(last uint32) {
	if c.opened != nil {
		return // a browser that closes the connection when its requests have been answered
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	for id, s := range c.streams {
		if id > last && s.err == nil {
			s.err = errRefusedStream
		}
	}
	c.wakeAll()
}

func (c *h2conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	c.free.Broadcast()
}

// idle reports for how long there has been no stream; false while there is one.
func (c *h2conn) idle(now time.Time) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Sub(c.since), len(c.streams)+c.opening == 0
}

// usable reports whether a further stream can be opened, now or when another
// has ended.
func (c *h2conn) usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.draining && c.next < 1<<31-2
}

// used reports whether there has been a request.
func (c *h2conn) used() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next > 1
}

// slot waits until the origin's limit lets another stream be opened, as the
// browser would. stop ends the waiting, when wake has been called.
func (c *h2conn) slot(stop func() bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case stop():
			return net.ErrClosed
		case c.draining:
			return errRefusedStream
		case len(c.streams)+c.opening < c.limit:
			c.opening++
			return nil
		}
		c.free.Wait()
	}
}

func (c *h2conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free.Broadcast()
}

// open sends the head of a request, which makes a stream.
func (c *h2conn) open(fields []hpack.HeaderField, end bool, stop func() bool) (*h2stream, error) {
	if err := c.slot(stop); err != nil {
		return nil, err
	}
	c.writing.Lock() // streams must begin in the order of their numbers
	defer c.writing.Unlock()
	c.mu.Lock()
	c.opening--
	if c.draining {
		c.free.Broadcast()
		c.mu.Unlock()
		return nil, errRefusedStream
	}
	s := &h2stream{conn: c, id: c.next, window: c.initial, sent: end}
	s.changed = sync.NewCond(&c.mu)
	c.next += 2
	c.streams[s.id] = s
	frame := int(c.maxFrame)
	c.mu.Unlock()
	err := errors.Join(c.writeHead(s.id, fields, end, frame), c.bw.Flush())
	if err != nil {
		s.close(time.Now())
		return nil, err // the connection is gone, and serve notices
	}
	return s, nil
}
