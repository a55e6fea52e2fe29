package recorder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// watchInterval is how often open exchanges are asked whether the browser still
// wants them.
const watchInterval = 250 * time.Millisecond

// maxRefusals bounds the list of refusals.
const maxRefusals = 1000

// Page says where the exchanges of a page go.
type Page struct {
	// Dir is the folder for the bodies, made when it is missing. Without one a
	// new folder in Options.Dir is used. The files are the caller's from End
	// on. A folder serves one page: a file that is there already is not
	// overwritten, the exchange fails.
	Dir string
	// MaxBytes is the number of bytes of all bodies of the page after which
	// bodies are cut off, 0 for no limit.
	MaxBytes int64
	// MaxBody is the number of bytes of one body (of each direction of a WebSocket)
	// after which it is cut off, 0 for no limit.
	MaxBody int64
	// AcceptBadCertificates lets the page have what comes from an origin whose
	// certificate does not verify. The error is recorded either way.
	AcceptBadCertificates bool
	// NoPictures drops every picture, unasked where the browser says that it wants one.
	NoPictures bool
	// Permit, unless nil, is asked about each request that does more than read (RFC 9110
	// section 9.2.1), by many goroutines at once.
	Permit func(method, host string) bool
}

// Activity says how busy a session's page is.
type Activity struct {
	// Open is the number of exchanges under way.
	Open int
	// Last is when an exchange last began, ended or received bytes.
	Last time.Time
	// Bytes is the number of body bytes received so far.
	Bytes int64
	// Exchanges is the number of exchanges begun so far.
	Exchanges int
	// Tunneled is the number of bytes received so far through the tunnels of an opaque
	// session. Bytes counts them too.
	Tunneled int64
}

// Refusal is a kind of request that was not let through and is not an exchange
// of any page.
type Refusal struct {
	// Method and Host of the request.
	Method string `json:"method"`
	Host   string `json:"host"`
	// Why is "outside of a page" or "from no frame".
	Why string `json:"why"`
	// Count is how often it came.
	Count int `json:"count"`
}

// The reasons of a refusal.
const (
	refusedOutside = "outside of a page"
	refusedNoFrame = "from no frame"
)

// Session is one proxy listener. One page at a time may be open.
type Session struct {
	rec      *Recorder
	listener net.Listener
	opaque   bool // TLS is passed through, see NewOpaqueSession
	pool     *pool
	running  sync.WaitGroup // every goroutine of the session

	mu       sync.Mutex
	closed   bool
	page     *page
	browsers map[*browserConn]struct{}
	refused  map[Refusal]int // Count is 0 in the keys
}

// page is an open page.
type page struct {
	Page
	budget    budget
	small     shared
	ctx       context.Context
	cancel    context.CancelFunc
	watcher   chan struct{} // closed when the watcher has ended
	open      atomic.Int64
	last      atomic.Int64 // Unix nanoseconds
	received  atomic.Int64
	running   sync.WaitGroup // of exchanges
	mu        sync.Mutex
	exchanges []*exchange
	confined  atomic.Pointer[func(host string) bool]
	tunnels   []*tunnel
}

func newSession(r *Recorder, l net.Listener) *Session {
	return &Session{rec: r, listener: l, pool: newPool(r), browsers: make(map[*browserConn]struct{}), refused: make(map[Refusal]int)}
}

func (s *Session) port() uint16 {
	if a, ok := s.listener.Addr().(*net.TCPAddr); ok {
		return a.AddrPort().Port()
	}
	return 0
}

// Addr is the listener's host:port.
func (s *Session) Addr() string { return s.listener.Addr().String() }

// start accepts connections until the listener is closed.
func (s *Session) start() {
	s.running.Go(func() {
		for {
			c, err := s.listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				s.rec.opts.Logger.Warn("recorder cannot accept a connection", "error", err)
				time.Sleep(10 * time.Millisecond) // out of file descriptors
				continue
			}
			s.accept(c)
		}
	})
}

func (s *Session) accept(c net.Conn) {
	b := newBrowserConn(s, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return
	}
	s.browsers[b] = struct{}{}
	s.running.Go(func() {
		b.serve()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.browsers, b)
	})
}

// Begin opens a page: from now on every exchange belongs to it.
func (s *Session) Begin(p Page) error {
	if p.MaxBody < 0 || p.MaxBytes < 0 {
		return fmt.Errorf("begin a page: limits of %d bytes a body and %d a page: give 0 for no limit", p.MaxBody, p.MaxBytes)
	}
	if p.Dir == "" {
		dir, err := os.MkdirTemp(s.rec.opts.Dir, "page-")
		if err != nil {
			return fmt.Errorf("begin a page: %w", err)
		}
		p.Dir = dir
	}
	dir, err := filepath.Abs(p.Dir)
	if err != nil {
		return fmt.Errorf("begin a page: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("begin a page: %w", err)
	}
	p.Dir = dir
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errors.New("begin a page: the session is closed")
	case s.page != nil:
		return errors.New("begin a page: the last one has not ended")
	}
	s.pool.sweep()
	ctx, cancel := context.WithCancel(context.Background())
	s.page = &page{Page: p, ctx: ctx, cancel: cancel, watcher: make(chan struct{})}
	s.page.budget.limit = p.MaxBytes
	s.page.small.path = filepath.Join(dir, "small.bodies")
	s.page.last.Store(s.rec.opts.Now().UnixNano())
	pg := s.page
	s.running.Go(pg.watch)
	return nil
}

