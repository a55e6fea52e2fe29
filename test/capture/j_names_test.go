package capture

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// servfail answers questions for names that begin with "servfail" with that code (RFC 1035 section 4.1.1), and no others.
func servfail(question []byte) []byte {
	if len(question) <= 12 || !strings.HasPrefix(string(question[13:]), "servfail") {
		return nil
	}
	question[2] |= 0x80                // an answer
	question[3] = question[3]&0xf0 | 2 // SERVFAIL
	return question
}

// names are the cases of group J that are about names and addresses.
func names() []testCase {
	return []testCase{
		{
			name: "J names whose servers fail", text: "nobody knows",
			serve: routes{"": html(`<img src='http://servfail.fleet.test/x'><img src='http://silent.fleet.test/x'>nobody knows`)},
			setup: func(t testing.TB, o *setup) {
				o.recorder.Dialer.NameServer, o.recorder.Dialer.Timeout = nameServer(t, servfail), 3*time.Second
			},
			lines: `GET www: Document 200 record
				GET http://servfail.fleet.test/x Image not captured: there was no answer: DNSFailed
				GET http://silent.fleet.test/x Image not captured: there was no answer: DNSFailed`,
			check: func(t *testing.T, r *result) {
				for _, e := range r.page.Exchanges[1:] {
					if !strings.Contains(e.Detail, "the name server could not tell") && !strings.Contains(e.Detail, "i/o timeout") && !strings.Contains(e.Detail, "deadline") {
						t.Errorf("%s: %s", e.URL, e.Detail)
					}
				}
			},
		},
		{
			name: "J a name with a dot at its end", from: dotted,
			text:  "dotted.fleet.test.",
			serve: routes{"": html(`<p id=p></p><img src=pixel><script>p.textContent = location.hostname</script>`), "pixel": file(mimeGIF, pixel)},
			lines: "GET dotted: Document 200 record\nGET dotted:pixel Image 200 record",
			check: textIs("dotted.fleet.test."),
		},
		{
			name: "J an IPv6 address alone", from: six, serve: routes{"": html("over IPv6")},
			setup: func(_ testing.TB, o *setup) {
				o.recorder.Dialer.Allow = append(o.recorder.Dialer.Allow, netip.MustParsePrefix("::1/128"))
			},
			lines: "GET six: Document 200 record", text: "over IPv6",
			check: func(t *testing.T, r *result) {
				if ip, _ := r.responses(r.page.URL)[0].Get("WARC-IP-Address"); ip != "::1" {
					t.Errorf("recorded of %q", ip)
				}
			},
		},
		{
			name: "J user and password in an address",
			serve: routes{
				"": func(s *site, x *wire.Exchange) {
					with := strings.Replace(s.base[www], "://", "://user:secret@", 1) + "/j/user-and-password-in-an-address/"
					html(fmt.Sprintf(`<img src='%[1]spixel'><script>fetch('%[1]sdata').catch(() => {}); setTimeout(() => { location.href = '%[1]snext' }, 300)</script>`, with))(s, x)
				},
				"next": func(_ *site, x *wire.Exchange) {
					x.Answer("200 OK", mimeHTML, document("logged in with: "+x.Header.Get("Authorization")))
				},
			},
			lines: `GET www: Document 200 record
				GET www:pixel Image not captured: blocked: origin
				GET www:next Document 200 record`,
			check: func(t *testing.T, r *result) {
				textIs("logged in with:")(t, r)
				if strings.Contains(r.page.FinalURL, "secret") {
					t.Errorf("the page's address is %s", r.page.FinalURL)
				}
			},
			note: "They are no part of the address that is recorded. Chrome loads no sub-resources with them, and sends them to nobody who does not ask. In the replay the address is looked for with them.",
		},
	}
}

