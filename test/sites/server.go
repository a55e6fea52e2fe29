package sites

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Options say how [Start] serves a site.
type Options struct {
	// Handler is the site.
	Handler http.Handler
	// Listen is the address of the site, such as 127.0.0.1:8080; 127.0.0.1:0 (any free port) if empty. It must be a loopback address.
	Listen string
	// TLS serves https (with HTTP/2) with a certificate made at start by an authority made at start.
	TLS bool
	// Names are host names that the certificate is for, besides localhost, 127.0.0.1 and ::1.
	Names []string
	// LogFile is a file that the log is appended to, as JSON lines; none if empty.
	LogFile string
	// Now tells the log the time; time.Now if nil.
	Now func() time.Time
}

// A Server is a running site and its log.
type Server struct {
	// URL is the site's base, without a trailing slash.
	URL string
	// Addr is the site's address and port.
	Addr string
	// LogURL is where the log is served (see [Start]), on a loopback port of its own.
	LogURL string
	// CertificatePEM is the authority that signed the site's certificate, when TLS is on.
	CertificatePEM []byte
	// Log is the site's log.
	Log *Log

	site, control *http.Server
	cancel        context.CancelFunc
	logFile       *os.File
	done          sync.WaitGroup
	mu            sync.Mutex
	serveErr      error
}

// Start serves a site until [Server.Close]. The log is served at LogURL:
//
//	GET  /_log           entries as JSON lines; filters: path, exact, host, method, status, type, since, navigate, open
//	GET  /_log/summary   a [Summary] of the entries that the same filters select
//	POST /_log/reset     forget the entries whose answer has ended
func Start(o Options) (*Server, error) {
	if o.Handler == nil {
		return nil, errors.New("start a site: no handler")
	}
	s := &Server{Log: &Log{Now: o.Now}}
	if err := s.start(o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) start(o Options) error {
	if o.LogFile != "" {
		f, err := os.OpenFile(o.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("open the request log: %w", err)
		}
		s.logFile = f
		s.Log.Tee(f)
	}
	listener, err := listenLoopback(o.Listen)
	if err != nil {
		return err
	}
	s.Addr = listener.Addr().String()
	s.URL = "http://" + s.Addr
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	s.site = &http.Server{
		// Handlers that took their connection over learn from it that the server is closed.
		BaseContext:       func(net.Listener) context.Context { return ctx },
		Handler:           s.Log.Wrap(o.Handler),
		ReadHeaderTimeout: 30 * time.Second,
		MaxHeaderBytes:    1 << 20,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	serve := func() error { return s.site.Serve(listener) }
	if o.TLS {
		s.URL = "https://" + s.Addr
		cert, err := selfSigned(o.Names)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		s.CertificatePEM = cert.authorityPEM
		s.site.TLSConfig = cert.config
		serve = func() error { return s.site.ServeTLS(listener, "", "") }
	}
	s.run(serve)

	logListener, err := listenLoopback("")
	if err != nil {
		return err
	}
	s.LogURL = "http://" + logListener.Addr().String() + "/_log"
	s.control = &http.Server{Handler: s.Log.control(), ReadHeaderTimeout: 30 * time.Second}
	s.run(func() error { return s.control.Serve(logListener) })
	return nil
}

func (s *Server) run(serve func() error) {
	s.done.Go(func() {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			s.mu.Lock()
			s.serveErr = errors.Join(s.serveErr, err)
			s.mu.Unlock()
		}
	})
}

// Close ends the site, breaking off answers that are still going on, and waits for their handlers.
func (s *Server) Close() error {
	var errs []error
	if s.cancel != nil {
		s.cancel()
	}
	for _, server := range []*http.Server{s.site, s.control} {
		if server != nil {
			errs = append(errs, server.Close())
		}
	}
	s.done.Wait()
	s.Log.wait(5 * time.Second)
	errs = append(errs, s.Log.Err())
	if s.logFile != nil {
		errs = append(errs, s.logFile.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(append(errs, s.serveErr)...)
}

// wait waits until no request is open, because http.Server.Close does not wait for handlers, or for d at most.
func (l *Log) wait(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		l.mu.Lock()
		open := len(l.inFlight)
		l.mu.Unlock()
		if open == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func listenLoopback(address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: want host:port, such as 127.0.0.1:0: %w", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen on %q: the sites are for tests and listen on loopback addresses only, such as 127.0.0.1", address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", address, err)
	}
	return l, nil
}

// control serves the log.
func (l *Log) control() http.Handler {
	mux := http.NewServeMux()
	selected := func(w http.ResponseWriter, r *http.Request) ([]Entry, bool) {
		f, err := ParseFilter(r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return nil, false
		}
		return l.Entries(f), true
	}
	mux.HandleFunc("GET /_log", func(w http.ResponseWriter, r *http.Request) {
		entries, ok := selected(w, r)
		if !ok {
			return
		}
		w.Header().Set("Content-Type", "application/jsonl")
		enc := json.NewEncoder(w)
		for _, e := range entries {
			if err := enc.Encode(e); err != nil {
				return // the reader went away
			}
		}
	})
	mux.HandleFunc("GET /_log/summary", func(w http.ResponseWriter, r *http.Request) {
		entries, ok := selected(w, r)
		if !ok {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(Summarize(entries)) // fails only when the reader went away
	})
	mux.HandleFunc("POST /_log/reset", func(w http.ResponseWriter, _ *http.Request) {
		l.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}
