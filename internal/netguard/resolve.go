package netguard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The sources of an Answer.
const (
	SourceDNS       = "dns"
	SourceHosts     = "hosts"
	SourceOverride  = "override"
	SourceLocalhost = "localhost"
)

const (
	defaultCache = 60 * time.Second
	// maxAnswers bounds the addresses of a name.
	maxAnswers     = 32
	resolveTimeout = 10 * time.Second
)

// lookup finds the target's addresses and tells the good from the bad. The
// candidates are in order; when there are none, the error says why.
func (d *Dialer) lookup(ctx context.Context, t target) (candidates []netip.AddrPort, answer *Answer, err error) {
	to, ok, err := d.override(t)
	if err != nil {
		return nil, nil, err
	}
	if ok {
		if !t.addr.IsValid() {
			answer = &Answer{Name: t.host, Answers: []netip.Addr{to.Addr()}, Source: SourceOverride, At: d.now()}
		}
		if why := Check(to.Addr(), d.Allow); why != "" {
			return nil, answer, &BlockedError{Host: t.host, Addr: to.Addr(), Why: why}
		}
		return []netip.AddrPort{to}, answer, nil
	}
	if t.addr.IsValid() {
		if why := Check(t.addr, d.Allow); why != "" {
			return nil, nil, &BlockedError{Host: t.host, Addr: t.addr, Why: why}
		}
		return []netip.AddrPort{netip.AddrPortFrom(t.addr.Unmap(), t.port)}, nil, nil
	}
	found, err := d.resolve(ctx, t.host)
	if err != nil {
		return nil, nil, err
	}
	checked := *found
	var blocked error
	for _, addr := range found.Answers {
		if why := Check(addr, d.Allow); why != "" {
			checked.Blocked = append(checked.Blocked, addr)
			if blocked == nil {
				blocked = &BlockedError{Host: t.host, Addr: addr, Why: why}
			}
			continue
		}
		candidates = append(candidates, netip.AddrPortFrom(addr.Unmap(), t.port))
	}
	if len(candidates) == 0 {
		return nil, &checked, blocked
	}
	return candidates, &checked, nil
}

// override looks for the target in Dialer.Resolve.
func (d *Dialer) override(t target) (netip.AddrPort, bool, error) {
	if len(d.Resolve) == 0 {
		return netip.AddrPort{}, false, nil
	}
	port := strconv.Itoa(int(t.port))
	to, ok := d.Resolve[net.JoinHostPort(t.host, port)]
	if !ok {
		to, ok = d.Resolve[t.host]
	}
	if !ok {
		return netip.AddrPort{}, false, nil
	}
	if ap, err := netip.ParseAddrPort(to); err == nil {
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), true, nil
	}
	addr, err := netip.ParseAddr(strings.Trim(to, "[]"))
	if err != nil {
		return netip.AddrPort{}, false, &ResolveError{Name: t.host, Err: fmt.Errorf("the override %q is not an address", to)}
	}
	return netip.AddrPortFrom(addr.Unmap(), t.port), true, nil
}

// resolve asks the cache and then the resolver.
func (d *Dialer) resolve(ctx context.Context, host string) (*Answer, error) {
	if isLocalhost(host) {
		return &Answer{
			Name: host, Answers: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()},
			Source: SourceLocalhost, At: d.now(),
		}, nil
	}
	return d.cache.answer(ctx, host, d.now, func() (*Answer, time.Duration, error) {
		a, err := d.ask(ctx, host)
		if err != nil {
			return nil, 0, err
		}
		return a, d.keepFor(a), nil
	})
}

// ask asks the resolver.
func (d *Dialer) ask(ctx context.Context, host string) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	answer := &Answer{Name: host, Source: SourceHosts}
	var err error
	if d.Resolver != nil {
		answer.Answers, err = d.Resolver.LookupNetIP(ctx, "ip", host)
	} else {
		err = lookupSystem(ctx, d.dialServer, host, answer)
	}
	if err != nil {
		return nil, d.resolveError(host, err)
	}
	if len(answer.Answers) == 0 {
		return nil, &ResolveError{Name: host, NotFound: true, Err: errors.New("no addresses")}
	}
	answer.Answers = slices.Clone(answer.Answers[:min(len(answer.Answers), maxAnswers)])
	for i, a := range answer.Answers {
		answer.Answers[i] = a.Unmap()
	}
	answer.At = d.now()
	return answer, nil
}

func (d *Dialer) resolveError(host string, err error) *ResolveError {
	e := &ResolveError{Name: host, Err: err}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		e.NotFound = dns.IsNotFound
		// The name is in our message already.
		what := dns.Err
		if what == "server misbehaving" { // what package net calls SERVFAIL and answers without sense
			what = "the name server could not tell"
		}
		server := dns.Server
		if server != "" && d.NameServer.IsValid() {
			server = d.NameServer.String() // net.Resolver names the one that it meant to ask
		}
		if server != "" {
			what += " (asked " + server + ")"
		}
		e.Err = errors.New(what)
	}
	return e
}

// keepFor is how long an answer may be used again.
func (d *Dialer) keepFor(a *Answer) time.Duration {
	keep := d.Cache
	if keep == 0 {
		keep = defaultCache
	}
	if a.Source == SourceDNS && a.TTL < keep {
		// Browsers keep an answer for a minute whatever it says; a few seconds
		// cover the connections of one page.
		return max(a.TTL, min(keep, 5*time.Second))
	}
	return keep
}

func (d *Dialer) now() time.Time {
	if d.Now != nil {
		return d.Now()
	}
	return time.Now()
}
