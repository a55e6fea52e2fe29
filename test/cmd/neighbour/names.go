package main

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// names answers questions by UDP until the context ends: every name below a domain has one address, and no other name is
// known (RFC 1035).
func names(ctx context.Context, listen, domain string, address netip.Addr) error {
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", listen)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	question := make([]byte, 512)
	for {
		n, from, err := conn.ReadFrom(question)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if said, err := answer(question[:n], domain, address); err == nil {
			_, _ = conn.WriteTo(said, from) // who asked asks again
		}
	}
}

// answer is the answer to a message with one question.
func answer(message []byte, domain string, address netip.Addr) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(message)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	said := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired},
		Questions: []dnsmessage.Question{q},
	}
	switch {
	case !strings.HasSuffix(strings.ToLower(q.Name.String()), "."+domain+"."):
		said.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		said.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60},
			Body:   &dnsmessage.AResource{A: address.As4()},
		}}
	}
	return said.Pack()
}
