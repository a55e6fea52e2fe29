package recorder

import (
	"bufio"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"
)

// uploadGrace is how long the rest of a request may take when its response is
// whole already.
const uploadGrace = 5 * time.Second

// upload is a request's body on its way to the origin.
type upload struct {
	done    chan struct{}
	body    Body
	trailer []byte
	err     error // of the disk
	// tooLarge is true when a limit was reached, whole when all of the body
	// went its way.
	tooLarge, whole bool
	// woken is set when the rest is no longer wanted.
	woken atomic.Bool
}

// send sends head and body. A body that is not here yet is sent by a goroutine
// of its own, since an origin may answer before it has all of it.
func (e *exchange) send() error {
	var list []hpack.HeaderField
	if e.origin.h2 != nil {
		list, e.head = e.req.h2Fields(e.to, e.target)
	} else {
		e.head = e.req.http1Head(e.target)
	}
	e.out.Request.Head = e.head
	if e.origin.h2 != nil {
		if err := e.origin.start(list, !e.req.hasBody()); err != nil || !e.req.hasBody() {
			return err
		}
	}
	if !e.req.hasBody() {
		_, err := e.origin.out.Write(e.head)
		return err
	}
	body := e.browser.body(e.req)
	u := &upload{done: make(chan struct{})}
	e.upload = u
	if body.kind == lengthBody && body.left <= int64(body.br.Buffered()) {
		defer close(u.done)
		return u.run(e, body, e.origin)
	}
	to := e.origin
	go func() { // abandonUpload waits for it
		defer close(u.done)
		_ = u.run(e, body, to) // an origin that takes no more says why in its answer
	}()
	return nil
}

// run takes the body from the browser to the disk and to the origin. The error
// is the origin's.
func (u *upload) run(e *exchange, body *bodyReader, to *originConn) error {
	out := e.newSpool("request")
	bw := bufio.NewWriterSize(to.out, browserWriteBuffer)
	chunks := e.req.chunks() && to.h2 == nil
	var err error
	if to.h2 == nil {
		_, err = bw.Write(e.head)
	}
	if err == nil {
		err = u.copy(e, body, out, bw, chunks)
	}
	if err == nil && body.ended && !u.tooLarge && out.err == nil {
		if chunks {
			_, _ = fmt.Fprintf(bw, "0\r\n%s\r\n", body.trailer)
		}
		err = bw.Flush()
		if err == nil && to.h2 != nil {
			err = to.stream.end(trailerFields(body.trailer))
		}
		u.whole = err == nil
	}
	if (u.tooLarge || out.err != nil) && !u.whole {
		to.close() // it must not wait for the rest
	}
	truncated := ""
	if !body.ended {
		truncated = TruncatedDisconnect
	}
	u.body, u.trailer, u.err = out.body(truncated), body.trailer, out.err
	return err
}

func (u *upload) copy(e *exchange, body *bodyReader, out *spool, bw *bufio.Writer, chunks bool) error {
	piece := e.session.rec.pieces.Get().(*[]byte)
	defer e.session.rec.pieces.Put(piece)
	for !body.ended {
		if body.br.Buffered() == 0 {
			if err := bw.Flush(); err != nil {
				return err
			}
		}
		n, err := body.Read(*piece)
		if err != nil {
			if !u.woken.Load() {
				e.cut(TruncatedDisconnect)
			}
			return nil
		}
		taken, err := out.write((*piece)[:n])
		if err != nil || taken < n {
			u.tooLarge = err == nil
			return nil
		}
		e.page.last.Store(e.session.rec.opts.Now().UnixNano())
		if chunks {
			err = writeChunk(bw, (*piece)[:n])
		} else {
			_, err = bw.Write((*piece)[:n])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeChunk writes a piece of a chunked body.
func writeChunk(bw *bufio.Writer, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	_, _ = bw.Write(strconv.AppendInt(bw.AvailableBuffer(), int64(len(p)), 16))
	_, _ = bw.WriteString("\r\n")
	_, _ = bw.Write(p)
	_, err := bw.WriteString("\r\n") // a writer's first error stays
	return err
}

// going reports whether the body is still being sent; of no upload it is not.
func (u *upload) going() bool {
	if u == nil {
		return false
	}
	select {
	case <-u.done:
		return false
	default:
		return true
	}
}

// settleUpload waits for the request's body to be sent when the response is
// whole, and takes it into the record.
func (e *exchange) settleUpload() {
	t := time.NewTimer(uploadGrace)
	defer t.Stop()
	select {
	case <-e.upload.done:
	case <-t.C:
	}
	e.abandonUpload()
}

// abandonUpload ends the sending of the request's body, if it still goes on,
// and takes what was sent into the record.
func (e *exchange) abandonUpload() {
	u := e.upload
	if u == nil {
		return
	}
	if u.going() {
		// Wake it, whichever side it waits for.
		if e.origin != nil {
			e.origin.close()
		}
		u.woken.Store(true)
		e.browser.deafen()
		<-u.done
	}
	e.out.Request.Body, e.out.Request.Trailer = u.body, u.trailer
	switch {
	case u.err != nil:
		e.fail(ReasonDiskFull, DiskDetail(u.err))
	case u.tooLarge:
		e.fail(ReasonAborted, "the request's body is larger than the limit")
	}
	if !u.whole {
		e.last = true
		if e.answer != nil {
			e.answer.keep = false
		}
	}
}

// takeBody reads the body of a request that is not sent on. It is a part of
// the record all the same, and the browser reads no answer before it is rid of
// it.
func (e *exchange) takeBody() {
	if !e.req.hasBody() {
		return
	}
	body, out := e.browser.body(e.req), e.newSpool("request")
	piece := e.session.rec.pieces.Get().(*[]byte)
	defer e.session.rec.pieces.Put(piece)
	truncated := ""
	for !body.ended {
		n, err := body.Read(*piece)
		if taken, writeErr := out.write((*piece)[:n]); err != nil || writeErr != nil || taken < n {
			truncated, e.last = TruncatedDisconnect, true
			break
		}
	}
	e.out.Request.Body, e.out.Request.Trailer = out.body(truncated), body.trailer
	if out.err != nil {
		e.out.Notes = append(e.out.Notes, "the request's body could not be written: "+out.err.Error())
	}
}
