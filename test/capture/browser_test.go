package capture

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/test/sites/wire"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// inBrowser are the cases that differ, by name.
func inBrowser() map[string]difference {
	list := map[string]difference{
		"A early hints over HTTP/2": {
			lines: "GET two: Document 200 record\nGET two:style.css Stylesheet 200 not captured: it came from the browser's cache, and what filled that is not in this file",
			why:   "The browser tells neither of interim answers nor of what it asks for because of them; the ledger says what is missing.",
			check: textIs("after the hint"), untold: []string{"two:style.css"},
		},
		"E streamed request body to an origin of HTTP/1.1": {
			lines: "GET tls: Document 200 record\nPOST tls:echo Fetch not captured: there was no answer: TLSFailed",
			why:   "The browser connects by itself, and cannot stream without HTTP/2.",
		},
		"E streamed request body": {
			lines: "GET two: Document 200 record\nPOST two:echo Fetch 200 record",
			why:   "The browser speaks HTTP/2 to the origin and streams it. It does not tell the body, which the record says.",
			check: func(t *testing.T, r *result) {
				if rec := r.about(warc.Request, r.site.base[two]+r.c.folder()+"echo"); len(rec) != 1 || rec[0].size != 0 || rec[0].truncated() != "unspecified" {
					t.Errorf("the request's record: %+v", rec)
				}
			},
		},
		"G dedicated, nested and module workers": {
			unreplayed: true, bodiless: []string{"tls:nested.js"},
			why:   "The browser does not hand out the script of a worker that a worker starts, which its record says: in the replay that one does nothing.",
			check: textIs("3 of 3: fetched by a worker"),
		},
		"F speculation rules over TLS": {
			bodiless: []string{"tls:next", "tls:other"},
			why:      "The browser does not hand out what it prefetches, which the records say.",
		},
		"G service worker of a second visit": {
			limits: []string{browser.LimitNoDocument},
			why:    "The browser does not tell the body of what it preloads for a service worker, which answers with it; nor that it asks whether the worker has changed.",
			untold: []string{"tls:sw.js"}, bodiless: []string{"tls:"},
		},
		"J certificate of an unknown authority": {
			why: "The browser does not tell the chain that it refuses.",
			check: func(t *testing.T, r *result) {
				if info := r.connectionOf(t, stranger); !strings.Contains(info, `"remote":"127.0.0.1:`) {
					t.Errorf("the connection's record: %s", info)
				}
			},
		},
	}
	list["J stapled OCSP and SCTs"] = difference{
		why: "The browser does not tell what was stapled; the chain it does.",
		check: func(t *testing.T, r *result) {
			if info := r.connectionOf(t, stapled); !strings.Contains(info, `"chain":["`) || strings.Contains(info, `"ocsp"`) {
				t.Errorf("the connection's record: %.300s", info)
			}
		},
	}
	// The suite's authority is not a public one: see recorder.Options.Roots.
	for name, origin := range map[string]string{"J certificate for another host": misnamed, "J certificate that is past its time": expired} {
		list[name] = difference{
			lines: "GET " + origin + ": Document 200 record", outcome: "Archived",
			why: "Of an authority that the browser was told to trust it looks at neither names nor dates. What is wrong stands in the record.",
			check: func(t *testing.T, r *result) {
				if info := r.connectionOf(t, origin); !strings.Contains(info, `"verifyError":"x509: certificate`) {
					t.Errorf("the connection's record does not say what is wrong: %.300s", info)
				}
			},
		}
	}
	for _, names := range []string{"gzip", "br", "deflate", "gzip, br", "gzip, gzip"} {
		list["C coding "+names] = difference{
			why: "The body is kept decoded; x-orig-content-encoding says what it was.",
			check: func(t *testing.T, r *result) {
				rec := r.about(warc.Response, r.page.URL)[0]
				if !strings.Contains(string(rec.text), "encoded with "+names) || warc.HTTPField(rec.Head, "x-orig-content-encoding") != names ||
					warc.HTTPField(rec.Head, "Content-Length") != strconv.FormatInt(rec.size, 10) || warc.HTTPField(rec.Head, "Content-Encoding") != "" {
					t.Errorf("head %s, body %.100q", rec.Head, rec.text)
				}
			},
		}
	}
	maps.Copy(list, socketsInBrowser())
	list["C coding zstd that was not asked for"] = difference{
		why: "The body is kept decoded.",
		check: func(t *testing.T, r *result) {
			if rec := r.about(warc.Response, r.page.URL)[0]; !strings.Contains(string(rec.text), "encoded with zstd") || warc.HTTPField(rec.Head, "x-orig-content-encoding") != "zstd" {
				t.Errorf("head %s, body %.100q", rec.Head, rec.text)
			}
		},
	}
	for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
		list["C coding zstd over "+version] = difference{
			why: "The browser asks for zstd, and decodes it.", text: "asked for gzip, deflate, br, zstd",
		}
	}
	return list
}

