package gateway

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
)

// established is the answer to who gets a tunnel.
const established = "HTTP/1.1 200 Connection Established\r\nProxy-Status: " + Name + "\r\n\r\n"

// tunnel copies between who asked and a site until both have said all.
func (h *handler) tunnel(w http.ResponseWriter, site net.Conn) {
	defer func() { _ = site.Close() }()
	asker, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		h.Logger.Error("a connection cannot be made a tunnel", "error", err)
		h.refuse(w, refusal{http.StatusInternalServerError, OutcomeMalformed, "proxy_internal_error", "ask by HTTP/1.1"})
		return
	}
	defer func() { _ = asker.Close() }()
	h.Metrics.asked(OutcomeTunnel)
	defer h.Metrics.open()()
	// Both sides have keep-alive probes, as Go sets them: who is gone without a word is noticed.
	defer context.AfterFunc(h.cut, func() { _, _ = site.Close(), asker.Close() })()
	if _, err := io.WriteString(asker, established); err != nil {
		return
	}
	early, err := takeEarly(buffered.Reader)
	if err != nil {
		return
	}
	if _, err := site.Write(early); err != nil {
		return
	}
	h.Metrics.carried(toSite, int64(len(early)))
	var both sync.WaitGroup
	both.Go(func() { h.Metrics.carried(toSite, pass(site, asker)) })
	both.Go(func() { h.Metrics.carried(fromSite, pass(asker, site)) })
	both.Wait()
}

// takeEarly is what came with the request: who asks may speak before it is answered.
func takeEarly(r *bufio.Reader) ([]byte, error) {
	early := make([]byte, r.Buffered())
	_, err := io.ReadFull(r, early)
	return early, err
}

// pass copies one direction to its end and hands that on, so that who waits for it goes on. Where it
// is broken off, so is the other.
func pass(to, from net.Conn) int64 {
	n, err := io.Copy(to, from) // between two TCP connections the kernel does it
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		_, _ = to.Close(), from.Close()
	}
	return n
}
