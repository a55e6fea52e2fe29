package netguard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const (
	defaultTimeout = 20 * time.Second
	// attemptTimeout bounds one attempt while others are left to be tried.
	attemptTimeout = 10 * time.Second
	// attemptDelay is how long an attempt has to itself before the next one
	// starts beside it (RFC 8305 section 5).
	attemptDelay = 250 * time.Millisecond
)

// Dial connects to address, a host:port. The network is "tcp", "tcp4" or
// "tcp6". Errors are a *BlockedError, *ResolveError or *ConnectError; see
// [Reason].
func (d *Dialer) Dial(ctx context.Context, network, address string) (*Conn, error) {
	timeout := d.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	t, err := parseTarget(address)
	if err != nil {
		return nil, err
	}
	if d.Upstream != nil {
		return d.dialUpstream(ctx, network, t)
	}
	candidates, answer, err := d.lookup(ctx, t)
	if err != nil {
		return nil, err
	}
	candidates, err = ofFamily(network, candidates)
	if err != nil {
		return nil, &ConnectError{Address: address, Err: err}
	}
	c, remote, err := race(ctx, candidates, d.connect)
	if err != nil {
		if blocked := (*BlockedError)(nil); errors.As(err, &blocked) {
			return nil, err
		}
		return nil, &ConnectError{Address: address, Err: err}
	}
	return &Conn{Conn: c, Remote: remote, Answer: answer}, nil
}

func ofFamily(network string, candidates []netip.AddrPort) ([]netip.AddrPort, error) {
	if network == "tcp" {
		return candidates, nil
	}
	if network != "tcp4" && network != "tcp6" {
		return nil, net.UnknownNetworkError(network)
	}
	var out []netip.AddrPort
	for _, c := range candidates {
		if c.Addr().Is4() == (network == "tcp4") {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no address for %s", network)
	}
	return out, nil
}

// interleave orders candidates so that the families take turns, beginning with
// the family of the first (RFC 8305 section 4).
func interleave(candidates []netip.AddrPort) []netip.AddrPort {
	var first, second []netip.AddrPort
	for _, c := range candidates {
		if c.Addr().Is4() == candidates[0].Addr().Is4() {
			first = append(first, c)
		} else {
			second = append(second, c)
		}
	}
	out := make([]netip.AddrPort, 0, len(candidates))
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			out = append(out, first[i])
		}
		if i < len(second) {
			out = append(out, second[i])
		}
	}
	return out
}

type attempt struct {
	conn net.Conn
	to   netip.AddrPort
	err  error
}

// race tries the candidates one after another, a new one whenever one fails or
// takes its time, and returns the first that connects. It returns when all
// attempts have ended.
func race(ctx context.Context, candidates []netip.AddrPort, connect func(context.Context, netip.AddrPort) (net.Conn, error)) (net.Conn, netip.AddrPort, error) {
	if len(candidates) == 1 || ctx.Err() != nil { // which the attempt tells, too
		c, err := connect(ctx, candidates[0])
		return c, candidates[0], err
	}
	candidates = interleave(candidates)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan attempt, len(candidates))
	running := 0
	timer := time.NewTimer(attemptDelay)
	defer timer.Stop()
	start := func() {
		if len(candidates) == 0 || ctx.Err() != nil {
			return
		}
		to := candidates[0]
		candidates = candidates[1:]
		running++
		timer.Reset(attemptDelay)
		go func() {
			ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
			defer cancel()
			c, err := connect(ctx, to)
			results <- attempt{c, to, err}
		}()
	}
	start()
	var won attempt
	var errs []error
	for running > 0 {
		select {
		case <-timer.C:
			start()
		case r := <-results:
			running--
			switch {
			case r.err == nil && won.conn == nil:
				won = r
				cancel() // the others end at once
			case r.err == nil:
				_ = r.conn.Close() // came second
			case won.conn == nil:
				errs = append(errs, r.err)
				if ofProxy(r.err) {
					cancel()
				}
				start()
			}
		}
	}
	if won.conn != nil {
		return won.conn, won.to, nil
	}
	return nil, netip.AddrPort{}, errors.Join(errs...)
}

// connect makes one attempt at a checked address.
func (d *Dialer) connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	nd := net.Dialer{Control: d.control, KeepAlive: 30 * time.Second}
	c, err := nd.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, attemptError(to, err)
	}
	// The address that was asked for is the one that was connected to; a
	// kernel that says otherwise is not argued with.
	peer, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err == nil && peer.Addr().Unmap() != to.Addr() {
		if why := Check(peer.Addr(), d.Allow); why != "" {
			_ = c.Close()
			return nil, &BlockedError{Host: to.Addr().String(), Addr: peer.Addr(), Why: why}
		}
	}
	return c, nil
}

// attemptError shortens the error of a dialer to what a reader needs.
func attemptError(to netip.AddrPort, err error) error {
	var blocked *BlockedError
	if errors.As(err, &blocked) {
		return blocked
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var sys syscall.Errno
	if errors.As(err, &sys) {
		return fmt.Errorf("%s: %w", to, sys)
	}
	return fmt.Errorf("%s: %w", to, err)
}

// control runs between the socket's making and its connecting, with the very
// address that the kernel is given.
func (d *Dialer) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &BlockedError{Host: address, Why: "not an address"}
	}
	if why := Check(ap.Addr(), d.Allow); why != "" {
		return &BlockedError{Host: ap.Addr().String(), Addr: ap.Addr(), Why: why}
	}
	return nil
}
