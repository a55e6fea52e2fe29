package recorder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
)

// exchange is a request on its way. Everything but cut runs on the goroutine of
// the browser's connection, or of its stream.
type exchange struct {
	session *Session
	page    *page
	browser asker
	req     *request
	to      origin
	target  string // of the request, in origin form
	head    []byte // of the request, for an origin that speaks HTTP/1.1
	ctx     context.Context
	cancel  context.CancelFunc
	arrival *arrival // that the browser's connection has waited for, if any
	origin  *originConn
	upload  *upload
	answer  *response
	// last is true when the browser's connection cannot be used again, shown
	// when the browser may have seen a part of the origin's answer.
	last, shown bool
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
	c.first, c.used = !c.used, true
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
	if reason, detail := e.page.refuses(e.req, e.to.host); reason != "" {
		e.fail(reason, detail)
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
	if b, ok := e.browser.(*browserConn); ok && e.answer.status == http.StatusSwitchingProtocols {
		e.tunnel(b)
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
	case why == TruncatedTime:
		e.fail(ReasonAborted, "the page was closed before an answer came")
	case why != "":
		e.fail(ReasonAborted, "the browser gave up before an answer came")
	case errors.As(err, &f):
		e.fail(f.reason, f.detail)
	case alerted(err):
		e.fail(ReasonTLSFailed, err.Error())
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

// alerted reports whether the origin has ended TLS with an alert. Over TLS 1.3 one
// that wants a certificate of the client says so after the handshake (RFC 8446
// section 4.4.2.4).
func alerted(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" // of crypto/tls, which keeps its alerts to itself
}

// tell answers the browser in the origin's place.
func (e *exchange) tell() bool {
	e.drop()
	e.out.Substituted = true
	if r := e.out.Response; r != nil {
		r.Body.Truncated = TruncatedUnspecified // nobody knows where it would have ended
	}
	e.finish()
	e.session.rec.opts.Logger.Debug("exchange failed", "host", e.to.host, "reason", e.out.Failure)
	return e.browser.answer(e.out.Failure, e.last, e.upload != nil && !e.upload.whole)
}

// newSpool makes the spool of one of the exchange's bodies.
func (e *exchange) newSpool(what string) *spool {
	return &spool{
		path:  filepath.Join(e.page.Dir, fmt.Sprintf("%06d-%s.body", e.out.ID, what)),
		limit: e.page.MaxBody, page: &e.page.budget,
		small: &e.page.small, pieces: &e.session.rec.pieces,
	}
}
