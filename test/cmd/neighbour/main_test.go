package main

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestReach(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open := listener.Addr().String()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shut := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	// (Nobody answers questions there: port 9 of loopback discards.)
	got := reach(t.Context(), []string{open, shut, "dns:127.0.0.1:9"})
	if got[open] != "" || got[shut] == "" || got["dns:127.0.0.1:9"] == "" || len(got) != 3 {
		t.Errorf("got %q, want that %s alone is reached", got, open)
	}
}

func TestNamesHaveAddresses(t *testing.T) {
	t.Parallel()
	ask := func(name string, kind dnsmessage.Type) dnsmessage.Message {
		t.Helper()
		question := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{{
			Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET,
		}}}
		packed, err := question.Pack()
		if err != nil {
			t.Fatal(err)
		}
		said, err := answer(packed, "test", netip.MustParseAddr("192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		var m dnsmessage.Message
		if err := m.Unpack(said); err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := ask("H0.test.", dnsmessage.TypeA)
	if a, ok := m.Answers[0].Body.(*dnsmessage.AResource); len(m.Answers) != 1 || !ok || a.A != [4]byte{192, 0, 2, 1} || m.ID != 7 || !m.Response {
		t.Errorf("got %+v", m)
	}
	if m := ask("h0.test.", dnsmessage.TypeAAAA); len(m.Answers) != 0 || m.RCode != dnsmessage.RCodeSuccess {
		t.Errorf("an address of IPv6: got %+v", m)
	}
	if m := ask("h0.example.", dnsmessage.TypeA); len(m.Answers) != 0 || m.RCode != dnsmessage.RCodeNameError {
		t.Errorf("a name of others: got %+v", m)
	}
	if _, err := answer([]byte("?"), "test", netip.Addr{}); err == nil {
		t.Error("what is no question: got no error")
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, []string{"127.0.0.1:0", "127.0.0.1:0"}) }()
	end()
	if err := <-ended; err != nil && ctx.Err() == nil {
		t.Error(err)
	}
}

func TestMistakesAreTold(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"reach"}, {"serve"}, {"sites", "1"}, {"sites", "x", "1", "192.0.2.1"}, {"sites", "1", "1", "2001:db8::1"}, {"serve", "nowhere"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%q: got no error", args)
		}
	}
}
