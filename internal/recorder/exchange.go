package recorder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"time"
)

const (
	// maxInterim interim responses may come before the final one.
	maxInterim = 16
	// uploadGrace is how long the rest of a request may take when its response
	// is whole already.
	uploadGrace = 5 * time.Second
)

// exchange is a request on its way. Everything but cut runs on the goroutine of
// the browser's connection.
type exchange struct {
	session *Session
	page    *page
	browser *browserConn
	req     *request
	to      origin
	ctx     context.Context
	cancel  context.CancelFunc
	origin  *originConn
	upload  *upload
	answer  *response
	// last is true when the browser's connection cannot be used again.
	last bool
	// out is complete when ended is true.
	out Exchange

	mu     sync.Mutex
	ended  bool
	cutWhy string
	live   *originConn // what cut closes
}

func (e *exchange) isOpen() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.ended
}

// cut ends an exchange that is under way: why is a word of WARC-Truncated.
func (e *exchange) cut(why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended || e.cutWhy != "" {
		return
	}
	e.cutWhy = why
	e.cancel()
	if e.live != nil {
		e.live.close()
	}
	e.browser.kill()
}

// wasCut returns the word that cut was given.
func (e *exchange) wasCut() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cutWhy
}

// use makes a connection the exchange's own, unless it was cut meanwhile.
func (e *exchange) use(c *originConn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cutWhy != "" {
		c.close()
		return false
	}
	e.live, e.origin = c, c
	e.out.Conn = c.info
	return true
}

// drop closes the connection to the origin.
func (e *exchange) drop() {
	if e.origin != nil {
		e.origin.close()
		e.origin = nil
	}
}

// finish closes the record. What is sent to the browser after it, it has
// already: a browser that sees the end of a body finds the record complete.
func (e *exchange) finish() {
	e.mu.Lock()
	if e.ended {
		e.mu.Unlock()
		return
	}
	now := e.session.rec.opts.Now()
	e.out.Ended = now
	e.ended = true
	e.live = nil
	e.mu.Unlock()
	e.cancel()
	e.page.last.Store(now.UnixNano())
	e.page.open.Add(-1)
	e.page.running.Done()
}

// run takes the exchange to its end and reports whether the browser's
// connection can be used again.
func (e *exchange) run() bool {
	defer e.finish()
	defer e.drop()
	e.last = e.req.closes || e.req.minor == 0 && !e.req.keeps
	if ok, reason := e.session.rec.opts.Policy(e.facts()); !ok {
		e.fail(reason, "refused by the policy")
		e.takeBody()
		return e.tell()
	}
	if err := e.ask(); err != nil {
		e.abandonUpload()
		e.failWith(err)
		if e.upload == nil {
			e.takeBody()
		}
		return e.tell()
	}
	if e.answer.status == http.StatusSwitchingProtocols {
		e.tunnel()
		return false
	}
	return e.pass() && !e.last
}

func (e *exchange) facts() Facts {
	return Facts{
		Method: e.req.method, URL: e.out.URL,
		Mode: e.req.mode, Dest: e.req.dest, Site: e.req.site, Navigation: e.req.navigation(),
	}
}

// fail notes a failure; the first one stays.
func (e *exchange) fail(reason, detail string) {
	if e.out.Failure == "" {
		e.out.Failure, e.out.Detail = reason, detail
	}
}

// failWith notes an error of the way to a response's head.
func (e *exchange) failWith(err error) {
	var f *failure
	var invalid *invalidError
	switch why := e.wasCut(); {
	case why == truncatedTime:
		e.fail(ReasonAborted, "the page was closed before an answer came")
	case why != "":
		e.fail(ReasonAborted, "the browser gave up before an answer came")
	case errors.As(err, &f):
		e.fail(f.reason, f.detail)
	case errors.As(err, &invalid):
		e.fail(ReasonInvalidResponse, invalid.what)
	case errors.Is(err, errHeadTooLarge):
		e.fail(ReasonInvalidResponse, "the answer has "+err.Error())
	case errors.Is(err, io.EOF):
		e.fail(ReasonConnectionReset, "the origin closed the connection without an answer")
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.fail(ReasonConnectionReset, "the origin closed the connection within the head of its answer")
	default:
		e.fail(ReasonConnectionReset, err.Error())
	}
}

// tell answers the browser in the origin's place.
func (e *exchange) tell() bool {
	e.drop()
	e.finish()
	e.session.rec.opts.Logger.Debug("exchange failed", "host", e.to.host, "reason", e.out.Failure)
	again := e.browser.answer(e.out.Failure, e.last)
	if e.upload != nil && !e.upload.whole {
		e.browser.linger()
	}
	return again
}

// ask sends the request and reads the final head of the response. A connection
// that was kept may turn out to be closed: a request that may be repeated is
// then sent again on a new one (RFC 9112 section 9.3.1).
func (e *exchange) ask() error {
	if e.req.repeatable() {
		if c := e.session.pool.take(e.to); c != nil && e.use(c) {
			err := e.askOn()
			if err == nil || !e.stale(err) {
				return err
			}
			e.drop()
		}
	} else if c := e.session.pool.take(e.to); c != nil && e.use(c) {
		return e.askOn()
	}
	c, info, err := e.session.pool.dial(e.ctx, e.to)
	if err != nil {
		e.out.Conn = info
		return err
	}
	if !e.use(c) {
		return context.Canceled
	}
	return e.askOn()
}

// stale reports whether a kept connection failed because it had been closed.
func (e *exchange) stale(err error) bool {
	var invalid *invalidError
	return e.wasCut() == "" && len(e.out.Interim) == 0 && !errors.Is(err, io.ErrUnexpectedEOF) &&
		!errors.As(err, &invalid) && !errors.Is(err, errHeadTooLarge)
}

