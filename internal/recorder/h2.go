package recorder

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// The windows of flow control (RFC 9113 section 5.2): what the other side may
// send that nobody has read yet. They bound the memory of a connection.
const (
	h2StreamWindow = 1 << 20
	h2ConnWindow   = 4 << 20
	h2DefaultFrame = 16 << 10
	// h2Streams is how many requests may be open on a connection when its server
	// names no limit, and how many we serve a browser at a time.
	h2Streams = 100
)

// errRefusedStream is the error of a request that the origin says it has not
// looked at, because it is about to close the connection.
var errRefusedStream = errors.New("the origin refused the stream")

// h2conn is an HTTP/2 connection (RFC 9113), to an origin or from a browser. It
// is an implementation of its own, on the frames of golang.org/x/net/http2,
// because that package's client and server know neither the order of fields nor
// who asked in what order.
type h2conn struct {
	raw, conn net.Conn // the socket, and TLS over it
	framer    *http2.Framer
	running   sync.WaitGroup // serve, what must not be waited for, and the streams of a browser
	// opened serves a stream that a browser has opened; nil of a connection to an
	// origin. info is nil of one from a browser.
	opened func(*h2stream, *http2.MetaHeadersFrame)
	info   *Connection

	writing sync.Mutex // guards what is written: bw, the encoder and its buffer
	bw      *bufio.Writer
	encoder *hpack.Encoder
	block   bytes.Buffer

	mu       sync.Mutex
	free     *sync.Cond // a stream can perhaps be opened
	streams  map[uint32]*h2stream
	opening  int       // streams that will be in streams
	next     uint32    // number of the next stream; those of a browser below it have been opened
	since    time.Time // idle since
	window   int64     // what may be sent
	initial  int64     // window of new streams
	maxFrame int64
	limit    int   // of open streams
	taken    int64 // received and not yet given back to the window
	draining bool  // takes no further streams
	err      error
}

// newH2conn makes a connection that says nothing yet. br reads from conn.
func newH2conn(raw, conn net.Conn, br *bufio.Reader, bw *bufio.Writer) *h2conn {
	c := &h2conn{
		raw: raw, conn: conn, bw: bw, streams: make(map[uint32]*h2stream), next: 1,
		window: 65_535, initial: 65_535, maxFrame: h2DefaultFrame, limit: h2Streams,
	}
	c.free = sync.NewCond(&c.mu)
	c.encoder = hpack.NewEncoder(&c.block)
	c.framer = http2.NewFramer(bw, br)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.framer.MaxHeaderListSize = maxHead
	c.framer.SetMaxReadFrameSize(h2DefaultFrame)
	return c
}

// start announces ourselves.
func (c *h2conn) start(first http2.Setting) error {
	return c.write(func() error {
		return errors.Join(
			c.framer.WriteSettings(
				first,
				http2.Setting{ID: http2.SettingInitialWindowSize, Val: h2StreamWindow},
				http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHead},
			),
			c.framer.WriteWindowUpdate(0, h2ConnWindow-65_535),
		)
	})
}

// serve reads frames until the connection ends.
func (c *h2conn) serve() {
	for {
		f, err := c.framer.ReadFrame()
		var stream http2.StreamError
		if errors.As(err, &stream) {
			c.reset(stream.StreamID, stream.Code)
			c.failStream(stream.StreamID, invalidf("an answer that is not HTTP/2: %v", err))
			continue
		}
		if err == nil {
			err = c.take(f)
		}
		if err != nil {
			c.goodbye(err)
			c.fail(err)
			return
		}
	}
}

// goodbye tells the other side what it did wrong.
func (c *h2conn) goodbye(err error) {
	var broken http2.ConnectionError
	if !errors.As(err, &broken) {
		return
	}
	last := uint32(0) // an origin opens no streams
	if c.opened != nil {
		c.mu.Lock()
		last = c.next - min(c.next, 2)
		c.mu.Unlock()
	}
	_ = c.raw.SetWriteDeadline(time.Now().Add(lingering))
	_ = c.write(func() error { return c.framer.WriteGoAway(last, http2.ErrCode(broken), nil) }) // the connection ends anyhow
}

// take acts on a frame.
func (c *h2conn) take(f http2.Frame) error {
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		return c.headers(f)
	case *http2.DataFrame:
		return c.data(f)
	case *http2.RSTStreamFrame:
		var err error = &failure{ReasonConnectionReset, "the origin reset the stream: " + f.ErrCode.String()}
		if f.ErrCode == http2.ErrCodeRefusedStream {
			err = errRefusedStream
			c.drain() // what is asked again is asked on another connection
		}
		c.failStream(f.StreamID, err)
	case *http2.SettingsFrame:
		return c.settings(f)
	case *http2.PingFrame:
		if f.IsAck() {
			return nil
		}
		return c.write(func() error { return c.framer.WritePing(true, f.Data) })
	case *http2.GoAwayFrame:
		c.goAway(f.LastStreamID)
	case *http2.WindowUpdateFrame:
		return c.windowUpdate(f)
	case *http2.PushPromiseFrame:
		return invalidf("the origin pushed what it was told not to")
	}
	return nil
}

// put writes frames that are sent off by a later flush, or when the buffer is
// full.
func (c *h2conn) put(frames func() error) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return frames()
}

// write writes frames and sends them off.
func (c *h2conn) write(frames func() error) error {
	return c.put(func() error {
		if err := frames(); err != nil {
			return err
		}
		return c.bw.Flush()
	})
}

func (c *h2conn) flush() error { return c.put(c.bw.Flush) }

