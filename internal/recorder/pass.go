package recorder

import (
	"errors"
	"fmt"
)

// pass hands the response on to the browser while it comes, and reports
// whether the browser's connection is in order after it.
func (e *exchange) pass() bool {
	body := newBodyReader(e.origin.br, e.answer.kind, e.answer.length)
	body.stream = e.origin.stream
	out := e.newSpool("response")
	in := newInspector(e.session.rec.opts.Pictures, e.page.NoPictures, factsOf(e.answer.head, e.answer.status))
	defer in.close()
	piece := e.session.rec.pieces.Get().(*[]byte)
	defer e.session.rec.pieces.Put(piece)
	for {
		if e.origin.br.Buffered() == 0 && !body.ended && !in.holds() {
			if !e.show() || e.browser.flush() != nil {
				return e.broken(out, nil, false)
			}
		}
		n, err := body.Read(*piece)
		e.came(n)
		p, withheld := in.add((*piece)[:n])
		if withheld == nil && err == nil && body.ended && len(p) == 0 {
			p, withheld = in.end()
		}
		if withheld != nil {
			return e.withhold(withheld)
		}
		taken, _ := out.write(p) // broken looks at the error
		if err != nil || out.truncated != "" {
			return e.broken(out, err, e.forward(p[:taken]))
		}
		if body.ended {
			return e.whole(out, body, p)
		}
		if !e.forward(p) {
			return e.broken(out, nil, false)
		}
	}
}

// came notes that some of the response's body has come.
func (e *exchange) came(n int) {
	if n == 0 {
		return
	}
	e.page.last.Store(e.session.rec.opts.Now().UnixNano())
	e.page.received.Add(int64(n))
}

// withhold ends a response whose body nobody is to see. Nothing of it was written.
func (e *exchange) withhold(w *Withheld) bool {
	e.out.Response.Body = Body{Truncated: TruncatedUnspecified}
	e.fail(w.Reason, w.Detail)
	e.drop()
	e.abandonUpload()
	e.out.Substituted = !e.shown
	e.finish()
	if e.out.Substituted {
		e.browser.answer(w.Reason, true, false)
	}
	e.browser.breakOff(false)
	return false
}

// show passes on the head of the answer, when it has not been.
func (e *exchange) show() bool {
	if e.shown {
		return true
	}
	e.shown = true
	return e.browser.head(e.answer) == nil
}

// forward writes a piece of the body to the browser.
func (e *exchange) forward(p []byte) bool {
	return len(p) == 0 || e.show() && e.browser.piece(p) == nil
}

// whole ends a response that came to its end. The record is closed and the
// origin's connection given back before the browser sees the end.
func (e *exchange) whole(out *spool, body *bodyReader, rest []byte) bool {
	e.out.Response.Body = out.body("")
	e.out.Response.Trailer = body.trailer
	if out.err != nil {
		return e.broken(out, nil, false)
	}
	if n := e.origin.br.Buffered(); n > 0 {
		e.out.Notes = append(e.out.Notes, fmt.Sprintf("%d bytes or more came after the end of the answer", n))
		e.answer.keep = false
	}
	if e.upload.going() {
		// The browser may be waiting for the answer before it sends the rest.
		ok := e.forwardEnd(rest, body.trailer)
		e.settleUpload()
		e.release()
		e.finish()
		return ok
	}
	e.abandonUpload()
	e.release()
	e.finish()
	return e.forwardEnd(rest, body.trailer)
}

// release gives the connection to the origin back, if it can be used again.
func (e *exchange) release() {
	e.last = e.last || !e.answer.keep
	if !e.answer.keep || e.req.closes || e.wasCut() != "" {
		return
	}
	e.mu.Lock()
	c := e.origin
	e.origin, e.live = nil, nil
	e.mu.Unlock()
	e.session.pool.give(c)
}

// forwardEnd writes the last piece of the body and what ends it.
func (e *exchange) forwardEnd(rest, trailer []byte) bool {
	return e.show() && e.forward(rest) && e.browser.end(trailer) == nil
}

// broken ends a response that did not come to its end: err is the origin's
// error, nil when it is the browser's doing or a limit was reached.
func (e *exchange) broken(out *spool, err error, send bool) bool {
	var invalid *invalidError
	why, truncated := e.wasCut(), TruncatedDisconnect
	if why == TruncatedTime {
		truncated = TruncatedTime
	}
	e.out.Response.Body = out.body(truncated)
	switch {
	case out.err != nil:
		e.fail(ReasonDiskFull, DiskDetail(out.err))
	case why == TruncatedTime:
		e.out.Detail = "the page was closed"
	case why == "" && errors.As(err, &invalid):
		e.fail(ReasonInvalidResponse, invalid.what)
	case why == "" && err != nil:
		e.fail(ReasonConnectionReset, "the answer was not whole: "+err.Error())
	case out.truncated == TruncatedLength:
		e.out.Detail = "a limit was reached"
	default:
		e.out.Detail = "the browser closed the connection"
	}
	e.drop()
	e.abandonUpload()
	e.out.Substituted = e.out.Failure == ReasonDiskFull && !e.shown
	e.finish()
	if e.out.Substituted {
		e.browser.answer(ReasonDiskFull, true, false)
	}
	e.browser.breakOff(send && !e.out.Substituted && e.show())
	return false
}
