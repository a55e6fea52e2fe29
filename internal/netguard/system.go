package netguard

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dialServer connects to a name server: the one that the system is set to, or NameServer.
func (d *Dialer) dialServer(ctx context.Context, network, address string) (net.Conn, error) {
	if d.NameServer.IsValid() {
		address = d.NameServer.String()
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// lookupSystem asks the machine's resolver, and listens in on what the name
// server says: Go's resolver tells addresses alone, the evidence wants aliases
// and times to live as well. The name is asked for as a rooted one, so that the
// search list of a cluster's resolv.conf is not tried on it.
func lookupSystem(ctx context.Context, dial dialFunc, host string, answer *Answer) error {
	tap := &tap{connect: dial, answer: answer}
	// A resolver of its own, so that no other lookup shares its questions.
	r := &net.Resolver{PreferGo: true, Dial: tap.dial}
	addrs, err := r.LookupNetIP(ctx, "ip", host+".")
	tap.mu.Lock()
	defer tap.mu.Unlock()
	tap.answer = nil // a question still under way finds nobody listening
	if err != nil {
		return err
	}
	answer.Answers = addrs
	return nil
}

// tap takes from a name server's messages what net.Resolver does not tell.
type tap struct {
	connect dialFunc
	mu      sync.Mutex
	answer  *Answer
}

func (t *tap) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := t.connect(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if udp, ok := c.(*net.UDPConn); ok {
		return &tapPacket{UDPConn: udp, tap: t}, nil
	}
	return &tapStream{Conn: c, tap: t}, nil
}

// tapPacket is a question by UDP: every Read is a message. It stays a
// net.PacketConn, by which net.Resolver tells UDP from TCP.
type tapPacket struct {
	*net.UDPConn
	tap *tap
}

func (c *tapPacket) Read(p []byte) (int, error) {
	n, err := c.UDPConn.Read(p)
	if err == nil {
		c.tap.message(p[:n], c.RemoteAddr())
	}
	return n, err
}

// tapStream is a question by TCP: messages have a length of two bytes in front.
type tapStream struct {
	net.Conn
	tap *tap
	buf []byte
}

func (c *tapStream) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if len(c.buf) < 1<<16+2 {
		c.buf = append(c.buf, p[:n]...)
	}
	for len(c.buf) >= 2 {
		size := int(c.buf[0])<<8 | int(c.buf[1])
		if len(c.buf) < 2+size {
			break
		}
		c.tap.message(c.buf[2:2+size], c.RemoteAddr())
		c.buf = c.buf[2+size:]
	}
	return n, err
}

// message reads a name server's answer. What does not parse is net.Resolver's
// to complain about.
func (t *tap) message(raw []byte, from net.Addr) {
	var p dnsmessage.Parser
	h, err := p.Start(raw)
	if err != nil || !h.Response || h.RCode != dnsmessage.RCodeSuccess || h.Truncated {
		return
	}
	if err := p.SkipAllQuestions(); err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.answer == nil {
		return
	}
	for range maxRecords {
		rh, err := p.AnswerHeader()
		if err != nil {
			return
		}
		if err := t.answer.record(&p, rh, from); err != nil {
			return
		}
	}
}

// maxRecords bounds how much of a message is read.
const maxRecords = 64

// record takes in an address or an alias.
func (a *Answer) record(p *dnsmessage.Parser, rh dnsmessage.ResourceHeader, from net.Addr) error {
	switch rh.Type {
	case dnsmessage.TypeCNAME:
		r, err := p.CNAMEResource()
		if err != nil {
			return err
		}
		a.alias(presentation(r.CNAME.String()))
	case dnsmessage.TypeA, dnsmessage.TypeAAAA:
		if err := p.SkipAnswer(); err != nil {
			return err
		}
	default:
		return p.SkipAnswer()
	}
	ttl := time.Duration(rh.TTL) * time.Second
	if a.Source != SourceDNS || ttl < a.TTL {
		a.TTL = ttl
	}
	a.Source = SourceDNS
	if ap, err := netip.ParseAddrPort(from.String()); err == nil {
		a.Server = ap
	}
	return nil
}

// presentation writes a name, in which a name server may send any byte, as master files do
// (RFC 1035 section 5.1): it stands in records of one line.
func presentation(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case c <= ' ' || c >= 0x7f:
			fmt.Fprintf(&b, "\\%03d", c)
		case strings.IndexByte(`"();@$\`, c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// alias adds a CNAME once: A and AAAA questions are answered with the same.
func (a *Answer) alias(name string) {
	if n := len(name); n > 1 && name[n-1] == '.' {
		name = name[:n-1]
	}
	for _, have := range a.CNAMEs {
		if have == name {
			return
		}
	}
	a.CNAMEs = append(a.CNAMEs, name)
}
