package recorder

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Tunnel is a TLS connection that an opaque session has passed through without
// opening it: what went over it only its two ends know.
type Tunnel struct {
	// Host is the host:port that the browser asked for.
	Host string
	// Conn is the connection to the origin, nil when there was none. Its TLS is
	// nil and its Protocol empty: they are inside.
	Conn *Connection
	// Sent to the origin and Received from it are bytes of TLS, handshake
	// included.
	Sent, Received int64
	// Started is when the browser asked for the tunnel, Ended when it was closed.
	Started, Ended time.Time
	// Failure is a word of the vocabulary, empty when the origin was reached.
	// Detail is for people.
	Failure, Detail string
}

// NewOpaqueSession is NewSession for origins that refuse every TLS client but a
// browser's own. TLS is not opened: a tunnel leads from the browser to the origin,
// and [Session.EndPage] returns it as a [Tunnel] beside the exchanges, which are
// those over plain HTTP. What a session guards stays guarded: the addresses that
// are connected to, the recorder's own, and that nothing is let through outside of
// a page. A tunnel ends with its page, so that every byte of it belongs to that
// page. The policy sees no request that is inside TLS: whoever uses an opaque
// session has to apply it in the browser.
func (r *Recorder) NewOpaqueSession(ctx context.Context) (*Session, error) {
	return r.newSession(ctx, true)
}

// tunnel is one that is open.
type tunnel struct {
	page           *page
	host           string
	sent, received atomic.Int64

	mu  sync.Mutex
	out Tunnel
	end func() // closes both ends, nil while there is one
}

// record is what there is to say of a tunnel; now stands in for its end.
func (t *tunnel) record(now time.Time) Tunnel {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.out
	out.Sent, out.Received = t.sent.Load(), t.received.Load()
	if out.Ended.IsZero() {
		out.Ended = now
	}
	return out
}

func (t *tunnel) note(fn func(*Tunnel)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fn(&t.out)
}

// open notes that the tunnel leads to the origin.
func (t *tunnel) open(info *Connection, end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out.Conn, t.end = info, end
}

// confinedDetail says why a confined page does not get to an origin.
const confinedDetail = "the page is confined to the sites that it had reached"

// errConfined is why a tunnel of a confined page is not opened.
var errConfined = &failure{ReasonOutOfReach, confinedDetail}

// confine ends the tunnels that lead elsewhere: what is asked for in them nobody sees.
func (p *page) confine() {
	p.mu.Lock()
	list := p.tunnels[:len(p.tunnels):len(p.tunnels)]
	p.mu.Unlock()
	for _, t := range list {
		if p.reaches(t.host) {
			continue
		}
		t.mu.Lock()
		end := t.end
		t.mu.Unlock()
		if end != nil {
			end()
		}
	}
}

// fail notes why the origin was not reached.
func (t *tunnel) fail(err error) {
	var f *failure
	reason, detail := ReasonConnectFailed, err.Error()
	switch {
	case t.page.ctx.Err() != nil:
		reason, detail = ReasonAborted, "the page was closed before the origin was reached"
	case errors.As(err, &f):
		reason, detail = f.reason, f.detail
	}
	t.note(func(out *Tunnel) { out.Failure, out.Detail = reason, detail })
}

// admitTunnel makes a tunnel of the open page, nil when there is none.
func (s *Session) admitTunnel(to origin) *tunnel {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.page
	if p == nil {
		return nil
	}
	now := s.rec.opts.Now()
	t := &tunnel{page: p, host: to.host, out: Tunnel{Host: to.address(), Started: now}}
	p.last.Store(now.UnixNano())
	p.running.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tunnels = append(p.tunnels, t)
	return t
}

// tunneled lists the tunnels of a page in the order of their start.
func (p *page) tunneled(now time.Time) []Tunnel {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Tunnel, 0, len(p.tunnels))
	for _, t := range p.tunnels {
		out = append(out, t.record(now))
	}
	return out
}

// tunneledBytes is how much has come through the tunnels of a page.
func (p *page) tunneledBytes() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var n int64
	for _, t := range p.tunnels {
		n += t.received.Load()
	}
	return n
}

// passThrough connects the browser to the origin and passes on what they say to each
// other, until either of them, or the page, ends.
func (b *browserConn) passThrough(to origin) {
	t := b.session.admitTunnel(to)
	if t == nil {
		b.session.refuse("CONNECT", to.host, refusedOutside)
		return
	}
	defer t.page.running.Done()
	defer func() { t.note(func(out *Tunnel) { out.Ended = b.session.rec.opts.Now() }) }()
	if !t.page.reaches(to.host) {
		t.fail(errConfined)
		return
	}
	raw, info, err := b.session.rec.connect(t.page.ctx, to)
	if err != nil {
		t.fail(err)
		return
	}
	end := func() {
		_ = raw.Close()
		b.kill()
	}
	t.open(info, end)
	if !t.page.reaches(to.host) { // since a moment
		end()
	}
	stop := context.AfterFunc(t.page.ctx, end)
	defer stop()
	var both sync.WaitGroup
	both.Go(func() {
		b.session.copyTunnel(raw, b.br, t.page, &t.sent)
		end()
	})
	b.session.copyTunnel(b.conn, raw, t.page, &t.received, &t.page.received)
	end()
	both.Wait()
}

// copyTunnel is one way through a tunnel. A TLS connection has ends of its own, so
// that of the socket is no message: nothing is gained by closing one way alone.
func (s *Session) copyTunnel(to io.Writer, from io.Reader, p *page, counts ...*atomic.Int64) {
	piece := s.rec.pieces.Get().(*[]byte)
	defer s.rec.pieces.Put(piece)
	for {
		n, err := from.Read(*piece)
		if n > 0 {
			p.last.Store(s.rec.opts.Now().UnixNano())
			for _, c := range counts {
				c.Add(int64(n))
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
