package capture

import (
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

// alias answers every question with an alias and, for IPv4, the address of this machine (RFC 1035 section 4.1).
func alias(question []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.Additionals = true, nil
	canonical := dnsmessage.MustNewName("edge.other.test.")
	m.Answers = []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 300},
		Body:   &dnsmessage.CNAMEResource{CNAME: canonical},
	}}
	if m.Questions[0].Type == dnsmessage.TypeA {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: canonical, Class: dnsmessage.ClassINET, TTL: 20},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		})
	}
	answer, err := m.Pack()
	if err != nil {
		return nil
	}
	return answer
}

// lookups are what of group J is asked before a connection, and how it is secured.
func lookups() []testCase {
	return []testCase{
		{
			name: "J a name that is an alias", from: named,
			serve: routes{"": html("found by its alias")},
			setup: func(t testing.TB, o *setup) { o.recorder.Dialer.Resolver = nameServer(t, alias) },
			lines: "GET named: Document 200 record", text: "found by its alias",
			check: func(t *testing.T, r *result) {
				info := r.connectionOf(t, named)
				if !strings.Contains(info, `"answers":["127.0.0.1"]`) || !strings.Contains(info, `"source":"hosts"`) {
					t.Errorf("the connection's record: %s", info)
				}
				if n := len(r.about(warc.Resource, "dns:"+hosts[named])); n != 0 {
					t.Errorf("%d dns: records of what no name server of the system has said", n)
				}
			},
			note: "Asked of a resolver that the suite brings along, of which the fleet knows the addresses alone. The record of a name server's answer is written for the system's only: the tests below.",
		},
		{
			name: "J TLS 1.2", from: twelve,
			serve: routes{"": html("as it was before")}, lines: "GET twelve: Document 200 record", text: "as it was before",
			check: func(t *testing.T, r *result) {
				if info := r.connectionOf(t, twelve); !strings.Contains(info, `"version":"TLS 1.2"`) {
					t.Errorf("the connection's record: %.300s", info)
				}
				if got := r.about(warc.Response, r.page.URL)[0].Values(warc.FieldProtocol); len(got) != 2 || got[1] != "tls/1.2" {
					t.Errorf("protocols %q", got)
				}
			},
		},
	}
}
