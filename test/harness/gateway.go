package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"sync/atomic"
	"time"
)

// A Gateway stands before the store as a load balancer does, and answers in its stead what
// stores are known to answer on a bad day. A request's signature stays right: its Host
// header is passed on as it came.
type Gateway struct {
	server  *http.Server
	proxy   *httputil.ReverseProxy
	address string
	target  atomic.Pointer[string]
	fault   atomic.Pointer[StoreFault]
	struck  atomic.Int64
	served  chan struct{}
}

// A StoreFault answers a request in the store's stead. pass has the store carry it out and
// answers what it answers; ErrAbortHandler, as a panic, breaks the connection off.
type StoreFault func(w http.ResponseWriter, r *http.Request, pass http.Handler)

// NewGateway listens at a loopback address.
func NewGateway() (*Gateway, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(listenHost, "0"))
	if err != nil {
		return nil, fmt.Errorf("start a gateway: %w", err)
	}
	g := &Gateway{address: l.Addr().String(), served: make(chan struct{})}
	quiet := log.New(io.Discard, "", 0) // broken connections are what it is for
	g.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", *g.target.Load()
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16, IdleConnTimeout: 10 * time.Second},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler) // a store that is down refuses the connection, too
		},
		ErrorLog: quiet,
	}
	g.server = &http.Server{Handler: http.HandlerFunc(g.serve), ErrorLog: quiet, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(g.served)
		_ = g.server.Serve(l) // it ends by being closed
	}()
	return g, nil
}

// Endpoint is the address as a worker's --s3-endpoint.
func (g *Gateway) Endpoint() string { return "http://" + g.address }

// To sets where the store is, as host:port. Before it is called, connections are broken off.
func (g *Gateway) To(address string) { g.target.Store(&address) }

// Fail has requests from now on answered by a fault; nil ends that. It returns how many
// requests the fault before had.
func (g *Gateway) Fail(f StoreFault) int {
	if f == nil {
		g.fault.Store(nil)
	} else {
		g.fault.Store(&f)
	}
	return int(g.struck.Swap(0))
}

// Close breaks all connections off.
func (g *Gateway) Close() error {
	err := g.server.Close()
	<-g.served
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close a gateway: %w", err)
	}
	return nil
}

func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) {
	if g.target.Load() == nil {
		panic(http.ErrAbortHandler)
	}
	if f := g.fault.Load(); f != nil {
		g.struck.Add(1)
		(*f)(w, r, g.proxy)
		return
	}
	g.proxy.ServeHTTP(w, r)
}

// SlowDown answers 503 as Amazon S3 does when it is asked too much (Amazon S3 API Reference,
// "Error responses").
func SlowDown(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	refuse(w, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	body := "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" + code + "</Code><Message>" + message + "</Message></Error>"
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// Late has each request wait before the store gets it.
func Late(by time.Duration) StoreFault {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		select {
		case <-time.After(by):
			pass.ServeHTTP(w, r)
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// AnswerLost has the store carry the request out, and breaks the connection off instead of
// telling: the client cannot know whether its object is stored.
func AnswerLost(_ http.ResponseWriter, r *http.Request, pass http.Handler) {
	pass.ServeHTTP(&unheard{header: http.Header{}}, r)
	panic(http.ErrAbortHandler)
}

// HalfReceived breaks the connection off (RST) when half of what is sent has come: the store
// never hears of it.
func HalfReceived(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // what is closed then is reset
	}
	_ = conn.Close()
}

// unheard is an answer that goes nowhere.
type unheard struct{ header http.Header }

func (u *unheard) Header() http.Header         { return u.header }
func (u *unheard) Write(b []byte) (int, error) { return len(b), nil }
func (u *unheard) WriteHeader(int)             {}
