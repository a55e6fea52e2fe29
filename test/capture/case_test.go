package capture

import (
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/test/sites/wire"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// The origins of the site. In pages, headers and expectations they are written in braces: {www}/a/case/file.
const (
	www  = "www"  // http, the origin of most cases
	cdn  = "cdn"  // http, another origin of the same site
	far  = "far"  // http, another site
	tls  = "tls"  // https over HTTP/1.1
	two  = "two"  // https over HTTP/2, and HTTP/1.1 for those who want it
	twin = "twin" // another name for two, with the same certificate

	expired  = "expired"  // https with a certificate that is past its time
	stranger = "stranger" // of an authority that nobody trusts
	misnamed = "misnamed" // for another host
	old      = "old"      // TLS 1.1 and older
	twelve   = "twelve"   // TLS 1.2 and older
	named    = "named"    // http, a name that has to be asked for
	idn      = "idn"      // http, a name that is not ASCII
	dotted   = "dotted"   // http, a name with a dot at its end
	bare     = "bare"     // http at the address of tls, where nobody speaks it
	six      = "six"      // http, on an IPv6 address alone
	onion    = "onion"    // http, a name that only a proxy can resolve
	asking   = "asking"   // https, asks for a certificate of the client
	locked   = "locked"   // https, and does not go on without one
	stapled  = "stapled"  // https, with what a status server and two logs have signed
)

// A testCase is one page of the adversarial site and what the archive must hold of it.
type testCase struct {
	// name is the group's letter and a few words, such as "A redirect chain". It names the files of the case, too.
	name string
	// from is the origin of the page, www if empty.
	from string
	// before are pages of the case that the same browser visits before, for the same file, by the path below the case's folder.
	before []string
	// serve are the answers by the path below the case's folder, "" for the page itself. What is not there is 404.
	serve routes
	// lines are the ledger as it must be, one line a request, in any order: "GET www:file Document 200 record". The
	// address is the origin and what follows the case's folder, or an address in full. What the browser made of it
	// follows: "record", "cache", "failed"; then, in parentheses, what it says of it; and where there is no record
	// "not captured: " and why. "(?)" stands for anything or nothing
	// in parentheses. A line that begins with "?" may be missing.
	lines string
	// outcome is "Archived" if empty, or "Failed: Reason".
	outcome string
	// text is what the replay shows; none if empty.
	text string
	// limits are the bounds that the page is said to have hit, by name.
	limits []string
	// visit changes how the page is visited, pool what it is visited with, and so does setup, which can start what it needs.
	visit func(*browser.Visit)
	pool  func(*setup)
	setup func(testing.TB, *setup)
	// check looks at what the other expectations cannot say.
	check func(t *testing.T, r *result)
	// unread is set when warcio.js cannot make out the payloads, for the reason that the note gives.
	unread bool
	// note says in docs/conformance.md what is to be known about the case.
	note string
}

// routes are answers by path, which may have a query.
type routes map[string]handler

// handler answers a request to the site.
type handler func(s *site, x *wire.Exchange)

// folder is the path of the case's folder, with slashes around.
func (c *testCase) folder() string {
	group, rest, _ := strings.Cut(c.name, " ")
	slug := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, rest)
	return "/" + strings.ToLower(group) + "/" + slug + "/"
}

func (c *testCase) origin() string {
	if c.from == "" {
		return www
	}
	return c.from
}

// The answers that most cases are made of.

const (
	mimeHTML = "text/html; charset=utf-8"
	mimeCSS  = "text/css"
	mimeJS   = "text/javascript"
	mimeText = "text/plain; charset=utf-8"
	mimeJSON = "application/json"
	mimeGIF  = "image/gif"
	mimeBin  = "application/octet-stream"
)

// pixel is a GIF of one pixel.
const pixel = "GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// html answers with a document. The site has no icon unless a case is about it.
func html(body string, fields ...string) handler {
	return func(s *site, x *wire.Exchange) {
		x.Answer("200 OK", mimeHTML, s.names.Replace(document(body)), s.expand(fields...)...)
	}
}

func document(body string) string {
	return "<!doctype html><html><head><link rel=icon href=data:,></head><body>" + body + "</body></html>"
}

// answer answers with any body.
func answer(status, mime, body string, fields ...string) handler {
	return func(s *site, x *wire.Exchange) {
		x.Answer(status, mime, s.names.Replace(body), s.expand(fields...)...)
	}
}

// file answers 200.
func file(mime, body string, fields ...string) handler {
	return answer("200 OK", mime, body, fields...)
}

// redirect answers with a status and a Location.
func redirect(status, location string, fields ...string) handler {
	return answer(status, mimeText, "", append([]string{"Location: " + location}, fields...)...)
}
