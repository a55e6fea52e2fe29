// Package gateway is the one way by which workers get to the sites that they visit: a proxy that makes
// tunnels (CONNECT, RFC 9110 section 9.3.6) to public addresses and to nothing else.
//
// Who has taken over a browser by a hostile page gets no further than to it, and it checks anew what
// the recorder has checked ([netguard]): the pod that runs Chrome is not believed. It takes addresses
// alone. Names are asked for by who visits, because the answers are evidence, and a gateway that asks
// for none needs no name server.
//
// It sees no more than a network does. What goes through a tunnel is copied by the kernel, and neither
// looked at nor kept, and neither log nor metrics tell of a site.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"crawlfleet.dev/crawlfleet/internal/netguard"
)

// The bounds of a request for a tunnel.
const (
	maxHead     = 8 << 10
	headTimeout = 10 * time.Second
	// spare is how many connections there may be beside those with a tunnel: who asks, and who is
	// told that there is no place.
	spare = 256
)

// ownName is what a gateway calls itself in Proxy-Status (RFC 9209).
const ownName = "crawlfleet-gateway"

// Server makes tunnels.
type Server struct {
	// Dialer connects to sites. It is asked for addresses alone.
	Dialer *netguard.Dialer
	// MaxTunnels is how many there may be at once, 1 or more.
	MaxTunnels int
	// Drain is how long tunnels may last when the server stops.
	Drain   time.Duration
	Metrics *Metrics
	Logger  *slog.Logger
}

// Serve makes tunnels for those who ask at a listener until ctx ends. It takes nobody any more then, and
// returns when all tunnels have ended, or were ended after Drain.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	cut, cutAll := context.WithCancel(context.WithoutCancel(ctx))
	defer cutAll()
	h := &handler{Server: s, places: make(chan struct{}, s.MaxTunnels), cut: cut}
	server := &http.Server{
		Handler: h, ConnState: h.follow, ReadHeaderTimeout: headTimeout, IdleTimeout: headTimeout, MaxHeaderBytes: maxHead,
		ErrorLog: slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		cutAll()
		err = errors.Join(err, server.Close())
		h.all.Wait()
		return fmt.Errorf("serve tunnels: %w", err)
	case <-ctx.Done():
	}
	s.Logger.Info("gateway stops: the tunnels that there are may come to their end", "tunnels", len(h.places), "within", s.Drain)
	end := time.AfterFunc(s.Drain, cutAll)
	defer end.Stop()
	err := server.Shutdown(cut) // of those who have a tunnel it does not know any more
	if errors.Is(err, context.Canceled) {
		err = server.Close()
	}
	if failure := <-failed; !errors.Is(failure, http.ErrServerClosed) {
		err = errors.Join(err, failure)
	}
	h.all.Wait() // nobody comes any more
	return err
}

// handler answers requests for tunnels.
type handler struct {
	*Server
	// places has an element for each tunnel that there is, or is about to be.
	places chan struct{}
	// all are the connections of those who ask, with a tunnel or without, and count is how many.
	all   sync.WaitGroup
	count atomic.Int64
	// cut ends all tunnels, and what is about to be one.
	cut context.Context
}

// follow counts connections, and ends one that is too many before it is read from. One with a tunnel
// is the tunnel's to end.
func (h *handler) follow(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		h.all.Add(1)
		if h.count.Add(1) > int64(h.MaxTunnels)+spare {
			h.Metrics.asked(outcomeFull)
			_ = c.Close()
		}
	case http.StateClosed:
		h.gone()
	}
}

func (h *handler) gone() {
	h.count.Add(-1)
	h.all.Done()
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		w.Header().Set("Allow", http.MethodConnect)
		h.refuse(w, refusal{http.StatusMethodNotAllowed, outcomeMalformed, "http_request_denied", "this is a proxy that makes tunnels alone: ask it by CONNECT"})
		return
	}
	to, err := netip.ParseAddrPort(r.Host)
	if err != nil {
		h.refuse(w, refusal{http.StatusBadRequest, outcomeMalformed, "http_request_denied", "ask for an address and a port, such as 192.0.2.1:443: who asks resolves the names"})
		return
	}
	select {
	case h.places <- struct{}{}:
	default:
		h.refuse(w, refusal{http.StatusServiceUnavailable, outcomeFull, "connection_limit_reached", fmt.Sprintf("all %d tunnels are taken", h.MaxTunnels)})
		return
	}
	defer func() { <-h.places }()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(h.cut, cancel)()
	site, err := h.Dialer.Dial(ctx, "tcp", to.String())
	if err != nil {
		h.refuse(w, classify(err))
		return
	}
	h.tunnel(w, site.Conn)
}

// refusal is why there is no tunnel: as a status, for the metrics, as a type of error of RFC 9209
// section 2.3, and for people.
type refusal struct {
	status  int
	outcome outcome
	kind    string
	detail  string
}

// classify says what an error of a dial is to who asked.
func classify(err error) refusal {
	var timed net.Error
	switch {
	case netguard.Reason(err) == netguard.ReasonAddressBlocked:
		return refusal{http.StatusForbidden, outcomeForbidden, "destination_ip_prohibited", err.Error()}
	case errors.As(err, &timed) && timed.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return refusal{http.StatusGatewayTimeout, outcomeUnreachable, "connection_timeout", err.Error()}
	case errors.Is(err, syscall.ECONNREFUSED):
		return refusal{http.StatusBadGateway, outcomeUnreachable, "connection_refused", err.Error()}
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return refusal{http.StatusBadGateway, outcomeUnreachable, "destination_ip_unroutable", err.Error()}
	}
	return refusal{http.StatusBadGateway, outcomeUnreachable, "destination_unavailable", err.Error()}
}

func (h *handler) refuse(w http.ResponseWriter, why refusal) {
	h.Metrics.asked(why.outcome)
	w.Header().Set("Proxy-Status", ownName+"; error="+why.kind)
	http.Error(w, why.detail, why.status)
}
