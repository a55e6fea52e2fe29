package netguard

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// TestNameServer: the name server that is named is asked, and what goes wrong is said of it.
func TestNameServer(t *testing.T) {
	t.Parallel()
	server := nameServer(t).LocalAddr().(*net.UDPAddr).AddrPort()
	d := &Dialer{NameServer: server}
	answer, err := d.resolve(t.Context(), "alias.example.org")
	if err != nil {
		t.Fatal(err)
	}
	if answer.Source != SourceDNS || answer.Server != server || len(answer.Answers) != 1 || answer.Answers[0] != netip.MustParseAddr("93.184.215.14") {
		t.Errorf("got %+v", answer)
	}
	_, err = d.resolve(t.Context(), "unknown.example.org")
	if Reason(err) != ReasonDNSFailed || !strings.HasSuffix(err.Error(), "(asked "+server.String()+")") {
		t.Errorf("a name that it does not know: %v", err)
	}
	_, err = d.resolve(t.Context(), "broken.example.org")
	if want := `resolve "broken.example.org": the name server could not tell (asked ` + server.String() + ")"; Reason(err) != ReasonDNSFailed || err.Error() != want {
		t.Errorf("a name of which it knows nothing: %v, want %s", err, want)
	}
}

// TestHostileAlias: a name server may send any byte in an alias. It stands in records of
// one line, which the others of the page must not be lost for.
func TestHostileAlias(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ reason, raw, want string }{
		"Plain":     {"As it is.", "host.cdn.example.net.", "host.cdn.example.net"},
		"LineBreak": {"No line of its own.", "a\r\nb. 5 IN A 10.0.0.1.example.net.", `a\013\010b.\0325\032IN\032A\03210.0.0.1.example.net`},
		"Escape":    {"No order to a terminal.", "\x1b[2J.example.net.", `\027[2J.example.net`},
		"NUL":       {"No end of a text.", "a\x00b.example.net.", `a\000b.example.net`},
		"Quoting":   {"What master files have a meaning for.", `a;b"(c)$@\.example.net.`, `a\;b\"\(c\)\$\@\\.example.net`},
		"Bytes":     {"No text at all.", "a\xff\x80.example.net.", `a\255\128.example.net`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Answers: []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("www.example.org."), Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(tc.raw)},
			}}}
			raw, err := m.Pack()
			if err != nil {
				t.Fatal(err)
			}
			var got Answer
			(&tap{answer: &got}).message(raw, &net.UDPAddr{})
			if len(got.CNAMEs) != 1 || got.CNAMEs[0] != tc.want {
				t.Errorf("%s: got %q, want %q", tc.reason, got.CNAMEs, tc.want)
			}
		})
	}
}
