package capture

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

// alias answers every question with aliases, one of the other, and, for IPv4, the address of this machine (RFC 1035 section 4.1).
func alias(names ...string) func(question []byte) []byte {
	return func(question []byte) []byte {
		var m dnsmessage.Message
		if m.Unpack(question) != nil || len(m.Questions) != 1 {
			return nil
		}
		m.Response, m.Additionals = true, nil
		name := m.Questions[0].Name
		for _, next := range names {
			canonical := dnsmessage.MustNewName(next)
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 300},
				Body:   &dnsmessage.CNAMEResource{CNAME: canonical},
			})
			name = canonical
		}
		if m.Questions[0].Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 20},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			})
		}
		answer, err := m.Pack()
		if err != nil {
			return nil
		}
		return answer
	}
}

// asked checks the record of what a name server said of an origin, the lines below the date.
func asked(lines ...string) func(*testing.T, *result) {
	return func(t *testing.T, r *result) {
		t.Helper()
		list := r.about(warc.Resource, "dns:"+hosts[named])
		if len(list) != 1 {
			t.Fatalf("%d records of what the name server said, want 1", len(list))
		}
		at, text, _ := strings.Cut(string(list[0].text), "\n")
		if _, err := time.Parse("20060102150405", at); err != nil {
			t.Errorf("the answer's date: %v", err)
		}
		if want := strings.Join(lines, "\n") + "\n"; text != want {
			t.Errorf("the record says\n%q, want\n%q", text, want)
		}
		if server, _ := list[0].Get(warc.FieldIPAddress); server != "127.0.0.1" {
			t.Errorf("it names the server %q", server)
		}
		info := r.connectionOf(t, named)
		for _, want := range []string{`"answers":["127.0.0.1"]`, `"source":"dns"`, `"server":"127.0.0.1:`, `"ttlSeconds":20`, `"record":"` + list[0].ID + `"`} {
			if !strings.Contains(info, want) {
				t.Errorf("the connection's record lacks %s: %s", want, info)
			}
		}
	}
}

// lookups are what of group J is asked before a connection, and how it is secured.
func lookups() []testCase {
	return []testCase{
		{
			name: "J a name that is an alias", from: named,
			serve: routes{"": html("found by its alias")},
			setup: func(t testing.TB, o *setup) {
				o.recorder.Dialer.NameServer = nameServer(t, alias("edge.other.test.", "host-7.other.test."))
			},
			lines: "GET named: Document 200 record", text: "found by its alias",
			check: asked("named.fleet.test. 20 IN CNAME edge.other.test.", "edge.other.test. 20 IN CNAME host-7.other.test.", "host-7.other.test. 20 IN A 127.0.0.1"),
			note:  "From a name server to the file. The record has the least of the times to live.",
		},
		{
			name: "J an alias with line breaks", from: named,
			serve: routes{"": html("found all the same")},
			setup: func(t testing.TB, o *setup) {
				o.recorder.Dialer.NameServer = nameServer(t, alias("x\r\nevil. 1 IN A 10.0.0.1\x1b[2J.other.test."))
			},
			lines: "GET named: Document 200 record", text: "found all the same",
			check: asked(`named.fleet.test. 20 IN CNAME x\013\010evil.\0321\032IN\032A\03210.0.0.1\027[2J.other.test.`,
				`x\013\010evil.\0321\032IN\032A\03210.0.0.1\027[2J.other.test. 20 IN A 127.0.0.1`),
			note: "A name server may send any byte. In the record it stands as in a master file (RFC 1035 section 5.1).",
		},
		{
			name: "J stapled OCSP and SCTs", from: stapled,
			serve: routes{"": html("with a staple")}, lines: "GET stapled: Document 200 record", text: "with a staple",
			check: func(t *testing.T, r *result) {
				info := r.connectionOf(t, stapled)
				want := []string{`"ocsp":"` + base64.StdEncoding.EncodeToString([]byte(staple)) + `"`, `"scts":[`}
				for _, sct := range signedTimestamps {
					want = append(want, `"`+base64.StdEncoding.EncodeToString([]byte(sct))+`"`)
				}
				for _, want := range want {
					if !strings.Contains(info, want) {
						t.Errorf("the connection's record lacks %s: %s", want, info)
					}
				}
			},
			note: "As the server sent them, in base64, in the record of the connection. They are not checked while capturing.",
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
