package capture

import (
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// connectionOf returns the text of the record of the connection to an origin.
func (r *result) connectionOf(t *testing.T, origin string) string {
	t.Helper()
	list := r.about(warc.Metadata, "urn:connection:"+r.site.base[origin])
	if len(list) == 0 {
		t.Fatalf("there is no record of the connection to %s", origin)
	}
	return string(list[0].text)
}

// network is group J.
func network() []testCase {
	list := []testCase{
		{
			name: "J facts of the connection",
			from: tls, serve: routes{"": html("secure")}, lines: "GET tls: Document 200 record", text: "secure",
			check: func(t *testing.T, r *result) {
				info := r.connectionOf(t, tls)
				for _, want := range []string{`"version":"TLS 1.3"`, `"chain":["`, `"remote":"127.0.0.1:`, `"source":"override"`, `"serverName":"tls.fleet.test"`} {
					if !strings.Contains(info, want) {
						t.Errorf("the connection's record lacks %s: %.300s", want, info)
					}
				}
				rec := r.about(warc.Response, r.page.URL)[0]
				if ip, _ := rec.Get(warc.FieldIPAddress); ip != "127.0.0.1" {
					t.Errorf("address %q", ip)
				}
			},
		},
		{
			name: "J bad certificates accepted", from: expired, serve: routes{"": html("past its time")},
			pool:  func(o *setup) { o.stay.AcceptBadCertificates = true },
			lines: "GET expired: Document 200 record", text: "past its time",
			check: func(t *testing.T, r *result) {
				if info := r.connectionOf(t, expired); !strings.Contains(info, `"verifyError":"x509: certificate has expired`) {
					t.Errorf("the connection's record does not say what is wrong: %.300s", info)
				}
			},
			note: "Where the job says so. The record says what is wrong with the certificate.",
		},
		{
			name:  "J mixed content",
			from:  tls,
			serve: routes{"": html(`<script src='{www}/j/mixed-content/js'></script><iframe src='{www}/j/mixed-content/frame'></iframe>secure`), "js": file(mimeJS, "1"), "frame": html("x")},
			lines: `GET tls: Document 200 record
				GET www:js Script not captured: blocked: mixed-content`,
			text: "secure",
			note: "Of a frame Chrome does not even say that it was blocked: it asks for nothing.",
		},
		{
			name: "J names that lead nowhere", text: "nobody is there",
			serve: routes{"": html(`<img src='http://nowhere.invalid/x'><img src='http://www.fleet.test:65001/x'>nobody is there`)},
			lines: `GET www: Document 200 record
				GET http://nowhere.invalid/x Image not captured: there was no answer: DNSFailed
				GET http://www.fleet.test:65001/x Image not captured: there was no answer: ConnectFailed`,
		},
		{
			name: "J a name that is not ASCII", from: idn, serve: routes{"": html(`<p id=p></p><script>p.textContent = 'shown as ' + location.hostname</script>`)},
			lines: "GET idn: Document 200 record", text: "shown as xn--bcher-kva.fleet.test",
		},
		{
			name: "J connection closed after each answer", text: "one by one",
			serve: routes{"": html(`<img src=pixel?1><img src=pixel?2><img src=pixel?3>one by one`), "pixel": func(_ *site, x *wire.Exchange) {
				x.Answer("200 OK", mimeGIF, pixel, "Connection: close")
				x.Close()
			}},
			lines: "GET www: Document 200 record\nGET www:pixel?1 Image 200 record\nGET www:pixel?2 Image 200 record\nGET www:pixel?3 Image 200 record",
		},
		{
			name: "J alternative services", from: tls, serve: routes{"": html("no other way", `Alt-Svc: h3=":443"; ma=86400`)},
			lines: "GET tls: Document 200 record", text: "no other way",
			note: "QUIC is off, so that nothing goes around the recorder: HTTP/3 is not spoken.",
		},
	}
	for _, bad := range [][2]string{{expired, "that is past its time"}, {stranger, "of an unknown authority"}, {misnamed, "for another host"}, {old, "over TLS 1.1"}} {
		name, why := bad[0], bad[1]
		c := testCase{
			name: "J certificate " + why, from: name, serve: routes{"": html("never shown")},
			lines:   "GET " + name + ": Document not captured: there was no answer: TLSFailed",
			outcome: "Failed: TLSFailed",
		}
		if name != old {
			c.check = func(t *testing.T, r *result) {
				if info := r.connectionOf(t, name); !strings.Contains(info, `"chain":["`) || !strings.Contains(info, `"verifyError":"`) {
					t.Errorf("the connection's record lacks the chain or what is wrong with it: %.300s", info)
				}
			}
			c.note = "The chain and what is wrong with it are recorded."
		}
		list = append(list, c)
	}
	return list
}