// watch ends exchanges that the browser has given up. A browser closes the
// connection of a request that it no longer wants, and nobody reads from that
// connection while the origin is silent.
func (p *page) watch() {
	defer close(p.watcher)
	t := time.NewTicker(watchInterval)
	defer t.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-t.C:
		}
		for _, e := range p.all() {
			if e.isOpen() && e.browser.gone() {
				e.cut(TruncatedDisconnect)
			}
		}
	}
}

func (p *page) all() []*exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exchanges[:len(p.exchanges):len(p.exchanges)]
}

// close cuts what is still open. No exchange may be added any more.
func (p *page) close() []*exchange {
	list := p.all()
	for _, e := range list {
		e.cut(TruncatedTime)
	}
	p.cancel()
	return list
}

// reaches reports whether the page may ask a host for anything.
func (p *page) reaches(host string) bool {
	allow := p.confined.Load()
	return allow == nil || (*allow)(host)
}

// Confine refuses, from now to the end of the page that is open, requests to hosts
// that are not allowed. Exchanges that are under way go on, but tunnels end, for nobody
// sees what is asked for in them. allow is called by many goroutines at once.
func (s *Session) Confine(allow func(host string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.page != nil {
		s.page.confined.Store(&allow)
		s.page.confine()
	}
}

// InFlight says how busy the page is; zero when none is open.
func (s *Session) InFlight() Activity {
	p := s.current()
	if p == nil {
		return Activity{}
	}
	return Activity{
		Open: int(p.open.Load()), Last: time.Unix(0, p.last.Load()),
		Bytes: p.received.Load(), Exchanges: len(p.all()), Tunneled: p.tunneledBytes(),
	}
}

// End closes the page and returns its exchanges in the order of their start.
// Those still open are cut off: their bodies are marked "time". End returns
// when all of them have ended; when ctx ends first, with those that have, and
// an error.
func (s *Session) End(ctx context.Context) ([]Exchange, error) {
	exchanges, _, err := s.EndPage(ctx)
	return exchanges, err
}

// EndPage is End that also returns the tunnels of an opaque session, in the order of
// their start. They end with the page.
func (s *Session) EndPage(ctx context.Context) ([]Exchange, []Tunnel, error) {
	s.mu.Lock()
	p := s.page
	s.page = nil
	s.mu.Unlock()
	if p == nil {
		return nil, nil, errors.New("end a page: none is open")
	}
	list := p.close()
	<-p.watcher
	ended := make(chan error, 1)
	go func() { // ends with the exchanges, which Close waits for
		p.running.Wait()
		ended <- p.small.close()
	}()
	var err error
	select {
	case err = <-ended:
		if err != nil {
			err = fmt.Errorf("end a page: %w", err)
		}
	case <-ctx.Done():
		err = fmt.Errorf("end a page: %w", context.Cause(ctx))
	}
	out := make([]Exchange, 0, len(list))
	for _, e := range list {
		if !e.isOpen() {
			out = append(out, e.out)
		}
	}
	return out, p.tunneled(s.rec.opts.Now()), err
}

// refuse counts a request that is not let through.
func (s *Session) refuse(method, host, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := Refusal{Method: method, Host: host, Why: why}
	if _, known := s.refused[key]; known || len(s.refused) < maxRefusals {
		s.refused[key]++
	}
}

// TakeRefused lists what was not let through since it was last asked, the most frequent
// first; at most 1000 kinds.
func (s *Session) TakeRefused() []Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Refusal
	for r, n := range s.refused {
		r.Count = n
		out = append(out, r)
	}
	clear(s.refused)
	slices.SortFunc(out, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Why, b.Why))
	})
	return out
}

// current is the page that is open; nil means that nothing is let through.
func (s *Session) current() *page {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.page
}

// admit makes an exchange of a request; nil when no page is open.
func (s *Session) admit(b asker, r *request, to origin, target string) *exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.page
	if p == nil {
		return nil
	}
	if s.rec.opts.Pictures != nil || p.NoPictures {
		r.judged()
	}
	e := &exchange{session: s, page: p, browser: b, req: r, to: to, target: target, head: r.forOrigin(target)}
	e.ctx, e.cancel = context.WithCancel(p.ctx)
	now := s.rec.opts.Now()
	e.out = Exchange{
		Method: r.method, URL: to.url(target, r.websocket()), Started: now,
		Request: Message{Head: e.head},
	}
	p.last.Store(now.UnixNano())
	p.open.Add(1)
	p.running.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exchanges = append(p.exchanges, e)
	e.out.ID = len(p.exchanges)
	return e
}

// Close ends everything that the session has going and waits for it. Of a page
// that is open, the exchanges are lost and the files stay.
func (s *Session) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.running.Wait()
		return nil
	}
	s.closed = true
	p := s.page
	s.page = nil
	open := make([]*browserConn, 0, len(s.browsers))
	for b := range s.browsers {
		open = append(open, b)
	}
	s.mu.Unlock()
	err := s.listener.Close()
	if p != nil {
		p.close()
	}
	for _, b := range open {
		b.kill()
	}
	s.running.Wait()
	if p != nil {
		err = errors.Join(err, p.small.close())
	}
	s.pool.close()
	s.pool.wait()
	s.rec.forget(s)
	if err != nil {
		return fmt.Errorf("close a recorder session: %w", err)
	}
	return nil
}
