package capture

import (
	"net"
	"net/netip"
	"testing"
)

// nameServer starts a name server. answer makes the answer to a question, which it may change;
// nil for none.
func nameServer(t testing.TB, answer func(question []byte) []byte) netip.AddrPort {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		question := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(question)
			if err != nil {
				return
			}
			if a := answer(question[:n]); a != nil {
				_, _ = conn.WriteTo(a, from) // who does not get it asks again
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}
