package recorder

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// maxInterim interim responses may come before the final one.
const maxInterim = 16

// ask sends the request and reads the final head of the response. A connection
// that was kept may turn out to be closed: a request that may be repeated, or
// that the origin has not looked at, is then sent again on another one (RFC 9112
// section 9.3.1).
func (e *exchange) ask() error {
	for again := false; ; again = true {
		c, info, err := e.connect(again)
		if err != nil {
			e.out.Conn = info
			return err
		}
		if !e.use(c) {
			return context.Canceled
		}
		err = e.askOn()
		may := e.req.repeatable() || e.upload == nil && errors.Is(err, errRefusedStream)
		if err == nil || again || !c.reused || !may || !e.stale(err) {
			return err
		}
		e.drop()
		e.out.Notes = append(e.out.Notes, "sent again on a new connection: the one that was kept had been closed")
	}
}

// stale reports whether a kept connection failed because it had been closed.
func (e *exchange) stale(err error) bool {
	var invalid *invalidError
	var said *failure
	return !errors.As(err, &said) && e.wasCut() == "" && len(e.out.Interim) == 0 && !errors.Is(err, io.ErrUnexpectedEOF) &&
		!errors.As(err, &invalid) && !errors.Is(err, errHeadTooLarge)
}

func (e *exchange) askOn() error {
	if why := e.origin.info.badCertificate(); why != "" {
		e.out.Notes = append(e.out.Notes, "taken although the certificate does not verify: "+why)
	}
	if err := e.send(); err != nil {
		return err
	}
	for {
		head, err := e.origin.readHead()
		if err != nil {
			return err
		}
		r, err := parseResponse(head, e.req.method)
		if r != nil && !r.interim() {
			e.received(r)
			if err == nil && e.origin.h2 != nil {
				r.overStream()
			}
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
		if err := e.browser.interim(r); err != nil {
			e.cut(TruncatedDisconnect)
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
	if e.origin.info.Protocol == "http/1.1" && r.minor == 0 && e.origin.first {
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
