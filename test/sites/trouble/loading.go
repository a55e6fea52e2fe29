package trouble

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"
)

// trickle is how often an answer without end sends another piece.
const trickle = 250 * time.Millisecond

// routeLoading adds the pages that do not end loading, or not well.
func (s *Site) routeLoading() {
	s.mux.HandleFunc("/never", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		forever(w, r, "<!doctype html><title>never</title><h1>Trouble: never</h1>\n", "<p>and on</p>\n")
	})
	s.mux.HandleFunc("/silent", func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	})
	s.mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		ms, ok := number(w, r, "ms", 3000, 3_600_000)
		if ok && sleep(r, time.Duration(ms)*time.Millisecond) {
			page(w, "slow", "")
		}
	})
	s.mux.HandleFunc("/slow-image", func(w http.ResponseWriter, _ *http.Request) {
		page(w, "slow-image", `<img src="/slow-image/picture.svg" alt="">`)
	})
	s.mux.HandleFunc("/slow-image/picture.svg", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		forever(w, r, `<svg xmlns="http://www.w3.org/2000/svg">`, "<!-- more -->")
	})
	s.mux.HandleFunc("/hang", func(w http.ResponseWriter, _ *http.Request) {
		page(w, "hang", `<script>for (;;) { }</script>`)
	})
	s.mux.HandleFunc("/oom", func(w http.ResponseWriter, _ *http.Request) {
		page(w, "oom", `<script>const kept = []; for (;;) kept.push(new Array(5_000_000).fill(kept.length));</script>`)
	})
	s.mux.HandleFunc("/alert", func(w http.ResponseWriter, _ *http.Request) {
		page(w, "alert", `<script>addEventListener('beforeunload', (e) => { e.preventDefault(); e.returnValue = 'stay'; });</script>`+
			script("alert", `alert('one'); const yes = confirm('two'); const word = prompt('three', 'word'); done(yes + ' ' + word);`))
	})
	s.mux.HandleFunc("/reset", func(w http.ResponseWriter, _ *http.Request) {
		breakOff(w, true)
	})
	s.mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		breakOff(w, false)
	})
}

// forever sends first and then more, until the client goes away.
func forever(w http.ResponseWriter, r *http.Request, first, more string) {
	flush := http.NewResponseController(w)
	for text := first; ; text = more {
		if _, err := fmt.Fprint(w, text); err != nil {
			return
		}
		if err := flush.Flush(); err != nil || !sleep(r, trickle) {
			return
		}
	}
}

// Sent and Promised are how many bytes of its body /reset and /cut send, and how many they announce.
const (
	Sent     = 2000
	Promised = 100_000
)

// breakOff sends a part of a page and closes the connection: with a TCP reset, or in good order but too early.
func breakOff(w http.ResponseWriter, reset bool) {
	body := []byte(document("broken", "<p>The rest of this page is missing.</p>"))
	for len(body) < Sent {
		body = append(body, '.')
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// HTTP/2 cannot be taken over; it resets the stream instead.
		_, _ = w.Write(body[:Sent])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s", Promised, body[:Sent])
	if err != nil {
		return
	}
	if !reset {
		return
	}
	// Let the client read what was sent: a reset discards what it has not read.
	time.Sleep(100 * time.Millisecond)
	if tcp := tcpOf(conn); tcp != nil {
		_ = tcp.SetLinger(0)
	}
}

// tcpOf finds the TCP connection under what wraps it.
func tcpOf(conn net.Conn) *net.TCPConn {
	for {
		switch c := conn.(type) {
		case *net.TCPConn:
			return c
		case *tls.Conn:
			conn = c.NetConn()
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}
