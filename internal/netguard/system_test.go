package netguard

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers questions for alias.example.org with an alias and an
// address, and knows nothing else.
func nameServer(t *testing.T) *net.UDPConn {
	t.Helper()
	pc, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, from, err := pc.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if answer := respond(t, buf[:n]); answer != nil {
				_, _ = pc.WriteToUDPAddrPort(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = pc.Close()
		<-done
	})
	return pc
}

func respond(t *testing.T, question []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		t.Error(err)
		return nil
	}
	m.Response, m.Additionals = true, nil
	q := m.Questions[0]
	if q.Name.String() == "broken.example.org." {
		m.RCode = dnsmessage.RCodeServerFailure
	} else if q.Name.String() != "alias.example.org." {
		m.RCode = dnsmessage.RCodeNameError
	} else {
		canonical := dnsmessage.MustNewName("host.cdn.example.net.")
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 300},
			Body:   &dnsmessage.CNAMEResource{CNAME: canonical},
		})
		if q.Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: canonical, Class: dnsmessage.ClassINET, TTL: 20},
				Body:   &dnsmessage.AResource{A: [4]byte{93, 184, 215, 14}},
			})
		}
	}
	raw, err := m.Pack()
	if err != nil {
		t.Error(err)
	}
	return raw
}

func TestLookupSystem(t *testing.T) {
	t.Parallel()
	server := nameServer(t).LocalAddr().String()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server)
	}
	got := &Answer{Name: "alias.example.org", Source: SourceHosts}
	if err := lookupSystem(t.Context(), dial, "alias.example.org", got); err != nil {
		t.Fatal(err)
	}
	want := &Answer{
		Name: "alias.example.org", Answers: []netip.Addr{netip.MustParseAddr("93.184.215.14")},
		CNAMEs: []string{"host.cdn.example.net"}, TTL: 20 * time.Second,
		Server: netip.MustParseAddrPort(server), Source: SourceDNS,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	err := lookupSystem(t.Context(), dial, "unknown.example.org", &Answer{})
	if err := new(Dialer).resolveError("unknown.example.org", err); !err.NotFound {
		t.Errorf("got %v", err)
	}
}

func FuzzTapMessage(f *testing.F) {
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true}}
	raw, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(_ *testing.T, raw []byte) {
		tap := &tap{answer: &Answer{}}
		tap.message(raw, &net.UDPAddr{})
	})
}
