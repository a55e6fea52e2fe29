package recorder

import (
	"context"
	"time"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

// maxKnown bounds what is remembered of origins.
const maxKnown = 1000

// failureLife is how long a connection that could not be made for a tunnel is an
// answer to the tunnel's requests.
const failureLife = 5 * time.Second

// arrival is a connection to an origin that is on its way to the pool. Those who
// need it wait for it together: one is enough where HTTP/2 is spoken, and it is
// not known yet whether it is.
type arrival struct {
	done chan struct{}
	// What follows is for after done. info and err are those of a connection that
	// could not be made, at which time; void is true when nobody wanted it any more.
	info *Connection
	err  error
	at   time.Time
	void bool
}

// speaks says what an origin has chosen when it was last connected to.
func (p *pool) speaks(to origin) (h2, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h2, known = p.known[to]
	return h2, known
}

func (p *pool) learn(to origin, h2 bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxKnown {
		clear(p.known)
	}
	p.known[to] = h2
}

// expect makes a connection for whoever takes it, unless one is being made. ctx
// ends the attempt.
func (p *pool) expect(ctx context.Context, to origin, bad bool) *arrival {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.arrivals[to]; a != nil {
		return a
	}
	a := &arrival{done: make(chan struct{})}
	p.arrivals[to] = a
	p.running.Go(func() {
		c, info, err := p.dial(ctx, to, demand{bad: bad})
		a.info, a.err, a.at, a.void = info, err, p.rec.opts.Now(), ctx.Err() != nil
		if err == nil && c.h2 == nil {
			p.give(c)
		}
		p.mu.Lock()
		delete(p.arrivals, to)
		p.mu.Unlock()
		close(a.done)
	})
	return a
}

// fresh reports whether the failure is an answer to a request that comes now.
func (a *arrival) fresh(now time.Time) bool {
	if a == nil {
		return false
	}
	select {
	case <-a.done:
		return a.err != nil && !a.void && now.Sub(a.at) < failureLife
	default:
		return false
	}
}

// connect returns a connection for the exchange: one that was kept, unless that
// would be the same as before again, or a new one. When there is none, the facts
// of the attempt come with the error.
func (e *exchange) connect(again bool) (*originConn, *Connection, error) {
	p, d := e.session.pool, demand{websocket: e.req.websocket(), again: again, bad: e.page.AcceptBadCertificates}
	if e.arrival.fresh(p.rec.opts.Now()) {
		return nil, e.arrival.info, e.arrival.err
	}
	for range 3 {
		if c := p.take(e.to, d); c != nil {
			return c, nil, nil
		}
		if h2, known := p.speaks(e.to); e.to.scheme != "https" || d.websocket || known && !h2 {
			return p.dial(e.ctx, e.to, d)
		}
		a := p.expect(e.page.ctx, e.to, d.bad)
		select {
		case <-a.done:
		case <-e.ctx.Done():
			return nil, nil, context.Cause(e.ctx)
		}
		if a.err != nil && !a.void {
			return nil, a.info, a.err
		}
		d.again = false
	}
	return nil, nil, &failure{netguard.ReasonConnectFailed, "the origin ends every connection at once"}
}