// secureCases are the cases whose page is on an https origin.
func (s *site) secureCases(all []testCase) []testCase {
	return slices.DeleteFunc(slices.Clone(all), func(c testCase) bool { return !strings.HasPrefix(s.base[c.origin()], "https:") })
}

// TestConformanceBrowser captures the cases of https origins with the browser as recorder, and
// compares what it tells with the site's account: heads field by field (HTTP/1.1 answers to the
// byte, but for what is renamed), bodies as the browser decoded them.
func TestConformanceBrowser(t *testing.T) {
	withBrowser.run(t)
}

// withBrowser is recorder Browser. What goes over plain HTTP is the proxy's there, too.
var withBrowser = &variant{
	title: "With recorder Browser",
	preface: `The cases whose page is on an https origin, with ` + "`spec.capture.recorder: Browser`" + `: what went over TLS is what the browser tells of it, and says
so in its records. "complete" means here that the fields of heads are those that were sent, that the head of an answer of HTTP/1.1 is the one that was sent to
the byte (but for what is renamed because the body is decoded), and bodies as the browser decoded them. What is plain HTTP is recorded as ever. Where a remark
says nothing, the case comes out as above.
`,
	change:  func(o *setup) { o.stay.Recorder = browser.RecorderBrowser },
	cases:   (*site).secureCases,
	differs: inBrowser,
	judge:   (*result).judgeBrowser,
	table:   compactTable,
	replays: true,
}

// judgeBrowser is judge, for what the browser took down. Of what is untold there may be no record.
func (r *result) judgeBrowser(t *testing.T) {
	t.Helper()
	for _, p := range r.exchanges() {
		handed := !slices.Contains(r.differs.bodiless, r.site.short(r.c, p.request.TargetURI))
		if p.response != nil && p.response.truncated() == "unspecified" && p.response.size == 0 && handed {
			t.Errorf("%s: recorded without its body", r.site.short(r.c, p.request.TargetURI))
		}
	}
	r.compareSeen(t, r.site.seen(r.c), sameTold, func(x wire.Seen) bool {
		return slices.Contains(r.differs.untold, r.site.short(r.c, x.URL()))
	})
	r.compareLedger(t)
	r.judgePage(t)
	if t.Failed() {
		r.explain(t)
	}
}

// told reports whether the browser took a record down.
func told(r *record) bool {
	by, ok := r.Get("Crawlfleet-Recorder")
	return ok && strings.HasPrefix(by, "browser;")
}

