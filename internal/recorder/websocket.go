package recorder

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// The directions of a FrameLine.
const (
	dirSent     = "sent"
	dirReceived = "received"
)

// tunnel passes on what both sides send after a 101, until one of them closes,
// and records it.
func (e *exchange) tunnel(browser *browserConn) {
	index := &frameIndex{path: filepath.Join(e.page.Dir, fmt.Sprintf("%06d-frames.jsonl", e.out.ID)), started: e.out.Started, now: e.session.rec.opts.Now}
	sent := &direction{e: e, name: dirSent, spool: e.newSpool(dirSent), frames: frameScanner{index: index, dir: dirSent}}
	received := &direction{e: e, name: dirReceived, spool: e.newSpool(dirReceived), frames: frameScanner{index: index, dir: dirReceived}}
	e.last = true
	_, _ = browser.bw.Write(e.answer.head)
	if err := browser.bw.Flush(); err != nil {
		e.out.Detail = "the browser closed the connection"
		return
	}
	from := e.origin
	var wg sync.WaitGroup
	wg.Go(func() {
		sent.copy(browser.br, from.out)
		from.close()
		browser.kill()
	})
	received.copy(from.br, browser.conn)
	from.close()
	browser.kill()
	wg.Wait()

	cut := e.wasCut()
	f := &Frames{
		Sent:     sent.spool.body(sent.truncated(cut, received)),
		Received: received.spool.body(received.truncated(cut, sent)),
	}
	err := errors.Join(sent.spool.err, received.spool.err, index.close())
	if index.count > 0 {
		f.Index, f.Count = index.path, index.count
	}
	e.out.Frames = f
	if err != nil {
		e.fail(ReasonDiskFull, DiskDetail(err))
	}
}

// direction is one way through a tunnel.
type direction struct {
	e      *exchange
	name   string
	spool  *spool
	frames frameScanner
}

// copy ends when either side does, a limit is reached or the disk is full.
func (d *direction) copy(from io.Reader, to io.Writer) {
	piece := d.e.session.rec.pieces.Get().(*[]byte)
	defer d.e.session.rec.pieces.Put(piece)
	for {
		n, err := from.Read(*piece)
		if n > 0 {
			d.e.page.last.Store(d.e.session.rec.opts.Now().UnixNano())
			if d.name == dirReceived {
				d.e.page.received.Add(int64(n))
			}
			taken, diskErr := d.spool.write((*piece)[:n])
			d.frames.scan((*piece)[:taken])
			if diskErr != nil || taken < n {
				return
			}
			if _, err := to.Write((*piece)[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// truncated says whether something is missing. A Close frame is the last of its
// direction, and the other side need not answer it (RFC 6455 section 5.5.1).
func (d *direction) truncated(cut string, other *direction) string {
	switch {
	case d.frames.closed:
		return ""
	case cut != "":
		return cut
	case other.frames.closed:
		return ""
	}
	return TruncatedDisconnect
}

// frameScanner finds the frames in one direction (RFC 6455 section 5.2).
type frameScanner struct {
	index  *frameIndex
	dir    string
	header []byte // of the frame that has begun
	at     time.Time
	skip   int64 // bytes of payload still to come
	offset int64 // of the next byte
	closed bool  // a Close frame was seen
}

func (s *frameScanner) scan(p []byte) {
	for len(p) > 0 {
		if s.skip > 0 {
			n := min(s.skip, int64(len(p)))
			s.skip -= n
			s.offset += n
			p = p[n:]
			continue
		}
		if len(s.header) == 0 {
			s.at = s.index.now()
		}
		s.header = append(s.header, p[0])
		s.offset++
		p = p[1:]
		if len(s.header) < headerSize(s.header) {
			continue
		}
		s.frame()
		s.header = s.header[:0]
	}
}

// headerSize is the size of a frame's header as far as its first bytes tell.
func headerSize(h []byte) int {
	if len(h) < 2 {
		return 2
	}
	size := 2
	switch h[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if h[1]&0x80 != 0 {
		size += 4 // the masking key
	}
	return size
}

// frame takes down a frame whose header is whole.
func (s *frameScanner) frame() {
	h := s.header
	payload := int64(h[1] & 0x7f)
	switch payload {
	case 126:
		payload = int64(binary.BigEndian.Uint16(h[2:]))
	case 127:
		payload = int64(binary.BigEndian.Uint64(h[2:]) &^ (1 << 63))
	}
	s.skip = payload
	const opcodeClose = 8
	s.closed = s.closed || h[0]&0x0f == opcodeClose
	s.index.add(FrameLine{
		At: s.at.Sub(s.index.started).Nanoseconds(), Dir: s.dir,
		Opcode: int(h[0] & 0x0f), Fin: h[0]&0x80 != 0, RSV1: h[0]&0x40 != 0,
		Offset: s.offset - int64(len(h)), Header: len(h), Payload: payload,
	})
}

// frameIndex writes the lines of both directions to a file.
type frameIndex struct {
	path    string
	started time.Time
	now     func() time.Time

	mu    sync.Mutex
	file  *os.File
	w     *bufio.Writer
	count int
	err   error
}

func (x *frameIndex) add(l FrameLine) {
	line, err := json.Marshal(l)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err == nil && x.file == nil {
		if x.file, x.err = os.OpenFile(x.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); x.err == nil {
			x.w = bufio.NewWriter(x.file)
		}
	}
	if x.err != nil {
		return
	}
	if _, x.err = x.w.Write(append(line, '\n')); x.err == nil && err == nil {
		x.count++
	}
}

func (x *frameIndex) close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file == nil {
		return x.err
	}
	return errors.Join(x.err, x.w.Flush(), x.file.Close())
}
