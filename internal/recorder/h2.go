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

// The windows of flow control (RFC 9113 section 5.2): what an origin may send
// that nobody has read yet. They bound the memory of a connection.
const (
	h2StreamWindow = 1 << 20
	h2ConnWindow   = 4 << 20
	h2DefaultFrame = 16 << 10
	// h2Streams is how many requests may be open on a connection whose origin
	// names no limit.
	h2Streams = 100
)

// errRefusedStream is the error of a request that the origin says it has not
// looked at, because it is about to close the connection.
var errRefusedStream = errors.New("the origin refused the stream")

// h2conn is an HTTP/2 connection to an origin (RFC 9113). It is a client of its
// own, on the frames of golang.org/x/net/http2, because that package's client
// knows neither the order of fields nor who asked in what order.
type h2conn struct {
	raw, conn net.Conn // the socket, and TLS over it
	info      *Connection
	framer    *http2.Framer
	running   sync.WaitGroup // serve, and what must not be waited for

	writing sync.Mutex // guards what is written: bw, the encoder and its buffer
	bw      *bufio.Writer
	encoder *hpack.Encoder
	block   bytes.Buffer

	mu       sync.Mutex
	changed  *sync.Cond // anything below has changed
	streams  map[uint32]*h2stream
	next     uint32
	since    time.Time // idle since
	window   int64     // what may be sent
	initial  int64     // window of new streams
	maxFrame int64
	limit    int   // of open streams
	taken    int64 // received and not yet given back to the window
	draining bool  // takes no further streams
	err      error
}

// newH2 starts to speak HTTP/2 on a connection. Close it in the end.
func newH2(raw, conn net.Conn, info *Connection) (*h2conn, error) {
	c := &h2conn{
		raw: raw, conn: conn, info: info, bw: bufio.NewWriterSize(conn, originBuffer),
		streams: make(map[uint32]*h2stream), next: 1,
		window: 65_535, initial: 65_535, maxFrame: h2DefaultFrame, limit: h2Streams,
	}
	c.changed = sync.NewCond(&c.mu)
	c.encoder = hpack.NewEncoder(&c.block)
	c.framer = http2.NewFramer(c.bw, bufio.NewReaderSize(conn, originBuffer))
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.framer.MaxHeaderListSize = maxHead
	c.framer.SetMaxReadFrameSize(h2DefaultFrame)
	_, _ = c.bw.WriteString(http2.ClientPreface)
	err := errors.Join(
		c.framer.WriteSettings(
			http2.Setting{ID: http2.SettingEnablePush, Val: 0},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: h2StreamWindow},
			http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHead},
		),
		c.framer.WriteWindowUpdate(0, h2ConnWindow-65_535),
		c.bw.Flush(),
	)
	if err != nil {
		return nil, err
	}
	c.running.Go(c.serve)
	return c, nil
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
			c.fail(err)
			return
		}
	}
}

// take acts on a frame.
func (c *h2conn) take(f http2.Frame) error {
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		c.headers(f)
	case *http2.DataFrame:
		return c.data(f)
	case *http2.RSTStreamFrame:
		var err error = &failure{ReasonConnectionReset, "the origin reset the stream: " + f.ErrCode.String()}
		if f.ErrCode == http2.ErrCodeRefusedStream {
			err = errRefusedStream
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
		c.mu.Lock()
		defer c.mu.Unlock()
		if f.StreamID == 0 {
			c.window += int64(f.Increment)
		} else if s := c.streams[f.StreamID]; s != nil {
			s.window += int64(f.Increment)
		}
		c.changed.Broadcast()
	case *http2.PushPromiseFrame:
		return invalidf("the origin pushed what it was told not to")
	}
	return nil
}

// write writes frames and sends them off.
func (c *h2conn) write(frames func() error) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := frames(); err != nil {
		return err
	}
	return c.bw.Flush()
}

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
	c.changed.Broadcast()
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

func (c *h2conn) headers(f *http2.MetaHeadersFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[f.StreamID]
	if s == nil {
		return
	}
	switch {
	case f.Truncated:
		s.err = errHeadTooLarge
	case f.PseudoValue("status") == "":
		s.trailer = f.RegularFields()
	default:
		s.heads = append(s.heads, f)
	}
	s.ended = s.ended || f.StreamEnded()
	c.changed.Broadcast()
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
	c.changed.Broadcast()
	c.mu.Unlock()
	if excess {
		return invalidf("the origin sent more than the window allows")
	}
	return c.giveBack(s, int(f.Length)-len(f.Data())) // padding is read by nobody
}

// giveBack lets the origin send as much again, once it is worth a frame.
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

// goAway lets what the origin still answers come to its end.
func (c *h2conn) goAway(last uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	for id, s := range c.streams {
		if id > last && s.err == nil {
			s.err = errRefusedStream
		}
	}
	c.changed.Broadcast()
}

func (c *h2conn) failStream(id uint32, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.streams[id]; s != nil && s.err == nil && !s.ended {
		s.err = err
		c.changed.Broadcast()
	}
}

// reset tells the origin that nobody waits for a stream any more.
func (c *h2conn) reset(id uint32, code http2.ErrCode) {
	_ = c.write(func() error { return c.framer.WriteRSTStream(id, code) }) // serve notices a connection that is gone
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
		if s.err == nil && !s.ended {
			s.err = err
			if len(s.heads) > 0 && errors.Is(err, io.EOF) {
				s.err = io.ErrUnexpectedEOF
			}
		}
	}
	c.changed.Broadcast()
	_ = c.raw.Close() // whatever it says, it is of no further use
}

// close ends the connection and waits for its goroutines.
func (c *h2conn) close() {
	c.fail(net.ErrClosed)
	c.running.Wait()
}

// idle reports for how long there has been no stream; false while there is one.
func (c *h2conn) idle(now time.Time) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Sub(c.since), len(c.streams) == 0
}

// usable reports whether a further stream can be opened.
func (c *h2conn) usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.draining && len(c.streams) < c.limit && c.next < 1<<31-2
}

// open sends the head of a request, which makes a stream.
func (c *h2conn) open(fields []hpack.HeaderField, end bool) (*h2stream, error) {
	c.writing.Lock() // streams must begin in the order of their numbers
	defer c.writing.Unlock()
	c.mu.Lock()
	if c.draining {
		c.mu.Unlock()
		return nil, errRefusedStream
	}
	s := &h2stream{conn: c, id: c.next, window: c.initial, sent: end}
	c.next += 2
	c.streams[s.id] = s
	frame := int(c.maxFrame)
	c.mu.Unlock()
	c.block.Reset()
	for _, f := range fields {
		if err := c.encoder.WriteField(f); err != nil {
			return nil, err
		}
	}
	err := c.writeBlock(s.id, end, frame)
	if err != nil {
		return nil, err // the connection is gone, and serve notices
	}
	return s, nil
}

// writeBlock writes the encoded fields in as many frames as they need.
func (c *h2conn) writeBlock(id uint32, end bool, frame int) error {
	first := c.block.Next(frame)
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: end, EndHeaders: c.block.Len() == 0})
	for err == nil && c.block.Len() > 0 {
		part := c.block.Next(frame)
		err = c.framer.WriteContinuation(id, c.block.Len() == 0, part)
	}
	return errors.Join(err, c.bw.Flush())
}