// sameTold is same, for records of the browser's account.
func sameTold(x wire.Seen, p pair) (ok bool, diff string) {
	if x.Scheme == "http" {
		return same(x, p)
	}
	method, _, _ := strings.Cut(warc.StartLine(p.request.Head), " ")
	if httpURL(p.request.TargetURI) != httpURL(x.URL()) || method != x.Method {
		return false, ""
	}
	switch {
	case !told(p.request):
		return false, "the request's record does not say that it is the browser's account"
	case warc.StartLine(p.request.Head) != fmt.Sprintf("%s %s HTTP/1.1", x.Method, x.Target):
		return false, fmt.Sprintf("the request is recorded as %q", warc.StartLine(p.request.Head))
	case partial(p.request) && !within(fieldsOf(p.request.Head), fieldsOf(x.RequestHead)):
		return false, fmt.Sprintf("the request has fields in the record that it had not:\n%s\nit had\n%s", fieldsOf(p.request.Head), fieldsOf(x.RequestHead))
	case !partial(p.request) && x.RequestFields != nil && fieldsOf(p.request.Head) != sorted(wireLines(x.RequestFields)):
		return false, fmt.Sprintf("the request has the fields\n%s\nin the record and had\n%s", fieldsOf(p.request.Head), sorted(wireLines(x.RequestFields)))
	case !partial(p.request) && x.RequestHead != nil && fieldsOf(p.request.Head) != fieldsOf(x.RequestHead):
		return false, fmt.Sprintf("the request has the fields\n%s\nin the record and had\n%s", fieldsOf(p.request.Head), fieldsOf(x.RequestHead))
	case x.Ended && p.request.sha256 != x.RequestBody.SHA256 && p.request.truncated() == "":
		return false, fmt.Sprintf("the request's body has %d bytes in the record and had %d, or is another", p.request.size, x.RequestBody.Size)
	case p.response == nil && x.Status == 0:
		return true, ""
	case p.response == nil:
		return false, "there is a request record but none of the answer"
	case !told(p.response):
		return false, "the answer's record does not say that it is the browser's account"
	}
	head := originalHead(p.response)
	switch {
	case partial(p.response) && !within(fieldsOf(head), fieldsOf(warc.DechunkedHead(x.ResponseHead))):
		return false, fmt.Sprintf("the answer has fields in the record that it had not:\n%s\nit had\n%s", head, x.ResponseHead)
	case !partial(p.response) && x.ResponseHead != nil && !bytes.Equal(head, warc.DechunkedHead(x.ResponseHead)):
		return false, fmt.Sprintf("the answer's head is recorded as\n%s\nbut was\n%s", head, x.ResponseHead)
	case !partial(p.response) && x.ResponseFields != nil && fieldsOf(head) != sorted(wireLines(x.ResponseFields)):
		return false, fmt.Sprintf("the answer has the fields\n%s\nin the record and had\n%s", fieldsOf(head), sorted(wireLines(x.ResponseFields)))
	case (x.Broken || !x.Ended) && p.response.truncated() == "":
		return false, "the answer broke off, which the record does not say"
	case p.response.truncated() != "" && p.response.size > 0 && warc.HTTPField(p.response.Head, "x-orig-content-encoding") == "":
		return begins(p.response, x)
	case p.response.truncated() != "", p.response.Type == warc.Revisit, warc.HTTPField(p.response.Head, "x-orig-content-encoding") != "":
		return true, "" // the case looks at what is left
	case p.response.sha256 != x.ResponseBody.SHA256:
		return false, fmt.Sprintf("the answer's body has %d bytes in the record and had %d, or is another", p.response.size, x.ResponseBody.Size)
	}
	return true, ""
}

// socketsInBrowser are the WebSocket cases over TLS: the browser tells messages, not frames.
func socketsInBrowser() map[string]difference {
	list := make(map[string]difference)
	for name, said := range map[string][2]string{
		"I WebSocket compressed":                     {strings.Repeat("again and ", 20) + "again" + "not compressed", "text 1\x00\xff\x02"},
		"I WebSocket over TLS in both directions":    {"onetwothree", "text 1\x00\xff\x02text 3"},
		"I WebSocket through a SOCKS5 proxy":         {"onetwothree", "text 1\x00\xff\x02text 3"},
		"I WebSocket through an HTTP proxy over TLS": {"onetwothree", "text 1\x00\xff\x02text 3"},
	} {
		list[name] = difference{
			why: "The browser tells the messages, without frames and decompressed.",
			check: func(t *testing.T, r *result) {
				address := strings.Replace(r.page.URL, "https", "wss", 1) + "socket"
				for i, kind := range []string{"received", "sent"} {
					if rec := r.about(warc.Resource, "urn:websocket-"+kind+":"+address); len(rec) != 1 || string(rec[0].text) != said[i] {
						t.Errorf("%s: %d records, want one of %q", kind, len(rec), said[i])
					}
				}
			},
		}
	}
	return list
}

// originalHead takes back what was renamed and added because the body was decoded.
func originalHead(r *record) []byte {
	if warc.HTTPField(r.Head, "x-orig-content-encoding") == "" {
		return r.Head
	}
	added := fmt.Appendf(nil, "Content-Length: %d\r\n\r\n", r.size)
	return bytes.ReplaceAll(append(bytes.Clone(bytes.TrimSuffix(r.Head, added)), "\r\n"...), []byte("\r\nx-orig-"), []byte("\r\n"))
}

// partial reports whether the browser knew only some of the fields.
func partial(r *record) bool {
	by, _ := r.Get("Crawlfleet-Recorder")
	return strings.Contains(by, "head=partial")
}

// within reports whether all lines of a text are lines of another.
func within(some, all string) bool {
	list := strings.Split(all, "\n")
	for line := range strings.SplitSeq(some, "\n") {
		if !slices.Contains(list, line) {
			return false
		}
	}
	return true
}

// fieldsOf are the fields of a head, sorted, with names in lower case.
func fieldsOf(head []byte) string {
	_, rest, _ := strings.Cut(string(head), "\r\n")
	parsed, err := textproto.NewReader(bufio.NewReader(strings.NewReader(rest))).ReadMIMEHeader()
	if err != nil {
		return "unreadable: " + err.Error()
	}
	var out []string
	for name, values := range parsed {
		for _, v := range values {
			out = append(out, strings.ToLower(name)+": "+v)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func sorted(lines []string) string {
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
