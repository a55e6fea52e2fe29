package browser

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"

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
}

func newPipe(r io.ReadCloser, w io.WriteCloser) *pipe {
	return &pipe{PipeConn: chromedp.NewPipeConn(r, w), in: bufio.NewReaderSize(r, 64<<10), limit: maxMessage}
}

// Read reads the next message. Of one that is too large it tells only the command that it
// answers, with errTooLarge; an event of that size is lost.
func (p *pipe) Read(_ context.Context, msg *cdproto.Message) error {
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

// next reads up to the zero byte that ends a message (chromedp.PipeConn). Of a message that
// is not whole it returns the beginning. What it returns is valid until the next call.
func (p *pipe) next() (raw []byte, whole bool, err error) {
	if cap(p.buf) > keptBuffer {
		p.buf = nil
	}
	p.buf, whole = p.buf[:0], true
	for {
		piece, err := p.in.ReadSlice(0)
		switch {
		case !whole:
		case len(p.buf)+len(piece) > p.limit:
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