func (c *h2conn) settings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	c.mu.Lock()
	err := f.ForeachSetting(func(s http2.Setting) error {
		switch s.ID {
		case http2.SettingInitialWindowSize:
			for _, stream := range c.streams {
				stream.window += int64(s.Val) - c.initial
			}
			c.initial = int64(s.Val)
		case http2.SettingMaxFrameSize:
			c.maxFrame = min(int64(s.Val), 64<<10)
		case http2.SettingMaxConcurrentStreams:
			c.limit = int(min(s.Val, 1000))
		}
		return s.Valid()
	})
	c.wakeAll()
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.write(func() error {
		if size, ok := f.Value(http2.SettingHeaderTableSize); ok {
			c.encoder.SetMaxDynamicTableSizeLimit(size)
		}
		return c.framer.WriteSettingsAck()
	})
}

// wakeAll wakes everyone who waits for something of the connection.
func (c *h2conn) wakeAll() {
	c.free.Broadcast()
	for _, s := range c.streams {
		s.changed.Broadcast()
	}
}

func (c *h2conn) windowUpdate(f *http2.WindowUpdateFrame) error {
	const most = 1<<31 - 1
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.StreamID == 0 {
		if c.window += int64(f.Increment); c.window > most {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		c.wakeAll()
		return nil
	}
	if s := c.streams[f.StreamID]; s != nil {
		s.window = min(s.window+int64(f.Increment), most)
		s.changed.Broadcast()
	}
	return nil
}

func (c *h2conn) headers(f *http2.MetaHeadersFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[f.StreamID]
	if s == nil {
		if c.opened != nil && f.StreamID >= c.next {
			return c.accept(f)
		}
		return nil
	}
	switch {
	case f.Truncated:
		s.err = errHeadTooLarge
	case f.PseudoValue("status") == "":
		s.trailer = f.RegularFields()
	default:
		s.heads, s.begun = append(s.heads, f), true
	}
	s.ended = s.ended || f.StreamEnded()
	s.changed.Broadcast()
	return nil
}

func (c *h2conn) data(f *http2.DataFrame) error {
	c.mu.Lock()
	s := c.streams[f.StreamID]
	if s == nil {
		// Of a stream that was given up: the connection's window still counts it.
		c.mu.Unlock()
		return c.giveBack(nil, int(f.Length))
	}
	s.buf.Write(f.Data())
	s.ended = s.ended || f.StreamEnded()
	excess := s.buf.Len() > h2StreamWindow
	s.changed.Broadcast()
	c.mu.Unlock()
	if excess {
		return http2.ConnectionError(http2.ErrCodeFlowControl)
	}
	return c.giveBack(s, int(f.Length)-len(f.Data())) // padding is read by nobody
}

// giveBack lets the other side send as much again, once it is worth a frame.
func (c *h2conn) giveBack(s *h2stream, n int) error {
	if n == 0 {
		return nil
	}
	c.mu.Lock()
	c.taken += int64(n)
	forConn, forStream := int64(0), int64(0)
	if c.taken >= h2ConnWindow/4 {
		forConn, c.taken = c.taken, 0
	}
	if s != nil {
		if s.taken += int64(n); s.taken >= h2StreamWindow/4 && !s.ended {
			forStream, s.taken = s.taken, 0
		}
	}
	c.mu.Unlock()
	if forConn == 0 && forStream == 0 {
		return nil
	}
	return c.write(func() error {
		var err error
		if forConn > 0 {
			err = c.framer.WriteWindowUpdate(0, uint32(forConn))
		}
		if forStream > 0 {
			err = errors.Join(err, c.framer.WriteWindowUpdate(s.id, uint32(forStream)))
		}
		return err
	})
}

func (c *h2conn) failStream(id uint32, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.streams[id]; s != nil && s.err == nil && (!s.ended || c.opened != nil) {
		s.err = err
		s.changed.Broadcast()
	}
}

// reset tells the other side that nobody wants a stream any more.
func (c *h2conn) reset(id uint32, code http2.ErrCode) {
	_ = c.raw.SetWriteDeadline(time.Now().Add(lingering)) // who takes no more for so long has gone
	if err := c.write(func() error { return c.framer.WriteRSTStream(id, code) }); err != nil {
		c.fail(err)
		return
	}
	_ = c.raw.SetWriteDeadline(time.Time{}) // a connection that is gone says so to the next
}

// fail ends the connection and all its streams.
func (c *h2conn) fail(err error) {
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err, c.draining = err, true
	for _, s := range c.streams {
		if s.err == nil && (!s.ended || c.opened != nil) {
			s.err = err
			if s.begun && errors.Is(err, io.EOF) { // io.EOF would end a body that is not whole
				s.err = io.ErrUnexpectedEOF
			}
		}
	}
	c.wakeAll()
	_ = c.raw.Close() // whatever it says, it is of no further use
}

// close ends the connection and waits for its goroutines.
func (c *h2conn) close() {
	c.fail(net.ErrClosed)
	c.running.Wait()
}

// writeHead writes the fields of a head or a trailer section in as many frames
// as they need; the writing lock is held.
func (c *h2conn) writeHead(id uint32, fields []hpack.HeaderField, end bool, frame int) error {
	c.block.Reset()
	for _, f := range fields {
		if err := c.encoder.WriteField(f); err != nil {
			return err
		}
	}
	first := c.block.Next(frame)
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: end, EndHeaders: c.block.Len() == 0})
	for err == nil && c.block.Len() > 0 {
		part := c.block.Next(frame)
		err = c.framer.WriteContinuation(id, c.block.Len() == 0, part)
	}
	return err
}
