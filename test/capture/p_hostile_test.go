package capture

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
)

// hostile is group P. The recorder may reach the suite's own servers on 127.0.0.1 and nothing else that is private.
func hostile() []testCase {
	inside := []string{"169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "0.0.0.0", "[::1]", "[fd00:ec2::254]", "[::ffff:10.0.0.1]",
		"[64:ff9b::a00:1]", "167772161", "0x0a000001", "012.0.0.1", "10.1", "metadata.fleet.test", "rebind.fleet.test", "metadata.google.internal", "kubernetes.default.svc.cluster.local"}
	var images strings.Builder
	lines := "GET www: Document 200 record"
	for i, host := range inside {
		fmt.Fprintf(&images, "<img src='http://%s/latest/%d'>", host, i)
	}
	for i, host := range []string{"169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "0.0.0.0", "[::1]", "[fd00:ec2::254]", "[::ffff:a00:1]",
		"[64:ff9b::a00:1]", "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1", "metadata.fleet.test", "rebind.fleet.test", "metadata.google.internal", "kubernetes.default.svc.cluster.local"} {
		lines += fmt.Sprintf("\nGET http://%s/latest/%d Image not captured: there was no answer: AddressBlocked", host, i)
	}
	private := func(o *setup) {
		o.recorder.Dialer.Resolve["metadata.fleet.test"] = "169.254.169.254"
		o.recorder.Dialer.Resolve["rebind.fleet.test"] = "10.9.8.7"
		o.recorder.Dialer.Resolve["metadata.google.internal"] = "169.254.169.254"
		o.recorder.Dialer.Resolve["kubernetes.default.svc.cluster.local"] = "10.96.0.1"
	}
	return []testCase{
		{
			name: "P private addresses", serve: routes{"": html(images.String() + "nothing came")}, lines: lines, pool: private, text: "nothing came",
			check: func(t *testing.T, r *result) {
				for _, e := range r.page.Exchanges {
					if e.Conn != nil && e.Conn.Remote.Addr() != netip.MustParseAddr("127.0.0.1") {
						t.Errorf("%s was connected to at %s", e.URL, e.Conn.Remote)
					}
				}
			},
		},
		{
			name: "P redirects to private addresses", pool: private,
			serve: routes{"": html(`<img src=to><iframe src=to></iframe><script>fetch('to').catch(() => {})</script>still here`), "to": redirect("302 Found", "http://10.0.0.1/secret")},
			lines: `GET www: Document 200 record
				GET www:to Image 302 record
				GET http://10.0.0.1/secret Image not captured: there was no answer: AddressBlocked
				GET www:to Document 302 record
				GET http://10.0.0.1/secret Document not captured: there was no answer: AddressBlocked
				GET www:to Fetch 302 record
				GET http://10.0.0.1/secret Fetch not captured: there was no answer: AddressBlocked`,
			text: "still here",
		},
		{
			name: "P a page that redirects to a private address", serve: routes{"": redirect("302 Found", "http://169.254.169.254/latest/meta-data/")},
			lines: `GET www: Document 302 record
				GET http://169.254.169.254/latest/meta-data/ Document not captured: there was no answer: AddressBlocked`,
			outcome: "Failed: AddressBlocked",
		},
		{
			name:  "P sockets to private addresses",
			serve: routes{"": html(`<script>new WebSocket('ws://10.0.0.1/x'); new EventSource('http://10.0.0.1/y')</script>still here`)},
			lines: `GET www: Document 200 record
				GET ws://10.0.0.1/x WebSocket not captured: there was no answer: AddressBlocked
				GET http://10.0.0.1/y EventSource not captured: there was no answer: AddressBlocked`,
			text: "still here",
		},
		{
			name: "P addresses of the browser",
			serve: routes{"": html(`<iframe src='file:///etc/passwd'></iframe><iframe src='chrome://version'></iframe><script>
				fetch('file:///etc/passwd').catch(() => {}); open('chrome://settings'); location.href = 'file:///etc/hosts'; setTimeout(() => { location.href = 'chrome://crash' }, 50)</script>still here`)},
			lines: "GET www: Document 200 record",
			text:  "still here",
		},
		{
			name: "P injection into records",
			serve: routes{"": answer("200 OK", mimeHTML, "<!doctype html><link rel=icon href=data:,><title>a\r\nWARC-Type: evil\r\n\r\n{\"x\": \"</script>\"}</title><img src='x?%0d%0aWARC-Record-ID:%20evil'>here",
				"Content-Disposition: inline; filename=\"../../../etc/passwd\""), "x": file(mimeGIF, pixel)},
			lines: `GET www: Document 200 record
				GET www:x?%0d%0aWARC-Record-ID:%20evil Image 200 record`,
			text: "here",
			check: func(t *testing.T, r *result) {
				for _, rec := range r.records {
					if rec.Type == "evil" || rec.ID == "evil" {
						t.Errorf("record %+v", rec.Record)
					}
				}
				if list := r.about(warc.Response, r.page.URL); len(list) != 1 {
					t.Errorf("%d records of the page", len(list))
				}
			},
		},
		{
			name: "P a file with a bad name",
			serve: routes{"": func(_ *site, x *wire.Exchange) {
				x.Answer("200 OK", mimeBin, "contents", `Content-Disposition: attachment; filename="../../../../tmp/evil.sh"; filename*=UTF-8''%2e%2e%2fevil`)
			}},
			lines: "GET www: Document 200 record (ERR_ABORTED)",
			note:  "A file is not shown, but saved. Its name is a header, and no path.",
		},
	}
}