// multiplexed are the cases of group J that are about HTTP/2.
func multiplexed() []testCase {
	return []testCase{
		{
			name: "J HTTP/2 on both sides", from: two,
			text: "forty at a time",
			serve: routes{"": html(`<p id=p></p><script>(async () => {
					await Promise.all([...Array(40).keys()].map(i => fetch('data?' + i).then(r => r.text())));
					p.textContent = performance.getEntriesByType('navigation')[0].nextHopProtocol + ', forty at a time' })()</script>`),
				"data": func(_ *site, x *wire.Exchange) {
					x.Sleep(200 * time.Millisecond)
					x.Answer("200 OK", mimeText, "x", "Cache-Control: no-store")
				}},
			lines: "GET two: Document 200 record" + each(40, "\nGET two:data?%d Fetch 200 record"),
			check: func(t *testing.T, r *result) {
				textIs("h2, forty at a time")(t, r)
				connections := make(map[int]bool)
				for _, x := range r.site.seen(r.c) {
					connections[x.Connection] = true
				}
				if len(connections) != 1 {
					t.Errorf("%d connections to the origin, want 1", len(connections))
				}
				if head := string(r.responses(r.page.URL)[0].Head); !strings.Contains(head, "\r\ncontent-type: ") {
					t.Errorf("the head is %q", head)
				}
			},
		},
		{
			name: "J HTTP/2 server push", from: two,
			serve: routes{"": func(s *site, x *wire.Exchange) {
				text := "pushed"
				if x.Push("/j/http-2-server-push/pushed") != nil {
					text = "not pushed"
				}
				html(text)(s, x)
			}, "pushed": file(mimeText, "x")},
			lines: "GET two: Document 200 record", text: "not pushed",
			note: "Chrome knows no push any more. The recorder, too, tells origins that it takes none.",
		},
		{
			name: "J HTTP/2 connections that end", from: two,
			serve: routes{"": html(`<p id=p></p><script>(async () => {
					for (let i = 0; i < 5; i++) await (await fetch('data?' + i)).text(); p.textContent = 'five answers' })()</script>`),
				"data": func(_ *site, x *wire.Exchange) {
					x.Retire()
					x.Answer("200 OK", mimeText, "x", "Cache-Control: no-store")
				}},
			lines: "GET two: Document 200 record" + each(5, "\nGET two:data?%d Fetch 200 record"),
			text:  "five answers",
			check: func(t *testing.T, r *result) {
				connections := make(map[int]bool)
				for _, x := range r.site.seen(r.c) {
					connections[x.Connection] = true
				}
				if len(connections) < 3 {
					t.Errorf("%d connections to the origin, which has ended each", len(connections))
				}
			},
			note: "GOAWAY after each answer.",
		},
		{
			name: "J HTTP/2 for two hosts", from: two,
			serve: routes{"": html(`<script src='{twin}/j/http-2-for-two-hosts/js'></script><p id=p></p><script>p.textContent = said</script>`),
				"js": func(s *site, x *wire.Exchange) {
					x.Answer("200 OK", mimeJS, "said = 'asked of "+strings.Split(x.Host, ":")[0]+"'")
				}},
			lines: "GET two: Document 200 record\nGET twin:js Script 200 record",
			text:  "asked of twin.fleet.test",
			check: func(t *testing.T, r *result) {
				connections := make(map[int]bool)
				for _, x := range r.site.seen(r.c) {
					connections[x.Connection] = true
				}
				if len(connections) != 2 {
					t.Errorf("%d connections, want 2", len(connections))
				}
			},
			note: "One certificate and one address for both. Behind a proxy Chrome does not put such hosts on one connection.",
		},
		{
			name: "I gRPC-web", from: two,
			serve: routes{"": html(`<p id=p></p><script>(async () => {
					const r = await fetch('service', {method: 'POST', headers: {'Content-Type': 'application/grpc-web+proto', 'X-Grpc-Web': '1'}, body: new Uint8Array([0, 0, 0, 0, 0])});
					const reader = r.body.getReader(); let n = 0, got = [];
					for (;;) { const {value, done} = await reader.read(); if (done) break; n++; got.push(...value) }
					let messages = [];
					for (let i = 0; i < got.length;) { const size = got[i + 3] * 256 + got[i + 4]; messages.push((got[i] & 128 ? 'trailer ' : '') + String.fromCharCode(...got.slice(i + 5, i + 5 + size)).trim()); i += 5 + size }
					p.textContent = messages.join(', ') })()</script>`),
				"service": func(_ *site, x *wire.Exchange) {
					x.Head("200 OK", "Content-Type: application/grpc-web+proto", "Cache-Control: no-store")
					for _, m := range []string{"\x00\x00\x00\x00\x03one", "\x00\x00\x00\x00\x03two", "\x80\x00\x00\x00\x10grpc-status: 0\r\n"} {
						x.Body(m)
						x.Sleep(100 * time.Millisecond)
					}
				}},
			lines: "GET two: Document 200 record\nPOST two:service Fetch 200 record (?)",
			check: textIs("one, two, trailer grpc-status: 0"),
			note:  "Messages that a script reads one by one. Of such a body Chrome may say ERR_ABORTED when it has been read to its end; the record is whole.",
		},
	}
}
