package recorder

import (
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// appendFields writes fields as HTTP/1.1 would.
func appendFields(to []byte, fields []hpack.HeaderField) []byte {
	for _, f := range fields {
		to = append(append(append(append(to, f.Name...), ':', ' '), f.Value...), '\r', '\n')
	}
	return to
}

// joinCrumbs puts the crumbs of a cookie together where the first one is, as
// HTTP/1.1 has them (RFC 9113 section 8.2.3).
func joinCrumbs(fields []hpack.HeaderField) []hpack.HeaderField {
	var out []hpack.HeaderField
	cookie := -1
	for _, f := range fields {
		if f.Name == "cookie" && cookie >= 0 {
			out[cookie].Value += "; " + f.Value
			continue
		}
		if f.Name == "cookie" {
			cookie = len(out)
		}
		out = append(out, f)
	}
	return out
}

// notOverH2 are the names of fields that concern a connection of HTTP/1.1 and are no
// part of a head of HTTP/2 (RFC 9113 section 8.2.2).
var notOverH2 = map[string]bool{
	"connection": true, "proxy-connection": true, "keep-alive": true, "transfer-encoding": true, "upgrade": true,
}

// requestOverH2 is the request whose head came from the browser over HTTP/2.
func requestOverH2(f *http2.MetaHeadersFrame) (*request, error) {
	method, authority, path := f.PseudoValue("method"), f.PseudoValue("authority"), f.PseudoValue("path")
	switch {
	case f.Truncated:
		return nil, errHeadTooLarge
	case method == "CONNECT", authority == "", f.PseudoValue("scheme") != "https":
		return nil, invalidf("a request for something else than this host")
	case path == "" || path[0] != '/' && path != "*":
		return nil, invalidf("a request without a path")
	}
	for _, field := range f.RegularFields() {
		if notOverH2[field.Name] || field.Name == "host" || field.Name == "te" && field.Value != "trailers" {
			return nil, invalidf("a field %q over HTTP/2", field.Name)
		}
	}
	head := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nhost: %s\r\n", method, path, authority)
	r, err := parseRequest(append(appendFields(head, joinCrumbs(f.RegularFields())), '\r', '\n'))
	if err != nil {
		return nil, err
	}
	if f.StreamEnded() && len(r.lengths) > 0 && r.lengths[0] > 0 {
		return nil, invalidf("a request without the body that it has a length for")
	}
	r.h2, r.streamed = f.Fields, !f.StreamEnded()
	return r, nil
}

// h2Fields are the fields of a request for an origin that speaks HTTP/2, and its
// head as it stands in the record. Those of a browser that speaks it too stay as
// they are, but for what the package comment lists.
func (r *request) h2Fields(to origin, target string) (list []hpack.HeaderField, head []byte) {
	if r.h2 == nil {
		return r.asH2(to, target)
	}
	for _, f := range r.h2 {
		if f.Name == "accept-encoding" {
			f.Value = string(r.readable([]byte(f.Value)))
		}
		list = append(list, sensitive(f))
	}
	return list, r.forOrigin(target)
}

// sensitive keeps what is secret out of compression tables (RFC 7541 section
// 7.1.3).
func sensitive(f hpack.HeaderField) hpack.HeaderField {
	f.Sensitive = f.Sensitive || f.Name == "authorization" || f.Name == "cookie"
	return f
}

// asH2 translates the head of a browser that speaks HTTP/1.1: what concerns the
// connection to it is left out, and names are in lower case (RFC 9113 section
// 8.2).
func (r *request) asH2(to origin, target string) (list []hpack.HeaderField, head []byte) {
	authority := strings.TrimPrefix(to.url("", false), to.scheme+"://")
	options := map[string]bool{"host": true, "proxy-authorization": true, "http2-settings": true}
	for f := range fields(r.head) {
		if f.is("Connection") {
			for t := range tokens(f.value) {
				options[t] = true
			}
		}
		if f.is("Host") {
			authority = string(f.value)
		}
	}
	list = []hpack.HeaderField{
		{Name: ":method", Value: r.method}, {Name: ":authority", Value: authority},
		{Name: ":scheme", Value: to.scheme}, {Name: ":path", Value: target},
	}
	head = fmt.Appendf(nil, "%s %s HTTP/1.1\r\nhost: %s\r\n", r.method, target, authority)
	for f := range fields(r.head) {
		name := strings.ToLower(string(f.name))
		if name == "" || notOverH2[name] || options[name] || name == "te" && !strings.EqualFold(string(f.value), "trailers") {
			continue
		}
		field := hpack.HeaderField{Name: name, Value: string(f.value)}
		if name == "accept-encoding" {
			field.Value = string(r.readable(f.value))
		}
		list = append(list, sensitive(field))
		head = appendFields(head, []hpack.HeaderField{field})
	}
	return list, append(head, '\r', '\n')
}

// http1Head is the head for an origin that speaks HTTP/1.1. Of a request that
// came over HTTP/2 it is what Chrome would have sent: names in their usual case,
// Connection after Host, no priority, chunks for a body whose length is not known.
func (r *request) http1Head(target string) []byte {
	head := r.forOrigin(target)
	if r.h2 == nil {
		return head
	}
	var out []byte
	out = append(out, head[:lineEnd(head, 0)]...)
	for f := range fields(head) {
		switch name := string(f.name); {
		case name == "priority":
		case name == "host":
			out = fmt.Appendf(out, "Host: %s\r\nConnection: keep-alive\r\n", f.value)
		case strings.HasPrefix(name, "sec-ch-"):
			out = fmt.Appendf(out, "%s: %s\r\n", name, f.value)
		default:
			out = fmt.Appendf(out, "%s: %s\r\n", http.CanonicalHeaderKey(name), f.value)
		}
	}
	if r.streamed && len(r.lengths) == 0 {
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	}
	return append(out, '\r', '\n')
}

// shownOverH2 are the fields of an answer for a browser that speaks HTTP/2. A
// length that the body does not go by is left out.
func shownOverH2(r *response) []hpack.HeaderField {
	list := []hpack.HeaderField{{Name: ":status", Value: fmt.Sprintf("%03d", r.status)}}
	for _, f := range lineFields(r.head) {
		if f.Name != "content-length" || r.kind != chunkedBody && r.kind != closeBody {
			list = append(list, f)
		}
	}
	return list
}

// lineFields are the fields of a header block as HTTP/2 can have them.
func lineFields(head []byte) []hpack.HeaderField {
	var list []hpack.HeaderField
	for f := range fields(head) {
		name := strings.ToLower(string(f.name))
		if !token(name) || notOverH2[name] {
			continue
		}
		list = append(list, hpack.HeaderField{Name: name, Value: unfold.Replace(string(f.value))})
	}
	return list
}

// trailerFields are those of a trailer section, which has no start line.
func trailerFields(trailer []byte) []hpack.HeaderField {
	return lineFields(append([]byte{'\n'}, trailer...))
}

// unfold makes one line of folded ones.
var unfold = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ")

// token reports whether a name can be one of HTTP/2 (RFC 9110 section 5.6.2).
func token(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return name != ""
}
