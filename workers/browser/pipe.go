package browser

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/chromedp"
)

// maxMessage bounds a message of Chrome's. It is room for the largest picture, and for a
// document of maxDocument bytes in base64.
const maxMessage = 96 << 20

// keptBuffer is up to which size the buffer of one message is kept for the next.
const keptBuffer = 4 << 20

// errTooLarge is the error of a command whose answer is longer than maxMessage.
var errTooLarge = &cdproto.Error{Message: "the answer is too large to be held"}

// pipe is chromedp's transport over the two pipes of a Chrome, but for messages that are
// too large: those are passed over rather than held.
type pipe struct {
	*chromedp.PipeConn
	in    *bufio.Reader
	limit int
	buf   []byte
	// holds is set while the message that was read last has the process's room for a large
	// one, and nobody has taken that over (see [pipe.takeRoom]).
	holds bool
	heard atomic.Int64 // when the last byte came, or the wait for room ended; Unix nanoseconds
}

// speaks reports whether something of Chrome came within d, or might have, but for the wait
// for room: an answer that does not come may be behind a message that takes long to read.
func (p *pipe) speaks(d time.Duration) bool {
	return time.Since(time.Unix(0, p.heard.Load())) < d
}

func newPipe(r io.ReadCloser, w io.WriteCloser) *pipe {
	return &pipe{PipeConn: chromedp.NewPipeConn(r, w), in: bufio.NewReaderSize(r, 64<<10), limit: maxMessage}
}

// Read reads the next message. Of one that is too large it tells only the command that it
// answers, with errTooLarge; an event of that size is lost.
func (p *pipe) Read(_ context.Context, msg *cdproto.Message) error {
	err := p.read(msg)
	if err != nil {
		if leave := p.takeRoom(); leave != nil {
			leave()
		}
	}
	return err
}

func (p *pipe) read(msg *cdproto.Message) error {
	for {
		raw, whole, err := p.next()
		if err != nil {
			return err
		}
		if whole && len(bytes.TrimSpace(raw)) > 0 {
			return jsonv2.Unmarshal(raw, msg, chromedp.DefaultUnmarshalOptions)
		}
		if id := answerOf(raw); !whole && id != 0 {
			msg.ID, msg.Error = id, errTooLarge
			return nil
		}
	}
}

// room lets one message above keptBuffer be in memory at a time, for all Chromes of this
// process: what is read, decoded and not yet written away takes several times its size.
var room = make(chan struct{}, 1)

// roomPatience is how long a large message may wait for another to be done with. Chrome
// waits meanwhile, as it does for any reader. It is less than what makes it seem to hang.
const roomPatience = 5 * time.Second

// leaveRoom gives the room for a large message back. What it took is gone then, so that the
// next one is not beside it.
func leaveRoom() {
	debug.FreeOSMemory()
	<-room
}

// takeRoom hands the duty to leave the room to whoever uses the last message; nil when it
// has none.
func (p *pipe) takeRoom() (leave func()) {
	if !p.holds {
		return nil
	}
	p.holds, p.buf = false, nil
	return sync.OnceFunc(leaveRoom)
}

// enterRoom reports whether there is room for a large message.
func (p *pipe) enterRoom() bool {
	select {
	case room <- struct{}{}:
		p.holds = true
	case <-time.After(roomPatience):
	}
	p.heard.Store(time.Now().UnixNano())
	return p.holds
}

// next reads up to the zero byte that ends a message (chromedp.PipeConn). Of a message that
// is not whole it returns the beginning. What it returns is valid until the next call.
func (p *pipe) next() (raw []byte, whole bool, err error) {
	if cap(p.buf) > keptBuffer {
		p.buf = nil
	}
	if leave := p.takeRoom(); leave != nil { // nobody was interested
		leave()
	}
	p.buf, whole = p.buf[:0], true
	for {
		piece, err := p.in.ReadSlice(0)
		if len(piece) > 0 {
			p.heard.Store(time.Now().UnixNano())
		}
		switch {
		case !whole:
		case len(p.buf)+len(piece) > p.limit, len(p.buf)+len(piece) > keptBuffer && !p.holds && !p.enterRoom():
			whole = false
			p.buf = append([]byte(nil), p.buf[:min(len(p.buf), 100)]...)
		default:
			if cap(p.buf) < len(p.buf)+len(piece) {
				p.buf = slices.Grow(p.buf, max(len(p.buf), len(piece))) // append leaves more behind
			}
			p.buf = append(p.buf, piece...)
		}
		switch {
		case err == nil:
			return bytes.TrimSuffix(p.buf, []byte{0}), whole, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(p.buf) > 0:
			return nil, false, io.ErrUnexpectedEOF
		default:
			return nil, false, err
		}
	}
}

// answerOf is the ID of the command that a message answers, of which only the beginning is
// there; 0 of an event. Chrome writes it first.
func answerOf(beginning []byte) int64 {
	rest, ok := bytes.CutPrefix(beginning, []byte(`{"id":`))
	digits, _, more := bytes.Cut(rest, []byte(","))
	id, err := strconv.ParseInt(string(digits), 10, 64)
	if !ok || !more || err != nil {
		return 0
	}
	return id
}