func (e *exchange) askOn() error {
	if err := e.send(); err != nil {
		return err
	}
	for {
		head, err := readHead(e.origin.br)
		if err != nil {
			return err
		}
		r, err := parseResponse(head, e.req.method)
		if r != nil && !r.interim() {
			e.received(r)
		}
		if err != nil {
			return err
		}
		if !r.interim() {
			return e.accept(r)
		}
		if len(e.out.Interim) == maxInterim {
			return invalidf("more than %d interim answers", maxInterim)
		}
		e.out.Interim = append(e.out.Interim, head)
		e.page.last.Store(e.session.rec.opts.Now().UnixNano())
		_, _ = e.browser.bw.Write(head)
		if err := e.browser.bw.Flush(); err != nil {
			e.cut(truncatedDisconnect)
			return err
		}
	}
}

// received takes down a final head, also one that cannot be accepted.
func (e *exchange) received(r *response) {
	now := e.session.rec.opts.Now()
	e.out.FirstByte = now
	e.page.last.Store(now.UnixNano())
	e.out.Response = &Message{Head: r.head}
	e.out.Notes = append(e.out.Notes, r.notes...)
	if e.origin.info.Protocol == "http/1.1" && r.minor == 0 && !e.origin.reused {
		e.origin.info.Protocol = "http/1.0"
	}
}

func (e *exchange) accept(r *response) error {
	if r.status == http.StatusSwitchingProtocols && (!e.req.upgrades || e.req.upgrade == "") {
		return invalidf("the answer switches to a protocol that was not asked for")
	}
	e.answer = r
	return nil
}

// pass hands the response on to the browser while it comes, and reports
// whether the browser's connection is in order after it.
func (e *exchange) pass() bool {
	body := newBodyReader(e.origin.br, e.answer.kind, e.answer.length)
	out := e.newSpool("response")
	if _, err := e.browser.bw.Write(e.answer.head); err != nil {
		return e.broken(out, nil, false)
	}
	piece := e.session.rec.pieces.Get().(*[]byte)
	defer e.session.rec.pieces.Put(piece)
	for {
		if e.origin.br.Buffered() == 0 && !body.ended {
			if err := e.browser.bw.Flush(); err != nil {
				return e.broken(out, nil, false)
			}
		}
		n, err := body.Read(*piece)
		taken := e.spool(out, (*piece)[:n])
		if err != nil || out.truncated != "" {
			return e.broken(out, err, e.forward((*piece)[:taken]))
		}
		if body.ended {
			return e.whole(out, body, (*piece)[:n])
		}
		if !e.forward((*piece)[:n]) {
			return e.broken(out, nil, false)
		}
	}
}

// newSpool makes the spool of one of the exchange's bodies.
func (e *exchange) newSpool(what string) *spool {
	return &spool{
		path:  filepath.Join(e.page.Dir, fmt.Sprintf("%06d-%s.body", e.out.ID, what)),
		limit: e.session.rec.opts.MaxBody, page: &e.page.budget,
	}
}

// spool writes down a piece of the response's body.
func (e *exchange) spool(out *spool, p []byte) int {
	if len(p) == 0 {
		return 0
	}
	e.page.last.Store(e.session.rec.opts.Now().UnixNano())
	e.page.received.Add(int64(len(p)))
	taken, err := out.write(p)
	if err != nil {
		e.fail(diskReason(err))
	}
	return taken
}

// forward writes a piece of the body to the browser, in a chunk if need be.
func (e *exchange) forward(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	bw := e.browser.bw
	if e.answer.kind != chunkedBody {
		_, err := bw.Write(p)
		return err == nil
	}
	return writeChunk(bw, p) == nil
}

// whole ends a response that came to its end. The record is closed and the
// origin's connection given back before the browser sees the end.
func (e *exchange) whole(out *spool, body *bodyReader, rest []byte) bool {
	e.out.Response.Body = out.body("")
	e.out.Response.Trailer = body.trailer
	if out.err != nil {
		e.fail(diskReason(out.err))
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
	ok := e.forward(rest)
	if e.answer.kind == chunkedBody {
		_, _ = e.browser.bw.WriteString("0\r\n")
		_, _ = e.browser.bw.Write(trailer)
		_, _ = e.browser.bw.WriteString("\r\n")
	}
	return e.browser.bw.Flush() == nil && ok
}

// broken ends a response that did not come to its end: err is the origin's
// error, nil when it is the browser's doing or a limit was reached.
func (e *exchange) broken(out *spool, err error, send bool) bool {
	var invalid *invalidError
	truncated := truncatedDisconnect
	switch why := e.wasCut(); {
	case why == truncatedTime:
		truncated = truncatedTime
		e.out.Detail = "the page was closed"
	case why == "" && errors.As(err, &invalid):
		e.fail(ReasonInvalidResponse, invalid.what)
	case why == "" && err != nil:
		e.fail(ReasonConnectionReset, "the answer was not whole: "+err.Error())
	case out.truncated == truncatedLength:
		e.out.Detail = "a limit was reached"
	case out.truncated == "":
		e.out.Detail = "the browser closed the connection"
	}
	e.out.Response.Body = out.body(truncated)
	e.drop()
	e.abandonUpload()
	e.finish()
	if send {
		_ = e.browser.raw.SetWriteDeadline(time.Now().Add(lingering))
		_ = e.browser.bw.Flush()
	}
	e.browser.kill() // no close_notify: the end is not the answer's
	return false
}
