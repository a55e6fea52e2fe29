package wire

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options say how [Start] serves.
type Options struct {
	// Handler answers every request.
	Handler Handler
	// TLS is nil for plain HTTP. With "h2" in its NextProtos HTTP/2 is spoken to those who ask for it.
	TLS *tls.Config
	// Address is the loopback address to listen on, 127.0.0.1 if empty.
	Address string
}

// A Server listens on a loopback port.
type Server struct {
	// Port is where it listens.
	Port int

	opts     Options
	listener net.Listener
	stop     chan struct{}
	running  sync.WaitGroup

	mu          sync.Mutex
	conns       map[net.Conn]struct{}
	connections int
	seen        []Seen
}

// Start serves until [Server.Close].
func Start(o Options) (*Server, error) {
	address := o.Address
	if address == "" {
		address = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return nil, fmt.Errorf("start a site: %w", err)
	}
	s := &Server{opts: o, listener: l, stop: make(chan struct{}), conns: make(map[net.Conn]struct{})}
	s.Port = l.Addr().(*net.TCPAddr).Port
	s.running.Go(s.accept)
	return s, nil
}

// Close breaks off what goes on and waits for it.
func (s *Server) Close() error {
	close(s.stop)
	err := s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close() // it ends what is going on
	}
	s.mu.Unlock()
	s.running.Wait()
	return err
}

// Seen is what was asked for and answered, in order of the requests. Those that are being answered are among them.
func (s *Server) Seen() []Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.seen)
	for i := range list {
		if x := &list[i]; x.stream != nil {
			x.ResponseFields = x.heads.response(x.stream)
		}
	}
	return list
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.connections++
		n := s.connections
		s.mu.Unlock()
		s.running.Go(func() {
			s.serve(c, n)
			_ = c.Close() // nobody waits for it
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

func (s *Server) serve(c net.Conn, n int) {
	scheme := "http"
	if s.opts.TLS != nil {
		secure := tls.Server(c, s.opts.TLS)
		if secure.Handshake() != nil {
			return
		}
		defer func() { _ = secure.Close() }() // with a close_notify
		c, scheme = secure, "https"
		if secure.ConnectionState().NegotiatedProtocol == "h2" {
			s.serveH2(secure, n)
			return
		}
	}
	br := bufio.NewReader(c)
	for {
		x, err := newExchange(c, br)
		if err != nil {
			return
		}
		x.Scheme, x.Connection, x.Stop, x.server = scheme, n, s.stop, s
		s.note(x)
		s.opts.Handler(x)
		s.ended(x)
		if x.closed || x.err != nil {
			return
		}
	}
}

func (s *Server) serveH2(c *tls.Conn, n int) {
	ended := make(chan struct{})
	heard := newHeads(c)
	server := &http.Server{
		Protocols:         new(http.Protocols),
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				close(ended)
			}
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := &Exchange{conn: c, h2: w, Header: r.Header}
			x.begin(r)
			x.Protocol, x.Scheme, x.Connection, x.Stop, x.server = "h2", "https", n, s.stop, s
			if x.heads, x.stream = heard, heard.claim(r); x.stream != nil {
				x.RequestFields = x.stream.request
			}
			x.request = io.TeeReader(r.Body, x.sent)
			s.note(x)
			defer s.ended(x)
			s.opts.Handler(x)
		}),
	}
	server.Protocols.SetUnencryptedHTTP2(true) // TLS is ended here, so that the heads can be listened to
	_ = server.Serve(&single{conn: heard})     // it ends at once, when the listener has no more
	<-ended
}

// single is a listener of one connection.
type single struct{ conn net.Conn }

func (l *single) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, net.ErrClosed
	}
	c := l.conn
	l.conn = nil
	return c, nil
}

func (l *single) Close() error   { return nil }
func (l *single) Addr() net.Addr { return &net.TCPAddr{} }

func (s *Server) note(x *Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.place = len(s.seen)
	s.seen = append(s.seen, x.Seen)
}

func (s *Server) ended(x *Exchange) {
	x.finish()
	s.update(x)
}

// update writes down how far an exchange has come.
func (s *Server) update(x *Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[x.place] = x.Seen
}
