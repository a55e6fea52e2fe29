package gateway

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// established is the answer to who gets a tunnel.
const established = "HTTP/1.1 200 Connection Established\r\nProxy-Status: " + ownName + "\r\n\r\n"

// How long what was said before a tunnel broke has to get to the other side, and how often is looked.
const (
	lastWords = 5 * time.Second
	lookAgain = 5 * time.Millisecond
)

// tunnel copies between who asked and a site until both have said all. What is broken off before that,
// by whomever, is broken off for the other side too: half an answer must not pass for a whole one.
func (h *handler) tunnel(w http.ResponseWriter, site net.Conn) {
	defer func() { _ = site.Close() }()
	asker, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		h.Logger.Error("a connection cannot be made a tunnel", "error", err)
		h.refuse(w, refusal{http.StatusInternalServerError, outcomeMalformed, "proxy_internal_error", "ask by HTTP/1.1"})
		return
	}
	defer h.gone()
	defer func() { _ = asker.Close() }()
	h.Metrics.asked(outcomeTunnel)
	defer h.Metrics.open()()
	// Both sides have keep-alive probes, as Go sets them: who is gone without a word is noticed.
	defer context.AfterFunc(h.cut, func() { _, _ = site.Close(), asker.Close() })()
	resets(true, asker, site) // also when this process is killed
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
	var all, said bool
	both.Go(func() { said = h.pass(toSite, site, asker) })
	both.Go(func() { all = h.pass(fromSite, asker, site) })
	both.Wait()
	if said && all {
		resets(false, asker, site)
	}
}

// resets sets whether the end of connections is a reset. Else what was sent still arrives.
func resets(on bool, conns ...net.Conn) {
	seconds := -1
	if on {
		seconds = 0
	}
	for _, c := range conns {
		if c, ok := c.(interface{ SetLinger(sec int) error }); ok {
			_ = c.SetLinger(seconds) // it fails on one that has ended
		}
	}
}

// takeEarly is what came with the request: who asks may speak before it is answered.
func takeEarly(r *bufio.Reader) ([]byte, error) {
	early := make([]byte, r.Buffered())
	_, err := io.ReadFull(r, early)
	return early, err
}

// pass copies one direction to its end and hands that on, so that who waits for it goes on. It reports
// whether that came in order. Where it is broken off, so is the other.
func (h *handler) pass(direction string, to, from net.Conn) (whole bool) {
	n, err := io.Copy(to, from) // between two TCP connections the kernel does it
	h.Metrics.carried(direction, n)
	half, ok := to.(interface{ CloseWrite() error })
	if err == nil && ok && half.CloseWrite() == nil {
		return true
	}
	if err != nil && direction == fromSite {
		h.arrive(to)
	}
	_, _ = to.Close(), from.Close()
	return false
}

// arrive waits until what was sent has arrived: a reset takes along what is still on its way.
func (h *handler) arrive(c net.Conn) {
	ctx, cancel := context.WithTimeout(h.cut, lastWords)
	defer cancel()
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for underway(c) {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}
